//! The inner loops, for every instruction set that pays.
//!
//! Knows vectors and matrices, not transformers. [`Kernels`] is a value that one only gets where the
//! processor has the instructions, so its methods are safe; they check every length. This is the only
//! room of the crate with `unsafe`, beside the one call that maps a file.
//!
//! All sets give the same bits: integers are summed exactly, floats in one order (see `simd.rs`).

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod products;
mod rows;
mod scalar;
mod simd;
mod spill;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use simd::{ByteLine, FloatLine, LANES};
pub(crate) use spill::Spill;

use crate::model::Activation;

/// Highest code of a quantised activation.
pub(crate) const HIGHEST_CODE: u8 = 255;

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Kernels(&'static Table);

/// What a product does with the values that are in its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// Overwrites them.
    Replace,
    /// Adds to them.
    Add,
}

/// `out (+)= input · weightsᵀ + bias`
///
/// Weights lie in panels of [`Kernels::float_panel`] outputs, and of 16 for the outputs that are left over. In
/// a panel, input after input has one value for each output.
#[derive(Debug)]
pub(crate) struct FloatProduct<'a> {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) input: &'a [f32],
    pub(crate) input_stride: usize,
    pub(crate) panels: &'a [FloatLine],
    /// Padded to whole steps of [`LANES`].
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) out: &'a mut [f32],
    pub(crate) out_stride: usize,
    pub(crate) store: Store,
}

/// `out (+)= (input − zero) · input scale · weightsᵀ · weight scale + bias`, and `+ outlier · outlier weights` if there is one
///
/// Panels as in [`FloatProduct`], of [`Kernels::int8_panel`] outputs, but four inputs at a time.
#[derive(Debug)]
pub(crate) struct Int8Product<'a> {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Rows are padded to a multiple of four; what lies in the padding does not matter.
    pub(crate) input: &'a [u8],
    pub(crate) input_stride: usize,
    pub(crate) input_scales: &'a [f32],
    pub(crate) input_zeros: &'a [u8],
    /// Values within ±63, zero for the inputs of the padding. [`Kernels::spill`] has seen them.
    pub(crate) panels: &'a [ByteLine],
    /// What it took out of them.
    pub(crate) spill: &'a Spill,
    /// One an output, padded to whole steps of [`LANES`], as are the next two.
    pub(crate) weight_scales: &'a [f32],
    /// Sum of the weights of an output.
    pub(crate) weight_sums: &'a [i32],
    pub(crate) bias: &'a [f32],
    /// One more input, in floats.
    pub(crate) outlier: Option<Outlier<'a>>,
    pub(crate) out: &'a mut [f32],
    pub(crate) out_stride: usize,
    pub(crate) store: Store,
}

/// An input that is too large to share a row's codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlier<'a> {
    /// One a row.
    pub(crate) values: &'a [f32],
    /// One an output, padded to whole steps of [`LANES`].
    pub(crate) weights: &'a [f32],
}

/// A row, factors, room for the codes; gives back scale and zero.
type Quantise = unsafe fn(&[f32], Option<&[f32]>, &mut [u8]) -> (f32, u8);

