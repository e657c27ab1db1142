//! Matrix product C = A·B on the CPU, B packed once and used often.
//!
//! B \[k, n\] is cut into panels of [`NR`] columns, A into strips of [`MR`] rows; one panel and one
//! strip make a tile of C that stays in registers. The vector width is chosen at run time.

use pulp::{Arch, Simd, WithSimd};

/// Rows of a strip of A.
const MR: usize = 8;
/// Columns of a panel of B.
const NR: usize = 32;
/// Length of the sums done in one go, so that a strip fits the first cache and a panel the second.
const KC: usize = 512;
/// Rows of A packed together.
const MC: usize = 96;

/// Rows of equal length, `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Row i starts at `data[i · stride]`.
    pub(super) fn new(data: &'a [f32], stride: usize) -> Self {
        Self { data, stride }
    }

    fn row(&self, i: usize, columns: std::ops::Range<usize>) -> &'a [f32] {
        &self.data[i * self.stride + columns.start..i * self.stride + columns.end]
    }
}

/// The right-hand side B \[k, n\] of a product, in panels \[n / NR\]\[k\]\[NR\], padded with zeros.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    k: usize,
    n: usize,
    panels: Vec<f32>,
}

impl Packed {
    /// Packs B \[k, n\].
    pub(super) fn new(b: Rows<'_>, k: usize, n: usize) -> Self {
        let mut panels = vec![0.0; n.div_ceil(NR) * k * NR];
        for (panel, packed) in panels.chunks_exact_mut(k * NR).enumerate() {
            let columns = panel * NR..n.min((panel + 1) * NR);
            for (p, packed) in packed.chunks_exact_mut(NR).enumerate() {
                packed[..columns.len()].copy_from_slice(b.row(p, columns.clone()));
            }
        }
        Self { k, n, panels }
    }

    /// Packs B = Wᵀ of W \[n, k\], the layout of a linear layer's weight.
    pub(super) fn transposed(w: Rows<'_>, k: usize, n: usize) -> Self {
        let mut panels = vec![0.0; n.div_ceil(NR) * k * NR];
        for (panel, packed) in panels.chunks_exact_mut(k * NR).enumerate() {
            for (column, j) in (panel * NR..n.min((panel + 1) * NR)).enumerate() {
                for (p, &value) in w.row(j, 0..k).iter().enumerate() {
                    packed[p * NR + column] = value;
                }
            }
        }
        Self { k, n, panels }
    }

    /// Length of the sums.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// Columns of the product.
    pub(super) fn n(&self) -> usize {
        self.n
    }
}

/// C \[rows, n\] = A \[rows, k\] · B; row i of C starts at `c[i · c_stride]`.
pub(super) fn multiply(a: Rows<'_>, rows: usize, b: &Packed, c: &mut [f32], c_stride: usize) {
    Arch::new().dispatch(Product { a, transposed: false, rows, b, c, c_stride });
}

/// A · B of dense A \[rows, k\], as a new vector.
pub(super) fn product(a: &[f32], b: &Packed) -> Vec<f32> {
    let rows = a.len() / b.k;
    let mut c = vec![0.0; rows * b.n];
    multiply(Rows::new(a, b.k), rows, b, &mut c, b.n);
    c
}

/// C \[rows, n\] = Aᵀ · B for A \[k, rows\], C dense.
pub(super) fn multiply_transposed(a: Rows<'_>, rows: usize, b: &Packed, c: &mut [f32]) {
    Arch::new().dispatch(Product { a, transposed: true, rows, b, c, c_stride: b.n });
}

struct Product<'a> {
    a: Rows<'a>,
    transposed: bool,
    rows: usize,
    b: &'a Packed,
    c: &'a mut [f32],
    c_stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, transposed, rows, b, c, c_stride } = self;
        let mut packed = vec![0.0; rows.min(MC).next_multiple_of(MR) * b.k.min(KC)];
        let mut tile = [[0.0; NR]; MR];
        for k0 in (0..b.k).step_by(KC) {
            let kc = KC.min(b.k - k0);
            for row0 in (0..rows).step_by(MC) {
                let mc = MC.min(rows - row0);
                let (rows, k) = (row0..row0 + mc, k0..k0 + kc);
                if transposed {
                    pack_columns(a, rows, k, &mut packed);
                } else {
                    pack_strips(a, rows, k, &mut packed);
                }
                for (panel, b) in b.panels.chunks_exact(b.k * NR).enumerate() {
                    let b = &b[k0 * NR..(k0 + kc) * NR];
                    for (strip, a) in packed.chunks_exact(kc * MR).enumerate() {
                        let row = strip * MR;
                        if row >= mc {
                            break;
                        }
                        tile_product(simd, a, b, &mut tile);
                        let at = (row0 + row) * c_stride + panel * NR;
                        let size = (MR.min(mc - row), NR.min(self.b.n - panel * NR));
                        write_tile(&tile, &mut c[at..], c_stride, size, k0 == 0);
                    }
                }
            }
        }
    }
}

