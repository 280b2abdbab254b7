//! Linear layers, laid out for the kernels when the model is loaded.

use super::kernels::{
    ByteLine, FloatLine, FloatProduct, Int8Product, Kernels, LANES, Outlier, Spill, Store,
};
use super::scratch::Quantised;
use crate::model::{Linear, Matrix, Norm};

/// Largest magnitude of an int8 weight: two products with a byte then fit 16 bits.
const LARGEST: i8 = 63;

/// Rows of f32 and, for int8 layers, the same rows quantised as the layer wants them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    pub(super) rows: usize,
    pub(super) stride: usize,
    pub(super) floats: &'a [f32],
    pub(super) quantised: &'a Quantised,
}

/// Where a product goes.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) store: Store,
}

/// `y = x · weightᵀ + bias` over a part of the inputs and outputs of a layer.
pub(super) struct PackedLinear {
    inputs: usize,
    outputs: usize,
    /// Padded to whole steps of [`LANES`].
    bias: Vec<f32>,
    weights: PackedWeights,
}

enum PackedWeights {
    Float(Vec<FloatLine>),
    Int8 {
        panels: Vec<ByteLine>,
        spill: Spill,
        scales: Vec<f32>,
        sums: Vec<i32>,
        /// What inputs are multiplied by before they are quantised, padded to whole steps of [`LANES`].
        factors: Option<Vec<f32>>,
        /// The input that comes as a float, and its weights.
        outlier: Option<(usize, Vec<f32>)>,
    },
}

impl PackedLinear {
    /// Packs all inputs and outputs of `layers`, whose outputs stand side by side. `outlier`: the input that is left out of
    /// quantised rows.
    pub(super) fn stack(
        layers: &[&Linear],
        outlier: Option<usize>,
        int8: bool,
        kernels: Kernels,
    ) -> Self {
        let parts: Vec<Part<'_>> = layers.iter().map(|linear| Part::whole(linear)).collect();
        Self::pack(&parts, true, outlier, int8, kernels)
    }

    /// Cuts a feed-forward block in groups of `size` inner values: a pair of layers for each, whose second
    /// one adds to what the others give. `outlier`: as in [`stack`](Self::stack), of the first layers.
    pub(super) fn groups(
        up: &Linear,
        down: &Linear,
        size: usize,
        outlier: Option<usize>,
        int8: bool,
        kernels: Kernels,
    ) -> Vec<(Self, Self)> {
        let inner = up.weight.rows;
        (0..inner)
            .step_by(size)
            .map(|start| {
                let group = start..inner.min(start + size);
                let up = Part { outputs: group.clone(), ..Part::whole(up) };
                let down = Part { inputs: group, ..Part::whole(down) };
                // The bias of the second layer is added once.
                let first = start == 0;
                (
                    Self::pack(&[up], true, outlier, int8, kernels),
                    Self::pack(&[down], first, None, int8, kernels),
                )
            })
            .collect()
    }

