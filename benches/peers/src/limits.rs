//! Loops over registers alone: no memory, no dependency that waits.

use crate::clock::rate;

/// Prints a line a limit.
pub fn print() {
    let limits = all();
    if limits.is_empty() {
        println!("no limit: this processor has none of the instructions that are measured");
    }
    for (name, work) in limits {
        println!("{name:36} {:7.1} GMAC/s", rate(work));
    }
}

/// A limit's name, and a loop that gives the number of its multiply-adds.
type Limit = (&'static str, fn() -> u64);

/// The limits that this processor has instructions for.
fn all() -> Vec<Limit> {
    #[cfg(target_arch = "x86_64")]
    {
        let mut all: Vec<Limit> = Vec::new();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY (these three): the processor has AVX2 and FMA.
            all.push(("int8, AVX2: maddubs, madd, add", || unsafe { x86::int8() }));
            all.push(("int8, AVX2: pairs added in 16 bits", || unsafe { x86::int8_paired() }));
            all.push(("f32, AVX2: FMA", || unsafe { x86::float() }));
        }
        if is_x86_feature_detected!("avxvnni") {
            // SAFETY: the processor has AVX-VNNI.
            all.push(("int8, AVX-VNNI, 256 bits", || unsafe { x86::int8_avx_vnni() }));
        }
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl") {
            // SAFETY (these three): the processor has AVX-512 F (as part of VL), VL and VNNI.
            all.push(("int8, AVX-512 VNNI, 256 bits", || unsafe { x86::int8_vnni_256() }));
            all.push(("int8, AVX-512 VNNI, 512 bits", || unsafe { x86::int8_vnni() }));
            all.push(("f32, AVX-512: FMA", || unsafe { x86::float_512() }));
        }
        all
    }
    #[cfg(not(target_arch = "x86_64"))]
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::array;
    use std::hint::black_box;

    const ROUNDS: i32 = 8_000_000;
    /// Sums that are open at a time: enough to hide the latency of their addition. They start from different
    /// values, as the compiler could take equal ones for one.
    const SUMS: usize = 12;

    #[target_feature(enable = "avx2")]
    pub fn int8() -> u64 {
        // Six, as the three instructions need registers for what lies between.
        let weights: [__m256i; 6] = array::from_fn(|_| _mm256_set1_epi8(black_box(3)));
        let one = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); 6];
        for round in 0..ROUNDS {
            let input = _mm256_set1_epi32(round);
            for (sum, &weight) in sums.iter_mut().zip(&weights) {
                let pairs = _mm256_maddubs_epi16(input, weight);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, one));
            }
        }
        black_box(sums);
        ROUNDS as u64 * 6 * 32
    }

    #[target_feature(enable = "avx2")]
    pub fn int8_paired() -> u64 {
        let weights: [__m256i; 6] = array::from_fn(|_| _mm256_set1_epi8(black_box(3)));
        let one = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); 6];
        for round in 0..ROUNDS / 2 {
            let (first, second) = (_mm256_set1_epi32(round), _mm256_set1_epi32(!round));
            for (sum, &weight) in sums.iter_mut().zip(&weights) {
                let first = _mm256_maddubs_epi16(first, weight);
                let pairs = _mm256_add_epi16(first, _mm256_maddubs_epi16(second, weight));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, one));
            }
        }
        black_box(sums);
        ROUNDS as u64 * 6 * 32
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn float() -> u64 {
        let weight = _mm256_set1_ps(black_box(0.5));
        let mut sums: [__m256; SUMS] = array::from_fn(|sum| _mm256_set1_ps(sum as f32));
        for round in 0..ROUNDS {
            let input = _mm256_set1_ps(round as f32);
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(input, weight, *sum);
            }
        }
        black_box(sums);
        ROUNDS as u64 * SUMS as u64 * 8
    }

    #[target_feature(enable = "avxvnni")]
    pub fn int8_avx_vnni() -> u64 {
        let weight = _mm256_set1_epi8(black_box(3));
        let mut sums: [__m256i; SUMS] = array::from_fn(|sum| _mm256_set1_epi32(sum as i32));
        for round in 0..ROUNDS {
            let input = _mm256_set1_epi32(round);
            for sum in &mut sums {
                *sum = _mm256_dpbusd_avx_epi32(*sum, input, weight);
            }
        }
        black_box(sums);
        ROUNDS as u64 * SUMS as u64 * 32
    }

    #[target_feature(enable = "avx512vl,avx512vnni")]
    pub fn int8_vnni_256() -> u64 {
        let weight = _mm256_set1_epi8(black_box(3));
        let mut sums: [__m256i; SUMS] = array::from_fn(|sum| _mm256_set1_epi32(sum as i32));
        for round in 0..ROUNDS {
            let input = _mm256_set1_epi32(round);
            for sum in &mut sums {
                *sum = _mm256_dpbusd_epi32(*sum, input, weight);
            }
        }
        black_box(sums);
        ROUNDS as u64 * SUMS as u64 * 32
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn int8_vnni() -> u64 {
        let weight = _mm512_set1_epi8(black_box(3));
        let mut sums: [__m512i; SUMS] = array::from_fn(|sum| _mm512_set1_epi32(sum as i32));
        for round in 0..ROUNDS {
            let input = _mm512_set1_epi32(round);
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, input, weight);
            }
        }
        black_box(sums);
        ROUNDS as u64 * SUMS as u64 * 64
    }

    #[target_feature(enable = "avx512f")]
    pub fn float_512() -> u64 {
        let weight = _mm512_set1_ps(black_box(0.5));
        let mut sums: [__m512; SUMS] = array::from_fn(|sum| _mm512_set1_ps(sum as f32));
        for round in 0..ROUNDS {
            let input = _mm512_set1_ps(round as f32);
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(input, weight, *sum);
            }
        }
        black_box(sums);
        ROUNDS as u64 * SUMS as u64 * 16
    }
}
