//! What the example programs share: choosing a model, reading files, ending as a program should.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use demarche::{Backend, Device, Tagger, TaggerBuilder};

/// Whatever stops a program; its message says what and where.
pub type Failure = Box<dyn Error>;

/// Options that choose and run the model.
#[derive(Args)]
pub struct ModelArgs {
    /// Model directory with config.json, tokenizer.json and model.safetensors [default: the model
    /// that is part of this program]
    #[arg(long, value_name = "DIR", required = cfg!(not(feature = "bundled")))]
    model: Option<PathBuf>,

    /// Threads to use [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// What computes: cpu or rust-bert
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = backend)]
    backend: Backend,
}

impl ModelArgs {
    /// A builder with these options set.
    pub fn builder(&self) -> TaggerBuilder {
        let mut builder = Tagger::builder().backend(self.backend);
        if let Some(dir) = &self.model {
            builder = builder.model_dir(dir);
        }
        if let Some(threads) = self.threads {
            builder = builder.threads(threads.into());
        }
        builder
    }
}

fn backend(name: &str) -> Result<Backend, &'static str> {
    match name {
        "cpu" => Ok(Backend::Cpu),
        // On the first GPU if there is one.
        "rust-bert" if cfg!(feature = "rust-bert") => {
            Ok(Backend::RustBert { device: Device::Best })
        }
        "rust-bert" => Err("this program was built without the feature rust-bert"),
        _ => Err("expected cpu or rust-bert"),
    }
}

/// Opens a file, or standard input for `-`.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Box::new(file))
}

/// Runs a program to its exit status: what it returns, or 1 with the failure on standard error.
/// Whoever reads the output may stop early, as `head` does: that is no failure.
pub fn run(program: impl FnOnce() -> Result<ExitCode, Failure>) -> ExitCode {
    program().unwrap_or_else(|failure| {
        if is_broken_pipe(&*failure) {
            return ExitCode::SUCCESS;
        }
        complain(&message(&*failure));
        ExitCode::FAILURE
    })
}

/// Writes one line about a problem to standard error.
pub fn complain(problem: &str) {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{red}error:{red:#} {problem}");
}

/// An error with everything that caused it, on one line.
pub fn message(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = causes(error).map(ToString::to_string).collect();
    // Some errors repeat their cause in their own message.
    messages.dedup_by(|cause, error| error.ends_with(cause.as_str()));
    messages.join(": ")
}

fn is_broken_pipe(failure: &(dyn Error + 'static)) -> bool {
    causes(failure).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// An error, its cause, the cause of that, and so on.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
