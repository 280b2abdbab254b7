//! The algorithms, written once over [`Simd`].
//!
//! Each is inlined into a function that is compiled for one instruction set; see `kernel_set!`.

use super::simd::{ByteLine, FloatLine, LANES, Simd};
use super::spill::Spill;
use super::{FloatProduct, HIGHEST_CODE, Int8Product, Store};
use crate::model::Activation;

/// Largest number of rows that any kernel multiplies at a time.
pub(super) const MOST_ROWS: usize = 12;

/// Calls `$tile::<S, rows, vectors>` with `rows` as a constant.
macro_rules! by_rows {
    ($rows:expr, $most:ident, $tile:ident::<$simd:ident, $vectors:tt>$arguments:tt; $($n:literal)+) => {
        match $rows {
            $($n if $n <= $most => $tile::<$simd, $n, $vectors>$arguments,)+
            _ => unreachable!("a tile of more rows than the kernel has"),
        }
    };
}

/// Cuts `rows` into tiles of at most `most` whose heights differ by no more than one: a last tile of one row
/// would cost as much as several.
#[inline(always)]
fn tiles(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(most);
    let (height, taller) = (rows / count.max(1), rows % count.max(1));
    (0..count).map(move |i| (i * height + i.min(taller), height + usize::from(i < taller)))
}

/// `out (+)= input · weightsᵀ + bias` in f32.
#[inline(always)]
pub(super) fn float_product<S: Simd, const M: usize, const V: usize>(
    simd: S,
    p: &mut FloatProduct<'_>,
) {
    let mut panel = 0;
    let mut column = 0;
    while column < p.outputs {
        let wide = p.outputs.next_multiple_of(LANES) - column >= V * LANES;
        for (row, height) in tiles(p.rows, M) {
            if wide {
                by_rows!(height, M, float_tile::<S, V>(simd, p, row, panel, column);
                    1 2 3 4 5 6 7 8 9 10 11 12);
            } else {
                by_rows!(height, M, float_tile::<S, 1>(simd, p, row, panel, column);
                    1 2 3 4 5 6 7 8 9 10 11 12);
            }
        }
        let vectors = if wide { V } else { 1 };
        panel += p.inputs * vectors;
        column += vectors * LANES;
    }
}

/// `M` rows by `V` vectors of outputs, from input row `row`, line `panel` of the weights and output column
/// `column` on.
#[inline(always)]
fn float_tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    p: &mut FloatProduct<'_>,
    row: usize,
    panel: usize,
    column: usize,
) {
    let mut sums = [[simd.splat(0.0); V]; M];
    let rows = starts::<_, M>(p.input, row, p.input_stride);
    let panel = p.panels[panel..panel + p.inputs * V].as_ptr();
    for i in 0..p.inputs {
        // SAFETY: line `i · V + v` lies in the panel that was sliced above.
        let weights: [&FloatLine; V] = std::array::from_fn(
            #[inline(always)]
            |v| unsafe { &*panel.add(i * V + v) },
        );
        for (start, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: `Kernels` checked that every row of the input holds `inputs` values.
            let value = simd.splat(unsafe { *start.add(i) });
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = simd.mul_add(value, simd.load(&weights.0), *sum);
            }
        }
    }
    let width = (V * LANES).min(p.outputs - column);
    let bias: Option<&[_; V]> = p.bias.map(|bias| vectors(&bias[column..]));
    for (m, sums) in sums.into_iter().enumerate() {
        let out = &mut p.out[(row + m) * p.out_stride + column..][..width];
        update::<_, V>(
            simd,
            out,
            #[inline(always)]
            |v, old| {
                let sum = match bias {
                    None => sums[v],
                    Some(bias) => simd.add(sums[v], simd.load(&bias[v])),
                };
                match p.store {
                    Store::Replace => sum,
                    Store::Add => simd.add(old, sum),
                }
            },
        );
    }
}

