//! What peers.py cannot measure from Python: encoders in Rust, ours among them, the limits of a core, and the
//! products of the well-kept crate rten-gemm.
//!
//!     cd benches/peers && RAYON_NUM_THREADS=1 cargo run --release -- limits

mod candle;
mod clock;
mod demarche;
mod limits;
mod measure;
mod products;
mod rten;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use measure::Task;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measures encoders, and what there is to gain
///
/// Threads are as many as RAYON_NUM_THREADS says: that is where candle looks. With one, seconds are
/// those of the processor, otherwise those of the clock. Encoders print a last JSON line for programs:
/// tokens_per_s, and latency_ms of one sentence of about 25 tokens.
#[derive(Parser)]
enum Command {
    /// What a core can multiply at most, in registers alone
    Limits,
    /// rten-gemm's products in the shapes of our encoder, and what speed they would allow it
    Products,
    /// An ONNX file by rten
    Rten {
        model: PathBuf,
        #[command(flatten)]
        task: Task,
    },
    /// A BERT directory in float by candle
    Candle {
        dir: PathBuf,
        #[command(flatten)]
        task: Task,
    },
    /// A model directory by demarche, which gets its sentences as text
    Demarche {
        dir: PathBuf,
        #[command(flatten)]
        task: Task,
        #[arg(long, value_enum)]
        precision: demarche::Multiply,
    },
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Limits => limits::print(),
        Command::Products => products::print()?,
        Command::Rten { model, task } => task.run(&rten::Model::load(&model)?)?,
        Command::Candle { dir, task } => task.run(&candle::Model::load(&dir)?)?,
        Command::Demarche { dir, task, precision } => {
            task.run(&demarche::Model::load(&dir, precision)?)?;
        }
    }
    Ok(())
}
