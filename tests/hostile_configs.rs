//! Hostile configs and tokenizers: every one is an error that names file and field, never a panic.

mod common;

use common::tampered::{BERT, Model};
use demarche::Error;
use serde_json::{Map, Value, json};

/// The tiny BERT with an edited config.
fn with_config(edit: impl FnOnce(&mut Value)) -> Model {
    edited(BERT.clone(), edit)
}

fn edited(model: Model, edit: impl FnOnce(&mut Value)) -> Model {
    let mut config = serde_json::from_slice(&model.config).unwrap();
    edit(&mut config);
    Model { config: config.to_string().into(), ..model }
}

/// The tiny BERT with an edited tokenizer.
fn with_tokenizer(edit: impl FnOnce(&mut Value)) -> Model {
    let mut tokenizer = serde_json::from_slice(&BERT.tokenizer).unwrap();
    edit(&mut tokenizer);
    Model { tokenizer: tokenizer.to_string().into(), ..BERT.clone() }
}

#[test]
fn config_with_sizes_of_another_world() {
    for field in [
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
    ] {
        for value in [json!(0), json!(u64::MAX), json!(1u64 << 40), Value::Null] {
            let model = with_config(|config| config[field] = value.clone());
            // Without token types a checkpoint has two.
            if (field, &value) != ("type_vocab_size", &Value::Null) {
                assert!(matches!(model.refused(&["config.json", field]), Error::Config { .. }));
            }
        }
        for value in [json!(-1), json!(1.5), json!(1e300), json!("32"), json!([]), json!({})] {
            with_config(|config| config[field] = value).refused(&["config.json"]);
        }
    }
}

#[test]
fn config_with_embeddings_of_another_width() {
    let electra = Model::read("electra");
    let with = |value: Value| edited(electra.clone(), |config| config["embedding_size"] = value);
    for value in [json!(0), json!(u64::MAX), json!(1u64 << 40), json!((1 << 14) + 1)] {
        let error = with(value).refused(&["config.json", "embedding_size"]);
        assert!(matches!(error, Error::Config { .. }));
    }
    for value in [json!(-1), json!(1.5), json!(1e300), json!("32"), json!([]), json!({})] {
        with(value).refused(&["config.json"]);
    }
    // What the tensors do not bear out, that of a missing size and that of no projection among it.
    for (value, columns) in [(json!(1 << 14), 1 << 14), (Value::Null, 128), (json!(48), 48)] {
        let shape = format!("[900, {columns}]");
        let tensor = "electra.embeddings.word_embeddings.weight";
        let error = with(value).refused(&["model.safetensors", tensor, &shape, "[900, 32]"]);
        assert!(matches!(error, Error::Tensor { .. }));
    }
    // Other architectures have no such size.
    with_config(|config| config["embedding_size"] = json!(0)).load().unwrap();
}

#[test]
fn config_with_heads_that_do_not_divide_the_hidden_size() {
    with_config(|config| config["num_attention_heads"] = json!(5)).refused(&[
        "config.json",
        "num_attention_heads",
        "divisor",
    ]);
}

#[test]
fn config_with_an_architecture_that_nobody_knows() {
    for name in [json!("gpt2"), json!(""), Value::Null] {
        let error = with_config(|config| config["model_type"] = name)
            .refused(&["config.json", "model_type"]);
        assert!(matches!(error, Error::Architecture { .. }));
    }
    Model::read("deberta-v2").refused(&["config.json", "deberta-v2"]);
}

#[test]
fn config_with_values_that_mean_nothing() {
    for (field, value) in [
        ("hidden_act", json!("swish")),
        ("position_embedding_type", json!("relative_key")),
        ("problem_type", json!("regression")),
        ("layer_norm_eps", json!(0)),
        ("layer_norm_eps", json!(-1e-12)),
        ("layer_norm_eps", json!(1e300)),
    ] {
        with_config(|config| config[field] = value).refused(&["config.json", field]);
    }
}

#[test]
fn config_with_labels_missing_twice_or_with_gaps() {
    for labels in [
        Value::Null,
        json!({}),
        json!({"0": "support", "2": "threat"}),
        json!({"1": "support"}),
        json!({"-1": "support"}),
        json!({"0": "support", "00": "threat"}),
        json!({"zero": "support"}),
        json!({"0": "support", "1": "support"}),
        json!({"18446744073709551616": "support"}),
    ] {
        with_config(|config| config["id2label"] = labels).refused(&["config.json", "id2label"]);
    }
    for labels in [json!([]), json!({"0": 1}), json!("support")] {
        with_config(|config| config["id2label"] = labels).refused(&["config.json"]);
    }
    let many: Map<_, _> = (0..100_000).map(|i| (i.to_string(), json!(format!("l{i}")))).collect();
    with_config(|config| config["id2label"] = many.into()).refused(&["config.json", "id2label"]);
}

#[test]
fn config_with_fewer_or_more_labels_than_the_classifier() {
    with_config(|config| {
        config["id2label"].as_object_mut().unwrap().remove("6");
    })
    .refused(&["model.safetensors", "classifier.weight", "[6, 32]", "[7, 32]"]);
}

