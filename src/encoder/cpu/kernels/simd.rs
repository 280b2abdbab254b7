//! Sixteen lanes at a time: what an instruction set must offer.
//!
//! Every set works in steps of sixteen lanes, whatever its registers hold, and rounds each operation as
//! IEEE 754 says. So an algorithm of `products.rs` or `rows.rs` sums in one order and gives the same bits on all of them.

/// Lanes of a step.
pub(crate) const LANES: usize = 16;

/// Sixteen floats on a cache line of their own.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct FloatLine(pub(crate) [f32; LANES]);

/// Four weights of each of sixteen outputs, on a cache line of their own.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct ByteLine(pub(crate) [i8; 4 * LANES]);

/// The operations of one instruction set. A value of the implementing type is the proof that the
/// processor has it.
pub(super) trait Simd: Copy {
    /// Sixteen f32.
    type Floats: Copy;
    /// Sixteen i32.
    type Sums: Copy;
    /// Four activations, repeated over a register.
    type Quad: Copy;
    /// Whether an int8 product takes [`dot_twice`](Self::dot_twice), which then wants panels of one vector.
    const TWICE: bool = false;

    fn splat(self, value: f32) -> Self::Floats;
    fn load(self, from: &[f32; LANES]) -> Self::Floats;
    fn store(self, from: Self::Floats, to: &mut [f32; LANES]);
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn div(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a · b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The larger one; `b` where either is NaN.
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The smaller one; `b` where either is NaN.
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// 2ⁿ for whole `n` from −126 to 127.
    fn power_of_two(self, n: Self::Floats) -> Self::Floats;
    /// Rounds to the nearest integer, halves to even. Values lie between 0 and 255.
    fn to_bytes(self, from: Self::Floats, to: &mut [u8; LANES]);

    fn no_sums(self) -> Self::Sums;
    fn quad(self, activations: [u8; 4]) -> Self::Quad;
    /// Adds four products to each sum, exactly: weights lie within ±63, so that two products with a byte
    /// fit 16 bits.
    fn dot(self, sums: Self::Sums, quad: Self::Quad, weights: &ByteLine) -> Self::Sums;
    /// Two steps of [`dot`](Self::dot) at once, exactly: what would not fit was taken out of the weights, see
    /// [`Spill`](super::spill::Spill).
    #[inline(always)]
    fn dot_twice(
        self,
        sums: Self::Sums,
        quads: [Self::Quad; 2],
        weights: [&ByteLine; 2],
    ) -> Self::Sums {
        self.dot(self.dot(sums, quads[0], weights[0]), quads[1], weights[1])
    }
    /// `sums − zero · offsets` as floats.
    fn centre(self, sums: Self::Sums, zero: i32, offsets: &[i32; LANES]) -> Self::Floats;

    /// The sum of all lanes, halves added until one is left.
    #[inline(always)]
    fn total(self, v: Self::Floats) -> f32 {
        self.fold(
            v,
            #[inline(always)]
            |a, b| a + b,
        )
    }
    /// The largest lane.
    #[inline(always)]
    fn largest(self, v: Self::Floats) -> f32 {
        self.fold(
            v,
            #[inline(always)]
            |a, b| if a > b { a } else { b },
        )
    }
    /// The smallest lane.
    #[inline(always)]
    fn smallest(self, v: Self::Floats) -> f32 {
        self.fold(
            v,
            #[inline(always)]
            |a, b| if a < b { a } else { b },
        )
    }
    #[inline(always)]
    fn fold(self, v: Self::Floats, join: impl Fn(f32, f32) -> f32) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(v, &mut lanes);
        let mut width = LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = join(lanes[i], lanes[i + width]);
            }
        }
        lanes[0]
    }
}
