//! Hostile weights and broken folders: every one is an error that names the file, never a panic.
//!
//! `hostile_configs.rs` does the same to configs and tokenizers.

mod common;

use std::fs;

use common::checkpoint::Checkpoint;
use common::tampered::{BERT, Model};
use common::{scratch, tiny_model};
use demarche::{Error, Tagger};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use serde_json::{Map, Value, json};

/// A safetensors file: length of the header, header, data.
fn safetensors(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// The tiny BERT with an edited header and edited data of its weights.
fn with_weights(edit: impl FnOnce(&mut Map<String, Value>, &mut Vec<u8>)) -> Model {
    let (size, rest) = BERT.weights.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*size) as usize);
    let (mut header, mut data) = (serde_json::from_slice(header).unwrap(), data.to_vec());
    edit(&mut header, &mut data);
    let header = Value::Object(header).to_string();
    Model { weights: safetensors(header.as_bytes(), &data), ..BERT.clone() }
}

const CLASSIFIER: &str = "classifier.weight";

/// Overwrites the first number of the classifier.
fn with_first_weight(number: f32) -> Model {
    with_weights(|header, data| {
        let at = header[CLASSIFIER]["data_offsets"][0].as_u64().unwrap() as usize;
        data[at..at + 4].copy_from_slice(&number.to_le_bytes());
    })
}

#[test]
fn the_untouched_models_load() {
    for architecture in ["bert", "distilbert", "roberta", "xlm-roberta", "electra"] {
        Model::read(architecture).load().unwrap();
    }
}

#[test]
fn files_that_are_no_json() {
    let deep = "[".repeat(1_000_000);
    let texts: [&[u8]; 9] = [
        b"",
        b"\0",
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"\xff\xfe{\0}\0",
        b"{\"a\": \"\\ud800\"}",
        deep.as_bytes(),
    ];
    for text in texts {
        Model { config: text.to_vec(), ..BERT.clone() }.refused(&["config.json"]);
        Model { tokenizer: text.to_vec(), ..BERT.clone() }.refused(&["tokenizer.json"]);
        Model { weights: text.to_vec(), ..BERT.clone() }.refused(&["model.safetensors"]);
    }
}

#[test]
fn weights_truncated_anywhere() {
    let whole = &BERT.weights;
    for length in (0..whole.len()).step_by(997).chain([7, 8, 9, whole.len() - 1]) {
        Model { weights: whole[..length].to_vec(), ..BERT.clone() }.refused(&["model.safetensors"]);
    }
    Model { weights: [whole, b"tail".as_slice()].concat(), ..BERT.clone() }
        .refused(&["model.safetensors"]);
}

#[test]
fn weights_with_a_header_larger_than_the_file_or_than_memory() {
    for size in [1, 100_000_001, u64::from(u32::MAX), u64::MAX, u64::MAX - 8, 1 << 63] {
        let weights = [&size.to_le_bytes(), b"{}".as_slice()].concat();
        Model { weights, ..BERT.clone() }.refused(&["model.safetensors"]);
    }
}

#[test]
fn weights_with_a_header_that_is_something_else() {
    let deep = ["{\"a\":".repeat(100_000), "1".into(), "}".repeat(100_000)].concat();
    for header in [
        "",
        "[]",
        "null",
        "{\"a\": 1}",
        "\u{0}",
        r#"{"a": {"dtype": "F99", "shape": [], "data_offsets": [0, 0]}}"#,
        &deep,
    ] {
        let weights = safetensors(header.as_bytes(), b"");
        Model { weights, ..BERT.clone() }.refused(&["model.safetensors"]);
    }
    Model { weights: safetensors(b"\xff\xff", b""), ..BERT.clone() }
        .refused(&["model.safetensors"]);
}

#[test]
fn weights_with_overlapping_reversed_or_distant_offsets() {
    for edit in [
        |offsets: &mut Value| {
            *offsets = json!([0, offsets[1].as_u64().unwrap() - offsets[0].as_u64().unwrap()])
        },
        |offsets: &mut Value| *offsets = json!([offsets[1], offsets[0]]),
        |offsets: &mut Value| *offsets = json!([u64::MAX - 1, u64::MAX]),
        |offsets: &mut Value| *offsets = json!([1u64 << 40, (1u64 << 40) + 896]),
        |offsets: &mut Value| *offsets = json!([0, 0]),
        |offsets: &mut Value| *offsets = json!([-1, 5]),
    ] {
        with_weights(|header, _| edit(&mut header[CLASSIFIER]["data_offsets"]))
            .refused(&["model.safetensors"]);
    }
}

#[test]
fn weights_with_shapes_that_overflow_or_do_not_fit() {
    for shape in [
        json!([1u64 << 40, 1u64 << 40]),
        json!([u64::MAX, 2]),
        json!([0, 32]),
        json!([]),
        json!([7, 32, 1]),
        json!([7, -32]),
    ] {
        with_weights(|header, _| header[CLASSIFIER]["shape"] = shape)
            .refused(&["model.safetensors"]);
    }
    let error = with_weights(|header, _| header[CLASSIFIER]["shape"] = json!([32, 7])).refused(&[
        "model.safetensors",
        CLASSIFIER,
        "[7, 32]",
        "[32, 7]",
    ]);
    assert!(matches!(error, Error::Tensor { .. }));
}

#[test]
fn weights_of_a_type_that_is_no_number_here() {
    for dtype in ["I32", "U32"] {
        with_weights(|header, _| header[CLASSIFIER]["dtype"] = json!(dtype)).refused(&[
            "model.safetensors",
            CLASSIFIER,
            dtype,
        ]);
    }
}

