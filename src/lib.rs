//! Reads multilingual news text and says, sentence by sentence, which stance is taken in it.

pub mod segment;
