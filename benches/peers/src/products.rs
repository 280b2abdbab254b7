//! rten-gemm's products with prepacked weights, in the shapes of an encoder of 6 layers × 384.

use rayon::ThreadPoolBuilder;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, QuantParams};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::Result;
use crate::clock::rate;

const LAYERS: usize = 6;
/// Rows: the tokens that our engine takes through a layer together.
const ROWS: usize = 128;
/// Inputs and outputs of each product of a layer.
const SHAPES: [(&str, usize, usize); 4] = [
    ("queries, keys, values", 384, 1152),
    ("attention output", 384, 384),
    ("feed-forward, up", 384, 1536),
    ("feed-forward, down", 1536, 384),
];
const REPEATS: usize = 100;

/// Prints a line a shape, and the tokens a second of an encoder that did nothing else.
pub fn print() -> Result<()> {
    // It takes the threads of the pool that it is called from.
    ThreadPoolBuilder::new().num_threads(1).build()?.install(products);
    Ok(())
}

fn products() {
    let int8 = GemmExecutor::<u8, i8, i32>::default();
    let float = GemmExecutor::<f32>::default();
    println!("{ROWS} rows, GMAC/s: int8 by {}, f32 by {}", int8.kernel_name(), float.kernel_name());
    let (mut int8_seconds, mut float_seconds) = (0.0, 0.0);
    for (name, inputs, outputs) in SHAPES {
        let count = ROWS * inputs * outputs;
        let int8_rate = int8_rate(&int8, inputs, outputs);
        let float_rate = float_rate(&float, inputs, outputs);
        println!(
            "{name:22} {inputs:5} x {outputs:4}   int8 {int8_rate:6.1}   f32 {float_rate:6.1}"
        );
        int8_seconds += count as f64 / int8_rate / 1e9;
        float_seconds += count as f64 / float_rate / 1e9;
    }
    let tokens = |seconds: f64| ROWS as f64 / (seconds * LAYERS as f64);
    let (int8, float) = (tokens(int8_seconds), tokens(float_seconds));
    println!("alone in {LAYERS} layers: int8 {int8:.0}, f32 {float:.0} tokens/s");
}

/// With a zero point a row, as activations quantised row by row have. Gives i32 sums: there is no output in f32
/// for int8, so that scales and biases would come on top.
fn int8_rate(executor: &GemmExecutor<u8, i8, i32>, inputs: usize, outputs: usize) -> f64 {
    let rows = NdTensor::<u8, 2>::from_fn([ROWS, inputs], |[row, i]| (row * 7 + i * 3) as u8);
    let zeros = [100; ROWS];
    let weights =
        NdTensor::<i8, 2>::from_fn([inputs, outputs], |[i, o]| ((i * 5 + o) % 127) as i8 - 63);
    let packed = executor.prepack_b(weights.view());
    let mut out = vec![0; ROWS * outputs];
    rate(|| {
        for _ in 0..REPEATS {
            let (a, b) = (GemmInputA::Unpacked(rows.view()), GemmInputB::Packed(&packed));
            let options = GemmOptions {
                a_quant: Some(QuantParams { zero_point: &zeros }),
                ..GemmOptions::default()
            };
            executor.gemm(&mut out, a, b, options).expect("shapes that fit");
        }
        (REPEATS * ROWS * inputs * outputs) as u64
    })
}

fn float_rate(executor: &GemmExecutor<f32>, inputs: usize, outputs: usize) -> f64 {
    let rows = NdTensor::<f32, 2>::from_fn([ROWS, inputs], |[row, i]| (row + i) as f32 / 512.0);
    let weights = NdTensor::<f32, 2>::from_fn([inputs, outputs], |[i, o]| (i + o) as f32 / 2048.0);
    let packed = executor.prepack_b(weights.view());
    let mut out = vec![0.0; ROWS * outputs];
    rate(|| {
        for _ in 0..REPEATS {
            let (a, b) = (GemmInputA::Unpacked(rows.view()), GemmInputB::Packed(&packed));
            executor.gemm(&mut out, a, b, GemmOptions::default()).expect("shapes that fit");
        }
        (REPEATS * ROWS * inputs * outputs) as u64
    })
}
