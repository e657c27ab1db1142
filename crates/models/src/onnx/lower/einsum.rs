//! Einstein's summation as a product of matrices.

use hsets_autodiff::NodeId;

use super::{Active, Lowering, Refusal, Result, Task, Value, at_least_one};

/// The labels that stand once, by the alphabet: the output where none is named.
fn alone(inputs: &str) -> Vec<char> {
    let is_alone = |&c: &char| c != ',' && inputs.matches(c).count() == 1;
    let mut labels: Vec<char> = inputs.chars().filter(is_alone).collect();
    labels.sort_unstable();
    labels
}

/// A node whose axes have names.
struct Named {
    node: NodeId,
    labels: Vec<char>,
    sizes: Vec<usize>,
}

impl Named {
    fn size(&self, label: char) -> Option<usize> {
        self.labels.iter().position(|&own| own == label).map(|axis| self.sizes[axis])
    }
}

impl Lowering<'_> {
    /// Of one or two operands, every label once in each.
    pub(super) fn einsum(&mut self, task: &Task<'_>) -> Result<Active> {
        let equation: String =
            task.node.text("equation").unwrap_or_default().chars().filter(|c| *c != ' ').collect();
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation.as_str(), None),
        };
        let terms: Vec<&str> = inputs.split(',').collect();
        let is_plain = |term: &&str| {
            let is_once = |c: char| term.matches(c).count() == 1;
            term.chars().all(|c| c.is_ascii_alphabetic() && is_once(c))
        };
        let all = terms.iter().chain(&output).all(is_plain);
        if !all || terms.len() != task.inputs.len() || terms.len() > 2 {
            return Err(format!("sums by '{equation}', which is not read").into());
        }
        let output: Vec<char> =
            output.map_or_else(|| alone(inputs), |named| named.chars().collect());
        let mut operands = Vec::new();
        for (index, term) in terms.iter().enumerate() {
            operands.push(self.named(task, index, term)?);
        }
        let mut operands = operands.into_iter();
        let Some(first) = operands.next() else { return Err(Refusal::Op) };
        let product = match operands.next() {
            Some(second) => self.contracted(first, second, &output)?,
            None => self.summed(first, &|label| output.contains(&label))?,
        };
        let Some(node) = self.ordered(&product, &output)? else {
            return Err(format!("sums by '{equation}', which names an axis of no operand").into());
        };
        self.put(node, output.iter().filter_map(|&label| product.size(label)).collect(), None)
    }

    fn named(&mut self, task: &Task<'_>, index: usize, term: &str) -> Result<Named> {
        let (node, sizes) = match task.value(index) {
            Some(Value::Active(x)) => (self.full(x)?, x.dims.clone()),
            Some(Value::Constant(c)) => {
                self.budget.hold(c.len())?;
                (self.g.constant(at_least_one(&c.dims), c.to_floats())?, c.dims.clone())
            }
            _ => return Err(format!("lacks its input {index}").into()),
        };
        let labels: Vec<char> = term.chars().collect();
        if labels.len() != sizes.len() {
            return Err(format!("names the axes of {sizes:?} '{term}'").into());
        }
        Ok(Named { node, labels, sizes })
    }

    /// Without the axes that nobody needs.
    fn summed(&mut self, x: Named, is_needed: &dyn Fn(char) -> bool) -> Result<Named> {
        let (kept, lost): (Vec<usize>, Vec<usize>) =
            (0..x.labels.len()).partition(|&axis| is_needed(x.labels[axis]));
        if lost.is_empty() {
            return Ok(x);
        }
        let sizes: Vec<usize> = kept.iter().map(|&axis| x.sizes[axis]).collect();
        let node = self.g.sum(x.node, &lost)?;
        let node = self.g.reshape(node, at_least_one(&sizes))?;
        Ok(Named { node, labels: kept.iter().map(|&axis| x.labels[axis]).collect(), sizes })
    }

    /// Axes that both have and the output too are those of a batch of products of matrices; those
    /// that the output lacks are summed over.
    fn contracted(&mut self, a: Named, b: Named, output: &[char]) -> Result<Named> {
        let (of_a, of_b) = (a.labels.clone(), b.labels.clone());
        let a = self.summed(a, &|label| output.contains(&label) || of_b.contains(&label))?;
        let b = self.summed(b, &|label| output.contains(&label) || of_a.contains(&label))?;
        for &label in &a.labels {
            if b.size(label).is_some_and(|size| Some(size) != a.size(label)) {
                let (x, y) = (&a.sizes, &b.sizes);
                return Err(format!("sums over '{label}', which differs in {x:?} and {y:?}").into());
            }
        }
        let (both, left): (Vec<char>, Vec<char>) =
            a.labels.iter().partition(|label| b.labels.contains(label));
        let (batch, shared): (Vec<char>, Vec<char>) =
            both.iter().partition(|label| output.contains(label));
        let right: Vec<char> =
            b.labels.iter().copied().filter(|label| !a.labels.contains(label)).collect();
        let a_matrix = self.matrices(&a, &batch, [&left, &shared])?;
        let b_matrix = self.matrices(&b, &batch, [&shared, &right])?;
        let product = self.g.matmul(a_matrix, b_matrix)?;
        let size = |&label: &char| a.size(label).or(b.size(label)).unwrap_or(1);
        let labels = [batch, left, right].concat();
        let sizes: Vec<usize> = labels.iter().map(size).collect();
        let node = self.g.reshape(product, at_least_one(&sizes))?;
        Ok(Named { node, labels, sizes })
    }

    /// \[batch, rows, columns\], each of as many axes as it may be.
    fn matrices(
        &mut self,
        x: &Named,
        batch: &[char],
        [rows, columns]: [&[char]; 2],
    ) -> Result<NodeId> {
        let node = self.ordered(x, &[batch, rows, columns].concat())?.ok_or(Refusal::Op)?;
        let count = |labels: &[char]| labels.iter().filter_map(|&l| x.size(l)).product::<usize>();
        Ok(self.g.reshape(node, &[count(batch), count(rows), count(columns)])?)
    }

    /// The node with its axes in this order; `None` where a label has none, or another is left over.
    fn ordered(&mut self, x: &Named, labels: &[char]) -> Result<Option<NodeId>> {
        let at = |label: &char| x.labels.iter().position(|own| own == label);
        let order: Option<Vec<usize>> = labels.iter().map(at).collect();
        match order.filter(|order| order.len() == x.labels.len()) {
            Some(order) if order.is_empty() => Ok(Some(x.node)),
            Some(order) => Ok(Some(self.g.permute(x.node, &order)?)),
            None => Ok(None),
        }
    }
}
