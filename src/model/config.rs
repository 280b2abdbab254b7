//! `config.json` of a Hugging Face sequence classifier, validated.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// What the encoder and the decisions need to know of a model; every number is in its range.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that it was read from, for errors.
    pub(crate) file: String,
    pub(crate) architecture: Architecture,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    /// Columns of the embedding tables; other than the hidden size, they are projected to it.
    pub(crate) embedding: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) intermediate: usize,
    pub(crate) activation: Activation,
    pub(crate) norm_epsilon: f32,
    /// Rows of the position table.
    pub(crate) position_rows: usize,
    /// Row of the first token: 0, or `pad_token_id + 1` in the RoBERTa family.
    pub(crate) first_position: usize,
    pub(crate) token_types: usize,
    pub(crate) pooling: Pooling,
    /// Activation between the head's dense layer and the classifier.
    pub(crate) head_activation: Activation,
    /// Label names by index, all different.
    pub(crate) labels: Vec<String>,
    pub(crate) problem: Problem,
    /// Decision thresholds, one a label. Empty: none in the config.
    pub(crate) thresholds: Option<Vec<f32>>,
    /// Thresholds chosen for precision rather than F1.
    pub(crate) precise_thresholds: Option<Vec<f32>>,
    /// Logits are divided by these before they become probabilities.
    pub(crate) temperatures: Vec<f32>,
    /// And these are added.
    pub(crate) biases: Vec<f32>,
    /// Hidden values that an int8 engine should not round with the others.
    pub(crate) outliers: Outliers,
    /// What only DeBERTa-v2 has.
    #[cfg(feature = "rust-bert")]
    pub(crate) deberta: Option<super::deberta::Settings>,
}

/// For each layer the one hidden value that is so much larger than the others that they would share few codes
/// (`"demarche": {"outliers": {"attention": […], "feed_forward": […]}}`); the idea of LLM.int8() (Dettmers et al. 2022), chosen once and for
/// all. A list that is not given is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outliers {
    /// Of what queries, keys and values are made from.
    pub(crate) attention: Vec<usize>,
    /// Of what the feed-forward block reads.
    pub(crate) feed_forward: Vec<usize>,
}

/// Architectures whose sequence classifiers can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Bert,
    DistilBert,
    Roberta,
    XlmRoberta,
    Electra,
    DebertaV2,
}

/// Element-wise functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x · Φ(x) with the error function.
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    Relu,
    Tanh,
}

/// Which vector stands for the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The first token's, as the architectures' own heads do.
    First,
    /// The mean over all tokens (`"demarche": {"pooling": "mean"}`).
    Mean,
}

/// How logits become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Softmax: one label a sentence.
    SingleLabel,
    /// A sigmoid a label: any number of labels.
    MultiLabel,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Bert => "bert",
            Architecture::DistilBert => "distilbert",
            Architecture::Roberta => "roberta",
            Architecture::XlmRoberta => "xlm-roberta",
            Architecture::Electra => "electra",
            Architecture::DebertaV2 => "deberta-v2",
        })
    }
}

/// The keys that are read, as they stand in the file; DistilBERT's other names are aliases.
#[derive(Deserialize)]
struct Raw {
    model_type: Option<String>,
    vocab_size: Option<u64>,
    #[serde(alias = "dim")]
    hidden_size: Option<u64>,
    /// Of ELECTRA and DeBERTa alone.
    embedding_size: Option<u64>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<u64>,
    #[serde(alias = "n_heads")]
    num_attention_heads: Option<u64>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: Option<u64>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    max_position_embeddings: Option<u64>,
    position_embedding_type: Option<String>,
    type_vocab_size: Option<u64>,
    layer_norm_eps: Option<f64>,
    pad_token_id: Option<u64>,
    /// Of DeBERTa alone.
    pooler_hidden_act: Option<String>,
    id2label: Option<BTreeMap<String, String>>,
    problem_type: Option<String>,
    #[serde(default)]
    demarche: Extra,
}

/// Our own keys.
#[derive(Default, Deserialize)]
struct Extra {
    pooling: Option<String>,
    thresholds: Option<BTreeMap<String, Value>>,
    precise_thresholds: Option<BTreeMap<String, Value>>,
    temperatures: Option<BTreeMap<String, Value>>,
    biases: Option<BTreeMap<String, Value>>,
    outliers: Option<RawOutliers>,
}

#[derive(Default, Deserialize)]
struct RawOutliers {
    attention: Option<Value>,
    feed_forward: Option<Value>,
}

impl Config {
    /// Parses and checks the bytes of `config.json`, called `file` in errors.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|source| Error::Json { file: file.to_owned(), source })?;
        #[allow(unused_mut, reason = "only with the feature there is more to read")]
        let mut config = Check { file }.config(raw)?;
        #[cfg(feature = "rust-bert")]
        if config.architecture == Architecture::DebertaV2 {
            config.deberta = Some(super::deberta::Settings::parse(&config, bytes)?);
        }
        Ok(config)
    }

    /// Tokens that a sequence may have, special ones included.
    pub(crate) fn max_tokens(&self) -> usize {
        self.position_rows - self.first_position
    }
}

