//! Files of matrices of 8, 4 and 2 bits give what their values give as floats: the same in f32, nearly in int8. Scales of inputs that are none
//! are refused.

mod common;

use common::checkpoint::Checkpoint;
use demarche::Precision;

const SENTENCES: [&str; 4] = [
    "Nein.",
    "The minister rejected the accusations and asked for patience.",
    "Die Regierung kündigte am Montag an, „jede Hilfe“ zu leisten.",
    "Москва поддержала план и потребовала гарантий.",
];

#[test]
fn integers_are_read_as_the_values_that_they_stand_for() {
    let forms = [Checkpoint::quantize, Checkpoint::quantize_scaled, Checkpoint::quantize_small];
    let names = ["bert", "xlm-roberta", "electra"];
    for (name, quantize) in names.iter().flat_map(|name| forms.map(|form| (name, form))) {
        let mut integers = Checkpoint::load(&format!("parity/{name}"));
        let floats = quantize(&mut integers);
        let logits = |checkpoint: &Checkpoint, precision| {
            let tagger = checkpoint.builder().precision(precision).build().unwrap();
            tagger.logits(&SENTENCES).unwrap()
        };
        let expected = logits(&floats, Precision::F32);
        assert_eq!(logits(&integers, Precision::F32), expected, "{name}");

        // Matrices of integers are multiplied as such.
        let int8 = logits(&integers, Precision::Auto);
        assert_eq!(int8, logits(&integers, Precision::Int8), "{name}");
        assert_ne!(int8, expected, "{name}");
        let squares = |values: ndarray::Array2<f32>| values.mapv(|x| x * x).sum();
        let (error, size) = (squares(&int8 - &expected), squares(expected));
        assert!(error < 0.01 * size, "{name}: off by {error} of {size}");
    }
}

#[test]
fn scales_of_inputs_that_are_none() {
    const NAME: &str = "bert.encoder.layer.1.output.dense.input_scale";
    let mut integers = Checkpoint::load("parity/bert");
    integers.quantize_scaled();
    let refused = |edit: &dyn Fn(&mut Vec<usize>, &mut Vec<u8>), expected: &str| {
        let mut integers = integers.clone();
        let (_, shape, bytes) = integers.tensors.get_mut(NAME).unwrap();
        edit(shape, bytes);
        let error = integers.builder().build().unwrap_err().to_string();
        assert!(error.contains(NAME) && error.contains(expected), "{error}");
    };
    for (number, expected) in
        [(0.0_f32, "above 0"), (-1.0, "above 0"), (1e-40, "above 0"), (f32::NAN, "finite")]
    {
        refused(&|_, bytes| bytes[4..8].copy_from_slice(&number.to_le_bytes()), expected);
    }
    refused(
        &|shape, bytes| {
            shape[0] -= 1;
            bytes.truncate(4 * shape[0]);
        },
        "shape",
    );

    // Of a matrix of floats there is nothing to scale.
    let mut floats = Checkpoint::load("parity/bert");
    floats.tensors.insert(NAME.into(), integers.tensors[NAME].clone());
    let error = floats.builder().build().unwrap_err().to_string();
    assert!(error.contains(NAME), "{error}");
}
