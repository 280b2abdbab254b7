//! Where intermediate values live between two kernels; allocated once and used again.

use super::kernels::FloatLine;

/// Buffers of one running call.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `[tokens, hidden]`: what goes from layer to layer.
    pub(super) hidden: Floats,
    /// `[tokens, 3 · hidden]`: queries, keys and values, side by side. Before the first layer
    /// `[tokens, embedding]`: rows that are yet to be projected.
    pub(super) projected: Floats,
    /// `[tokens, hidden]`: what the heads bring together.
    pub(super) context: Floats,
    /// `[tokens, group]`: a part of the feed-forward's inner values.
    pub(super) inner: Floats,
    /// `[sequences, hidden]`
    pub(super) pooled: Floats,
    /// `[sequences, hidden]`
    pub(super) dense: Floats,
    /// The last product's input, quantised.
    pub(super) quantised: Quantised,
    /// The same for the second product of a feed-forward block.
    pub(super) inner_quantised: Quantised,
    pub(super) heads: Heads,
}

/// What attention needs for one head of one sequence.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Panels of `keysᵀ`.
    pub(super) keys: Vec<FloatLine>,
    /// Panels of the values.
    pub(super) values: Vec<FloatLine>,
    /// `[queries of a block, keys]`
    pub(super) scores: Floats,
}

/// Rows of bytes, each with a scale and a zero.
#[derive(Debug, Default)]
pub(super) struct Quantised {
    pub(super) bytes: Vec<u8>,
    pub(super) scales: Vec<f32>,
    pub(super) zeros: Vec<u8>,
    /// What was left out of the rows: one a row, 0 where nothing was.
    pub(super) outliers: Vec<f32>,
}

impl Quantised {
    /// Room for `rows` rows of `stride` bytes.
    pub(super) fn reserve(&mut self, rows: usize, stride: usize) {
        grow(&mut self.bytes, rows * stride);
        grow(&mut self.scales, rows);
        grow(&mut self.zeros, rows);
        grow(&mut self.outliers, rows);
    }
}

/// Floats that start on a cache line. What they hold is left from the last use.
#[derive(Debug, Default)]
pub(super) struct Floats(Vec<f32>);

impl Floats {
    /// The first `length` values.
    pub(super) fn get(&mut self, length: usize) -> &mut [f32] {
        const LINE: usize = 64;
        grow(&mut self.0, length + LINE / size_of::<f32>());
        let start = self.0.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        &mut self.0[start..start + length]
    }
}

/// Makes `vec` at least `length` long.
pub(super) fn grow<T: Clone + Default>(vec: &mut Vec<T>, length: usize) {
    if vec.len() < length {
        vec.reserve_exact(length - vec.len());
        vec.resize(length, T::default());
    }
}