#[test]
fn config_with_thresholds_and_temperatures_that_are_no_numbers() {
    let all = |value: Value| {
        let labels =
            ["support", "commitment", "request", "concession", "accusation", "rejection", "threat"];
        Value::from_iter(labels.map(|label| (label, value.clone())))
    };
    for field in ["thresholds", "precise_thresholds"] {
        for value in
            [json!("NaN"), json!(-0.1), json!(1.1), json!(1e300), Value::Null, json!([0.5])]
        {
            with_config(|config| config["demarche"] = json!({field: all(value)}))
                .refused(&["config.json", &format!("demarche.{field}.")]);
        }
        with_config(|config| config["demarche"] = json!({field: {"support": 0.5}}))
            .refused(&["config.json", &format!("demarche.{field}.")]);
        with_config(|config| config["demarche"] = json!({field: {"joy": 0.5}}))
            .refused(&["config.json", &format!("demarche.{field}.joy")]);
    }
    for (field, value) in [
        ("temperatures", json!(0)),
        ("temperatures", json!(-1)),
        ("temperatures", json!(1e-300)),
        ("temperatures", json!(1e300)),
        ("biases", json!("NaN")),
        ("biases", json!(1e300)),
    ] {
        with_config(|config| config["demarche"] = json!({field: all(value)}))
            .refused(&["config.json", &format!("demarche.{field}.")]);
    }
    for text in ["NaN", "Infinity", "1e999"] {
        let config = String::from_utf8(BERT.config.clone()).unwrap();
        let broken = config.replacen(
            '{',
            &format!("{{\"demarche\": {{\"thresholds\": {{\"threat\": {text}}}}},"),
            1,
        );
        Model { config: broken.into(), ..BERT.clone() }.refused(&["config.json"]);
    }
}

#[test]
fn config_with_outliers_that_are_no_hidden_values() {
    for field in ["attention", "feed_forward"] {
        for value in [json!([]), json!([0]), json!([0, 32]), json!([0, -1]), json!("0"), json!({})]
        {
            with_config(|config| config["demarche"] = json!({"outliers": {field: value}}))
                .refused(&["config.json", &format!("demarche.outliers.{field}"), "below 32"]);
        }
        with_config(|config| config["demarche"] = json!({"outliers": {field: [31, 0]}}))
            .load()
            .unwrap();
    }
}

#[test]
fn config_with_extreme_but_finite_calibration() {
    for problem in ["multi_label_classification", "single_label_classification"] {
        for (temperature, bias) in [(1e-40, 0.0), (1e38, 0.0), (1e-40, 3e38), (1.0, -3e38)] {
            with_config(|config| {
                config["problem_type"] = json!(problem);
                config["demarche"] = json!({
                    "temperatures": {"support": temperature, "threat": temperature},
                    "biases": {"support": bias, "request": bias},
                });
            })
            .survive();
        }
    }
}

#[test]
fn tokenizer_with_more_tokens_than_the_model() {
    let error = with_config(|config| config["vocab_size"] = json!(899)).refused(&[
        "config.json",
        "vocab_size",
        "tokenizer.json",
    ]);
    assert!(matches!(error, Error::Tokenizer { .. }));
}

#[test]
fn tokenizer_with_ids_beyond_the_vocabulary() {
    // As many tokens as before, but one of them has an id that the embedding has no row for.
    for id in [900, 1_000_000, u32::MAX] {
        let model = with_tokenizer(|tokenizer| {
            tokenizer["model"]["vocab"]["a"] = json!(id);
        });
        match model.load() {
            Err(error) => assert!(common::message(&error).contains("tokenizer.json")),
            Ok(tagger) => {
                let error = tagger.tag("a").unwrap_err();
                assert!(common::message(&error).contains("tokenizer.json"));
            }
        }
    }
}

#[test]
fn tokenizer_with_special_tokens_beyond_the_vocabulary() {
    with_tokenizer(|tokenizer| {
        tokenizer["post_processor"]["cls"] = json!(["[CLS]", 4_000_000_000u32])
    })
    .refused(&["tokenizer.json"]);
}

#[test]
fn tokenizer_without_an_unknown_token() {
    let model = with_tokenizer(|tokenizer| {
        tokenizer["model"]["unk_token"] = json!("[NOTHING]");
    });
    match model.load() {
        Err(error) => assert!(common::message(&error).contains("tokenizer.json")),
        Ok(tagger) => {
            let error = tagger.tag("ꙮ").unwrap_err();
            assert!(common::message(&error).contains("tokenizer.json"));
        }
    }
}

#[test]
fn tokenizer_that_makes_nothing_of_a_text() {
    // Neither special tokens nor any other: the sequence would be empty.
    with_tokenizer(|tokenizer| tokenizer["post_processor"] = Value::Null).survive();
}

#[test]
fn tokenizer_with_parts_that_never_end() {
    for normalizer in [
        json!({"type": "Replace", "pattern": {"String": ""}, "content": "aa"}),
        json!({"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"}),
        json!({"type": "Replace", "pattern": {"Regex": "("}, "content": "b"}),
        json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        json!({"type": "Precompiled", "precompiled_charsmap": "/////////////////////w=="}),
        json!({"type": "Prepend", "prepend": "x".repeat(1 << 16)}),
    ] {
        with_tokenizer(|tokenizer| tokenizer["normalizer"] = normalizer).survive();
    }
}

#[test]
fn tokenizer_that_pads_or_truncates_by_itself() {
    let plain = BERT.clone().load().unwrap().logits(&["A sentence of several words."]).unwrap();
    let model = with_tokenizer(|tokenizer| {
        tokenizer["truncation"] =
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
        tokenizer["padding"] = json!({"strategy": {"Fixed": 400}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"});
    });
    assert_eq!(model.load().unwrap().logits(&["A sentence of several words."]).unwrap(), plain);
}
