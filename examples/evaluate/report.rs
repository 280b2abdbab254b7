//! The result of an evaluation, as tables for people and as one JSON object.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;
use demarche::{Label, Statement, Statistics};
use serde_json::{Map, Value, json};

use crate::rows::Row;
use crate::scores::{BINS, Calibration, Outcome, Scores, mean};

/// Tables of a model with more labels than this leave out the columns of single labels.
const MOST_COLUMNS: usize = 12;

/// Everything that is known of a model's quality and speed once the rows are through.
pub struct Report {
    labels: Vec<Label>,
    thresholds: Vec<f32>,
    all: Scores,
    languages: BTreeMap<String, Scores>,
    sources: BTreeMap<String, Scores>,
    calibration: Vec<Calibration>,
    /// Labels that the model does not have, and how many rows carry them.
    pub unknown: BTreeMap<String, usize>,
    /// Time spent tagging, reading aside.
    pub seconds: f64,
}

impl Report {
    pub fn new(labels: &[Label], thresholds: &[f32]) -> Self {
        Report {
            labels: labels.to_vec(),
            thresholds: thresholds.to_vec(),
            all: Scores::new(labels.len()),
            languages: BTreeMap::new(),
            sources: BTreeMap::new(),
            calibration: vec![Calibration::default(); labels.len()],
            unknown: BTreeMap::new(),
            seconds: 0.0,
        }
    }

    pub fn rows(&self) -> usize {
        self.all.rows
    }

    /// Adds a row with what the tagger made of it.
    pub fn add(&mut self, row: &Row, statement: &Statement) {
        for label in &row.labels {
            if !self.labels.iter().any(|known| **known == **label) {
                *self.unknown.entry(label.clone()).or_default() += 1;
            }
        }
        let has = |labels: &[String], label: &str| labels.iter().any(|name| name == label);
        let outcome = |(label, probability): (&str, f32)| {
            let gold = has(&row.labels, label);
            let decided = statement.labels().any(|name| name == label);
            (!has(&row.unsure, label)).then_some(Outcome { gold, decided, probability })
        };
        let outcomes: Vec<Option<Outcome>> = statement.probabilities.iter().map(outcome).collect();
        for (calibration, outcome) in self.calibration.iter_mut().zip(&outcomes) {
            outcome.iter().for_each(|&outcome| calibration.add(outcome));
        }
        self.all.add(&outcomes);
        let empty = || Scores::new(outcomes.len());
        self.languages.entry(row.lang.clone()).or_insert_with(empty).add(&outcomes);
        if let Some(source) = row.source() {
            self.sources.entry(source.to_owned()).or_insert_with(empty).add(&outcomes);
        }
    }

    /// Tables for people.
    pub fn print(&self, out: &mut impl Write, statistics: Statistics) -> io::Result<()> {
        print_table(out, &self.label_table())?;
        writeln!(out)?;
        print_table(out, &self.part_table("language", &self.languages))?;
        if !self.sources.is_empty() {
            writeln!(out)?;
            print_table(out, &self.part_table("source", &self.sources))?;
        }
        let (sentences, tokens) = self.speed(statistics);
        writeln!(
            out,
            "\n{} sentences in {:.1} s: {sentences:.1} sentences/s, {tokens:.0} tokens/s",
            self.rows(),
            self.seconds
        )?;
        writeln!(
            out,
            "Columns of labels: F1. Macro: mean F1 of the labels that some row carries. ECE: expected \
             calibration error, {BINS} bins of equal width."
        )
    }

