//! The same logits as Python transformers, for every architecture and for the bundled models.
//!
//! `fixtures/parity/` holds tiny random checkpoints, the sentences and the logits; the script that made
//! them lies beside them.

use std::collections::HashSet;
use std::path::PathBuf;

use demarche::Tagger;
use serde::Deserialize;

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Sentence {
    lang: String,
    text: String,
}

#[derive(Deserialize)]
struct Golden {
    logits: Vec<Vec<f32>>,
}

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(path)
}

fn sentences() -> Vec<Sentence> {
    let lines = std::fs::read_to_string(fixture("sentences.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_parity(tagger: &Tagger, golden: &str) {
    let sentences = sentences();
    let languages: HashSet<&str> = sentences.iter().map(|s| s.lang.as_str()).collect();
    assert!(sentences.len() >= 200 && languages.len() >= 12);
    let golden: Golden =
        serde_json::from_str(&std::fs::read_to_string(fixture(golden)).unwrap()).unwrap();
    assert_eq!(golden.logits.len(), sentences.len());

    let texts: Vec<&str> = sentences.iter().map(|s| s.text.as_str()).collect();
    let logits = tagger.logits(&texts).unwrap();
    for ((row, expected), sentence) in logits.rows().into_iter().zip(&golden.logits).zip(&sentences)
    {
        assert_eq!(row.len(), expected.len());
        for (&ours, &theirs) in row.iter().zip(expected) {
            assert!(
                (ours - theirs).abs() <= TOLERANCE,
                "{:?}\nours   {row}\ntheirs {expected:?}",
                sentence.text
            );
        }
    }
}

fn assert_checkpoint(name: &str) {
    let tagger = Tagger::builder().model_dir(fixture(name)).threads(2).build().unwrap();
    assert_parity(&tagger, &format!("{name}/goldens.json"));
}

#[test]
fn bert() {
    assert_checkpoint("bert");
}

#[test]
fn distilbert() {
    assert_checkpoint("distilbert");
}

#[test]
fn roberta() {
    assert_checkpoint("roberta");
}

#[test]
fn xlm_roberta() {
    assert_checkpoint("xlm-roberta");
}

#[test]
fn electra() {
    assert_checkpoint("electra");
}

#[test]
fn bundled_models_in_f32() {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    for name in ["demarche-small", "demarche-nano"] {
        let builder = Tagger::builder().model_dir(models.join(name));
        let tagger = builder.precision(demarche::Precision::F32).build().unwrap();
        assert_parity(&tagger, &format!("{name}.json"));
    }
}
