//! Matrix products, written once over [`Simd`] and inlined for each instruction set; see `kernel_set!`.

use super::simd::{ByteLine, FloatLine, LANES, Simd};
use super::spill::Spill;
use super::{FloatProduct, Int8Product, Store};

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

/// Calls `$tile` for every panel of outputs, `V` vectors wide and at the end one, and every tile of its rows. A
/// panel holds `$steps` steps along the inputs.
macro_rules! by_panels {
    ($simd:ident, $p:ident, $steps:expr, $most:ident, $tile:ident::<$s:ident, $v:ident>) => {{
        let (steps, mut panel, mut column) = ($steps, 0, 0);
        while column < $p.outputs {
            let wide = $p.outputs.next_multiple_of(LANES) - column >= $v * LANES;
            for (row, height) in tiles($p.rows, $most) {
                if wide {
                    by_rows!(height, $most, $tile::<$s, $v>($simd, $p, row, panel, column);
                        1 2 3 4 5 6 7 8 9 10 11 12);
                } else {
                    by_rows!(height, $most, $tile::<$s, 1>($simd, $p, row, panel, column);
                        1 2 3 4 5 6 7 8 9 10 11 12);
                }
            }
            let vectors = if wide { $v } else { 1 };
            panel += steps * vectors;
            column += vectors * LANES;
        }
    }};
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
    by_panels!(simd, p, p.inputs, M, float_tile::<S, V>);
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

/// `out (+)= (input − zero) · weightsᵀ · scales + outlier + bias`, the products summed exactly.
#[inline(always)]
pub(super) fn int8_product<S: Simd, const M: usize, const V: usize>(
    simd: S,
    p: &mut Int8Product<'_>,
) {
    by_panels!(simd, p, p.inputs.div_ceil(4), M, int8_tile::<S, V>);
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
        let number = column / LANES;
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
    let outlier: Option<&[_; V]> = p.outlier.map(|outlier| vectors(&outlier.weights[column..]));
    for (m, sums) in sums.into_iter().enumerate() {
        let scale = simd.splat(p.input_scales[row + m]);
        let zero = i32::from(p.input_zeros[row + m]);
        let value = simd.splat(p.outlier.map_or(0.0, |outlier| outlier.values[row + m]));
        let out = &mut p.out[(row + m) * p.out_stride + column..][..width];
        update::<_, V>(
            simd,
            out,
            #[inline(always)]
            |v, old| {
                let sum = simd.mul(simd.centre(sums[v], zero, &offsets[v]), scale);
                let mut base = simd.load(&bias[v]);
                if let Some(weights) = outlier {
                    base = simd.mul_add(value, simd.load(&weights[v]), base);
                }
                if p.store == Store::Add {
                    base = simd.add(old, base);
                }
                simd.mul_add(sum, simd.load(&scales[v]), base)
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
