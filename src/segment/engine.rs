//! Walks over the marks of a text once and puts sentences together.
//!
//! Knows the order of things: paragraphs, then the decision of the rules at every terminator, then
//! quotations. The text comes as a window that a stream may shift forward; every decision looks at
//! no more than [`AHEAD`] bytes after its mark, so the result does not depend on the window.

use std::collections::VecDeque;
use std::ops::Range;

use super::chars::{Kind, char_at, char_before, floor_char, is_line_end, is_space, kind};
use super::guess;
use super::knowledge::Knowledge;
use super::language::Language;
use super::quotes::{Change, Mark, Quotes};
use super::rules::Rules;
use super::scan::{NO_EXTRA, Scanner};
use super::{LineBreaks, Quotations, Segmenter, Sentence};

/// Bytes after a mark that a decision may look at.
pub(super) const AHEAD: usize = 8 << 10;
/// Bytes before a sentence that a decision may look at.
pub(super) const BEHIND: usize = 16;
/// White space of more bytes than this separates paragraphs, whatever it is made of.
pub(super) const LONGEST_GAP: usize = 4 << 10;
/// A quotation of no more bytes is kept whole in languages that are used to it.
const SHORT_QUOTATION: usize = 400;
/// A sentence of more bytes than this is cut.
pub(super) const LONGEST_SENTENCE: usize = 1 << 20;

/// The state between two marks. Offsets count from the beginning of the window.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    options: Segmenter,
    knowledge: &'static Knowledge,
    language: Option<Language>,
    scanner: Scanner,
    /// All before this has been scanned.
    seen: usize,
    /// Beginning of the present sentence, white space before it perhaps included.
    from: usize,
    /// Number of the present paragraph.
    paragraph: usize,
    /// The language of the present paragraph has still to be guessed.
    fresh: bool,
    /// The present paragraph has a sentence already.
    begun: bool,
    /// The present sentence ends here; the marks before are closing ones.
    ends: Option<usize>,
    /// Marks before this have been dealt with.
    skip: usize,
    quotes: Quotes,
    /// Quotations that were closed in the present sentence.
    closed: Vec<Range<usize>>,
    /// Finished sentences, held back while a quotation that began before their end is open.
    pending: VecDeque<Sentence>,
}

impl Engine {
    pub(super) fn new(options: Segmenter) -> Self {
        let knowledge = Knowledge::of(options.language);
        Engine {
            scanner: Scanner::new(0, knowledge.settings.terminator.unwrap_or(NO_EXTRA)),
            knowledge,
            language: options.language,
            seen: 0,
            from: 0,
            paragraph: 0,
            fresh: true,
            begun: false,
            ends: None,
            skip: 0,
            quotes: Quotes::default(),
            closed: Vec::new(),
            pending: VecDeque::new(),
            options,
        }
    }

    /// The next sentence of the window, or `None` when it is exhausted: for good if `last`, else
    /// until the window has grown.
    pub(super) fn next(&mut self, text: &str, last: bool) -> Option<Sentence> {
        loop {
            if let Some(sentence) = self.ready() {
                return Some(sentence);
            }
            match self.scanner.next(text.as_bytes()) {
                Some(at) if last || at + AHEAD <= text.len() => {
                    self.seen = at;
                    if at >= self.skip {
                        self.visit(text, at);
                    }
                }
                Some(at) => {
                    // Comes again when the window has grown.
                    self.seen = at;
                    self.scanner = self.scanner_at(at);
                    self.reach(text, at);
                    return self.ready();
                }
                None if last => {
                    self.reach(text, text.len());
                    self.finish(text, text.len());
                    self.quotes = Quotes::default();
                    return self.pending.pop_front();
                }
                None => {
                    // A mark may begin in the last bytes and go on after them.
                    self.seen = self.seen.max(floor_char(text, text.len().saturating_sub(8)));
                    self.reach(text, self.seen);
                    return self.ready();
                }
            }
        }
    }

    /// The first finished sentence, unless a quotation may still change it.
    #[inline]
    fn ready(&mut self) -> Option<Sentence> {
        let front = self.pending.front()?;
        if self.quotes.begin().is_some_and(|begin| begin < front.range.end) {
            return None;
        }
        self.pending.pop_front()
    }

    /// The first byte of the window that is still needed. A quotation may have begun before the
    /// sentences that are left.
    pub(super) fn needed(&self) -> usize {
        let sentences = self.pending.iter().map(|sentence| sentence.range.start);
        let quotations = self.pending.iter().filter_map(|sentence| sentence.quotation.as_ref());
        let quotations = quotations.chain(&self.closed).map(|quotation| quotation.start);
        let open = self.quotes.begin();
        let all = sentences.chain(quotations).chain(open).chain(self.ends);
        all.chain([self.from, self.seen]).min().unwrap_or(0)
    }

    /// The window has lost its first `by` bytes and may have grown at its end.
    pub(super) fn shift(&mut self, by: usize) {
        self.seen -= by;
        self.from -= by;
        self.skip = self.skip.saturating_sub(by);
        self.ends = self.ends.map(|end| end - by);
        self.quotes.shift(by);
        for range in &mut self.closed {
            *range = range.start - by..range.end - by;
        }
        for sentence in &mut self.pending {
            sentence.shift_down(by);
        }
        self.scanner = self.scanner_at(self.seen);
    }

