//! Token ids to logits, behind one trait.

pub(crate) mod cpu;
mod device;
#[cfg(feature = "rust-bert")]
pub(crate) mod libtorch;

pub use device::Device;

use crate::error::Result;

/// Sequences of token ids, special tokens included, one after another without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    /// All ids.
    pub(crate) ids: &'a [u32],
    /// Where each sequence ends in `ids`; ascending, none empty, the last is `ids.len()`.
    pub(crate) ends: &'a [usize],
}

/// A classifier that is ready to run.
pub(crate) trait Encoder: Send + Sync + std::fmt::Debug {
    /// Logits `[sequences, labels]` in row order.
    ///
    /// May be called from many threads at a time; runs on the calling one, or lets it wait. A row
    /// depends on its own sequence alone: bit for bit, or up to rounding with libtorch. Ids are below
    /// the vocabulary's size and sequences no longer than the model's positions: the tokenizer room
    /// sees to both.
    fn logits(&self, batch: Batch<'_>) -> Result<Vec<f32>>;

    /// What errors call it.
    fn name(&self) -> &'static str;

    /// Bytes of text whose tokens make a batch of a good size.
    ///
    /// By default some 400 tokens, enough to keep a core's arithmetic busy.
    fn job_bytes(&self) -> usize {
        2048
    }
}
