//! A model whose files can be tampered with.

use std::sync::LazyLock;
use std::{fmt, fs};

use demarche::{Error, Tagger};

use super::tiny_model;

/// The three files of a model, to be tampered with.
#[derive(Clone)]
pub struct Model {
    pub config: Vec<u8>,
    pub tokenizer: Vec<u8>,
    pub weights: Vec<u8>,
}

/// Only sizes: the bytes would fill the screen.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = [&self.config, &self.tokenizer, &self.weights].map(Vec::len);
        f.debug_tuple("Model").field(&sizes).finish()
    }
}

impl Model {
    pub fn read(architecture: &str) -> Self {
        let read = |file| fs::read(tiny_model(architecture).join(file)).unwrap();
        Model {
            config: read("config.json"),
            tokenizer: read("tokenizer.json"),
            weights: read("model.safetensors"),
        }
    }

    pub fn load(self) -> Result<Tagger, Error> {
        let Model { config, tokenizer, weights } = self;
        Tagger::builder().model_bytes(config, tokenizer, weights).threads(1).build()
    }

    /// The error that loading must end with; it has to name everything in `expected`.
    #[track_caller]
    pub fn refused(self, expected: &[&str]) -> Error {
        let error = self.load().expect_err("a hostile model was loaded");
        let message = super::message(&error);
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        error
    }

    /// Loads and tags; errors are welcome, probabilities have to be some.
    pub fn survive(self) {
        let Ok(tagger) = self.load() else { return };
        for text in ["", "A sentence.", "Zwei! „Drei“, 四。", "\u{200d}\0 \u{301}"] {
            let Ok(scores) = tagger.score(&[text]) else { continue };
            assert!(scores.iter().all(|p| (0.0..=1.0).contains(p)), "{text:?}: {scores}");
        }
    }
}

pub static BERT: LazyLock<Model> = LazyLock::new(|| Model::read("bert"));