    fn pack(
        parts: &[Part<'_>],
        with_bias: bool,
        outlier: Option<usize>,
        int8: bool,
        kernels: Kernels,
    ) -> Self {
        let inputs = parts[0].inputs.len();
        let outputs = parts.iter().map(|part| part.outputs.len()).sum::<usize>();
        let padded = outputs.next_multiple_of(LANES);
        let mut bias = vec![0.0; padded];
        if with_bias {
            let values = parts.iter().flat_map(|part| &part.linear.bias[part.outputs.clone()]);
            bias.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        }
        let of_inputs = parts[0].linear.weight.input_scales();
        let rows = parts.iter().flat_map(|part| {
            let same_inputs = part.linear.weight.input_scales() == of_inputs;
            part.outputs.clone().map(move |row| (part, row, same_inputs))
        });
        let weights = if int8 {
            let quads = inputs.div_ceil(4);
            let mut panels = vec![ByteLine([0; 64]); quads * padded / LANES];
            let (mut scales, mut sums) = (vec![0.0; padded], vec![0; padded]);
            let mut outlier = outlier.map(|input| (input, vec![0.0; padded]));
            let factors = of_inputs.map(|scales| padded_values(&scales[parts[0].inputs.clone()]));
            let mut codes = vec![0; parts[0].linear.weight.columns];
            let places = Places::new(padded, kernels.int8_panel(), quads);
            for (output, (part, row, same_inputs)) in rows.enumerate() {
                let weight = &part.linear.weight;
                // Codes of the file are for inputs multiplied by its own scales.
                let filed = if same_inputs { filed_row(weight, row, &mut codes) } else { None };
                scales[output] =
                    filed.unwrap_or_else(|| quantise_row(weight, row, of_inputs, &mut codes));
                let codes = &codes[part.inputs.clone()];
                if let Some((input, weights)) = &mut outlier {
                    let factor = factors.as_ref().map_or(1.0, |factors| factors[*input]);
                    weights[output] = f32::from(codes[*input]) * scales[output] * factor;
                }
                sums[output] = codes.iter().map(|&q| i32::from(q)).sum();
                let (line, step, lane) = places.of(output);
                let (whole, rest) = codes.as_chunks::<4>();
                let mut lines = panels[line..].iter_mut().step_by(step).map(|line| &mut line.0);
                // In this order no line is taken in vain.
                for (quad, line) in whole.iter().zip(lines.by_ref()) {
                    line.as_chunks_mut::<4>().0[lane] = *quad;
                }
                if !rest.is_empty() {
                    lines.next().expect("a line for every four inputs")[4 * lane..][..rest.len()]
                        .copy_from_slice(rest);
                }
            }
            let spill = kernels.spill(&mut panels, quads);
            PackedWeights::Int8 { panels, spill, scales, sums, factors, outlier }
        } else {
            let mut panels = vec![FloatLine::default(); inputs * padded / LANES];
            let mut values = vec![0.0; parts[0].linear.weight.columns];
            let places = Places::new(padded, kernels.float_panel(), inputs);
            for (output, (part, row, _)) in rows.enumerate() {
                part.linear.weight.row(row, &mut values);
                let (line, step, lane) = places.of(output);
                for (i, &value) in values[part.inputs.clone()].iter().enumerate() {
                    panels[line + i * step].0[lane] = value;
                }
            }
            PackedWeights::Float(panels)
        };
        PackedLinear { inputs, outputs, bias, weights }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Quantises rows of inputs, in the way that [`apply`](Self::apply) expects them, if the layer is int8.
    pub(super) fn quantise(&self, kernels: Kernels, floats: &mut [f32], quantised: &mut Quantised) {
        let PackedWeights::Int8 { factors, outlier, .. } = &self.weights else { return };
        let stride = padded_bytes(self.inputs);
        quantised.reserve(floats.len() / self.inputs, stride);
        let Quantised { bytes, scales, zeros, outliers } = quantised;
        let bytes = bytes.chunks_exact_mut(stride);
        let codes = scales.iter_mut().zip(zeros).zip(outliers);
        for ((row, bytes), ((scale, zero), apart)) in
            floats.chunks_exact_mut(self.inputs).zip(bytes).zip(codes)
        {
            // A zero widens no range, and its code adds nothing to a product.
            let outlier = outlier.as_ref().map(|(input, _)| *input);
            *apart = outlier.map_or(0.0, |i| std::mem::take(&mut row[i]));
            (*scale, *zero) = kernels.quantise(row, factors.as_deref(), bytes);
            if let Some(i) = outlier {
                row[i] = *apart;
            }
        }
    }

    /// All rows of `input` through the layer.
    pub(super) fn apply(&self, kernels: Kernels, input: Input<'_>, out: Output<'_>) {
        match &self.weights {
            PackedWeights::Float(panels) => kernels.float_product(FloatProduct {
                rows: input.rows,
                inputs: self.inputs,
                outputs: self.outputs,
                input: input.floats,
                input_stride: input.stride,
                panels,
                bias: Some(&self.bias),
                out: out.values,
                out_stride: out.stride,
                store: out.store,
            }),
            PackedWeights::Int8 { panels, spill, scales, sums, outlier, .. } => kernels
                .int8_product(Int8Product {
                    rows: input.rows,
                    inputs: self.inputs,
                    outputs: self.outputs,
                    input: &input.quantised.bytes,
                    input_stride: padded_bytes(self.inputs),
                    input_scales: &input.quantised.scales,
                    input_zeros: &input.quantised.zeros,
                    panels,
                    spill,
                    weight_scales: scales,
                    weight_sums: sums,
                    bias: &self.bias,
                    outlier: outlier
                        .as_ref()
                        .map(|(_, weights)| Outlier { values: &input.quantised.outliers, weights }),
                    out: out.values,
                    out_stride: out.stride,
                    store: out.store,
                }),
        }
    }
}

/// Some values, zeros after them up to a whole step of [`LANES`].
fn padded_values(values: &[f32]) -> Vec<f32> {
    let mut values = values.to_vec();
    values.resize(values.len().next_multiple_of(LANES), 0.0);
    values
}

/// Bytes between two quantised rows of `inputs` values: whole cache lines.
fn padded_bytes(inputs: usize) -> usize {
    inputs.next_multiple_of(64)
}

/// Some inputs and outputs of a layer.
struct Part<'a> {
    linear: &'a Linear,
    inputs: std::ops::Range<usize>,
    outputs: std::ops::Range<usize>,
}

impl<'a> Part<'a> {
    fn whole(linear: &'a Linear) -> Self {
        Part { linear, inputs: 0..linear.weight.columns, outputs: 0..linear.weight.rows }
    }
}

/// Where an output's weights lie in panels.
pub(super) struct Places {
    /// Outputs in panels of full width.
    wide: usize,
    panel: usize,
    /// Steps along the inputs.
    steps: usize,
}

impl Places {
    /// `outputs` outputs, in panels of `panel` and then of [`LANES`], with `steps` lines for each sixteen.
    pub(super) fn new(outputs: usize, panel: usize, steps: usize) -> Self {
        Places { wide: outputs / panel * panel, panel, steps }
    }