#[test]
fn weights_without_a_tensor_or_with_one_too_many() {
    let renamed = |to: &str| {
        with_weights(|header, _| {
            let tensor = header.remove(CLASSIFIER).unwrap();
            header.insert(to.into(), tensor);
        })
    };
    let error =
        renamed("classifier.weights").refused(&["model.safetensors", CLASSIFIER, "[7, 32]"]);
    assert!(matches!(error, Error::MissingTensor { .. }));

    let error = with_weights(|header, data| {
        let (start, end) = (data.len(), data.len() + 4);
        data.extend([0; 4]);
        header.insert(
            "bert.backdoor".into(),
            json!({"dtype": "F32", "shape": [1], "data_offsets": [start, end]}),
        );
    })
    .refused(&["model.safetensors", "bert.backdoor"]);
    assert!(matches!(error, Error::UnexpectedTensor { .. }));
}

/// Where the embeddings are as wide as the hidden values, an ELECTRA is a BERT by other names.
#[test]
fn weights_with_and_without_a_projection_of_embeddings() {
    let mut equal = Checkpoint::load("parity/bert");
    equal.config["model_type"] = json!("electra");
    equal.config["embedding_size"] = equal.config["hidden_size"].clone();
    equal.tensors = std::mem::take(&mut equal.tensors)
        .into_iter()
        .map(|(name, tensor)| {
            let name = name.replace("bert.pooler.dense", "classifier.dense");
            let name = name.replace("bert.", "electra.");
            let out = ["classifier.weight", "classifier.bias"].contains(&&*name);
            (if out { name.replace('.', ".out_proj.") } else { name }, tensor)
        })
        .collect();
    equal.builder().build().unwrap();

    let electra = Checkpoint::load("parity/electra");
    for part in ["weight", "bias"] {
        let name = format!("electra.embeddings_project.{part}");
        let mut without = electra.clone();
        let projection = without.tensors.remove(&name).unwrap();
        let error = without.builder().build().unwrap_err();
        assert!(matches!(error, Error::MissingTensor { tensor, .. } if tensor == name));

        let mut with = equal.clone();
        with.tensors.insert(name.clone(), projection);
        let error = with.builder().build().unwrap_err();
        assert!(matches!(error, Error::UnexpectedTensor { tensor, .. } if tensor == name));
    }
}

#[test]
fn weights_of_another_architecture() {
    Model { weights: Model::read("distilbert").weights, ..BERT.clone() }
        .refused(&["model.safetensors", "bert."]);
}

#[test]
fn weights_that_are_no_numbers() {
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        with_first_weight(number).refused(&["model.safetensors", CLASSIFIER, "finite"]);
    }
}

#[test]
fn weights_that_are_numbers_but_overflow_in_the_sums() {
    for number in [f32::MAX, f32::MIN, 1e-45] {
        with_first_weight(number).survive();
    }
    with_weights(|_, data| {
        for number in data.as_chunks_mut::<4>().0 {
            *number = f32::MAX.to_le_bytes();
        }
    })
    .survive();
}

#[test]
fn files_that_are_missing_empty_or_folders() {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        let copy = |name: &str| {
            let dir = scratch(&format!("{name}-{file}"));
            for file in ["config.json", "tokenizer.json", "model.safetensors"] {
                fs::copy(tiny_model("bert").join(file), dir.join(file)).unwrap();
            }
            dir
        };
        let refused = |dir: &std::path::Path| {
            let error = Tagger::from_dir(dir).expect_err("a broken model was loaded");
            assert!(common::message(&error).contains(file), "{}", common::message(&error));
            error
        };
        let dir = copy("missing");
        fs::remove_file(dir.join(file)).unwrap();
        assert!(matches!(refused(&dir), Error::Io { .. }));
        fs::create_dir(dir.join(file)).unwrap();
        assert!(matches!(refused(&dir), Error::Io { .. }));
        let dir = copy("empty");
        fs::write(dir.join(file), "").unwrap();
        refused(&dir);
    }
    Tagger::from_dir("").unwrap_err();
    Tagger::from_dir("\0").unwrap_err();
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_to_itself() {
    let dir = scratch("loop");
    std::os::unix::fs::symlink(dir.join("config.json"), dir.join("config.json")).unwrap();
    assert!(matches!(Tagger::from_dir(&dir), Err(Error::Io { .. })));
}

/// One of the models with some bytes of one file changed.
fn mutated() -> impl Strategy<Value = Model> {
    let architecture = prop::sample::select(&["bert", "roberta", "xlm-roberta", "electra"][..]);
    let change = (
        any::<prop::sample::Index>(),
        prop_oneof![any::<u8>(), prop::sample::select(&b"0129-\"[]{},:"[..])],
    );
    (architecture, 0..3usize, prop::collection::vec(change, 1..4)).prop_map(
        |(architecture, file, changes)| {
            let mut model = Model::read(architecture);
            let bytes = [&mut model.config, &mut model.tokenizer, &mut model.weights]
                .into_iter()
                .nth(file)
                .unwrap();
            // Of the weights, mostly the header: the rest is only numbers.
            let size = if file == 2 { bytes.len().min(4096) } else { bytes.len() };
            for (at, byte) in changes {
                bytes[at.index(size)] = byte;
            }
            model
        },
    )
}

proptest! {
    #![proptest_config(Config {
        cases: 1000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]
    #[test]
    fn files_with_random_bytes_changed(model in mutated().no_shrink()) {
        model.survive();
    }
}
