//! Outlines of pixels and of densities as SVG paths.

use std::collections::BTreeMap;

use hsets_core::SegmentMap;

use crate::panel::Plane;

/// A corner between pixels: column and row.
type Corner = (usize, usize);

/// The outline of all pixels above zero, in units of pixels: filled, it covers exactly these.
pub(super) fn pixels(mask: &Plane) -> String {
    let is_in = |y: usize, x: usize| y < mask.height && x < mask.width && mask.at(y, x) > 0.0;
    let mut edges: BTreeMap<Corner, Vec<Corner>> = BTreeMap::new();
    for y in 0..mask.height {
        for x in (0..mask.width).filter(|&x| is_in(y, x)) {
            // Clockwise, the pixel at the right hand; `usize::MAX` is out.
            let sides = [
                (is_in(y.wrapping_sub(1), x), (x, y), (x + 1, y)),
                (is_in(y, x + 1), (x + 1, y), (x + 1, y + 1)),
                (is_in(y + 1, x), (x + 1, y + 1), (x, y + 1)),
                (is_in(y, x.wrapping_sub(1)), (x, y + 1), (x, y)),
            ];
            for (_, from, to) in sides.into_iter().filter(|(is_inner, ..)| !is_inner) {
                edges.entry(from).or_default().push(to);
            }
        }
    }
    let mut path = String::new();
    while let Some(start) = edges.keys().next().copied() {
        path.push_str(&rectilinear(&round(&mut edges, start)));
    }
    path
}

/// Takes one closed round out of `edges`.
fn round(edges: &mut BTreeMap<Corner, Vec<Corner>>, start: Corner) -> Vec<Corner> {
    let mut corners = vec![start];
    let mut at = start;
    while let Some(ends) = edges.get_mut(&at) {
        let Some(next) = ends.pop() else { break };
        if ends.is_empty() {
            edges.remove(&at);
        }
        if next == start {
            break;
        }
        corners.push(next);
        at = next;
    }
    corners
}

/// A closed path of horizontal and vertical strokes, straight pieces joined.
fn rectilinear(corners: &[Corner]) -> String {
    let steps = corners.iter().zip(corners.iter().cycle().skip(1));
    let steps = steps.map(|(a, b)| (b.0 as i64 - a.0 as i64, b.1 as i64 - a.1 as i64));
    let mut strokes: Vec<(i64, i64)> = Vec::new();
    for (dx, dy) in steps {
        match strokes.last_mut() {
            Some(last) if (last.0 == 0) == (dx == 0) => *last = (last.0 + dx, last.1 + dy),
            _ => strokes.push((dx, dy)),
        }
    }
    // `z` draws the last stroke.
    strokes.pop();
    let stroke = |(dx, dy): &(i64, i64)| if *dy == 0 { format!("h{dx}") } else { format!("v{dy}") };
    let (x, y) = corners[0];
    format!("M{x} {y}{}z", strokes.iter().map(stroke).collect::<String>())
}

/// Lines between pixels of different segments.
pub(super) fn boundaries(segments: &SegmentMap) -> String {
    let (width, height) = (segments.width(), segments.height());
    let label = |y: usize, x: usize| segments.label(y * width + x);
    let mut path = String::new();
    for y in 1..height {
        for (from, to) in runs(width, |x| label(y - 1, x) != label(y, x)) {
            path.push_str(&format!("M{from} {y}h{}", to - from));
        }
    }
    for x in 1..width {
        for (from, to) in runs(height, |y| label(y, x - 1) != label(y, x)) {
            path.push_str(&format!("M{x} {from}v{}", to - from));
        }
    }
    path
}

/// Ranges of `0..len` in which `holds`.
fn runs(len: usize, holds: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in (0..len).filter(|&at| holds(at)) {
        match runs.last_mut() {
            Some(run) if run.1 == at => run.1 = at + 1,
            _ => runs.push((at, at + 1)),
        }
    }
    runs
}

/// The closed lines at which `plane` crosses `level`, values at the centres of pixels: marching
/// squares with linear interpolation. Outside the plane is nothing.
pub(super) fn contour(plane: &Plane, level: f32) -> String {
    let mut next: BTreeMap<Crossing, Crossing> = BTreeMap::new();
    for y in 0..=plane.height {
        for x in 0..=plane.width {
            square(plane, level, (y, x), &mut next);
        }
    }
    let mut path = String::new();
    while let Some(start) = next.keys().next().copied() {
        let mut points = Vec::new();
        let mut at = start;
        while let Some(to) = next.remove(&at) {
            points.push(place(plane, level, at));
            at = to;
        }
        let point = |(x, y): &(f32, f32)| format!("{x:.1} {y:.1}");
        let points: Vec<String> = points.iter().map(point).collect();
        path.push_str(&format!("M{}z", points.join("L")));
    }
    path
}

/// Where a contour crosses between a sample (y, x) and the next one below (`true`) or at its right
/// (`false`). Samples are counted from one outside the plane.
type Crossing = (usize, usize, bool);

