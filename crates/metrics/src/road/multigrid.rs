//! Multigrid for symmetric nine-point stencils on the unknown part of a grid.
//!
//! One V-cycle, with Gauss–Seidel forward before and backward after the coarse correction, is a
//! symmetric positive definite approximation of the inverse: a preconditioner for conjugate
//! gradients whose number of steps hardly grows with the size of the holes. Coarse grids take every
//! second row and column; their stencils are Galerkin products Pᵀ·A·P, P bilinear interpolation
//! restricted to the unknowns, so holes of any shape are respected on every level.
//!
//! Vectors have one element per grid point, in rows, with a border of one point around the grid.
//! They are zero wherever there is no unknown, so that no neighbour needs a bounds check. An element
//! holds up to four channels, which share the matrix: one load of a coefficient serves all.
//!
//! Everything here is `f32`: it only ever computes corrections.

/// Offsets (dy, dx) of a stencil, itself in the middle.
pub(super) const OFFSETS: [(isize, isize); 9] =
    [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)];

const CENTRE: usize = 4;

/// Channels that are solved for at once.
pub(super) const LANES: usize = 4;

/// One grid point of a vector: one number per channel.
pub(super) type Point<T> = [T; LANES];

/// Coefficients of one row of the matrix, in the order of [`OFFSETS`].
pub(super) type Stencil = [f32; 9];

/// Height and width of a grid, and the place of its points in a vector with border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Grid {
    const fn stride(self) -> usize {
        self.width + 2
    }

    /// Length of a vector, border included.
    pub(super) const fn len(self) -> usize {
        (self.height + 2) * self.stride()
    }

    /// Place of a point in a vector.
    pub(super) const fn at(self, y: usize, x: usize) -> usize {
        (y + 1) * self.stride() + x + 1
    }

    const fn position(self, at: usize) -> (usize, usize) {
        (at / self.stride() - 1, at % self.stride() - 1)
    }

    const fn coarse(self) -> Self {
        Self { height: self.height.div_ceil(2), width: self.width.div_ceil(2) }
    }
}

/// Interpolation to one row or column of the fine grid. It takes from the coarse position `first`
/// with `weights[0]` and from the next with `weights[1]`.
#[derive(Debug, Clone, Copy)]
struct Axis {
    first: usize,
    weights: [f32; 2],
}

impl Axis {
    /// Even positions are coarse ones; odd ones lie between two, or repeat the last.
    fn new(position: usize, n_coarse: usize) -> Self {
        let first = position / 2;
        let weights = match position % 2 {
            0 => [1.0, 0.0],
            _ if first + 1 < n_coarse => [0.5, 0.5],
            _ => [1.0, 0.0],
        };
        Self { first, weights }
    }

    fn all(n_fine: usize, n_coarse: usize) -> Vec<Self> {
        (0..n_fine).map(|position| Self::new(position, n_coarse)).collect()
    }

    /// Weights of the coarse positions `first - 1 .. first + 2` in the fine position before this
    /// one, this one, and the one after.
    fn around(axes: &[Self], position: usize) -> [[f32; 3]; 3] {
        let mut around = [[0.0; 3]; 3];
        for (step, weights) in around.iter_mut().enumerate() {
            if let Some(axis) = (position + step).checked_sub(1).and_then(|at| axes.get(at)) {
                let slot = axis.first + 1 - axes[position].first;
                for (weight, slot) in axis.weights.iter().zip(slot..3) {
                    weights[slot] = *weight;
                }
            }
        }
        around
    }
}

/// A row of A times P: its coefficients towards the 3×3 coarse positions around its first parent.
fn interpolated(row: &Stencil, y: &[[f32; 3]; 3], x: &[[f32; 3]; 3]) -> Stencil {
    let mut across = [0.0; 9];
    for (from, to) in row.chunks_exact(3).zip(across.chunks_exact_mut(3)) {
        for slot in 0..3 {
            to[slot] = from[0] * x[0][slot] + from[1] * x[1][slot] + from[2] * x[2][slot];
        }
    }
    let mut result = [0.0; 9];
    for (k, value) in result.iter_mut().enumerate() {
        let (slot, column) = (k / 3, k % 3);
        *value = (0..3).map(|step| y[step][slot] * across[3 * step + column]).sum();
    }
    result
}

