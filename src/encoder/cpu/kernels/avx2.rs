//! AVX2 with FMA (Haswell, Zen and later): sixteen lanes are two registers of eight.

use std::arch::x86_64::*;

use super::simd::{ByteLine, LANES, Simd};

/// Made only in functions compiled for AVX2, FMA and what `D` needs.
#[derive(Clone, Copy)]
pub(super) struct Avx2<D>(D);

/// The instructions that multiply bytes.
trait Dot: Copy {
    /// Whether `dot_twice` is faster.
    const TWICE: bool = false;

    fn dot(self, sums: Sums, quad: __m256i, weights: Sums) -> Sums;
    #[inline(always)]
    fn dot_twice(self, sums: Sums, quads: [__m256i; 2], weights: [Sums; 2]) -> Sums {
        self.dot(self.dot(sums, quads[0], weights[0]), quads[1], weights[1])
    }
}

macro_rules! avx2 {
    ($e:expr) => {{
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; loads and stores go through
        // references to as many bytes as they touch.
        unsafe { $e }
    }};
}

/// The same operation on both halves.
macro_rules! halves {
    ($f:ident $(::<$n:literal>)? ($($v:expr),+)) => {
        avx2!([$f $(::<$n>)? ($($v[0]),+), $f $(::<$n>)? ($($v[1]),+)])
    };
}

