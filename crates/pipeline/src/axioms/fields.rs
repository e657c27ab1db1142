//! Functions made of a function, for which an axiom says something.

use hsets_core::{
    Curvature, Differentiable, Error, Evaluation, FeatureSet, Image, Link, Result, Scored, Shape,
    Smoothing, Target, TwiceDifferentiable,
};

use super::mirrored;

type Field<'a> = &'a dyn TwiceDifferentiable;

/// f with some features fixed to those of an image: they are null players.
pub(super) struct Frozen<'a> {
    pub(super) field: Field<'a>,
    pub(super) null: &'a FeatureSet,
    pub(super) image: &'a Image,
}

impl Frozen<'_> {
    fn fixed(&self, image: &Image) -> Result<Image> {
        let mut data = image.data().to_vec();
        self.null.iter().for_each(|feature| data[feature] = self.image.data()[feature]);
        Image::new(image.shape(), data)
    }
}

/// Zero at all features of `null`.
fn without(mut vector: Vec<f32>, null: &FeatureSet) -> Vec<f32> {
    null.iter().for_each(|feature| vector[feature] = 0.0);
    vector
}

impl Scored for Frozen<'_> {
    fn shape(&self) -> Shape {
        self.field.shape()
    }

    fn n_classes(&self) -> usize {
        self.field.n_classes()
    }

    fn link(&self) -> Link {
        self.field.link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        let fixed: Vec<Image> =
            images.iter().map(|image| self.fixed(image)).collect::<Result<_>>()?;
        self.field.logits(&fixed)
    }
}

impl Differentiable for Frozen<'_> {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        let fixed: Vec<Image> =
            images.iter().map(|image| self.fixed(image)).collect::<Result<_>>()?;
        let found = self.field.gradients(&fixed, target)?;
        let cut = |Evaluation { logits, gradient }| Evaluation {
            logits,
            gradient: without(gradient, self.null),
        };
        Ok(found.into_iter().map(cut).collect())
    }
}

impl TwiceDifferentiable for Frozen<'_> {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        let curvature = self.field.curvature_at(&self.fixed(image)?, target, smoothing)?;
        let gradient = without(curvature.gradient().to_vec(), self.null);
        Ok(Box::new(FrozenCurvature { curvature, gradient, null: self.null }))
    }
}

struct FrozenCurvature<'a> {
    curvature: Box<dyn Curvature + 'a>,
    gradient: Vec<f32>,
    null: &'a FeatureSet,
}

impl Curvature for FrozenCurvature<'_> {
    fn logits(&self) -> &[f32] {
        self.curvature.logits()
    }

    fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let cut = |direction: &Vec<f32>| without(direction.clone(), self.null);
        let directions: Vec<Vec<f32>> = directions.iter().map(cut).collect();
        let products = self.curvature.products(&directions)?;
        Ok(products.into_iter().map(|product| without(product, self.null)).collect())
    }
}

/// (f(x) + f(mirrored x)) / 2, class by class: it cannot tell left from right.
pub(super) struct Mirrored<'a>(pub(super) Field<'a>);

/// An image and its mirror image.
fn both(image: &Image) -> Result<[Image; 2]> {
    let mirror = Image::new(image.shape(), mirrored(image.shape(), image.data()))?;
    Ok([image.clone(), mirror])
}

/// Mean of a vector over the features and the mirror image of another.
fn mean(shape: Shape, a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(mirrored(shape, b)).map(|(a, b)| f32::midpoint(*a, b)).collect()
}

fn mean_logits(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| f32::midpoint(*a, *b)).collect()
}

/// The target as weights of the logits: its gradient there.
fn weights(target: &Target, logits: &[f32]) -> Target {
    let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
    Target::Weighted(target.gradient(&wide).into_iter().map(|w| w as f32).collect())
}

