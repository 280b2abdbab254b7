//! AVX2 with FMA (Haswell, Zen and later): sixteen lanes are two registers of eight.

use std::arch::x86_64::*;

use super::simd::{ByteLine, LANES, Simd};

/// Made only in functions compiled for AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

macro_rules! avx2 {
    ($e:expr) => {{
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; loads and stores go through
        // references to as many bytes as they touch.
        unsafe { $e }
    }};
}

/// The same operation on both halves.
macro_rules! halves {
    ($f:ident($($v:expr),+)) => { avx2!([$f($($v[0]),+), $f($($v[1]),+)]) };
}

type Floats = [__m256; 2];

impl Simd for Avx2 {
    type Floats = Floats;
    type Sums = [__m256i; 2];
    type Quad = __m256i;

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
        n.map(|n| {
            avx2!({
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            })
        })
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
    fn dot(self, sums: [__m256i; 2], quad: __m256i, weights: &ByteLine) -> [__m256i; 2] {
        let weights: *const __m256i = weights.0.as_ptr().cast();
        std::array::from_fn(|half| {
            avx2!({
                let pairs = _mm256_maddubs_epi16(quad, _mm256_load_si256(weights.add(half)));
                _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
            })
        })
    }
    #[inline(always)]
    fn centre(self, sums: [__m256i; 2], zero: i32, offsets: &[i32; LANES]) -> Floats {
        let offsets: *const __m256i = offsets.as_ptr().cast();
        std::array::from_fn(|half| {
            avx2!({
                let zero = _mm256_set1_epi32(zero);
                let offset = _mm256_mullo_epi32(zero, _mm256_loadu_si256(offsets.add(half)));
                _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[half], offset))
            })
        })
    }
}

/// Whether [`TABLE`] may be used.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

super::kernel_set!(
    [target_feature(enable = "avx2,fma")] Avx2(()), "avx2", float: 6 by 1, int8: 4 by 1
);
