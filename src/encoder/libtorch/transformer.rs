//! A post-norm transformer encoder on libtorch, for ELECTRA and the architectures that rust-bert 0.23 does
//! not compute as their checkpoints ask.
//!
//! What DeBERTa-v2 adds to attention is in [`disentangled`](super::disentangled).

use tch::{Device, Kind, Tensor};

use super::classifier::Padded;
use super::disentangled::{Positions, Relative};
use super::layers::{Linear, Norm, activate, array, matrix, size};
use crate::error::Result;
use crate::model::deberta::{self, DebertaWeights, Settings};
use crate::model::{self, Activation, Config, Weights};

/// An encoder without a head.
pub(super) struct Transformer {
    embedding: Embedding,
    /// Of DeBERTa-v2, as the next one.
    relative: Option<Relative>,
    convolution: Option<Convolution>,
    layers: Vec<Layer>,
}

impl Transformer {
    /// The BERT family.
    pub(super) fn bert(config: &Config, from: &Weights, device: Device) -> Result<Self> {
        let embedding = &from.embedding;
        let row = |row: &Vec<f32>| array(row, &[row.len()], device);
        let linear = |from| Linear::new(from, device);
        Ok(Transformer {
            embedding: Embedding {
                words: matrix(&embedding.words, device)?,
                positions: Some(matrix(&embedding.positions, device)?),
                first_position: size(config.first_position),
                token_type: embedding.token_type.as_ref().map(row).transpose()?,
                projection: None,
                norm: Norm::new(&embedding.norm, config.norm_epsilon, device)?,
                normed_projection: embedding.projection.as_ref().map(linear).transpose()?,
            },
            relative: None,
            convolution: None,
            layers: from
                .layers
                .iter()
                .map(|layer| Layer::new(config, layer, 1, device))
                .collect::<Result<_>>()?,
        })
    }

    pub(super) fn deberta(
        config: &Config,
        settings: &Settings,
        from: &DebertaWeights,
        device: Device,
    ) -> Result<Self> {
        let row = |row: &Vec<f32>| array(row, &[row.len()], device);
        let matrix = |from| matrix(from, device);
        let projection = |from| Linear::without_bias(from, device);
        let layer = |from: &deberta::DebertaLayer| {
            Layer::new(config, &from.layer, settings.terms(), device)
        };
        Ok(Transformer {
            embedding: Embedding {
                words: matrix(&from.words)?,
                positions: from.positions.as_ref().map(matrix).transpose()?,
                first_position: 0,
                token_type: from.token_type.as_ref().map(row).transpose()?,
                projection: from.projection.as_ref().map(projection).transpose()?,
                norm: Norm::new(&from.norm, config.norm_epsilon, device)?,
                normed_projection: None,
            },
            relative: Relative::new(config, settings, from, device)?,
            convolution: match (&from.convolution, settings.convolution) {
                (Some(from), Some(settings)) => {
                    Some(Convolution::new(config, settings, from, device)?)
                }
                _ => None,
            },
            layers: from.layers.iter().map(layer).collect::<Result<_>>()?,
        })
    }

    /// Hidden states `[sequences, tokens, hidden]` of the last layer.
    pub(super) fn forward(&self, batch: &Padded) -> Tensor {
        let mut x = self.embedding.forward(batch);
        if self.relative.is_some() || self.convolution.is_some() {
            x = batch.zero_padding(x);
        }
        let allowed = Tensor::zeros([1, 1, 1, batch.shape().1], (Kind::Float, x.device()));
        let padding = match &batch.mask {
            // tch cannot leave a mask out of its attention.
            None => allowed,
            Some(mask) => {
                allowed.masked_fill(&mask.eq(0).unsqueeze(1).unsqueeze(1), f64::NEG_INFINITY)
            }
        };
        let distances = self.relative.as_ref().map(|relative| relative.distances(&x));
        for (i, layer) in self.layers.iter().enumerate() {
            let relative = self.relative.as_ref().zip(distances.as_ref());
            let positions = relative.map(|(relative, distances)| relative.of_layer(i, distances));
            let mut y = layer.forward(&x, &padding, positions);
            if let (0, Some(convolution)) = (i, &self.convolution) {
                y = convolution.forward(&x, &y, batch);
            }
            x = y;
        }
        x
    }
}

/// Word row + position row + row of token type 0, then a norm; narrow rows are projected.
struct Embedding {
    words: Tensor,
    positions: Option<Tensor>,
    first_position: i64,
    token_type: Option<Tensor>,
    /// Of DeBERTa-v2.
    projection: Option<Linear>,
    norm: Norm,
    /// Of ELECTRA.
    normed_projection: Option<Linear>,
}

