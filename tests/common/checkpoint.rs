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
        let mut floats = self.clone();
        for (name, (_, shape, data)) in &mut floats.tensors {
            let &[rows, columns] = shape.as_slice() else { continue };
            let tensor = self.tensors.get_mut(name).unwrap();
            assert_eq!(tensor.0, Dtype::F32);
            let values: Vec<f32> =
                data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let words = name.ends_with("word_embeddings.weight");
            let (group, levels) = if words { (BLOCK, 7.0) } else { (columns, 127.0) };
            let (mut scales, mut codes) = (Vec::new(), Vec::new());
            data.clear();
            for values in values.chunks(group) {
                let scale = values.iter().fold(0.0f32, |most, x| most.max(x.abs())) / levels;
                let scale = if words { f16::from_f32(scale).to_f32() } else { scale };
                scales.push(scale);
                for value in values {
                    let code = (value / scale).round().clamp(-levels, levels);
                    codes.push(code as i8);
                    data.extend((code * scale).to_le_bytes());
                }
            }
            let scale = if words {
                *tensor = (Dtype::U8, vec![rows, columns / 2], nibbles(&codes));
                let scales = scales.iter().flat_map(|&scale| f16::from_f32(scale).to_le_bytes());
                (Dtype::F16, vec![rows, columns / BLOCK], scales.collect())
            } else {
                *tensor = (Dtype::I8, shape.clone(), codes.iter().map(|&q| q as u8).collect());
                let scales = scales.iter().flat_map(|scale| scale.to_le_bytes());
                (Dtype::F32, vec![rows], scales.collect())
            };
            self.tensors.insert(name.replace(".weight", ".scale"), scale);
        }
        floats
    }
}

/// Values that share a scale in a 4-bit row.
const BLOCK: usize = 32;

/// Codes from -8 to 7, two a byte: those of a block's first half in the low nibbles.
fn nibbles(codes: &[i8]) -> Vec<u8> {
    let nibble = |code: i8| (code + 8) as u8;
    let blocks = codes.chunks(BLOCK).map(|block| block.split_at(BLOCK / 2));
    blocks
        .flat_map(|(low, high)| {
            low.iter().zip(high).map(move |(&l, &h)| nibble(l) | nibble(h) << 4)
        })
        .collect()
}
