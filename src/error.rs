//! Everything that can go wrong, in one type.

use std::path::PathBuf;

/// Why a model could not be loaded or a text not be tagged.
///
/// Every variant names the file, field, tensor or argument at fault and what was expected of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read. Check that the path exists and is readable.
    #[error("{path}: cannot be read", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A reader failed in the middle of a text, or gave bytes that are not UTF-8.
    #[error(transparent)]
    Stream(#[from] crate::segment::StreamError),
    /// A JSON file of a model does not parse.
    #[error("{file}: not the JSON that was expected")]
    Json {
        /// The file, for example `config.json`.
        file: String,
        /// Line, column and cause.
        source: serde_json::Error,
    },
    /// A field of `config.json` is missing or has a value that cannot be used.
    #[error("{file}: field `{field}`: expected {expected}, found {found}")]
    Config {
        /// The file.
        file: String,
        /// Path of the field, for example `demarche.thresholds.support`.
        field: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The architecture is known to nobody here, or not to the backend that was asked for.
    #[error("{file}: field `model_type`: expected {expected}, found `{found}`")]
    Architecture {
        /// The file.
        file: String,
        /// The architectures that work.
        expected: String,
        /// The one that the file names.
        found: String,
    },
    /// The weights file is not a well-formed safetensors file: truncated, overlapping or hostile.
    #[error("{file}: not a well-formed safetensors file: {reason}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor that the configuration calls for is not in the weights file.
    #[error("{file}: tensor `{tensor}` is missing, expected with shape {shape:?}")]
    MissingTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// Its shape by `config.json`.
        shape: Vec<usize>,
    },
    /// The weights file holds a tensor that the architecture does not have.
    #[error("{file}: tensor `{tensor}` is not part of a {architecture} sequence classifier")]
    UnexpectedTensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// The architecture by `config.json`.
        architecture: String,
    },
    /// A tensor has another shape, another type or other values than it can have.
    #[error("{file}: tensor `{tensor}`: expected {expected}, found {found}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// `tokenizer.json` does not load, or does not fit the model.
    #[error("{file}: {reason}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting of the builder or an argument of a call cannot be used.
    #[error("`{argument}`: expected {expected}, found {found}")]
    Argument {
        /// The setting or argument.
        argument: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A sentence has more tokens than the model takes, and
    /// [`LongSentences::Refuse`](crate::LongSentences::Refuse) was asked for.
    #[error(
        "sentence at bytes {start}..{end} has {tokens} tokens, the model takes {limit}; \
         choose `LongSentences::Window` or `Truncate` to accept it"
    )]
    SentenceTooLong {
        /// First byte of the sentence in its text.
        start: usize,
        /// Byte after its last.
        end: usize,
        /// Tokens that it has.
        tokens: usize,
        /// Tokens that fit, special tokens aside.
        limit: usize,
    },
    /// A backend failed while it ran, or was not compiled in.
    #[error("backend {backend}: {reason}")]
    Backend {
        /// The backend.
        backend: &'static str,
        /// What happened.
        reason: String,
    },
}

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
