//! Ours. It gets text, so its figures contain the tokenization, which the peers are spared.

use std::path::Path;

use clap::ValueEnum;
use demarche::{Precision, Tagger};

use crate::Result;
use crate::measure::{Encoder, Sentence, threads};

#[derive(Clone, Copy, ValueEnum)]
pub enum Multiply {
    Int8,
    F32,
}

pub struct Model(Tagger);

impl Model {
    pub fn load(dir: &Path, precision: Multiply) -> Result<Self> {
        let precision = match precision {
            Multiply::Int8 => Precision::Int8,
            Multiply::F32 => Precision::F32,
        };
        let builder = Tagger::builder().model_dir(dir).precision(precision);
        Ok(Model(builder.threads(threads()?).build()?))
    }
}

impl Encoder for Model {
    fn encode(&self, batch: &[&Sentence]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&str> = batch.iter().map(|sentence| sentence.text.as_str()).collect();
        let logits = self.0.logits(&texts)?;
        Ok(logits.rows().into_iter().map(|row| row.to_vec()).collect())
    }
}
