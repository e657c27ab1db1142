//! Linear imputation: removed pixels become weighted means of their neighbours.
//!
//! Every removed pixel p satisfies (Σₙ wₙ) `x_p` = Σₙ wₙ xₙ over its up to eight neighbours n inside
//! the image, w = 1/6 for the four direct and 1/12 for the diagonal ones (Rong et al. 2022). That is
//! a linear system with one unknown per removed pixel, the same for all channels, sparse, symmetric
//! and, as soon as one pixel is kept, positive definite. The solution is refined in `f64` by
//! corrections in `f32`, which come from conjugate gradients preconditioned by one
//! [multigrid](super::multigrid) V-cycle.

use std::array::from_fn;

use hsets_core::{Error, Image, Result, Shape};

use super::multigrid::{Grid, LANES, Multigrid, OFFSETS, Point, Workspace};

/// The solution is accepted when the estimated error of every pixel is below this share of the
/// largest value in the image, about the resolution of `f32`.
const TOLERANCE: f64 = 1e-7;

/// One correction shrinks the error to this share of it, which `f32` can well do.
const REDUCTION: f32 = 3e-4;

/// Two are usual.
const MAX_CORRECTIONS: usize = 20;

/// Far more steps than any picture needs; four or five a correction are usual.
const MAX_STEPS: usize = 500;

/// `image` with the pixels `removed` (y · width + x, each at most once) imputed, without noise.
///
/// Pixels that are kept stay as they are, bit for bit. At least one pixel must be kept.
pub fn impute(image: &Image, removed: &[usize]) -> Result<Image> {
    let shape = image.shape();
    let removed = flags(shape, removed)?;
    let system = System::new(shape, &removed);
    let mut data = image.data().to_vec();
    for channels in data.chunks_mut(LANES * shape.n_pixels()) {
        system.impute(channels)?;
    }
    Image::new(shape, data)
}

/// True for every pixel that is removed.
fn flags(shape: Shape, removed: &[usize]) -> Result<Vec<bool>> {
    let mut flags = vec![false; shape.n_pixels()];
    for &pixel in removed {
        let expected = || format!("each pixel below {} at most once", flags.len());
        match flags.get(pixel) {
            Some(false) => flags[pixel] = true,
            _ => return Err(Error::config("removed", pixel, expected())),
        }
    }
    if removed.len() == flags.len() {
        let expected = format!("fewer than all {} pixels, or nothing is known", flags.len());
        return Err(Error::config("removed", removed.len(), expected));
    }
    Ok(flags)
}

/// Weights of the neighbours, in the order of [`OFFSETS`].
const WEIGHTS: [f64; 9] = {
    let (direct, diagonal) = (1.0 / 6.0, 1.0 / 12.0);
    [diagonal, direct, diagonal, direct, 0.0, direct, diagonal, direct, diagonal]
};

/// A removed pixel and its equation.
#[derive(Debug)]
struct Unknown {
    pixel: usize,
    /// Its place in the vectors.
    at: usize,
    /// Σₙ wₙ over the neighbours inside the image.
    diagonal: f64,
}

/// The equations of all removed pixels.
struct System {
    grid: Grid,
    /// In raster order.
    unknowns: Vec<Unknown>,
    preconditioner: Multigrid,
}

impl System {
    fn new(shape: Shape, removed: &[bool]) -> Self {
        let grid = Grid { height: shape.height, width: shape.width };
        let (mut unknowns, mut rows) = (Vec::new(), Vec::new());
        for pixel in (0..removed.len()).filter(|&pixel| removed[pixel]) {
            let (y, x) = (pixel / grid.width, pixel % grid.width);
            let (mut row, mut diagonal) = ([0.0; 9], 0.0);
            for (k, &(dy, dx)) in OFFSETS.iter().enumerate() {
                let inside = y.checked_add_signed(dy).zip(x.checked_add_signed(dx));
                let inside = inside.filter(|&(y, x)| y < grid.height && x < grid.width);
                if let Some((y, x)) = inside {
                    diagonal += WEIGHTS[k];
                    row[k] = if removed[y * grid.width + x] { -WEIGHTS[k] as f32 } else { 0.0 };
                }
            }
            row[4] = diagonal as f32;
            rows.push(row);
            unknowns.push(Unknown { pixel, at: grid.at(y, x), diagonal });
        }
        let nodes = unknowns.iter().map(|unknown| unknown.at).collect();
        Self { grid, unknowns, preconditioner: Multigrid::new(grid, nodes, rows) }
    }

