//! The rust-bert backend gives what the CPU backend and Python transformers give: logits, statements, errors.
//!
//! Needs libtorch; `scripts/test-rust-bert.sh` finds or fetches it and runs these tests.

#[path = "../common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::fs;

use common::checkpoint::{Checkpoint, fixture};
use demarche::{Backend, Device, Error, Precision, Statement, Tagger, TaggerBuilder};
use serde::Deserialize;
use serde_json::json;

const TOLERANCE: f32 = 1e-4;
const RUST_BERT: Backend = Backend::RustBert { device: Device::Cpu };

/// Architectures that both backends compute.
const SHARED: [&str; 5] = ["bert", "distilbert", "roberta", "xlm-roberta", "electra"];

#[derive(Deserialize)]
struct Sentence {
    lang: String,
    text: String,
}

#[derive(Deserialize)]
struct Golden {
    logits: Vec<Vec<f32>>,
}

/// At least 200 sentences in at least 12 languages.
fn sentences() -> Vec<String> {
    let lines = fs::read_to_string(fixture("parity/sentences.jsonl")).unwrap();
    let rows: Vec<Sentence> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let languages: HashSet<&str> = rows.iter().map(|row| row.lang.as_str()).collect();
    assert!(rows.len() >= 200 && languages.len() >= 12);
    rows.into_iter().map(|row| row.text).collect()
}

fn golden(path: &str) -> Vec<Vec<f32>> {
    let json = fs::read_to_string(fixture(path)).unwrap();
    serde_json::from_str::<Golden>(&json).unwrap().logits
}

fn parity(name: &str) -> TaggerBuilder {
    Tagger::builder().model_dir(fixture(&format!("parity/{name}"))).precision(Precision::F32)
}

fn on_rust_bert(name: &str) -> Tagger {
    parity(name).backend(RUST_BERT).threads(2).build().unwrap()
}

fn logits(tagger: &Tagger, sentences: &[String]) -> Vec<Vec<f32>> {
    tagger.logits(sentences).unwrap().rows().into_iter().map(|row| row.to_vec()).collect()
}

/// The greatest difference is at most `tolerance`.
fn assert_close(ours: &[Vec<f32>], theirs: &[Vec<f32>], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let close = ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(close, "{what}, sentence {row}\nours   {ours:?}\ntheirs {theirs:?}");
    }
}

/// Both build, and give the same logits.
fn assert_backends_agree(builder: &TaggerBuilder, what: &str) {
    let sentences = sentences();
    let build = |backend| builder.clone().backend(backend).build().unwrap();
    let (cpu, rust_bert) = (build(Backend::Cpu), build(RUST_BERT));
    assert_close(&logits(&rust_bert, &sentences), &logits(&cpu, &sentences), TOLERANCE, what);
}

/// Neither builds, for the same reason.
fn assert_refused(builder: &TaggerBuilder, names: &str) {
    let refusal = |backend| match builder.clone().backend(backend).build() {
        Ok(_) => panic!("{names} should be refused by {backend:?}"),
        Err(error) => error.to_string(),
    };
    let (cpu, rust_bert) = (refusal(Backend::Cpu), refusal(RUST_BERT));
    assert_eq!(cpu, rust_bert);
    assert!(cpu.contains(names), "{cpu}");
}

#[test]
fn logits_are_those_of_transformers() {
    for name in SHARED.into_iter().chain(["deberta-v2"]) {
        let golden = golden(&format!("parity/{name}/goldens.json"));
        assert_close(&logits(&on_rust_bert(name), &sentences()), &golden, TOLERANCE, name);
    }
}

/// Own projections of positions, a convolution, absolute positions, token types, embeddings that are
/// projected; see the fixtures' README.
#[test]
fn other_forms_of_deberta_are_those_of_transformers() {
    for name in ["deberta-v2-own-projections", "deberta-v2-position-to-content"] {
        let dir = format!("rust-bert/{name}");
        let tagger = Tagger::builder().model_dir(fixture(&dir)).backend(RUST_BERT).build().unwrap();
        let golden = golden(&format!("{dir}/goldens.json"));
        assert_close(&logits(&tagger, &sentences()), &golden, TOLERANCE, name);
    }
}

#[test]
fn both_backends_give_the_same_logits() {
    for name in SHARED {
        assert_backends_agree(&parity(name), name);
    }
}

#[test]
#[cfg(feature = "bundled")]
fn both_backends_give_the_same_logits_of_the_bundled_model() {
    assert_backends_agree(&Tagger::builder().precision(Precision::F32), "bundled");
}

