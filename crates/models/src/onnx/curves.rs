//! Curves that exporters write out as several nodes, recognised by their values.
//!
//! `x·sigmoid(x)` is SiLU in whatever order its nodes come; `0.5·x·(1 + erf(x/√2))` is GELU. One
//! curve instead of five products is faster, and a clip within hard swish is not smoothed as a
//! ReLU6 would be.

use std::rc::Rc;

use hsets_autodiff::Activation;
use hsets_core::Smoothing;

/// A formula in one value x of the network.
#[derive(Debug, Clone)]
pub(super) enum Formula {
    X,
    Number(f64),
    Curve(Activation, Rc<Formula>),
    Add(Rc<Formula>, Rc<Formula>),
    Multiply(Rc<Formula>, Rc<Formula>),
}

/// Curves that are worth one node. A formula is compared with them in this order.
const KNOWN: [Activation; 7] = [
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Relu6,
    Activation::Sigmoid,
];

/// A formula of more ops than this is none of the known curves.
const MAX_OPS: usize = 16;

/// Where formulas are compared: on both sides of every kink, and far out, where clips and small
/// numbers that are added act.
const POINTS: [f64; 27] = [
    -300.0, -88.0, -37.0, -20.0, -14.0, -11.3, -7.1, -5.9, -4.2, -3.05, -2.9, -1.7, -0.61, -0.02,
    0.37, 1.1, 2.3, 2.95, 3.2, 4.6, 6.1, 9.4, 14.0, 20.0, 37.0, 88.0, 300.0,
];
/// Where a spelling may overflow.
const FAR: [f64; 4] = [-1e6, -1e4, 1e4, 1e6];

/// Exporters round the constants of a formula to `f32`; far below zero that shows twenty times.
const TOLERANCE: f64 = 1e-5;
/// Below this, sums cancel.
const NOTHING: f64 = 1e-12;

/// A value and its derivative.
type Jet = [f64; 2];

fn near(found: Jet, expected: Jet) -> bool {
    let is_near = |(found, expected): (f64, f64)| {
        (found - expected).abs() <= NOTHING + TOLERANCE * expected.abs()
    };
    found.into_iter().zip(expected).all(is_near)
}

impl Formula {
    fn at(&self, x: f64) -> Jet {
        match self {
            Self::X => [x, 1.0],
            Self::Number(value) => [*value, 0.0],
            Self::Curve(activation, of) => {
                let [x, slope] = of.at(x);
                let [value, own] = jet(*activation, x);
                [value, if slope == 0.0 { 0.0 } else { own * slope }]
            }
            Self::Add(a, b) => {
                let ([a, da], [b, db]) = (a.at(x), b.at(x));
                [a + b, da + db]
            }
            Self::Multiply(a, b) => {
                let ([a, da], [b, db]) = (a.at(x), b.at(x));
                [a * b, a * db + b * da]
            }
        }
    }

    fn n_ops(&self) -> usize {
        match self {
            Self::X | Self::Number(_) => 0,
            Self::Curve(_, of) => 1 + of.n_ops(),
            Self::Add(a, b) | Self::Multiply(a, b) => 1 + a.n_ops() + b.n_ops(),
        }
    }

    /// Whether it has become too long to be any of the known curves.
    pub(super) fn is_long(&self) -> bool {
        self.n_ops() > MAX_OPS
    }

    /// The known curve it is, if it takes more than one op to write it.
    pub(super) fn known(&self) -> Option<Activation> {
        if self.n_ops() < 2 {
            return None;
        }
        let (values, far) = (POINTS.map(|x| self.at(x)), FAR.map(|x| self.at(x)));
        KNOWN.into_iter().find(|&activation| {
            let is_near = |(&x, found): (&f64, Jet)| near(found, jet(activation, x));
            let overflows = |found: &Jet| !found.iter().all(|value| value.is_finite());
            POINTS.iter().zip(values).all(is_near)
                && FAR.iter().zip(far).all(|at| overflows(&at.1) || is_near(at))
        })
    }

    /// Whether, wherever `of` is above a number, this is the same as the other, as far as it matters
    /// in `f32`: a softplus beside x, where PyTorch takes x.
    pub(super) fn is_same_above(&self, other: &Self, of: &Self, number: f64) -> bool {
        let points = (-200..=200).map(f64::from).chain(POINTS).chain(FAR);
        let mut above = points.filter(|&x| of.at(x)[0] > number).peekable();
        let is_same = |x: f64| {
            let ([a, _], [b, _]) = (self.at(x), other.at(x));
            (a - b).abs() <= 1e-8 * a.abs()
        };
        above.peek().is_some() && above.all(is_same)
    }
}

fn jet(activation: Activation, x: f64) -> Jet {
    let [value, slope, _] = activation.curve(Smoothing::Exact).evaluate::<f64>(x);
    [value, slope]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x() -> Rc<Formula> {
        Rc::new(Formula::X)
    }

    fn number(value: f64) -> Rc<Formula> {
        Rc::new(Formula::Number(value))
    }

    #[test]
    fn every_spelling_is_known() {
        let sigmoid = Rc::new(Formula::Curve(Activation::Sigmoid, x()));
        assert_eq!(Formula::Multiply(sigmoid.clone(), x()).known(), Some(Activation::Silu));
        assert_eq!(sigmoid.known(), None, "one node is left as it is");

        let erf = Formula::Multiply(x(), number(f64::from(0.5_f32.sqrt())));
        let erf = Formula::Curve(Activation::Erf, Rc::new(erf));
        let half = Formula::Multiply(x(), number(0.5));
        let one = Formula::Add(Rc::new(erf), number(1.0));
        let gelu = Formula::Multiply(Rc::new(one), Rc::new(half));
        assert_eq!(gelu.known(), Some(Activation::Gelu));

        let clip = Formula::Curve(Activation::Relu6, Rc::new(Formula::Add(x(), number(3.0))));
        let gate = Rc::new(Formula::Multiply(Rc::new(clip), number(1.0 / 6.0)));
        assert_eq!(gate.known(), Some(Activation::HardSigmoid));
        assert_eq!(Formula::Multiply(x(), gate).known(), Some(Activation::HardSwish));

        // What acts far out only.
        let silu = Rc::new(Formula::Curve(Activation::Silu, x()));
        let clip = |low, high| Activation::Clip { low, high };
        let clipped = Formula::Curve(clip(f64::NEG_INFINITY, 10.0), silu.clone());
        assert_eq!(clipped.known(), None);
        assert_eq!(Formula::Curve(clip(-1e5, 1e5), silu).known(), None);
        assert_eq!(Formula::Add(sigmoid.clone(), number(1e-7)).known(), None);
        let certain = clip(f64::NEG_INFINITY, 1.0 - 1e-6);
        assert_eq!(Formula::Curve(certain, sigmoid.clone()).known(), None);
        // 1/(1 + exp(-x)) overflows, and is a sigmoid.
        let power = Formula::Curve(Activation::Exp, Rc::new(Formula::Multiply(x(), number(-1.0))));
        let sum = Formula::Add(Rc::new(power), number(1.0));
        let inverse = Formula::Curve(Activation::Reciprocal, Rc::new(sum));
        assert_eq!(inverse.known(), Some(Activation::Sigmoid));

        let quick =
            Formula::Curve(Activation::Sigmoid, Rc::new(Formula::Multiply(x(), number(1.702))));
        assert_eq!(Formula::Multiply(x(), Rc::new(quick)).known(), None);
    }
}
