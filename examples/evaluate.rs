//! Measures a model on labelled sentences: `cargo run --release --example evaluate -- dev.jsonl.gz`.

mod common;
#[path = "common/progress.rs"]
mod progress;
#[path = "evaluate/report.rs"]
mod report;
#[path = "evaluate/rows.rs"]
mod rows;
#[path = "evaluate/scores.rs"]
mod scores;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anstyle::AnsiColor;
use clap::Parser;
use common::{Failure, ModelArgs};
use demarche::{Probabilities, Statement, Tagger};
use report::Report;
use rows::{Id, Row, Rows};
use serde::Serialize;

/// Measures a model on labelled sentences
///
/// Prints precision, recall and F1 of each label, F1 of each language and source, how well
/// the probabilities are calibrated, and the speed.
#[derive(Parser)]
#[command(
    name = "evaluate",
    version,
    after_help = "\
Examples:
  evaluate dev.jsonl.gz                        tables for people
  evaluate --json dev.jsonl > result.json      one object for programs
  evaluate --predictions out.jsonl dev.jsonl   what the model says of each row

A row is one JSON object on a line, its text one sentence that is not split any further:
  {\"id\": \"7\", \"lang\": \"en\", \"text\": \"Paris vetoed the plan.\", \"labels\": [\"rejection\"]}
It may have a \"source\", by which scores are shown too (up to its first colon), and \"unsure\", a list
of labels that are neither hit nor miss in this row. Macro-F1 is the mean over the labels that
some row carries; micro-F1 counts the decisions on all labels together.

Exit status: 0, 1 if an input or the model cannot be used, 2 if the command line cannot."
)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Write {"id", "lang", "stances", "probabilities"} of each row to this file
    #[arg(long, value_name = "OUT.jsonl")]
    predictions: Option<PathBuf>,

    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    /// Labelled rows, plain or gzipped; - is standard input
    #[arg(value_name = "FILE.jsonl[.gz]", required = true)]
    files: Vec<PathBuf>,
}

/// Rows that are tagged together: enough to keep all threads busy, and for the bar to move.
const BATCH_ROWS: usize = 1024;

fn main() -> ExitCode {
    let args = Args::parse();
    common::run(|| evaluate(&args))
}

fn evaluate(args: &Args) -> Result<ExitCode, Failure> {
    let tagger = args.model.builder().build()?;
    let mut report = Report::new(tagger.labels(), tagger.thresholds());
    let mut predictions = args.predictions.as_deref().map(Predictions::create).transpose()?;
    let progress = progress::over(&args.files);
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    for path in &args.files {
        for row in Rows::open(path, &progress)? {
            batch.push(row?);
            if batch.len() == BATCH_ROWS {
                tag(&tagger, &batch, &mut report, predictions.as_mut())?;
                batch.clear();
            }
        }
    }
    tag(&tagger, &batch, &mut report, predictions.as_mut())?;
    progress.finish_and_clear();
    if let Some(predictions) = predictions {
        predictions.finish()?;
    }
    if report.rows() == 0 {
        return Err("no rows: expected a JSON object a line".into());
    }
    warn(&report);
    let mut out = BufWriter::new(anstream::stdout().lock());
    if args.json {
        writeln!(out, "{:#}", report.json(tagger.statistics()))?;
    } else {
        report.print(&mut out, tagger.statistics())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Tags rows and adds them to the report.
fn tag(
    tagger: &Tagger,
    rows: &[Row],
    report: &mut Report,
    mut predictions: Option<&mut Predictions>,
) -> Result<(), Failure> {
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let start = Instant::now();
    let statements = tagger.tag_sentences(&texts)?;
    report.seconds += start.elapsed().as_secs_f64();
    for (row, statement) in rows.iter().zip(&statements) {
        report.add(row, statement);
        if let Some(predictions) = &mut predictions {
            predictions.write(row, statement)?;
        }
    }
    Ok(())
}

fn warn(report: &Report) {
    let yellow = AnsiColor::Yellow.on_default().bold();
    for (label, rows) in &report.unknown {
        anstream::eprintln!(
            "{yellow}warning:{yellow:#} label `{label}` is not scored (rows with it: {rows}): the model has \
             none of this name"
        );
    }
}

/// The file of predictions. Its errors name it.
struct Predictions {
    path: PathBuf,
    out: BufWriter<File>,
}

#[derive(Serialize)]
struct Prediction<'a> {
    id: &'a Id,
    lang: &'a str,
    stances: Vec<&'a str>,
    probabilities: &'a Probabilities,
}

impl Predictions {
    fn create(path: &Path) -> Result<Self, Failure> {
        let out = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Predictions { path: path.to_owned(), out: BufWriter::new(out) })
    }

    fn write(&mut self, row: &Row, statement: &Statement) -> Result<(), Failure> {
        let line = Prediction {
            id: &row.id,
            lang: &row.lang,
            stances: statement.labels().collect(),
            probabilities: &statement.probabilities,
        };
        let written = serde_json::to_writer(&mut self.out, &line).map_err(io::Error::from);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        Ok(written.map_err(|error| format!("{}: {error}", self.path.display()))?)
    }

    fn finish(mut self) -> Result<(), Failure> {
        Ok(self.out.flush().map_err(|error| format!("{}: {error}", self.path.display()))?)
    }
}
