//! Tags the sentences of news articles by stance: `cargo run --release --example tag -- article.txt`.

mod common;
#[path = "common/progress.rs"]
mod progress;

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Parser, ValueEnum};
use common::{Failure, ModelArgs};
use demarche::segment::Language;
use demarche::{Label, Polarity, Probabilities, Stance, Statement, Tagger};
use indicatif::ProgressBar;
use serde::Serialize;

/// Tags the sentences of news articles by stance
///
/// Reads plain text (UTF-8) in any of 24 languages and says of each sentence whether somebody supports,
/// commits to, requests, concedes, accuses, rejects or threatens in it, and with which probability.
#[derive(Parser)]
#[command(
    name = "tag",
    version,
    after_help = "\
Examples:
  tag article.txt                          stances for people, in colour on a terminal
  tag --all --lang de article.txt          a German text, sentences without a stance too
  curl … | tag --format jsonl > out.jsonl  a JSON object a sentence, for programs
  tag --threshold 0.9 *.txt                only what the model is sure of

In text output a ❝ marks a sentence inside a quotation; the number after a stance is its probability.
Exit status: 0, 1 if an input or the model cannot be used, 2 if the command line cannot."
)]
struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Language of the texts, such as de or zh [default: guessed for each paragraph]
    #[arg(long, value_name = "CODE")]
    lang: Option<Language>,

    /// Form of the output; jsonl and csv print every sentence
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Probability from which on a stance counts, 0 to 1 [default: one a stance, from the model]
    #[arg(long, value_name = "P", value_parser = probability, allow_negative_numbers = true)]
    threshold: Option<f32>,

    /// Print sentences without a stance too
    #[arg(long)]
    all: bool,

    /// Texts to read [default: standard input, which - stands for, too]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A JSON object a sentence
    Jsonl,
    /// A row a sentence, with a head
    Csv,
}

fn probability(text: &str) -> Result<f32, &'static str> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("expected a number from 0 to 1")
}

fn main() -> ExitCode {
    let args = Args::parse();
    common::run(|| tag(args))
}

fn tag(args: Args) -> Result<ExitCode, Failure> {
    let mut builder = args.model.builder().language(args.lang);
    if let Some(threshold) = args.threshold {
        builder = builder.thresholds(threshold);
    }
    let tagger = builder.build()?;
    let mut output: Box<dyn Output> = match args.format {
        Format::Text => {
            let out = BufWriter::new(anstream::stdout().lock());
            Box::new(People::new(out, args.all, tagger.labels()))
        }
        Format::Jsonl => Box::new(JsonLines(BufWriter::new(io::stdout().lock()))),
        Format::Csv => Box::new(Csv::new(io::stdout().lock(), tagger.labels())?),
    };
    let files = if args.files.is_empty() { vec!["-".into()] } else { args.files };
    // On a terminal the text itself shows how far it is.
    let progress =
        if io::stdout().is_terminal() { ProgressBar::hidden() } else { progress::over(&files) };
    let mut status = ExitCode::SUCCESS;
    for path in &files {
        let name = path.display().to_string();
        let problem = match common::open(path) {
            Ok(reader) => tag_text(&tagger, &name, progress.wrap_read(reader), &mut *output)?,
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            progress.suspend(|| common::complain(&format!("{name}: {problem}")));
            status = ExitCode::FAILURE;
        }
    }
    progress.finish_and_clear();
    output.end()?;
    Ok(status)
}

/// Tags a text as it is read; gives back what is wrong with it, if anything.
fn tag_text(
    tagger: &Tagger,
    file: &str,
    reader: impl Read,
    output: &mut dyn Output,
) -> Result<Option<String>, Failure> {
    output.begin_file(file)?;
    let mut problem = None;
    for statement in tagger.stream(reader) {
        match statement {
            Ok(statement) => output.statement(file, &statement)?,
            Err(error) => problem = Some(common::message(&error)),
        }
    }
    output.end_file()?;
    Ok(problem)
}

/// A form of output. Errors are those of writing.
trait Output {
    fn begin_file(&mut self, _file: &str) -> io::Result<()> {
        Ok(())
    }
    fn statement(&mut self, file: &str, statement: &Statement) -> io::Result<()>;
    /// Leaves nothing unwritten, so that an error message comes after what was before it.
    fn end_file(&mut self) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Paragraph by paragraph, stances in the left column, a summary under each file.
struct People<W> {
    out: W,
    all: bool,
    labels: Vec<Label>,
    /// Of the longest label.
    width: usize,
    /// The paragraph that was printed last in this file.
    paragraph: Option<usize>,
    file: Counts,
    total: Counts,
    files: usize,
}

#[derive(Clone, Default)]
struct Counts {
    sentences: usize,
    with_stance: usize,
    /// In the order of the labels.
    each: Vec<usize>,
}

impl<W: Write> People<W> {
    fn new(out: W, all: bool, labels: &[Label]) -> Self {
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let counts = Counts { each: vec![0; labels.len()], ..Counts::default() };
        People {
            out,
            all,
            labels: labels.to_vec(),
            width,
            paragraph: None,
            file: counts.clone(),
            total: counts,
            files: 0,
        }
    }

