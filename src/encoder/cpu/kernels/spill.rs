//! Weights that are multiplied one step at a time where all others are multiplied two steps at a time.
//!
//! AVX2 adds two products of bytes in 16 bits. The sums of two steps, four products, can be added there too, and half of
//! the widening instructions saved, if no bytes whatever could overflow: if neither the positive nor the negative ones of the four
//! weights add up to more than 128. Nearly all of a trained layer do. Where some of a line do not, the second step's line
//! is taken out of the panel, which holds zeros instead, and is multiplied on its own. The sums are the same.

use super::HIGHEST_CODE;
use super::simd::ByteLine;

/// Most that weights of one sign may add up to, so that products with bytes fit 16 bits.
const MOST: i16 = i16::MAX / HIGHEST_CODE as i16;

/// Lines that were taken out of the panels of a layer.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    /// For each sixteen outputs the number of the first line of theirs, and at last the number of all lines.
    pub(super) starts: Vec<u32>,
    /// Which four inputs a line is for.
    pub(super) quads: Vec<u32>,
    pub(super) lines: Vec<ByteLine>,
}

impl Spill {
    /// Takes out of `panels`, each of which holds `quads` lines of sixteen outputs, what must not be added two steps at a time.
    #[inline(always)]
    pub(super) fn take(panels: &mut [ByteLine], quads: usize) -> Self {
        let mut spill = Spill { starts: vec![0], ..Spill::default() };
        for panel in panels.chunks_exact_mut(quads.max(1)) {
            for (pair, lines) in panel.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                if overflows(lines) {
                    spill.quads.push(2 * pair as u32 + 1);
                    spill.lines.push(std::mem::replace(&mut lines[1], ByteLine([0; 64])));
                }
            }
            spill.starts.push(spill.lines.len() as u32);
        }
        spill
    }
}

/// Whether the four products of a 16-bit lane can leave its range. All lanes are looked at, without branches: each weight of a
/// model passes here when it is loaded.
#[inline(always)]
fn overflows([first, second]: &[ByteLine; 2]) -> bool {
    let mut most = 0;
    for (a, b) in first.0.as_chunks::<2>().0.iter().zip(second.0.as_chunks::<2>().0) {
        let weights = [a[0], a[1], b[0], b[1]].map(i16::from);
        let positive = weights.iter().map(|&w| w.max(0)).sum::<i16>();
        let negative = weights.iter().map(|&w| (-w).max(0)).sum::<i16>();
        most = most.max(positive).max(negative);
    }
    most > MOST
}
