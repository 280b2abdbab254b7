//! rust-bert's own models of BERT and DistilBERT, with our configuration and our tensors.
//!
//! rust-bert would read both from files, and panics over what it does not expect there. Here the fields are
//! set one by one, and the tensors, which [`Weights::read`](crate::model::Weights::read) has checked before,
//! are copied one by one.

use rust_bert::Activation as RustBertActivation;
use rust_bert::bert::{BertConfig, BertEmbeddings, BertModel};
use rust_bert::distilbert::{DistilBertConfig, DistilBertModel};
use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::classifier::Padded;
use super::failure;
use super::layers::{copy_matrix, size};
use crate::error::Result;
use crate::model::{Activation, Config, Tensors};

/// The epsilon of every layer norm in these models, whatever the configuration says.
pub(super) const NORM_EPSILON: f32 = 1e-12;

/// An encoder of rust-bert, without a head.
pub(super) enum Model {
    Bert(BertModel<BertEmbeddings>),
    DistilBert(DistilBertModel),
}

impl Model {
    pub(super) fn bert(config: &Config, tensors: &Tensors, device: Device) -> Result<Self> {
        let settings = BertConfig {
            hidden_act: activation(config.activation),
            hidden_size: size(config.hidden),
            intermediate_size: size(config.intermediate),
            max_position_embeddings: size(config.position_rows),
            num_attention_heads: size(config.heads),
            num_hidden_layers: size(config.layers),
            type_vocab_size: size(config.token_types),
            vocab_size: size(config.vocabulary),
            ..BertConfig::default()
        };
        let mut store = VarStore::new(device);
        let root = store.root() / "bert";
        let model = BertModel::new_with_optional_pooler(root, &settings, false);
        fill(&mut store, tensors)?;
        Ok(Model::Bert(model))
    }

    pub(super) fn distilbert(config: &Config, tensors: &Tensors, device: Device) -> Result<Self> {
        let settings = DistilBertConfig {
            activation: activation(config.activation),
            dim: size(config.hidden),
            hidden_dim: size(config.intermediate),
            max_position_embeddings: size(config.position_rows),
            n_heads: size(config.heads),
            n_layers: size(config.layers),
            vocab_size: size(config.vocabulary),
            ..DistilBertConfig::default()
        };
        let mut store = VarStore::new(device);
        // It puts `distilbert` before the names itself.
        let model = DistilBertModel::new(store.root(), &settings);
        fill(&mut store, tensors)?;
        Ok(Model::DistilBert(model))
    }

    /// Hidden states `[sequences, tokens, hidden]` of the last layer.
    pub(super) fn forward(&self, batch: &Padded) -> Result<Tensor> {
        let (ids, mask) = (Some(&batch.ids), batch.mask.as_ref());
        match self {
            Model::Bert(model) => model
                .forward_t(ids, mask, None, None, None, None, None, false)
                .map(|output| output.hidden_state),
            Model::DistilBert(model) => {
                model.forward_t(ids, mask, None, false).map(|output| output.hidden_state)
            }
        }
        .map_err(failure)
    }
}

fn activation(activation: Activation) -> RustBertActivation {
    match activation {
        Activation::Gelu => RustBertActivation::gelu,
        Activation::GeluTanh => RustBertActivation::gelu_new,
        Activation::Relu => RustBertActivation::relu,
        Activation::Tanh => RustBertActivation::tanh,
    }
}

/// Copies every variable's tensor, which bears its name.
fn fill(store: &mut VarStore, tensors: &Tensors) -> Result<()> {
    for (name, mut variable) in store.variables() {
        let shape: Vec<usize> = variable
            .size()
            .into_iter()
            .map(|length| usize::try_from(length).unwrap_or(0))
            .collect();
        match shape[..] {
            [rows, columns] => copy_matrix(&tensors.matrix(&name, rows, columns)?, &mut variable)?,
            [length] => {
                let values = tensors.vector(&old_name(&name, tensors), length)?;
                Tensor::f_from_slice(&values)
                    .and_then(|values| variable.f_copy_(&values))
                    .map_err(failure)?;
            }
            _ => return Err(failure(format_args!("`{name}` has the shape {shape:?}"))),
        }
    }
    store.freeze();
    Ok(())
}

/// Checkpoints from before 2019 call a norm's weight gamma and its bias beta.
fn old_name(name: &str, tensors: &Tensors) -> String {
    let old = match name.rsplit_once('.') {
        Some((stem, "weight")) => format!("{stem}.gamma"),
        Some((stem, "bias")) => format!("{stem}.beta"),
        _ => return name.to_owned(),
    };
    if tensors.contains(&old) { old } else { name.to_owned() }
}