    fn summary(&mut self, counts: &Counts) -> io::Result<()> {
        let Counts { sentences, with_stance, each } = counts;
        let bold = Style::new().bold();
        let plural = if *sentences == 1 { "sentence" } else { "sentences" };
        write!(self.out, "{bold}{with_stance} of {sentences} {plural} with a stance{bold:#}")?;
        let present = self.labels.iter().zip(each).filter(|(_, count)| **count > 0);
        for (i, (label, count)) in present.enumerate() {
            let (style, mark) = (colour(label), if i == 0 { ":" } else { "," });
            write!(self.out, "{mark} {count} {style}{label}{style:#}")?;
        }
        writeln!(self.out)
    }
}

impl<W: Write> Output for People<W> {
    fn begin_file(&mut self, file: &str) -> io::Result<()> {
        let heading = Style::new().bold().underline();
        let gap = if self.files > 0 { "\n" } else { "" };
        writeln!(self.out, "{gap}{heading}{}{heading:#}", printable(file))?;
        self.files += 1;
        self.paragraph = None;
        self.file = Counts { each: vec![0; self.labels.len()], ..Counts::default() };
        Ok(())
    }

    fn statement(&mut self, _file: &str, statement: &Statement) -> io::Result<()> {
        self.file.sentences += 1;
        self.file.with_stance += usize::from(!statement.is_neutral());
        if statement.is_neutral() && !self.all {
            return Ok(());
        }
        if self.paragraph != Some(statement.paragraph) {
            writeln!(self.out)?;
            self.paragraph = Some(statement.paragraph);
        }
        let (width, text) = (self.width, printable(&statement.text));
        let mark = if statement.quotation.is_some() { '❝' } else { ' ' };
        if statement.is_neutral() {
            let dim = Style::new().dimmed();
            writeln!(self.out, "{:width$}      {mark} {dim}{text}{dim:#}", "")?;
        }
        for (i, label) in statement.labels().enumerate() {
            let p = statement.probabilities.get(label).unwrap_or(0.0);
            let style = colour(label);
            write!(self.out, "{style}{label:>width$}{style:#} {p:.2}")?;
            // Further stances stand below the first, and the text beside it alone.
            if i == 0 {
                writeln!(self.out, " {mark} {text}")?
            } else {
                writeln!(self.out)?
            }
            if let Some(place) = self.labels.iter().position(|name| **name == *label) {
                self.file.each[place] += 1;
            }
        }
        Ok(())
    }

    fn end_file(&mut self) -> io::Result<()> {
        writeln!(self.out)?;
        let counts = self.file.clone();
        self.summary(&counts)?;
        self.total.sentences += counts.sentences;
        self.total.with_stance += counts.with_stance;
        self.total.each.iter_mut().zip(&counts.each).for_each(|(total, count)| *total += count);
        self.out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        if self.files > 1 {
            write!(self.out, "\n{} files: ", self.files)?;
            let counts = self.total.clone();
            self.summary(&counts)?;
        }
        self.out.flush()
    }
}

/// Green for friendly stances, red for hostile ones, yellow for those between.
fn colour(label: &str) -> Style {
    let stance: Option<Stance> = label.parse().ok();
    let colour = match stance.map(Stance::polarity) {
        Some(Polarity::Positive) => AnsiColor::Green,
        Some(Polarity::Neutral) => AnsiColor::Yellow,
        Some(Polarity::Negative) => AnsiColor::Red,
        None => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

/// A text on one line: breaks become spaces, other control characters visible, so that no text can
/// command the terminal.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => line.push(' '),
            c if c.is_control() => {
                let _ = write!(line, "{}", c.escape_unicode());
            }
            c => line.push(c),
        }
    }
    line
}

struct JsonLines<W>(W);

/// A line of output; other programs rely on these names.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    start: usize,
    end: usize,
    text: &'a str,
    paragraph: usize,
    quoted: bool,
    lang: Option<Language>,
    stances: Vec<&'a str>,
    probabilities: &'a Probabilities,
}

impl<W: Write> Output for JsonLines<W> {
    fn statement(&mut self, file: &str, statement: &Statement) -> io::Result<()> {
        let line = Line {
            file,
            start: statement.range.start,
            end: statement.range.end,
            text: &statement.text,
            paragraph: statement.paragraph,
            quoted: statement.quotation.is_some(),
            lang: statement.language,
            stances: statement.labels().collect(),
            probabilities: &statement.probabilities,
        };
        serde_json::to_writer(&mut self.0, &line)?;
        self.0.write_all(b"\n")
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The same fields as a JSON line; stances are joined by `;`, a probability a column.
struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    fn new(out: W, labels: &[Label]) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        let fields = ["file", "start", "end", "text", "paragraph", "quoted", "lang", "stances"];
        let columns = fields.into_iter().map(str::to_owned);
        writer
            .write_record(columns.chain(labels.iter().map(|label| format!("p_{label}"))))
            .map_err(io_error)?;
        Ok(Csv(writer))
    }
}

impl<W: Write> Output for Csv<W> {
    fn statement(&mut self, file: &str, statement: &Statement) -> io::Result<()> {
        let language = statement.language.map(|language| language.to_string());
        let fields = [
            file.to_owned(),
            statement.range.start.to_string(),
            statement.range.end.to_string(),
            statement.text.clone(),
            statement.paragraph.to_string(),
            statement.quotation.is_some().to_string(),
            language.unwrap_or_default(),
            statement.labels().collect::<Vec<_>>().join(";"),
        ];
        let probabilities = statement.probabilities.iter().map(|(_, p)| p.to_string());
        self.0.write_record(fields.into_iter().chain(probabilities)).map_err(io_error)
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What went wrong below the CSV; records of one length cannot fail otherwise.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
