//! Lines and polygons with soft edges.

use super::{canvas::Canvas, color::Rgb};

/// Rows of samples within a row of pixels; within a row, coverage is exact.
const SUBROWS: usize = 4;

impl Canvas {
    /// A line through `points`, `width` pixels thick, in dashes of the given lengths and gaps in
    /// turn (solid if there are none).
    pub fn polyline(&mut self, points: &[[f32; 2]], width: f32, dashes: &[f32], color: Rgb) {
        let pieces = if dashes.is_empty() { vec![points.to_vec()] } else { dashed(points, dashes) };
        for piece in pieces {
            for pair in piece.windows(2) {
                self.segment(pair[0], pair[1], width, color);
            }
            // Joints: where thick segments meet at an angle.
            for joint in piece.iter().skip(1).take(piece.len().saturating_sub(2)) {
                self.disc(joint[0] - 0.5, joint[1] - 0.5, width / 2.0 - 0.5, color);
            }
        }
    }

    /// A straight line with flat ends: a thin rectangle.
    fn segment(&mut self, from: [f32; 2], to: [f32; 2], width: f32, color: Rgb) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length = dx.hypot(dy);
        if length > 0.0 {
            let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
            let corners = [
                [from[0] + nx, from[1] + ny],
                [to[0] + nx, to[1] + ny],
                [to[0] - nx, to[1] - ny],
                [from[0] - nx, from[1] - ny],
            ];
            self.polygon(&corners, color, 1.0);
        }
    }

    /// Fills a polygon by the even-odd rule.
    pub fn polygon(&mut self, corners: &[[f32; 2]], color: Rgb, opacity: f32) {
        let heights = || corners.iter().map(|corner| corner[1]);
        let top = heights().fold(f32::INFINITY, f32::min).floor().max(0.0) as usize;
        let bottom = heights().fold(0.0, f32::max).ceil().min(self.height() as f32) as usize;
        let mut coverage = vec![0.0f32; self.width()];
        for row in top..bottom {
            coverage.fill(0.0);
            for subrow in 0..SUBROWS {
                let y = row as f32 + (subrow as f32 + 0.5) / SUBROWS as f32;
                for span in crossings(corners, y).chunks_exact(2) {
                    cover(&mut coverage, span[0], span[1]);
                }
            }
            for (x, share) in coverage.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let opacity = opacity * (share / SUBROWS as f32).min(1.0);
                self.blend(row as i64, x as i64, color, opacity);
            }
        }
    }
}

/// Where the edges of a polygon cross the horizontal at `y`, from left to right.
fn crossings(corners: &[[f32; 2]], y: f32) -> Vec<f32> {
    let next = corners.iter().cycle().skip(1);
    let crossing = |(a, b): (&[f32; 2], &[f32; 2])| {
        let crosses = (a[1] <= y) != (b[1] <= y);
        crosses.then(|| a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]))
    };
    let mut xs: Vec<f32> = corners.iter().zip(next).filter_map(crossing).collect();
    xs.sort_unstable_by(f32::total_cmp);
    xs
}

/// Adds to every pixel the share of it that lies between `left` and `right`.
fn cover(coverage: &mut [f32], left: f32, right: f32) {
    let (left, right) = (left.max(0.0), right.min(coverage.len() as f32));
    let mut x = left as usize;
    while (x as f32) < right {
        coverage[x] += right.min(x as f32 + 1.0) - left.max(x as f32);
        x += 1;
    }
}

/// The dashes of a line.
fn dashed(points: &[[f32; 2]], pattern: &[f32]) -> Vec<Vec<[f32; 2]>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<[f32; 2]> = points.first().copied().into_iter().collect();
    let mut lengths = pattern.iter().cycle().copied();
    let mut left = lengths.next().unwrap_or(f32::INFINITY);
    let mut is_dash = true;
    for pair in points.windows(2) {
        let length = (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
        let mut done = 0.0;
        while left <= length - done {
            done += left;
            let at = [0, 1].map(|i| pair[0][i] + done / length * (pair[1][i] - pair[0][i]));
            piece.push(at);
            if is_dash {
                pieces.push(std::mem::take(&mut piece));
            }
            piece = vec![at];
            is_dash = !is_dash;
            left = lengths.next().unwrap_or(f32::INFINITY).max(0.1);
        }
        left -= length - done;
        piece.push(pair[1]);
    }
    if is_dash && piece.first() != piece.last() {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn darkness(canvas: &Canvas) -> f32 {
        canvas.bytes().iter().step_by(3).map(|v| 1.0 - f32::from(*v) / 255.0).sum()
    }

    #[test]
    fn areas_are_as_large_as_they_should_be() {
        let mut canvas = Canvas::new(40, 40, [255; 3]);
        canvas.polygon(&[[5.25, 5.5], [25.75, 5.5], [25.75, 30.0], [5.25, 30.0]], [0; 3], 1.0);
        assert!((darkness(&canvas) - 20.5 * 24.5).abs() < 3.0, "{}", darkness(&canvas));
        let mut canvas = Canvas::new(40, 40, [255; 3]);
        canvas.polygon(&[[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]], [0; 3], 0.5);
        assert!((darkness(&canvas) - 400.0).abs() < 5.0, "{}", darkness(&canvas));
        let mut canvas = Canvas::new(40, 40, [255; 3]);
        canvas.polyline(&[[5.0, 5.0], [35.0, 35.0]], 3.0, &[], [0; 3]);
        let expected = 3.0 * 30.0 * std::f32::consts::SQRT_2;
        assert!((darkness(&canvas) - expected).abs() < 4.0, "{}", darkness(&canvas));
    }

    #[test]
    fn dashes_go_around_corners_and_leave_gaps() {
        let pieces = dashed(&[[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]], &[4.0, 2.0]);
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces[1], [[6.0, 0.0], [10.0, 0.0]]);
        assert_eq!(pieces[2], [[10.0, 2.0], [10.0, 6.0]]);
        let pieces = dashed(&[[0.0, 0.0], [3.0, 0.0], [3.0, 3.0]], &[4.0, 2.0]);
        assert_eq!(pieces, [[[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]]);
    }

    #[test]
    fn what_lies_outside_is_clipped() {
        let mut canvas = Canvas::new(4, 4, [255; 3]);
        canvas.polygon(&[[-9.0, -9.0], [50.0, -9.0], [50.0, 50.0], [-9.0, 50.0]], [0; 3], 1.0);
        assert!((darkness(&canvas) - 16.0).abs() < 0.1);
    }
}