    fn scanner_at(&self, position: usize) -> Scanner {
        Scanner::new(position, self.knowledge.settings.terminator.unwrap_or(NO_EXTRA))
    }

    /// Deals with the mark at `at`.
    fn visit(&mut self, text: &str, at: usize) {
        let Some(mark) = char_at(text, at) else {
            return; // bytes inside of a character that look like a mark
        };
        self.reach(text, at);
        if is_line_end(mark) {
            self.line_end(text, at);
            return;
        }
        self.begin(text);
        let terminates = kind(mark) == Kind::Terminator
            || self.knowledge.settings.terminator.is_some_and(|extra| mark == extra as char);
        if terminates {
            let rules =
                Rules { text, start: self.from, knowledge: self.knowledge, quotes: &self.quotes };
            let decision = rules.decide(at);
            self.skip = decision.run_end;
            if decision.sentence_end.is_some() {
                self.ends = decision.sentence_end;
            }
        } else if let Some(mark) = Mark::at(text, at) {
            self.skip = mark.end;
            let at_start = !self.begun && at == self.from;
            if let Change::Closed(range) = self.quotes.see(mark, at_start, self.knowledge) {
                self.close(range);
            }
        }
    }

    /// All before `position` is known to have no mark that has not been visited.
    #[inline]
    fn reach(&mut self, text: &str, position: usize) {
        if let Some(end) = self.ends
            && end <= position
        {
            self.finish(text, end);
        }
        if position > self.from + LONGEST_SENTENCE {
            self.cut(text, position);
        }
        self.quotes.expire(position);
    }

    /// Cuts a sentence that goes on to `position` into pieces that are short enough.
    fn cut(&mut self, text: &str, position: usize) {
        self.skip_space(text);
        while position > self.from + LONGEST_SENTENCE {
            let most = floor_char(text, self.from + LONGEST_SENTENCE);
            let words = floor_char(text, most - 256);
            let cut = text[words..most].rfind(is_space).map_or(most, |space| words + space);
            self.finish(text, cut);
            self.skip_space(text);
        }
    }

    /// A line ends at `at`: perhaps the paragraph does, too.
    fn line_end(&mut self, text: &str, at: usize) {
        let mut lines = 0;
        let mut end = at;
        let mut previous = ' ';
        for c in text[at..].chars().take_while(|&c| is_space(c)) {
            match c {
                '\n' if previous == '\r' => {}
                '\u{c}' | '\u{2029}' => lines += 2,
                _ => lines += usize::from(is_line_end(c)),
            }
            previous = c;
            end += c.len_utf8();
            if end - at > LONGEST_GAP {
                lines += 2;
                break;
            }
        }
        self.skip = end;
        if lines >= 2 {
            self.finish(text, at);
            self.from = self.from.max(end);
            self.paragraph += usize::from(self.begun);
            self.begun = false;
            self.fresh = true;
            self.quotes.end_paragraph(text[end..].chars().next());
        } else if self.options.line_breaks == LineBreaks::Sentence {
            self.finish(text, at);
            self.from = self.from.max(end);
        }
    }

    /// Moves the beginning of the sentence over white space.
    #[inline(always)]
    fn skip_space(&mut self, text: &str) {
        while let Some(c) = char_at(text, self.from).filter(|&c| is_space(c)) {
            self.from += c.len_utf8();
        }
    }

    /// Sees to it that the sentence has its beginning and the paragraph its language.
    #[inline]
    fn begin(&mut self, text: &str) {
        self.skip_space(text);
        if self.fresh {
            self.fresh = false;
            if self.options.language.is_none() {
                self.guess_language(text);
            }
        }
    }

    fn guess_language(&mut self, text: &str) {
        let before = self.language;
        self.language = guess::paragraph(&text[self.from..], before);
        if self.language != before {
            self.knowledge = Knowledge::of(self.language);
            self.scanner = self.scanner_at(self.seen + 1);
        }
    }

    /// Ends the present sentence at `end`.
    fn finish(&mut self, text: &str, end: usize) {
        self.ends = None;
        self.begin(text);
        let start = self.from;
        if end <= start {
            self.closed.clear();
            return;
        }
        self.from = end;
        self.begun = true;
        let mut end = end;
        while let Some(c) = char_before(text, end).filter(|&c| end > start && is_space(c)) {
            end -= c.len_utf8();
        }
        let mut sentence = Sentence {
            range: start..end,
            paragraph: self.paragraph,
            quotation: None,
            opens_quotation: false,
            closes_quotation: false,
            language: self.language,
        };
        for quotation in self.closed.drain(..) {
            sentence.closes_quotation = true;
            sentence.stands_in(quotation);
        }
        self.pending.push_back(sentence);
    }

    /// A quotation has been closed in the present sentence.
    fn close(&mut self, quotation: Range<usize>) {
        let short = quotation.len() <= SHORT_QUOTATION && self.knowledge.settings.whole_quotations;
        let whole = self.options.quotations == Quotations::Whole || short;
        while whole
            && let Some(sentence) = self.pending.back()
            && sentence.range.end > quotation.start
            && sentence.paragraph == self.paragraph
        {
            self.from = sentence.range.start;
            self.pending.pop_back();
        }
        let inside = self.pending.iter_mut().rev();
        for sentence in inside.take_while(|sentence| sentence.range.end > quotation.start) {
            sentence.stands_in(quotation.clone());
        }
        self.closed.push(quotation);
    }
}
