//! Text in, statements out: segments, tokenizes, encodes and decides.

mod builder;
mod cache;
mod decide;
mod pipeline;
mod statistics;
mod stream;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;

pub use builder::{Backend, TaggerBuilder};
pub use decide::Thresholds;
pub use statistics::Statistics;
pub use stream::Statements;

use crate::error::Result;
use crate::segment::{Segmenter, Sentence};
use crate::statement::{Label, Statement};
use decide::{Decider, Decision};
use pipeline::{Input, Pipeline};

/// Tags the sentences of a text by stance.
///
/// Cheap to clone and safe to share: clones use one model and one set of threads. A sentence's
/// probabilities depend on nothing but its own text: not on its neighbours, the batch, the number of
/// threads or the order of documents. With [`Backend::Cpu`] that holds bit for bit, with
/// [`Backend::RustBert`] up to rounding.
///
/// A model that was loaded from a directory stays mapped: the files must not be truncated while it
/// is in use.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use demarche::{Stance, Tagger};
///
/// let tagger = Tagger::bundled()?;
/// let statements = tagger.tag("Warsaw condemned the attack. The talks begin at eight.")?;
/// assert_eq!(statements.len(), 2);
/// assert!(statements[0].stances.contains(Stance::Accusation));
/// # }
/// # Ok::<(), demarche::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tagger {
    shared: Arc<Shared>,
}

/// What clones of a tagger have in common.
#[derive(Debug)]
struct Shared {
    segmenter: Segmenter,
    pipeline: Pipeline,
    decider: Decider,
}

impl Tagger {
    /// The model that is compiled into the program, with all settings at their defaults: `demarche-small` with
    /// the feature `bundled-small`, else `demarche-nano`.
    ///
    /// # Errors
    /// None with the bundled model as it is published, but for too few threads that the system grants.
    #[cfg(feature = "bundled")]
    pub fn bundled() -> Result<Self> {
        TaggerBuilder::default().build()
    }

