//! Our results as rust-bert's `Label`s, and back.
//!
//! A `Label` of rust-bert is a label of one sentence: name, score, index in the model and index of the
//! sentence in its batch. Ours belong to a sentence already, so all that one conversion makes have
//! sentence 0; set [`sentence`](Label::sentence) where a batch is put together.

use rust_bert::pipelines::sequence_classification::Label;

use crate::stance::{Stance, UnknownStance};
use crate::statement::{Probabilities, Statement};

/// Every label with its probability, in the model's order.
impl From<&Probabilities> for Vec<Label> {
    fn from(probabilities: &Probabilities) -> Self {
        let labels = probabilities.iter().zip(0..);
        labels
            .map(|((text, probability), id)| Label {
                text: text.to_owned(),
                score: f64::from(probability),
                id,
                sentence: 0,
            })
            .collect()
    }
}

/// The decided labels, in the model's order; none for a neutral statement.
///
/// ```no_run
/// use rust_bert::pipelines::sequence_classification::Label;
///
/// let tagger = demarche::Tagger::from_dir("models/my-model")?;
/// for statement in tagger.tag("Seoul rejected the plan.")? {
///     let labels: Vec<Label> = (&statement).into();
///     for label in labels {
///         println!("{} ({:.2})", label.text, label.score);
///     }
/// }
/// # Ok::<(), demarche::Error>(())
/// ```
impl From<&Statement> for Vec<Label> {
    fn from(statement: &Statement) -> Self {
        let mut labels = Vec::from(&statement.probabilities);
        labels.retain(|label: &Label| statement.labels().any(|decided| decided == label.text));
        labels
    }
}

/// From all labels of one sentence; ordered by their index.
impl FromIterator<Label> for Probabilities {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut labels: Vec<Label> = labels.into_iter().collect();
        labels.sort_by_key(|label| label.id);
        let names = labels.iter().map(|label| label.text.as_str().into()).collect();
        // A probability has no use for more digits than f32 has.
        Probabilities::new(names, labels.iter().map(|label| label.score as f32).collect())
    }
}

/// From all labels of one sentence; ordered by their index.
impl From<Vec<Label>> for Probabilities {
    fn from(labels: Vec<Label>) -> Self {
        labels.into_iter().collect()
    }
}

/// By its name.
impl TryFrom<&Label> for Stance {
    type Error = UnknownStance;

    fn try_from(label: &Label) -> Result<Self, UnknownStance> {
        label.text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probabilities() -> Probabilities {
        Probabilities::new(["praise", "threat"].map(Into::into).into(), [0.25, 0.75].into())
    }

    #[test]
    fn probabilities_survive_the_way_there_and_back() {
        let mut labels = Vec::from(&probabilities());
        assert_eq!((labels[1].text.as_str(), labels[1].score, labels[1].id), ("threat", 0.75, 1));
        labels.reverse();
        assert_eq!(Probabilities::from(labels), probabilities());
    }

    #[test]
    fn statements_give_their_decided_labels() {
        let statement = Statement {
            range: 0..1,
            text: "x".into(),
            paragraph: 0,
            quotation: None,
            language: None,
            stances: [Stance::Threat].into_iter().collect(),
            other_labels: Vec::new(),
            probabilities: probabilities(),
        };
        let labels = Vec::from(&statement);
        assert_eq!(labels.len(), 1);
        assert_eq!(Stance::try_from(&labels[0]), Ok(Stance::Threat));
        assert!(Stance::try_from(&Vec::from(&probabilities())[0]).is_err());
    }
}
