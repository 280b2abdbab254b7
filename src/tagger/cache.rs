//! Logits of sentences of earlier calls, in bounded number.

use std::collections::HashMap;

/// Longer sentences, in bytes, are not kept: they are rarely met again, and would make a count of sentences
/// no bound of memory.
const LONGEST: usize = 2048;

/// Two generations: what is used moves to the young one; when that is full, it becomes the old one, and what
/// was not used since is forgotten.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Sentences in a generation.
    capacity: usize,
    young: HashMap<Box<str>, Box<[f32]>>,
    old: HashMap<Box<str>, Box<[f32]>>,
}

impl Cache {
    /// Keeps at most `sentences` sentences, and never fewer than two.
    pub(crate) fn new(sentences: usize) -> Self {
        Cache { capacity: (sentences / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn get(&mut self, sentence: &str) -> Option<&[f32]> {
        if let Some((sentence, logits)) = self.old.remove_entry(sentence) {
            self.keep(sentence, logits);
        }
        self.young.get(sentence).map(|logits| &**logits)
    }

    pub(crate) fn insert(&mut self, sentence: &str, logits: &[f32]) {
        if sentence.len() <= LONGEST {
            self.keep(sentence.into(), logits.into());
        }
    }

    fn keep(&mut self, sentence: Box<str>, logits: Box<[f32]>) {
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(sentence, logits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_never_more_than_asked() {
        let mut cache = Cache::new(10);
        cache.insert("often", &[1.0]);
        for number in 0..1000 {
            cache.insert(&format!("once {number}"), &[0.0]);
            assert_eq!(cache.get("often"), Some(&[1.0][..]), "after {number} others");
            assert!(cache.young.len() + cache.old.len() <= 10);
        }
        assert_eq!(cache.get("once 0"), None);
        assert_eq!(cache.get("once 999"), Some(&[0.0][..]));
    }

    #[test]
    fn long_sentences_are_not_kept() {
        let mut cache = Cache::new(10);
        let long = "a".repeat(LONGEST + 1);
        cache.insert(&long, &[1.0]);
        assert_eq!(cache.get(&long), None);
    }
}
