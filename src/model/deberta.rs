//! What DeBERTa-v2 has beyond the BERT family: settings of its attention, and the tensors of it.
//!
//! Field and tensor names are those of transformers' `DebertaV2ForSequenceClassification`. Only the
//! rust-bert backend computes this architecture.

use serde::Deserialize;

use super::config::{Activation, Config};
use super::tensors::{Matrix, Tensors};
use super::weights::{Head, Layer, Linear, Names, Norm, Reader};
use crate::error::{Error, Result};

/// The checked part of `config.json` that only DeBERTa-v2 has.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Whether a position row is added to each token, as in BERT.
    pub(crate) absolute_positions: bool,
    /// Content is compared with relative positions.
    pub(crate) content_to_position: bool,
    /// Relative positions are compared with content.
    pub(crate) position_to_content: bool,
    /// `None`: attention looks at content alone.
    pub(crate) relative: Option<Relative>,
    /// Over the embeddings, beside the first layer.
    pub(crate) convolution: Option<Convolution>,
}

/// How distances between tokens become rows of the table of relative positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relative {
    /// Half of the table's rows: distances from -span to span - 1 have one.
    pub(crate) span: usize,
    /// Distances beyond half of the buckets share them on a logarithmic scale. `None`: none share.
    pub(crate) buckets: Option<usize>,
    /// The distance that the scale ends at.
    pub(crate) farthest: usize,
    /// The content's projections serve for positions too.
    pub(crate) shared_projections: bool,
    /// The table goes through a layer norm.
    pub(crate) norm: bool,
}

/// A one-dimensional convolution along the sentence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution {
    pub(crate) kernel: usize,
    pub(crate) groups: usize,
    pub(crate) activation: Activation,
}

#[derive(Deserialize)]
struct Raw {
    pooler_hidden_size: Option<i64>,
    attention_head_size: Option<i64>,
    position_biased_input: Option<bool>,
    pos_att_type: Option<Words>,
    relative_attention: Option<bool>,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    share_att_key: Option<bool>,
    norm_rel_ebd: Option<Words>,
    conv_kernel_size: Option<i64>,
    conv_groups: Option<i64>,
    conv_act: Option<String>,
}

/// A list, or one string with `|` between.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Each(Vec<String>),
}

impl Words {
    fn list(self) -> Vec<String> {
        let words = match self {
            Words::One(words) => words.split('|').map(str::to_owned).collect(),
            Words::Each(words) => words,
        };
        words.into_iter().map(|word| word.trim().to_lowercase()).collect()
    }
}

impl Settings {
    /// Parses and checks the bytes of `config.json`, of which `config` was read before.
    pub(crate) fn parse(config: &Config, bytes: &[u8]) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|source| Error::Json { file: config.file.clone(), source })?;
        Check { config }.settings(raw)
    }

    /// Terms that an attention score is the sum of.
    pub(crate) fn terms(&self) -> usize {
        1 + usize::from(self.content_to_position) + usize::from(self.position_to_content)
    }
}

struct Check<'c> {
    config: &'c Config,
}

impl Check<'_> {
    fn settings(&self, raw: Raw) -> Result<Settings> {
        let hidden = self.config.hidden;
        self.exactly("pooler_hidden_size", raw.pooler_hidden_size, hidden)?;
        self.exactly("attention_head_size", raw.attention_head_size, hidden / self.config.heads)?;

        let terms = raw.pos_att_type.map(Words::list).unwrap_or_default();
        if let Some(other) = terms.iter().find(|term| !["c2p", "p2c"].contains(&term.as_str())) {
            return Err(self.wrong("pos_att_type", "`c2p`, `p2c` or both", other.clone()));
        }
        let relative = match raw.relative_attention {
            Some(true) => {
                let norm = raw.norm_rel_ebd.map(Words::list).unwrap_or_default();
                self.relative(
                    raw.max_relative_positions,
                    raw.position_buckets,
                    raw.share_att_key.unwrap_or(false),
                    norm.iter().any(|norm| norm == "layer_norm"),
                )?
                .into()
            }
            _ => None,
        };
        let convolution = match raw.conv_kernel_size {
            None | Some(..=0) => None,
            Some(kernel) => Some(self.convolution(kernel, raw.conv_groups, raw.conv_act)?),
        };
        Ok(Settings {
            absolute_positions: raw.position_biased_input.unwrap_or(true),
            content_to_position: terms.iter().any(|term| term == "c2p"),
            position_to_content: terms.iter().any(|term| term == "p2c"),
            relative,
            convolution,
        })
    }

    fn relative(
        &self,
        farthest: Option<i64>,
        buckets: Option<i64>,
        shared_projections: bool,
        norm: bool,
    ) -> Result<Relative> {
        // Numbers below 1 stand for "not set".
        let set = |value: Option<i64>| value.filter(|&value| value > 0);
        let farthest = self.number(
            "max_relative_positions",
            set(farthest),
            1,
            1 << 17,
            self.config.position_rows,
        )?;
        let buckets = match set(buckets) {
            None => None,
            // The logarithmic scale runs from half of the buckets to the farthest distance.
            some => Some(self.number(
                "position_buckets",
                some,
                2,
                (2 * farthest).saturating_sub(3),
                0,
            )?),
        };
        let span = buckets.unwrap_or(farthest);
        Ok(Relative { span, buckets, farthest, shared_projections, norm })
    }

    fn convolution(
        &self,
        kernel: i64,
        groups: Option<i64>,
        activation: Option<String>,
    ) -> Result<Convolution> {
        let kernel = self.number("conv_kernel_size", Some(kernel), 1, 63, 0)?;
        if kernel.is_multiple_of(2) {
            return Err(self.wrong("conv_kernel_size", "an odd number", kernel.to_string()));
        }
        let groups = self.number("conv_groups", groups, 1, self.config.hidden, 1)?;
        if !self.config.hidden.is_multiple_of(groups) {
            let expected = "a divisor of the hidden size";
            return Err(self.wrong("conv_groups", expected, groups.to_string()));
        }
        let activation = match activation.as_deref() {
            None | Some("tanh") => Activation::Tanh,
            Some("gelu") => Activation::Gelu,
            Some("relu") => Activation::Relu,
            Some(other) => {
                return Err(self.wrong("conv_act", "`tanh`, `gelu` or `relu`", other.into()));
            }
        };
        Ok(Convolution { kernel, groups, activation })
    }

    fn number(
        &self,
        field: &str,
        value: Option<i64>,
        least: usize,
        most: usize,
        default: usize,
    ) -> Result<usize> {
        let Some(value) = value else { return Ok(default) };
        usize::try_from(value).ok().filter(|value| (least..=most).contains(value)).ok_or_else(
            || self.wrong(field, &format!("an integer from {least} to {most}"), value.to_string()),
        )
    }

    fn exactly(&self, field: &str, value: Option<i64>, only: usize) -> Result<()> {
        self.number(field, value, only, only, only).map(|_| ())
    }

    fn wrong(&self, field: &str, expected: &str, found: String) -> Error {
        Error::Config {
            file: self.config.file.clone(),
            field: field.to_owned(),
            expected: expected.to_owned(),
            found,
        }
    }
}

