//! Both backends on the same model and sentences in one run, as rows of a table.
//!
//! ```sh
//! eval "$(scripts/libtorch.sh)" && cargo bench --features rust-bert --bench rust_bert [-- MODEL_DIR]
//! ```
//!
//! Sentences are those of the parity fixtures. Rounds of all settings alternate, so that a slow minute of the
//! machine slows all of them.

use std::time::{Duration, Instant};

use demarche::{Backend, Device, Precision, Tagger, TaggerBuilder};

const ROUNDS: usize = 7;

/// A backend with its settings, and what was measured of it.
struct Entry {
    name: &'static str,
    threads: usize,
    tagger: Tagger,
    all: Vec<Duration>,
    single: Vec<Duration>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let builder = || match &model {
        Some(dir) => Tagger::builder().model_dir(dir),
        None => Tagger::builder(),
    };
    let lines = std::fs::read_to_string("tests/fixtures/parity/sentences.jsonl")?;
    let sentences: Vec<String> = lines
        .lines()
        .map(serde_json::from_str::<serde_json::Value>)
        .map(|row| Ok(row?["text"].as_str().ok_or("a row without a text")?.to_owned()))
        .collect::<Result<_, Box<dyn std::error::Error>>>()?;

    let mut entries = entries(&builder)?;
    let tokens = {
        let tagger = &entries[0].tagger;
        tagger.logits(&sentences)?;
        tagger.statistics().tokens
    };
    for round in 0..=ROUNDS {
        for entry in &mut entries {
            let all = timed(|| entry.tagger.logits(&sentences))?;
            let single = timed(|| entry.tagger.logits(&sentences[..1]))?;
            // The first round only warms up.
            if round > 0 {
                entry.all.push(all);
                entry.single.push(single);
            }
        }
    }

    println!("{} sentences, {tokens} tokens; median (best) of {ROUNDS} rounds\n", sentences.len());
    println!("| backend | threads | tokens a second | sentences a second | one sentence, ms |");
    println!("|---|---|---|---|---|");
    for Entry { name, threads, mut all, mut single, .. } in entries {
        all.sort_unstable();
        single.sort_unstable();
        let rate = |count: f64, time: Duration| count / time.as_secs_f64();
        let (median, best) = (all[ROUNDS / 2], all[0]);
        println!(
            "| {name} | {threads} | {:.0} ({:.0}) | {:.0} | {:.1} |",
            rate(tokens as f64, median),
            rate(tokens as f64, best),
            rate(sentences.len() as f64, median),
            single[ROUNDS / 2].as_secs_f64() * 1e3,
        );
    }
    Ok(())
}

fn entries(builder: &dyn Fn() -> TaggerBuilder) -> demarche::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for threads in [1, 2] {
        for (name, backend, precision) in [
            ("cpu, precision chosen", Backend::Cpu, Precision::Auto),
            ("cpu, f32", Backend::Cpu, Precision::F32),
            ("rust-bert, f32", Backend::RustBert { device: Device::Cpu }, Precision::F32),
        ] {
            let tagger =
                builder().backend(backend).precision(precision).threads(threads).build()?;
            entries.push(Entry { name, threads, tagger, all: Vec::new(), single: Vec::new() });
        }
    }
    Ok(entries)
}

fn timed<T>(call: impl FnOnce() -> demarche::Result<T>) -> demarche::Result<Duration> {
    let start = Instant::now();
    call()?;
    Ok(start.elapsed())
}
