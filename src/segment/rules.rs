//! Decides at a terminator whether the sentence ends there.
//!
//! Knows what stands around it (closing marks, white space, the next word) and what that says of the
//! marks that end every sentence; what a full stop says, which may belong to a word, is decided in
//! `periods`.

use super::chars::{Kind, char_at, char_before, is_syllable, is_unspaced, kind};
use super::knowledge::{Knowledge, Roles};
use super::next::Next;
use super::quotes::Quotes;

/// Terminators in a row that are looked at together.
const LONGEST_RUN: usize = 1 << 10;
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

    #[inline]
    fn run(&self, at: usize) -> Run {
        let bytes = self.text.as_bytes();
        if bytes[at] == b'.'
            && bytes.get(at + 1).is_some_and(|&next| next.is_ascii() && self.is_plain(next))
        {
            return Run { at, end: at + 1, period: true, ellipsis: false, wide: false, last: '.' };
        }
        self.long_run(at)
    }

    /// An ASCII character that is no terminator.
    fn is_plain(&self, byte: u8) -> bool {
        !matches!(byte, b'.' | b'!' | b'?') && self.knowledge.settings.terminator != Some(byte)
    }

    fn long_run(&self, at: usize) -> Run {
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
        if run.ellipsis && next.kind == Kind::Letter && !is_syllable(next.letter) {
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
        self.begins_small() && self.is_plain_word_before(run.at, 3)
            || self.is_opener(next) && self.is_plain_word_before(run.at, 4)
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
        let follows = char_at(self.text, next.closed).unwrap_or(' ');
        if run.wide || matches!(run.last, '।' | '॥') {
            return !(next.quote_closed && self.is_said_unspaced(next));
        }
        let before = char_before(self.text, run.at).unwrap_or(' ');
        let wide_before = is_unspaced(before) || kind(before) == Kind::Close || next.closers;
        is_unspaced(follows) && wide_before && !(next.quote_closed && self.is_said_unspaced(next))
    }

    /// After a quotation: does who said it follow?
    fn is_said(&self, next: &Next) -> bool {
        let words = self.text[next.at..].split(' ').take(3);
        words.skip(1).any(|word| {
            word.len() <= LONGEST_WORD
                && self.knowledge.roles(word.trim_end_matches([',', '.', ':'])).has(Roles::SAYING)
        })
    }

    /// The same in scripts without spaces: a particle, or a few words that end in a verb of saying.
    fn is_said_unspaced(&self, next: &Next) -> bool {
        let (word, _) = self.next_word(next);
        let particle = word.chars().next().map_or("", |c| &word[..c.len_utf8()]);
        self.knowledge.roles(particle).has(Roles::SAYING)
            || word.chars().count() <= 10 && self.knowledge.suffix_roles(word).has(Roles::SAYING)
    }
}
