//! Outlines of the things in a scene, as signed distances.

/// A point or vector; x to the right, y down.
pub(crate) type Point = [f32; 2];

/// The outline of one thing, inside the unit circle around the origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outline {
    /// A convex stone: distance of each of its seven faces from the centre.
    Rock([f32; 7]),
    /// An upright sheet with a cut corner.
    Paper,
    /// Two crossing blades with ring handles.
    Scissors,
    /// Four unit cells at these columns and rows.
    Tetromino([Point; 4]),
    /// A full circle.
    Disc,
    /// A circle line.
    Ring,
    /// An upright cross.
    Plus,
    /// A short line with round ends.
    Stick,
    /// A square that touches the unit circle's bounding square.
    Square,
}

impl Outline {
    /// Four cells in a row.
    pub(crate) const BAR: Self = Self::Tetromino([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
    /// Two by two cells.
    pub(crate) const BLOCK: Self =
        Self::Tetromino([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]);
    /// Three cells in a row and one below the middle.
    pub(crate) const TEE: Self = Self::Tetromino([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 1.0]]);
    /// Two rows of two cells, one shifted.
    pub(crate) const ZED: Self = Self::Tetromino([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [2.0, 1.0]]);

    /// Signed distance of `p` from the outline, negative inside; exact near the outline.
    pub(crate) fn distance(&self, p: Point) -> f32 {
        match self {
            Self::Rock(faces) => rock(p, faces),
            Self::Paper => boxed(p, [0.64, 0.84]).max((p[0] - p[1]) * INV_SQRT_2 - 0.80),
            Self::Scissors => scissors([p[0].abs(), p[1]]),
            Self::Tetromino(cells) => {
                let to_cell = |centre| boxed(sub(p, centre), [CELL / 2.0, CELL / 2.0]);
                placed(cells).map(to_cell).fold(f32::INFINITY, f32::min)
            }
            Self::Disc => length(p) - 0.95,
            Self::Ring => (length(p) - 0.72).abs() - 0.23,
            Self::Plus => boxed(p, [0.95, 0.28]).min(boxed(p, [0.28, 0.95])),
            Self::Stick => segment(p, [-0.7, 0.0], [0.7, 0.0]) - 0.25,
            Self::Square => boxed(p, [0.95, 0.95]),
        }
    }

    /// Brightness of the surface at `p` (1 is plain): ruled lines, seams, speckles.
    pub(crate) fn surface(&self, p: Point) -> f32 {
        match self {
            Self::Paper => {
                let line = [-0.4f32, -0.1, 0.2, 0.5].iter().any(|y| (p[1] - y).abs() < 0.055);
                if line && p[0].abs() < 0.42 { 0.72 } else { 1.0 }
            }
            Self::Tetromino(cells) => {
                let inner = |c: Point| -boxed(sub(p, c), [CELL / 2.0, CELL / 2.0]);
                let depth = placed(cells).map(inner).fold(f32::NEG_INFINITY, f32::max);
                if depth < 0.05 { 0.75 } else { 1.0 }
            }
            _ => 1.0,
        }
    }
}

const INV_SQRT_2: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// Side of a tetromino's cell; four in a row just fit the unit circle.
const CELL: f32 = 0.48;

/// Centres of the cells, the whole moved to the origin.
fn placed(cells: &[Point; 4]) -> impl Iterator<Item = Point> + '_ {
    let span = |axis: usize| cells.iter().map(|cell| cell[axis]).fold(0.0, f32::max);
    let middle = [span(0) / 2.0, span(1) / 2.0];
    cells.iter().map(move |&cell| sub(cell, middle).map(|v| v * CELL))
}

fn rock(p: Point, faces: &[f32; 7]) -> f32 {
    let to_face = |(i, &offset): (usize, &f32)| {
        let angle = i as f32 / 7.0 * std::f32::consts::TAU;
        p[0] * libm::cosf(angle) + p[1] * libm::sinf(angle) - offset
    };
    faces.iter().enumerate().map(to_face).fold(f32::NEG_INFINITY, f32::max)
}

/// Folded onto x ≥ 0: a ring, the tip half of one blade and the handle half of the other.
fn scissors(p: Point) -> f32 {
    let ring = (length(sub(p, [0.42, 0.58])) - 0.25).abs() - 0.13;
    let tip = segment(p, [0.0, -0.05], [0.44, -0.84]) - 0.15;
    let shank = segment(p, [0.0, -0.05], [0.27, 0.38]) - 0.14;
    ring.min(tip).min(shank)
}

fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

pub(crate) fn length(p: Point) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

/// Distance from an axis-aligned box of half sizes `half` around the origin.
fn boxed(p: Point, half: Point) -> f32 {
    let q = [p[0].abs() - half[0], p[1].abs() - half[1]];
    length([q[0].max(0.0), q[1].max(0.0)]) + q[0].max(q[1]).min(0.0)
}

/// Distance from the segment a–b.
fn segment(p: Point, a: Point, b: Point) -> f32 {
    let (along, to_p) = (sub(b, a), sub(p, a));
    let dot = along[0] * to_p[0] + along[1] * to_p[1];
    let t = (dot / (along[0] * along[0] + along[1] * along[1])).clamp(0.0, 1.0);
    length([to_p[0] - t * along[0], to_p[1] - t * along[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outline; 12] = [
        Outline::Rock([0.8; 7]),
        Outline::Paper,
        Outline::Scissors,
        Outline::BAR,
        Outline::BLOCK,
        Outline::TEE,
        Outline::ZED,
        Outline::Disc,
        Outline::Ring,
        Outline::Plus,
        Outline::Stick,
        Outline::Square,
    ];

    #[test]
    fn outlines_stay_inside_their_square_and_hold_something() {
        for outline in ALL {
            let grid = (0..81).flat_map(|y| (0..81).map(move |x| [x, y]));
            let points = grid.map(|[x, y]| [x as f32 / 30.0 - 1.35, y as f32 / 30.0 - 1.35]);
            let inside: Vec<Point> = points.filter(|&p| outline.distance(p) < 0.0).collect();
            assert!(inside.len() > 300, "{outline:?} covers {} points", inside.len());
            let reach = inside.iter().map(|p| p[0].abs().max(p[1].abs())).fold(0.0, f32::max);
            assert!(reach <= 1.0, "{outline:?} reaches {reach}");
        }
    }

    #[test]
    fn distance_is_lipschitz() {
        for outline in ALL {
            for i in 0..40 {
                let p = [i as f32 * 0.05 - 1.0, 0.03 * i as f32 - 0.6];
                let near = [p[0] + 0.01, p[1] - 0.01];
                let change = (outline.distance(near) - outline.distance(p)).abs();
                assert!(change <= 0.0142, "{outline:?} at {p:?}: {change}");
            }
        }
    }
}
