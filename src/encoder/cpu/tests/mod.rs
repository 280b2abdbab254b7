//! The engine as a whole: what a sequence gets must not depend on company, kernels or threads.

mod allocations;

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::{Bytes, Float, Matrix, ModelFiles, Outliers, Pooling, Values};

/// Tiny random checkpoints; what their logits should be is checked by the parity tests.
const CHECKPOINTS: [&str; 5] = ["bert", "distilbert", "roberta", "xlm-roberta", "electra"];

fn model(name: &str) -> (Config, Weights) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity");
    let files = ModelFiles::from_dir(&root.join(name)).unwrap();
    let config = files.config().unwrap();
    let weights = Weights::read(&config, &files.tensors().unwrap()).unwrap();
    (config, weights)
}

fn engine(name: &str, precision: Precision, kernels: Kernels) -> Engine {
    let (config, weights) = model(name);
    Engine::with_kernels(&config, &weights, precision, kernels).unwrap()
}

/// An engine of integers with scales of inputs, that leaves two hidden values out of the codes.
fn engine_as_shipped(name: &str, precision: Precision, kernels: Kernels) -> Engine {
    let (mut config, mut weights) = model(name);
    config.outliers = outliers(&config, 5, 3);
    for layer in &mut weights.layers {
        let hidden = input_scales(config.hidden);
        for linear in [&mut layer.query, &mut layer.key, &mut layer.value, &mut layer.up] {
            linear.weight = scaled(&linear.weight, &hidden);
        }
        let inner = input_scales(config.intermediate);
        layer.down.weight = scaled(&layer.down.weight, &inner);
    }
    Engine::with_kernels(&config, &weights, precision, kernels).unwrap()
}

/// From a half to two.
fn input_scales(columns: usize) -> Vec<f32> {
    (0..columns).map(|i| ((i * 13 % 7) as f32 / 3.0 - 1.0).exp2()).collect()
}

/// The matrix in bytes, its columns multiplied by `input_scales`.
fn scaled(matrix: &Matrix, input_scales: &[f32]) -> Matrix {
    let (mut values, mut scales) = (Vec::new(), Vec::new());
    let mut row = vec![0.0; matrix.columns];
    for i in 0..matrix.rows {
        matrix.row(i, &mut row);
        let scale = row.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / 63.0;
        values.extend(row.iter().map(|x| ((x / scale).round() as i8).cast_unsigned()));
        scales.push(scale);
    }
    let (values, input_scales) = (Bytes::from(values), Some(input_scales.to_vec()));
    Matrix { values: Values::Int8 { values, scales, input_scales }, ..*matrix }
}

/// The matrix in floats.
fn floats(matrix: &Matrix) -> Matrix {
    let mut row = vec![0.0; matrix.columns];
    let mut bytes = Vec::new();
    for i in 0..matrix.rows {
        matrix.row(i, &mut row);
        bytes.extend(row.iter().flat_map(|x| x.to_le_bytes()));
    }
    Matrix { values: Values::Float(Float::F32(Bytes::from(bytes))), ..*matrix }
}

/// The same hidden values in all layers.
fn outliers(config: &Config, attention: usize, feed_forward: usize) -> Outliers {
    Outliers {
        attention: vec![attention; config.layers],
        feed_forward: vec![feed_forward; config.layers],
    }
}

fn run(engine: &Engine, sequences: &[Vec<u32>]) -> Vec<u32> {
    let ends: Vec<usize> = sequences
        .iter()
        .scan(0, |end, ids| {
            *end += ids.len();
            Some(*end)
        })
        .collect();
    let logits = engine.logits(Batch { ids: &sequences.concat(), ends: &ends }).unwrap();
    logits.into_iter().map(f32::to_bits).collect()
}

/// Sequences of 1 to 60 tokens, and rarely of many more than fit a chunk.
fn sequences() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let ids = |tokens| prop::collection::vec(0_u32..500, tokens);
    let sequence = prop_oneof![9 => ids(1..60), 1 => ids(CHUNK..250)];
    prop::collection::vec(sequence, 1..12)
}

#[test]
fn one_token() {
    for name in CHECKPOINTS {
        let engine = engine(name, Precision::F32, Kernels::detect());
        assert_eq!(run(&engine, &[vec![7]]).len(), engine.model.labels());
    }
}

