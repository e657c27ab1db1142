//! What all plots share: title, legend, axes, grid.

use super::{
    axis::{Axis, Ruler},
    scene::{Anchor, Mark, Paint, Scene, dashes},
};
use crate::{Result, draw::Font};

/// Units across every plot.
pub(super) const WIDTH: f32 = 600.0;
/// Margin at the outer edges.
pub(super) const MARGIN: f32 = 16.0;
/// Height of text beside the axes.
pub(super) const SMALL: f32 = 14.0;
/// Height of the title.
const TITLE: f32 = 17.0;

/// Readers' fonts are wider than ours, and measured by their em.
const ROOM: f32 = 1.22;

/// A font that measures with room to spare: SVG is shown in the reader's own font.
pub(super) struct Measure(Font);

impl Measure {
    pub(super) fn new() -> Result<Self> {
        Font::embedded().map(Self)
    }

    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        ROOM * self.0.width(text, size)
    }

    pub(super) fn fit(&self, text: &str, size: f32, width: f32) -> String {
        self.0.fit(text, size, width / ROOM)
    }
}

/// How a series is shown in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    /// A piece of its line.
    Line(usize),
    /// A piece of its bar.
    Bar(usize),
    /// The mark of published values.
    Published,
}

/// An empty scene with its title and legend; gives the y below them.
pub(super) fn begin(
    title: &str,
    description: String,
    legend: &[(&str, Sample)],
    measure: &Measure,
) -> (Scene, f32) {
    let mut scene = Scene {
        width: WIDTH,
        height: 0.0,
        title: title.to_owned(),
        description,
        marks: Vec::new(),
    };
    let room = WIDTH - 2.0 * MARGIN;
    scene.text([MARGIN, 26.0], &measure.fit(title, TITLE, room), TITLE, Anchor::Start, Paint::Ink);
    let (mut x, mut y) = (MARGIN, 50.0);
    for (name, sample) in legend {
        let name = measure.fit(name, SMALL, room - 40.0);
        let width = 34.0 + measure.width(&name, SMALL) + 18.0;
        if x > MARGIN && x + width > WIDTH - MARGIN + 18.0 {
            (x, y) = (MARGIN, y + 22.0);
        }
        draw_sample(&mut scene, [x, y - 5.0], *sample);
        scene.text([x + 34.0, y], &name, SMALL, Anchor::Start, Paint::Ink);
        x += width;
    }
    let bottom = if legend.is_empty() { 36.0 } else { y + 12.0 };
    (scene, bottom)
}

fn draw_sample(scene: &mut Scene, [x, y]: [f32; 2], sample: Sample) {
    match sample {
        Sample::Line(series) => scene.marks.push(Mark::Line {
            points: vec![[x, y], [x + 28.0, y]],
            paint: Paint::Series(series),
            width: 2.5,
            dashes: dashes(series),
        }),
        Sample::Bar(series) => {
            scene.rectangle([x + 8.0, y - 6.0], [x + 28.0, y + 6.0], Paint::Series(series));
        }
        Sample::Published => published(scene, [x + 18.0, y]),
    }
}

/// The mark of a published value: a diamond, cased so that it is seen on any bar.
pub(super) fn published(scene: &mut Scene, [x, y]: [f32; 2]) {
    for (reach, paint) in [(7.5, Paint::Paper), (5.5, Paint::Ink)] {
        let points = vec![[x - reach, y], [x, y - reach], [x + reach, y], [x, y + reach]];
        scene.marks.push(Mark::Area { points, paint, opacity: 1.0 });
    }
}

/// A rectangle with an axis below it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) top: f32,
    pub(super) bottom: f32,
}

impl Area {
    pub(super) fn x(self, place: f32) -> f32 {
        self.left + place * (self.right - self.left)
    }

    pub(super) fn y(self, place: f32) -> f32 {
        self.bottom - place * (self.bottom - self.top)
    }

    /// Vertical grid lines with their numbers, and the axis' title below.
    pub(super) fn x_axis(self, scene: &mut Scene, axis: &Axis, ruler: &Ruler) {
        for (value, text) in &ruler.ticks {
            let Some(x) = ruler.place(*value).map(|place| self.x(place)) else { continue };
            scene.line([x, self.top], [x, self.bottom], 1.0, Paint::Rule);
            scene.text([x, self.bottom + 19.0], text, SMALL, Anchor::Middle, Paint::Soft);
        }
        let middle = f32::midpoint(self.left, self.right);
        let at = [middle, self.bottom + 40.0];
        scene.text(at, &axis.title(), SMALL, Anchor::Middle, Paint::Soft);
    }

    /// Horizontal grid lines with their numbers, and the axis' title above.
    pub(super) fn y_axis(self, scene: &mut Scene, axis: &Axis, ruler: &Ruler) {
        for (value, text) in &ruler.ticks {
            let Some(y) = ruler.place(*value).map(|place| self.y(place)) else { continue };
            scene.line([self.left, y], [self.right, y], 1.0, Paint::Rule);
            scene.text([self.left - 8.0, y + 5.0], text, SMALL, Anchor::End, Paint::Soft);
        }
        let at = [MARGIN, self.top - 12.0];
        scene.text(at, &axis.title(), SMALL, Anchor::Start, Paint::Soft);
    }
}
