//! Fields in closed form, for tests and documentation.

use crate::{
    Curvature, Differentiable, Error, Evaluation, Image, Result, Scored, Shape, Smoothing, Target,
    TwiceDifferentiable,
};

/// One term `weight · x[i₁] · x[i₂] · …` of a polynomial.
pub type Monomial = (f64, Vec<usize>);

/// Logits that are polynomials of the image, each a sum of [`Monomial`]s. An index may repeat.
///
/// Products of distinct features are the textbook interaction; squares give curvature without
/// interaction.
#[derive(Debug, Clone)]
pub struct Polynomial {
    shape: Shape,
    logits: Vec<Vec<Monomial>>,
}

impl Polynomial {
    /// One polynomial per class over images of `shape`.
    pub fn new(shape: Shape, logits: Vec<Vec<Monomial>>) -> Self {
        Self { shape, logits }
    }

    fn values(&self, x: &[f64]) -> Vec<f64> {
        let value =
            |(weight, factors): &Monomial| weight * factors.iter().map(|&i| x[i]).product::<f64>();
        self.logits.iter().map(|terms| terms.iter().map(value).sum()).collect()
    }

    /// Gradient of one logit.
    fn gradient(&self, class: usize, x: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; x.len()];
        for (weight, factors) in &self.logits[class] {
            for (at, &i) in factors.iter().enumerate() {
                gradient[i] += weight * product_without(x, factors, &[at]);
            }
        }
        gradient
    }

    /// Hessian of one logit times `v`.
    fn hessian_product(&self, class: usize, x: &[f64], v: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; x.len()];
        for (weight, factors) in &self.logits[class] {
            for (a, &i) in factors.iter().enumerate() {
                for (b, &j) in factors.iter().enumerate() {
                    if a != b {
                        product[i] += weight * product_without(x, factors, &[a, b]) * v[j];
                    }
                }
            }
        }
        product
    }
}

/// Product of the factors, leaving out the positions in `skip`.
fn product_without(x: &[f64], factors: &[usize], skip: &[usize]) -> f64 {
    let kept = factors.iter().enumerate().filter(|(at, _)| !skip.contains(at));
    kept.map(|(_, &i)| x[i]).product()
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// Sum of `weights[c] · vectors(c)` over the classes with a weight.
fn combine(weights: &[f64], len: usize, vector: impl Fn(usize) -> Vec<f64>) -> Vec<f64> {
    let mut sum = vec![0.0; len];
    for (class, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
        sum.iter_mut().zip(vector(class)).for_each(|(s, v)| *s += weight * v);
    }
    sum
}

impl Scored for Polynomial {
    fn shape(&self) -> Shape {
        self.shape
    }

    fn n_classes(&self) -> usize {
        self.logits.len()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        let logits = |image: &Image| {
            image.expect_shape("image", self.shape)?;
            Ok(narrow(&self.values(&widen(image.data()))))
        };
        images.iter().map(logits).collect()
    }
}

impl Differentiable for Polynomial {
    fn gradients(&self, images: &[Image], target: &Target) -> Result<Vec<Evaluation>> {
        let evaluate = |image: &Image| {
            let curvature = self.curvature_at(image, target, Smoothing::Exact)?;
            let (logits, gradient) = (curvature.logits().to_vec(), curvature.gradient().to_vec());
            Ok(Evaluation { logits, gradient })
        };
        images.iter().map(evaluate).collect()
    }
}

impl TwiceDifferentiable for Polynomial {
    fn curvature_at(
        &self,
        image: &Image,
        target: &Target,
        _smoothing: Smoothing,
    ) -> Result<Box<dyn Curvature + '_>> {
        target.check(self.n_classes())?;
        image.expect_shape("image", self.shape)?;
        let x = widen(image.data());
        let values = self.values(&x);
        let weights = target.gradient(&values);
        let gradient = narrow(&combine(&weights, x.len(), |class| self.gradient(class, &x)));
        let logits = narrow(&values);
        Ok(Box::new(PolynomialCurvature {
            field: self,
            target: target.clone(),
            x,
            values,
            logits,
            gradient,
        }))
    }
}

