//! Where a network runs.

use hsets_autodiff::{Backend, Cpu, Graph, Network, Weights};
use hsets_core::TwiceDifferentiable;

use crate::error::{Error, Result};

/// A device for networks. Those that are not compiled in are refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// Our own kernels, on rayon's threads.
    #[default]
    Cpu,
    /// The first CUDA device, by candle; feature `cuda`.
    Cuda,
    /// The first Metal device, by candle; feature `metal`.
    Metal,
}

impl Device {
    /// Binds weights to a graph on this device, with a budget of `memory` bytes for activations
    /// ([`Network::DEFAULT_MEMORY`] where there is none).
    pub fn bind(
        self,
        graph: &Graph,
        weights: &Weights,
        memory: Option<usize>,
    ) -> Result<Box<dyn TwiceDifferentiable>> {
        if self == Self::Cpu {
            return boxed(Network::<Cpu<f32>>::new(graph, weights)?, memory);
        }
        boxed(Network::on_device(graph, weights, &self.candle()?)?, memory)
    }

    /// The device as candle has it.
    pub fn candle(self) -> Result<candle_core::Device> {
        let device = match self {
            Self::Cpu => Ok(candle_core::Device::Cpu),
            Self::Cuda if cfg!(feature = "cuda") => candle_core::Device::new_cuda(0),
            Self::Metal if cfg!(feature = "metal") => candle_core::Device::new_metal(0),
            Self::Cuda => return Err(not_in_this_build("cuda")),
            Self::Metal => return Err(not_in_this_build("metal")),
        };
        Ok(device.map_err(hsets_autodiff::Error::from)?)
    }
}

fn boxed<B: Backend>(
    network: Network<B>,
    memory: Option<usize>,
) -> Result<Box<dyn TwiceDifferentiable>>
where
    Network<B>: TwiceDifferentiable + 'static,
{
    Ok(match memory {
        Some(bytes) => Box::new(network.with_memory(bytes)?),
        None => Box::new(network),
    })
}

fn not_in_this_build(feature: &'static str) -> Error {
    Error::NotCompiled { what: format!("device '{feature}'"), feature }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, GraphOptions};
    use hsets_core::Shape;

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_that_is_not_compiled_in_is_named() {
        let architecture: Architecture = "resnet20".parse().unwrap();
        let graph = architecture.graph(&GraphOptions::new(Shape::new(3, 32, 32), 2)).unwrap();
        let weights = Weights::random(&graph, 1).unwrap();
        let Err(error) = Device::Cuda.bind(&graph, &weights, None) else {
            panic!("bound to nothing")
        };
        let text = error.to_string();
        assert_eq!(text, "device 'cuda' is not in this build; enable feature 'cuda'");
        assert_eq!(Device::Cpu.bind(&graph, &weights, None).unwrap().n_classes(), 2);
    }
    #[test]
    fn a_budget_too_small_for_one_image_is_refused() {
        let architecture: Architecture = "resnet20".parse().unwrap();
        let graph = architecture.graph(&GraphOptions::new(Shape::new(3, 32, 32), 2)).unwrap();
        let weights = Weights::random(&graph, 1).unwrap();
        let Err(error) = Device::Cpu.bind(&graph, &weights, Some(100)) else {
            panic!("ran in 100 bytes")
        };
        let text = error.to_string();
        assert!(text.contains("one image needs") && text.contains("MiB"), "{text}");
        assert!(Device::Cpu.bind(&graph, &weights, Some(64 << 20)).is_ok());
    }
}
