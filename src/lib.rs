//! Reads multilingual news text and says, sentence by sentence, which stance is taken in it.

mod encoder;
mod error;
mod model;
pub mod segment;

pub use error::{Error, Result};
