//! The order of computation: embeddings, layers, pooling, head.

use std::ops::Range;

use rayon::prelude::*;

use super::Batch;
use super::attention::{Projected, Rows, Shape};
use super::kernels::{Kernels, Store};
use super::linear::{Input, Output, PackedLinear, PaddedNorm};
use super::scratch::{Quantised, Scratch};
use crate::model::{Activation, Config, Linear, Matrix, Pooling, Weights};

/// Inner values of a feed-forward block that are computed, activated and used at a time. Int8 activations
/// have a scale for each group, which also makes them finer.
const GROUP: usize = 384;

/// The weights in the kernels' order, and the numbers that say what to do with them.
pub(super) struct Model {
    hidden: usize,
    shape: Shape,
    int8: bool,
    embedding: Embedding,
    layers: Vec<Layer>,
    activation: Activation,
    pooling: Pooling,
    dense: PackedLinear,
    head_activation: Activation,
    classifier: PackedLinear,
}

/// Rows stay in the precision of the file.
struct Embedding {
    words: Matrix,
    /// Rows that sequences can reach, the token type's row added.
    positions: Vec<f32>,
    norm: PaddedNorm,
    /// Of embeddings that are not as wide as the hidden values.
    projection: Option<PackedLinear>,
}

struct Layer {
    /// Queries, keys and values, side by side.
    projection: PackedLinear,
    attention_output: PackedLinear,
    attention_norm: PaddedNorm,
    /// Up and down for each group of inner values.
    feed_forward: Vec<(PackedLinear, PackedLinear)>,
    output_norm: PaddedNorm,
}

impl Model {
    pub(super) fn new(config: &Config, weights: &Weights, int8: bool, kernels: Kernels) -> Self {
        let norm = |norm| PaddedNorm::new(norm, config.norm_epsilon);
        let stack = |layers: &[&Linear]| PackedLinear::stack(layers, None, int8, kernels);
        let layers = weights.layers.par_iter().enumerate().map(|(i, layer)| {
            let outlier = |of: &[usize]| of.get(i).copied();
            let (attention, feed_forward) =
                (outlier(&config.outliers.attention), outlier(&config.outliers.feed_forward));
            let projected = [&layer.query, &layer.key, &layer.value];
            Layer {
                projection: PackedLinear::stack(&projected, attention, int8, kernels),
                attention_output: stack(&[&layer.attention_output]),
                attention_norm: norm(&layer.attention_norm),
                feed_forward: PackedLinear::groups(
                    &layer.up,
                    &layer.down,
                    GROUP,
                    feed_forward,
                    int8,
                    kernels,
                ),
                output_norm: norm(&layer.output_norm),
            }
        });
        Model {
            hidden: config.hidden,
            shape: Shape { heads: config.heads, width: config.hidden / config.heads },
            int8,
            embedding: Embedding {
                words: weights.embedding.words.clone(),
                positions: positions(config, weights),
                norm: norm(&weights.embedding.norm),
                projection: (weights.embedding.projection.as_ref()).map(|linear| stack(&[linear])),
            },
            layers: layers.collect(),
            activation: config.activation,
            pooling: config.pooling,
            // The head is small and comes last: rounding it would save nothing.
            dense: PackedLinear::stack(&[&weights.head.dense], None, false, kernels),
            head_activation: config.head_activation,
            classifier: PackedLinear::stack(&[&weights.head.classifier], None, false, kernels),
        }
    }

    pub(super) fn precision(&self) -> &'static str {
        if self.int8 { "int8" } else { "f32" }
    }

    pub(super) fn labels(&self) -> usize {
        self.classifier.outputs()
    }

    /// Logits of some sequences of a batch, to `out` `[sequences, labels]`.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        batch: Batch<'_>,
        sequences: Range<usize>,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let start = if sequences.start == 0 { 0 } else { batch.ends[sequences.start - 1] };
        let ends = &batch.ends[sequences];
        let ids = &batch.ids[start..ends[ends.len() - 1]];
        let run = Run { model: self, kernels, ids, ends, start };
        run.embed(scratch);
        let (last, layers) = self.layers.split_last().expect("a model has at least one layer");
        for layer in layers {
            run.layer(layer, scratch, false);
        }
        run.layer(last, scratch, self.pooling == Pooling::First);
        run.head(scratch, out);
    }
}

