//! Token ids to logits, behind one trait.

pub(crate) mod cpu;

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
    /// Runs on the calling thread, and may be called from many at a time. A row depends on its own
    /// sequence alone, bit for bit. Ids are below the vocabulary's size and sequences no longer
    /// than the model's positions: the tokenizer room sees to both.
    fn logits(&self, batch: Batch<'_>) -> Result<Vec<f32>>;
}