/// Functions compiled for one instruction set. Each may be called only where the processor has it.
struct Table {
    name: &'static str,
    float_panel: usize,
    int8_panel: usize,
    float_product: unsafe fn(&mut FloatProduct<'_>),
    int8_product: unsafe fn(&mut Int8Product<'_>),
    spill: unsafe fn(&mut [ByteLine], usize) -> Spill,
    norm: unsafe fn(&mut [f32], &[f32], &[f32], f32),
    quantise: Quantise,
    softmax: unsafe fn(&mut [f32], usize, usize, f32),
    activate: unsafe fn(&mut [f32], Activation),
}

/// Compiles the algorithms of `products.rs` and `rows.rs` for an instruction set. The numbers are rows by vectors
/// of sixteen outputs that a product keeps in registers.
macro_rules! kernel_set {
    ([$($attribute:meta)?] $simd:expr, $name:literal,
        float: $float_rows:literal by $float_vectors:literal, int8: $int8_rows:literal by $int8_vectors:literal) => {
        /// The kernels of this instruction set.
        pub(in crate::encoder::cpu::kernels) static TABLE: crate::encoder::cpu::kernels::Table = {
            use crate::encoder::cpu::kernels::{
                ByteLine, FloatProduct, Int8Product, LANES, Spill, Table, products, rows,
            };
            use crate::model::Activation;

            const _: () = assert!($float_rows <= products::MOST_ROWS && $int8_rows <= products::MOST_ROWS);

            $(#[$attribute])?
            fn float_product(p: &mut FloatProduct<'_>) {
                products::float_product::<_, $float_rows, $float_vectors>($simd, p);
            }
            $(#[$attribute])?
            fn int8_product(p: &mut Int8Product<'_>) {
                products::int8_product::<_, $int8_rows, $int8_vectors>($simd, p);
            }
            $(#[$attribute])?
            fn spill(panels: &mut [ByteLine], quads: usize) -> Spill {
                products::spill($simd, panels, quads)
            }
            $(#[$attribute])?
            fn norm(row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
                rows::norm($simd, row, weight, bias, epsilon);
            }
            $(#[$attribute])?
            fn quantise(row: &[f32], factors: Option<&[f32]>, out: &mut [u8]) -> (f32, u8) {
                rows::quantise($simd, row, factors, out)
            }
            $(#[$attribute])?
            fn softmax(rows: &mut [f32], stride: usize, length: usize, scale: f32) {
                rows::softmax($simd, rows, stride, length, scale);
            }
            $(#[$attribute])?
            fn activate(row: &mut [f32], activation: Activation) {
                rows::activate($simd, row, activation);
            }
            Table {
                name: $name,
                float_panel: $float_vectors * LANES,
                int8_panel: $int8_vectors * LANES,
                float_product,
                int8_product,
                spill,
                norm,
                quantise,
                softmax,
                activate,
            }
        };
    };
}
use kernel_set;

impl Kernels {
    /// The fastest set that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::available() {
                return Kernels(&avx512::TABLE);
            }
            if avx2::vnni::available() {
                return Kernels(&avx2::vnni::TABLE);
            }
            if avx2::available() {
                return Kernels(&avx2::TABLE);
            }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        {
            if neon::dot_product::available() {
                return Kernels(&neon::dot_product::TABLE);
            }
            if neon::available() {
                return Kernels(&neon::TABLE);
            }
        }
        Self::scalar()
    }

    /// The set that every processor has.
    pub(crate) fn scalar() -> Self {
        Kernels(&scalar::TABLE)
    }

    /// Every set that this processor has, the scalar one first.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::scalar()];
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::available() {
                all.push(Kernels(&avx2::TABLE));
            }
            if avx2::vnni::available() {
                all.push(Kernels(&avx2::vnni::TABLE));
            }
            #[cfg(test)]
            if avx2::vnni_twin::available() {
                all.push(Kernels(&avx2::vnni_twin::TABLE));
            }
            if avx512::available() {
                all.push(Kernels(&avx512::TABLE));
            }
        }
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        {
            if neon::available() {
                all.push(Kernels(&neon::TABLE));
            }
            if neon::dot_product::available() {
                all.push(Kernels(&neon::dot_product::TABLE));
            }
        }
        all
    }

    /// What the set is called.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// Outputs in a panel of f32 weights.
    pub(crate) fn float_panel(self) -> usize {
        self.0.float_panel
    }

    /// Outputs in a panel of int8 weights.
    pub(crate) fn int8_panel(self) -> usize {
        self.0.int8_panel
    }

    pub(crate) fn float_product(self, mut product: FloatProduct<'_>) {
        let p = &mut product;
        let steps = p.outputs.div_ceil(LANES);
        assert_eq!(p.panels.len(), steps * p.inputs);
        assert!(p.bias.is_none_or(|bias| bias.len() >= steps * LANES));
        assert_rows(p.rows, p.input.len(), p.input_stride, p.inputs);
        assert_rows(p.rows, p.out.len(), p.out_stride, p.outputs);
        // SAFETY: a `Kernels` holds a table only where its instructions were detected. The lengths that
        // the kernel relies on were checked above.
        unsafe { (self.0.float_product)(p) }
    }

    pub(crate) fn int8_product(self, mut product: Int8Product<'_>) {
        let p = &mut product;
        let (steps, quads) = (p.outputs.div_ceil(LANES), p.inputs.div_ceil(4));
        assert_eq!(p.panels.len(), steps * quads);
        let padded = steps * LANES;
        assert!(p.weight_scales.len() >= padded && p.weight_sums.len() >= padded);
        assert!(p.bias.len() >= padded);
        assert!(p.outlier.is_none_or(|o| o.values.len() >= p.rows && o.weights.len() >= padded));
        assert!(p.input_scales.len() >= p.rows && p.input_zeros.len() >= p.rows);
        assert_rows(p.rows, p.input.len(), p.input_stride, 4 * quads);
        assert_rows(p.rows, p.out.len(), p.out_stride, p.outputs);
        // SAFETY: as for `float_product`.
        unsafe { (self.0.int8_product)(p) }
    }

    /// Takes out of packed int8 weights, which have `quads` lines for each sixteen outputs, what an [`Int8Product`] has to
    /// multiply apart.
    pub(crate) fn spill(self, panels: &mut [ByteLine], quads: usize) -> Spill {
        // SAFETY: a `Kernels` holds a table only where its instructions were detected.
        unsafe { (self.0.spill)(panels, quads) }
    }

    /// Layer norm of a row in place; `weight` and `bias` are padded to whole steps of [`LANES`].
    pub(crate) fn norm(self, row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        let padded = row.len().next_multiple_of(LANES);
        assert!(weight.len() >= padded && bias.len() >= padded);
        // SAFETY: a `Kernels` holds a table only where its instructions were detected.
        unsafe { (self.0.norm)(row, weight, bias, epsilon) }
    }

    /// Quantises a row: `value · factor ≈ (byte − zero) · scale`, without factors `value ≈ …`. Returns scale and zero.
    /// `factors` are padded to whole steps of [`LANES`].
    pub(crate) fn quantise(
        self,
        row: &[f32],
        factors: Option<&[f32]>,
        out: &mut [u8],
    ) -> (f32, u8) {
        assert!(out.len() >= row.len());
        assert!(factors.is_none_or(|f| f.len() >= row.len().next_multiple_of(LANES)));
        // SAFETY: a `Kernels` holds a table only where its instructions were detected.
        unsafe { (self.0.quantise)(row, factors, out) }
    }

    /// Softmax of `scale · row` in place, for the first `length` values of each row of `stride`, which is at
    /// least `length` rounded up to whole steps of [`LANES`]. What follows them in the row is scratch.
    pub(crate) fn softmax(self, rows: &mut [f32], stride: usize, length: usize, scale: f32) {
        assert!(length > 0 && length.next_multiple_of(LANES) <= stride);
        // SAFETY: a `Kernels` holds a table only where its instructions were detected.
        unsafe { (self.0.softmax)(rows, stride, length, scale) }
    }

    /// Applies `activation` to every value of `row`.
    pub(crate) fn activate(self, row: &mut [f32], activation: Activation) {
        // SAFETY: a `Kernels` holds a table only where its instructions were detected.
        unsafe { (self.0.activate)(row, activation) }
    }
}

/// `rows` rows of `used` values, one every `stride`, must lie in `length`.
fn assert_rows(rows: usize, length: usize, stride: usize, used: usize) {
    assert!(stride >= used);
    assert!(rows == 0 || (rows - 1) * stride + used <= length);
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
