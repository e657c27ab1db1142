//! Curves, each with a confidence band if it has one.

use super::{
    axis::{Axis, Ruler},
    frame::{self, Area, MARGIN, Measure, SMALL, Sample, WIDTH},
    scene::{Anchor, Mark, Paint, Scene, dashes},
};
use crate::Result;

/// Height of the plot without what is above and below it.
const HEIGHT: f32 = 260.0;
/// Up to so many points, every one is marked.
const FEW_POINTS: usize = 12;

/// A curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// (x, y), x ascending. A y that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
    /// (low, high) at every point; empty without a band.
    pub band: Vec<(f64, f64)>,
}

impl Series {
    /// A curve without a band.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect(), band: Vec::new() }
    }

    /// With (low, high) at every point.
    #[must_use]
    pub fn band(self, band: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { band: band.into_iter().collect(), ..self }
    }
}

/// Curves over a common axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinePlot {
    /// What is to be seen.
    pub title: String,
    /// The same in a sentence, for those who cannot see it; may be empty.
    pub description: String,
    /// Below.
    pub x: Axis,
    /// At the left.
    pub y: Axis,
    /// The curves; at most seven can be told apart by colour, more by dashes.
    pub series: Vec<Series>,
    /// Horizontal lines: name and y.
    pub levels: Vec<(String, f64)>,
}

impl LinePlot {
    /// A plot without curves.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With a description for those who cannot see it.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// With this axis below.
    #[must_use]
    pub fn x(self, x: Axis) -> Self {
        Self { x, ..self }
    }

    /// With this axis at the left.
    #[must_use]
    pub fn y(self, y: Axis) -> Self {
        Self { y, ..self }
    }

    /// With one more curve.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// With one more horizontal line.
    #[must_use]
    pub fn level(mut self, name: impl Into<String>, y: f64) -> Self {
        self.levels.push((name.into(), y));
        self
    }

    pub(super) fn scene(&self) -> Result<Scene> {
        let measure = Measure::new()?;
        let (x, y) = (self.x.over(self.xs()), self.y.over(self.ys()));
        let legend: Vec<(&str, Sample)> = self
            .series
            .iter()
            .enumerate()
            .map(|(index, series)| (series.name.as_str(), Sample::Line(index)))
            .collect();
        let (mut scene, below) = frame::begin(&self.title, self.described(), &legend, &measure);
        let widest = |(_, text): &(f64, String)| measure.width(text, SMALL);
        let numbers = y.ticks.iter().map(widest).fold(0.0, f32::max);
        let last = x.ticks.last().map_or(0.0, widest);
        let area = Area {
            left: MARGIN + numbers + 8.0,
            right: WIDTH - MARGIN - last / 2.0,
            top: below + 30.0,
            bottom: below + 30.0 + HEIGHT,
        };
        area.x_axis(&mut scene, &self.x, &x);
        area.y_axis(&mut scene, &self.y, &y);
        self.draw_levels(&mut scene, area, &y);
        let place = |(px, py): (f64, f64)| Some([area.x(x.place(px)?), area.y(y.place(py)?)]);
        for (index, series) in self.series.iter().enumerate() {
            draw_band(&mut scene, series, index, place);
        }
        for (index, series) in self.series.iter().enumerate() {
            draw_curve(&mut scene, series, index, place);
        }
        scene.height = area.bottom + 40.0 + MARGIN;
        Ok(scene)
    }

    fn draw_levels(&self, scene: &mut Scene, area: Area, ruler: &Ruler) {
        for (name, value) in &self.levels {
            let Some(y) = ruler.place(*value).map(|place| area.y(place)) else { continue };
            let points = vec![[area.left, y], [area.right, y]];
            let dashes: &[f32] = &[4.0, 4.0];
            scene.marks.push(Mark::Line { points, paint: Paint::Soft, width: 1.5, dashes });
            let at = [area.right - 6.0, y - 5.0];
            scene.text(at, name, SMALL, Anchor::End, Paint::Soft);
        }
    }

    fn xs(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(|series| series.points.iter().map(|point| point.0))
    }

    fn ys(&self) -> impl Iterator<Item = f64> {
        let bands = self.series.iter().flat_map(|series| &series.band);
        let points = self.series.iter().flat_map(|series| series.points.iter().map(|p| p.1));
        let levels = self.levels.iter().map(|level| level.1);
        points.chain(bands.flat_map(|(low, high)| [*low, *high])).chain(levels)
    }

