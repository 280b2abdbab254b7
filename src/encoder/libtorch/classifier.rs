//! Padded ids to logits: an encoder, whoever computes it, and the head that all architectures share.

use tch::{Device, Kind, Tensor};

use super::failure;
use super::layers::{Linear, activate, size};
use super::models::{self, Model};
use super::transformer::Transformer;
use crate::error::Result;
use crate::model::deberta::DebertaWeights;
use crate::model::{self, Activation, Architecture, Config, Pooling, Tensors, Weights};

/// Sequences of one batch, the shorter ones filled up.
pub(super) struct Padded {
    /// `[sequences, tokens]`
    pub(super) ids: Tensor,
    /// 1 for tokens and 0 for what fills up, in the shape of the ids. `None`: all are tokens.
    pub(super) mask: Option<Tensor>,
}

impl Padded {
    pub(super) fn new(sequences: &[&[u32]], device: Device) -> Result<Self> {
        let longest = sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut ids = vec![0; sequences.len() * longest];
        let mut mask = vec![0; ids.len()];
        for (i, sequence) in sequences.iter().enumerate() {
            let places = ids[i * longest..].iter_mut().zip(&mut mask[i * longest..]);
            for ((id, mask), &token) in places.zip(*sequence) {
                (*id, *mask) = (i64::from(token), 1);
            }
        }
        let tensor = |values: &[i64]| {
            Tensor::f_from_slice(values)
                .and_then(|tensor| tensor.f_view([size(sequences.len()), size(longest)]))
                .and_then(|tensor| tensor.f_to_device(device))
                .map_err(failure)
        };
        let full = mask.iter().all(|&one| one == 1);
        Ok(Padded { ids: tensor(&ids)?, mask: if full { None } else { Some(tensor(&mask)?) } })
    }

    /// `[sequences, tokens]`
    pub(super) fn shape(&self) -> (i64, i64) {
        (self.ids.size()[0], self.ids.size()[1])
    }

    /// `x` `[sequences, tokens, hidden]` with zeros in place of what fills up.
    pub(super) fn zero_padding(&self, x: Tensor) -> Tensor {
        match &self.mask {
            None => x,
            Some(mask) => x * mask.unsqueeze(-1).to_kind(Kind::Float),
        }
    }
}

/// A sequence classifier on a device.
pub(super) struct Classifier {
    encoder: Encoder,
    head: Head,
}

enum Encoder {
    RustBert(Model),
    Own(Transformer),
}

impl Classifier {
    /// Checks all tensors before any memory is asked for.
    pub(super) fn load(config: &Config, tensors: &Tensors, device: Device) -> Result<Self> {
        if let Some(settings) = &config.deberta {
            let weights = DebertaWeights::read(config, settings, tensors)?;
            return Ok(Classifier {
                encoder: Encoder::Own(Transformer::deberta(config, settings, &weights, device)?),
                head: Head::new(config, &weights.head, device)?,
            });
        }
        let weights = Weights::read(config, tensors)?;
        let encoder = match config.architecture {
            Architecture::Bert if config.norm_epsilon == models::NORM_EPSILON => {
                Encoder::RustBert(Model::bert(config, tensors, device)?)
            }
            Architecture::DistilBert if config.norm_epsilon == models::NORM_EPSILON => {
                Encoder::RustBert(Model::distilbert(config, tensors, device)?)
            }
            _ => Encoder::Own(Transformer::bert(config, &weights, device)?),
        };
        Ok(Classifier { encoder, head: Head::new(config, &weights.head, device)? })
    }

    /// Logits `[sequences, labels]` in row order.
    pub(super) fn logits(&self, batch: &Padded) -> Result<Vec<f32>> {
        let hidden = match &self.encoder {
            Encoder::RustBert(model) => model.forward(batch)?,
            Encoder::Own(transformer) => transformer.forward(batch),
        };
        let logits = self.head.forward(&hidden, batch).f_contiguous().map_err(failure)?;
        let mut values = vec![0.0; logits.numel()];
        logits.f_copy_data(&mut values, logits.numel()).map_err(failure)?;
        Ok(values)
    }
}

/// Pooled vector → dense → activation → classifier.
struct Head {
    pooling: Pooling,
    dense: Linear,
    activation: Activation,
    classifier: Linear,
}

impl Head {
    fn new(config: &Config, from: &model::Head, device: Device) -> Result<Self> {
        Ok(Head {
            pooling: config.pooling,
            dense: Linear::new(&from.dense, device)?,
            activation: config.head_activation,
            classifier: Linear::new(&from.classifier, device)?,
        })
    }

    fn forward(&self, hidden: &Tensor, batch: &Padded) -> Tensor {
        let pooled = match (self.pooling, &batch.mask) {
            (Pooling::First, _) => hidden.select(1, 0),
            (Pooling::Mean, None) => hidden.mean_dim(1, false, Kind::Float),
            (Pooling::Mean, Some(mask)) => {
                let sum = |x: &Tensor| x.sum_dim_intlist(1, false, Kind::Float);
                sum(&batch.zero_padding(hidden.shallow_clone())) / sum(mask).unsqueeze(-1)
            }
        };
        self.classifier.forward(&activate(self.activation, &self.dense.forward(&pooled)))
    }
}
