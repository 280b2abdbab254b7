//! A checkpoint of `tests/fixtures` in memory, to be changed for a test.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use demarche::{Tagger, TaggerBuilder};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// A directory of `tests/fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// Type, shape and little-endian bytes.
pub type Tensor = (Dtype, Vec<usize>, Vec<u8>);

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

    /// Turns every f32 matrix into int8 with a scale a row.
    pub fn quantize(&mut self) {
        let mut scales = Vec::new();
        for (name, (dtype, shape, data)) in &mut self.tensors {
            let &mut [_, columns] = shape.as_mut_slice() else { continue };
            assert_eq!(*dtype, Dtype::F32);
            let values: Vec<f32> =
                data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let rows = values.chunks(columns);
            let row_scales: Vec<f32> = rows
                .clone()
                .map(|row| row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0)
                .collect();
            *data = rows
                .zip(&row_scales)
                .flat_map(|(row, scale)| row.iter().map(move |x| (x / scale).round() as i8 as u8))
                .collect();
            *dtype = Dtype::I8;
            let bytes = row_scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
            let scale_name = name.replace(".weight", ".scale");
            scales.push((scale_name, (Dtype::F32, vec![row_scales.len()], bytes)));
        }
        self.tensors.extend(scales);
    }
}
