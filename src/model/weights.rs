//! The weights of an encoder and its classification head, whatever the architecture calls them.

use super::config::{Architecture, Config};
use super::tensors::{Matrix, Tensors};
use crate::error::{Error, Result};

/// A post-norm transformer encoder with a classification head, in the order of computation.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) embedding: Embedding,
    pub(crate) layers: Vec<Layer>,
    pub(crate) head: Head,
}

/// Word row + position row + row of token type 0, then a norm, then perhaps a projection.
#[derive(Debug)]
pub(crate) struct Embedding {
    /// `[vocabulary, embedding]`
    pub(crate) words: Matrix,
    /// `[positions, embedding]`
    pub(crate) positions: Matrix,
    /// `[embedding]`: every token has type 0. `None` where the architecture has no types.
    pub(crate) token_type: Option<Vec<f32>>,
    pub(crate) norm: Norm,
    /// `[hidden, embedding]`. `None` where the two are equal.
    pub(crate) projection: Option<Linear>,
}

/// One transformer layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    /// After the heads are joined, before the residual.
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: Norm,
    /// hidden → intermediate, followed by the activation.
    pub(crate) up: Linear,
    /// intermediate → hidden.
    pub(crate) down: Linear,
    pub(crate) output_norm: Norm,
}

/// Pooled vector → dense → activation → classifier → logits.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) dense: Linear,
    /// `[labels, hidden]`
    pub(crate) classifier: Linear,
}

