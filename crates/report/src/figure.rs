//! The picture to show a colleague: photo, segments, sets and heat map side by side, with the
//! scores of the sets.

use hsets_core::{Photo, SegmentMap, Shape};
use hsets_pipeline::ScoredSet;

use crate::{
    Result,
    draw::{Canvas, Font, INK, Line, PAPER, RULE, SOFT_INK, heat, set_color},
    panel::{self, Panels},
};

const MARGIN: usize = 32;
const GAP: usize = 20;
const HEADER: usize = 92;
const CAPTION: usize = 32;
const ROW: usize = 32;
/// Wide enough for the title of a single small panel.
const MIN_WIDTH: usize = 720;

/// What a figure shows.
#[derive(Debug, Clone, Copy)]
pub struct Figure<'a> {
    /// First line: the explained class.
    pub title: &'a str,
    /// Second line: model, probability, measures.
    pub subtitle: &'a str,
    /// The picture as the network sees it.
    pub photo: &'a Photo,
    /// Its segments.
    pub segments: &'a SegmentMap,
    /// Its sets, the best first; without any, segments and sets are left out.
    pub sets: &'a [ScoredSet],
    /// Its panels.
    pub panels: &'a Panels,
}

impl Figure<'_> {
    /// Draws the figure.
    pub fn draw(&self) -> Result<Canvas> {
        let font = Font::embedded()?;
        let panels = self.captioned();
        let (width, height) = self.size(&panels);
        let mut canvas = Canvas::new(width, height, PAPER);
        self.header(&mut canvas, &font);
        let mut x = MARGIN;
        let top = HEADER + CAPTION;
        for (caption, panel) in &panels {
            let line = Line { x: x as f32, y: (top - 10) as f32, size: 19.0, color: SOFT_INK };
            font.draw(&mut canvas, &font.fit(caption, line.size, panel.width() as f32), line);
            canvas.paste(x, top, panel);
            x += panel.width() + GAP;
        }
        let below = top + panels[0].1.height() + GAP;
        let left_of_map = x - panels[0].1.width() - GAP;
        color_bar(&mut canvas, &font, left_of_map, below, panels[0].1.width());
        self.scores(&mut canvas, &font, below, left_of_map - GAP);
        Ok(canvas)
    }

    fn captioned(&self) -> Vec<(String, &Canvas)> {
        let Panels { photo, segments, sets, overlay } = self.panels;
        let mut panels = vec![("what the network sees".to_owned(), photo)];
        if !self.sets.is_empty() {
            panels.push((counted(self.segments.n_segments(), "segment"), segments));
            let n_sets = counted(self.sets.len(), "interaction set");
            panels.push((format!("{n_sets}, ranked"), sets));
        }
        panels.push(("saliency".to_owned(), overlay));
        panels
    }

    fn size(&self, panels: &[(String, &Canvas)]) -> (usize, usize) {
        let row: usize = panels.iter().map(|(_, panel)| panel.width() + GAP).sum();
        let legend = (self.sets.len() * ROW).max(48);
        let height = HEADER + CAPTION + panels[0].1.height() + GAP + legend + MARGIN;
        ((2 * MARGIN + row - GAP).max(MIN_WIDTH), height)
    }

    fn header(&self, canvas: &mut Canvas, font: &Font) {
        let room = (canvas.width() - 2 * MARGIN) as f32;
        let title = Line { x: MARGIN as f32, y: 48.0, size: 36.0, color: INK };
        font.draw(canvas, &font.fit(self.title, title.size, room), title);
        let subtitle = Line { y: 78.0, size: 20.0, color: SOFT_INK, ..title };
        font.draw(canvas, &font.fit(self.subtitle, subtitle.size, room), subtitle);
    }

    /// One bar with its error bar per set.
    fn scores(&self, canvas: &mut Canvas, font: &Font, top: usize, right: usize) {
        let texts: Vec<[String; 2]> = self.sets.iter().map(|set| self.describe(set)).collect();
        let widest =
            |column: usize| texts.iter().map(|t| font.width(&t[column], 18.0)).fold(0.0, f32::max);
        let left = MARGIN as f32 + 40.0;
        let room = (right as f32 - left - widest(0) - widest(1) - 64.0).clamp(60.0, 560.0);
        let reach = |set: &ScoredSet| set.score + set.standard_error;
        let longest = self.sets.iter().map(reach).fold(f64::MIN_POSITIVE, f64::max);
        let length = |value: f64| (value.max(0.0) / longest) as f32 * room;
        for (rank, (set, text)) in self.sets.iter().zip(&texts).enumerate() {
            let y = (top + rank * ROW + ROW / 2) as i64;
            panel::badge(canvas, font, (MARGIN as f32 + 13.0, y as f32), rank);
            let bar = length(set.score).round() as i64;
            canvas.rectangle(left as i64, y - 8, bar.max(1), 16, set_color(rank));
            let low = (left + length(set.score - set.standard_error)) as i64;
            let high = (left + length(reach(set))) as i64;
            canvas.rectangle(low, y - 1, (high - low).max(1), 2, INK);
            for end in [low, high] {
                canvas.rectangle(end, y - 5, 2, 10, INK);
            }
            let score = Line { x: left + room + 20.0, y: y as f32 + 6.0, size: 18.0, color: INK };
            font.draw(canvas, &text[0], score);
            let detail = Line { x: score.x + widest(0) + 24.0, color: SOFT_INK, ..score };
            let rest = right as f32 - detail.x;
            font.draw(canvas, &font.fit(&text[1], 18.0, rest), detail);
        }
    }

    fn describe(&self, set: &ScoredSet) -> [String; 2] {
        let shape = Shape::new(3, self.photo.height(), self.photo.width());
        let seed = set.grown.map_or(String::new(), |grown| {
            let (channel, y, x) = shape.position(grown.seed);
            let channel = ["red", "green", "blue"].get(channel).copied().unwrap_or("?");
            format!(", seed x {x}, y {y}, {channel}")
        });
        [
            format!("{:.3} ± {:.3}", set.score, set.standard_error),
            format!("{}{seed}", counted(set.features.len(), "feature")),
        ]
    }
}

