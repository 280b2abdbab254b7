//! The bundled models on text that their makers never trained on.
#![cfg(feature = "bundled")]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use demarche::{Precision, Stance, StanceSet, Tagger, TaggerBuilder};
use serde::Deserialize;

/// `demarche-small`, which the tests have compiled in, and `demarche-nano`.
fn models() -> [(&'static str, TaggerBuilder); 2] {
    let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demarche-nano");
    [("small", Tagger::builder()), ("nano", Tagger::builder().model_dir(nano))]
}

#[derive(Deserialize)]
struct Row {
    lang: String,
    text: String,
    labels: StanceSet,
}

fn rows() -> Vec<Row> {
    include_str!("fixtures/statements.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Plain statements with the dictionary verb of their act, two or more in each language.
#[test]
fn recognizes_plain_statements_in_all_languages() {
    let rows = rows();
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    for (name, model) in models() {
        let statements = model.build().unwrap().tag_sentences(&texts).unwrap();

        let mut right: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for (row, statement) in rows.iter().zip(&statements) {
            right.entry(&row.lang).or_default().push(statement.stances == row.labels);
        }
        assert_eq!(right.len(), 24);
        let total = right.values().flatten().filter(|right| **right).count();
        assert!(total * 10 >= rows.len() * 8, "{name}: only {total} of {}: {right:?}", rows.len());
        let lost: Vec<_> = right.iter().filter(|(_, right)| !right.contains(&true)).collect();
        assert!(lost.is_empty(), "{name}: nothing is right in {lost:?}");
    }
}

#[test]
fn finds_every_stance_in_the_articles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/texts");
    let tagger = Tagger::bundled().unwrap();
    let (mut found, mut sentences, mut neutral) = (HashSet::new(), 0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code =
            path.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().0.to_owned();
        for statement in tagger.tag(&text).unwrap() {
            assert_eq!(statement.text, text[statement.range.clone()]);
            // A short headline may leave the language open, but never takes it for another.
            assert!(statement.language.is_none_or(|l| l.to_string() == code), "{path:?}");
            found.extend(statement.stances.iter());
            sentences += 1;
            neutral += usize::from(statement.is_neutral());
        }
    }
    assert_eq!(found.len(), Stance::ALL.len(), "only {found:?}");
    // The articles are rich in statements, and still hold plain facts.
    assert!((sentences / 10..sentences * 6 / 10).contains(&neutral), "{neutral} of {sentences}");
}

#[test]
fn int8_decides_like_f32() {
    let rows = rows();
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    for (name, model) in models() {
        let score =
            |precision| model.clone().precision(precision).build().unwrap().score(&texts).unwrap();
        let difference = (score(Precision::Int8) - score(Precision::F32)).abs();
        assert!(difference.mean().unwrap() <= 0.01, "{name}: {difference}");
    }
}