/// Joins halves until one lane is left.
macro_rules! fold {
    ($v:expr, $join8:ident, $join4:ident) => {
        avx2!({
            let v = $join8($v[0], $v[1]);
            let v = $join4(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = $join4(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32($join4(v, _mm_movehdup_ps(v)))
        })
    };
}

type Floats = [__m256; 2];
type Sums = [__m256i; 2];

impl<D: Dot> Simd for Avx2<D> {
    type Floats = Floats;
    type Sums = Sums;
    type Quad = __m256i;
    const TWICE: bool = D::TWICE;

    #[inline(always)]
    fn splat(self, value: f32) -> Floats {
        [avx2!(_mm256_set1_ps(value)); 2]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Floats {
        let from = from.as_ptr();
        avx2!([_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))])
    }
    #[inline(always)]
    fn store(self, from: Floats, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        avx2!({
            _mm256_storeu_ps(to, from[0]);
            _mm256_storeu_ps(to.add(8), from[1]);
        });
    }
    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: Floats, b: Floats, c: Floats) -> Floats {
        halves!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: Floats, b: Floats) -> Floats {
        halves!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn power_of_two(self, n: Floats) -> Floats {
        let bias = avx2!(_mm256_set1_epi32(127));
        let n = halves!(_mm256_cvtps_epi32(n));
        let n = avx2!([_mm256_add_epi32(n[0], bias), _mm256_add_epi32(n[1], bias)]);
        let n = halves!(_mm256_slli_epi32::<23>(n));
        halves!(_mm256_castsi256_ps(n))
    }
    #[inline(always)]
    fn to_bytes(self, from: Floats, to: &mut [u8; LANES]) {
        avx2!({
            let (low, high) = (_mm256_cvtps_epi32(from[0]), _mm256_cvtps_epi32(from[1]));
            // Packing works within 128-bit halves: 0-3 8-11 | 4-7 12-15, put in order afterwards.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_packus_epi16(low, high));
        });
    }
    #[inline(always)]
    fn no_sums(self) -> [__m256i; 2] {
        [avx2!(_mm256_setzero_si256()); 2]
    }
    #[inline(always)]
    fn quad(self, activations: [u8; 4]) -> __m256i {
        avx2!(_mm256_set1_epi32(i32::from_ne_bytes(activations)))
    }
    #[inline(always)]
    fn dot(self, sums: Sums, quad: __m256i, weights: &ByteLine) -> Sums {
        self.0.dot(sums, quad, load(weights))
    }
    #[inline(always)]
    fn dot_twice(self, sums: Sums, quads: [__m256i; 2], weights: [&ByteLine; 2]) -> Sums {
        self.0.dot_twice(sums, quads, weights.map(load))
    }
    #[inline(always)]
    fn centre(self, sums: [__m256i; 2], zero: i32, offsets: &[i32; LANES]) -> Floats {
        let offsets: *const __m256i = offsets.as_ptr().cast();
        let offsets = avx2!([_mm256_loadu_si256(offsets), _mm256_loadu_si256(offsets.add(1))]);
        let zeros = [avx2!(_mm256_set1_epi32(zero)); 2];
        let offsets = halves!(_mm256_mullo_epi32(zeros, offsets));
        let sums = halves!(_mm256_sub_epi32(sums, offsets));
        halves!(_mm256_cvtepi32_ps(sums))
    }

    #[inline(always)]
    fn total(self, v: Floats) -> f32 {
        fold!(v, _mm256_add_ps, _mm_add_ps)
    }
    #[inline(always)]
    fn largest(self, v: Floats) -> f32 {
        fold!(v, _mm256_max_ps, _mm_max_ps)
    }
    #[inline(always)]
    fn smallest(self, v: Floats) -> f32 {
        fold!(v, _mm256_min_ps, _mm_min_ps)
    }
}

#[inline(always)]
fn load(weights: &ByteLine) -> Sums {
    let weights: *const __m256i = weights.0.as_ptr().cast();
    avx2!([_mm256_load_si256(weights), _mm256_load_si256(weights.add(1))])
}

/// Pairs of products are added in 16 bits, two such sums of two steps too, and pairs of those in 32.
#[derive(Clone, Copy)]
struct Pairs;

impl Dot for Pairs {
    const TWICE: bool = true;

    #[inline(always)]
    fn dot(self, sums: Sums, quad: __m256i, weights: Sums) -> Sums {
        let (quads, ones) = ([quad; 2], [avx2!(_mm256_set1_epi16(1)); 2]);
        let pairs = halves!(_mm256_maddubs_epi16(quads, weights));
        let fours = halves!(_mm256_madd_epi16(pairs, ones));
        halves!(_mm256_add_epi32(sums, fours))
    }
    #[inline(always)]
    fn dot_twice(self, sums: Sums, quads: [__m256i; 2], weights: [Sums; 2]) -> Sums {
        let ([a, b], ones) = (quads, [avx2!(_mm256_set1_epi16(1)); 2]);
        let (a, b) = ([a; 2], [b; 2]);
        let (a, b) = (
            halves!(_mm256_maddubs_epi16(a, weights[0])),
            halves!(_mm256_maddubs_epi16(b, weights[1])),
        );
        let fours = halves!(_mm256_add_epi16(a, b));
        let eights = halves!(_mm256_madd_epi16(fours, ones));
        halves!(_mm256_add_epi32(sums, eights))
    }
}

macro_rules! vnni {
    ($(#[$doc:meta])* $name:ident, $instruction:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name;

        impl Dot for $name {
            #[inline(always)]
            fn dot(self, sums: Sums, quad: __m256i, weights: Sums) -> Sums {
                let quads = [quad; 2];
                halves!($instruction(sums, quads, weights))
            }
        }
    };
}

vnni!(
    /// Four products in one instruction (Alder Lake, Zen 5 and later).
    Vnni,
    _mm256_dpbusd_avx_epi32
);

/// Whether [`TABLE`] may be used.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

super::kernel_set!(
    [target_feature(enable = "avx2,fma")] Avx2(Pairs), "avx2", float: 6 by 1, int8: 4 by 1
);

/// AVX2 with the VNNI instruction in its encoding without AVX-512.
pub(super) mod vnni {
    use super::{Avx2, Vnni};

    /// Whether [`TABLE`] may be used.
    pub(in super::super) fn available() -> bool {
        super::available() && is_x86_feature_detected!("avxvnni")
    }

    super::super::kernel_set!(
        [target_feature(enable = "avx2,fma,avxvnni")] Avx2(Vnni), "avx-vnni", float: 6 by 1, int8: 6 by 1
    );
}

/// The same on the AVX-512 encoding of the instruction, so that processors with AVX-512 can test all of the
/// set but that encoding.
#[cfg(test)]
pub(super) mod vnni_twin {
    use std::arch::x86_64::*;

    use super::{Avx2, Dot, Sums};

    vnni!(
        /// Four products in one instruction.
        Twin,
        _mm256_dpbusd_epi32
    );

    /// Whether [`TABLE`] may be used.
    pub(in super::super) fn available() -> bool {
        super::super::avx512::available()
    }

    super::super::kernel_set!(
        [target_feature(enable = "avx2,fma,avx512vl,avx512vnni")]
        Avx2(Twin), "avx-vnni twin", float: 6 by 1, int8: 6 by 1
    );
}
