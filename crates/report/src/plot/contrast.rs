//! A contrast: what is left of a value with both parts, with one, with neither, and what would be
//! left if they only added up.

use super::{
    axis::{Axis, Ruler},
    frame::{Area, MARGIN, Measure, SMALL},
    scene::{Anchor, Mark, Paint, Scene},
};
use crate::Result;

/// Units across: it stands beside a picture.
const WIDTH: f32 = 460.0;
/// From one row to the next.
const STEP: f32 = 30.0;
/// Radius of a value.
const DISC: f32 = 6.0;

/// Four values, and the one that additivity predicts for the last.
#[derive(Debug, Clone, PartialEq)]
pub struct ContrastPlot {
    /// What is to be seen.
    pub title: String,
    /// What is measured.
    pub axis: Axis,
    /// Names of the four situations, from top to bottom: both, without the first, without the
    /// second, without both.
    pub rows: [String; 4],
    /// Their values.
    pub values: [f64; 4],
    /// Half the length of the 95 % interval of the effect, which is drawn around the last value.
    pub reach: f64,
}

impl ContrastPlot {
    /// What the last value would be if the parts only added up.
    pub fn additive(&self) -> f64 {
        self.values[1] + self.values[2] - self.values[0]
    }

    /// By how much the last value differs from that.
    pub fn effect(&self) -> f64 {
        self.values[3] - self.additive()
    }

    pub(super) fn scene(&self) -> Result<Scene> {
        let measure = Measure::new()?;
        let last = self.values[3];
        let ends = [self.additive(), last - self.reach, last + self.reach];
        let ruler = self.axis.over(self.values.into_iter().chain(ends));
        let labels = self.rows.iter().map(|row| measure.width(row, SMALL)).fold(0.0, f32::max);
        let numbers = self.values.iter().map(|value| measure.width(&self.text(*value), SMALL));
        let area = Area {
            left: MARGIN + labels.min(190.0) + 12.0,
            right: WIDTH - MARGIN - numbers.fold(0.0, f32::max) - 10.0,
            top: 6.0,
            bottom: 6.0 + 4.0 * STEP + 30.0,
        };
        let mut scene = Scene {
            width: WIDTH,
            height: area.bottom + 40.0 + MARGIN,
            title: self.title.clone(),
            description: self.described(),
            marks: Vec::new(),
        };
        area.x_axis(&mut scene, &self.axis, &ruler);
        for (row, (label, value)) in self.rows.iter().zip(self.values).enumerate() {
            let y = area.top + STEP * (row as f32 + 0.5);
            let label = measure.fit(label, SMALL, labels.min(190.0) + 2.0);
            let at = [area.left - 12.0, y + 5.0];
            scene.text(at, &label, SMALL, Anchor::End, Paint::Ink);
            let number = [area.right + 10.0, y + 5.0];
            scene.text(number, &self.text(value), SMALL, Anchor::Start, Paint::Ink);
            let Some(x) = ruler.place(value).map(|place| area.x(place)) else { continue };
            scene.line([area.left, y], [x, y], 2.0, Paint::Soft);
            scene.marks.push(Mark::Disc { center: [x, y], radius: DISC, paint: Paint::Ink });
        }
        self.draw_effect(&mut scene, area, &ruler);
        Ok(scene)
    }

    /// Below the last row: from where additivity ends to where the value is, with its interval.
    fn draw_effect(&self, scene: &mut Scene, area: Area, ruler: &Ruler) {
        let last = self.values[3];
        let places = [self.additive(), last, last - self.reach, last + self.reach];
        let places = places.map(|value| ruler.place(value).map(|place| area.x(place)));
        let [Some(additive), Some(value), Some(low), Some(high)] = places else { return };
        let y = area.top + 3.5 * STEP;
        let paint = Paint::Series(usize::from(self.effect() < 0.0));
        let dashes: &[f32] = &[4.0, 3.0];
        let points = vec![[additive, y - 11.0], [additive, y + 26.0]];
        scene.marks.push(Mark::Line { points, paint: Paint::Soft, width: 1.5, dashes });
        scene.line([additive, y + 18.0], [value, y + 18.0], 5.0, paint);
        for x in [low, high] {
            scene.line([x, y + 12.0], [x, y + 24.0], 2.0, Paint::Ink);
        }
        scene.line([low, y + 18.0], [high, y + 18.0], 2.0, Paint::Ink);
        for (radius, paint) in [(DISC, Paint::Soft), (DISC - 2.0, Paint::Paper)] {
            scene.marks.push(Mark::Disc { center: [additive, y], radius, paint });
        }
        let is_left = additive < f32::midpoint(area.left, area.right);
        let (anchor, x) = if is_left {
            (Anchor::Start, additive.min(value) + 2.0)
        } else {
            (Anchor::End, additive.max(value) - 2.0)
        };
        let text = format!("{} beyond the sum", self.signed(self.effect()));
        scene.text([x, y + 40.0], &text, SMALL, anchor, Paint::Ink);
    }

    fn described(&self) -> String {
        let rows = self.rows.iter().zip(self.values);
        let rows: Vec<String> =
            rows.map(|(row, value)| format!("{row} {}", self.text(value))).collect();
        format!(
            "{}; if they only added up, it would be {}, so the effect is {} ± {}.",
            rows.join(", "),
            self.text(self.additive()),
            self.signed(self.effect()),
            self.text(self.reach),
        )
    }

    /// With as many digits as show two of the effect.
    fn text(&self, value: f64) -> String {
        let size = self.effect().abs().log10().floor();
        let decimals = if size.is_finite() { (1.0 - size).clamp(1.0, 4.0) as usize } else { 1 };
        format!("{value:.decimals$}")
    }

    /// "+4.9", "-0.3".
    fn signed(&self, value: f64) -> String {
        let text = self.text(value);
        if value > 0.0 { format!("+{text}") } else { text }
    }

    pub(super) fn data(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let additive = ("if they only added up".to_owned(), self.additive());
        let rows = self.rows.iter().cloned().zip(self.values).chain([additive]);
        let columns = vec!["situation".into(), self.axis.title()];
        (columns, rows.map(|(row, value)| vec![row, self.text(value)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(values: [f64; 4], reach: f64) -> ContrastPlot {
        let rows = ["with both", "without a", "without b", "without both"].map(str::to_owned);
        ContrastPlot { title: "t".into(), axis: Axis::new("log-odds"), rows, values, reach }
    }

    #[test]
    fn the_effect_is_what_additivity_misses() {
        let plot = plot([14.2, 9.1, 8.8, 8.6], 0.5);
        assert!((plot.additive() - 3.7).abs() < 1e-9 && (plot.effect() - 4.9).abs() < 1e-9);
        let scene = plot.scene().unwrap();
        let discs = scene.marks.iter().filter_map(|mark| match mark {
            Mark::Disc { center, paint: Paint::Ink, .. } => Some(center[0]),
            _ => None,
        });
        let discs: Vec<f32> = discs.collect();
        assert!(discs[0] > discs[1] && discs[1] > discs[2] && discs[2] > discs[3], "{discs:?}");
        assert!(scene.description.contains("+4.9"), "{}", scene.description);
        assert_eq!(plot.data().1.len(), 5);
    }

    #[test]
    fn any_values_can_be_drawn() {
        for (values, reach) in
            [([0.0; 4], 0.0), ([1e9, -1e9, 0.0, 1.0], 1e3), ([f64::NAN; 4], f64::NAN)]
        {
            plot(values, reach).scene().unwrap();
        }
    }
}