/// The weights of a DeBERTa-v2 classifier, in the order of computation.
#[derive(Debug)]
pub(crate) struct DebertaWeights {
    /// `[vocabulary, embedding]`
    pub(crate) words: Matrix,
    /// `[positions, embedding]`
    pub(crate) positions: Option<Matrix>,
    /// `[embedding]`: every token has type 0.
    pub(crate) token_type: Option<Vec<f32>>,
    /// `[hidden, embedding]`, without a bias.
    pub(crate) projection: Option<Matrix>,
    pub(crate) norm: Norm,
    /// `[2 · span, hidden]`
    pub(crate) relative: Option<Matrix>,
    pub(crate) relative_norm: Option<Norm>,
    pub(crate) layers: Vec<DebertaLayer>,
    pub(crate) convolution: Option<ConvolutionWeights>,
    pub(crate) head: Head,
}

/// A layer of the BERT family, and its projections of relative positions if it has own ones.
#[derive(Debug)]
pub(crate) struct DebertaLayer {
    pub(crate) layer: Layer,
    pub(crate) position_key: Option<Linear>,
    pub(crate) position_query: Option<Linear>,
}

#[derive(Debug)]
pub(crate) struct ConvolutionWeights {
    /// `[hidden, hidden / groups, kernel]`
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) norm: Norm,
}

impl DebertaWeights {
    /// Takes from `tensors` what the settings call for; anything missing, left over or of another
    /// shape is an error.
    pub(crate) fn read(config: &Config, settings: &Settings, tensors: &Tensors) -> Result<Self> {
        let names = &Names::DEBERTA_V2;
        let mut reader = Reader::new(tensors, names);
        let (hidden, size) = (config.hidden, config.embedding);
        let root = "deberta.embeddings";
        let encoder = "deberta.encoder";
        let relative = settings.relative;
        let own_projections = relative.is_some_and(|relative| !relative.shared_projections);

        let words = reader.matrix(&format!("{root}.word_embeddings"), config.vocabulary, size)?;
        let positions = match settings.absolute_positions {
            true => {
                let name = format!("{root}.position_embeddings");
                Some(reader.matrix(&name, config.position_rows, size)?)
            }
            false => None,
        };
        let token_type = match config.token_types {
            0 => None,
            types => Some(reader.token_type(root, types, size)?),
        };
        let projection = match size == hidden {
            true => None,
            false => Some(reader.matrix(&format!("{root}.embed_proj"), hidden, size)?),
        };
        let norm = reader.norm(&format!("{root}.LayerNorm"), hidden)?;
        let layers = reader.layers(config, names)?.into_iter().enumerate().map(|(i, layer)| {
            let mut projection = |name, wanted| match own_projections && wanted {
                true => {
                    let name = format!("{encoder}.layer.{i}.attention.self.{name}");
                    reader.linear(&name, hidden, hidden).map(Some)
                }
                false => Ok(None),
            };
            Ok(DebertaLayer {
                layer,
                position_key: projection("pos_key_proj", settings.content_to_position)?,
                position_query: projection("pos_query_proj", settings.position_to_content)?,
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        let weights = DebertaWeights {
            words,
            positions,
            token_type,
            projection,
            norm,
            layers,
            relative: match relative {
                Some(relative) => {
                    let name = format!("{encoder}.rel_embeddings");
                    Some(reader.matrix(&name, 2 * relative.span, hidden)?)
                }
                None => None,
            },
            relative_norm: match relative {
                Some(Relative { norm: true, .. }) => {
                    Some(reader.norm(&format!("{encoder}.LayerNorm"), hidden)?)
                }
                _ => None,
            },
            convolution: match settings.convolution {
                Some(Convolution { kernel, groups, .. }) => Some(ConvolutionWeights {
                    weight: reader.array(
                        format!("{encoder}.conv.conv.weight"),
                        &[hidden, hidden / groups, kernel],
                    )?,
                    bias: reader.array(format!("{encoder}.conv.conv.bias"), &[hidden])?,
                    norm: reader.norm(&format!("{encoder}.conv.LayerNorm"), hidden)?,
                }),
                None => None,
            },
            head: reader.head(config, names)?,
        };
        reader.finish(config)?;
        Ok(weights)
    }
}