/// point += coefficient · other.
#[inline]
fn add(point: &mut Point<f32>, coefficient: f32, other: &Point<f32>) {
    for lane in 0..LANES {
        point[lane] += coefficient * other[lane];
    }
}

/// Where an unknown interpolates from on the next coarser grid; spare places have weight 0.
#[derive(Debug, Clone, Copy, Default)]
struct Parents {
    at: [u32; 4],
    weight: [f32; 4],
}

/// The matrix on one grid.
#[derive(Debug)]
struct Level {
    grid: Grid,
    /// Places of the unknowns, ascending.
    nodes: Vec<usize>,
    rows: Vec<Stencil>,
    parents: Vec<Parents>,
}

impl Level {
    fn new(grid: Grid, nodes: Vec<usize>, rows: Vec<Stencil>) -> Self {
        let coarse = grid.coarse();
        let axes_y = Axis::all(grid.height, coarse.height);
        let axes_x = Axis::all(grid.width, coarse.width);
        let parents_of = |&node: &usize| {
            let (y, x) = grid.position(node);
            let (y, x) = (axes_y[y], axes_x[x]);
            let at = coarse.at(y.first, x.first) as u32;
            let below = at + coarse.stride() as u32;
            let weight = |i: usize, j: usize| y.weights[i] * x.weights[j];
            Parents {
                at: [at, at + 1, below, below + 1],
                weight: [weight(0, 0), weight(0, 1), weight(1, 0), weight(1, 1)],
            }
        };
        let parents = nodes.iter().map(parents_of).collect();
        Self { grid, nodes, rows, parents }
    }

    /// Pᵀ·A·P on the next coarser grid.
    fn coarsened(&self) -> Self {
        let coarse = self.grid.coarse();
        let axes_y = Axis::all(self.grid.height, coarse.height);
        let axes_x = Axis::all(self.grid.width, coarse.width);
        let around = |axes: &[Axis]| -> Vec<_> {
            (0..axes.len()).map(|position| Axis::around(axes, position)).collect()
        };
        let (around_y, around_x) = (around(&axes_y), around(&axes_x));
        let mut rows = vec![[0.0; 9]; coarse.len()];
        for ((&node, row), parents) in self.nodes.iter().zip(&self.rows).zip(&self.parents) {
            let (y, x) = self.grid.position(node);
            let row = interpolated(row, &around_y[y], &around_x[x]);
            // Seen from the lower or right parent, the positions are one row or column earlier;
            // where there is such a parent, the first row or column is 0, so nothing wraps.
            for (k, shift) in [0, 1, 3, 4].into_iter().enumerate() {
                if parents.weight[k] > 0.0 {
                    let sums = &mut rows[parents.at[k] as usize];
                    for (sum, value) in sums.iter_mut().zip(&row[shift..]) {
                        *sum += parents.weight[k] * value;
                    }
                }
            }
        }
        let nodes: Vec<usize> = (0..rows.len()).filter(|&at| rows[at][CENTRE] > 0.0).collect();
        let rows = nodes.iter().map(|&at| rows[at]).collect();
        Self::new(coarse, nodes, rows)
    }

    /// y = A x on the unknowns.
    fn apply(&self, x: &[Point<f32>], y: &mut [Point<f32>]) {
        let stride = self.grid.stride();
        for (&node, row) in self.nodes.iter().zip(&self.rows) {
            let mut sum = [0.0; LANES];
            for k in 0..3 {
                add(&mut sum, row[k], &x[node - stride - 1 + k]);
                add(&mut sum, row[3 + k], &x[node - 1 + k]);
                add(&mut sum, row[6 + k], &x[node + stride - 1 + k]);
            }
            y[node] = sum;
        }
    }

    /// Gauss–Seidel from x = 0 in ascending order; what is in `x` is not read.
    fn relax_forward(&self, b: &[Point<f32>], x: &mut [Point<f32>]) {
        let stride = self.grid.stride();
        for (&node, row) in self.nodes.iter().zip(&self.rows) {
            let mut sum = b[node];
            for k in 0..3 {
                add(&mut sum, -row[k], &x[node - stride - 1 + k]);
            }
            add(&mut sum, -row[3], &x[node - 1]);
            x[node] = sum.map(|value| value / row[CENTRE]);
        }
    }

