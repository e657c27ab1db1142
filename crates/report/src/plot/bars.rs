//! Horizontal bars with error bars, beside published values where there are any.

use super::{
    axis::{Axis, Ruler, Scale},
    frame::{self, Area, MARGIN, Measure, SMALL, Sample, WIDTH},
    lines::short,
    scene::{Anchor, Paint, Scene},
};
use crate::Result;

/// Thickness of a bar.
const BAR: f32 = 18.0;
/// From the top of one bar to the next of its group.
const STEP: f32 = 23.0;
/// Between groups.
const GROUP_GAP: f32 = 12.0;

/// A value and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Its length.
    pub value: f64,
    /// Ends of the error bar.
    pub interval: Option<(f64, f64)>,
    /// What was published for it.
    pub published: Option<f64>,
}

impl Bar {
    /// A bar without an error bar.
    pub fn new(value: f64) -> Self {
        Self { value, interval: None, published: None }
    }

    /// With an error bar from `low` to `high`.
    #[must_use]
    pub fn interval(self, low: f64, high: f64) -> Self {
        Self { interval: Some((low, high)), ..self }
    }

    /// Beside a published value.
    #[must_use]
    pub fn published(self, value: f64) -> Self {
        Self { published: Some(value), ..self }
    }
}

/// Bars that belong together: one for every series, or none where there is no value.
#[derive(Debug, Clone, PartialEq)]
pub struct BarGroup {
    /// Name at the left.
    pub label: String,
    /// Bars in the order of the series.
    pub bars: Vec<Option<Bar>>,
}

/// Groups of bars.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BarPlot {
    /// What is to be seen.
    pub title: String,
    /// The same in a sentence, for those who cannot see it; may be empty.
    pub description: String,
    /// Below. Its range includes 0 unless it is given.
    pub axis: Axis,
    /// Names of the bars of every group; with one or none, there is no legend for them.
    pub series: Vec<String>,
    /// The groups, from top to bottom.
    pub groups: Vec<BarGroup>,
}

impl BarPlot {
    /// A plot without bars.
    pub fn new(title: impl Into<String>, axis: Axis) -> Self {
        Self { title: title.into(), axis, ..Self::default() }
    }

    /// With these names for the bars of every group.
    #[must_use]
    pub fn series<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self { series: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// With a description for those who cannot see it.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// With one more group.
    #[must_use]
    pub fn group(
        mut self,
        label: impl Into<String>,
        bars: impl IntoIterator<Item = Option<Bar>>,
    ) -> Self {
        self.groups.push(BarGroup { label: label.into(), bars: bars.into_iter().collect() });
        self
    }

    /// With one more group of a single bar.
    #[must_use]
    pub fn bar(self, label: impl Into<String>, bar: Bar) -> Self {
        self.group(label, [Some(bar)])
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| group.bars.iter().flatten())
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let ends = |bar: &Bar| {
            let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
            [0.0, bar.value, low, high, bar.published.unwrap_or(bar.value)]
        };
        self.bars().flat_map(ends)
    }

    fn legend(&self) -> Vec<(&str, Sample)> {
        let names = self.series.iter().enumerate();
        let mut legend: Vec<(&str, Sample)> =
            names.map(|(index, name)| (name.as_str(), Sample::Bar(index))).collect();
        if self.bars().any(|bar| bar.published.is_some()) {
            legend.push(("published", Sample::Published));
        }
        legend
    }

    /// How a bar's value is written: so that three digits of the longest one count, or of every one
    /// where bars differ by orders of magnitude. (Its interval is drawn, not written.)
    fn text(&self, bar: &Bar) -> String {
        let largest = self.bars().map(|bar| bar.value.abs()).fold(0.0, f64::max);
        if self.axis.scale == Scale::Log10 || largest == 0.0 || !largest.is_finite() {
            return short(bar.value);
        }
        let decimals = (2 - largest.log10().floor() as i32).clamp(0, 9) as usize;
        format!("{:.decimals$}", bar.value)
    }

    pub(super) fn scene(&self) -> Result<Scene> {
        let measure = Measure::new()?;
        let ruler = self.axis.over(self.values());
        let (mut scene, below) =
            frame::begin(&self.title, self.described(), &self.legend(), &measure);
        let labels = self.groups.iter().map(|group| measure.width(&group.label, SMALL));
        let labels = labels.fold(0.0, f32::max).min(220.0);
        let numbers = self.bars().map(|bar| measure.width(&self.text(bar), SMALL));
        let area = Area {
            left: MARGIN + labels + 10.0,
            right: WIDTH - MARGIN - numbers.fold(0.0, f32::max) - 10.0,
            top: below + 8.0,
            bottom: below + 8.0 + self.height(),
        };
        area.x_axis(&mut scene, &self.axis, &ruler);
        let mut top = area.top + GROUP_GAP;
        for group in &self.groups {
            let height = STEP * group.bars.len() as f32;
            let label = measure.fit(&group.label, SMALL, labels + 2.0);
            let middle = top + (height - (STEP - BAR)) / 2.0;
            let at = [area.left - 10.0, middle + 5.0];
            scene.text(at, &label, SMALL, Anchor::End, Paint::Ink);
            for (index, bar) in group.bars.iter().enumerate() {
                let y = top + STEP * index as f32;
                self.draw_bar(&mut scene, area, &ruler, (y, index), bar.as_ref());
            }
            top += height + GROUP_GAP;
        }
        scene.height = area.bottom + 40.0 + MARGIN;
        Ok(scene)
    }

