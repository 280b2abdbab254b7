//! Every kernel set of this processor against plain loops, and bit for bit against the scalar set.

use proptest::prelude::*;

use super::*;

/// A reproducible stream of numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 2_500.0 - 4.0
    }
    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Lays weights `[outputs, inputs]` out in panels, four inputs at a time for int8 and one for f32.
fn panels<T: Copy, const N: usize>(
    weights: &[T],
    inputs: usize,
    outputs: usize,
    panel: usize,
    zero: T,
) -> Vec<[T; N]> {
    let at_once = N / LANES;
    let steps = inputs.div_ceil(at_once);
    let padded = outputs.next_multiple_of(LANES);
    let mut lines = Vec::new();
    let mut start = 0;
    while start < padded {
        let width = if padded - start >= panel { panel } else { LANES };
        for step in 0..steps {
            for vector in 0..width / LANES {
                lines.push(std::array::from_fn(|i| {
                    let output = start + vector * LANES + i / at_once;
                    let input = step * at_once + i % at_once;
                    if output < outputs && input < inputs {
                        weights[output * inputs + input]
                    } else {
                        zero
                    }
                }));
            }
        }
        start += width;
    }
    lines
}

/// A product of bytes and weights, and what plain loops make of it.
struct Int8Case {
    rows: usize,
    inputs: usize,
    outputs: usize,
    input: Vec<u8>,
    zeros: Vec<u8>,
    scales: Vec<f32>,
    weights: Vec<i8>,
    weight_scales: Vec<f32>,
    bias: Vec<f32>,
    /// Of each row, and what it weighs in each output.
    outlier: Option<(Vec<f32>, Vec<f32>)>,
}

impl Int8Case {
    fn random(rows: usize, inputs: usize, outputs: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        Int8Case {
            rows,
            inputs,
            outputs,
            input: (0..rows * inputs.next_multiple_of(4))
                .map(|_| (random.next() % (HIGHEST_CODE as u64 + 1)) as u8)
                .collect(),
            zeros: (0..rows).map(|_| (random.next() % (HIGHEST_CODE as u64 + 1)) as u8).collect(),
            scales: random.floats(rows),
            weights: (0..inputs * outputs).map(|_| (random.next() % 127) as i8 - 63).collect(),
            weight_scales: random.floats(outputs.next_multiple_of(LANES)),
            bias: random.floats(outputs.next_multiple_of(LANES)),
            outlier: (seed % 2 == 1)
                .then(|| (random.floats(rows), random.floats(outputs.next_multiple_of(LANES)))),
        }
    }

    fn run(&self, kernels: Kernels, store: Store) -> Vec<f32> {
        let lines =
            panels::<i8, 64>(&self.weights, self.inputs, self.outputs, kernels.int8_panel(), 0);
        let mut panels: Vec<ByteLine> = lines.into_iter().map(ByteLine).collect();
        let spill = kernels.spill(&mut panels, self.inputs.div_ceil(4));
        let mut sums = vec![0; self.outputs.next_multiple_of(LANES)];
        for (sum, row) in sums.iter_mut().zip(self.weights.chunks_exact(self.inputs)) {
            *sum = row.iter().map(|&w| i32::from(w)).sum();
        }
        let stride = self.outputs + 3;
        let mut out = vec![0.5; self.rows * stride];
        kernels.int8_product(Int8Product {
            rows: self.rows,
            inputs: self.inputs,
            outputs: self.outputs,
            input: &self.input,
            input_stride: self.inputs.next_multiple_of(4),
            input_scales: &self.scales,
            input_zeros: &self.zeros,
            panels: &panels,
            spill: &spill,
            weight_scales: &self.weight_scales,
            weight_sums: &sums,
            bias: &self.bias,
            outlier: (self.outlier.as_ref()).map(|(values, weights)| Outlier { values, weights }),
            out: &mut out,
            out_stride: stride,
            store,
        });
        for row in out.chunks_exact(stride) {
            assert_eq!(row[self.outputs..], [0.5; 3], "wrote behind the row");
        }
        out
    }