struct PolynomialCurvature<'a> {
    field: &'a Polynomial,
    target: Target,
    x: Vec<f64>,
    values: Vec<f64>,
    logits: Vec<f32>,
    gradient: Vec<f32>,
}

impl PolynomialCurvature<'_> {
    /// `Σ_c g_c H_c v + J' (∇²target) J v`.
    fn product(&self, direction: &[f32]) -> Result<Vec<f32>> {
        if direction.len() != self.x.len() {
            return Err(Error::shape("direction", self.x.len(), direction.len()));
        }
        let (field, x, v) = (self.field, &self.x, widen(direction));
        let weights = self.target.gradient(&self.values);
        let mut product = combine(&weights, x.len(), |class| field.hessian_product(class, x, &v));
        let slope =
            |class: usize| field.gradient(class, x).iter().zip(&v).map(|(g, v)| g * v).sum();
        let slopes: Vec<f64> = (0..self.values.len()).map(slope).collect();
        if let Some(bend) = self.target.hessian_product(&self.values, &slopes) {
            let rest = combine(&bend, x.len(), |class| field.gradient(class, x));
            product.iter_mut().zip(rest).for_each(|(p, r)| *p += r);
        }
        Ok(narrow(&product))
    }
}

impl Curvature for PolynomialCurvature<'_> {
    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn products(&self, directions: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        directions.iter().map(|direction| self.product(direction)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// f₀ = 2·x₀x₁ + x₂², f₁ = 3·x₀.
    fn field() -> (Polynomial, Image) {
        let shape = Shape::new(1, 1, 3);
        let logits = vec![vec![(2.0, vec![0, 1]), (1.0, vec![2, 2])], vec![(3.0, vec![0])]];
        (Polynomial::new(shape, logits), Image::new(shape, vec![1.0, 2.0, 3.0]).unwrap())
    }

    #[test]
    fn product_has_the_textbook_hessian() {
        let (field, image) = field();
        let curvature = field.curvature_at(&image, &Target::Logit(0), Smoothing::Exact).unwrap();
        assert_eq!(curvature.logits(), [13.0, 3.0]);
        assert_eq!(curvature.gradient(), [4.0, 2.0, 6.0]);
        let rows = curvature.rows(&[0, 2]).unwrap();
        assert_eq!(rows, [[0.0, 2.0, 0.0], [0.0, 0.0, 2.0]]);
    }

    #[test]
    fn slices_are_images() {
        let (field, image) = field();
        let (slices, target) = ([image.data()], Target::Logit(0));
        let images = std::slice::from_ref(&image);
        let borrowed: &dyn Scored = &&field;
        assert_eq!(borrowed.logits_of_slices(&slices).unwrap(), field.logits(images).unwrap());
        let expected = field.gradients(images, &target).unwrap();
        assert_eq!(field.gradients_of_slices(&slices, &target).unwrap(), expected);
        let wrong: [&[f32]; 2] = [&[1.0, 2.0], &[1.0, f32::NAN, 3.0]];
        for slice in wrong {
            assert!(field.logits_of_slices(&[slice]).is_err(), "{slice:?}");
            assert!(field.gradients_of_slices(&[slice], &target).is_err(), "{slice:?}");
        }
    }

    #[test]
    fn log_probability_bends_even_a_linear_logit() {
        let shape = Shape::new(1, 1, 1);
        let field = Polynomial::new(shape, vec![vec![(1.0, vec![0])], vec![]]);
        let image = Image::constant(shape, 0.0);
        let target = Target::LogProbability(0);
        let curvature = field.curvature_at(&image, &target, Smoothing::Exact).unwrap();
        assert_eq!(curvature.gradient(), [0.5]);
        assert_eq!(curvature.rows(&[0]).unwrap()[0], [-0.25]);
    }
}