    /// Gauss–Seidel in descending order, from what is in `x`.
    fn relax_backward(&self, b: &[Point<f32>], x: &mut [Point<f32>]) {
        let stride = self.grid.stride();
        for (&node, row) in self.nodes.iter().zip(&self.rows).rev() {
            let mut sum = b[node];
            for k in 0..3 {
                add(&mut sum, -row[k], &x[node - stride - 1 + k]);
                add(&mut sum, -row[6 + k], &x[node + stride - 1 + k]);
            }
            add(&mut sum, -row[3], &x[node - 1]);
            add(&mut sum, -row[5], &x[node + 1]);
            x[node] = sum.map(|value| value / row[CENTRE]);
        }
    }

    /// coarse = Pᵀ (b - A x) right after [`Self::relax_forward`], when only the later neighbours
    /// are left in the residual.
    fn restrict_residual(&self, x: &[Point<f32>], coarse: &mut [Point<f32>]) {
        let stride = self.grid.stride();
        coarse.fill([0.0; LANES]);
        for ((&node, row), parents) in self.nodes.iter().zip(&self.rows).zip(&self.parents) {
            let mut residual = [0.0; LANES];
            add(&mut residual, -row[5], &x[node + 1]);
            for k in 0..3 {
                add(&mut residual, -row[6 + k], &x[node + stride - 1 + k]);
            }
            for (&at, weight) in parents.at.iter().zip(parents.weight) {
                add(&mut coarse[at as usize], weight, &residual);
            }
        }
    }

    /// x += P coarse.
    fn add_prolonged(&self, coarse: &[Point<f32>], x: &mut [Point<f32>]) {
        for (&node, parents) in self.nodes.iter().zip(&self.parents) {
            for (&at, weight) in parents.at.iter().zip(parents.weight) {
                add(&mut x[node], weight, &coarse[at as usize]);
            }
        }
    }
}

/// The matrix on all grids, finest first, down to a single point.
#[derive(Debug)]
pub(super) struct Multigrid {
    levels: Vec<Level>,
}

/// Right-hand side and solution on one coarse grid.
#[derive(Debug)]
struct Correction {
    b: Vec<Point<f32>>,
    x: Vec<Point<f32>>,
}

/// Memory of the V-cycles of one solve.
#[derive(Debug)]
pub(super) struct Workspace(Vec<Correction>);

impl Multigrid {
    /// A symmetric positive definite matrix by the rows of its unknowns `nodes`, places on `grid`
    /// in ascending order. Coefficients towards anything that is not an unknown must be 0.
    pub(super) fn new(grid: Grid, nodes: Vec<usize>, rows: Vec<Stencil>) -> Self {
        let mut level = Level::new(grid, nodes, rows);
        let mut levels = Vec::new();
        while level.grid.height.max(level.grid.width) > 1 {
            let coarser = level.coarsened();
            levels.push(std::mem::replace(&mut level, coarser));
        }
        levels.push(level);
        Self { levels }
    }

    /// y = A x on the unknowns.
    pub(super) fn apply(&self, x: &[Point<f32>], y: &mut [Point<f32>]) {
        self.levels[0].apply(x, y);
    }

    /// Memory for [`Self::v_cycle`].
    pub(super) fn workspace(&self) -> Workspace {
        let zeros = |level: &Level| vec![[0.0; LANES]; level.grid.len()];
        let correction = |level| Correction { b: zeros(level), x: zeros(level) };
        Workspace(self.levels[1..].iter().map(correction).collect())
    }

    /// x ≈ A⁻¹ b by one V-cycle from 0: linear in b, symmetric and positive definite. `x` must be
    /// zero outside the unknowns.
    pub(super) fn v_cycle(
        &self,
        b: &[Point<f32>],
        x: &mut [Point<f32>],
        workspace: &mut Workspace,
    ) {
        cycle(&self.levels, b, x, &mut workspace.0);
    }
}

fn cycle(levels: &[Level], b: &[Point<f32>], x: &mut [Point<f32>], corrections: &mut [Correction]) {
    let level = &levels[0];
    level.relax_forward(b, x);
    // A single point is solved exactly.
    let Some((correction, coarser)) = corrections.split_first_mut() else { return };
    level.restrict_residual(x, &mut correction.b);
    cycle(&levels[1..], &correction.b, &mut correction.x, coarser);
    level.add_prolonged(&correction.x, x);
    level.relax_backward(b, x);
}