impl Scored for Mirrored<'_> {
    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn n_classes(&self) -> usize {
        self.0.n_classes()
    }

    fn link(&self) -> Link {
        self.0.link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        let both: Vec<[Image; 2]> = images.iter().map(both).collect::<Result<_>>()?;
        let logits = self.0.logits(both.as_flattened())?;
        Ok(logits.chunks_exact(2).map(|pair| mean_logits(&pair[0], &pair[1])).collect())
    }
}

impl Differentiable for Mirrored<'_> {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        let shape = self.shape();
        let is_linear =
            matches!(target, Target::Logit(_) | Target::Difference { .. } | Target::Weighted(_));
        if is_linear {
            let both: Vec<[Image; 2]> = images.iter().map(both).collect::<Result<_>>()?;
            let found = self.0.gradients(both.as_flattened(), target)?;
            let pair = |pair: &[Evaluation]| Evaluation {
                logits: mean_logits(&pair[0].logits, &pair[1].logits),
                gradient: mean(shape, &pair[0].gradient, &pair[1].gradient),
            };
            return Ok(found.chunks_exact(2).map(pair).collect());
        }
        let mut evaluations = Vec::with_capacity(images.len());
        for (image, logits) in images.iter().zip(self.logits(images)?) {
            let linear = weights(target, &logits);
            evaluations.extend(self.gradients(std::slice::from_ref(image), &linear)?);
        }
        Ok(evaluations)
    }
}

impl TwiceDifferentiable for Mirrored<'_> {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        if !target.is_linear() {
            let what = "second derivatives of probabilities of a symmetrised network";
            return Err(Error::Unsupported(what.into()));
        }
        let [plain, mirror] = both(image)?;
        let logits = self.logits(std::slice::from_ref(image))?.pop().unwrap_or_default();
        let linear = weights(target, &logits);
        let plain = self.0.curvature_at(&plain, &linear, smoothing)?;
        let mirror = self.0.curvature_at(&mirror, &linear, smoothing)?;
        let shape = self.shape();
        let gradient = mean(shape, plain.gradient(), mirror.gradient());
        let logits = mean_logits(plain.logits(), mirror.logits());
        Ok(Box::new(MirroredCurvature { plain, mirror, shape, gradient, logits }))
    }
}

struct MirroredCurvature<'a> {
    plain: Box<dyn Curvature + 'a>,
    mirror: Box<dyn Curvature + 'a>,
    shape: Shape,
    gradient: Vec<f32>,
    logits: Vec<f32>,
}

impl Curvature for MirroredCurvature<'_> {
    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let flipped: Vec<Vec<f32>> =
            directions.iter().map(|direction| mirrored(self.shape, direction)).collect();
        let plain = self.plain.products(directions)?;
        let mirror = self.mirror.products(&flipped)?;
        Ok(plain.iter().zip(&mirror).map(|(a, b)| mean(self.shape, a, b)).collect())
    }
}

/// The same network with every ReLU(z) written as ReLU(2z)/2 (and ReLU6 alike). Values and exact
/// derivatives are the same; smoothed ones become those of τ/4, or 2β.
pub(super) struct Rewritten<'a>(pub(super) Field<'a>);

impl Scored for Rewritten<'_> {
    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn n_classes(&self) -> usize {
        self.0.n_classes()
    }

    fn link(&self) -> Link {
        self.0.link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        self.0.logits(images)
    }
}

impl Differentiable for Rewritten<'_> {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        self.0.gradients(images, target)
    }
}

impl TwiceDifferentiable for Rewritten<'_> {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        let rewritten = match smoothing {
            Smoothing::Exact => Smoothing::Exact,
            Smoothing::Sqrt { tau } => Smoothing::Sqrt { tau: tau / 4.0 },
            Smoothing::SqrtModules { tau } => Smoothing::SqrtModules { tau: tau / 4.0 },
            Smoothing::Softplus { beta } => Smoothing::Softplus { beta: 2.0 * beta },
        };
        self.0.curvature_at(image, target, rewritten)
    }
}
