//! Time, and rates of what was done in it.

use std::time::Instant;

use cpu_time::ProcessTime;

/// Seconds since its start: the processor's with one thread, so that a busy machine changes little.
pub struct Stopwatch {
    processor: Option<ProcessTime>,
    wall: Instant,
}

impl Stopwatch {
    pub fn start(threads: usize) -> Self {
        Stopwatch { processor: (threads == 1).then(ProcessTime::now), wall: Instant::now() }
    }

    pub fn seconds(&self) -> f64 {
        self.processor.map_or_else(|| self.wall_seconds(), |start| start.elapsed().as_secs_f64())
    }

    pub fn wall_seconds(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs `work`, which gives the number of its multiply-adds, five times on this thread; the median rate in
/// GMAC/s.
pub fn rate(mut work: impl FnMut() -> u64) -> f64 {
    let sample = || {
        let watch = Stopwatch::start(1);
        let count = work();
        count as f64 / watch.seconds() / 1e9
    };
    median(std::iter::repeat_with(sample).take(5).collect())
}