    /// Imputes up to [`LANES`] planes in place.
    fn impute(&self, planes: &mut [f32]) -> Result<()> {
        let (n_pixels, stride) = (self.grid.height * self.grid.width, self.grid.width);
        let n_channels = planes.len() / n_pixels;
        // Spare lanes hold zeros, which are solved by zeros.
        let value = |pixel: usize, lane: usize| {
            if lane < n_channels { f64::from(planes[lane * n_pixels + pixel]) } else { 0.0 }
        };
        // With the kept pixels in x, b - A x of the whole grid is the residual of the unknowns; and
        // what was removed is a better first guess than 0.
        let mut x = vec![[0.0; LANES]; self.grid.len()];
        for pixel in 0..n_pixels {
            x[self.grid.at(pixel / stride, pixel % stride)] = from_fn(|lane| value(pixel, lane));
        }
        let top = planes.iter().fold(0.0f32, |top, value| top.max(value.abs()));
        self.solve(&mut x, TOLERANCE * f64::from(top))?;
        for unknown in &self.unknowns {
            for lane in 0..n_channels {
                planes[lane * n_pixels + unknown.pixel] = x[unknown.at][lane] as f32;
            }
        }
        Ok(())
    }

    /// Solves for the unknowns in `x`; the kept pixels in it are the boundary values.
    fn solve(&self, x: &mut [Point<f64>], tolerance: f64) -> Result<()> {
        let mut memory = Memory::new(self);
        for _ in 0..MAX_CORRECTIONS {
            for unknown in &self.unknowns {
                memory.r[unknown.at] = self.residual(unknown, x);
            }
            let error = self.correct(&mut memory, tolerance as f32)?;
            for unknown in &self.unknowns {
                for (x, d) in x[unknown.at].iter_mut().zip(memory.d[unknown.at]) {
                    *x += f64::from(d);
                }
            }
            if f64::from(error) <= tolerance {
                return Ok(());
            }
        }
        Err(Error::field(format!("imputation did not converge in {MAX_CORRECTIONS} corrections")))
    }

    /// Σₙ wₙ xₙ - (Σₙ wₙ) `x_p` of one pixel. What is outside the image is zero in `x`.
    fn residual(&self, unknown: &Unknown, x: &[Point<f64>]) -> Point<f32> {
        let mut sum = [0.0; LANES];
        for row in 0..3 {
            let first = unknown.at + row * (self.grid.width + 2) - (self.grid.width + 2) - 1;
            for (x, weight) in x[first..first + 3].iter().zip(&WEIGHTS[3 * row..]) {
                for (sum, x) in sum.iter_mut().zip(x) {
                    *sum += weight * x;
                }
            }
        }
        from_fn(|lane| (sum[lane] - unknown.diagonal * x[unknown.at][lane]) as f32)
    }

    /// d ≈ A⁻¹ r by preconditioned conjugate gradients, each channel with its own step lengths.
    /// Stops once the error has shrunk by [`REDUCTION`] or is within `tolerance`, and returns it.
    ///
    /// The preconditioned residual z ≈ A⁻¹ r estimates the error pixel by pixel.
    fn correct(&self, memory: &mut Memory, tolerance: f32) -> Result<f32> {
        let Memory { r, z, p, ap, d, workspace } = memory;
        d.fill([0.0; LANES]);
        p.fill([0.0; LANES]);
        let mut previous = [0.0; LANES]; // rᵀz of the step before; 0 makes the first direction z
        let mut goal = None;
        for _ in 0..MAX_STEPS {
            self.preconditioner.v_cycle(r, z, workspace);
            let error = self.largest(z);
            if error <= *goal.get_or_insert(tolerance.max(REDUCTION * error)) {
                return Ok(error);
            }
            let rz = self.dot(r, z);
            let beta = ratio(rz, previous);
            for unknown in &self.unknowns {
                let z = &z[unknown.at];
                p[unknown.at] = from_fn(|lane| z[lane] + beta[lane] * p[unknown.at][lane]);
            }
            self.preconditioner.apply(p, ap);
            let alpha = ratio(rz, self.dot(p, ap));
            for unknown in &self.unknowns {
                let (p, ap) = (&p[unknown.at], &ap[unknown.at]);
                for lane in 0..LANES {
                    d[unknown.at][lane] += alpha[lane] * p[lane];
                    r[unknown.at][lane] -= alpha[lane] * ap[lane];
                }
            }
            previous = rz;
        }
        Err(Error::field(format!("imputation did not converge in {MAX_STEPS} steps")))
    }

