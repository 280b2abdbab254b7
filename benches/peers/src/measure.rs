//! One sample of an encoder's speed, taken as peers.py takes its own.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::clock::{Stopwatch, median};

pub trait Encoder {
    /// First-token vectors or logits, a row a sentence.
    fn encode(&self, batch: &[&Sentence]) -> Result<Vec<Vec<f32>>>;
}

/// As peers.py writes it.
#[derive(Deserialize)]
pub struct Sentence {
    pub text: String,
    pub ids: Vec<u32>,
}

#[derive(Args)]
pub struct Task {
    /// JSON: a list of {"text", "ids"}
    sentences: PathBuf,
    #[command(flatten)]
    batches: Batches,
    /// Of the sample
    #[arg(long, default_value = "1.5")]
    seconds: f64,
    /// Batch to begin with, so that rounds see different ones
    #[arg(long, default_value = "0")]
    from: usize,
    /// Writes the rows of the first 64 sentences there, as JSON
    #[arg(long)]
    rows: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Batches {
    /// Batches of N sentences by length
    #[arg(long, value_name = "N")]
    sorted: Option<usize>,
    /// Batches of N sentences as they come
    #[arg(long, value_name = "N")]
    reading: Option<usize>,
}

#[derive(Serialize)]
struct Figures {
    tokens_per_s: f64,
    latency_ms: f64,
}

/// How many batches on the next one lies: without a common factor with most numbers of batches, so that each
/// sample sees short and long ones.
const STRIDE: usize = 7;
const CALLS: usize = 9;

impl Task {
    pub fn run(&self, encoder: &impl Encoder) -> Result<()> {
        let threads = threads()?;
        let sentences: Vec<Sentence> = serde_json::from_slice(&fs::read(&self.sentences)?)?;
        let mut order: Vec<&Sentence> = sentences.iter().collect();
        if let Some(file) = &self.rows {
            let mut rows = Vec::new();
            for batch in order[..order.len().min(64)].chunks(16) {
                rows.extend(encoder.encode(batch)?);
            }
            fs::write(file, serde_json::to_string(&rows)?)?;
        }
        if self.batches.sorted.is_some() {
            order.sort_by_key(|sentence| sentence.ids.len());
        }
        let size = self.batches.sorted.or(self.batches.reading).expect("one of them is required");
        let batches: Vec<&[&Sentence]> = order.chunks(size).collect();

        // The first one finds no memory and no caches.
        encoder.encode(batches[self.from % batches.len()])?;
        let (mut tokens, mut at) = (0, self.from);
        let watch = Stopwatch::start(threads);
        while tokens == 0 || watch.wall_seconds() < self.seconds {
            let batch = batches[at % batches.len()];
            encoder.encode(batch)?;
            tokens += batch.iter().map(|sentence| sentence.ids.len()).sum::<usize>();
            at += STRIDE;
        }
        let tokens_per_s = tokens as f64 / watch.seconds();

        let one = sentences.iter().min_by_key(|sentence| sentence.ids.len().abs_diff(25));
        let one = [one.expect("a sentence, as there is a batch")];
        let mut waits = Vec::new();
        for _ in 0..CALLS {
            let watch = Stopwatch::start(threads);
            encoder.encode(&one)?;
            waits.push(watch.seconds() * 1e3);
        }
        let figures = Figures { tokens_per_s, latency_ms: median(waits) };
        println!("{}", serde_json::to_string(&figures)?);
        Ok(())
    }
}

pub fn threads() -> Result<usize> {
    let threads = std::env::var("RAYON_NUM_THREADS").map_err(|_| "RAYON_NUM_THREADS is not set")?;
    Ok(threads.parse()?)
}

/// Ids and mask of a batch, padded to its longest sentence, row after row; and the length of a row.
pub fn padded(batch: &[&Sentence]) -> (Vec<u32>, Vec<u32>, usize) {
    let width = batch.iter().map(|sentence| sentence.ids.len()).max().unwrap_or(0);
    let mut ids = vec![0; batch.len() * width];
    let mut mask = ids.clone();
    for (row, sentence) in batch.iter().enumerate() {
        for (column, &id) in sentence.ids.iter().enumerate() {
            ids[row * width + column] = id;
            mask[row * width + column] = 1;
        }
    }
    (ids, mask, width)
}