    fn draw_bar(
        &self,
        scene: &mut Scene,
        area: Area,
        ruler: &Ruler,
        (y, series): (f32, usize),
        bar: Option<&Bar>,
    ) {
        let middle = y + BAR / 2.0;
        let Some((bar, end)) = bar.and_then(|bar| Some((bar, ruler.place(bar.value)?))) else {
            let at = [area.left + 6.0, middle + 5.0];
            scene.text(at, "no value", SMALL, Anchor::Start, Paint::Soft);
            return;
        };
        let start = area.x(ruler.place(0.0).unwrap_or(0.0));
        let end = area.x(end);
        let (left, right) = (start.min(end), start.max(end).max(start + 1.0));
        scene.rectangle([left, y], [right, y + BAR], Paint::Series(series));
        if let Some((low, high)) = bar.interval {
            let ends = [low, high].map(|value| ruler.place(value).map(|place| area.x(place)));
            if let [Some(low), Some(high)] = ends {
                error_bar(scene, (low, high), middle);
            }
        }
        if let Some(x) =
            bar.published.and_then(|value| ruler.place(value)).map(|place| area.x(place))
        {
            frame::published(scene, [x, middle]);
        }
        let at = [area.right + 10.0, middle + 5.0];
        scene.text(at, &self.text(bar), SMALL, Anchor::Start, Paint::Ink);
    }

    fn height(&self) -> f32 {
        let groups = self.groups.iter().map(|g| STEP * g.bars.len() as f32 + GROUP_GAP);
        groups.sum::<f32>() + GROUP_GAP
    }

    fn described(&self) -> String {
        if !self.description.is_empty() {
            return self.description.clone();
        }
        let group = |group: &BarGroup| {
            let bars: Vec<String> = group.bars.iter().flatten().map(|bar| self.text(bar)).collect();
            format!("{}: {}", group.label, bars.join(", "))
        };
        let groups: Vec<String> = self.groups.iter().map(group).collect();
        format!("{}. {}", self.axis.title(), groups.join("; "))
    }

    pub(super) fn data(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let columns = ["group", "series", &self.axis.title(), "low", "high", "published"];
        let optional = |value: Option<f64>| value.map_or(String::new(), short);
        let row = |group: &BarGroup, index: usize, bar: &Bar| {
            vec![
                group.label.clone(),
                self.series.get(index).cloned().unwrap_or_default(),
                short(bar.value),
                optional(bar.interval.map(|interval| interval.0)),
                optional(bar.interval.map(|interval| interval.1)),
                optional(bar.published),
            ]
        };
        let rows = self.groups.iter().flat_map(|group| {
            let bars = group.bars.iter().enumerate();
            bars.filter_map(move |(i, bar)| bar.as_ref().map(|bar| row(group, i, bar)))
        });
        (columns.map(str::to_owned).to_vec(), rows.collect())
    }
}

/// A whisker with caps, cased so that it is seen on its bar.
fn error_bar(scene: &mut Scene, (low, high): (f32, f32), y: f32) {
    for (width, paint) in [(4.5, Paint::Paper), (2.0, Paint::Ink)] {
        let reach = if paint == Paint::Paper { 1.2 } else { 0.0 };
        scene.line([low - reach, y], [high + reach, y], width, paint);
        for x in [low, high] {
            scene.line([x, y - 5.0 - reach], [x, y + 5.0 + reach], width, paint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Mark;

    #[test]
    fn lengths_are_in_proportion() {
        let plot =
            BarPlot::new("t", Axis::new("x")).bar("a", Bar::new(1.0)).bar("b", Bar::new(2.0));
        let widths: Vec<f32> = plot
            .scene()
            .unwrap()
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Area { points, paint: Paint::Series(0), .. } => {
                    Some(points[1][0] - points[0][0])
                }
                _ => None,
            })
            .collect();
        let [a, b] = widths[..] else { panic!("two bars, not {widths:?}") };
        assert!((b - 2.0 * a).abs() < 0.01, "{a} {b}");
    }

    #[test]
    fn any_content_can_be_drawn() {
        let axis = Axis::new("a rather long name of an axis");
        BarPlot::new("", axis.clone()).scene().unwrap();
        let bar = Bar::new(-1.5).interval(-2.0, f64::NAN).published(3.0);
        let plot = BarPlot::new("t", axis)
            .series(["one", "two"])
            .group(
                "a label that is much too long for a plot of this width ".repeat(3),
                [None, Some(bar)],
            )
            .bar("NaN", Bar::new(f64::NAN));
        plot.scene().unwrap();
        assert_eq!(plot.data().1.len(), 2);
    }
}
