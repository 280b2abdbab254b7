//! rten-gemm's products of 128 rows with prepacked weights, in the shapes of an encoder of 384.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::rates;

/// Rows: the tokens that our engine takes through a layer together.
const ROWS: usize = 128;
/// Inputs and outputs of each product of a layer.
const SHAPES: [(&str, usize, usize); 4] = [
    ("queries, keys, values", 384, 1152),
    ("attention output", 384, 384),
    ("feed-forward, up", 384, 1536),
    ("feed-forward, down", 1536, 384),
];
const REPEATS: usize = 200;

/// Prints a line a shape. int8 gives i32 sums: scales, zero points and floats would come on top.
pub fn print() {
    let int8 = GemmExecutor::<u8, i8, i32>::default();
    let float = GemmExecutor::<f32>::default();
    println!("\nrten-gemm, {ROWS} rows: int8 by {}, f32 by {}", int8.kernel_name(), float.kernel_name());
    for (name, inputs, outputs) in SHAPES {
        let count = (REPEATS * ROWS * inputs * outputs) as u64;

        let rows = NdTensor::<u8, 2>::from_fn([ROWS, inputs], |[row, i]| (row * 7 + i * 3) as u8);
        let weights = NdTensor::<i8, 2>::from_fn([inputs, outputs], |[i, o]| ((i * 5 + o) % 127) as i8 - 63);
        let packed = int8.prepack_b(weights.view());
        let mut out = vec![0i32; ROWS * outputs];
        let int8_rates = rates(|| {
            for _ in 0..REPEATS {
                let (a, b) = (GemmInputA::Unpacked(rows.view()), GemmInputB::Packed(&packed));
                int8.gemm(&mut out, a, b, GemmOptions::default()).expect("shapes that fit");
            }
            count
        });

        let rows = NdTensor::<f32, 2>::from_fn([ROWS, inputs], |[row, i]| (row + i) as f32 / 512.0);
        let weights = NdTensor::<f32, 2>::from_fn([inputs, outputs], |[i, o]| (i + o) as f32 / 2048.0);
        let packed = float.prepack_b(weights.view());
        let mut out = vec![0f32; ROWS * outputs];
        let float_rates = rates(|| {
            for _ in 0..REPEATS / 4 {
                let (a, b) = (GemmInputA::Unpacked(rows.view()), GemmInputB::Packed(&packed));
                float.gemm(&mut out, a, b, GemmOptions::default()).expect("shapes that fit");
            }
            count / 4
        });
        println!("{name:24} {inputs:5} x {outputs:4}   int8 {int8_rates}   f32 {float_rates}");
    }
}