/// Strips \[rows / MR\]\[k\]\[MR\]; what lies beyond the last row is left as it was and never used.
#[inline(always)]
fn pack_strips(
    a: Rows<'_>,
    rows: std::ops::Range<usize>,
    k: std::ops::Range<usize>,
    packed: &mut [f32],
) {
    for (i, row) in rows.enumerate() {
        let strip = &mut packed[i / MR * MR * k.len()..][..MR * k.len()];
        for (slot, &value) in strip[i % MR..].iter_mut().step_by(MR).zip(a.row(row, k.clone())) {
            *slot = value;
        }
    }
}

/// As [`pack_strips`], from Aᵀ.
#[inline(always)]
fn pack_columns(
    a: Rows<'_>,
    rows: std::ops::Range<usize>,
    k: std::ops::Range<usize>,
    packed: &mut [f32],
) {
    let length = MR * k.len();
    for (strip, row) in packed.chunks_exact_mut(length).zip(rows.clone().step_by(MR)) {
        let columns = row..rows.end.min(row + MR);
        for (slots, p) in strip.chunks_exact_mut(MR).zip(k.clone()) {
            slots[..columns.len()].copy_from_slice(a.row(p, columns.clone()));
        }
    }
}

#[inline(always)]
fn tile_product<S: Simd>(simd: S, a: &[f32], b: &[f32], tile: &mut [[f32; NR]; MR]) {
    match S::F32_LANES {
        16 => register_tiles::<S, 8, 2>(simd, a, b, tile),
        8 => register_tiles::<S, 4, 2>(simd, a, b, tile),
        4 => register_tiles::<S, 4, 4>(simd, a, b, tile),
        _ => register_tiles::<S, 2, 4>(simd, a, b, tile),
    }
}

/// Fills the tile in parts of R rows and V vectors, as many sums as registers can hold.
#[inline(always)]
fn register_tiles<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: &[f32],
    b: &[f32],
    tile: &mut [[f32; NR]; MR],
) {
    let width = V * S::F32_LANES;
    for row in (0..MR).step_by(R) {
        for column in (0..NR).step_by(width) {
            let mut sums = [[simd.splat_f32s(0.0); V]; R];
            for (a, b) in a.as_chunks::<MR>().0.iter().zip(b.as_chunks::<NR>().0) {
                let b = S::as_simd_f32s(&b[column..column + width]).0;
                for r in 0..R {
                    let a = simd.splat_f32s(a[row + r]);
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(a, b[v], sums[r][v]);
                    }
                }
            }
            for r in 0..R {
                let tile = &mut tile[row + r][column..column + width];
                S::as_mut_simd_f32s(tile).0.copy_from_slice(&sums[r]);
            }
        }
    }
}

#[inline(always)]
fn write_tile(
    tile: &[[f32; NR]; MR],
    c: &mut [f32],
    stride: usize,
    (rows, columns): (usize, usize),
    first: bool,
) {
    for (tile, c) in tile[..rows].iter().zip(c.chunks_mut(stride)) {
        if first {
            c[..columns].copy_from_slice(&tile[..columns]);
        } else {
            c[..columns].iter_mut().zip(tile).for_each(|(c, t)| *c += t);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    /// Sizes that are no multiples of the tile, longer than one block, and smaller than a tile.
    #[test]
    fn product_equals_naive_sums() {
        for (rows, k, n) in [(1, 1, 1), (13, 70, 45), (100, 600, 33), (8, 32, 32), (7, 1030, 3)] {
            let (a, b) = (fill(rows * k, 1), fill(k * n, 2));
            let transposed: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            let packed = Packed::new(Rows::new(&b, n), k, n);
            let same = Packed::transposed(Rows::new(&transposed, k), k, n);
            assert_eq!(packed.panels, same.panels);
            let stride = n + 3;
            let mut c = vec![9.0; rows * stride];
            multiply(Rows::new(&a, k), rows, &packed, &mut c, stride);
            for i in 0..rows {
                for j in 0..n {
                    let exact: f64 =
                        (0..k).map(|p| f64::from(a[i * k + p]) * f64::from(b[p * n + j])).sum();
                    let error = (f64::from(c[i * stride + j]) - exact).abs();
                    assert!(error < 1e-5 * k as f64, "{rows} {k} {n} at {i}, {j}: {error}");
                }
                assert_eq!(c[i * stride + n..(i + 1) * stride], [9.0; 3]);
            }
            let flipped: Vec<f32> = (0..rows * k).map(|i| a[i % rows * k + i / rows]).collect();
            let mut again = vec![0.0; rows * n];
            multiply_transposed(Rows::new(&flipped, rows), rows, &packed, &mut again);
            assert!(again.chunks(n).zip(c.chunks(stride)).all(|(a, c)| a == &c[..n]));
        }
    }
}
