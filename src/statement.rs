//! What a tagger gives back.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::segment::Language;
use crate::stance::{Stance, StanceSet};

/// A sentence and the stances that it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Bytes of the input, on character boundaries, without white space at either end.
    pub range: Range<usize>,
    /// The sentence.
    pub text: String,
    /// The paragraph that it stands in, counted from 0.
    pub paragraph: usize,
    /// Bytes of the innermost quotation that covers the sentence.
    pub quotation: Option<Range<usize>>,
    /// The language given to the tagger, or guessed from the paragraph.
    pub language: Option<Language>,
    /// Stances whose probability reaches their threshold; often none.
    pub stances: StanceSet,
    /// Decided labels of a checkpoint that are no [`Stance`]; empty with the bundled models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_labels: Vec<Label>,
    /// A probability for each label of the model.
    pub probabilities: Probabilities,
}

impl Statement {
    /// Names of all decided labels: the stances, then other labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let stances = self.stances.iter().map(|stance| stance.name());
        stances.chain(self.other_labels.iter().map(|label| &**label))
    }

    /// Whether no label was decided.
    pub fn is_neutral(&self) -> bool {
        self.stances.is_empty() && self.other_labels.is_empty()
    }
}

/// The name of a label, as in the model's `id2label`.
pub type Label = Arc<str>;

/// One probability from 0 to 1 for each label of a model, in the model's order.
///
/// With a multi-label model they are independent, with a single-label model they sum to 1.
///
/// ```
/// use demarche::{Probabilities, Stance};
///
/// let p: Probabilities = serde_json::from_str(r#"{"support": 0.9, "threat": 0.1}"#)?;
/// assert_eq!(p.of(Stance::Support), Some(0.9));
/// assert_eq!(p.get("praise"), None);
/// assert_eq!(p.most_likely(), Some(("support", 0.9)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Probabilities {
    labels: Arc<[Label]>,
    values: Box<[f32]>,
}

impl Probabilities {
    /// `labels` and `values` are of one length.
    pub(crate) fn new(labels: Arc<[Label]>, values: Box<[f32]>) -> Self {
        debug_assert_eq!(labels.len(), values.len());
        Probabilities { labels, values }
    }

    /// The probability of a stance; `None` if the model has no such label.
    pub fn of(&self, stance: Stance) -> Option<f32> {
        self.get(stance.name())
    }

    /// The probability of a label; `None` if the model has no such label.
    pub fn get(&self, label: &str) -> Option<f32> {
        self.iter().find(|(name, _)| *name == label).map(|(_, value)| value)
    }

    /// Labels with their probabilities, in the model's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f32)> {
        self.labels.iter().map(|label| &**label).zip(self.values.iter().copied())
    }

    /// The probabilities alone, in the model's order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The label with the highest probability, the first of equals.
    pub fn most_likely(&self) -> Option<(&str, f32)> {
        self.iter().reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

impl fmt::Debug for Probabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A map from label to probability.
impl Serialize for Probabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Probabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Probabilities;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from label to probability")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Self::Value, M::Error> {
                let (mut labels, mut values) = (Vec::new(), Vec::new());
                while let Some((label, value)) = map.next_entry::<String, f32>()? {
                    labels.push(label.into());
                    values.push(value);
                }
                Ok(Probabilities::new(labels.into(), values.into()))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