    /// The description, or what can be said of any curves.
    fn described(&self) -> String {
        if !self.description.is_empty() {
            return self.description.clone();
        }
        let ends = |series: &Series| {
            let ends = series.points.first().zip(series.points.last());
            ends.map(|(first, last)| {
                format!("{}: from {:.3} to {:.3}", series.name, first.1, last.1)
            })
        };
        let curves: Vec<String> = self.series.iter().filter_map(ends).collect();
        format!("{} over {}. {}", self.y.title(), self.x.title(), curves.join("; "))
    }

    pub(super) fn data(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let has_bands = self.series.iter().any(|series| !series.band.is_empty());
        let mut columns = vec!["series".to_owned(), self.x.title(), self.y.title()];
        if has_bands {
            columns.extend(["low".into(), "high".into()]);
        }
        let row = |series: &Series, index: usize, (x, y): (f64, f64)| {
            let mut row = vec![series.name.clone(), short(x), short(y)];
            if has_bands {
                let band = series.band.get(index);
                row.push(band.map_or(String::new(), |band| short(band.0)));
                row.push(band.map_or(String::new(), |band| short(band.1)));
            }
            row
        };
        let rows = self.series.iter().flat_map(|series| {
            series.points.iter().enumerate().map(move |(i, &point)| row(series, i, point))
        });
        (columns, rows.collect())
    }
}

/// Four digits that count.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn draw_band(
    scene: &mut Scene,
    series: &Series,
    index: usize,
    place: impl Fn((f64, f64)) -> Option<[f32; 2]>,
) {
    let edges = series.points.iter().zip(&series.band);
    let edges: Vec<([f32; 2], [f32; 2])> = edges
        .filter_map(|((x, _), (low, high))| place((*x, *low)).zip(place((*x, *high))))
        .collect();
    let lower = edges.iter().map(|edge| edge.0);
    let upper = edges.iter().rev().map(|edge| edge.1);
    let points: Vec<[f32; 2]> = lower.chain(upper).collect();
    if points.len() >= 4 {
        scene.marks.push(Mark::Area { points, paint: Paint::Series(index), opacity: 0.18 });
    }
}

fn draw_curve(
    scene: &mut Scene,
    series: &Series,
    index: usize,
    place: impl Fn((f64, f64)) -> Option<[f32; 2]>,
) {
    let paint = Paint::Series(index);
    let places: Vec<Option<[f32; 2]>> = series.points.iter().map(|point| place(*point)).collect();
    for piece in places.split(Option::is_none) {
        let points: Vec<[f32; 2]> = piece.iter().copied().flatten().collect();
        let is_few = series.points.len() <= FEW_POINTS || points.len() == 1;
        for &center in points.iter().filter(|_| is_few) {
            scene.marks.push(Mark::Disc { center, radius: 3.5, paint });
        }
        if points.len() > 1 {
            scene.marks.push(Mark::Line { points, paint, width: 2.5, dashes: dashes(index) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(scene: &Scene, series: usize) -> usize {
        let is_of = |mark: &&Mark| {
            matches!(mark, Mark::Line { paint, points, .. }
                if *paint == Paint::Series(series) && points[0][1] > 60.0)
        };
        scene.marks.iter().filter(is_of).count()
    }

    #[test]
    fn gaps_split_a_curve() {
        let series =
            Series::new("a", [(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 0.0)]);
        let scene = LinePlot::new("t").series(series).scene().unwrap();
        assert_eq!(lines(&scene, 0), 2);
    }

    #[test]
    fn curves_go_where_their_values_are() {
        let plot = LinePlot::new("t")
            .x(Axis::new("x").range(0.0, 10.0))
            .y(Axis::new("y").range(0.0, 1.0))
            .series(Series::new("a", [(0.0, 0.0), (5.0, 0.5), (10.0, 1.0)]));
        let scene = plot.scene().unwrap();
        let curve = scene.marks.iter().find_map(|mark| match mark {
            Mark::Line { points, .. } if points.len() == 3 => Some(points.clone()),
            _ => None,
        });
        let [a, b, c] = curve.unwrap()[..] else { panic!("three points") };
        assert!((b[0] - f32::midpoint(a[0], c[0])).abs() < 1e-3 && a[0] < c[0]);
        assert!((b[1] - f32::midpoint(a[1], c[1])).abs() < 1e-3 && a[1] > c[1]);
        assert!((a[1] - c[1] - HEIGHT).abs() < 1e-3);
    }

    #[test]
    fn data_are_the_points() {
        let series = Series::new("a", [(1.0, 0.123_456)]).band([(0.1, 0.2)]);
        let plot = LinePlot::new("t").x(Axis::new("x").unit("%")).series(series);
        let (columns, rows) = plot.data();
        assert_eq!(columns[1], "x (%)");
        assert_eq!(rows, [["a", "1", "0.1235", "0.1", "0.2"].map(str::to_owned)]);
    }
}
