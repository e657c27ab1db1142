//! First-order fields from any candle module, by candle's autograd.

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Module, Tensor, Var};
use hsets_core::{Differentiable, Evaluation, Image, Result, Scored, Shape, Target};

use crate::weights::Hashed;

/// A candle module as a [`Differentiable`] field: enough for Integrated Gradients and every other
/// first-order method. Hessian rows need a [`crate::Network`].
///
/// The gradients are those of candle's `backward`, which scales max pooling wrongly and passes by
/// operations that have no backward pass, such as `softmax_last_dim` and the layer norm of candle-nn,
/// without a word. So the first gradient is compared with finite differences, and refused where it is
/// not the derivative of the logits. Logits are not affected.
pub struct ModuleField<M> {
    module: M,
    shape: Shape,
    n_classes: usize,
    device: Device,
    is_checked: AtomicBool,
}

impl<M: Module + Send + Sync> ModuleField<M> {
    /// Takes a module from images \[N, C, H, W\] in `f32` to logits \[N, K\]. Runs it once on zeros
    /// to learn K.
    pub fn new(module: M, shape: Shape, device: Device) -> crate::Result<Self> {
        let zeros = Tensor::zeros(dims(1, shape), candle_core::DType::F32, &device)?;
        let (_, n_classes) = module.forward(&zeros)?.dims2()?;
        Ok(Self { module, shape, n_classes, device, is_checked: AtomicBool::new(false) })
    }

    fn upload(&self, images: &[Image]) -> Result<Tensor> {
        for image in images {
            image.expect_shape("image", self.shape)?;
        }
        let data: Vec<f32> = images.iter().flat_map(Image::data).copied().collect();
        Tensor::from_vec(data, dims(images.len(), self.shape), &self.device).map_err(failed)
    }

    /// Compares a gradient with central differences along directions of ±1.
    fn check(&self, image: &Image, target: &Target, found: &Evaluation) -> Result<()> {
        let wide = |logits: &[f32]| logits.iter().map(|&z| f64::from(z)).collect::<Vec<_>>();
        let target = target.fixed(&found.logits);
        let most = image.data().iter().fold(1.0f32, |most, value| most.max(value.abs()));
        let step = STEP * most;
        let (mut error, mut size) = (0.0f64, 0.0f64);
        for at in 0..N_DIRECTIONS {
            let mut random = Hashed::new("direction", at);
            let sign = |_| random.next().signum() as f32;
            let direction: Vec<f32> = (0..self.shape.len()).map(sign).collect();
            let moved = |by: f32| {
                let data = image.data().iter().zip(&direction).map(|(x, d)| x + by * d);
                Image::new(self.shape, data.collect())
            };
            let logits = self.logits(&[moved(step)?, moved(-step)?])?;
            let [up, down] = [0, 1].map(|side| target.value(&wide(&logits[side])));
            let measured = (up - down) / (2.0 * f64::from(step));
            let pairs = found.gradient.iter().zip(&direction);
            let claimed: f64 = pairs.map(|(g, d)| f64::from(g * d)).sum();
            error += (measured - claimed).powi(2);
            size += measured.powi(2).max(claimed.powi(2));
        }
        let logit = found.logits.iter().fold(0.0f32, |most, z| most.max(z.abs()));
        let rounding = f64::from(8.0 * f32::EPSILON * logit / step) * (N_DIRECTIONS as f64).sqrt();
        if error.sqrt() <= TOLERANCE * size.sqrt() + rounding {
            return Ok(());
        }
        Err(crate::Error::Unsupported(format!(
            "the gradient that candle gives of this module is not the derivative of its logits: off \
             by {:.0} % along random directions. An operation in it has no backward pass, such as \
             softmax_last_dim or the layer norm of candle-nn, or a wrong one, such as max pooling; \
             a Network from the same weights has exact derivatives",
            100.0 * (error / size).sqrt()
        ))
        .into())
    }

    /// Logits and gradients of a batch.
    fn evaluate(&self, x: &Tensor, target: &Target) -> candle_core::Result<Vec<Evaluation>> {
        let x = Var::from_tensor(x)?;
        let output = self.module.forward(&x)?;
        let logits: Vec<Vec<f32>> = output.to_vec2()?;
        let seed = |logits: &Vec<f32>| {
            let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
            target.gradient(&wide).into_iter().map(|g| g as f32).collect::<Vec<_>>()
        };
        let seeds: Vec<f32> = logits.iter().flat_map(seed).collect();
        let seeds = Tensor::from_vec(seeds, output.dims(), &self.device)?;
        let gradients = (output * seeds)?.sum_all()?.backward()?;
        let gradient = match gradients.get(&x) {
            Some(gradient) => gradient.flatten_from(1)?.to_vec2()?,
            None => vec![vec![0.0; self.shape.len()]; logits.len()],
        };
        let both = logits.into_iter().zip(gradient);
        Ok(both.map(|(logits, gradient)| Evaluation { logits, gradient }).collect())
    }
}