#[test]
fn no_sequences() {
    let engine = engine("bert", Precision::F32, Kernels::detect());
    assert!(run(&engine, &[]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn company_does_not_matter(sequences in sequences(), int8: bool, shipped: bool, which in 0..CHECKPOINTS.len()) {
        let precision = if int8 { Precision::Int8 } else { Precision::F32 };
        let engine = if shipped { engine_as_shipped } else { engine };
        let engine = engine(CHECKPOINTS[which], precision, Kernels::detect());
        let together = run(&engine, &sequences);
        let alone: Vec<u32> =
            sequences.iter().flat_map(|ids| run(&engine, std::slice::from_ref(ids))).collect();
        prop_assert_eq!(&together, &alone);
        // Many threads at a time, each with a part.
        let parts: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let parts: Vec<_> = sequences.chunks(3).map(|part| scope.spawn(|| run(&engine, part))).collect();
            parts.into_iter().map(|part| part.join().unwrap()).collect()
        });
        prop_assert_eq!(&together, &parts.concat());
    }

    #[test]
    fn kernels_do_not_matter(sequences in sequences(), shipped: bool, which in 0..CHECKPOINTS.len()) {
        let engine = if shipped { engine_as_shipped } else { engine };
        for precision in [Precision::F32, Precision::Int8] {
            let oracle = run(&engine(CHECKPOINTS[which], precision, Kernels::scalar()), &sequences);
            for kernels in Kernels::all() {
                let logits = run(&engine(CHECKPOINTS[which], precision, kernels), &sequences);
                prop_assert_eq!(&logits, &oracle, "{:?}", kernels);
            }
        }
    }

    #[test]
    fn chunks_take_every_sequence_once(lengths in prop::collection::vec(1_usize..300, 0..40)) {
        let ends: Vec<usize> = lengths.iter().scan(0, |end, n| { *end += n; Some(*end) }).collect();
        let mut next = 0;
        for chunk in chunks(&ends) {
            prop_assert_eq!(chunk.start, next);
            prop_assert!(chunk.len() == 1 || lengths[chunk.clone()].iter().sum::<usize>() <= CHUNK);
            next = chunk.end;
        }
        prop_assert_eq!(next, lengths.len());
    }
}

/// Mean squares over the logits of some sequences: of the difference between int8 and f32, and of f32.
fn error_of_int8(config: &Config, weights: &Weights) -> (f32, f32) {
    let ids: Vec<Vec<u32>> =
        (1..40).map(|n| (0..n).map(|i| (i * 29 + n) % 500).collect()).collect();
    let [float, int8] = [Precision::F32, Precision::Int8].map(|precision| {
        let engine = Engine::with_kernels(config, weights, precision, Kernels::detect()).unwrap();
        run(&engine, &ids).into_iter().map(f32::from_bits).collect::<Vec<f32>>()
    });
    let count = float.len() as f32;
    let errors = float.iter().zip(&int8).map(|(a, b)| (a - b) * (a - b));
    (errors.sum::<f32>() / count, float.iter().map(|x| x * x).sum::<f32>() / count)
}

#[test]
fn int8_is_near_f32() {
    for name in CHECKPOINTS {
        let (config, weights) = model(name);
        let (error, spread) = error_of_int8(&config, &weights);
        let (error, spread) = (error.sqrt(), spread.sqrt());
        assert!(error < 0.1 * spread, "{name}: off by {error} where logits are {spread}");
    }
}

/// Inputs of a fiftieth of the others' size have next to no codes of their own, unless they are scaled before.
#[test]
fn input_scales_give_small_values_codes_of_their_own() {
    let errors = [true, false].map(|known| {
        let (config, mut weights) = model("bert");
        let scales: Vec<f32> =
            (0..config.hidden).map(|i| if i % 2 == 0 { 50.0 } else { 1.0 }).collect();
        for layer in &mut weights.layers {
            // Every second value is small and weighs the more.
            for (i, scale) in scales.iter().enumerate() {
                layer.attention_norm.weight[i] /= scale;
                layer.attention_norm.bias[i] /= scale;
            }
            layer.up.weight = scaled(&layer.up.weight, &scales);
            if !known {
                layer.up.weight = floats(&layer.up.weight);
            }
        }
        error_of_int8(&config, &weights).0
    });
    assert!(
        errors[0] < 0.6 * errors[1],
        "squared errors {errors:?}, the first with the scales of the inputs"
    );
}

/// One value a hundred times as large as the others leaves few codes for them. (What is left is the rounding of its weights.)
#[test]
fn an_outlier_that_is_left_out_of_the_codes_leaves_them_to_the_others() {
    let errors = [true, false].map(|known| {
        let (mut config, mut weights) = model("bert");
        for layer in &mut weights.layers {
            layer.attention_norm.bias[3] = 100.0;
            layer.output_norm.bias[5] = 100.0;
        }
        if known {
            config.outliers = outliers(&config, 5, 3);
        }
        error_of_int8(&config, &weights).0
    });
    assert!(
        errors[0] < 0.6 * errors[1],
        "squared errors {errors:?}, the first with the outlier known"
    );
}

#[test]
fn the_mean_of_one_token_is_the_first() {
    let (mut config, weights) = model("bert");
    let logits = [Pooling::First, Pooling::Mean].map(|pooling| {
        config.pooling = pooling;
        let engine = Engine::new(&config, &weights, Precision::F32).unwrap();
        run(&engine, &[vec![5], vec![9]])
    });
    assert_eq!(logits[0], logits[1]);
}

#[test]
fn auto_takes_the_precision_of_the_file() {
    let engine = engine("bert", Precision::Auto, Kernels::detect());
    assert_eq!(engine.model.precision(), "f32");
}
