//! What is done to the values of a row, written once over [`Simd`] and inlined for each instruction set; see `kernel_set!`.

use super::HIGHEST_CODE;
use super::simd::{LANES, Simd};
use crate::model::Activation;

#[inline(always)]
fn lanes<T>(from: &[T]) -> &[T; LANES] {
    from.first_chunk().expect("vectors of outputs are padded to whole steps")
}

/// Calls `f` for each sixteen values of `row`, the last ones padded with `pad`, and keeps what it returns.
#[inline(always)]
fn for_each<S: Simd>(
    simd: S,
    row: &mut [f32],
    pad: f32,
    mut f: impl FnMut(usize, S::Floats) -> S::Floats,
) {
    let (steps, rest) = row.as_chunks_mut::<LANES>();
    let whole = steps.len();
    for (i, step) in steps.iter_mut().enumerate() {
        simd.store(f(i, simd.load(step)), step);
    }
    if !rest.is_empty() {
        let mut padded = [pad; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        let new = f(whole, simd.load(&padded));
        simd.store(new, &mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

/// Folds sixteen values of `row` at a time into `start`, the last ones padded with `pad`.
#[inline(always)]
fn fold<S: Simd, T>(
    simd: S,
    row: &[f32],
    pad: f32,
    start: T,
    mut f: impl FnMut(T, usize, S::Floats) -> T,
) -> T {
    let (steps, rest) = row.as_chunks::<LANES>();
    let mut state = start;
    for (i, step) in steps.iter().enumerate() {
        state = f(state, i, simd.load(step));
    }
    if !rest.is_empty() {
        let mut padded = [pad; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        state = f(state, steps.len(), simd.load(&padded));
    }
    state
}

/// Layer norm of a row in place. `weight` and `bias` are padded to whole steps.
#[inline(always)]
pub(super) fn norm<S: Simd>(simd: S, row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    let length = row.len() as f32;
    let sum = fold(
        simd,
        row,
        0.0,
        simd.splat(0.0),
        #[inline(always)]
        |sum, _, x| simd.add(sum, x),
    );
    let mean = simd.total(sum) / length;
    let means = simd.splat(mean);
    let squares = fold(
        simd,
        row,
        mean,
        simd.splat(0.0),
        #[inline(always)]
        |sum, _, x| {
            let difference = simd.sub(x, means);
            simd.mul_add(difference, difference, sum)
        },
    );
    let factor = simd.splat(1.0 / (simd.total(squares) / length + epsilon).sqrt());
    for_each(
        simd,
        row,
        0.0,
        #[inline(always)]
        |i, x| {
            let normal = simd.mul(simd.sub(x, means), factor);
            let (weight, bias) = (lanes(&weight[i * LANES..]), lanes(&bias[i * LANES..]));
            simd.mul_add(normal, simd.load(weight), simd.load(bias))
        },
    );
}

/// Quantises a row to bytes: `value · factor ≈ (byte − zero) · scale`, without factors `value ≈ …`. Returns scale and zero.
/// `factors` are padded to whole steps.
#[inline(always)]
pub(super) fn quantise<S: Simd>(
    simd: S,
    row: &[f32],
    factors: Option<&[f32]>,
    out: &mut [u8],
) -> (f32, u8) {
    match factors {
        None => quantise_values(
            simd,
            row,
            out,
            #[inline(always)]
            |_, x| x,
        ),
        Some(factors) => quantise_values(
            simd,
            row,
            out,
            #[inline(always)]
            |i, x| simd.mul(x, simd.load(lanes(&factors[i * LANES..]))),
        ),
    }
}

/// Quantises what `value` makes of each sixteen values of a row.
#[inline(always)]
fn quantise_values<S: Simd>(
    simd: S,
    row: &[f32],
    out: &mut [u8],
    value: impl Fn(usize, S::Floats) -> S::Floats,
) -> (f32, u8) {
    let highest = f32::from(HIGHEST_CODE);
    let none = simd.splat(0.0);
    let (low, high) = fold(
        simd,
        row,
        0.0,
        (none, none),
        #[inline(always)]
        |(low, high), i, x| {
            let x = value(i, x);
            (simd.min(low, x), simd.max(high, x))
        },
    );
    let (low, high) = (simd.smallest(low), simd.largest(high));
    let range = high - low;
    let (scale, factor) = if range > 0.0 { (range / highest, highest / range) } else { (1.0, 1.0) };
    let zero = (-low * factor).round_ties_even();
    let (factor, zeros) = (simd.splat(factor), simd.splat(zero));
    let (steps, rest) = row.as_chunks::<LANES>();
    let (bytes, rest_bytes) = out[..row.len()].as_chunks_mut::<LANES>();
    for (i, (step, bytes)) in steps.iter().zip(bytes).enumerate() {
        to_codes(simd, value(i, simd.load(step)), factor, zeros, bytes);
    }
    if !rest.is_empty() {
        let mut padded = [0.0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        let mut bytes = [0; LANES];
        to_codes(simd, value(steps.len(), simd.load(&padded)), factor, zeros, &mut bytes);
        rest_bytes[..rest.len()].copy_from_slice(&bytes[..rest.len()]);
    }
    (scale, zero as u8)
}

#[inline(always)]
fn to_codes<S: Simd>(
    simd: S,
    x: S::Floats,
    factor: S::Floats,
    zero: S::Floats,
    out: &mut [u8; LANES],
) {
    let highest = f32::from(HIGHEST_CODE);
    let code = simd.mul_add(x, factor, zero);
    simd.to_bytes(simd.min(simd.max(code, simd.splat(0.0)), simd.splat(highest)), out);
}

/// Softmax of `scale · row` in place, for the first `length` values of each row of `stride`. What follows
/// them in the row is scratch.
#[inline(always)]
pub(super) fn softmax<S: Simd>(
    simd: S,
    rows: &mut [f32],
    stride: usize,
    length: usize,
    scale: f32,
) {
    // What no value of the last step exceeds: nothing where it holds none. (Filling the row with it would make the loads
    // wait for the stores.)
    let mut highest = [f32::NEG_INFINITY; LANES];
    highest[..(length - 1) % LANES + 1].fill(f32::INFINITY);
    let highest = simd.load(&highest);
    for row in rows.chunks_exact_mut(stride) {
        let (steps, _) = row[..length.next_multiple_of(LANES)].as_chunks_mut::<LANES>();
        let (last, others) = steps.split_last_mut().expect("a row has values");
        simd.store(simd.min(simd.load(last), highest), last);
        let mut largest = simd.load(last);
        for step in others {
            largest = simd.max(largest, simd.load(step));
        }
        let shift = simd.splat(-simd.largest(largest) * scale);
        let scale = simd.splat(scale);
        let mut sum = simd.splat(0.0);
        for step in steps.iter_mut() {
            let e = exp(simd, simd.mul_add(simd.load(step), scale, shift));
            sum = simd.add(sum, e);
            simd.store(e, step);
        }
        let factor = simd.splat(1.0 / simd.total(sum));
        for step in steps {
            simd.store(simd.mul(simd.load(step), factor), step);
        }
    }
}

/// The activation function of a row, in place.
#[inline(always)]
pub(super) fn activate<S: Simd>(simd: S, row: &mut [f32], activation: Activation) {
    match activation {
        Activation::Gelu => for_each(
            simd,
            row,
            0.0,
            #[inline(always)]
            |_, x| gelu(simd, x),
        ),
        Activation::GeluTanh => for_each(
            simd,
            row,
            0.0,
            #[inline(always)]
            |_, x| gelu_tanh(simd, x),
        ),
        Activation::Relu => for_each(
            simd,
            row,
            0.0,
            #[inline(always)]
            |_, x| simd.max(x, simd.splat(0.0)),
        ),
        // Only ever of one pooled vector a sentence.
        Activation::Tanh => row.iter_mut().for_each(|x| *x = x.tanh()),
    }
}

/// eˣ for x up to 88, by Cephes' `expf`: within 2 units in the last place. Below −87 it stays at e⁻⁸⁷.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let x = simd.min(simd.max(x, simd.splat(-87.0)), simd.splat(88.0));
    // Adding and taking away 1.5 · 2²³ rounds to a whole number.
    let magic = simd.splat(12_582_912.0);
    let n = simd.sub(simd.mul_add(x, simd.splat(std::f32::consts::LOG2_E), magic), magic);
    // ln 2 in two parts: the first has few digits, so that its product with `n` is exact.
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    let series = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let y = polynomial(simd, r, &series);
    let y = simd.mul_add(y, simd.mul(r, r), simd.add(r, simd.splat(1.0)));
    simd.mul(y, simd.power_of_two(n))
}

/// x · Φ(x); the error function as Eigen has it, a quotient of polynomials within 7e-8.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    let z = simd.mul(x, simd.splat(std::f32::consts::FRAC_1_SQRT_2));
    let z = simd.min(simd.max(z, simd.splat(-4.0)), simd.splat(4.0));
    let square = simd.mul(z, z);
    let above = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let below = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let above = simd.mul(z, polynomial(simd, square, &above));
    let erf = simd.div(above, polynomial(simd, square, &below));
    let half = simd.mul(x, simd.splat(0.5));
    simd.mul_add(half, erf, half)
}

/// x / (1 + exp(−2 √(2/π) (x + 0.044715 x³))), which is 0.5 x (1 + tanh …).
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::Floats) -> S::Floats {
    const SLOPE: f32 = -1.595_769_2;
    let cubic = simd.mul_add(simd.mul(x, x), simd.splat(SLOPE * 0.044_715), simd.splat(SLOPE));
    let e = exp(simd, simd.mul(x, cubic));
    simd.div(x, simd.add(simd.splat(1.0), e))
}

/// Horner's scheme, the coefficient of the highest power first.
#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: S::Floats, coefficients: &[f32]) -> S::Floats {
    let (&first, rest) = coefficients.split_first().expect("at least a constant");
    rest.iter().fold(
        simd.splat(first),
        #[inline(always)]
        |sum, &c| simd.mul_add(sum, x, simd.splat(c)),
    )
}
