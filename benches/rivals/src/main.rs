//! Prints the table of speeds, and how the time of hostile texts grows: `rivals FOLDER`.

use std::time::Instant;

use rivals::{demarche, hostile, icu, sentencex, texts, unicode};

/// The best of several runs in seconds, at least `seconds` of them together, and the result.
fn best(seconds: f64, run: impl Fn() -> usize) -> (f64, usize) {
    let begin = Instant::now();
    let (mut best, mut result) = (f64::MAX, 0);
    while begin.elapsed().as_secs_f64() < seconds {
        let (ran_before, start) = (ran(), Instant::now());
        result = run();
        let wall = start.elapsed().as_secs_f64();
        let spent = match (ran_before, ran()) {
            // Too short to be interrupted every time, and to be told well.
            _ if wall < 1e-3 => wall,
            (Some(before), Some(after)) => after - before,
            _ => wall,
        };
        best = best.min(spent);
    }
    (best, result)
}

/// Seconds that this thread has run, where Linux tells: other work on the core does not count.
fn ran() -> Option<f64> {
    std::thread::yield_now(); // brings the figure up to date
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = figures.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn main() {
    let folder = std::env::args().nth(1).expect("a folder of CODE.txt files");
    println!(
        "| text | ours | ours, guessing | icu_segmenter | unicode-segmentation | sentencex | ours / icu |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, text) in texts(&folder) {
        let speed = |(seconds, _): (f64, usize)| text.len() as f64 / 1e6 / seconds;
        let language = name.parse().ok();
        let ours = speed(best(0.2, || demarche(&text, language)));
        let guessing = speed(best(0.2, || demarche(&text, None)));
        let icu = speed(best(0.2, || icu(&text)));
        let unicode = speed(best(0.1, || unicode(&text)));
        let code = if language.is_some() { &name } else { "en" };
        let sentencex = speed(best(0.1, || sentencex(&text, code)));
        println!(
            "| {name} | {ours:.0} | {guessing:.0} | {icu:.0} | {unicode:.0} | {sentencex:.0} | {:.1} |",
            ours / icu
        );
    }
    println!("\n| hostile text | 32 MB, s | 64 MB, s | ratio |\n|---|---|---|---|");
    for ((name, half), (_, full)) in hostile(32 << 20).iter().zip(&hostile(64 << 20)) {
        let (half, _) = best(0.0001, || demarche(half, None));
        let (full, _) = best(0.0001, || demarche(full, None));
        println!("| {name} | {half:.2} | {full:.2} | {:.2} |", full / half);
    }
}
