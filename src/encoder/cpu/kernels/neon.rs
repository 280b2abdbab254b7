//! NEON, which every 64-bit ARM processor has: sixteen lanes are four registers of four.
//!
//! There is no product of unsigned and signed bytes, so activations are taken less 128, and [`Simd::centre`] puts back
//! what the sums lack by that.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::simd::{ByteLine, LANES, Simd};

/// Made only in functions compiled for NEON and what `D` needs.
#[derive(Clone, Copy)]
pub(super) struct Neon<D>(D);

/// The instructions that multiply bytes.
trait Dot: Copy {
    /// Adds four products to each of four sums, exactly: weights lie within ±63.
    fn dot(self, sums: int32x4_t, activations: int8x16_t, weights: int8x16_t) -> int32x4_t;
}

macro_rules! neon {
    ($e:expr) => {{
        // SAFETY: a `Neon` exists, so the processor has NEON; loads and stores go through references to as many
        // bytes as they touch.
        unsafe { $e }
    }};
}

/// The same operation on all four quarters.
macro_rules! quarters {
    ($f:ident $(::<$n:literal>)? ($($v:expr),+)) => {
        neon!([
            $f $(::<$n>)? ($($v[0]),+),
            $f $(::<$n>)? ($($v[1]),+),
            $f $(::<$n>)? ($($v[2]),+),
            $f $(::<$n>)? ($($v[3]),+),
        ])
    };
}

/// What is taken from each activation.
const SHIFT: u8 = 128;

type Floats = [float32x4_t; 4];
type Sums = [int32x4_t; 4];

