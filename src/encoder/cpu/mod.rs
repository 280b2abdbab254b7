//! Our engine: token ids to logits on the calling thread, in f32 or int8.
//!
//! All tokens of a chunk of sentences stand in one matrix, without padding; only attention looks at
//! sentences one by one. A chunk goes through all layers before the next one starts, so that what a
//! layer hands to the next stays in the cache. Knows the order of computation (`forward.rs`), how weights
//! are laid out (`linear.rs`) and where intermediate values live (`scratch.rs`); the arithmetic
//! itself is in `kernels`.

mod attention;
mod forward;
mod kernels;
mod linear;
mod scratch;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::{Batch, Encoder};
use crate::error::Result;
use crate::model::{Config, Weights};
use forward::Model;
use kernels::Kernels;
use scratch::Scratch;

/// In which precision [`Backend::Cpu`](crate::Backend::Cpu) multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As the file has its weights: [`Int8`](Self::Int8) where they are int8, otherwise [`F32`](Self::F32).
    #[default]
    Auto,
    /// 32-bit floats.
    F32,
    /// 8-bit integers, about twice to four times as fast. Weights that are not int8 in the file are rounded
    /// while it is loaded.
    Int8,
}

/// Tokens that go through all layers together. Fewer would read the weights too often, more would not fit
/// the second-level cache.
const CHUNK: usize = 128;

/// A model that is ready to run on the processor.
pub(crate) struct Engine {
    model: Model,
    kernels: Kernels,
    /// As many as threads ever ran at the same time.
    pool: Mutex<Vec<Scratch>>,
}

impl Engine {
    /// Lays out `weights` for the fastest kernels of this processor.
    pub(crate) fn new(config: &Config, weights: &Weights, precision: Precision) -> Result<Self> {
        Self::with_kernels(config, weights, precision, Kernels::detect())
    }

    fn with_kernels(
        config: &Config,
        weights: &Weights,
        precision: Precision,
        kernels: Kernels,
    ) -> Result<Self> {
        let int8 = match precision {
            Precision::F32 => false,
            Precision::Int8 => true,
            Precision::Auto => {
                let linears = weights.layers.iter().flat_map(|layer| [&layer.query, &layer.up]);
                linears.into_iter().any(|linear| linear.weight.has_codes())
            }
        };
        let model = Model::new(config, weights, int8, kernels);
        Ok(Engine { model, kernels, pool: Mutex::default() })
    }

    fn take_scratch(&self) -> Scratch {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, scratch: Scratch) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}

impl Encoder for Engine {
    fn logits(&self, batch: Batch<'_>) -> Result<Vec<f32>> {
        let labels = self.model.labels();
        let mut logits = vec![0.0; batch.ends.len() * labels];
        let mut scratch = self.take_scratch();
        for sequences in chunks(batch.ends) {
            let out = &mut logits[sequences.start * labels..sequences.end * labels];
            self.model.forward(self.kernels, batch, sequences, &mut scratch, out);
        }
        self.give_back(scratch);
        Ok(logits)
    }

    fn name(&self) -> &'static str {
        "cpu"
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({}, {:?})", self.model.precision(), self.kernels)
    }
}

/// Splits sequences into runs of about [`CHUNK`] tokens and about the same size. A longer one stands alone.
fn chunks(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let total = ends.last().copied().unwrap_or(0);
    let size = total.div_ceil(total.div_ceil(CHUNK).max(1));
    let mut next = 0;
    std::iter::from_fn(move || {
        let first = next;
        let start = if first == 0 { 0 } else { ends[first - 1] };
        while next < ends.len() && (next == first || ends[next] - start <= size) {
            next += 1;
        }
        (first < next).then_some(first..next)
    })
}
