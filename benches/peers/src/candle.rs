//! candle: its BERT, in f32.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::Value;

use crate::Result;
use crate::measure::{Encoder, Sentence, padded};

pub struct Model(BertModel);

impl Model {
    pub fn load(dir: &Path) -> Result<Self> {
        let mut config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
        // It insists on a number that only training reads.
        config["initializer_range"] = 0.02.into();
        let config: Config = serde_json::from_value(config)?;
        let weights = fs::read(dir.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        Ok(Model(BertModel::load(weights.pp("bert"), &config)?))
    }
}

impl Encoder for Model {
    fn encode(&self, batch: &[&Sentence]) -> Result<Vec<Vec<f32>>> {
        let (ids, mask, width) = padded(batch);
        let shape = (batch.len(), width);
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let types = ids.zeros_like()?;
        let hidden = self.0.forward(&ids, &types, Some(&mask))?;
        Ok(hidden.i((.., 0))?.to_vec2()?)
    }
}