/// Joins halves until one lane is left.
#[inline(always)]
fn fold(v: Floats, join: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> f32 {
    let v = join(join(v[0], v[2]), join(v[1], v[3]));
    let v = join(v, neon!(vextq_f32::<2>(v, v)));
    let v = join(v, neon!(vextq_f32::<1>(v, v)));
    neon!(vgetq_lane_f32::<0>(v))
}

/// The larger of two; `b` where either is NaN.
#[inline(always)]
fn larger(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    neon!(vbslq_f32(vcgtq_f32(a, b), a, b))
}

/// The smaller of two; `b` where either is NaN.
#[inline(always)]
fn smaller(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    neon!(vbslq_f32(vcltq_f32(a, b), a, b))
}

impl<D: Dot> Simd for Neon<D> {
    type Floats = Floats;
    type Sums = Sums;
    type Quad = int8x16_t;

    #[inline(always)]
    fn splat(self, value: f32) -> Floats {
        [neon!(vdupq_n_f32(value)); 4]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Floats {
        let from = from.as_ptr();
        std::array::from_fn(
            #[inline(always)]
            |i| neon!(vld1q_f32(from.add(4 * i))),
        )
    }
    #[inline(always)]
    fn store(self, from: Floats, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        for (i, from) in from.into_iter().enumerate() {
            neon!(vst1q_f32(to.add(4 * i), from));
        }
    }
    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        quarters!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        quarters!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        quarters!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        quarters!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Floats, b: Floats, c: Floats) -> Floats {
        quarters!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn max(self, a: Floats, b: Floats) -> Floats {
        std::array::from_fn(
            #[inline(always)]
            |i| larger(a[i], b[i]),
        )
    }
    #[inline(always)]
    fn min(self, a: Floats, b: Floats) -> Floats {
        std::array::from_fn(
            #[inline(always)]
            |i| smaller(a[i], b[i]),
        )
    }
    #[inline(always)]
    fn power_of_two(self, n: Floats) -> Floats {
        let bias = [neon!(vdupq_n_s32(127)); 4];
        let n = quarters!(vcvtnq_s32_f32(n));
        let n = quarters!(vaddq_s32(n, bias));
        let n = quarters!(vshlq_n_s32::<23>(n));
        quarters!(vreinterpretq_f32_s32(n))
    }
    #[inline(always)]
    fn to_bytes(self, from: Floats, to: &mut [u8; LANES]) {
        let [a, b, c, d] = quarters!(vcvtnq_u32_f32(from));
        neon!({
            let low = vcombine_u16(vmovn_u32(a), vmovn_u32(b));
            let high = vcombine_u16(vmovn_u32(c), vmovn_u32(d));
            vst1q_u8(to.as_mut_ptr(), vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
        });
    }
    #[inline(always)]
    fn no_sums(self) -> Sums {
        [neon!(vdupq_n_s32(0)); 4]
    }
    #[inline(always)]
    fn quad(self, activations: [u8; 4]) -> int8x16_t {
        let shifted = u32::from_ne_bytes(activations) ^ u32::from_ne_bytes([SHIFT; 4]);
        neon!(vreinterpretq_s8_u32(vdupq_n_u32(shifted)))
    }
    #[inline(always)]
    fn dot(self, sums: Sums, quad: int8x16_t, weights: &ByteLine) -> Sums {
        let weights = weights.0.as_ptr();
        std::array::from_fn(
            #[inline(always)]
            |i| self.0.dot(sums[i], quad, neon!(vld1q_s8(weights.add(16 * i)))),
        )
    }
    #[inline(always)]
    fn centre(self, sums: Sums, zero: i32, offsets: &[i32; LANES]) -> Floats {
        let zeros = [neon!(vdupq_n_s32(i32::from(SHIFT) - zero)); 4];
        let offsets = offsets.as_ptr();
        let offsets: Sums = std::array::from_fn(
            #[inline(always)]
            |i| neon!(vld1q_s32(offsets.add(4 * i))),
        );
        let sums = quarters!(vmlaq_s32(sums, zeros, offsets));
        quarters!(vcvtq_f32_s32(sums))
    }

    #[inline(always)]
    fn total(self, v: Floats) -> f32 {
        fold(
            v,
            #[inline(always)]
            |a, b| neon!(vaddq_f32(a, b)),
        )
    }
    #[inline(always)]
    fn largest(self, v: Floats) -> f32 {
        fold(v, larger)
    }
    #[inline(always)]
    fn smallest(self, v: Floats) -> f32 {
        fold(v, smaller)
    }
}

/// Pairs of products are added in 16 bits, pairs of those in 32.
#[derive(Clone, Copy)]
struct Pairs;

impl Dot for Pairs {
    #[inline(always)]
    fn dot(self, sums: int32x4_t, activations: int8x16_t, weights: int8x16_t) -> int32x4_t {
        neon!({
            let low = vmull_s8(vget_low_s8(activations), vget_low_s8(weights));
            let high = vmull_high_s8(activations, weights);
            vpadalq_s16(sums, vpaddq_s16(low, high))
        })
    }
}

/// Whether [`TABLE`] may be used.
pub(super) fn available() -> bool {
    is_aarch64_feature_detected!("neon")
}

super::kernel_set!(
    [target_feature(enable = "neon")] Neon(Pairs), "neon", float: 6 by 1, int8: 6 by 1
);

/// NEON with its product of four bytes (Armv8.2 with the dot product, Armv8.4 and later).
pub(super) mod dot_product {
    use std::arch::aarch64::{int8x16_t, int32x4_t};
    use std::arch::{asm, is_aarch64_feature_detected};

    use super::{Dot, Neon};

    /// Made only in functions compiled for the instruction.
    #[derive(Clone, Copy)]
    struct DotProduct;

    impl Dot for DotProduct {
        #[inline(always)]
        fn dot(self, mut sums: int32x4_t, activations: int8x16_t, weights: int8x16_t) -> int32x4_t {
            // SAFETY: a `DotProduct` exists, so the processor has the instruction. (Its intrinsic is not yet stable.)
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sums:v}.4s, {weights:v}.16b, {activations:v}.16b",
                    sums = inout(vreg) sums,
                    weights = in(vreg) weights,
                    activations = in(vreg) activations,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            sums
        }
    }

    /// Whether [`TABLE`] may be used.
    pub(in super::super) fn available() -> bool {
        super::available() && is_aarch64_feature_detected!("dotprod")
    }

    super::super::kernel_set!(
        [target_feature(enable = "neon,dotprod")] Neon(DotProduct), "neon-dot", float: 6 by 1, int8: 6 by 1
    );
}