    fn expected(&self, row: usize, output: usize, store: Store) -> f32 {
        let input = &self.input[row * self.inputs.next_multiple_of(4)..][..self.inputs];
        let weights = &self.weights[output * self.inputs..][..self.inputs];
        let zero = i32::from(self.zeros[row]);
        let sum: i32 =
            input.iter().zip(weights).map(|(&a, &w)| (i32::from(a) - zero) * i32::from(w)).sum();
        let mut base = self.bias[output];
        if let Some((values, weights)) = &self.outlier {
            base = values[row].mul_add(weights[output], base);
        }
        if store == Store::Add {
            base += 0.5;
        }
        (sum as f32 * self.scales[row]).mul_add(self.weight_scales[output], base)
    }

    fn check(&self) {
        for kernels in Kernels::all() {
            for store in [Store::Replace, Store::Add] {
                let out = self.run(kernels, store);
                for (row, values) in out.chunks_exact(self.outputs + 3).enumerate() {
                    for (output, value) in values[..self.outputs].iter().enumerate() {
                        let expected = self.expected(row, output, store);
                        assert_eq!(
                            value.to_bits(),
                            expected.to_bits(),
                            "{kernels:?} {store:?} row {row} output {output}: {value}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn int8_product_of_one_row_and_four_inputs() {
    Int8Case::random(1, 4, 1, 1).check();
}

#[test]
fn int8_product_at_the_extremes_does_not_saturate() {
    for (byte, weight) in [(HIGHEST_CODE, 63), (HIGHEST_CODE, -63), (0, 63), (0, -63)] {
        let mut case = Int8Case::random(7, 384, 70, 2);
        case.input.fill(byte);
        case.weights.fill(weight);
        for zero in [0, HIGHEST_CODE] {
            case.zeros.fill(zero);
            case.check();
        }
    }
}

#[test]
fn int8_product_of_nothing_is_the_bias() {
    let mut case = Int8Case::random(3, 32, 17, 3);
    case.input.fill(0);
    case.zeros.fill(0);
    case.outlier = None;
    case.check();
}

fn float_product(
    kernels: Kernels,
    case: (usize, usize, usize),
    seed: u64,
    store: Store,
) -> Vec<f32> {
    let (rows, inputs, outputs) = case;
    let mut random = Random(seed);
    let weights = random.floats(inputs * outputs);
    let lines = panels::<f32, 16>(&weights, inputs, outputs, kernels.float_panel(), 0.0);
    let panels: Vec<FloatLine> = lines.into_iter().map(FloatLine).collect();
    let input = random.floats(rows * inputs);
    let bias = random.floats(outputs.next_multiple_of(LANES));
    let mut out = vec![0.5; rows * outputs];
    kernels.float_product(FloatProduct {
        rows,
        inputs,
        outputs,
        input: &input,
        input_stride: inputs,
        panels: &panels,
        bias: Some(&bias),
        out: &mut out,
        out_stride: outputs,
        store,
    });
    for (row, values) in out.chunks_exact(outputs).enumerate() {
        for (output, &value) in values.iter().enumerate() {
            let sum = (0..inputs).fold(0.0, |sum: f32, i| {
                input[row * inputs + i].mul_add(weights[output * inputs + i], sum)
            });
            let old = if store == Store::Add { 0.5 } else { 0.0 };
            assert_eq!(value, old + (sum + bias[output]), "{kernels:?} {row} {output}");
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn int8_product_is_exact(rows in 0_usize..30, inputs in 1_usize..80, outputs in 1_usize..150, seed: u64) {
        Int8Case::random(rows, inputs, outputs, seed).check();
    }

    #[test]
    fn float_product_sums_in_order(rows in 0_usize..30, inputs in 1_usize..50, outputs in 1_usize..70, seed: u64) {
        for store in [Store::Replace, Store::Add] {
            let scalar = float_product(Kernels::scalar(), (rows, inputs, outputs), seed, store);
            for kernels in Kernels::all() {
                let out = float_product(kernels, (rows, inputs, outputs), seed, store);
                prop_assert_eq!(bits(&out), bits(&scalar), "{:?}", kernels);
            }
        }
    }

    #[test]
    fn row_kernels_agree_bit_for_bit(length in 1_usize..100, factors: bool, seed: u64) {
        let mut random = Random(seed);
        let row = random.floats(length);
        let padded = length.next_multiple_of(LANES);
        let (weight, bias) = (random.floats(padded), random.floats(padded));
        let results: Vec<_> = Kernels::all().into_iter().map(|kernels| {
            let mut normed = row.clone();
            kernels.norm(&mut normed, &weight, &bias, 1e-12);
            let mut codes = vec![0; length];
            let (scale, zero) = kernels.quantise(&row, factors.then_some(&weight), &mut codes);
            let mut shares = row.clone();
            shares.resize(padded, 0.0);
            kernels.softmax(&mut shares, padded, length, 0.7);
            let activated: Vec<Vec<u32>> = ACTIVATIONS.iter().map(|&activation| {
                let mut row = row.clone();
                kernels.activate(&mut row, activation);
                bits(&row)
            }).collect();
            (bits(&normed), codes, scale.to_bits(), zero, bits(&shares[..length]), activated)
        }).collect();
        for (result, kernels) in results.iter().zip(Kernels::all()) {
            prop_assert_eq!(result, &results[0], "{:?}", kernels);
        }
    }
}

const ACTIVATIONS: [Activation; 4] =
    [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Tanh];

#[test]
fn norm_has_mean_zero_and_variance_one() {
    for kernels in Kernels::all() {
        for length in [8, 33, 384] {
            let mut row = Random(4).floats(length);
            let (ones, zeros) = (vec![1.0; length + LANES], vec![0.0; length + LANES]);
            kernels.norm(&mut row, &ones, &zeros, 1e-12);
            let mean = row.iter().sum::<f32>() / length as f32;
            let variance = row.iter().map(|x| x * x).sum::<f32>() / length as f32;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
    }
}

#[test]
fn quantised_rows_are_within_half_a_step() {
    for kernels in Kernels::all() {
        for row in [Random(5).floats(50), vec![3.0; 20], vec![-2.0, 0.0, -1.0], vec![0.0; 17]] {
            // The engine's rows of bytes are padded.
            let mut codes = vec![0; row.len().next_multiple_of(64)];
            let (scale, zero) = kernels.quantise(&row, None, &mut codes);
            for (&code, &value) in codes.iter().zip(&row) {
                let back = (f32::from(code) - f32::from(zero)) * scale;
                // Rounding of the zero adds to the rounding of the value at the ends of the range.
                assert!((back - value).abs() <= scale, "{value} came back as {back}");
            }
        }
    }
}

#[test]
fn quantising_what_is_not_finite_does_not_panic() {
    for kernels in Kernels::all() {
        let mut codes = [0; 20];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE] {
            for factors in [None, Some(&[2.0; 32][..])] {
                kernels.quantise(&[value; 20], factors, &mut codes);
                kernels.quantise(&[f32::MAX, f32::MIN, value], factors, &mut codes);
            }
        }
    }
}

#[test]
fn softmax_shares_sum_to_one() {
    for kernels in Kernels::all() {
        let mut row = Random(6).floats(40);
        row.resize(48, 9.0);
        let expected: Vec<f64> = row[..40].iter().map(|&x| (f64::from(x) * 0.5).exp()).collect();
        let sum: f64 = expected.iter().sum();
        kernels.softmax(&mut row, 48, 40, 0.5);
        for (share, expected) in row.iter().zip(expected) {
            assert!((f64::from(*share) - expected / sum).abs() < 1e-7);
        }
    }
}

#[test]
fn gelu_follows_its_definition() {
    // Φ from a table: scipy.stats.norm.cdf.
    let table = [
        (-6.0_f32, -5.919_525_8e-9_f32),
        (-3.0, -0.004_049_694),
        (-1.0, -0.158_655_25),
        (-0.1, -0.046_017_216),
        (0.0, 0.0),
        (0.5, 0.345_731_23),
        (2.0, 1.954_499_7),
        (5.0, 4.999_998_6),
    ];
    for kernels in Kernels::all() {
        for (x, y) in table {
            let mut row = [x; 3];
            kernels.activate(&mut row, Activation::Gelu);
            assert!((row[0] - y).abs() < 1e-6, "{kernels:?}: gelu({x}) = {}, not {y}", row[0]);
        }
        let mut row = [-1.0, 1.0];
        kernels.activate(&mut row, Activation::GeluTanh);
        assert!((row[0] + 0.158_808).abs() < 1e-5 && (row[1] - 0.841_192).abs() < 1e-5, "{row:?}");
    }
}