    fn label_table(&self) -> Vec<Vec<String>> {
        let head = ["label", "rows", "threshold", "precision", "recall", "F1", "ECE"];
        let mut table = vec![head.map(str::to_owned).into()];
        for (i, counts) in self.all.labels.iter().enumerate() {
            table.push(vec![
                self.labels[i].to_string(),
                counts.gold().to_string(),
                format!("{:.3}", self.thresholds[i]),
                figure(counts.precision()),
                figure(counts.recall()),
                figure(counts.f1()),
                figure(self.calibration[i].error()),
            ]);
        }
        let mut sum = |name: &str, f1, ece| {
            let blanks = std::iter::repeat_n(String::new(), 4);
            table.push(
                [name.to_owned()].into_iter().chain(blanks).chain([figure(f1), ece]).collect(),
            );
        };
        sum("macro", self.all.macro_f1(), figure(self.mean_error()));
        sum("micro", self.all.micro_f1(), String::new());
        table
    }

    fn part_table(&self, name: &str, parts: &BTreeMap<String, Scores>) -> Vec<Vec<String>> {
        let columns = if self.labels.len() > MOST_COLUMNS { 0 } else { self.labels.len() };
        let mut head = vec![name.to_owned(), "rows".into()];
        head.extend(self.labels[..columns].iter().map(ToString::to_string));
        head.extend(["macro".into(), "micro".into()]);
        let parts = parts.iter().map(|(name, scores)| (name.as_str(), scores));
        let rows = parts.chain([("all", &self.all)]).map(|(name, scores)| {
            let mut cells = vec![name.to_owned(), scores.rows.to_string()];
            cells.extend(scores.labels[..columns].iter().map(|counts| figure(counts.f1())));
            cells.extend([figure(scores.macro_f1()), figure(scores.micro_f1())]);
            cells
        });
        [head].into_iter().chain(rows).collect()
    }

    /// All of it; a figure that nothing speaks for is `null`.
    pub fn json(&self, statistics: Statistics) -> Value {
        let (sentences, tokens) = self.speed(statistics);
        let labels = self.labels.iter().enumerate().map(|(i, label)| {
            let counts = self.all.labels[i];
            let value = json!({
                "rows": counts.gold(),
                "threshold": self.thresholds[i],
                "precision": counts.precision(),
                "recall": counts.recall(),
                "f1": counts.f1(),
                "calibration_error": self.calibration[i].error(),
            });
            (label.to_string(), value)
        });
        json!({
            "rows": self.rows(),
            "macro_f1": self.all.macro_f1(),
            "micro_f1": self.all.micro_f1(),
            "calibration_error": self.mean_error(),
            "calibration_bins": BINS,
            "labels": labels.collect::<Map<_, _>>(),
            "languages": self.parts_json(&self.languages),
            "sources": self.parts_json(&self.sources),
            "unknown_labels": self.unknown,
            "seconds": self.seconds,
            "sentences_per_s": sentences,
            "tokens_per_s": tokens,
        })
    }

    fn parts_json(&self, parts: &BTreeMap<String, Scores>) -> Map<String, Value> {
        let part = |scores: &Scores| {
            let f1 = self.labels.iter().zip(&scores.labels);
            let f1 = f1.map(|(label, counts)| (label.to_string(), json!(counts.f1())));
            json!({
                "rows": scores.rows,
                "macro_f1": scores.macro_f1(),
                "micro_f1": scores.micro_f1(),
                "f1": f1.collect::<Map<_, _>>(),
            })
        };
        parts.iter().map(|(name, scores)| (name.clone(), part(scores))).collect()
    }

    fn mean_error(&self) -> Option<f64> {
        mean(self.calibration.iter().filter_map(Calibration::error))
    }

    /// Sentences and tokens a second.
    fn speed(&self, statistics: Statistics) -> (f64, f64) {
        let seconds = self.seconds.max(f64::MIN_POSITIVE);
        (statistics.sentences as f64 / seconds, statistics.tokens as f64 / seconds)
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.3}"))
}

/// Prints rows of as many cells each: the first to the left, figures to the right, the head in bold.
fn print_table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..rows[0].len()).filter_map(width).collect();
    for (i, row) in rows.iter().enumerate() {
        let style = if i == 0 { Style::new().bold() } else { Style::new() };
        write!(out, "{style}{:first$}", row[0], first = widths[0])?;
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out, "{style:#}")?;
    }
    Ok(())
}
