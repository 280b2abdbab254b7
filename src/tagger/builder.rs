//! Settings of a tagger, checked when it is built.

use std::path::PathBuf;

use super::decide::Decider;
use super::pipeline::Pipeline;
use super::{Shared, Tagger, Thresholds};
use crate::encoder::cpu::{Engine, Precision};
#[cfg(feature = "rust-bert")]
use crate::encoder::libtorch::LibTorch;
use crate::encoder::{Device, Encoder};
use crate::error::{Error, Result};
use crate::model::{Bytes, Config, ModelFiles, Weights};
use crate::segment::{Language, Quotations, Segmenter};
use crate::tokenize::{LongSentences, Tokenizer};

/// What computes the logits.
///
/// Both take the same model directories and give the same results, but for rounding.
///
/// ```
/// use demarche::{Backend, Device};
///
/// let backend = Backend::RustBert { device: Device::Best };
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The engine of this crate.
    #[default]
    Cpu,
    /// rust-bert and libtorch, for large checkpoints, GPUs and DeBERTa-v2.
    ///
    /// Needs the feature `rust-bert`, without which [`TaggerBuilder::build`] gives
    /// [`Error::Backend`]. Always computes in f32. Sentences are padded to batches of similar length,
    /// with a mask: a logit differs in company by rounding, about 1e-6.
    RustBert {
        /// Where it computes.
        device: Device,
    },
}

/// Where a model comes from.
#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Bundled,
    Dir(PathBuf),
    Files(ModelFiles),
}

/// Sets up a [`Tagger`]; made by [`Tagger::builder`].
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use demarche::segment::Language;
/// use demarche::{LongSentences, Tagger};
///
/// let tagger = Tagger::builder()
///     .language(Language::German)
///     .thresholds(0.6)
///     .long_sentences(LongSentences::Truncate)
///     .threads(1)
///     .build()?;
/// # }
/// # Ok::<(), demarche::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "call `build` to get a tagger"]
pub struct TaggerBuilder {
    source: Source,
    backend: Backend,
    precision: Precision,
    segmenter: Segmenter,
    thresholds: Thresholds,
    long_sentences: LongSentences,
    threads: Option<usize>,
    cached_sentences: usize,
}

impl TaggerBuilder {
    /// A Hugging Face directory with `config.json`, `tokenizer.json` and `model.safetensors` of a BERT,
    /// DistilBERT, RoBERTa, XLM-RoBERTa or ELECTRA sequence classifier. Default: the bundled model.
    pub fn model_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.source = Source::Dir(dir.into());
        self
    }

    /// The same three files, already in memory.
    pub fn model_bytes(
        mut self,
        config: impl Into<Vec<u8>>,
        tokenizer: impl Into<Vec<u8>>,
        weights: impl Into<Vec<u8>>,
    ) -> Self {
        self.source = Source::Files(ModelFiles::from_bytes(
            Bytes::from(config.into()),
            Bytes::from(tokenizer.into()),
            Bytes::from(weights.into()),
        ));
        self
    }

    /// What computes. Default: [`Backend::Cpu`].
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// In which precision [`Backend::Cpu`] multiplies. Default: [`Precision::Auto`].
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The language of all texts, for segmentation. Default: guessed for each paragraph.
    pub fn language(mut self, language: impl Into<Option<Language>>) -> Self {
        self.segmenter = self.segmenter.language(language);
        self
    }

    /// Whether quotations of several sentences are split. Default: [`Quotations::Split`].
    pub fn quotations(mut self, quotations: Quotations) -> Self {
        self.segmenter = self.segmenter.quotations(quotations);
        self
    }

    /// From which probability on a label is decided; a number stands for all labels.
    /// Default: [`Thresholds::from_config`].
    pub fn thresholds(mut self, thresholds: impl Into<Thresholds>) -> Self {
        self.thresholds = thresholds.into();
        self
    }

    /// What happens to sentences with more tokens than the model takes.
    /// Default: [`LongSentences::Window`].
    pub fn long_sentences(mut self, long_sentences: LongSentences) -> Self {
        self.long_sentences = long_sentences;
        self
    }

    /// Threads to tag with, 1 to 1,024; with 1 everything runs on the caller's. Default: one a core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many sentences of earlier calls are remembered with their logits, least recently used ones
    /// forgotten first: worth it for feeds that repeat themselves. Those of more than 2,048 bytes are not
    /// kept. [`Statistics::cached`](crate::Statistics::cached) counts the hits. Default: 0.
    pub fn cache(mut self, sentences: usize) -> Self {
        self.cached_sentences = sentences;
        self
    }

    /// Loads and checks the model.
    ///
    /// # Errors
    /// Every [`Error`] that names a file of the model, and [`Error::Argument`] for a setting.
    pub fn build(self) -> Result<Tagger> {
        let threads = match self.threads {
            None => std::thread::available_parallelism().map_or(1, usize::from).min(1024),
            Some(threads @ 1..=1024) => threads,
            Some(threads) => {
                return Err(Error::Argument {
                    argument: "threads",
                    expected: "a number from 1 to 1024".into(),
                    found: threads.to_string(),
                });
            }
        };
        let files = match self.source {
            Source::Dir(dir) => ModelFiles::from_dir(&dir)?,
            Source::Files(files) => files,
            #[cfg(feature = "bundled")]
            Source::Bundled => ModelFiles::bundled(),
            #[cfg(not(feature = "bundled"))]
            Source::Bundled => {
                return Err(Error::Argument {
                    argument: "model_dir",
                    expected: "a model, as the feature `bundled` is off".into(),
                    found: "neither `model_dir` nor `model_bytes`".into(),
                });
            }
        };
        let config = files.config()?;
        let decider = Decider::new(&config, &self.thresholds)?;
        // The tokenizer takes the longest to load, and needs nothing of the weights.
        let (tokenizer, encoder) = std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| Tokenizer::new(&files, &config, self.long_sentences));
            let encoder = encoder(self.backend, self.precision, threads, &files, &config);
            let tokenizer = tokenizer.join().unwrap_or_else(|panic| {
                let reason = panic.downcast_ref::<&str>().copied().unwrap_or("cause unknown");
                let file = files.tokenizer().0;
                Err(Error::Tokenizer { file, reason: format!("cannot be loaded: {reason}") })
            });
            (tokenizer, encoder)
        });
        let pipeline = Pipeline::new(
            tokenizer?,
            encoder?,
            config.labels.len(),
            threads,
            self.cached_sentences,
        )?;
        Ok(Tagger {
            shared: std::sync::Arc::new(Shared { segmenter: self.segmenter, pipeline, decider }),
        })
    }
}

fn encoder(
    backend: Backend,
    precision: Precision,
    #[cfg_attr(not(feature = "rust-bert"), expect(unused_variables))] threads: usize,
    files: &ModelFiles,
    config: &Config,
) -> Result<Box<dyn Encoder>> {
    match backend {
        Backend::Cpu => {
            let weights = Weights::read(config, &files.tensors()?)?;
            Ok(Box::new(Engine::new(config, &weights, precision)?))
        }
        #[cfg(feature = "rust-bert")]
        Backend::RustBert { device } => {
            Ok(Box::new(LibTorch::new(config, files.tensors()?, device, threads)?))
        }
        #[cfg(not(feature = "rust-bert"))]
        Backend::RustBert { .. } => Err(Error::Backend {
            backend: "rust-bert",
            reason: "not compiled in; build with the feature `rust-bert`".into(),
        }),
    }
}
