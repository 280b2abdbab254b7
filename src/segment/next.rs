//! Looks at what follows a terminator: closing marks, white space, the beginning of the next word.
//!
//! Knows which marks belong to the sentence that ends and which to the one that begins; decides
//! nothing else.

use super::chars::{Kind, char_at, is_letter, is_line_end, kind};
use super::engine::LONGEST_GAP;
use super::quotes::{Mark, Quotes};
use super::rules::{LONGEST_WORD, Rules};

/// Closing marks after a terminator, in bytes.
const MOST_CLOSERS: usize = 64;
/// Opening marks, dashes and spaces between them before the next word.
const MOST_OPENERS: usize = 16;

/// What follows a run of terminators.
pub(super) struct Next {
    /// After the closing marks.
    pub(super) closed: usize,
    /// There are closing marks.
    pub(super) closers: bool,
    /// One of them is a quotation mark.
    pub(super) quote_closed: bool,
    /// White space before what follows.
    pub(super) spaced: bool,
    /// Kind of the character right after the gap; `None`: paragraph or text ends.
    pub(super) first: Option<Kind>,
    /// It is a doubled comma that opens a quotation.
    pub(super) quote_opens: bool,
    /// Where the first character after opening marks and dashes stands.
    pub(super) at: usize,
    /// That character.
    pub(super) letter: char,
    /// Its kind.
    pub(super) kind: Kind,
}

impl<'a> Rules<'a> {
    /// What follows the terminators that end at `closed`.
    pub(super) fn next(&self, closed: usize) -> Next {
        // By far the most frequent: a space or none, then a letter or digit.
        let spaced = matches!(self.text.as_bytes().get(closed), Some(b' ' | b'\n'));
        let at = closed + usize::from(spaced);
        if let Some(letter) = char_at(self.text, at) {
            let kind = kind(letter);
            if matches!(
                kind,
                Kind::Upper | Kind::Lower | Kind::Letter | Kind::Digit | Kind::Terminator
            ) {
                return Next {
                    closed,
                    closers: false,
                    quote_closed: false,
                    spaced,
                    first: Some(kind),
                    quote_opens: false,
                    at,
                    letter,
                    kind,
                };
            }
        }
        self.next_after_marks(closed)
    }

    fn next_after_marks(&self, mut closed: usize) -> Next {
        let begin = closed;
        let mut quote_closed = false;
        loop {
            let more = self.closer(closed);
            if let Some((end, quote)) = more
                && end - begin <= MOST_CLOSERS
            {
                closed = end;
                quote_closed |= quote;
                continue;
            }
            break;
        }
        let mut gap = self.gap(closed);
        // A closing mark after a space, as French has it, or the number of a note.
        while let Some(at) = gap
            && at > closed
            && let Some((end, quote)) = self.spaced_closer(at)
            && end - begin <= MOST_CLOSERS
        {
            closed = end;
            quote_closed |= quote;
            gap = self.gap(closed);
        }
        let closers = closed > begin;
        let none = Next {
            closed,
            closers,
            quote_closed,
            spaced: true,
            first: None,
            quote_opens: false,
            at: closed,
            letter: ' ',
            kind: Kind::Space,
        };
        let Some(mut position) = gap else { return none };
        let spaced = position > closed;
        let Some(first) = char_at(self.text, position) else {
            return none;
        };
        let mut c = first;
        let quote_opens = first == ',' && Mark::at(self.text, position).is_some();
        if quote_opens {
            position += 2;
            let Some(after) = char_at(self.text, position) else {
                return none;
            };
            c = after;
        }
        for _ in 0..MOST_OPENERS {
            let opens = match kind(c) {
                Kind::Open | Kind::Quote | Kind::Dash | Kind::Ignored => true,
                Kind::Space => !is_line_end(c),
                _ => matches!(c, '¿' | '¡' | '*' | '•' | '_' | '#'),
            };
            if !opens {
                break;
            }
            position += c.len_utf8();
            match char_at(self.text, position) {
                Some(after) => c = after,
                None => break,
            }
        }
        Next {
            spaced,
            quote_opens,
            at: position,
            first: Some(kind(first)),
            letter: c,
            kind: kind(c),
            ..none
        }
    }

    /// The end of the closing mark at `at`, and whether it is a quotation mark.
    fn closer(&self, at: usize) -> Option<(usize, bool)> {
        let c = char_at(self.text, at)?;
        match kind(c) {
            Kind::Close => Some((at + c.len_utf8(), false)),
            Kind::Quote => {
                let end = match Mark::at(self.text, at) {
                    Some(mark) => {
                        let closes = self.quotes.would_close(mark, self.knowledge)
                            || Quotes::stray_closer(mark, self.knowledge);
                        closes.then_some(mark.end)
                    }
                    // A single straight mark.
                    None => {
                        let after = char_at(self.text, at + c.len_utf8());
                        after.is_none_or(|after| !is_letter(after)).then_some(at + c.len_utf8())
                    }
                };
                end.map(|end| (end, true))
            }
            Kind::Open => self.note(at).map(|end| (end, false)),
            _ => None,
        }
    }

    /// The same after a space, where a mark may open as well.
    fn spaced_closer(&self, at: usize) -> Option<(usize, bool)> {
        match Mark::at(self.text, at) {
            Some(mark) => self.quotes.would_close(mark, self.knowledge).then_some((mark.end, true)),
            None => self.note(at).map(|end| (end, false)),
        }
    }

    /// The end of the number of a note at `at`, as `[12]`.
    fn note(&self, at: usize) -> Option<usize> {
        let number = self.text[at..].strip_prefix('[')?;
        let digits = number.bytes().take(4).take_while(u8::is_ascii_digit).count();
        (digits > 0 && number[digits..].starts_with(']')).then_some(at + digits + 2)
    }

    /// The end of the white space at `at`; `None` if a paragraph ends in it.
    fn gap(&self, at: usize) -> Option<usize> {
        let mut lines = 0;
        let mut end = at;
        let mut previous = ' ';
        while let Some(c) = char_at(self.text, end) {
            if kind(c) != Kind::Space {
                return Some(end);
            }
            match c {
                '\n' if previous == '\r' => {}
                '\u{c}' | '\u{2029}' => return None,
                _ => lines += usize::from(is_line_end(c)),
            }
            previous = c;
            end += c.len_utf8();
            if lines > 1 || end - at > LONGEST_GAP {
                return None;
            }
        }
        None
    }

    /// The next word and the character after it.
    pub(super) fn next_word(&self, next: &Next) -> (&'a str, char) {
        let rest = &self.text[next.at..];
        let mut end = 0;
        for c in rest.chars() {
            if !(is_letter(c) || matches!(kind(c), Kind::Digit | Kind::Ignored))
                || end > LONGEST_WORD
            {
                return (&rest[..end], c);
            }
            end += c.len_utf8();
        }
        (&rest[..end], '\n')
    }
}