#[test]
fn both_backends_pool_the_mean() {
    for name in SHARED {
        let mut checkpoint = Checkpoint::load(&format!("parity/{name}"));
        checkpoint.config["demarche"] = json!({"pooling": "mean"});
        assert_backends_agree(&checkpoint.builder().precision(Precision::F32), name);
    }
}

#[test]
fn both_backends_read_int8() {
    for name in ["bert", "xlm-roberta", "electra"] {
        let mut checkpoint = Checkpoint::load(&format!("parity/{name}"));
        checkpoint.quantize();
        assert_backends_agree(&checkpoint.builder().precision(Precision::F32), name);
    }
}

/// rust-bert's own BERT has a fixed epsilon; ours steps in.
#[test]
fn both_backends_keep_the_epsilon_of_the_config() {
    let mut checkpoint = Checkpoint::load("parity/bert");
    checkpoint.config["layer_norm_eps"] = json!(0.1);
    assert_backends_agree(&checkpoint.builder().precision(Precision::F32), "epsilon");
}

#[test]
fn a_sentence_scores_the_same_alone_and_in_company() {
    let sentences = sentences();
    for name in SHARED.into_iter().chain(["deberta-v2"]) {
        let tagger = on_rust_bert(name);
        let alone: Vec<Vec<f32>> = sentences
            .iter()
            .flat_map(|sentence| logits(&tagger, std::slice::from_ref(sentence)))
            .collect();
        assert_close(&logits(&tagger, &sentences), &alone, 2e-5, name);
    }
}

#[test]
fn statements_batches_and_streams_are_alike() {
    let text = sentences().join(" ");
    for name in SHARED {
        let build = |backend| parity(name).backend(backend).threads(2).build().unwrap();
        let (cpu, rust_bert) = (build(Backend::Cpu), build(RUST_BERT));
        let statements = rust_bert.tag(&text).unwrap();
        assert!(statements.len() > 150, "{name}: {}", statements.len());
        assert_alike(&statements, &cpu.tag(&text).unwrap());
        let batch = rust_bert.tag_batch(&[&text, "", &text]).unwrap();
        assert_alike(&batch[0], &statements);
        assert_eq!((batch[1].len(), &batch[0]), (0, &batch[2]));
        let stream: Result<Vec<_>, _> = rust_bert.stream(text.as_bytes()).collect();
        assert_alike(&stream.unwrap(), &statements);
        assert_eq!(rust_bert.labels(), cpu.labels());
    }
}

/// The same but for rounding.
fn assert_alike(ours: &[Statement], theirs: &[Statement]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let pairs = ours.probabilities.values().iter().zip(theirs.probabilities.values());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= TOLERANCE), "{ours:?}\n{theirs:?}");
        let probabilities = theirs.probabilities.clone();
        assert_eq!(Statement { probabilities, ..ours.clone() }, *theirs);
    }
}

#[test]
fn checkpoints_are_refused_alike() {
    let with = |change: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = Checkpoint::load("parity/bert");
        change(&mut checkpoint);
        checkpoint.builder()
    };
    let remove = |name: &'static str| move |c: &mut Checkpoint| drop(c.tensors.remove(name));
    assert_refused(&with(&remove("classifier.bias")), "`classifier.bias` is missing");
    let layer = "bert.encoder.layer.1.output.dense.weight";
    assert_refused(&with(&remove(layer)), layer);
    assert_refused(
        &with(&|c| {
            let bias = c.tensors["classifier.bias"].clone();
            c.tensors.insert("classifier.extra".into(), bias);
        }),
        "`classifier.extra` is not part of a bert",
    );
    assert_refused(
        &with(&|c| {
            c.tensors.get_mut("bert.encoder.layer.0.output.dense.weight").unwrap().1.reverse()
        }),
        "expected shape [32, 96], found shape [96, 32]",
    );
    assert_refused(
        &with(&|c| {
            let bias = &mut c.tensors.get_mut("bert.pooler.dense.bias").unwrap().2;
            bias[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }),
        "expected finite numbers, found NaN",
    );
    let good = Checkpoint::load("parity/bert");
    let config = serde_json::to_vec(&good.config).unwrap();
    let mut weights = good.weights();
    weights.truncate(weights.len() - 1);
    let truncated = Tagger::builder().model_bytes(config, good.tokenizer, weights);
    assert_refused(&truncated, "not a well-formed safetensors file");
    assert_refused(&Tagger::builder().model_dir(fixture("nowhere")), "cannot be read");
}