impl Embedding {
    fn forward(&self, batch: &Padded) -> Tensor {
        let (_, tokens) = batch.shape();
        let mut x = Tensor::embedding(&self.words, &batch.ids, -1, false, false);
        if let Some(positions) = &self.positions {
            x += positions.narrow(0, self.first_position, tokens);
        }
        if let Some(token_type) = &self.token_type {
            x += token_type;
        }
        if let Some(projection) = &self.projection {
            x = projection.forward(&x);
        }
        let x = self.norm.forward(&x);
        match &self.normed_projection {
            Some(projection) => projection.forward(&x),
            None => x,
        }
    }
}

struct Layer {
    heads: i64,
    /// Attention scores are multiplied by it.
    scale: f64,
    query: Linear,
    key: Linear,
    value: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    up: Linear,
    activation: Activation,
    down: Linear,
    output_norm: Norm,
}

impl Layer {
    /// `terms`: how many products an attention score is the sum of.
    fn new(config: &Config, from: &model::Layer, terms: usize, device: Device) -> Result<Self> {
        let linear = |from| Linear::new(from, device);
        let norm = |from| Norm::new(from, config.norm_epsilon, device);
        Ok(Layer {
            heads: size(config.heads),
            scale: (((config.hidden / config.heads) * terms) as f64).sqrt().recip(),
            query: linear(&from.query)?,
            key: linear(&from.key)?,
            value: linear(&from.value)?,
            attention_output: linear(&from.attention_output)?,
            attention_norm: norm(&from.attention_norm)?,
            up: linear(&from.up)?,
            activation: config.activation,
            down: linear(&from.down)?,
            output_norm: norm(&from.output_norm)?,
        })
    }

    /// `padding`: what is added to the scores of each key, 0 or minus infinity.
    fn forward(&self, x: &Tensor, padding: &Tensor, positions: Option<Positions<'_>>) -> Tensor {
        let query = split_heads(&self.query.forward(x), self.heads);
        let key = split_heads(&self.key.forward(x), self.heads);
        let value = split_heads(&self.value.forward(x), self.heads);
        let bias = positions.and_then(|positions| positions.scores(&query, &key));
        let bias = match bias {
            None => padding.shallow_clone(),
            Some(bias) => bias * self.scale + padding,
        };
        let context = Tensor::scaled_dot_product_attention(
            &query,
            &key,
            &value,
            Some(bias),
            0.0,
            false,
            self.scale,
        );
        let context = context.transpose(1, 2).flatten(2, 3);
        let x = self.attention_norm.forward(&(self.attention_output.forward(&context) + x));
        let inner = activate(self.activation, &self.up.forward(&x));
        self.output_norm.forward(&(self.down.forward(&inner) + x))
    }
}

/// `[sequences, tokens, hidden]` to `[sequences, heads, tokens, hidden / heads]`.
pub(super) fn split_heads(x: &Tensor, heads: i64) -> Tensor {
    let shape = x.size();
    x.view([shape[0], shape[1], heads, shape[2] / heads]).transpose(1, 2)
}

/// DeBERTa-v2's convolution over the embeddings, whose output joins that of the first layer.
struct Convolution {
    weight: Tensor,
    bias: Tensor,
    padding: i64,
    groups: i64,
    activation: Activation,
    norm: Norm,
}

impl Convolution {
    fn new(
        config: &Config,
        settings: deberta::Convolution,
        from: &deberta::ConvolutionWeights,
        device: Device,
    ) -> Result<Self> {
        let deberta::Convolution { kernel, groups, activation } = settings;
        let shape = [config.hidden, config.hidden / groups, kernel];
        Ok(Convolution {
            weight: array(&from.weight, &shape, device)?,
            bias: array(&from.bias, &[config.hidden], device)?,
            padding: size(kernel / 2),
            groups: size(groups),
            activation,
            norm: Norm::new(&from.norm, config.norm_epsilon, device)?,
        })
    }

    fn forward(&self, embeddings: &Tensor, first_layer: &Tensor, batch: &Padded) -> Tensor {
        let channels_first = embeddings.transpose(1, 2);
        let out =
            channels_first.conv1d(&self.weight, Some(&self.bias), 1, self.padding, 1, self.groups);
        let out = batch.zero_padding(out.transpose(1, 2));
        let sum = first_layer + activate(self.activation, &out);
        batch.zero_padding(self.norm.forward(&sum))
    }
}
