//! stub
use super::{Batch, Encoder};
use crate::Result;
use crate::model::*;
/// p
#[derive(Clone, Copy, Debug, Default)]
pub enum Precision {
    /// a
    #[default]
    Auto,
    /// b
    F32,
    /// c
    Int8,
}
#[derive(Debug)]
pub(crate) struct Engine(usize);
impl Engine {
    pub(crate) fn new(c: &Config, _w: &Weights, _p: Precision) -> Result<Self> {
        Ok(Engine(c.labels.len()))
    }
}
impl Encoder for Engine {
    fn logits(&self, b: Batch<'_>) -> Result<Vec<f32>> {
        Ok(vec![0.0; self.0 * b.ends.len()])
    }
}
