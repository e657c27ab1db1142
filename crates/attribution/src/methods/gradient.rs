//! The gradient (Simonyan et al. 2014) and its product with the input.

use hsets_core::{Differentiable, Error, Image, Result, SaliencyMap, Target};

/// ∂f/∂xᵢ, signed, in units of the target per unit of the image.
pub fn gradient(field: &dyn Differentiable, image: &Image, target: &Target) -> Result<SaliencyMap> {
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    let evaluation = field.gradients(std::slice::from_ref(image), target)?.pop();
    let evaluation = evaluation.ok_or_else(|| Error::shape("gradients", "1 image", "none"))?;
    SaliencyMap::new(image.shape(), evaluation.gradient)
}

/// `(xᵢ - x'ᵢ) · ∂f/∂xᵢ`, signed. With the baseline x' = 0 it is the usual gradient × input.
pub fn gradient_times_input(
    field: &dyn Differentiable,
    baseline: &Image,
    image: &Image,
    target: &Target,
) -> Result<SaliencyMap> {
    baseline.expect_shape("baseline", image.shape())?;
    let mut map = gradient(field, image, target)?;
    let displacement = image.data().iter().zip(baseline.data()).map(|(x, b)| x - b);
    for (value, displacement) in map.data_mut().iter_mut().zip(displacement) {
        *value *= displacement;
    }
    Ok(map)
}
