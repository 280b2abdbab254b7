//! Measures the engine on a file of sentences: `cargo run --release --example bench -- --text FILE`.

mod common;

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use common::{Failure, ModelArgs};
use demarche::{Precision, Tagger};
use serde::Serialize;

/// Measures the speed of a model on a file of sentences
///
/// The last line is one JSON object for programs: tokens_per_s (of whole calls, from sentences to
/// logits; the median of the rounds), latency_ms (one sentence of about 25 tokens alone, the
/// median of 51 calls) and peak_rss_mb (the most memory that this process held; null where the
/// system does not tell).
#[derive(Parser)]
#[command(name = "bench", version)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Sentences, one a line; repeated ones count once
    #[arg(long, value_name = "FILE")]
    text: PathBuf,

    /// How the CPU backend multiplies
    #[arg(long, value_name = "HOW", value_enum, default_value = "auto")]
    precision: Multiply,

    /// Times that the file is read through
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Multiply {
    /// As the weights are
    Auto,
    Int8,
    F32,
}

#[derive(Serialize)]
struct Figures {
    tokens_per_s: f64,
    latency_ms: f64,
    peak_rss_mb: Option<f64>,
}

/// Tokens of the sentence whose latency is taken.
const SHORT: u64 = 25;
/// Sentences among which one of that length is looked for.
const CANDIDATES: usize = 500;
const CALLS: usize = 51;

fn main() -> ExitCode {
    let args = Args::parse();
    common::run(|| bench(&args))
}

fn bench(args: &Args) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    common::open(&args.text)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|error| format!("{}: {error}", args.text.display()))?;
    let sentences: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if sentences.is_empty() {
        return Err(format!("{}: no sentence in it", args.text.display()).into());
    }
    let precision = match args.precision {
        Multiply::Auto => Precision::Auto,
        Multiply::Int8 => Precision::Int8,
        Multiply::F32 => Precision::F32,
    };

    let start = Instant::now();
    let tagger = args.model.builder().precision(precision).build()?;
    println!("loaded in {:.1} ms", milliseconds(start));

    let short = short_sentence(&tagger, &sentences)?;
    let mut rates = Vec::new();
    for round in 1..=args.rounds {
        let start = Instant::now();
        let tokens = encode(&tagger, &sentences)?;
        rates.push(tokens as f64 / start.elapsed().as_secs_f64());
        println!(
            "round {round}: {} sentences, {tokens} tokens, {:.0} tokens a second",
            sentences.len(),
            rates[rates.len() - 1],
        );
    }
    let mut waits = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        tagger.logits(&[short])?;
        waits.push(milliseconds(start));
    }
    let figures = Figures {
        tokens_per_s: median(rates),
        latency_ms: median(waits),
        peak_rss_mb: peak_resident_megabytes(),
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(ExitCode::SUCCESS)
}

/// The sentence whose number of tokens is nearest to [`SHORT`].
fn short_sentence<'t>(tagger: &Tagger, sentences: &[&'t str]) -> Result<&'t str, Failure> {
    let mut nearest = (u64::MAX, sentences[0]);
    for &sentence in sentences.iter().take(CANDIDATES) {
        let tokens = encode(tagger, &[sentence])?;
        nearest = nearest.min((tokens.abs_diff(SHORT), sentence));
    }
    Ok(nearest.1)
}

/// Encodes sentences; the number of their tokens.
fn encode(tagger: &Tagger, sentences: &[&str]) -> Result<u64, Failure> {
    let before = tagger.statistics().tokens;
    tagger.logits(sentences)?;
    Ok(tagger.statistics().tokens - before)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Linux counts it for every process; elsewhere nothing is said.
fn peak_resident_megabytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
