//! Decides at a terminator whether the sentence ends there.
//!
//! Knows what to look at (the word before, the closing marks, the word after) and how the roles of
//! words weigh; which words have which roles stands in the files of the languages.

use super::chars::{Kind, floor_char, is_letter, is_line_end, is_unspaced, kind};
use super::engine::LONGEST_GAP;
use super::knowledge::{Knowledge, Roles};
use super::quotes::{Mark, Quotes};

/// Terminators in a row that are looked at together.
const LONGEST_RUN: usize = 1 << 10;
/// Closing marks after a terminator, in bytes.
const MOST_CLOSERS: usize = 64;
/// Bytes of a word that is looked up.
const LONGEST_WORD: usize = 64;

/// The text around a terminator and what is known of it.
pub(super) struct Rules<'a> {
    /// The window.
    pub(super) text: &'a str,
    /// Beginning of the present sentence.
    pub(super) start: usize,
    pub(super) knowledge: &'a Knowledge,
    /// The quotations that are open at the terminator.
    pub(super) quotes: &'a Quotes,
}

/// What the rules say of a terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// After the terminators that were looked at.
    pub(super) run_end: usize,
    /// Where the sentence ends, closing marks included, if it does.
    pub(super) sentence_end: Option<usize>,
}

/// A run of terminators.
struct Run {
    at: usize,
    end: usize,
    /// One full stop and nothing else.
    period: bool,
    /// Two full stops or more, or an ellipsis character, last.
    ellipsis: bool,
    /// A terminator of a script that writes no spaces.
    wide: bool,
    last: char,
}

/// What follows a run of terminators, closing marks aside.
struct Next<'a> {
    /// After the closing marks.
    closed: usize,
    /// There are closing marks.
    closers: bool,
    quote_closed: bool,
    /// White space before what follows.
    spaced: bool,
    /// Kind of the character right after the gap; `None`: paragraph or text ends.
    first: Option<Kind>,
    /// Kind of the first character after opening marks and dashes.
    kind: Kind,
    /// The word that begins there.
    word: &'a str,
    /// The character after that word.
    after_word: char,
}

impl<'a> Rules<'a> {
    /// Looks at the terminators from `at` on.
    pub(super) fn decide(&self, at: usize) -> Decision {
        let run = self.run(at);
        let next = self.next(run.end);
        let breaks = self.breaks(&run, &next);
        Decision { run_end: run.end, sentence_end: breaks.then_some(next.closed) }
    }

    fn is_terminator(&self, c: char) -> bool {
        kind(c) == Kind::Terminator
            || self.knowledge.settings.terminator.is_some_and(|extra| c == extra as char)
    }

    fn run(&self, at: usize) -> Run {
        let (mut end, mut count, mut periods, mut wide, mut last) = (at, 0, 0, false, '.');
        for c in self.text[at..].chars() {
            if !self.is_terminator(c) || end - at > LONGEST_RUN {
                break;
            }
            end += c.len_utf8();
            count += 1;
            periods = if c == '.' { periods + 1 } else { 0 };
            wide |= matches!(c, '。' | '！' | '？' | '｡' | '．');
            last = c;
        }
        let ellipsis = periods > 1 || matches!(last, '…' | '‥');
        Run { at, end, period: count == 1 && last == '.', ellipsis, wide, last }
    }

