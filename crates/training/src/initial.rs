//! The weights training starts from.

use candle_core::DType;
use hsets_autodiff::{Error as NetworkError, Graph, GraphBuilder, Op, Weights};
use hsets_core::Shape;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::Result;
use crate::random::{Purpose, stream};

/// Random weights by seed: convolutions normal with variance 2/fan-in (He et al. 2015), fully
/// connected layers uniform within ±1/√fan-in, biases of both likewise, batch norms the identity.
pub fn initial_values(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    let mut values: Vec<Vec<f32>> =
        graph.parameters().iter().map(|p| vec![0.0; p.shape.iter().product()]).collect();
    for node in graph.nodes() {
        let (weight, bias, is_linear) = match &node.op {
            Op::Conv2d { weight, bias, .. } => (*weight, *bias, false),
            Op::Linear { weight, bias, .. } => (*weight, *bias, true),
            Op::BatchNorm { parameters: [weight, _, _, variance], .. } => {
                values[weight.index()].fill(1.0);
                values[variance.index()].fill(1.0);
                continue;
            }
            _ => continue,
        };
        let fan_in: usize = graph.parameter(weight).shape[1..].iter().product();
        let bound = 1.0 / (fan_in as f32).sqrt();
        for id in std::iter::once(weight).chain(bias) {
            let mut rng = stream(seed, Purpose::Weights, id.index() as u64, 0);
            for value in &mut values[id.index()] {
                *value = if is_linear || id != weight {
                    bound * rng.random_range(-1.0..1.0)
                } else {
                    let normal: f32 = StandardNormal.sample(&mut rng);
                    normal * std::f32::consts::SQRT_2 * bound
                };
            }
        }
    }
    values
}

/// The weights as numbers in the order of the graph, in `f32`; `None` for those that are not there
/// in the right shape.
pub fn values_of(weights: &Weights, graph: &Graph) -> Result<Vec<Option<Vec<f32>>>> {
    let value = |name: &str, shape: &[usize]| {
        let tensor = weights.get(name).filter(|tensor| tensor.dims() == shape);
        let numbers = tensor.map(|t| t.flatten_all()?.to_dtype(DType::F32)?.to_vec1());
        numbers.transpose().map_err(NetworkError::from)
    };
    let values = graph.parameters().iter().map(|p| value(&p.name, &p.shape));
    Ok(values.collect::<Result<_, _>>()?)
}

/// The last layer of a network alone: a fully connected layer of this name on features.
pub fn head(n_features: usize, name: &str, n_logits: usize) -> Result<Graph> {
    let mut g = GraphBuilder::new(Shape::new(n_features, 1, 1));
    let features = g.input();
    let logits = g.linear(features, name, n_logits)?;
    Ok(g.finish(logits))
}
