//! rten: ONNX in Rust.

use std::path::Path;
use std::sync::Arc;

use rten::{ModelOptions, NodeId, RunOptions, ThreadPool, ValueView};

use crate::Result;
use crate::measure::{Encoder, Sentence, padded, threads};

pub struct Model {
    model: rten::Model,
    ids: NodeId,
    mask: NodeId,
    logits: NodeId,
    options: RunOptions,
}

impl Model {
    pub fn load(file: &Path) -> Result<Self> {
        let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(file)?;
        let pool = ThreadPool::with_num_threads(threads()?);
        Ok(Model {
            ids: model.node_id("input_ids")?,
            mask: model.node_id("attention_mask")?,
            logits: model.node_id("logits")?,
            options: RunOptions::default().with_thread_pool(Some(Arc::new(pool))),
            model,
        })
    }
}

impl Encoder for Model {
    fn encode(&self, batch: &[&Sentence]) -> Result<Vec<Vec<f32>>> {
        let (ids, mask, width) = padded(batch);
        // ONNX says 64 bits, rten keeps 32.
        let signed =
            |values: Vec<u32>| values.into_iter().map(u32::cast_signed).collect::<Vec<_>>();
        let (ids, mask) = (signed(ids), signed(mask));
        let shape = [batch.len(), width];
        let inputs = vec![
            (self.ids, ValueView::from_shape(shape, &ids)?.into()),
            (self.mask, ValueView::from_shape(shape, &mask)?.into()),
        ];
        let [logits] = self.model.run_n(inputs, [self.logits], Some(self.options.clone()))?;
        let ([_, labels], values) = logits.into_shape_vec::<f32, 2>()?;
        Ok(values.chunks(labels).map(<[f32]>::to_vec).collect())
    }
}
