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

/// Where formulas are compared: on both sides of every kink, and far out.
const POINTS: [f64; 17] = [
    -11.3, -7.1, -5.9, -4.2, -3.05, -2.9, -1.7, -0.61, -0.02, 0.37, 1.1, 2.3, 2.95, 3.2, 4.6, 6.1,
    9.4,
];

/// Exporters round the constants of a formula to `f32`.
const TOLERANCE: f64 = 1e-6;

impl Formula {
    fn at(&self, x: f64) -> f64 {
        match self {
            Self::X => x,
            Self::Number(value) => *value,
            Self::Curve(activation, of) => value(*activation, of.at(x)),
            Self::Add(a, b) => a.at(x) + b.at(x),
            Self::Multiply(a, b) => a.at(x) * b.at(x),
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
        let values = POINTS.map(|x| self.at(x));
        KNOWN.into_iter().find(|&activation| {
            let near = |(&x, found): (&f64, f64)| {
                let expected = value(activation, x);
                (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs())
            };
            POINTS.iter().zip(values).all(near)
        })
    }
}

fn value(activation: Activation, x: f64) -> f64 {
    activation.curve(Smoothing::Exact).evaluate::<f64>(x)[0]
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

        let quick =
            Formula::Curve(Activation::Sigmoid, Rc::new(Formula::Multiply(x(), number(1.702))));
        assert_eq!(Formula::Multiply(x(), Rc::new(quick)).known(), None);
    }
}