/// Turns raw fields into checked ones; knows the file's name for the errors.
struct Check<'f> {
    file: &'f str,
}

impl Check<'_> {
    fn config(&self, raw: Raw) -> Result<Config> {
        let architecture = self.architecture(raw.model_type.as_deref())?;
        let roberta = matches!(architecture, Architecture::Roberta | Architecture::XlmRoberta);
        let deberta = architecture == Architecture::DebertaV2;

        let hidden = self.size("hidden_size", raw.hidden_size, 1 << 14)?;
        let embedding = match (architecture, raw.embedding_size) {
            // As transformers fills the gap.
            (Architecture::Electra, None) => 128,
            (Architecture::Electra | Architecture::DebertaV2, some @ Some(_)) => {
                self.size("embedding_size", some, 1 << 14)?
            }
            _ => hidden,
        };
        let heads = self.size("num_attention_heads", raw.num_attention_heads, 1 << 10)?;
        if !hidden.is_multiple_of(heads) {
            return Err(self.wrong(
                "num_attention_heads",
                format!("a divisor of the hidden size {hidden}"),
                heads,
            ));
        }
        let position_rows =
            self.size("max_position_embeddings", raw.max_position_embeddings, 1 << 17)?;
        let first_position = if roberta {
            let pad = raw.pad_token_id.unwrap_or(1);
            usize::try_from(pad).unwrap_or(usize::MAX).saturating_add(1)
        } else {
            0
        };
        // A start, an end and one token between them.
        if position_rows.saturating_sub(first_position) < 3 {
            return Err(self.wrong(
                "max_position_embeddings",
                format!("room for three tokens from position {first_position} on"),
                position_rows,
            ));
        }
        if let Some(kind) = raw.position_embedding_type.filter(|kind| kind != "absolute") {
            return Err(self.wrong("position_embedding_type", "`absolute`", kind));
        }
        let norm_epsilon = match raw.layer_norm_eps {
            Some(epsilon) if epsilon > 0.0 && epsilon < 1.0 => epsilon as f32,
            Some(epsilon) => {
                return Err(self.wrong("layer_norm_eps", "a number between 0 and 1", epsilon));
            }
            None if deberta => 1e-7,
            None => 1e-12,
        };
        let labels = self.labels(raw.id2label)?;
        let problem = match raw.problem_type.as_deref() {
            Some("multi_label_classification") => Problem::MultiLabel,
            // What transformers assumes where the field is missing, too.
            Some("single_label_classification") | None => Problem::SingleLabel,
            Some(other) => {
                let expected = "`single_label_classification` or `multi_label_classification`";
                return Err(self.wrong("problem_type", expected, other));
            }
        };
        let extra = raw.demarche;
        let probability = |x: f32| (0.0..=1.0).contains(&x);
        let per_label = |field, map, valid, expected, default| {
            self.per_label(field, map, &labels, valid, expected, default)
        };
        let unit = "a number from 0 to 1 for every label";
        let layers = self.size("num_hidden_layers", raw.num_hidden_layers, 1 << 8)?;
        let RawOutliers { attention, feed_forward } = extra.outliers.unwrap_or_default();
        let outliers = Outliers {
            attention: self.outliers("attention", attention, layers, hidden)?,
            feed_forward: self.outliers("feed_forward", feed_forward, layers, hidden)?,
        };
        Ok(Config {
            file: self.file.to_owned(),
            architecture,
            vocabulary: self.size("vocab_size", raw.vocab_size, 1 << 22)?,
            hidden,
            embedding,
            layers,
            heads,
            intermediate: self.size("intermediate_size", raw.intermediate_size, 1 << 16)?,
            activation: self.activation("hidden_act", raw.hidden_act.as_deref())?,
            norm_epsilon,
            position_rows,
            first_position,
            token_types: match raw.type_vocab_size {
                None if roberta => 1,
                // DeBERTa may do without token types.
                None | Some(0) if deberta => 0,
                None => 2,
                some => self.size("type_vocab_size", some, 1 << 10)?,
            },
            pooling: match extra.pooling.as_deref() {
                None | Some("first") => Pooling::First,
                Some("mean") => Pooling::Mean,
                Some(other) => {
                    return Err(self.wrong("demarche.pooling", "`first` or `mean`", other));
                }
            },
            head_activation: match architecture {
                Architecture::DistilBert => Activation::Relu,
                // Whatever the activation of the layers.
                Architecture::Electra => Activation::Gelu,
                Architecture::DebertaV2 if raw.pooler_hidden_act.as_deref() != Some("tanh") => {
                    self.activation("pooler_hidden_act", raw.pooler_hidden_act.as_deref())?
                }
                _ => Activation::Tanh,
            },
            thresholds: match extra.thresholds {
                None => None,
                some => Some(per_label("thresholds", some, &probability, unit, None)?),
            },
            precise_thresholds: match extra.precise_thresholds {
                None => None,
                some => Some(per_label("precise_thresholds", some, &probability, unit, None)?),
            },
            temperatures: per_label(
                "temperatures",
                extra.temperatures,
                &|x| x > 0.0 && x.is_finite(),
                "a number above 0",
                Some(1.0),
            )?,
            biases: per_label(
                "biases",
                extra.biases,
                &f32::is_finite,
                "a finite number",
                Some(0.0),
            )?,
            labels,
            problem,
            outliers,
            #[cfg(feature = "rust-bert")]
            deberta: None,
        })
    }

    /// One hidden value a layer, or none at all.
    fn outliers(
        &self,
        field: &str,
        value: Option<Value>,
        layers: usize,
        hidden: usize,
    ) -> Result<Vec<usize>> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let index = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|&i| i < hidden);
        let indices: Option<Vec<usize>> =
            value.as_array().and_then(|values| values.iter().map(index).collect());
        indices.filter(|indices| indices.len() == layers).ok_or_else(|| {
            let expected = format!("{layers} whole numbers below {hidden}, one a layer");
            self.wrong(&format!("demarche.outliers.{field}"), expected, &value)
        })
    }

    fn architecture(&self, model_type: Option<&str>) -> Result<Architecture> {
        Ok(match model_type {
            Some("bert") => Architecture::Bert,
            Some("distilbert") => Architecture::DistilBert,
            Some("roberta") => Architecture::Roberta,
            Some("xlm-roberta") => Architecture::XlmRoberta,
            Some("electra") => Architecture::Electra,
            Some("deberta-v2") => Architecture::DebertaV2,
            other => {
                return Err(Error::Architecture {
                    file: self.file.to_owned(),
                    expected:
                        "bert, distilbert, roberta, xlm-roberta, electra or (rust-bert) deberta-v2"
                            .into(),
                    found: other.unwrap_or("nothing").to_owned(),
                });
            }
        })
    }

    fn activation(&self, field: &str, name: Option<&str>) -> Result<Activation> {
        match name {
            Some("gelu") | None => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Ok(Activation::GeluTanh),
            Some("relu") => Ok(Activation::Relu),
            Some(other) => {
                Err(self.wrong(field, "`gelu`, `gelu_new`, `gelu_pytorch_tanh` or `relu`", other))
            }
        }
    }

    fn labels(&self, id2label: Option<BTreeMap<String, String>>) -> Result<Vec<String>> {
        const MOST: usize = 1 << 12;
        let map = id2label
            .ok_or_else(|| self.wrong("id2label", "a map from index to label name", "nothing"))?;
        if map.is_empty() || map.len() > MOST {
            return Err(self.wrong("id2label", format!("1 to {MOST} labels"), map.len()));
        }
        let mut labels: Vec<Option<String>> = vec![None; map.len()];
        for (index, label) in map {
            let place = index.parse::<usize>().ok().and_then(|i| labels.get_mut(i));
            match place {
                Some(place) if place.is_none() => *place = Some(label),
                _ => {
                    let expected = "the indices from 0 on without a gap";
                    return Err(self.wrong("id2label", expected, format!("`{index}`")));
                }
            }
        }
        // As many indices as places and no place taken twice: all are filled.
        let labels: Vec<String> = labels.into_iter().flatten().collect();
        let mut sorted = labels.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(self.wrong("id2label", "different names", format!("`{}` twice", pair[0])))
            }
            None => Ok(labels),
        }
    }

    /// One number a label, in label order.
    fn per_label(
        &self,
        field: &str,
        map: Option<BTreeMap<String, Value>>,
        labels: &[String],
        valid: &dyn Fn(f32) -> bool,
        expected: &str,
        default: Option<f32>,
    ) -> Result<Vec<f32>> {
        let map = map.unwrap_or_default();
        let path = |label: &str| format!("demarche.{field}.{label}");
        if let Some(stranger) = map.keys().find(|&key| !labels.contains(key)) {
            return Err(self.wrong(
                &path(stranger),
                "a label of `id2label`",
                format!("`{stranger}`"),
            ));
        }
        labels
            .iter()
            .map(|label| match (map.get(label), default) {
                (None, Some(default)) => Ok(default),
                (value, _) => value
                    .and_then(Value::as_f64)
                    .map(|x| x as f32)
                    .filter(|&x| valid(x))
                    .ok_or_else(|| {
                        let found = value.map_or("nothing".into(), Value::to_string);
                        self.wrong(&path(label), expected, found)
                    }),
            })
            .collect()
    }

    fn size(&self, field: &str, value: Option<u64>, most: usize) -> Result<usize> {
        value
            .and_then(|value| usize::try_from(value).ok())
            .filter(|&value| value > 0 && value <= most)
            .ok_or_else(|| {
                let found = value.map_or("nothing".into(), |value| value.to_string());
                self.wrong(field, format!("an integer from 1 to {most}"), found)
            })
    }

    fn wrong(&self, field: &str, expected: impl Into<String>, found: impl fmt::Display) -> Error {
        Error::Config {
            file: self.file.to_owned(),
            field: field.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}
