//! Logits to probabilities, probabilities to labels.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{Config, Problem};
use crate::stance::{Stance, StanceSet};
use crate::statement::{Label, Probabilities};

/// From which probability on a label is decided.
///
/// With a single-label model the most likely label is decided if it reaches its threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds(Source);

#[derive(Clone, Debug, Default, PartialEq)]
enum Source {
    #[default]
    Config,
    Precise,
    Uniform(f32),
    Each(Vec<(String, f32)>),
}

impl Thresholds {
    /// Those that the model's config brings, chosen for the best F1. Without any: 0.5 for multi-label
    /// models, the most likely label for single-label ones.
    pub fn from_config() -> Self {
        Thresholds(Source::Config)
    }

    /// The config's second set, chosen for a precision of at least 0.9.
    pub fn precise() -> Self {
        Thresholds(Source::Precise)
    }

    /// One probability for all labels.
    pub fn uniform(probability: f32) -> Self {
        Thresholds(Source::Uniform(probability))
    }

    /// Those of the config, with other ones for some labels.
    ///
    /// ```
    /// # use demarche::Thresholds;
    /// let strict_on_threats = Thresholds::each([("threat", 0.9)]);
    /// ```
    pub fn each<L: Into<String>>(labels: impl IntoIterator<Item = (L, f32)>) -> Self {
        let pairs = labels.into_iter().map(|(label, threshold)| (label.into(), threshold));
        Thresholds(Source::Each(pairs.collect()))
    }
}

impl From<f32> for Thresholds {
    fn from(probability: f32) -> Self {
        Thresholds::uniform(probability)
    }
}

/// Calibration and thresholds of a model, ready to use.
#[derive(Debug)]
pub(crate) struct Decider {
    labels: Arc<[Label]>,
    /// The stance that each label is, if any.
    stances: Vec<Option<Stance>>,
    problem: Problem,
    temperatures: Vec<f32>,
    biases: Vec<f32>,
    thresholds: Vec<f32>,
}

/// What was decided of one sentence.
pub(crate) struct Decision {
    pub(crate) stances: StanceSet,
    pub(crate) other_labels: Vec<Label>,
    pub(crate) probabilities: Probabilities,
}

impl Decider {
    pub(crate) fn new(config: &Config, thresholds: &Thresholds) -> Result<Self> {
        let by_default = match config.problem {
            Problem::MultiLabel => 0.5,
            Problem::SingleLabel => 0.0,
        };
        let count = config.labels.len();
        let from_config = || config.thresholds.clone().unwrap_or_else(|| vec![by_default; count]);
        let thresholds = match &thresholds.0 {
            Source::Config => from_config(),
            Source::Precise => config.precise_thresholds.clone().ok_or_else(|| Error::Config {
                file: config.file.clone(),
                field: "demarche.precise_thresholds".into(),
                expected: "a threshold for every label, as `Thresholds::precise` asks for".into(),
                found: "nothing".into(),
            })?,
            Source::Uniform(threshold) => vec![probability(*threshold)?; count],
            Source::Each(pairs) => {
                let mut thresholds = from_config();
                for (label, threshold) in pairs {
                    let place = config.labels.iter().position(|name| name == label);
                    let place = place.ok_or_else(|| Error::Argument {
                        argument: "thresholds",
                        expected: format!("labels of the model ({})", config.labels.join(", ")),
                        found: format!("`{label}`"),
                    })?;
                    thresholds[place] = probability(*threshold)?;
                }
                thresholds
            }
        };
        Ok(Decider {
            labels: config.labels.iter().map(|label| label.as_str().into()).collect(),
            stances: config.labels.iter().map(|label| label.parse().ok()).collect(),
            problem: config.problem,
            temperatures: config.temperatures.clone(),
            biases: config.biases.clone(),
            thresholds,
        })
    }

    pub(crate) fn labels(&self) -> &Arc<[Label]> {
        &self.labels
    }

    pub(crate) fn thresholds(&self) -> &[f32] {
        &self.thresholds
    }

    /// Turns one row of logits into probabilities, in place.
    ///
    /// Temperature scaling by Guo et al., "On Calibration of Modern Neural Networks" (2017), one
    /// temperature and bias a label: `sigmoid(logit / temperature + bias)`, or the softmax of that.
    /// Finite logits give numbers from 0 to 1, however extreme the calibration.
    pub(crate) fn calibrate(&self, row: &mut [f32]) {
        let scaled = row.iter_mut().zip(self.temperatures.iter().zip(&self.biases));
        scaled.for_each(|(x, (temperature, bias))| {
            *x = (*x / temperature + bias).clamp(f32::MIN, f32::MAX);
        });
        match self.problem {
            Problem::MultiLabel => row.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
            Problem::SingleLabel => {
                let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|x| *x = (*x - highest).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
        }
    }

    pub(crate) fn decide(&self, probabilities: &[f32]) -> Decision {
        let probabilities = Probabilities::new(self.labels.clone(), probabilities.into());
        let values = probabilities.values();
        let reaches = |i: &usize| values[*i] >= self.thresholds[*i];
        let decided: Vec<usize> = match self.problem {
            Problem::MultiLabel => (0..values.len()).filter(reaches).collect(),
            Problem::SingleLabel => {
                let first_of_highest =
                    (0..values.len()).reduce(|a, b| if values[b] > values[a] { b } else { a });
                first_of_highest.into_iter().filter(reaches).collect()
            }
        };
        Decision {
            stances: decided.iter().filter_map(|&i| self.stances[i]).collect(),
            other_labels: decided
                .iter()
                .filter(|&&i| self.stances[i].is_none())
                .map(|&i| self.labels[i].clone())
                .collect(),
            probabilities,
        }
    }
}

fn probability(threshold: f32) -> Result<f32> {
    if (0.0..=1.0).contains(&threshold) {
        return Ok(threshold);
    }
    Err(Error::Argument {
        argument: "thresholds",
        expected: "a probability from 0 to 1".into(),
        found: threshold.to_string(),
    })
}
