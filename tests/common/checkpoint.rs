//! A checkpoint of `tests/fixtures` in memory, to be changed for a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use demarche::{Tagger, TaggerBuilder};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// A directory of `tests/fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// Type, shape and little-endian bytes.
pub type Tensor = (Dtype, Vec<usize>, Vec<u8>);

#[derive(Clone)]
pub struct Checkpoint {
    pub config: Value,
    pub tokenizer: Vec<u8>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    pub fn load(path: &str) -> Self {
        let read = |file: &str| fs::read(fixture(path).join(file)).unwrap();
        let weights = read("model.safetensors");
        let tensors = SafeTensors::deserialize(&weights).unwrap();
        let tensor = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Checkpoint {
            config: serde_json::from_slice(&read("config.json")).unwrap(),
            tokenizer: read("tokenizer.json"),
            tensors: tensors.tensors().into_iter().map(tensor).collect(),
        }
    }

    pub fn weights(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    pub fn builder(&self) -> TaggerBuilder {
        let config = serde_json::to_vec(&self.config).unwrap();
        Tagger::builder().model_bytes(config, self.tokenizer.clone(), self.weights())
    }

    /// Turns every f32 matrix into int8 with a scale a row, but word embeddings into 4-bit blocks, each with
    /// an f16 scale. Gives back the same with the values of these integers in f32.
    pub fn quantize(&mut self) -> Self {
        self.round(Form { bits: 4, blocks: true }, Form::BYTES)
    }

    /// Like `quantize`, with a scale of each column of int8 besides.
    pub fn quantize_scaled(&mut self) -> Self {
        let mut floats = self.quantize();
        for (name, (dtype, shape, _)) in self.tensors.clone() {
            if dtype != Dtype::I8 {
                continue;
            }
            // Others for keys than for queries and values, which read the same.
            let scale = |i: usize| (((i * 5 + name.len()) % 7) as f32 / 3.0 - 1.0).exp2();
            let scales: Vec<f32> = (0..shape[1]).map(scale).collect();
            for row in floats.tensors.get_mut(&name).unwrap().2.chunks_exact_mut(4 * shape[1]) {
                for (value, scale) in row.as_chunks_mut().0.iter_mut().zip(&scales) {
                    *value = (f32::from_le_bytes(*value) * scale).to_le_bytes();
                }
            }
            let bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
            let name = name.replace(".weight", ".input_scale");
            self.tensors.insert(name, (Dtype::F32, vec![shape[1]], bytes));
        }
        floats
    }

    /// Like `quantize`, but to 4-bit rows where they have whole blocks, and 2-bit rows of word embeddings.
    pub fn quantize_small(&mut self) -> Self {
        self.round(Form { bits: 2, blocks: false }, Form { bits: 4, blocks: false })
    }

    fn round(&mut self, words: Form, others: Form) -> Self {
        let mut floats = self.clone();
        for (name, (_, shape, data)) in &mut floats.tensors {
            let &[rows, columns] = shape.as_slice() else { continue };
            let tensor = self.tensors.get_mut(name).unwrap();
            assert_eq!(tensor.0, Dtype::F32);
            let values: Vec<f32> =
                data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let form = match columns % BLOCK {
                0 if name.ends_with("word_embeddings.weight") => words,
                0 => others,
                _ => Form::BYTES,
            };
            let group = if form.blocks { BLOCK } else { columns };
            let levels = ((1 << (form.bits - 1)) - 1) as f32;
            // Two bits are too few to leave one of their codes out.
            let lowest = if form.bits == 2 { -2.0 } else { -levels };
            let (mut scales, mut codes) = (Vec::new(), Vec::new());
            data.clear();
            for values in values.chunks(group) {
                let scale =
                    values.iter().fold(0.0f32, |most, x| most.max(x.abs())) / (levels + 0.5);
                let scale = f16::from_f32(scale);
                scales.extend(scale.to_le_bytes());
                for value in values {
                    let code = (value / scale.to_f32()).round().clamp(lowest, levels);
                    codes.push(code as i8);
                    data.extend((code * scale.to_f32()).to_le_bytes());
                }
            }
            let groups = if form.blocks { vec![rows, columns / BLOCK] } else { vec![rows] };
            *tensor = match form.bits {
                8 => (Dtype::I8, shape.clone(), codes.iter().map(|&q| q as u8).collect()),
                bits => (Dtype::U8, vec![rows, columns * bits / 8], packed(&codes, bits)),
            };
            self.tensors.insert(name.replace(".weight", ".scale"), (Dtype::F16, groups, scales));
        }
        floats
    }
}

/// How a matrix is kept: bits a value, and whether a scale is for a block of 32 values or for a row.
#[derive(Clone, Copy)]
struct Form {
    bits: usize,
    blocks: bool,
}

impl Form {
    const BYTES: Form = Form { bits: 8, blocks: false };
}

/// Values that share a scale in a 4-bit block.
const BLOCK: usize = 32;

/// Codes of `bits` bits, half their range added: byte `i` of a block holds value `i` of each of its 2 or 4
/// parts, those of the first part in the lowest bits.
fn packed(codes: &[i8], bits: usize) -> Vec<u8> {
    let bytes = BLOCK * bits / 8;
    let code = |q: i8| (q + (1 << (bits - 1))) as u8;
    codes
        .chunks(BLOCK)
        .flat_map(|block| {
            (0..bytes).map(move |i| {
                block[i..].iter().step_by(bytes).rev().fold(0, |byte, &q| byte << bits | code(q))
            })
        })
        .collect()
}
