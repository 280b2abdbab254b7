//! What a core can multiply at most, and how near the well-kept crate rten-gemm comes on the shapes of our
//! encoder. One thread, GMAC/s, median (best) of nine samples.
//!
//!     cd benches/peers && cargo run --release

mod limits;
mod products;

use std::time::Instant;

const SAMPLES: usize = 9;

fn main() {
    println!("registers only                          GMAC/s");
    for (name, limit) in limits::all() {
        println!("{name:36} {}", rates(|| limit()));
    }
    products::print();
}

/// Runs `work`, which gives the number of its multiply-adds, some times; the rates as text.
fn rates(mut work: impl FnMut() -> u64) -> String {
    let mut rates: Vec<f64> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            let count = work();
            count as f64 / start.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    format!("{:7.1} ({:.1})", rates[SAMPLES / 2], rates[SAMPLES - 1])
}