    /// First line, lines from one step to the next, and lane.
    pub(super) fn of(&self, output: usize) -> (usize, usize, usize) {
        let (start, width) = if output < self.wide {
            (output / self.panel * self.panel, self.panel)
        } else {
            (output / LANES * LANES, LANES)
        };
        let vectors = width / LANES;
        let line = start / LANES * self.steps + (output - start) / LANES;
        (line, vectors, output % LANES)
    }
}

/// Codes and scale of row `row` as they are in the file, if they are there and lie within ±63.
fn filed_row(matrix: &Matrix, row: usize, codes: &mut [i8]) -> Option<f32> {
    let scale = matrix.codes(row, codes)?;
    // All are looked at, without branches: each weight of a model passes here when it is loaded.
    let most = codes.iter().fold(0, |most, q| q.unsigned_abs().max(most));
    (most <= LARGEST.unsigned_abs()).then_some(scale)
}

/// New codes and scale of row `row`, for inputs that are multiplied by `input_scales`.
fn quantise_row(
    matrix: &Matrix,
    row: usize,
    input_scales: Option<&[f32]>,
    codes: &mut [i8],
) -> f32 {
    let mut floats = vec![0.0; matrix.columns];
    matrix.row(row, &mut floats);
    if let Some(scales) = input_scales {
        floats.iter_mut().zip(scales).for_each(|(x, scale)| *x /= scale);
    }
    let largest = floats.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    let scale = if largest > 0.0 { largest / f32::from(LARGEST) } else { 1.0 };
    for (code, x) in codes.iter_mut().zip(floats) {
        // The clamp is for scales so small that they lost digits.
        *code = ((x / scale).round_ties_even() as i8).clamp(-LARGEST, LARGEST);
    }
    scale
}

/// A layer norm, padded for the kernels.
pub(super) struct PaddedNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl PaddedNorm {
    pub(super) fn new(norm: &Norm, epsilon: f32) -> Self {
        PaddedNorm { weight: padded_values(&norm.weight), bias: padded_values(&norm.bias), epsilon }
    }

    /// Every row of `width` values, in place.
    pub(super) fn apply(&self, kernels: Kernels, rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width) {
            kernels.norm(row, &self.weight, &self.bias, self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, tensor::TensorView};

    use super::*;
    use crate::model::{Bytes, Tensors};

    /// Int8 weights lie four inputs at a time: those that are left over must not get lost.
    #[test]
    fn rows_of_any_length_are_packed_whole() {
        let (outputs, kernels) = (20, Kernels::scalar());
        for inputs in 1..=9 {
            let bytes: Vec<u8> = (0..outputs * inputs)
                .flat_map(|i| ((i * 37 % 101) as f32 - 50.0).to_le_bytes())
                .collect();
            let view = TensorView::new(Dtype::F32, vec![outputs, inputs], &bytes).unwrap();
            let file = safetensors::serialize([("weight", view)], None).unwrap();
            let tensors = Tensors::parse("test", Bytes::from(file)).unwrap();
            let weight = tensors.matrix("weight", outputs, inputs).unwrap();
            let linear = Linear { weight, bias: vec![0.0; outputs] };

            let packed = PackedLinear::stack(&[&linear], None, true, kernels);
            let PackedWeights::Int8 { panels, .. } = packed.weights else {
                panic!("int8 was asked for");
            };
            let padded = outputs.next_multiple_of(LANES);
            let places = Places::new(padded, kernels.int8_panel(), inputs.div_ceil(4));
            for output in 0..outputs {
                let mut codes = vec![0; inputs];
                quantise_row(&linear.weight, output, None, &mut codes);
                let (line, step, lane) = places.of(output);
                let at = |i: usize| panels[line + i / 4 * step].0[4 * lane + i % 4];
                assert_eq!((0..inputs).map(at).collect::<Vec<_>>(), codes);
            }
        }
    }
}
