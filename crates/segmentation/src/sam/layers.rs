//! Layers by their names in the weight file.

use super::{
    WeightsError,
    ops::{LayerNorm, Linear},
    weights::Weights,
};

/// `name.weight` \[outputs, inputs\] and `name.bias` \[outputs\].
pub(super) fn linear(
    weights: &Weights,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> Result<Linear, WeightsError> {
    let weight = weights.get(&format!("{name}.weight"), &[outputs, inputs])?;
    Ok(Linear::new(&weight, weights.get(&format!("{name}.bias"), &[outputs])?))
}

/// `name.weight` and `name.bias`, both \[width\].
pub(super) fn layer_norm(
    weights: &Weights,
    name: &str,
    width: usize,
    epsilon: f32,
) -> Result<LayerNorm, WeightsError> {
    let scale = weights.get(&format!("{name}.weight"), &[width])?;
    Ok(LayerNorm::new(scale, weights.get(&format!("{name}.bias"), &[width])?, epsilon))
}
