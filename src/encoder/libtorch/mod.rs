//! The [`Encoder`](super::Encoder) over rust-bert and libtorch, for large checkpoints and GPUs.
//!
//! ```text
//! LibTorch ── bounded channel ──▶ worker ── padded batch ──▶ classifier ─┬─▶ models       BERT, DistilBERT
//!    ▲                              │                                    └─▶ transformer  the others
//!    └──── logits, or an error ─────┘
//! ```
//!
//! libtorch's tensors may be sent to another thread but not shared, so the worker alone owns the model,
//! and [`LibTorch`] is a handle to it. A panic of rust-bert or tch ends the request that raised it, not
//! the worker and not the caller.
//!
//! rust-bert 0.23 computes BERT and DistilBERT as their checkpoints ask. For others it does not, so
//! [`transformer`] computes those on the same libtorch, and ELECTRA with them: rust-bert's layer norms have
//! a fixed epsilon of 1e-12 where RoBERTa and XLM-RoBERTa have 1e-5, and its DeBERTa-v2 attention looks
//! relative positions up without the offset, divides their scores by `d` instead of `√d` and rounds the
//! logarithmic scale of far ones. Its pipelines are not used at all: they pad batches without a mask.
//!
//! tch's types stay in this room.

mod classifier;
mod disentangled;
mod layers;
mod models;
mod transformer;
mod worker;

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Batch, Device, Encoder};
use crate::error::{Error, Result};
use crate::model::{Config, Tensors};
use worker::{Job, Worker};

/// A handle to a model that lives on its own thread.
pub(crate) struct LibTorch {
    /// `None` only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    labels: usize,
    device: tch::Device,
}

/// Jobs that may wait for the worker; with more, callers wait before they hand theirs over.
const WAITING_JOBS: usize = 64;

impl LibTorch {
    /// Checks the tensors, starts the worker and copies them to the device.
    ///
    /// libtorch computes on `threads` threads; other users of libtorch in the process keep theirs.
    pub(crate) fn new(
        config: &Config,
        tensors: Tensors,
        device: Device,
        threads: usize,
    ) -> Result<Self> {
        let device = resolve(device)?;
        let (jobs, received) = sync_channel(WAITING_JOBS);
        let thread = Worker::start(config, tensors, device, threads, received)?;
        Ok(LibTorch { jobs: Some(jobs), thread: Some(thread), labels: config.labels.len(), device })
    }
}

impl Encoder for LibTorch {
    fn logits(&self, batch: Batch<'_>) -> Result<Vec<f32>> {
        let (reply, answer) = sync_channel(1);
        let job = Job { ids: batch.ids.to_vec(), ends: batch.ends.to_vec(), reply };
        let gone = || failure("its thread has ended");
        self.jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        let logits = answer.recv().map_err(|_| gone())??;
        debug_assert_eq!(logits.len(), batch.ends.len() * self.labels);
        Ok(logits)
    }

    fn name(&self) -> &'static str {
        NAME
    }

    /// Much at a time: the worker sorts sentences by length, so that little is padded.
    fn job_bytes(&self) -> usize {
        1 << 16
    }
}

impl Drop for LibTorch {
    fn drop(&mut self) {
        // The worker ends when nobody can send any more.
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // Its panics are answers to jobs; there is none left to hear of another.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for LibTorch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LibTorch").field("device", &self.device).finish_non_exhaustive()
    }
}

fn resolve(device: Device) -> Result<tch::Device> {
    match device {
        Device::Cpu => Ok(tch::Device::Cpu),
        Device::Best => Ok(tch::Device::cuda_if_available()),
        Device::Cuda(number) => {
            let seen = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
            if number < seen {
                return Ok(tch::Device::Cuda(number));
            }
            Err(Error::Argument {
                argument: "device",
                expected: match seen {
                    0 => "`Device::Cpu`, as libtorch sees no CUDA device".into(),
                    _ => format!("a CUDA device below the {seen} that libtorch sees"),
                },
                found: device.to_string(),
            })
        }
    }
}

const NAME: &str = "rust-bert";

/// What libtorch says, in one line: it appends where in its source it stood.
fn failure(reason: impl fmt::Display) -> Error {
    let reason = reason.to_string();
    let first = reason.lines().next().unwrap_or_default();
    Error::Backend { backend: NAME, reason: first.trim_end().to_owned() }
}