/// Images that go through together.
const BATCH: usize = 8;
/// Directions along which a gradient is compared.
const N_DIRECTIONS: u64 = 4;
/// Step of the differences, as a share of the largest pixel: kinks within it are few, and rounding
/// is far below it.
const STEP: f32 = 2e-3;
/// Error of the gradient that kinks and curvature may cause. One that lacks a branch is off by more
/// than half.
const TOLERANCE: f64 = 0.2;

impl<M: Module + Send + Sync> Scored for ModuleField<M> {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        let mut logits = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            let output = self.module.forward(&self.upload(batch)?).map_err(failed)?;
            logits.extend(output.to_vec2().map_err(failed)?);
        }
        Ok(logits)
    }
}

impl<M: Module + Send + Sync> Differentiable for ModuleField<M> {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        target.check(self.n_classes)?;
        let mut evaluations = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            evaluations.extend(self.evaluate(&self.upload(batch)?, target).map_err(failed)?);
        }
        if let (Some(image), Some(found)) = (images.first(), evaluations.first())
            && !self.is_checked.load(Ordering::Relaxed)
        {
            self.check(image, target, found)?;
            self.is_checked.store(true, Ordering::Relaxed);
        }
        Ok(evaluations)
    }
}

fn dims(n: usize, shape: Shape) -> (usize, usize, usize, usize) {
    (n, shape.channels, shape.height, shape.width)
}

fn failed(error: candle_core::Error) -> hsets_core::Error {
    crate::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, GraphBuilder, Network, Weights};

    #[test]
    fn agrees_with_the_engine() {
        let shape = Shape::new(1, 2, 3);
        let mut g = GraphBuilder::new(shape);
        let x = g.flatten(g.input());
        let x = g.linear(x, "a", 5).unwrap();
        let x = g.activation(x, Activation::Silu);
        let x = g.linear(x, "b", 3).unwrap();
        let graph = g.finish(x);
        let weights = Weights::random(&graph, 4).unwrap();
        let network: Network = Network::new(&graph, &weights).unwrap();

        let get = |name: &str| weights.get(name).unwrap().clone();
        let layers = ["a", "b"].map(|n| (get(&format!("{n}.weight")), get(&format!("{n}.bias"))));
        let module = move |x: &Tensor| {
            let [(a, a_bias), (b, b_bias)] = &layers;
            let x = x.flatten_from(1)?.matmul(&a.t()?)?.broadcast_add(a_bias)?;
            x.silu()?.matmul(&b.t()?)?.broadcast_add(b_bias)
        };
        let field = ModuleField::new(module, shape, Device::Cpu).unwrap();
        assert_eq!(field.n_classes(), 3);

        let image = Image::new(shape, vec![0.3, -1.0, 0.5, 2.0, -0.2, 0.9]).unwrap();
        for target in [Target::Top, Target::LogProbability(1)] {
            let ours = network.gradients(std::slice::from_ref(&image), &target).unwrap();
            let theirs = field.gradients(std::slice::from_ref(&image), &target).unwrap();
            for (a, b) in ours[0].gradient.iter().zip(&theirs[0].gradient) {
                assert!((a - b).abs() < 1e-5, "{a} against {b}");
            }
        }
    }

    /// `detach` stands for every operation without a backward pass.
    #[test]
    fn a_gradient_that_lacks_a_branch_is_refused() {
        let shape = Shape::new(1, 2, 3);
        let module = |x: &Tensor| {
            let x = x.flatten_from(1)?;
            (&x + x.detach().sqr()?)?.narrow(1, 0, 3)
        };
        let field = ModuleField::new(module, shape, Device::Cpu).unwrap();
        let image = Image::new(shape, vec![0.3, -1.0, 0.5, 2.0, -0.2, 0.9]).unwrap();
        let images = std::slice::from_ref(&image);
        assert_eq!(field.logits(images).unwrap()[0].len(), 3);
        let refused = field.gradients(images, &Target::Logit(1)).unwrap_err().to_string();
        assert!(refused.contains("no backward pass"), "{refused}");
        // Where nothing moves, nothing is wrong.
        let still = |x: &Tensor| x.flatten_from(1)?.narrow(1, 0, 3)?.zeros_like();
        let field = ModuleField::new(still, shape, Device::Cpu).unwrap();
        assert_eq!(field.gradients(images, &Target::Logit(1)).unwrap()[0].gradient, [0.0; 6]);
    }
}