    /// A model directory, with all settings at their defaults; see [`TaggerBuilder::model_dir`].
    ///
    /// # Errors
    /// Every [`Error`](crate::Error) that names a file of the model.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self> {
        TaggerBuilder::default().model_dir(dir.as_ref()).build()
    }

    /// Settings to choose before the model is loaded.
    pub fn builder() -> TaggerBuilder {
        TaggerBuilder::default()
    }

    /// The statements of a text, a sentence each, in order.
    ///
    /// # Errors
    /// [`Error::SentenceTooLong`](crate::Error::SentenceTooLong) if that was asked for, and failures of
    /// the tokenizer or backend.
    pub fn tag(&self, text: &str) -> Result<Vec<Statement>> {
        Ok(self.tag_batch(&[text])?.pop().unwrap_or_default())
    }

    /// The statements of many texts: faster than one by one, with the same results.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// # let tagger = demarche::Tagger::bundled()?;
    /// let articles = ["Der Minister trat zurück.", "Они отвергли обвинения. Переговоры продолжаются."];
    /// let statements = tagger.tag_batch(&articles)?;
    /// assert_eq!((statements[0].len(), statements[1].len()), (1, 2));
    /// # }
    /// # Ok::<(), demarche::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn tag_batch<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<Statement>>> {
        let Shared { segmenter, pipeline, decider } = &*self.shared;
        let sentences: Vec<Vec<Sentence>> =
            pipeline.map(texts, |text| segmenter.sentences(text.as_ref()).collect());
        let inputs: Vec<Input<'_>> = texts
            .iter()
            .zip(&sentences)
            .flat_map(|(text, sentences)| {
                sentences.iter().map(|sentence| Input {
                    text: &text.as_ref()[sentence.range.clone()],
                    start: sentence.range.start,
                })
            })
            .collect();
        let logits = self.shared.logits(&inputs)?;
        let mut rows = inputs.iter().zip(logits.chunks_exact(decider.labels().len()));
        let statements = |sentences: Vec<Sentence>| {
            let own = sentences.into_iter().zip(&mut rows);
            own.map(|(sentence, (input, row))| {
                self.shared.statement(input.text.to_owned(), sentence, row)
            })
            .collect()
        };
        Ok(sentences.into_iter().map(statements).collect())
    }

    /// The statements of sentences that are already split: one each, whatever full stops it holds, with
    /// its own bytes as the range, and neither quotation nor language.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn tag_sentences<T: AsRef<str>>(&self, sentences: &[T]) -> Result<Vec<Statement>> {
        let logits = self.logits(sentences)?;
        let statement = |(text, row): (&T, ndarray::ArrayView1<'_, f32>)| {
            let text = text.as_ref();
            let sentence = Sentence {
                range: 0..text.len(),
                paragraph: 0,
                quotation: None,
                opens_quotation: false,
                closes_quotation: false,
                language: None,
            };
            self.shared.statement(text.to_owned(), sentence, &row.to_vec())
        };
        Ok(sentences.iter().zip(logits.rows()).map(statement).collect())
    }

    /// The statements of a text of any length, in bounded memory, as they are read.
    ///
    /// They are the same as [`tag`](Self::tag) gives for the whole text. An error ends the stream.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// # let tagger = demarche::Tagger::bundled()?;
    /// let reader = std::io::Cursor::new("Seoul rejected the plan. Tokyo welcomed it.");
    /// for statement in tagger.stream(reader) {
    ///     let statement = statement?;
    ///     println!("{:>12}  {}", statement.stances, statement.text);
    /// }
    /// # }
    /// # Ok::<(), demarche::Error>(())
    /// ```
    pub fn stream<R: Read>(&self, reader: R) -> Statements<R> {
        Statements::new(self.clone(), self.shared.segmenter.stream(reader))
    }

    /// Probabilities `[sentences, labels]` of sentences that are already split; each text is taken as
    /// one sentence. Columns are in the order of [`labels`](Self::labels).
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn score<T: AsRef<str>>(&self, sentences: &[T]) -> Result<Array2<f32>> {
        let mut scores = self.logits(sentences)?;
        for mut row in scores.rows_mut() {
            // Rows of a fresh array are contiguous.
            row.as_slice_mut().into_iter().for_each(|row| self.shared.decider.calibrate(row));
        }
        Ok(scores)
    }

    /// What [`score`](Self::score) is made of: logits `[sentences, labels]` before calibration, as the
    /// checkpoint gives them.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub fn logits<T: AsRef<str>>(&self, sentences: &[T]) -> Result<Array2<f32>> {
        let inputs: Vec<Input<'_>> =
            sentences.iter().map(|text| Input { text: text.as_ref(), start: 0 }).collect();
        let logits = self.shared.pipeline.logits(&inputs)?;
        let shape = (inputs.len(), self.shared.decider.labels().len());
        Ok(Array2::from_shape_vec(shape, logits).expect("a row of logits for every sentence"))
    }

    /// Names of the model's labels, in its order.
    pub fn labels(&self) -> &[Label] {
        self.shared.decider.labels()
    }

    /// From which probability on each label is decided, in the order of [`labels`](Self::labels).
    pub fn thresholds(&self) -> &[f32] {
        self.shared.decider.thresholds()
    }

    /// What this tagger and its clones have done so far.
    pub fn statistics(&self) -> Statistics {
        self.shared.pipeline.counters().read()
    }
}

impl Shared {
    fn logits(&self, inputs: &[Input<'_>]) -> Result<Vec<f32>> {
        self.pipeline.logits(inputs)
    }

    fn statement(&self, text: String, sentence: Sentence, logits: &[f32]) -> Statement {
        let mut probabilities = logits.to_vec();
        self.decider.calibrate(&mut probabilities);
        let Decision { stances, other_labels, probabilities } = self.decider.decide(&probabilities);
        Statement {
            range: sentence.range,
            text,
            paragraph: sentence.paragraph,
            quotation: sentence.quotation,
            language: sentence.language,
            stances,
            other_labels,
            probabilities,
        }
    }
}
