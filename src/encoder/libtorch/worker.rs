//! The thread that owns a model: takes jobs, makes padded batches of them, answers.
//!
//! Knows nothing of architectures; [`Classifier`] computes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tch::Device;

use super::classifier::{Classifier, Padded};
use super::failure;
use crate::error::Result;
use crate::model::{Config, Tensors};

/// Sequences to be computed, as in [`Batch`](crate::encoder::Batch), and where their logits go.
pub(super) struct Job {
    pub(super) ids: Vec<u32>,
    pub(super) ends: Vec<usize>,
    pub(super) reply: SyncSender<Result<Vec<f32>>>,
}

impl Job {
    fn sequences(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.ids[start..end])
    }
}

/// What the thread works with.
pub(super) struct Worker {
    classifier: Classifier,
    device: Device,
    labels: usize,
}

/// Jobs that wait are computed together until they have so many tokens.
const TOKENS_TOGETHER: usize = 1 << 15;

impl Worker {
    /// Starts the thread, which loads the model and then answers jobs until nobody can send any.
    pub(super) fn start(
        config: &Config,
        tensors: Tensors,
        device: Device,
        threads: usize,
        jobs: Receiver<Job>,
    ) -> Result<JoinHandle<()>> {
        let (loaded, outcome) = sync_channel(1);
        let config = config.clone();
        let run = move || {
            take_threads(threads);
            let _no_gradients = tch::no_grad_guard();
            let classifier = caught(|| Classifier::load(&config, &tensors, device));
            // All is copied: the bytes of the file can go.
            drop(tensors);
            match classifier {
                Ok(classifier) => {
                    let _ = loaded.send(Ok(()));
                    let labels = config.labels.len();
                    Worker { classifier, device, labels }.work(&jobs);
                }
                Err(error) => {
                    let _ = loaded.send(Err(error));
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("demarche-libtorch".into())
            .spawn(run)
            .map_err(|error| failure(format_args!("no thread for the model: {error}")))?;
        outcome.recv().unwrap_or_else(|_| Err(failure("its thread has ended")))?;
        Ok(thread)
    }

    fn work(&self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let mut tokens = job.ids.len();
            let mut waiting = vec![job];
            while tokens < TOKENS_TOGETHER {
                let Ok(job) = jobs.try_recv() else { break };
                tokens += job.ids.len();
                waiting.push(job);
            }
            self.answer(&waiting);
        }
    }

    /// A caller that no longer waits for its reply is no concern of the others.
    fn answer(&self, jobs: &[Job]) {
        match (caught(|| self.logits(jobs)), jobs) {
            (Ok(logits), jobs) => {
                for (job, logits) in jobs.iter().zip(logits) {
                    let _ = job.reply.send(Ok(logits));
                }
            }
            (Err(error), [job]) => {
                let _ = job.reply.send(Err(error));
            }
            // Only those at fault are to fail, say for want of memory.
            (Err(_), jobs) => jobs.chunks(1).for_each(|job| self.answer(job)),
        }
    }

    /// Logits `[sequences, labels]` of each job.
    fn logits(&self, jobs: &[Job]) -> Result<Vec<Vec<f32>>> {
        let mut logits: Vec<Vec<f32>> =
            jobs.iter().map(|job| vec![0.0; job.ends.len() * self.labels]).collect();
        let mut sequences: Vec<(usize, usize, &[u32])> = jobs
            .iter()
            .enumerate()
            .flat_map(|(job, own)| own.sequences().enumerate().map(move |(row, s)| (job, row, s)))
            .collect();
        // Neighbours of one length need no padding.
        sequences.sort_by_key(|(_, _, ids)| std::cmp::Reverse(ids.len()));

        let mut left = &sequences[..];
        while let Some((_, _, longest)) = left.first() {
            let count = (self.slots() / longest.len()).clamp(1, left.len());
            let (batch, rest) = left.split_at(count);
            left = rest;
            let ids: Vec<&[u32]> = batch.iter().map(|(_, _, ids)| *ids).collect();
            let rows = self.classifier.logits(&Padded::new(&ids, self.device)?)?;
            for ((job, row, _), values) in batch.iter().zip(rows.chunks_exact(self.labels)) {
                logits[*job][row * self.labels..][..self.labels].copy_from_slice(values);
            }
        }
        Ok(logits)
    }

    /// Tokens and padding of a batch, if it is not one longer sequence.
    fn slots(&self) -> usize {
        match self.device {
            // Activations stay near the caches.
            Device::Cpu => 1 << 10,
            _ => 1 << 14,
        }
    }
}

/// Gives the calling thread this many threads of libtorch's own.
///
/// libtorch keeps the number for the calling thread, and also as the default of threads that are new to
/// it. That one is put back.
fn take_threads(threads: usize) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let default = tch::get_num_threads();
    tch::set_num_threads(i32::try_from(threads).unwrap_or(default));
    std::thread::scope(|scope| {
        // Whether it could be put back or not, this thread's own number is set.
        let _ = scope.spawn(|| tch::set_num_threads(default)).join();
    });
}

/// Turns a panic of rust-bert or tch into an error.
fn caught<T>(compute: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic may leave half done belongs to the computation that it ended.
    catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| Err(failure(message(&*panic))))
}

/// The text of a panic, without what `unwrap` puts around an error of tch.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.as_str(),
        (_, Some(text)) => text,
        _ => "a panic without a message",
    };
    let text = text.split_once("Torch(\"").map_or(text, |(_, error)| error);
    text.split("\\n").next().unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors() {
        let error = caught::<()>(|| panic!("out of {}", "memory")).unwrap_err();
        assert_eq!(error.to_string(), "backend rust-bert: out of memory");
        let error = caught(|| {
            let (a, b) = (
                tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU),
                tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU),
            );
            Ok(a.matmul(&b))
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "backend rust-bert: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"
        );
    }

    #[test]
    fn threads_of_others_stay() {
        let of_a_new_thread = || std::thread::spawn(tch::get_num_threads).join().unwrap();
        let before = of_a_new_thread();
        let own = std::thread::spawn(|| {
            take_threads(3);
            tch::get_num_threads()
        });
        assert_eq!(own.join().unwrap(), 3);
        assert_eq!(of_a_new_thread(), before);
    }

    #[test]
    fn jobs_are_cut_into_sequences() {
        let (reply, _) = sync_channel(1);
        let job = Job { ids: vec![1, 2, 3, 4, 5, 6], ends: vec![2, 3, 6], reply };
        let sequences: Vec<&[u32]> = job.sequences().collect();
        assert_eq!(sequences, [&[1, 2][..], &[3], &[4, 5, 6]]);
    }
}
