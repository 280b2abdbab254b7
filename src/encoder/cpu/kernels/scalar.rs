//! No instruction set at all: runs everywhere, and is what the other kernels are tested against.

use super::simd::{ByteLine, LANES, Simd};

/// Plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

type Floats = [f32; LANES];

#[inline(always)]
fn lanes(a: Floats, b: Floats, f: impl Fn(f32, f32) -> f32) -> Floats {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Scalar {
    type Floats = Floats;
    type Sums = [i32; LANES];
    type Quad = [u8; 4];

    #[inline(always)]
    fn splat(self, value: f32) -> Floats {
        [value; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Floats {
        *from
    }
    #[inline(always)]
    fn store(self, from: Floats, to: &mut [f32; LANES]) {
        *to = from;
    }
    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Floats, b: Floats, c: Floats) -> Floats {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Floats, b: Floats) -> Floats {
        lanes(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn power_of_two(self, n: Floats) -> Floats {
        n.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn to_bytes(self, from: Floats, to: &mut [u8; LANES]) {
        *to = from.map(|x| x.round_ties_even() as u8);
    }
    #[inline(always)]
    fn no_sums(self) -> [i32; LANES] {
        [0; LANES]
    }
    #[inline(always)]
    fn quad(self, activations: [u8; 4]) -> [u8; 4] {
        activations
    }
    #[inline(always)]
    fn dot(self, sums: [i32; LANES], quad: [u8; 4], weights: &ByteLine) -> [i32; LANES] {
        let (weights, _) = weights.0.as_chunks::<4>();
        std::array::from_fn(|lane| {
            let products = quad.iter().zip(&weights[lane]);
            sums[lane] + products.map(|(&a, &w)| i32::from(a) * i32::from(w)).sum::<i32>()
        })
    }
    #[inline(always)]
    fn centre(self, sums: [i32; LANES], zero: i32, offsets: &[i32; LANES]) -> Floats {
        std::array::from_fn(|i| sums[i].wrapping_sub(zero.wrapping_mul(offsets[i])) as f32)
    }
}

super::kernel_set!([] Scalar, "scalar", float: 4 by 1, int8: 4 by 1);
