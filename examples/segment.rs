//! Splits text into sentences: one a line, or one JSON object a line.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use demarche::segment::{Language, Segmenter, StreamError};
use serde_json::json;

/// Splits text into sentences, one a line.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Language of the text as an ISO 639-1 code; guessed for every paragraph if not given
    #[arg(long, value_name = "CODE")]
    lang: Option<Language>,

    /// Print {"start","end","text","paragraph","quoted"}, offsets in bytes of the file
    #[arg(long)]
    jsonl: bool,

    /// Files to read; `-` or none: standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Why a file could not be segmented to its end.
enum Failure {
    Open(io::Error),
    Input(StreamError),
    Output(io::Error),
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.files.is_empty() {
        arguments.files.push(PathBuf::from("-"));
    }
    let segmenter = Segmenter::new().language(arguments.lang);
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    for path in &arguments.files {
        let done = match path.to_str() {
            Some("-") => print(&segmenter, io::stdin().lock(), arguments.jsonl, &mut out),
            _ => File::open(path)
                .map_err(Failure::Open)
                .and_then(|file| print(&segmenter, file, arguments.jsonl, &mut out)),
        };
        let done = done.and_then(|()| out.flush().map_err(Failure::Output));
        let reason = match done {
            Ok(()) => continue,
            // Whoever reads our output has had enough.
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Err(Failure::Output(error)) => format!("cannot write the output: {error}"),
            Err(Failure::Open(error)) => format!("{}: {error}", path.display()),
            Err(Failure::Input(error)) => {
                let _ = out.flush();
                match std::error::Error::source(&error) {
                    Some(source) => format!("{}: {error}: {source}", path.display()),
                    None => format!("{}: {error}", path.display()),
                }
            }
        };
        eprintln!("segment: {reason}");
        return ExitCode::from(1);
    }
    ExitCode::SUCCESS
}

/// Prints the sentences of `reader`.
fn print(
    segmenter: &Segmenter,
    reader: impl Read,
    jsonl: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for item in segmenter.stream(reader) {
        let (text, sentence) = item.map_err(Failure::Input)?;
        let written = if jsonl {
            let line = json!({
                "start": sentence.range.start,
                "end": sentence.range.end,
                "text": text,
                "paragraph": sentence.paragraph,
                "quoted": sentence.quotation.is_some(),
            });
            writeln!(out, "{line}")
        } else {
            // A sentence may go over several lines of the text; it is printed on one.
            let words: Vec<&str> = text.lines().map(str::trim).collect();
            writeln!(out, "{}", words.join(" "))
        };
        written.map_err(Failure::Output)?;
    }
    Ok(())
}