/// Position rows from the first used one on, with the row of token type 0 added.
fn positions(config: &Config, weights: &Weights) -> Vec<f32> {
    let mut positions = vec![0.0; config.max_tokens() * config.embedding];
    for (i, row) in positions.chunks_exact_mut(config.embedding).enumerate() {
        weights.embedding.positions.row(config.first_position + i, row);
        if let Some(token_type) = &weights.embedding.token_type {
            row.iter_mut().zip(token_type).for_each(|(to, from)| *to += from);
        }
    }
    positions
}

/// One chunk on its way through the model.
#[derive(Clone, Copy)]
struct Run<'a> {
    model: &'a Model,
    kernels: Kernels,
    ids: &'a [u32],
    /// Ends of the chunk's sequences in the batch, and where the chunk starts in it.
    ends: &'a [usize],
    start: usize,
}

impl Run<'_> {
    /// The tokens of each sequence, as ranges of the chunk.
    fn sequences(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.ends.iter().map(|end| end - self.start);
        let starts = std::iter::once(0).chain(ends.clone());
        starts.zip(ends).map(|(start, end)| start..end)
    }

    /// The embeddings, as wide as the hidden values, to `scratch.hidden`.
    fn embed(&self, scratch: &mut Scratch) {
        let (tokens, width) = (self.ids.len(), self.model.hidden);
        let hidden = scratch.hidden.get(tokens * width);
        let Some(projection) = &self.model.embedding.projection else {
            return self.look_up(hidden);
        };
        let columns = self.model.embedding.words.columns;
        let rows = scratch.projected.get(tokens * columns);
        self.look_up(rows);
        let input = self.input(rows, projection, &mut scratch.quantised);
        let output = Output { values: hidden, stride: width, store: Store::Replace };
        projection.apply(self.kernels, input, output);
    }

    /// Word and position rows, normed, to `rows` `[tokens, embedding]`.
    fn look_up(&self, rows: &mut [f32]) {
        let embedding = &self.model.embedding;
        let width = embedding.words.columns;
        for tokens in self.sequences() {
            let positions = embedding.positions.chunks_exact(width);
            for (token, position) in tokens.zip(positions) {
                let row = &mut rows[token * width..][..width];
                embedding.words.row(self.ids[token] as usize, row);
                row.iter_mut().zip(position).for_each(|(to, from)| *to += from);
            }
        }
        embedding.norm.apply(self.kernels, rows, width);
    }

    /// One layer, in place. With `first_only`, it leaves the rows of the sequences' first tokens alone, one
    /// after another.
    fn layer(&self, layer: &Layer, scratch: &mut Scratch, first_only: bool) {
        let (kernels, width) = (self.kernels, self.model.hidden);
        let tokens = self.ids.len();
        let hidden = scratch.hidden.get(tokens * width);
        let projected = scratch.projected.get(tokens * 3 * width);
        let input = self.input(hidden, &layer.projection, &mut scratch.quantised);
        let output = Output { values: projected, stride: 3 * width, store: Store::Replace };
        layer.projection.apply(kernels, input, output);

        let rows = if first_only { self.ends.len() } else { tokens };
        let context = scratch.context.get(rows * width);
        let mut row = 0;
        for sequence in self.sequences() {
            let queries = if first_only { 1 } else { sequence.len() };
            let part = |column| Rows {
                values: &projected[sequence.start * 3 * width + column * width..],
                stride: 3 * width,
            };
            let input = Projected {
                queries: part(0),
                keys: part(1),
                values: part(2),
                tokens: sequence.len(),
            };
            let out = &mut context[row * width..][..queries * width];
            self.model.shape.attend(kernels, input, &mut scratch.heads, out);
            row += queries;
        }
        if first_only {
            for (row, sequence) in self.sequences().enumerate() {
                hidden
                    .copy_within(sequence.start * width..(sequence.start + 1) * width, row * width);
            }
        }
        let hidden = &mut hidden[..rows * width];

        let input = self.input(context, &layer.attention_output, &mut scratch.quantised);
        let output = Output { values: hidden, stride: width, store: Store::Add };
        layer.attention_output.apply(kernels, input, output);
        layer.attention_norm.apply(kernels, hidden, width);
        self.feed_forward(layer, scratch, rows);
    }

    /// `hidden + down(activation(up(hidden)))`, normed, a group of inner values at a time.
    fn feed_forward(&self, layer: &Layer, scratch: &mut Scratch, rows: usize) {
        let (kernels, width) = (self.kernels, self.model.hidden);
        let hidden = scratch.hidden.get(rows * width);
        // The groups add to `hidden` itself, unless it is also what they read.
        let (sums, floats): (_, &[f32]) = if self.model.int8 {
            // All groups read the same.
            layer.feed_forward[0].0.quantise(kernels, hidden, &mut scratch.quantised);
            (hidden, &[])
        } else {
            let sums = scratch.context.get(rows * width);
            sums.copy_from_slice(hidden);
            (sums, hidden)
        };
        let input = Input { rows, stride: width, floats, quantised: &scratch.quantised };
        for (up, down) in &layer.feed_forward {
            let size = up.outputs();
            let inner = scratch.inner.get(rows * size);
            let output = Output { values: inner, stride: size, store: Store::Replace };
            up.apply(kernels, input, output);
            for row in inner.chunks_exact_mut(size) {
                kernels.activate(row, self.model.activation);
            }
            let input = self.input(inner, down, &mut scratch.inner_quantised);
            let output = Output { values: sums, stride: width, store: Store::Add };
            down.apply(kernels, input, output);
        }
        layer.output_norm.apply(kernels, sums, width);
        if !self.model.int8 {
            std::mem::swap(&mut scratch.hidden, &mut scratch.context);
        }
    }

    /// Pools, and takes the pooled rows through the head.
    fn head(&self, scratch: &mut Scratch, out: &mut [f32]) {
        let (model, width) = (self.model, self.model.hidden);
        let rows = self.ends.len();
        let pooled = match model.pooling {
            // The last layer has left them so.
            Pooling::First => scratch.hidden.get(rows * width),
            Pooling::Mean => {
                let hidden = scratch.hidden.get(self.ids.len() * width);
                let pooled = scratch.pooled.get(rows * width);
                for (tokens, mean) in self.sequences().zip(pooled.chunks_exact_mut(width)) {
                    let count = tokens.len() as f32;
                    mean.fill(0.0);
                    for row in hidden[tokens.start * width..tokens.end * width].chunks_exact(width)
                    {
                        mean.iter_mut().zip(row).for_each(|(to, from)| *to += from);
                    }
                    mean.iter_mut().for_each(|value| *value /= count);
                }
                pooled
            }
        };
        let input = |floats| Input { rows, stride: width, floats, quantised: &scratch.quantised };
        let dense = scratch.dense.get(rows * width);
        let output = Output { values: dense, stride: width, store: Store::Replace };
        model.dense.apply(self.kernels, input(pooled), output);
        self.kernels.activate(dense, model.head_activation);
        let output = Output { values: out, stride: self.model.labels(), store: Store::Replace };
        model.classifier.apply(self.kernels, input(dense), output);
    }

    /// Rows of floats as the input of `linear`, quantised if that is int8.
    fn input<'r>(
        &self,
        floats: &'r mut [f32],
        linear: &PackedLinear,
        quantised: &'r mut Quantised,
    ) -> Input<'r> {
        linear.quantise(self.kernels, floats, quantised);
        let width = linear.inputs();
        Input { rows: floats.len() / width, stride: width, floats, quantised }
    }
}