fn sample(plane: &Plane, (y, x): (usize, usize)) -> f32 {
    let is_inside = (1..=plane.height).contains(&y) && (1..=plane.width).contains(&x);
    if is_inside { plane.at(y - 1, x - 1) } else { 0.0 }
}

/// Adds the pieces of contours within the square whose upper left sample is (y, x). What is above
/// the level lies at the right hand of a piece.
fn square(
    plane: &Plane,
    level: f32,
    (y, x): (usize, usize),
    next: &mut BTreeMap<Crossing, Crossing>,
) {
    let corners = [(y, x), (y, x + 1), (y + 1, x + 1), (y + 1, x)];
    let above = corners.map(|corner| sample(plane, corner) > level);
    // Top, right, bottom, left: side `i` joins corners `i` and `i + 1`.
    let sides = [(y, x, false), (y, x + 1, true), (y + 1, x, false), (y, x, true)];
    for entry in 0..4 {
        // Around the square clockwise, a piece enters where it comes to what is above.
        if above[entry] || !above[(entry + 1) % 4] {
            continue;
        }
        let leaves = |side: &usize| above[*side] && !above[(side + 1) % 4];
        let exit = (entry + 1..entry + 4).map(|side| side % 4).find(leaves);
        if let Some(exit) = exit {
            next.insert(sides[exit], sides[entry]);
        }
    }
}

/// Where in the plane a crossing is, in units of pixels.
fn place(plane: &Plane, level: f32, (y, x, is_below): Crossing) -> (f32, f32) {
    let from = sample(plane, (y, x));
    let to = sample(plane, if is_below { (y + 1, x) } else { (y, x + 1) });
    let share = (level - from) / (to - from);
    let (x, y) = (x as f32 - 0.5, y as f32 - 0.5);
    if is_below { (x, y + share) } else { (x + share, y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(rows: &[&str]) -> Plane {
        let values =
            rows.iter().flat_map(|row| row.bytes().map(|b| f32::from(u8::from(b == b'#'))));
        Plane::new(rows[0].len(), rows.len(), values.collect())
    }

    #[test]
    fn outlines_join_straight_pieces() {
        assert_eq!(pixels(&plane(&["....", ".##.", ".##."])), "M1 1h2v2h-2z");
        assert_eq!(pixels(&plane(&["#.", ".."])), "M0 0h1v1h-1z");
        assert_eq!(pixels(&plane(&["..", ".."])), "");
    }

    /// Area by the shoelace formula over all rounds, holes negative.
    fn area(path: &str) -> f64 {
        let mut total = 0.0;
        for round in path.split('M').filter(|round| !round.is_empty()) {
            let mut points: Vec<(f64, f64)> = Vec::new();
            let numbers = round.trim_end_matches('z');
            let mut rest = numbers;
            while !rest.is_empty() {
                let end = rest[1..].find(['h', 'v']).map_or(rest.len(), |i| i + 1);
                let (token, tail) = rest.split_at(end);
                let number = |text: &str| text.parse::<f64>().unwrap();
                match token.as_bytes()[0] {
                    b'h' => points.push((
                        points.last().unwrap().0 + number(&token[1..]),
                        points.last().unwrap().1,
                    )),
                    b'v' => points.push((
                        points.last().unwrap().0,
                        points.last().unwrap().1 + number(&token[1..]),
                    )),
                    _ => {
                        let (x, y) = token.split_once(' ').unwrap();
                        points.push((number(x), number(y)));
                    }
                }
                rest = tail;
            }
            let pairs = points.iter().zip(points.iter().cycle().skip(1));
            total += pairs.map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>() / 2.0;
        }
        total
    }

    #[test]
    fn outlines_hold_exactly_their_pixels() {
        let rows = ["##.#..#", "#.#.##.", "###...#", ".#.###.", "#######"];
        let n = rows.concat().bytes().filter(|b| *b == b'#').count();
        assert!((area(&pixels(&plane(&rows))) - n as f64).abs() < 1e-9);
    }

    #[test]
    fn contours_run_half_way_between_samples() {
        let path = contour(&plane(&["...", ".#.", "..."]), 0.5);
        let mut corners: Vec<&str> = path.trim_matches(['M', 'z']).split('L').collect();
        corners.sort_unstable();
        assert_eq!(corners, ["1.0 1.5", "1.5 1.0", "1.5 2.0", "2.0 1.5"]);
        // Closed at the border, and two diagonal neighbours are two rounds or one, never open.
        assert_eq!(contour(&plane(&["#"]), 0.5).matches('L').count(), 3);
        let saddle = contour(&plane(&["#.", ".#"]), 0.5);
        assert_eq!(saddle.matches('L').count() + saddle.matches('M').count(), 8);
    }

    #[test]
    fn boundaries_are_runs() {
        let segments = SegmentMap::new(3, 2, &[0, 0, 1, 0, 2, 2]).unwrap();
        assert_eq!(boundaries(&segments), "M1 1h2M1 1v1M2 0v1");
    }
}
