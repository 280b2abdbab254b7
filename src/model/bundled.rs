//! The model that is compiled into the program.

use super::{Bytes, ModelFiles};

macro_rules! bundled {
    ($file:literal) => {
        Bytes::from(include_bytes!(concat!("../../models/demarche-small/", $file)).as_slice())
    };
}

impl ModelFiles {
    /// `models/demarche-small`.
    pub(crate) fn bundled() -> Self {
        ModelFiles::from_bytes(
            bundled!("config.json"),
            bundled!("tokenizer.json"),
            bundled!("model.safetensors"),
        )
    }
}
