//! Labelled sentences from JSON lines, plain or gzipped. Every complaint names file and line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use crate::common::Failure;

/// A sentence and the labels that it should get. Fields with other names are skipped.
#[derive(Deserialize)]
pub struct Row {
    pub id: Id,
    pub lang: String,
    pub text: String,
    pub labels: Vec<String>,
    /// Labels about which the annotation wavered: neither hit nor miss.
    #[serde(default)]
    pub unsure: Vec<String>,
    source: Option<String>,
}

impl Row {
    /// The kind of source: `ntrex` of `ntrex:document-17`.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref().and_then(|source| source.split(':').next())
    }
}

/// Whatever identifies a row, handed through to the predictions.
#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "field `id`: expected a string or an integer")]
pub enum Id {
    Text(String),
    Number(i64),
}

/// A longer line is refused, so that a hostile file cannot fill the memory.
const MOST_BYTES: usize = 16 << 20;

/// The rows of one file, in order; the first bad one ends it.
pub struct Rows {
    file: String,
    reader: Box<dyn BufRead>,
    line: usize,
    bytes: Vec<u8>,
}

impl Rows {
    /// Opens a file, or standard input for `-`; gzip is known by its first bytes. `progress` counts the
    /// bytes of the file, not of what is packed in it.
    pub fn open(path: &Path, progress: &ProgressBar) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| format!("{file}: {error}"))?)
        };
        let mut reader = BufReader::new(progress.wrap_read(source));
        let start = reader.fill_buf().map_err(|error| format!("{file}: {error}"))?;
        let reader: Box<dyn BufRead> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(MultiGzDecoder::new(reader)))
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            let problem = "expected gzip data, as the name says, found something else";
            return Err(format!("{file}: {problem}").into());
        } else {
            Box::new(reader)
        };
        Ok(Rows { file, reader, line: 0, bytes: Vec::new() })
    }

    /// The next row, over blank lines.
    fn read(&mut self) -> Result<Option<Row>, String> {
        loop {
            self.line += 1;
            self.bytes.clear();
            let mut limited = self.reader.by_ref().take(MOST_BYTES as u64 + 1);
            limited.read_until(b'\n', &mut self.bytes).map_err(|error| error.to_string())?;
            if self.bytes.is_empty() {
                return Ok(None);
            }
            if self.bytes.len() > MOST_BYTES {
                return Err(format!("expected at most {MOST_BYTES} bytes on a line, found more"));
            }
            let text = std::str::from_utf8(&self.bytes)
                .map_err(|error| format!("byte {} is not valid UTF-8", error.valid_up_to()))?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            if !text.trim().is_empty() {
                return serde_json::from_str(text.trim_end())
                    .map(Some)
                    .map_err(|error| explain(&error));
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.read().map_err(|problem| format!("{}:{}: {problem}", self.file, self.line));
        row.map_err(Failure::from).transpose()
    }
}

fn explain(error: &serde_json::Error) -> String {
    // The place at the end of the message counts the lines of the row, which has only one.
    let message = error.to_string();
    let problem = message.rsplit_once(" at line ").map_or(&*message, |(problem, _)| problem);
    format!(
        "column {}: {problem}; a row is {{\"id\": …, \"lang\": …, \"text\": …, \"labels\": […]}}",
        error.column()
    )
}
