//! AVX-512 with VNNI (Ice Lake, Zen 4 and later): sixteen lanes are one register, and four products are
//! added in one instruction.

use std::arch::x86_64::*;

use super::simd::{ByteLine, LANES, Simd};

/// Made only in functions compiled for AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

macro_rules! avx512 {
    ($e:expr) => {{
        // SAFETY: an `Avx512` exists, so the processor has AVX-512 F, BW, VL and VNNI; loads and stores
        // go through references to as many bytes as they touch.
        unsafe { $e }
    }};
}

impl Simd for Avx512 {
    type Floats = __m512;
    type Sums = __m512i;
    type Quad = __m512i;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        avx512!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        avx512!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn store(self, from: __m512, to: &mut [f32; LANES]) {
        avx512!(_mm512_storeu_ps(to.as_mut_ptr(), from));
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        avx512!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        avx512!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn power_of_two(self, n: __m512) -> __m512 {
        avx512!({
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn to_bytes(self, from: __m512, to: &mut [u8; LANES]) {
        avx512!({
            let bytes = _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(from));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        });
    }
    #[inline(always)]
    fn no_sums(self) -> __m512i {
        avx512!(_mm512_setzero_si512())
    }
    #[inline(always)]
    fn quad(self, activations: [u8; 4]) -> __m512i {
        avx512!(_mm512_set1_epi32(i32::from_ne_bytes(activations)))
    }
    #[inline(always)]
    fn dot(self, sums: __m512i, quad: __m512i, weights: &ByteLine) -> __m512i {
        avx512!(_mm512_dpbusd_epi32(sums, quad, _mm512_load_si512(weights.0.as_ptr().cast())))
    }
    #[inline(always)]
    fn centre(self, sums: __m512i, zero: i32, offsets: &[i32; LANES]) -> __m512 {
        avx512!({
            let offsets = _mm512_loadu_si512(offsets.as_ptr().cast());
            let offset = _mm512_mullo_epi32(_mm512_set1_epi32(zero), offsets);
            _mm512_cvtepi32_ps(_mm512_sub_epi32(sums, offset))
        })
    }
}

/// Whether [`TABLE`] may be used.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
}

super::kernel_set!(
    [target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    Avx512(()), "avx512-vnni", float: 12 by 2, int8: 6 by 4
);
