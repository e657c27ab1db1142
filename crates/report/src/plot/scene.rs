//! What plots consist of, whatever they are drawn with.

use crate::draw::{Palette, Rgb};

/// A drawing of `width` by `height` units; y grows downwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Units across.
    pub width: f32,
    /// Units down.
    pub height: f32,
    /// Short name.
    pub title: String,
    /// What is to be seen, in a sentence.
    pub description: String,
    /// What is drawn, the undermost first.
    pub marks: Vec<Mark>,
}

/// One thing that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A line through points.
    Line {
        /// The points.
        points: Vec<[f32; 2]>,
        /// Colour.
        paint: Paint,
        /// Thickness.
        width: f32,
        /// Lengths of dashes and gaps in turn; empty for a solid line.
        dashes: &'static [f32],
    },
    /// A filled polygon.
    Area {
        /// Its corners.
        points: Vec<[f32; 2]>,
        /// Colour.
        paint: Paint,
        /// 0 for nothing, 1 for all.
        opacity: f32,
    },
    /// A filled disc.
    Disc {
        /// Its centre.
        center: [f32; 2],
        /// Its radius.
        radius: f32,
        /// Colour.
        paint: Paint,
    },
    /// A line of text.
    Text {
        /// Where on its baseline it is anchored.
        at: [f32; 2],
        /// What it says.
        text: String,
        /// Height of the font.
        size: f32,
        /// Which part of it is at `at`.
        anchor: Anchor,
        /// Colour.
        paint: Paint,
    },
}

/// Which part of a text lies where it is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// A colour by what it is for, so that a page can be light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Text and what matters.
    Ink,
    /// Text of less weight.
    Soft,
    /// Grid lines.
    Rule,
    /// The background.
    Paper,
    /// One of several series.
    Series(usize),
}

impl Paint {
    /// The colour in a palette.
    pub fn color(self, palette: &Palette) -> Rgb {
        match self {
            Self::Ink => palette.ink,
            Self::Soft => palette.soft,
            Self::Rule => palette.rule,
            Self::Paper => palette.paper,
            Self::Series(index) => palette.series[index % palette.series.len()],
        }
    }

    /// The variable that holds it in a page's style.
    pub(crate) fn variable(self) -> String {
        match self {
            Self::Ink => "--ink".into(),
            Self::Soft => "--soft".into(),
            Self::Rule => "--rule".into(),
            Self::Paper => "--paper".into(),
            Self::Series(index) => format!("--series-{}", index % Palette::N_SERIES),
        }
    }
}

/// Dashes by which series differ beside their colour.
pub(super) fn dashes(series: usize) -> &'static [f32] {
    const PATTERNS: [&[f32]; 5] =
        [&[], &[7.0, 4.0], &[2.0, 3.0], &[10.0, 3.0, 2.0, 3.0], &[14.0, 4.0]];
    PATTERNS[series % PATTERNS.len()]
}

impl Scene {
    pub(super) fn text(
        &mut self,
        at: [f32; 2],
        text: &str,
        size: f32,
        anchor: Anchor,
        paint: Paint,
    ) {
        self.marks.push(Mark::Text { at, text: text.to_owned(), size, anchor, paint });
    }

    pub(super) fn line(&mut self, from: [f32; 2], to: [f32; 2], width: f32, paint: Paint) {
        self.marks.push(Mark::Line { points: vec![from, to], paint, width, dashes: &[] });
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&mut self, [x0, y0]: [f32; 2], [x1, y1]: [f32; 2], paint: Paint) {
        let points = vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
        self.marks.push(Mark::Area { points, paint, opacity: 1.0 });
    }
}
