//! Attention of one sequence, head by head, in one pass over its queries.

use super::kernels::{FloatLine, FloatProduct, Kernels, LANES, Store};
use super::linear::Places;
use super::scratch::{Heads, grow};

/// Queries whose scores are held at a time.
const BLOCK: usize = 24;

/// How the hidden values are shared out among heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) heads: usize,
    /// Values of a head.
    pub(super) width: usize,
}

/// The projected rows of one sequence; head `h` is at columns `h · width` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projected<'a> {
    pub(super) queries: Rows<'a>,
    pub(super) keys: Rows<'a>,
    pub(super) values: Rows<'a>,
    /// Keys and values.
    pub(super) tokens: usize,
}

/// A row every `stride` values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
}

impl Rows<'_> {
    fn row(&self, row: usize, column: usize, width: usize) -> &[f32] {
        &self.values[row * self.stride + column..][..width]
    }
}

impl Shape {
    /// `softmax(queries · keysᵀ / √width) · values` of each head, to `out` `[queries, hidden]`.
    ///
    /// The cost is two products of queries by tokens by hidden values, and an exponential for each query,
    /// token and head. A block of queries by tokens is all that is kept of the scores.
    pub(super) fn attend(
        self,
        kernels: Kernels,
        input: Projected<'_>,
        heads: &mut Heads,
        out: &mut [f32],
    ) {
        let (width, tokens) = (self.width, input.tokens);
        let hidden = self.heads * width;
        let padded = tokens.next_multiple_of(LANES);
        let scale = 1.0 / (width as f32).sqrt();
        let scores = heads.scores.get(BLOCK * padded);
        for column in (0..hidden).step_by(width) {
            let keys = pack_keys(kernels, input, column, width, &mut heads.keys);
            let values = pack_values(kernels, input, column, width, &mut heads.values);
            for (block, out) in out.chunks_mut(BLOCK * hidden).enumerate() {
                let rows = out.len() / hidden;
                let queries = block * BLOCK * input.queries.stride + column;
                kernels.float_product(FloatProduct {
                    rows,
                    inputs: width,
                    outputs: tokens,
                    input: &input.queries.values[queries..],
                    input_stride: input.queries.stride,
                    panels: keys,
                    bias: None,
                    out: scores,
                    out_stride: padded,
                    store: Store::Replace,
                });
                for row in scores.chunks_exact_mut(padded).take(rows) {
                    kernels.softmax(&mut row[..tokens], scale);
                }
                kernels.float_product(FloatProduct {
                    rows,
                    inputs: tokens,
                    outputs: width,
                    input: scores,
                    input_stride: padded,
                    panels: values,
                    bias: None,
                    out: &mut out[column..],
                    out_stride: hidden,
                    store: Store::Replace,
                });
            }
        }
    }
}

/// Keys as weights: each token is an output.
fn pack_keys<'s>(
    kernels: Kernels,
    input: Projected<'_>,
    column: usize,
    width: usize,
    lines: &'s mut Vec<FloatLine>,
) -> &'s [FloatLine] {
    let padded = input.tokens.next_multiple_of(LANES);
    let count = width * padded / LANES;
    grow(lines, count);
    let places = Places::new(padded, kernels.float_panel(), width);
    for token in 0..padded {
        let (line, step, lane) = places.of(token);
        let lines = lines[line..].iter_mut().step_by(step);
        if token < input.tokens {
            let row = input.keys.row(token, column, width);
            lines.zip(row).for_each(|(line, &value)| line.0[lane] = value);
        } else {
            lines.take(width).for_each(|line| line.0[lane] = 0.0);
        }
    }
    &lines[..count]
}

/// Values as weights: each of the head's columns is an output, each token an input.
fn pack_values<'s>(
    kernels: Kernels,
    input: Projected<'_>,
    column: usize,
    width: usize,
    lines: &'s mut Vec<FloatLine>,
) -> &'s [FloatLine] {
    let padded = width.next_multiple_of(LANES);
    let count = input.tokens * padded / LANES;
    grow(lines, count);
    let places = Places::new(padded, kernels.float_panel(), input.tokens);
    for token in 0..input.tokens {
        let row = input.values.row(token, column, width);
        for (vector, values) in row.chunks(LANES).enumerate() {
            let (line, step, _) = places.of(vector * LANES);
            let line = &mut lines[line + token * step].0;
            line[..values.len()].copy_from_slice(values);
            line[values.len()..].fill(0.0);
        }
    }
    &lines[..count]
}
