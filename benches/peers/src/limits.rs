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

    /// A loop of one instruction, on vectors of a number of values.
    macro_rules! single {
        ($name:ident, $features:literal, $values:literal, $input:ident($number:ty), $weight:expr, $product:expr) => {
            #[target_feature(enable = $features)]
            pub fn $name() -> u64 {
                let weight = $weight;
                let mut sums: [_; SUMS] = array::from_fn(|sum| $input(sum as $number));
                for round in 0..ROUNDS {
                    let input = $input(round as $number);
                    for sum in &mut sums {
                        *sum = $product(*sum, input, weight);
                    }
                }
                black_box(sums);
                ROUNDS as u64 * SUMS as u64 * $values
            }
        };
    }

    single!(
        float,
        "avx2,fma",
        8,
        _mm256_set1_ps(f32),
        _mm256_set1_ps(black_box(0.5)),
        |sum, input, weight| { _mm256_fmadd_ps(input, weight, sum) }
    );
    single!(
        float_512,
        "avx512f",
        16,
        _mm512_set1_ps(f32),
        _mm512_set1_ps(black_box(0.5)),
        |sum, input, weight| { _mm512_fmadd_ps(input, weight, sum) }
    );
    single!(
        int8_avx_vnni,
        "avxvnni",
        32,
        _mm256_set1_epi32(i32),
        _mm256_set1_epi8(black_box(3)),
        _mm256_dpbusd_avx_epi32
    );
    single!(
        int8_vnni_256,
        "avx512vl,avx512vnni",
        32,
        _mm256_set1_epi32(i32),
        _mm256_set1_epi8(black_box(3)),
        _mm256_dpbusd_epi32
    );
    single!(
        int8_vnni,
        "avx512f,avx512vnni",
        64,
        _mm512_set1_epi32(i32),
        _mm512_set1_epi8(black_box(3)),
        _mm512_dpbusd_epi32
    );
}
