//! Pairs quotation marks, left to right, with a short stack of the quotations that are open.
//!
//! Knows which mark may close which (from the language's file) and what must stand beside a mark
//! that opens or closes; knows nothing of sentences. A quotation that is not closed within
//! [`LONGEST`] bytes is taken for a stray mark, so that a text with unclosed marks costs nothing
//! and a stream need not be held back.

use std::ops::Range;

use super::chars::{Kind, char_at, char_before, is_letter, is_unspaced, kind};
use super::knowledge::Knowledge;

/// Bytes after which an open quotation counts as never closed.
pub(super) const LONGEST: usize = 8 << 10;
/// Quotations inside of quotations that are followed; deeper ones drop the outermost.
const DEEPEST: usize = 8;

/// A quotation mark in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Its first character.
    pub(super) mark: char,
    /// Offset of its first byte.
    pub(super) at: usize,
    /// Offset after its last byte; two single marks count as one double mark.
    pub(super) end: usize,
    /// Character before it, a line end at the beginning.
    before: char,
    /// Character after it, a line end at the end.
    after: char,
}

impl Mark {
    /// The mark at `at`, if there is a quotation mark that counts.
    #[inline]
    pub(super) fn at(text: &str, at: usize) -> Option<Mark> {
        let mark = char_at(text, at)?;
        let mut end = at + mark.len_utf8();
        if matches!(mark, '\'' | ',' | '`') {
            // Single straight marks are apostrophes; two make a quotation mark.
            char_at(text, end).filter(|&second| second == mark)?;
            end += 1;
        } else if kind(mark) != Kind::Quote {
            return None;
        }
        let before = char_before(text, at).unwrap_or('\n');
        Some(Mark { mark, at, end, before, after: char_at(text, end).unwrap_or('\n') })
    }

    /// May a quotation begin here, going by the neighbours?
    fn can_open(&self) -> bool {
        let spaced_inside = matches!(self.mark, '«' | '‹' | '“' | ',' | '"' | '`');
        let starts = match kind(self.before) {
            Kind::Space | Kind::Open | Kind::Dash | Kind::Quote | Kind::Ignored | Kind::Other => {
                true
            }
            Kind::Continue | Kind::Terminator => self.mark != '"' || is_letter(self.after),
            _ => {
                is_unspaced(self.before)
                    || !is_symmetric(self.mark) && self.mark != '‘' && self.mark != '»'
            }
        };
        starts
            && match kind(self.after) {
                Kind::Space => spaced_inside && self.after != '\n',
                Kind::Continue | Kind::Close => false,
                _ => true,
            }
    }

    /// May a quotation end here, going by the neighbours?
    #[inline]
    fn can_close(&self) -> bool {
        match self.mark {
            // An apostrophe inside a word.
            '’' => !is_letter(self.after),
            _ if is_symmetric(self.mark) => {
                match kind(self.before) {
                    Kind::Space => !is_alphanumeric(self.after),
                    // So Hebrew writes abbreviations.
                    Kind::Letter => !(is_hebrew(self.before) && is_hebrew(self.after)),
                    _ => true,
                }
            }
            _ => true,
        }
    }
}

fn is_alphanumeric(c: char) -> bool {
    is_letter(c) || kind(c) == Kind::Digit
}

fn is_hebrew(c: char) -> bool {
    matches!(c, '\u{5D0}'..='\u{5EA}')
}

/// The same mark before and after a quotation.
fn is_symmetric(mark: char) -> bool {
    matches!(mark, '"' | '\'' | '＂' | '”')
}

/// A quotation that has begun.
#[derive(Clone, Copy, Debug)]
struct Open {
    mark: char,
    at: usize,
    /// It began before the present paragraph.
    carried: bool,
}

/// What a mark did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened a quotation, or goes on with one in a new paragraph, or is no quotation mark.
    None,
    /// It closed the quotation of this range, marks included.
    Closed(Range<usize>),
}

/// The quotations that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotes {
    open: Vec<Open>,
}

impl Quotes {
    /// Where the outermost open quotation began.
    #[inline]
    pub(super) fn begin(&self) -> Option<usize> {
        self.open.first().map(|open| open.at)
    }

    /// Takes note of a mark.
    pub(super) fn see(&mut self, mark: Mark, at_start: bool, knowledge: &Knowledge) -> Change {
        self.expire(mark.at);
        if at_start && let Some(i) = self.open.iter().position(|o| o.carried && o.mark == mark.mark)
        {
            // Every paragraph of a long quotation begins with a mark; only the last one closes.
            self.open[i].carried = false;
            return Change::None;
        }
        if let Some(i) = self.closes(mark, knowledge) {
            let begin = self.open[i].at;
            self.open.truncate(i);
            return Change::Closed(begin..mark.end);
        }
        if knowledge.opens(mark.mark) && mark.can_open() {
            if let Some(i) = self.open.iter().position(|open| open.mark == mark.mark) {
                self.open.truncate(i); // never closed
            }
            if self.open.len() == DEEPEST {
                self.open.remove(0);
            }
            self.open.push(Open { mark: mark.mark, at: mark.at, carried: false });
        }
        Change::None
    }

    /// The open quotation that `mark` would close.
    #[inline]
    fn closes(&self, mark: Mark, knowledge: &Knowledge) -> Option<usize> {
        let i = self.open.iter().rposition(|open| knowledge.closes(open.mark, mark.mark))?;
        if !mark.can_close() {
            return None;
        }
        // After a space and before a letter a mark can only open.
        let opens = kind(mark.before) == Kind::Space
            && !matches!(kind(mark.after), Kind::Space | Kind::Terminator)
            && mark.can_open()
            && knowledge.opens(mark.mark);
        (!opens).then_some(i)
    }

    /// Would the mark close a quotation that is open now?
    pub(super) fn would_close(&self, mark: Mark, knowledge: &Knowledge) -> bool {
        self.closes(mark, knowledge).is_some()
    }

    /// Is `mark` a closing mark when no quotation is open?
    pub(super) fn stray_closer(mark: Mark, knowledge: &Knowledge) -> bool {
        !(is_letter(mark.after) || kind(mark.after) == Kind::Digit || is_unspaced(mark.after))
            && (!knowledge.opens(mark.mark) || mark.can_close() && kind(mark.before) != Kind::Space)
    }

    /// A paragraph ends; the next begins with `next`.
    pub(super) fn end_paragraph(&mut self, next: Option<char>) {
        self.open.retain_mut(|open| {
            open.carried = true;
            !is_symmetric(open.mark) || Some(open.mark) == next
        });
    }

    /// Gives up quotations that are too long at `position`.
    #[inline]
    pub(super) fn expire(&mut self, position: usize) {
        while self.open.first().is_some_and(|open| open.at + LONGEST < position) {
            self.open.remove(0);
        }
    }

    /// Moves all offsets down.
    pub(super) fn shift(&mut self, by: usize) {
        for open in &mut self.open {
            open.at -= by;
        }
    }
}