/// `out (+)= (input − zero) · weightsᵀ · scales + bias`, the products summed exactly.
#[inline(always)]
pub(super) fn int8_product<S: Simd, const M: usize, const V: usize>(
    simd: S,
    p: &mut Int8Product<'_>,
) {
    let quads = p.inputs.div_ceil(4);
    let mut panel = 0;
    let mut column = 0;
    while column < p.outputs {
        let wide = p.outputs.next_multiple_of(LANES) - column >= V * LANES;
        for (row, height) in tiles(p.rows, M) {
            if wide {
                by_rows!(height, M, int8_tile::<S, V>(simd, p, row, panel, column);
                    1 2 3 4 5 6 7 8 9 10 11 12);
            } else {
                by_rows!(height, M, int8_tile::<S, 1>(simd, p, row, panel, column);
                    1 2 3 4 5 6 7 8 9 10 11 12);
            }
        }
        let vectors = if wide { V } else { 1 };
        panel += quads * vectors;
        column += vectors * LANES;
    }
}

#[inline(always)]
fn int8_tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    p: &mut Int8Product<'_>,
    row: usize,
    panel: usize,
    column: usize,
) {
    let quads = p.inputs.div_ceil(4);
    let mut sums = [[simd.no_sums(); V]; M];
    let rows = starts::<_, M>(p.input, row, p.input_stride);
    let panel = p.panels[panel..panel + quads * V].as_ptr();
    let mut i = 0;
    while S::TWICE && i + 1 < quads {
        // SAFETY: lines up to `quads · V` lie in the panel that was sliced above.
        let [first, second] = unsafe { [step::<V>(panel, i), step::<V>(panel, i + 1)] };
        for (&start, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: `Kernels` checked that every row of the input holds `4 · quads` bytes.
            let quads = unsafe { [quad(simd, start, i), quad(simd, start, i + 1)] };
            for ((sum, first), second) in sums.iter_mut().zip(first).zip(second) {
                *sum = simd.dot_twice(*sum, quads, [first, second]);
            }
        }
        i += 2;
    }
    while i < quads {
        // SAFETY: as above.
        let lines = unsafe { step::<V>(panel, i) };
        for (&start, sums) in rows.iter().zip(&mut sums) {
            // SAFETY: as above.
            let quad = unsafe { quad(simd, start, i) };
            for (sum, line) in sums.iter_mut().zip(lines) {
                *sum = simd.dot(*sum, quad, line);
            }
        }
        i += 1;
    }
    if S::TWICE {
        const { assert!(!S::TWICE || V == 1, "lines are taken out of panels of one vector") };
        let number = p.spilled + column / LANES;
        let spilled = p.spill.starts[number] as usize..p.spill.starts[number + 1] as usize;
        for (&i, line) in p.spill.quads[spilled.clone()].iter().zip(&p.spill.lines[spilled]) {
            assert!((i as usize) < quads);
            for (&start, sums) in rows.iter().zip(&mut sums) {
                // SAFETY: as above.
                sums[0] = simd.dot(sums[0], unsafe { quad(simd, start, i as usize) }, line);
            }
        }
    }
    let width = (V * LANES).min(p.outputs - column);
    let offsets: &[_; V] = vectors(&p.weight_sums[column..]);
    let scales: &[_; V] = vectors(&p.weight_scales[column..]);
    let bias: &[_; V] = vectors(&p.bias[column..]);
    for (m, sums) in sums.into_iter().enumerate() {
        let scale = simd.splat(p.input_scales[row + m]);
        let zero = i32::from(p.input_zeros[row + m]);
        let out = &mut p.out[(row + m) * p.out_stride + column..][..width];
        update::<_, V>(
            simd,
            out,
            #[inline(always)]
            |v, old| {
                let sum = simd.mul(simd.centre(sums[v], zero, &offsets[v]), scale);
                let (scale, bias) = (simd.load(&scales[v]), simd.load(&bias[v]));
                match p.store {
                    Store::Replace => simd.mul_add(sum, scale, bias),
                    Store::Add => simd.mul_add(sum, scale, simd.add(old, bias)),
                }
            },
        );
    }
}

/// Lines of `V` vectors, of step `i` along the inputs.
///
/// # Safety
/// `panel` is followed by `i · V + V` lines.
#[inline(always)]
unsafe fn step<'a, const V: usize>(panel: *const ByteLine, i: usize) -> [&'a ByteLine; V] {
    std::array::from_fn(
        #[inline(always)]
        |v| {
            // SAFETY: the caller's.
            unsafe { &*panel.add(i * V + v) }
        },
    )
}

