//! Curves, sums and products.

use hsets_autodiff::{Activation, NodeId};

use super::{Active, Lowering, Refusal, Result, Task, Value, formula, union};
use crate::onnx::curves::Formula;
use crate::onnx::fold::broadcast;
use crate::onnx::tensor::Constant;
use std::rc::Rc;

/// Inputs of a sum or an extreme: each makes several nodes of a few bytes.
const MAX_INPUTS: usize = 64;

impl Lowering<'_> {
    pub(super) fn elementwise(&mut self, task: &Task<'_>) -> Result<Active> {
        let node = task.node;
        let float = |name: &str, default: f64| node.float(name).unwrap_or(default);
        let activation = match node.op.as_str() {
            "Relu" => Activation::Relu,
            "Sigmoid" => Activation::Sigmoid,
            "Tanh" => Activation::Tanh,
            "Erf" => Activation::Erf,
            "Exp" => Activation::Exp,
            "Log" => Activation::Log,
            "Sqrt" => Activation::Sqrt,
            "Abs" => Activation::Abs,
            "Reciprocal" => Activation::Reciprocal,
            "HardSwish" => Activation::HardSwish,
            "Softplus" => Activation::Softplus { beta: 1.0 },
            "LeakyRelu" => Activation::LeakyRelu { slope: float("alpha", 0.01) },
            "Elu" => Activation::Elu { alpha: float("alpha", 1.0) },
            "Gelu" if node.text("approximate") == Some("tanh") => Activation::GeluTanh,
            "Gelu" => Activation::Gelu,
            "Neg" => return self.scaled(task.active(0)?, -1.0),
            "HardSigmoid" => {
                return self.hard_sigmoid(task.active(0)?, float("alpha", 0.2), float("beta", 0.5));
            }
            "Swish" => return self.swish(task.active(0)?, float("alpha", 1.0)),
            "Selu" => {
                let alpha = float("alpha", 1.673_263_242_354_377);
                let elu = self.curve(task.active(0)?, Activation::Elu { alpha })?;
                return self.scaled(&elu, float("gamma", 1.050_700_987_355_480_5));
            }
            "Mish" => {
                let x = task.active(0)?;
                let gate = self.curve(x, Activation::Softplus { beta: 1.0 })?;
                let gate = self.curve(&gate, Activation::Tanh)?;
                return self.product(x, &gate);
            }
            "Clip" => return self.clip(task),
            "PRelu" => return self.prelu(task),
            "Celu" => {
                // α·elu(x/α)
                let alpha = float("alpha", 1.0);
                let x = self.scaled(task.active(0)?, 1.0 / alpha)?;
                let elu = self.curve(&x, Activation::Elu { alpha: 1.0 })?;
                return self.scaled(&elu, alpha);
            }
            "Sum" | "Mean" | "Max" | "Min" => return self.of_all(task),
            "Add" | "Sub" | "Mul" | "Div" | "Pow" => return self.arithmetic(task),
            _ => return Err(Refusal::Op),
        };
        self.curve(task.active(0)?, activation)
    }

    /// min(max(0, αx + β), 1), which is relu6(6αx + 6β)/6: α = 1/6 and β = 1/2 is ours.
    fn hard_sigmoid(&mut self, x: &Active, alpha: f64, beta: f64) -> Result<Active> {
        let usual = (6.0 * alpha - 1.0).abs() < 1e-6 && (beta - 0.5).abs() < 1e-6;
        let x = if usual {
            x.clone()
        } else {
            let x = self.scaled(x, 6.0 * alpha)?;
            self.shifted(&x, 6.0 * beta - 3.0)?
        };
        self.curve(&x, Activation::HardSigmoid)
    }

    /// x·sigmoid(αx).
    fn swish(&mut self, x: &Active, alpha: f64) -> Result<Active> {
        if alpha == 1.0 {
            return self.curve(x, Activation::Silu);
        }
        let gate = self.scaled(x, alpha)?;
        let gate = self.curve(&gate, Activation::Sigmoid)?;
        self.product(x, &gate)
    }

    fn clip(&mut self, task: &Task<'_>) -> Result<Active> {
        let bound = |index: usize, default: f64| -> Result<f64> {
            match task.constant(index)? {
                None => Ok(default),
                Some(bound) => Ok(bound.number().ok_or("is bounded by more than one number")?),
            }
        };
        let low = bound(1, f64::NEG_INFINITY)?;
        let high = bound(2, f64::INFINITY)?;
        self.clipped(task.active(0)?, low, high)
    }

    /// Clips as ReLU and ReLU6, which smoothing knows, where they are such up to a factor.
    fn clipped(&mut self, x: &Active, low: f64, high: f64) -> Result<Active> {
        // Exporters write the largest number for no bound.
        let high = if high > 1e30 { f64::INFINITY } else { high };
        let low = if low < -1e30 { f64::NEG_INFINITY } else { low };
        if low == 0.0 && high == f64::INFINITY {
            return self.curve(x, Activation::Relu);
        }
        if low == 0.0 && high == 6.0 {
            return self.curve(x, Activation::Relu6);
        }
        if low == 0.0 && high > 0.0 {
            let x = self.scaled(x, 6.0 / high)?;
            let x = self.curve(&x, Activation::Relu6)?;
            return self.scaled(&x, high / 6.0);
        }
        self.curve(x, Activation::Clip { low, high })
    }

    /// relu(x) - slope·relu(-x), with a slope for each channel.
    fn prelu(&mut self, task: &Task<'_>) -> Result<Active> {
        let x = task.active(0)?;
        let slope = task.needed(1)?;
        if let Some(slope) = slope.number() {
            return self.curve(x, Activation::LeakyRelu { slope });
        }
        let above = self.curve(x, Activation::Relu)?;
        let below = self.scaled(x, -1.0)?;
        let below = self.curve(&below, Activation::Relu)?;
        let slope = slope.to_floats().into_iter().map(|s| -s).collect();
        let slope = Constant::floats(task.needed(1)?.dims.clone(), slope);
        let below = self.times(&below, &slope)?;
        self.sum(&above, &below)
    }

    /// Sum, mean, largest or smallest of any number of inputs.
    fn of_all(&mut self, task: &Task<'_>) -> Result<Active> {
        let op = task.node.op.as_str();
        let n = task.inputs.len();
        if n > MAX_INPUTS {
            return Err(format!("has {n} inputs; at most {MAX_INPUTS} are read").into());
        }
        let parts = (0..n).map(|index| task.value(index).ok_or("lacks an input"));
        let parts: Vec<&Value> = parts.collect::<Result<_, _>>()?;
        let mut all: Option<Active> = None;
        for part in &parts {
            if let Value::Active(x) = part {
                all = Some(match all {
                    None => x.clone(),
                    Some(all) if matches!(op, "Max" | "Min") => self.extreme(&all, x, op)?,
                    Some(all) => self.sum(&all, x)?,
                });
            }
        }
        let mut all = all.ok_or("has no input that depends on the picture")?;
        for part in &parts {
            if let Value::Constant(c) = part {
                all = match (op, c.number()) {
                    ("Max", Some(low)) => self.clipped(&all, low, f64::INFINITY)?,
                    ("Min", Some(high)) => self.clipped(&all, f64::NEG_INFINITY, high)?,
                    ("Max" | "Min", None) => {
                        let zeros = self.scaled(&all, 0.0)?;
                        let bound = self.plus(&zeros, c)?;
                        self.extreme(&all, &bound, op)?
                    }
                    _ => self.plus(&all, c)?,
                };
            }
        }
        if op == "Mean" { self.scaled(&all, 1.0 / n as f64) } else { Ok(all) }
    }

    /// (a + b ± |a - b|)/2, the larger or the smaller: no ReLU, which smoothing would take for one of
    /// the network's, and halves of the derivative to both where they are equal, as PyTorch has it.
    fn extreme(&mut self, a: &Active, b: &Active, op: &str) -> Result<Active> {
        let negative = self.scaled(b, -1.0)?;
        let distance = self.sum(a, &negative)?;
        let distance = self.curve(&distance, Activation::Abs)?;
        let distance = self.scaled(&distance, if op == "Max" { 1.0 } else { -1.0 })?;
        let sum = self.sum(a, b)?;
        let twice = self.sum(&sum, &distance)?;
        self.scaled(&twice, 0.5)
    }

    fn arithmetic(&mut self, task: &Task<'_>) -> Result<Active> {
        let op = task.node.op.as_str();
        let (Some(a), Some(b)) = (task.value(0), task.value(1)) else {
            return Err("lacks an input".into());
        };
        let negative = |constant: &Constant| {
            let values = constant.to_floats().into_iter().map(|v| -v).collect();
            Constant::floats(constant.dims.clone(), values)
        };
        let inverse = |constant: &Constant| {
            let values = constant.to_floats().into_iter().map(f64::recip).collect();
            Constant::floats(constant.dims.clone(), values)
        };
        match (op, a, b) {
            ("Add", Value::Active(a), Value::Active(b)) => self.sum(a, b),
            ("Add", Value::Active(x), Value::Constant(c))
            | ("Add", Value::Constant(c), Value::Active(x)) => self.plus(x, c),
            ("Sub", Value::Active(a), Value::Active(b)) => {
                let b = self.scaled(b, -1.0)?;
                self.sum(a, &b)
            }
            ("Sub", Value::Active(x), Value::Constant(c)) => self.plus(x, &negative(c)),
            ("Sub", Value::Constant(c), Value::Active(x)) => {
                let x = self.scaled(x, -1.0)?;
                self.plus(&x, c)
            }
            ("Mul", Value::Active(a), Value::Active(b)) => self.product(a, b),
            ("Mul", Value::Active(x), Value::Constant(c))
            | ("Mul", Value::Constant(c), Value::Active(x)) => self.times(x, c),
            ("Div", Value::Active(a), Value::Active(b)) => {
                let b = self.curve(b, Activation::Reciprocal)?;
                self.product(a, &b)
            }
            ("Div", Value::Active(x), Value::Constant(c)) => self.times(x, &inverse(c)),
            ("Div", Value::Constant(c), Value::Active(x)) => {
                let x = self.curve(x, Activation::Reciprocal)?;
                self.times(&x, c)
            }
            ("Pow", Value::Active(x), Value::Constant(c)) => {
                let exponent = c.number().ok_or("has more than one exponent")?;
                match exponent {
                    2.0 => self.product(x, x),
                    0.5 => self.curve(x, Activation::Sqrt),
                    1.0 => Ok(x.clone()),
                    exponent => self.curve(x, Activation::Power { exponent }),
                }
            }
            _ => Err(Refusal::Op),
        }
    }

    fn sum(&mut self, a: &Active, b: &Active) -> Result<Active> {
        let (left, right) = (self.padded(a)?, self.padded(b)?);
        let node = self.g.add(left, right)?;
        let y = self.put(node, broadcast(&a.dims, &b.dims)?, union(a.field, b.field))?;
        let formula = both(a, b, Formula::Add);
        Ok(self.simplified(Active { formula, ..y }))
    }

    pub(super) fn product(&mut self, a: &Active, b: &Active) -> Result<Active> {
        let (left, right) = (self.padded(a)?, self.padded(b)?);
        let node = self.g.multiply(left, right)?;
        let y = self.put(node, broadcast(&a.dims, &b.dims)?, union(a.field, b.field))?;
        let formula = both(a, b, Formula::Multiply);
        Ok(self.simplified(Active { formula, ..y }))
    }

    pub(super) fn scaled(&mut self, x: &Active, factor: f64) -> Result<Active> {
        let node = self.padded(x)?;
        let node = match x.image() {
            // As a batch norm it goes into the convolution before it.
            Ok([n, ..]) => self.affine_alike(node, n, [factor, 0.0])?,
            Err(_) => self.g.scale(node, factor),
        };
        let number = Rc::new(Formula::Number(factor));
        let formula = formula(x, |x| Formula::Multiply(x, number));
        Ok(self.simplified(Active { node, pads: [0; 4], formula, ..x.clone() }))
    }

    pub(super) fn shifted(&mut self, x: &Active, by: f64) -> Result<Active> {
        let node = self.padded(x)?;
        let node = match x.image() {
            Ok([n, ..]) => self.affine_alike(node, n, [1.0, by])?,
            Err(_) => self.g.shift(node, by)?,
        };
        let number = Rc::new(Formula::Number(by));
        let formula = formula(x, |x| Formula::Add(x, number));
        Ok(self.simplified(Active { node, pads: [0; 4], formula, ..x.clone() }))
    }

    /// x + c.
    pub(super) fn plus(&mut self, x: &Active, c: &Constant) -> Result<Active> {
        if let Some(number) = c.number().filter(|_| c.dims.len() <= x.dims.len()) {
            return self.shifted(x, number);
        }
        if let Some(shift) = per_channel(x, c) {
            let ones = vec![1.0; shift.len()];
            return self.per_channel(x, ones, shift);
        }
        let (node, constant) = (self.padded(x)?, self.constant(c)?);
        let node = self.g.add(node, constant)?;
        self.put(node, broadcast(&x.dims, &c.dims)?, x.field)
    }

    /// x·c.
    pub(super) fn times(&mut self, x: &Active, c: &Constant) -> Result<Active> {
        if let Some(number) = c.number().filter(|_| c.dims.len() <= x.dims.len()) {
            return self.scaled(x, number);
        }
        if let Some(scale) = per_channel(x, c) {
            let zeros = vec![0.0; scale.len()];
            return self.per_channel(x, scale, zeros);
        }
        let (node, constant) = (self.padded(x)?, self.constant(c)?);
        let node = self.g.multiply(node, constant)?;
        self.put(node, broadcast(&x.dims, &c.dims)?, x.field)
    }

    fn per_channel(&mut self, x: &Active, scale: Vec<f64>, shift: Vec<f64>) -> Result<Active> {
        let node = self.padded(x)?;
        let node = self.affine(node, scale, shift)?;
        Ok(Active { node, pads: [0; 4], formula: None, ..x.clone() })
    }
}

/// The numbers of a constant \[C, 1, 1\] beside an image \[1, C, H, W\].
fn per_channel(x: &Active, c: &Constant) -> Option<Vec<f64>> {
    let [1, channels, _, _] = x.dims[..] else { return None };
    let fits = matches!(c.dims[..], [n, 1, 1] | [1, n, 1, 1] if n == channels);
    fits.then(|| c.to_floats())
}

/// The formula of two values that are functions of one node.
fn both(
    a: &Active,
    b: &Active,
    of: fn(Rc<Formula>, Rc<Formula>) -> Formula,
) -> Option<(NodeId, Rc<Formula>)> {
    let (base, left) = formula(a, |x| (*x).clone())?;
    let (other, right) = formula(b, |x| (*x).clone())?;
    let formula = of(left, right);
    (base == other && !formula.is_long()).then(|| (base, Rc::new(formula)))
}
