//! A model directory, or its three files as bytes: read, checked against each other, ready for a backend.
//!
//! Knows file formats and what the architectures call things; does not compute.

#[cfg(feature = "bundled")]
mod bundled;
mod bytes;
mod config;
#[cfg(feature = "rust-bert")]
pub(crate) mod deberta;
mod tensors;
mod weights;

use std::path::Path;

pub(crate) use bytes::Bytes;
#[cfg(feature = "rust-bert")]
pub(crate) use config::Architecture;
#[cfg(test)]
pub(crate) use config::Outliers;
pub(crate) use config::{Activation, Config, Pooling, Problem};
#[cfg(test)]
pub(crate) use tensors::{Float, Values};
pub(crate) use tensors::{Matrix, Tensors};
#[cfg(feature = "rust-bert")]
pub(crate) use weights::{Head, Layer};
pub(crate) use weights::{Linear, Norm, Weights};

use crate::error::Result;

/// The files of a model, not yet looked into.
#[derive(Clone, Debug)]
pub(crate) struct ModelFiles {
    /// What the files are called in errors, before their own names.
    origin: String,
    config: Bytes,
    tokenizer: Bytes,
    weights: Bytes,
}

impl ModelFiles {
    /// Maps `config.json`, `tokenizer.json` and `model.safetensors` of a directory.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self> {
        Ok(ModelFiles {
            origin: format!("{}/", dir.display()),
            config: Bytes::map(&dir.join("config.json"))?,
            tokenizer: Bytes::map(&dir.join("tokenizer.json"))?,
            weights: Bytes::map(&dir.join("model.safetensors"))?,
        })
    }

    /// The same files, already in memory.
    pub(crate) fn from_bytes(config: Bytes, tokenizer: Bytes, weights: Bytes) -> Self {
        ModelFiles { origin: String::new(), config, tokenizer, weights }
    }

    /// The checked configuration.
    pub(crate) fn config(&self) -> Result<Config> {
        Config::parse(&format!("{}config.json", self.origin), &self.config)
    }

    /// The tensors, checked for their places in the file only; see [`Weights::read`].
    pub(crate) fn tensors(&self) -> Result<Tensors> {
        Tensors::parse(&format!("{}model.safetensors", self.origin), self.weights.clone())
    }

    /// Name and bytes of the tokenizer's file.
    pub(crate) fn tokenizer(&self) -> (String, &Bytes) {
        (format!("{}tokenizer.json", self.origin), &self.tokenizer)
    }
}
