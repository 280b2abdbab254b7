//! Text to sentences, with their paragraphs and quotations.
//!
//! ```
//! use demarche::segment::{Language, Segmenter};
//!
//! let text = "Dr. Ode kam am 3. Juni. „Wohin?“, fragte sie. Er schwieg.";
//! let segmenter = Segmenter::new().language(Language::German);
//! let sentences: Vec<&str> = segmenter.sentences(text).map(|s| &text[s.range]).collect();
//! assert_eq!(sentences, ["Dr. Ode kam am 3. Juni.", "„Wohin?“, fragte sie.", "Er schwieg."]);
//! ```
//!
//! The room knows how sentences are written: terminators, abbreviations, ordinals, quotations. It
//! knows nothing of what they say, and uses no other room of the crate. What is known of a language
//! stands in one file of `data/`; without a language, one is guessed for every paragraph, and
//! where that fails too, the rules that hold for all languages are left.
//!
//! On the way from text to sentences:
//! the scanner finds marks → the rules decide at each terminator → the engine keeps paragraphs and
//! quotations together → [`Sentences`] or [`Stream`] hands the result out.

mod chars;
#[cfg(test)]
mod data_tests;
mod engine;
mod guess;
mod knowledge;
mod language;
mod next;
mod periods;
mod quotes;
mod rules;
mod scan;
mod stream;
mod words;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use engine::Engine;
pub use language::{Language, UnknownLanguage};
pub use stream::{Stream, StreamError};

/// What becomes of a quotation of several sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quotations {
    /// Its sentences are split, as treebanks mostly do. (Only in languages whose treebanks keep
    /// quotations whole, short ones are: Chinese, French, Indonesian, Japanese.)
    #[default]
    Split,
    /// It stays in one sentence, together with what is said around it. (Of paragraphs: each has
    /// its own.)
    Whole,
}

/// What a single line end means. An empty line always ends a paragraph and its last sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineBreaks {
    /// White space: lines may be wrapped anywhere.
    #[default]
    Space,
    /// The end of a sentence: every line stands for itself.
    Sentence,
}

/// Splits text into sentences.
///
/// A segmenter is only its settings: cheap to copy and to share between threads.
#[derive(Clone, Debug, Default)]
pub struct Segmenter {
    language: Option<Language>,
    quotations: Quotations,
    line_breaks: LineBreaks,
}

impl Segmenter {
    /// A segmenter that guesses the language, splits quotations and takes line ends for spaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// The language of the text; `None` has it guessed for every paragraph.
    pub fn language(mut self, language: impl Into<Option<Language>>) -> Self {
        self.language = language.into();
        self
    }

    /// What becomes of quotations of several sentences.
    ///
    /// ```
    /// use demarche::segment::{Quotations, Segmenter};
    ///
    /// let text = "She said: “We are done. Let us go home.” They left.";
    /// let segmenter = Segmenter::new();
    /// assert_eq!(segmenter.sentences(text).count(), 3);
    /// assert_eq!(segmenter.quotations(Quotations::Whole).sentences(text).count(), 2);
    /// ```
    pub fn quotations(mut self, quotations: Quotations) -> Self {
        self.quotations = quotations;
        self
    }

    /// What a single line end means.
    ///
    /// ```
    /// use demarche::segment::{LineBreaks, Segmenter};
    ///
    /// let text = "A heading\nOne sentence.\n\nAnd another.";
    /// let segmenter = Segmenter::new();
    /// assert_eq!(segmenter.sentences(text).count(), 2);
    /// assert_eq!(segmenter.line_breaks(LineBreaks::Sentence).sentences(text).count(), 3);
    /// ```
    pub fn line_breaks(mut self, line_breaks: LineBreaks) -> Self {
        self.line_breaks = line_breaks;
        self
    }

    /// The sentences of a text, in order. What lies between two of them is white space.
    pub fn sentences<'t>(&self, text: &'t str) -> Sentences<'t> {
        Sentences { text, engine: Engine::new(self.clone()) }
    }

    /// The sentences of a reader, each with its text; offsets count from the reader's beginning.
    ///
    /// They are the same as those of the whole text, however the bytes come. Memory is bounded by
    /// the longest sentence, which is 1 MiB at most.
    ///
    /// ```
    /// use demarche::segment::Segmenter;
    ///
    /// let reader = "One. Two.".as_bytes();
    /// let texts: Result<Vec<String>, _> =
    ///     Segmenter::new().stream(reader).map(|item| item.map(|(text, _)| text)).collect();
    /// assert_eq!(texts?, ["One.", "Two."]);
    /// # Ok::<(), demarche::segment::StreamError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An item is an error, and the last one, where the reader fails or gives bytes that are no
    /// UTF-8; the sentences before it are given first.
    pub fn stream<R: std::io::Read>(&self, reader: R) -> Stream<R> {
        Stream::new(self.clone(), reader)
    }
}

/// A sentence: where it stands and what stands around it. Offsets are bytes of the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Where it stands, on character boundaries, with no white space at either end.
    pub range: Range<usize>,
    /// Number of its paragraph, from 0. Empty lines, form feeds and U+2029 separate paragraphs.
    pub paragraph: usize,
    /// The innermost quotation that covers more than half of the sentence's bytes, marks included.
    pub quotation: Option<Range<usize>>,
    /// A quotation begins in the sentence (and ends there or later).
    pub opens_quotation: bool,
    /// A quotation ends in the sentence (and began there or before).
    pub closes_quotation: bool,
    /// The language whose rules were used: the given or the guessed one.
    pub language: Option<Language>,
}

impl Sentence {
    /// Takes note of a quotation that overlaps the sentence. Inner quotations come first.
    fn stands_in(&mut self, quotation: Range<usize>) {
        self.opens_quotation |= self.range.contains(&quotation.start);
        let overlap =
            self.range.end.min(quotation.end).saturating_sub(self.range.start.max(quotation.start));
        if self.quotation.is_none() && 2 * overlap > self.range.len() {
            self.quotation = Some(quotation);
        }
    }

    fn shift_up(&mut self, by: usize) {
        for range in [&mut self.range].into_iter().chain(&mut self.quotation) {
            *range = range.start + by..range.end + by;
        }
    }

    fn shift_down(&mut self, by: usize) {
        for range in [&mut self.range].into_iter().chain(&mut self.quotation) {
            *range = range.start - by..range.end - by;
        }
    }
}

/// Iterator over the sentences of a text; [`Segmenter::sentences`] makes one.
#[derive(Clone, Debug)]
pub struct Sentences<'t> {
    text: &'t str,
    engine: Engine,
}

impl Iterator for Sentences<'_> {
    type Item = Sentence;

    #[inline]
    fn next(&mut self) -> Option<Sentence> {
        self.engine.next(self.text, true)
    }
}

impl std::iter::FusedIterator for Sentences<'_> {}