/// "1 set", "2 sets".
pub(crate) fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// From no heat to the most.
fn color_bar(canvas: &mut Canvas, font: &Font, x: usize, y: usize, width: usize) {
    for column in 0..width {
        let color = heat(column as f32 / width as f32);
        canvas.rectangle((x + column) as i64, y as i64, 1, 14, color);
    }
    canvas.rectangle(x as i64, y as i64 + 14, width as i64, 1, RULE);
    let line = Line { x: x as f32, y: y as f32 + 36.0, size: 17.0, color: SOFT_INK };
    font.draw(canvas, "none", line);
    let most = "most";
    let end = (x + width) as f32 - font.width(most, line.size);
    font.draw(canvas, most, Line { x: end, ..line });
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{FeatureSet, SaliencyMap};
    use hsets_pipeline::{Grown, detection::Stop};

    #[test]
    fn figures_of_any_content_can_be_drawn() {
        let photo = Photo::new(40, 24, vec![90; 3 * 40 * 24]).unwrap();
        let segments = SegmentMap::whole(40, 24).unwrap();
        let map = SaliencyMap::zeros(Shape::new(3, 24, 40));
        let set = |score| ScoredSet {
            features: FeatureSet::new([5, 6, 7]),
            grown: Some(Grown { seed: 5, segment: 0, n_rows: 1, stop: Stop::Full }),
            score,
            standard_error: 0.1,
            n_samples: 50,
            settled: true,
        };
        for sets in [vec![], vec![set(0.0)], vec![set(2.0), set(1.0), set(-0.5)]] {
            let features: Vec<&FeatureSet> = sets.iter().map(|set| &set.features).collect();
            let panels = Panels::draw(&photo, &segments, &features, &map).unwrap();
            let figure = Figure {
                title: "a very long class name ".repeat(20).as_str(),
                subtitle: "",
                photo: &photo,
                segments: &segments,
                sets: &sets,
                panels: &panels,
            }
            .draw()
            .unwrap();
            assert!(figure.width() >= MIN_WIDTH);
        }
    }
}
