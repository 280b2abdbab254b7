//! Reads multilingual news text and says, sentence by sentence, which stance is taken in it: support,
//! commitment, request, concession, accusation, rejection, threat, or none.
//!
//! ```
//! # #[cfg(feature = "bundled")] {
//! use demarche::{Stance, Tagger};
//!
//! let article = "Der Sprecher wies den Bericht zurück. „Wir fordern alle Seiten auf, an den \
//!                Verhandlungstisch zurückzukehren“, sagte er am 9. Februar 2000.";
//!
//! let tagger = Tagger::bundled()?; // the model is part of the program: no file, no network
//! for statement in tagger.tag(article)? {
//!     println!("{:>12}  {}", statement.stances, statement.text);
//!     assert_eq!(statement.text, article[statement.range.clone()]);
//! }
//! # }
//! # Ok::<(), demarche::Error>(())
//! ```
//!
//! # The way that a text takes
//!
//! 1. [`segment`] splits it into sentences with byte ranges, paragraphs and quotations, in 24 languages.
//!    It can be used alone.
//! 2. The model's tokenizer turns each sentence into token ids; over-long ones into windows
//!    ([`LongSentences`]).
//! 3. A [`Backend`] computes a logit for each label. The default one is this crate's own engine in pure
//!    Rust; batches are never padded, so that a sentence scores the same alone and in company.
//! 4. Calibrated [`Probabilities`] and [`Thresholds`] decide; the result is a [`Statement`].
//!
//! [`Tagger::tag`] does all of it for a text, [`Tagger::tag_batch`] for many, [`Tagger::stream`] for a reader;
//! [`Tagger::score`] takes sentences that are already split. What the labels mean stands at [`Stance`].
//!
//! # Own models
//!
//! [`Tagger::from_dir`] loads any Hugging Face directory of a BERT, DistilBERT, RoBERTa, XLM-RoBERTa or ELECTRA
//! sequence classifier. Labels that are no [`Stance`] are in [`Statement::other_labels`].
//!
//! # Features
//!
//! - `bundled` (default): embeds `demarche-nano`, 13 MB, and adds `Tagger::bundled`.
//! - `bundled-small`: embeds `demarche-small`, 45 MB, instead: better, but not in the published package.
//! - `rust-bert`: [`Backend::RustBert`], for GPUs and DeBERTa-v2. Needs libtorch 2.4.0 to build and to run
//!   (`docs/rust-bert.md`), and compiles C++.

mod encoder;
mod error;
#[cfg(feature = "rust-bert")]
mod interop;
mod model;
pub mod segment;
mod stance;
mod statement;
mod tagger;
mod tokenize;

pub use encoder::Device;
pub use encoder::cpu::Precision;
pub use error::{Error, Result};
pub use stance::{Polarity, SpeechAct, Stance, StanceSet, UnknownStance};
pub use statement::{Label, Probabilities, Statement};
pub use tagger::{Backend, Statements, Statistics, Tagger, TaggerBuilder, Thresholds};
pub use tokenize::LongSentences;