/// Four activations of a row, of step `i`.
///
/// # Safety
/// `row` is followed by `4 · i + 4` bytes.
#[inline(always)]
unsafe fn quad<S: Simd>(simd: S, row: *const u8, i: usize) -> S::Quad {
    // SAFETY: the caller's.
    simd.quad(unsafe { *row.add(4 * i).cast() })
}

/// What of packed int8 weights has to be multiplied apart.
#[inline(always)]
pub(super) fn spill<S: Simd>(_: S, panels: &mut [ByteLine], quads: usize) -> Spill {
    if S::TWICE { Spill::take(panels, quads) } else { Spill::default() }
}

/// Where `M` rows begin, from `row` on. Known before the loop, so that the compiler neither multiplies nor branches
/// for them in it.
#[inline(always)]
fn starts<T, const M: usize>(input: &[T], row: usize, stride: usize) -> [*const T; M] {
    std::array::from_fn(
        #[inline(always)]
        |m| std::hint::black_box(input[(row + m) * stride..].as_ptr()),
    )
}

#[inline(always)]
fn lanes<T>(from: &[T]) -> &[T; LANES] {
    from.first_chunk().expect("vectors of outputs are padded to whole steps")
}

/// The first `V` vectors of `from`, which is padded to whole steps.
#[inline(always)]
fn vectors<T, const V: usize>(from: &[T]) -> &[[T; LANES]; V] {
    from.as_chunks().0.first_chunk().expect("what outputs have is padded to whole steps")
}

/// Replaces `V` vectors of outputs, of which `out` may hold only a part, by what `new` makes of them.
#[inline(always)]
fn update<S: Simd, const V: usize>(
    simd: S,
    out: &mut [f32],
    new: impl Fn(usize, S::Floats) -> S::Floats,
) {
    if let Some(whole) = out.as_chunks_mut::<LANES>().0.first_chunk_mut::<V>() {
        for (v, out) in whole.iter_mut().enumerate() {
            simd.store(new(v, simd.load(out)), out);
        }
    } else {
        let mut padded = [[0.0; LANES]; V];
        padded.as_flattened_mut()[..out.len()].copy_from_slice(out);
        for (v, padded) in padded.iter_mut().enumerate() {
            simd.store(new(v, simd.load(padded)), padded);
        }
        out.copy_from_slice(&padded.as_flattened()[..out.len()]);
    }
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
    mut f: impl FnMut(T, S::Floats) -> T,
) -> T {
    let (steps, rest) = row.as_chunks::<LANES>();
    let mut state = start;
    for step in steps {
        state = f(state, simd.load(step));
    }
    if !rest.is_empty() {
        let mut padded = [pad; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        state = f(state, simd.load(&padded));
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
        |sum, x| simd.add(sum, x),
    );
    let mean = simd.total(sum) / length;
    let means = simd.splat(mean);
    let squares = fold(
        simd,
        row,
        mean,
        simd.splat(0.0),
        #[inline(always)]
        |sum, x| {
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

/// Quantises a row to bytes: `value ≈ (byte − zero) · scale`. Returns scale and zero.
#[inline(always)]
pub(super) fn quantise<S: Simd>(simd: S, row: &[f32], out: &mut [u8]) -> (f32, u8) {
    let highest = f32::from(HIGHEST_CODE);
    let none = simd.splat(0.0);
    let (low, high) = fold(
        simd,
        row,
        0.0,
        (none, none),
        #[inline(always)]
        |(low, high), x| (simd.min(low, x), simd.max(high, x)),
    );
    let (low, high) = (simd.smallest(low), simd.largest(high));
    let range = high - low;
    let (scale, factor) = if range > 0.0 { (range / highest, highest / range) } else { (1.0, 1.0) };
    let zero = (-low * factor).round_ties_even();
    let (factor, zeros) = (simd.splat(factor), simd.splat(zero));
    let (steps, rest) = row.as_chunks::<LANES>();
    let (bytes, rest_bytes) = out[..row.len()].as_chunks_mut::<LANES>();
    for (step, bytes) in steps.iter().zip(bytes) {
        to_codes(simd, simd.load(step), factor, zeros, bytes);
    }
    if !rest.is_empty() {
        let mut padded = [0.0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        let mut bytes = [0; LANES];
        to_codes(simd, simd.load(&padded), factor, zeros, &mut bytes);
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
