//! The model that is compiled into the program.

use super::{Bytes, ModelFiles};

macro_rules! bundled {
    ($folder:literal) => {
        ModelFiles::from_bytes(
            bundled!($folder, "config.json"),
            bundled!($folder, "tokenizer.json"),
            bundled!($folder, "model.safetensors"),
        )
    };
    ($folder:literal, $file:literal) => {
        Bytes::from(include_bytes!(concat!("../../models/", $folder, "/", $file)).as_slice())
    };
}

impl ModelFiles {
    /// The best model that is compiled in.
    #[cfg(feature = "bundled-small")]
    pub(crate) fn bundled() -> Self {
        bundled!("demarche-small")
    }

    /// The best model that is compiled in.
    #[cfg(not(feature = "bundled-small"))]
    pub(crate) fn bundled() -> Self {
        bundled!("demarche-nano")
    }
}
