//! One side of `cargo xtask bench peers`: reads commands, runs them, answers with milliseconds.
//!
//! The other side, `fixtures/bench/peer.py`, speaks the same lines for PyTorch, so that both can be
//! timed in turns on the same weights and inputs.
//!
//! | command | answer |
//! |---|---|
//! | `load MODEL SIDE WEIGHTS` | multiply-adds of one pass: by the definition, as computed forward and back |
//! | `forward N`, `gradient N` | ms for N images |
//! | `linearize` | ms to prepare for rows |
//! | `rows N` | ms for N rows at once, of the last linearisation |
//! | `product N` | GFLOP/s of an N×N×N matrix product |
//! | `peak` | largest resident memory since `reset`, MiB |
//! | `reset` | 0 |
//!
//! The other side answers `load` with milliseconds, and writes random weights for both on `weights
//! MODEL FILE`.

use std::{
    io::{BufRead as _, Write as _},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use hsets_autodiff::{Cpu, Graph, Linearized, Network, Node, Op, Weights};
use hsets_core::{Shape, Smoothing, Target};
use hsets_kernels::{Algorithm, Conv2d, Conv2dSpec, Padding};
use hsets_models::{Architecture, GraphOptions};

fn main() -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let mut bench: Option<&'static Bench> = None;
    let mut linearized = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["load", model, side, weights] => {
                // The process ends with its last command: nothing needs to be freed before.
                let loaded = Box::leak(Box::new(Bench::load(model, side.parse()?, weights)?));
                let [direct, forward, back] = loaded.multiply_adds;
                bench = Some(loaded);
                format!("{direct} {forward} {back}")
            }
            ["product", n] => product(n.parse()?).to_string(),
            ["peak"] => peak()?.to_string(),
            ["reset"] => reset()?.to_string(),
            _ => {
                let bench = bench.context("load a network first")?;
                let start = Instant::now();
                bench.run(&words, &mut linearized)?;
                (start.elapsed().as_secs_f64() * 1e3).to_string()
            }
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}

/// A network with inputs to time it on.
struct Bench {
    network: Network,
    images: Vec<Vec<f32>>,
    /// By the definition, and with the algorithms in use, forward and back.
    multiply_adds: [f64; 3],
}

/// Largest batch that is timed.
const BATCH: usize = 8;

impl Bench {
    fn load(model: &str, side: usize, weights: &str) -> Result<Self> {
        let shape = Shape::new(3, side, side);
        let architecture: Architecture = model.parse()?;
        let graph = architecture.graph(&GraphOptions::new(shape, 1000))?;
        let tensors = candle_core::safetensors::load(weights, &candle_core::Device::Cpu)?;
        let known = |name: &String| !name.ends_with("num_batches_tracked");
        let weights = Weights::new(tensors.into_iter().filter(|(name, _)| known(name)));
        let network = Network::new(&graph, &weights)?;
        // The formula is that of the other side.
        let pixel = |n: usize, i: usize| (((n * 31 + i) as f64 * 12.9898).sin()) as f32;
        let image = |n: usize| (0..shape.len()).map(|i| pixel(n, i)).collect();
        let images = (0..BATCH).map(image).collect();
        let direct = graph.multiply_adds() as f64;
        let [forward, back] = saved(&graph);
        Ok(Self { network, images, multiply_adds: [direct, direct - forward, direct - back] })
    }

    /// Does what a command says; `linearized` is what `linearize` leaves for `rows`.
    fn run(
        &'static self,
        words: &[&str],
        linearized: &mut Option<Linearized<'static, Cpu<f32>>>,
    ) -> Result<()> {
        match *words {
            ["forward", n] => {
                self.network.logits_of(&self.batch(n)?)?;
            }
            ["gradient", n] => {
                let batch = self.batch(n)?;
                self.network.gradients_of(&batch, &Target::Logit(0), Smoothing::Exact)?;
            }
            ["linearize"] => {
                drop(linearized.take()); // before the next one takes its memory
                let (image, target) = (&self.images[0], Target::Logit(0));
                *linearized = Some(self.network.linearized_at(image, &target, Smoothing::PAPER)?);
            }
            ["rows", n] => {
                let len = self.images[0].len();
                let features: Vec<usize> =
                    (0..n.parse()?).map(|i| (10_007 * i + 99) % len).collect();
                linearized.as_ref().context("linearize first")?.rows(&features)?;
            }
            _ => bail!("unknown command '{}'", words.join(" ")),
        }
        Ok(())
    }

    fn batch(&self, n: &str) -> Result<Vec<&[f32]>> {
        Ok(self.images[..n.parse::<usize>()?].iter().map(Vec::as_slice).collect())
    }
}

/// Multiply-adds of a pass forward and of one back that faster algorithms do without.
fn saved(graph: &Graph) -> [f64; 2] {
    let of_node = |node: &Node| match &node.op {
        Op::Conv2d { spec, .. } => {
            let direct = spec.weight_shape().iter().product::<usize>() * node.dims.plane();
            // Convolutions that these algorithms take have outputs as large as their inputs.
            let size = [node.dims.image().height, node.dims.image().width];
            let reductions = Algorithm::default().reductions(spec, size);
            reductions.map(|reduction| direct as f64 * (1.0 - 1.0 / reduction))
        }
        _ => [0.0; 2],
    };
    let add = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
    graph.nodes().iter().map(of_node).fold([0.0; 2], add)
}

/// GFLOP/s of an n×n×n matrix product: a 1×1 convolution is one.
fn product(n: usize) -> f64 {
    let spec = Conv2dSpec {
        in_channels: n,
        out_channels: n,
        groups: 1,
        kernel: [1; 2],
        stride: [1; 2],
        dilation: [1; 2],
        padding: Padding::all(0),
    };
    let conv = Conv2d::new(spec, vec![0.5f32; n * n]);
    let (x, mut out) = (vec![1.0f32; n * n], vec![0.0f32; n * n]);
    conv.forward(1, [1, n], &x, None, &mut out);
    let start = Instant::now();
    conv.forward(1, [1, n], &x, None, &mut out);
    2.0 * (n as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9
}

/// Begins to look for the largest resident memory anew.
fn reset() -> Result<u64> {
    std::fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak of memory")?;
    Ok(0)
}

/// Largest resident memory of this process in MiB.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("needs Linux")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM")).context("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024)
}
