//! Decides at a terminator whether the sentence ends there.
//!
//! Knows what stands around it (closing marks, white space, the next word) and what that says of the
//! marks that end every sentence; what a full stop says, which may belong to a word, is decided in
//! `periods`.

use super::chars::{Kind, is_letter, is_line_end, is_syllable, is_unspaced, kind};
use super::engine::LONGEST_GAP;
use super::knowledge::{Knowledge, Roles};
use super::quotes::{Mark, Quotes};

/// Terminators in a row that are looked at together.
const LONGEST_RUN: usize = 1 << 10;
/// Closing marks after a terminator, in bytes.
const MOST_CLOSERS: usize = 64;
/// Bytes of a word that is looked up.
pub(super) const LONGEST_WORD: usize = 64;

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
pub(super) struct Run {
    pub(super) at: usize,
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
pub(super) struct Next<'a> {
    /// After the closing marks.
    closed: usize,
    /// There are closing marks.
    closers: bool,
    quote_closed: bool,
    /// White space before what follows.
    spaced: bool,
    /// Kind of the character right after the gap; `None`: paragraph or text ends.
    first: Option<Kind>,
    /// It is a doubled comma that opens a quotation.
    quote_opens: bool,
    /// Where the first character after opening marks and dashes stands.
    at: usize,
    /// Kind of that character.
    pub(super) kind: Kind,
    /// The word that begins there.
    pub(super) word: &'a str,
    /// The character after that word.
    pub(super) after_word: char,
}

impl Next<'_> {
    fn first_char(&self) -> char {
        self.word.chars().next().unwrap_or(' ')
    }
}

impl<'a> Rules<'a> {
    /// Looks at the terminators from `at` on.
    pub(super) fn decide(&self, at: usize) -> Decision {
        let run = self.run(at);
        let next = self.next(run.end);
        let breaks = self.breaks(&run, &next);
        Decision {
            run_end: run.end,
            sentence_end: breaks.then_some(next.closed),
        }
    }

    fn is_terminator(&self, c: char) -> bool {
        kind(c) == Kind::Terminator
            || self
                .knowledge
                .settings
                .terminator
                .is_some_and(|extra| c == extra as char)
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
        Run {
            at,
            end,
            period: count == 1 && last == '.',
            ellipsis,
            wide,
            last,
        }
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
        let quote_opens = first == ',' && Mark::at(self.text, position).is_some();
        if quote_opens {
            position += 2;
            rest.next();
            c = rest.next().unwrap_or(' ');
        }
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
        Next {
            spaced,
            quote_opens,
            at: position,
            first: Some(kind(first)),
            kind: kind(c),
            word,
            after_word,
            ..none
        }
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
                        after
                            .is_none_or(|after| !is_letter(after))
                            .then_some(at + c.len_utf8())
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
            Some(mark) => self
                .quotes
                .would_close(mark, self.knowledge)
                .then_some((mark.end, true)),
            None => self.note(at).map(|end| (end, false)),
        }
    }

    /// The end of the number of a note at `at`, as `[12]`.
    fn note(&self, at: usize) -> Option<usize> {
        let number = self.text[at..].strip_prefix('[')?;
        let digits = number
            .bytes()
            .take(4)
            .take_while(u8::is_ascii_digit)
            .count();
        (digits > 0 && number[digits..].starts_with(']')).then_some(at + digits + 2)
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

    fn breaks(&self, run: &Run, next: &Next) -> bool {
        let Some(first) = next.first else {
            return false;
        }; // the paragraph ends anyway
        let goes_on = matches!(first, Kind::Continue | Kind::Terminator | Kind::Close);
        if goes_on && !next.quote_opens {
            return false;
        }
        if !next.spaced {
            return self.breaks_unspaced(run, next);
        }
        if run.at == self.start || run.ellipsis && self.is_omission(run, next) {
            return false;
        }
        if run.ellipsis && next.kind == Kind::Letter && !is_syllable(next.first_char()) {
            return false; // without capitals, it is a pause more often than an end
        }
        if next.kind == Kind::Lower && (run.ellipsis || !self.breaks_before_small(run, next)) {
            return false;
        }
        if run.period && !next.closers {
            return self.breaks_at_period(run, next);
        }
        !(next.quote_closed && run.last != '.' && self.is_said(next))
    }

    /// `[...]` or `(…)`: what was left out stands for the words before and after it.
    fn is_omission(&self, run: &Run, next: &Next) -> bool {
        next.closers && self.text[..run.at].ends_with(['[', '('])
    }

    /// Small letters begin sentences in careless text only.
    fn breaks_before_small(&self, run: &Run, next: &Next) -> bool {
        if run.last != '.' || next.closers {
            return self.begins_small();
        }
        self.is_plain_word_before(run.at) && (self.begins_small() || self.is_opener(next))
    }

    /// Does the sentence begin with a small letter? Then the next one may, too.
    fn begins_small(&self) -> bool {
        let mut first = self.text[self.start..].chars().take(4);
        first
            .find(|&c| kind(c) != Kind::Quote && kind(c) != Kind::Open)
            .is_some_and(|c| kind(c) == Kind::Lower)
    }

    /// No white space follows.
    fn breaks_unspaced(&self, run: &Run, next: &Next) -> bool {
        let follows = self.text[next.closed..].chars().next().unwrap_or(' ');
        if run.wide || matches!(run.last, '।' | '॥') {
            return !(next.quote_closed && self.is_said_unspaced(next));
        }
        let before = self.text[..run.at].chars().next_back().unwrap_or(' ');
        let wide_before = is_unspaced(before) || kind(before) == Kind::Close || next.closers;
        is_unspaced(follows) && wide_before && !(next.quote_closed && self.is_said_unspaced(next))
    }

    /// After a quotation: does who said it follow?
    fn is_said(&self, next: &Next) -> bool {
        let words = self.text[next.at..].split(' ').take(3);
        words.skip(1).any(|word| {
            word.len() <= LONGEST_WORD
                && self
                    .knowledge
                    .roles(word.trim_end_matches([',', '.', ':']))
                    .has(Roles::SAYING)
        })
    }

    /// The same in scripts without spaces: a particle, or a few words that end in a verb of saying.
    fn is_said_unspaced(&self, next: &Next) -> bool {
        let particle = next
            .word
            .chars()
            .next()
            .map_or("", |c| &next.word[..c.len_utf8()]);
        self.knowledge.roles(particle).has(Roles::SAYING)
            || next.word.chars().count() <= 10
                && self.knowledge.suffix_roles(next.word).has(Roles::SAYING)
    }
}