/// `y = x · weightᵀ + bias`
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[outputs, inputs]`
    pub(crate) weight: Matrix,
    /// `[outputs]`
    pub(crate) bias: Vec<f32>,
}

/// Layer norm over the columns of a matrix.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// What one architecture calls its tensors.
pub(super) struct Names {
    prefix: &'static str,
    layers: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    attention_output: &'static str,
    attention_norm: &'static str,
    up: &'static str,
    down: &'static str,
    output_norm: &'static str,
    dense: &'static str,
    classifier: &'static str,
    token_types: bool,
    /// Tensors that checkpoints may hold beside those that inference needs.
    ignored: &'static [&'static str],
}

impl Names {
    const BERT: Names = Names {
        prefix: "bert",
        layers: "encoder.layer",
        query: "attention.self.query",
        key: "attention.self.key",
        value: "attention.self.value",
        attention_output: "attention.output.dense",
        attention_norm: "attention.output.LayerNorm",
        up: "intermediate.dense",
        down: "output.dense",
        output_norm: "output.LayerNorm",
        dense: "bert.pooler.dense",
        classifier: "classifier",
        token_types: true,
        ignored: &["bert.embeddings.position_ids"],
    };
    const ROBERTA: Names = Names {
        prefix: "roberta",
        dense: "classifier.dense",
        classifier: "classifier.out_proj",
        ignored: &[
            "roberta.embeddings.position_ids",
            "roberta.pooler.dense.weight",
            "roberta.pooler.dense.bias",
        ],
        ..Names::BERT
    };
    const ELECTRA: Names = Names {
        prefix: "electra",
        dense: "classifier.dense",
        classifier: "classifier.out_proj",
        ignored: &["electra.embeddings.position_ids"],
        ..Names::BERT
    };
    const DISTILBERT: Names = Names {
        prefix: "distilbert",
        layers: "transformer.layer",
        query: "attention.q_lin",
        key: "attention.k_lin",
        value: "attention.v_lin",
        attention_output: "attention.out_lin",
        attention_norm: "sa_layer_norm",
        up: "ffn.lin1",
        down: "ffn.lin2",
        output_norm: "output_layer_norm",
        dense: "pre_classifier",
        classifier: "classifier",
        token_types: false,
        ignored: &["distilbert.embeddings.position_ids"],
    };
    #[cfg(feature = "rust-bert")]
    pub(super) const DEBERTA_V2: Names = Names {
        prefix: "deberta",
        query: "attention.self.query_proj",
        key: "attention.self.key_proj",
        value: "attention.self.value_proj",
        dense: "pooler.dense",
        ignored: &["deberta.embeddings.position_ids"],
        ..Names::BERT
    };
}

impl Weights {
    /// Takes from `tensors` what `config` calls for; anything missing, left over or of another shape is
    /// an error.
    pub(crate) fn read(config: &Config, tensors: &Tensors) -> Result<Self> {
        let names = match config.architecture {
            Architecture::Bert => Names::BERT,
            Architecture::Roberta | Architecture::XlmRoberta => Names::ROBERTA,
            Architecture::DistilBert => Names::DISTILBERT,
            Architecture::Electra => Names::ELECTRA,
            Architecture::DebertaV2 => {
                return Err(Error::Architecture {
                    file: config.file.clone(),
                    expected:
                        "bert, distilbert, roberta, xlm-roberta or electra for the CPU backend"
                            .into(),
                    found: "deberta-v2".into(),
                });
            }
        };
        let mut reader = Reader::new(tensors, &names);
        let weights = Weights {
            embedding: reader.embedding(config, &names)?,
            layers: reader.layers(config, &names)?,
            head: reader.head(config, &names)?,
        };
        reader.finish(config)?;
        Ok(weights)
    }
}

/// Reads tensors and remembers which were asked for.
pub(super) struct Reader<'t> {
    tensors: &'t Tensors,
    taken: std::collections::HashSet<String>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(tensors: &'t Tensors, names: &Names) -> Self {
        Reader { tensors, taken: names.ignored.iter().map(|&name| name.into()).collect() }
    }

    /// Nothing may be left over.
    pub(super) fn finish(self, config: &Config) -> Result<()> {
        let strangers = self.tensors.names().filter(|&name| !self.taken.contains(name));
        match strangers.min() {
            None => Ok(()),
            Some(name) => Err(Error::UnexpectedTensor {
                file: self.tensors.file().to_owned(),
                tensor: name.to_owned(),
                architecture: config.architecture.to_string(),
            }),
        }
    }

    fn embedding(&mut self, config: &Config, names: &Names) -> Result<Embedding> {
        let (hidden, size) = (config.hidden, config.embedding);
        let root = format!("{}.embeddings", names.prefix);
        Ok(Embedding {
            words: self.matrix(&format!("{root}.word_embeddings"), config.vocabulary, size)?,
            positions: self.matrix(
                &format!("{root}.position_embeddings"),
                config.position_rows,
                size,
            )?,
            token_type: if names.token_types {
                Some(self.token_type(&root, config.token_types, size)?)
            } else {
                None
            },
            norm: self.norm(&format!("{root}.LayerNorm"), size)?,
            projection: if size == hidden {
                None
            } else {
                Some(self.linear(&format!("{root}_project"), hidden, size)?)
            },
        })
    }

    /// The row of token type 0.
    pub(super) fn token_type(&mut self, root: &str, types: usize, size: usize) -> Result<Vec<f32>> {
        let types = self.matrix(&format!("{root}.token_type_embeddings"), types, size)?;
        let mut row = vec![0.0; size];
        types.row(0, &mut row);
        Ok(row)
    }

    pub(super) fn layers(&mut self, config: &Config, names: &Names) -> Result<Vec<Layer>> {
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        (0..config.layers)
            .map(|i| {
                let root = format!("{}.{}.{i}", names.prefix, names.layers);
                let name = |part: &str| format!("{root}.{part}");
                Ok(Layer {
                    query: self.linear(&name(names.query), hidden, hidden)?,
                    key: self.linear(&name(names.key), hidden, hidden)?,
                    value: self.linear(&name(names.value), hidden, hidden)?,
                    attention_output: self.linear(&name(names.attention_output), hidden, hidden)?,
                    attention_norm: self.norm(&name(names.attention_norm), hidden)?,
                    up: self.linear(&name(names.up), intermediate, hidden)?,
                    down: self.linear(&name(names.down), hidden, intermediate)?,
                    output_norm: self.norm(&name(names.output_norm), hidden)?,
                })
            })
            .collect()
    }

    pub(super) fn head(&mut self, config: &Config, names: &Names) -> Result<Head> {
        Ok(Head {
            dense: self.linear(names.dense, config.hidden, config.hidden)?,
            classifier: self.linear(names.classifier, config.labels.len(), config.hidden)?,
        })
    }

    pub(super) fn matrix(&mut self, stem: &str, rows: usize, columns: usize) -> Result<Matrix> {
        let name = format!("{stem}.weight");
        let matrix = self.tensors.matrix(&name, rows, columns)?;
        if !matches!(matrix.values, super::tensors::Values::Float(_)) {
            self.taken.insert(format!("{stem}.scale"));
        }
        if matrix.input_scales().is_some() {
            self.taken.insert(format!("{stem}.input_scale"));
        }
        self.taken.insert(name);
        Ok(matrix)
    }

    pub(super) fn linear(&mut self, stem: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        Ok(Linear {
            weight: self.matrix(stem, outputs, inputs)?,
            bias: self.vector(format!("{stem}.bias"), outputs)?,
        })
    }

    pub(super) fn norm(&mut self, stem: &str, size: usize) -> Result<Norm> {
        // Checkpoints from before 2019 call a norm's weight gamma and its bias beta.
        let old = self.tensors.contains(&format!("{stem}.gamma"));
        let (weight, bias) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Ok(Norm {
            weight: self.vector(format!("{stem}.{weight}"), size)?,
            bias: self.vector(format!("{stem}.{bias}"), size)?,
        })
    }

    #[cfg(feature = "rust-bert")]
    pub(super) fn array(&mut self, name: String, shape: &[usize]) -> Result<Vec<f32>> {
        let values = self.tensors.array(&name, shape)?;
        self.taken.insert(name);
        Ok(values)
    }

    fn vector(&mut self, name: String, length: usize) -> Result<Vec<f32>> {
        let values = self.tensors.vector(&name, length)?;
        self.taken.insert(name);
        Ok(values)
    }
}
