//! Counts what a call allocates once the buffers have grown.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::*;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting for each thread.
struct Counting;

// SAFETY: everything is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_batch_allocates_its_result_alone() {
    let models = ["xlm-roberta", "electra"];
    let precisions = [Precision::F32, Precision::Int8];
    for (name, precision) in models.into_iter().flat_map(|name| precisions.map(|p| (name, p))) {
        let engine = engine(name, precision, Kernels::detect());
        let ids: Vec<u32> = (0..300).collect();
        let batch = Batch { ids: &ids, ends: &[10, 40, 41, 150, 300] };
        engine.logits(batch).unwrap();
        let before = COUNT.get();
        let logits = engine.logits(batch).unwrap();
        assert_eq!(COUNT.get() - before, 1);
        assert_eq!(logits.len(), 5 * engine.model.labels());
    }
}