    fn next(&self, mut closed: usize) -> Next<'a> {
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
        // A closing mark after a space, as French has it.
        while let Some(end) = gap
            && end > closed
            && let Some(mark) = Mark::at(self.text, end)
            && mark.end - begin <= MOST_CLOSERS
            && self.quotes.would_close(mark, self.knowledge)
        {
            closed = mark.end;
            quote_closed = true;
            gap = self.gap(closed);
        }
        let closers = closed > begin;
        let none = Next {
            closed,
            closers,
            quote_closed,
            spaced: true,
            first: None,
            kind: Kind::Space,
            word: "",
            after_word: ' ',
        };
        let Some(mut position) = gap else { return none };
        let spaced = position > closed;
        let mut rest = self.text[position..].chars();
        let Some(first) = rest.next() else {
            return none;
        };
        let mut c = first;
        for _ in 0..16 {
            let opens = match kind(c) {
                Kind::Open | Kind::Quote | Kind::Dash | Kind::Ignored => true,
                Kind::Space => !is_line_end(c),
                _ => matches!(c, '¿' | '¡' | '*' | '•' | '_' | '#'),
            };
            if !opens {
                break;
            }
            position += c.len_utf8();
            match rest.next() {
                Some(after) => c = after,
                None => break,
            }
        }
        let (word, after_word) = self.word_from(position);
        Next { spaced, first: Some(kind(first)), kind: kind(c), word, after_word, ..none }
    }

    /// The end of the closing mark at `at`, and whether it is a quotation mark.
    fn closer(&self, at: usize) -> Option<(usize, bool)> {
        let c = self.text[at..].chars().next()?;
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
                        let after = self.text[at + c.len_utf8()..].chars().next();
                        after.is_none_or(|after| !is_letter(after)).then_some(at + c.len_utf8())
                    }
                };
                end.map(|end| (end, true))
            }
            Kind::Open if c == '[' => {
                // A note: `[12]`.
                let digits =
                    self.text[at + 1..].bytes().take(4).take_while(u8::is_ascii_digit).count();
                let end = at + 1 + digits;
                (digits > 0 && self.text[end..].starts_with(']')).then_some((end + 1, false))
            }
            _ => None,
        }
    }

    /// The end of the white space at `at`; `None` if a paragraph ends in it.
    fn gap(&self, at: usize) -> Option<usize> {
        let mut lines = 0;
        let mut end = at;
        let mut previous = ' ';
        for c in self.text[at..].chars() {
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

    /// The word at `at` and the character after it.
    fn word_from(&self, at: usize) -> (&'a str, char) {
        let rest = &self.text[at..];
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

    /// The word that ends at `end`, inner full stops included.
    fn word_before(&self, end: usize) -> &'a str {
        let begin = self.start.max(floor_char(self.text, end.saturating_sub(LONGEST_WORD)));
        let before = &self.text[begin..end];
        let mut start = before.len();
        for (at, c) in before.char_indices().rev() {
            let inside = match kind(c) {
                Kind::Lower | Kind::Upper | Kind::Letter | Kind::Digit | Kind::Ignored => true,
                Kind::Other => !c.is_ascii() && c.is_alphanumeric() || is_mark(c),
                _ => c == '.',
            };
            if !inside {
                break;
            }
            start = at;
        }
        before[start..].trim_start_matches('.')
    }

    fn breaks(&self, run: &Run, next: &Next) -> bool {
        let Some(first) = next.first else {
            return false;
        }; // the paragraph ends anyway
        if matches!(first, Kind::Continue | Kind::Terminator | Kind::Close) {
            return false;
        }
        if !next.spaced {
            return self.breaks_unspaced(run, next);
        }
        if next.kind == Kind::Lower || run.at == self.start {
            return false;
        }
        if !run.period {
            return true;
        }
        if next.closers {
            return true;
        }
        self.breaks_at_period(run, next)
    }

    /// No white space follows.
    fn breaks_unspaced(&self, run: &Run, next: &Next) -> bool {
        let follows = self.text[next.closed..].chars().next().unwrap_or(' ');
        if run.wide || matches!(run.last, '।' | '॥') {
            return !(next.quote_closed
                && self.knowledge.roles(first_char(next.word)).has(Roles::SAYING));
        }
        let before = self.text[..run.at].chars().next_back().unwrap_or(' ');
        is_unspaced(follows) && is_unspaced(before)
    }

    /// A full stop, white space, and then no small letter.
    fn breaks_at_period(&self, run: &Run, next: &Next) -> bool {
        let word = self.word_before(run.at);
        let at_start = run.at - word.len() == self.start;
        let roles = self.knowledge.roles(word);
        let digits = word.chars().all(|c| kind(c) == Kind::Digit);
        if word.is_empty() {
            return true;
        }
        let opener = self.is_opener(next);
        if digits {
            return self.breaks_after_number(run, word, next, at_start, opener);
        }
        if roles.has(Roles::INNER) {
            return false;
        }
        if roles.has(Roles::NUMBER) && next.kind == Kind::Digit {
            return false;
        }
        if roles.has(Roles::TITLE) && next.kind != Kind::Digit {
            return false;
        }
        if roles.has(Roles::FINAL) {
            return true;
        }
        if roles.has(Roles::EITHER) {
            return opener;
        }
        if roles.has(Roles::WORD) {
            return true;
        }
        let mut letters = word.chars().filter(|&c| kind(c) != Kind::Ignored);
        let first = letters.next().unwrap_or(' ');
        if letters.next().is_none() && is_letter(first) && !is_unspaced(first) {
            return opener && !at_start;
        }
        if is_dotted(word) {
            return opener;
        }
        true
    }

    fn breaks_after_number(
        &self,
        run: &Run,
        word: &str,
        next: &Next,
        at_start: bool,
        opener: bool,
    ) -> bool {
        let short = word.len() <= 3;
        if at_start && short {
            return false;
        }
        if self.knowledge.roles(next.word).has(Roles::MONTH.and(Roles::COUNTED)) && short {
            return false;
        }
        if !self.knowledge.settings.ordinals || !short || opener {
            return true;
        }
        let before = self.text[self.start..run.at - word.len()].trim_end();
        let before = self.word_before(self.start + before.len());
        !self.knowledge.roles(before).has(Roles::COUNTING)
    }

    /// Is the next word one that begins sentences?
    fn is_opener(&self, next: &Next) -> bool {
        self.knowledge.roles(next.word).has(Roles::OPENER)
            && !(next.after_word == '.' && next.word.chars().count() == 1)
    }
}

fn first_char(word: &str) -> &str {
    word.chars().next().map_or("", |c| &word[..c.len_utf8()])
}

/// Vowel signs and other marks that belong to a letter.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{903}' | '\u{93A}'..='\u{94F}' | '\u{591}'..='\u{5C7}')
}

/// Short pieces with full stops between, as `e.g` or `U.S`.
fn is_dotted(word: &str) -> bool {
    word.contains('.')
        && word.split('.').all(|piece| piece.chars().count() <= 3 && piece.chars().all(is_letter))
}
