//! The picture to show a colleague: photo, segments, sets and heat map side by side, with the
//! scores of the sets.

use hsets_core::{Photo, SegmentMap, Shape};
use hsets_pipeline::{Interactions, ScoredSet, detection::Interaction};

use crate::{
    Result, contrast_words,
    draw::{AGAINST, Canvas, FOR, Font, INK, Line, PAPER, RULE, Rgb, SOFT_INK, heat, set_color},
    panel::{self, Panels, RANKED, by_worth},
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
    /// Its sets, the best first; without any, and without interactions, segments and sets are left
    /// out.
    pub sets: &'a [ScoredSet],
    /// Which regions act together, for methods that measure it.
    pub interactions: &'a Interactions,
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
        if let Some(caption) = self.caption() {
            panels.push((counted(self.segments.n_segments(), "segment"), segments));
            panels.push((caption, sets));
        }
        panels.push(("saliency".to_owned(), overlay));
        panels
    }

    /// What the panel beside the segments shows; `None` if there is nothing.
    fn caption(&self) -> Option<String> {
        let Interactions { contrasts, banzhaf, .. } = self.interactions;
        if contrasts.is_none() && banzhaf.is_none() {
            let n_sets = counted(self.sets.len(), "interaction set");
            return (!self.sets.is_empty()).then(|| format!("{n_sets}, ranked"));
        }
        let claimed = self.claimed().len();
        let ranking = "segments for the class (blue) and against";
        Some(match (contrasts, claimed) {
            (None, _) => ranking.to_owned(),
            (Some(_), 0) if banzhaf.is_some() => format!("no interaction found: {ranking}"),
            (Some(_), 0) => "no interaction found: pairs tested".to_owned(),
            (Some(_), 1) => "1 pair acts together".to_owned(),
            (Some(_), n) => format!("{n} pairs act together"),
        })
    }

    /// The pairs that are claimed.
    fn claimed(&self) -> Vec<&Interaction> {
        let found = self.interactions.contrasts.iter().flat_map(|found| &found.interactions);
        found.filter(|pair| pair.claim).collect()
    }

    fn size(&self, panels: &[(String, &Canvas)]) -> (usize, usize) {
        let row: usize = panels.iter().map(|(_, panel)| panel.width() + GAP).sum();
        let legend = (self.rows().len() * ROW).max(48);
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

    /// What the bars below the panels show.
    fn rows(&self) -> Vec<Row> {
        let pairs = self.claimed();
        if !pairs.is_empty() {
            return pairs.into_iter().enumerate().map(|(rank, pair)| of_pair(rank, pair)).collect();
        }
        if let Some(values) = &self.interactions.banzhaf {
            let areas = self.segments.areas();
            let row = |(_, segment): (usize, usize)| {
                let value = values[segment];
                let text = [format!("{value:+.2}"), counted(areas[segment], "pixel")];
                let color = if value < 0.0 { AGAINST } else { FOR };
                Row { size: value.abs(), error: 0.0, color, text }
            };
            return by_worth(values).into_iter().take(RANKED).enumerate().map(row).collect();
        }
        let row = |(rank, set): (usize, &ScoredSet)| Row {
            size: set.score,
            error: set.standard_error,
            color: set_color(rank),
            text: self.describe(set),
        };
        self.sets.iter().enumerate().map(row).collect()
    }

    /// One bar with its error bar per set, pair or segment.
    fn scores(&self, canvas: &mut Canvas, font: &Font, top: usize, right: usize) {
        let rows = self.rows();
        let widest = |column: usize| {
            rows.iter().map(|row| font.width(&row.text[column], 18.0)).fold(0.0, f32::max)
        };
        let left = MARGIN as f32 + 40.0;
        let room = (right as f32 - left - widest(0) - widest(1) - 64.0).clamp(60.0, 560.0);
        let longest = rows.iter().map(|row| row.size + row.error).fold(f64::MIN_POSITIVE, f64::max);
        let length = |value: f64| (value.max(0.0) / longest) as f32 * room;
        for (rank, Row { size, error, color, text }) in rows.iter().enumerate() {
            let y = (top + rank * ROW + ROW / 2) as i64;
            panel::badge(canvas, font, (MARGIN as f32 + 13.0, y as f32), rank, *color);
            let bar = length(*size).round() as i64;
            canvas.rectangle(left as i64, y - 8, bar.max(1), 16, *color);
            let low = (left + length(size - error)) as i64;
            let high = (left + length(size + error)) as i64;
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

/// A bar with its error bar, its number, and what else there is to say.
struct Row {
    size: f64,
    error: f64,
    color: Rgb,
    text: [String; 2],
}

fn of_pair(rank: usize, pair: &Interaction) -> Row {
    let effect = pair.contrast.effect;
    let flips = if pair.depends_on_reference() { "; depends on the reference" } else { "" };
    let words = contrast_words(&pair.contrast, ["first region (a)", "second (b)"]);
    Row {
        size: effect.mean.abs(),
        error: effect.standard_error,
        color: set_color(rank),
        text: [format!("{:+.2} ± {:.2}", effect.mean, effect.standard_error), words + flips],
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
            let none = Interactions::default();
            let panels = Panels::draw(&photo, &segments, &features, &none, &map).unwrap();
            let figure = Figure {
                title: "a very long class name ".repeat(20).as_str(),
                subtitle: "",
                photo: &photo,
                segments: &segments,
                sets: &sets,
                interactions: &none,
                panels: &panels,
            }
            .draw()
            .unwrap();
            assert!(figure.width() >= MIN_WIDTH);
        }
    }
}
