//! First-order fields from any candle module, by candle's autograd.

use candle_core::{Device, Module, Tensor, Var};
use hsets_core::{Differentiable, Evaluation, Image, Result, Scored, Shape, Target};

/// A candle module as a [`Differentiable`] field: enough for Integrated Gradients and every other
/// first-order method. Hessian rows need a [`crate::Network`].
///
/// The gradients are as good as candle's `backward`, which scales max pooling wrongly and refuses
/// pooling with overlap; compare with finite differences before you trust a network with pooling.
pub struct ModuleField<M> {
    module: M,
    shape: Shape,
    n_classes: usize,
    device: Device,
}

impl<M: Module + Send + Sync> ModuleField<M> {
    /// Takes a module from images \[N, C, H, W\] in `f32` to logits \[N, K\]. Runs it once on zeros
    /// to learn K.
    pub fn new(module: M, shape: Shape, device: Device) -> crate::Result<Self> {
        let zeros = Tensor::zeros(dims(1, shape), candle_core::DType::F32, &device)?;
        let (_, n_classes) = module.forward(&zeros)?.dims2()?;
        Ok(Self { module, shape, n_classes, device })
    }

    fn upload(&self, images: &[Image]) -> Result<Tensor> {
        for image in images {
            image.expect_shape("image", self.shape)?;
        }
        let data: Vec<f32> = images.iter().flat_map(Image::data).copied().collect();
        Tensor::from_vec(data, dims(images.len(), self.shape), &self.device).map_err(failed)
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
}