#[test]
fn hostile_configurations_are_refused_alike() {
    let with = |field: &str, value: serde_json::Value| {
        let mut checkpoint = Checkpoint::load("parity/bert");
        checkpoint.config[field] = value;
        checkpoint.builder()
    };
    // None of these may ask for the memory that the numbers would need.
    assert_refused(&with("vocab_size", json!(4_000_000)), "word_embeddings");
    assert_refused(&with("hidden_size", json!(16_384)), "expected");
    assert_refused(&with("num_hidden_layers", json!(255)), "encoder.layer");
    assert_refused(&with("id2label", json!({"0": "one"})), "classifier.weight");
    assert_refused(&with("id2label", json!(null)), "id2label");
    assert_refused(&with("model_type", json!("gpt2")), "deberta-v2");
    assert_refused(&with("hidden_act", json!("swish")), "hidden_act");
}

#[test]
fn calls_are_refused_alike() {
    let refusal = |backend| {
        let refuse = demarche::LongSentences::Refuse;
        let tagger = parity("bert").backend(backend).long_sentences(refuse).build().unwrap();
        tagger.tag_sentences(&["short", &"word ".repeat(2000)]).unwrap_err().to_string()
    };
    assert_eq!(refusal(Backend::Cpu), refusal(RUST_BERT));
}

#[test]
fn deberta_is_for_rust_bert_alone() {
    let error = parity("deberta-v2").build().unwrap_err();
    let Error::Architecture { expected, found, .. } = error else { panic!("{error}") };
    assert!(expected.contains("bert, distilbert, roberta, xlm-roberta or electra"), "{expected}");
    assert_eq!(found, "deberta-v2");
}

#[test]
fn settings_of_deberta_are_checked() {
    let refused = |field: &str, value: serde_json::Value, names: &str| {
        let mut checkpoint = Checkpoint::load("parity/deberta-v2");
        checkpoint.config[field] = value;
        let error = checkpoint.builder().backend(RUST_BERT).build().unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    };
    refused("pos_att_type", json!(["c2p", "p2p"]), "field `pos_att_type`");
    refused("position_buckets", json!(1), "field `position_buckets`");
    refused("position_buckets", json!(32), "`deberta.encoder.rel_embeddings.weight`");
    refused("max_relative_positions", json!(1_u64 << 40), "field `max_relative_positions`");
    refused("share_att_key", json!(false), "pos_key_proj.weight");
    refused("norm_rel_ebd", json!("none"), "`deberta.encoder.LayerNorm.bias` is not part");
    refused("position_biased_input", json!(true), "position_embeddings.weight");
    refused("embedding_size", json!(64), "word_embeddings.weight");
    refused("pooler_hidden_size", json!(64), "field `pooler_hidden_size`");
    refused("pooler_hidden_act", json!("swish"), "field `pooler_hidden_act`");
    refused("conv_kernel_size", json!(4), "field `conv_kernel_size`");
    refused("conv_kernel_size", json!(3), "`deberta.encoder.conv.conv.weight`");
}

#[test]
fn only_devices_that_exist_are_taken() {
    let build = |device| parity("bert").backend(Backend::RustBert { device }).build();
    let error = build(Device::Cuda(99)).unwrap_err();
    assert!(error.to_string().starts_with("`device`: expected"), "{error}");
    assert!(error.to_string().ends_with("found cuda:99"), "{error}");
    let best = build(Device::Best).unwrap();
    let expected = golden("parity/bert/goldens.json");
    // A GPU may multiply in a lower precision.
    assert_close(&logits(&best, &sentences()), &expected, 1e-2, "best device");
}

#[test]
fn many_threads_share_a_tagger() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let tagger = on_rust_bert("xlm-roberta");
    shared(&tagger);
    let sentences = sentences();
    let expected = logits(&tagger, &sentences);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let (tagger, own) = (tagger.clone(), sentences[i * 20..][..20].to_vec());
                scope.spawn(move || logits(&tagger, &own))
            })
            .collect();
        for (i, thread) in threads.into_iter().enumerate() {
            let own = thread.join().unwrap();
            assert_close(&own, &expected[i * 20..][..20], 2e-5, "a thread of many");
        }
    });
    assert_eq!(tagger.statistics().sentences, 210 + 8 * 20);
}

#[test]
fn taggers_come_and_go() {
    for threads in [1, 2, 3, 2, 1] {
        let tagger = parity("distilbert").backend(RUST_BERT).threads(threads).build().unwrap();
        let statements = tagger.clone().tag_sentences(&["Ja.", "Nein."]).unwrap();
        assert_eq!(statements.len(), 2);
        assert!(tagger.tag("").unwrap().is_empty());
    }
}