    fn dot(&self, u: &[Point<f32>], v: &[Point<f32>]) -> Point<f32> {
        let mut sums = [0.0; LANES];
        for unknown in &self.unknowns {
            for ((sum, u), v) in sums.iter_mut().zip(&u[unknown.at]).zip(&v[unknown.at]) {
                *sum += u * v;
            }
        }
        sums
    }

    fn largest(&self, z: &[Point<f32>]) -> f32 {
        let mut largest = [0.0f32; LANES];
        for unknown in &self.unknowns {
            for (largest, z) in largest.iter_mut().zip(z[unknown.at]) {
                *largest = largest.max(z.abs());
            }
        }
        largest.into_iter().fold(0.0, f32::max)
    }
}

/// Vectors of the conjugate gradients, in their textbook names; d is the solution.
struct Memory {
    r: Vec<Point<f32>>,
    z: Vec<Point<f32>>,
    p: Vec<Point<f32>>,
    ap: Vec<Point<f32>>,
    d: Vec<Point<f32>>,
    workspace: Workspace,
}

impl Memory {
    fn new(system: &System) -> Self {
        let zeros = || vec![[0.0; LANES]; system.grid.len()];
        let workspace = system.preconditioner.workspace();
        Self { r: zeros(), z: zeros(), p: zeros(), ap: zeros(), d: zeros(), workspace }
    }
}

/// a / b by channel; 0 where b is.
fn ratio(a: Point<f32>, b: Point<f32>) -> Point<f32> {
    from_fn(|lane| if b[lane] == 0.0 { 0.0 } else { a[lane] / b[lane] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Largest violation of (Σₙ wₙ) xₚ = Σₙ wₙ xₙ over the removed pixels.
    fn violation(image: &Image, removed: &[usize]) -> f64 {
        let Shape { height, width, .. } = image.shape();
        let mut worst = 0.0f64;
        for plane in image.data().chunks_exact(height * width) {
            for &pixel in removed {
                let mut defect = 0.0;
                for (&(dy, dx), weight) in OFFSETS.iter().zip(WEIGHTS) {
                    let y = (pixel / width).checked_add_signed(dy).filter(|&y| y < height);
                    let x = (pixel % width).checked_add_signed(dx).filter(|&x| x < width);
                    if let (Some(y), Some(x)) = (y, x) {
                        defect += weight * f64::from(plane[y * width + x] - plane[pixel]);
                    }
                }
                worst = worst.max(defect.abs());
            }
        }
        worst
    }

    proptest! {
        #[test]
        fn every_removed_pixel_is_the_mean_of_its_neighbours(
            (channels, height, width) in (1usize..7, 1usize..40, 1usize..40),
            share in 0.0f64..1.0,
            blob: bool,
            seed: u64,
        ) {
            let shape = Shape::new(channels, height, width);
            let random = |i: usize| {
                let mixed = (i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40
            };
            let value = |i| random(i) as f32 / (1u32 << 23) as f32 - 1.0;
            let image = Image::new(shape, (0..shape.len()).map(value).collect()).unwrap();
            let mut order: Vec<usize> = (0..shape.n_pixels()).collect();
            if !blob {
                order.sort_by_key(|&pixel| random(pixel));
            }
            let removed = &order[..(share * order.len() as f64) as usize];
            let imputed = impute(&image, removed).unwrap();
            prop_assert!(violation(&imputed, removed) < 1e-6);
            for feature in (0..shape.len()).filter(|&f| !removed.contains(&shape.pixel(f))) {
                prop_assert_eq!(imputed.data()[feature].to_bits(), image.data()[feature].to_bits());
            }
        }
    }

    #[test]
    fn impossible_removals_are_refused() {
        let image = Image::constant(Shape::new(1, 2, 2), 1.0);
        assert_eq!(impute(&image, &[]).unwrap(), image);
        let message = |removed: &[usize]| impute(&image, removed).unwrap_err().to_string();
        assert_eq!(message(&[0, 0]), "removed = 0: each pixel below 4 at most once");
        assert_eq!(message(&[4]), "removed = 4: each pixel below 4 at most once");
        assert!(message(&[0, 1, 2, 3]).contains("fewer than all 4 pixels"));
    }
}
