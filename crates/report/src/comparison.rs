//! Every method side by side on one picture, what was measured under each.

use hsets_core::{Photo, SaliencyMap, SegmentMap};

use crate::{
    Result,
    draw::{Canvas, Font, INK, Line, PAPER, RULE, SOFT_INK},
    figure::counted,
    panel,
};

const MARGIN: usize = 32;
const GAP: usize = 24;
const HEADER: usize = 92;
const CAPTION: usize = 34;
const TEXT: usize = 25;
/// Panels in a row.
const COLUMNS: usize = 5;

/// What a comparison shows.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// First line: the explained class.
    pub title: &'a str,
    /// Second line: model, settings.
    pub subtitle: &'a str,
    /// The picture as the network sees it.
    pub photo: &'a Photo,
    /// Its segments.
    pub segments: &'a SegmentMap,
    /// The methods, in the order of reading.
    pub cells: &'a [Cell],
}

/// One method.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its name.
    pub name: String,
    /// Its map, or why there is none.
    pub map: Result<SaliencyMap, String>,
    /// What was measured, a few numbers a line.
    pub lines: Vec<String>,
}

impl Comparison<'_> {
    /// Draws the comparison.
    pub fn draw(&self) -> Result<Canvas> {
        let font = Font::embedded()?;
        let photo = panel::photo(self.photo);
        let (side, tall) = (photo.width(), photo.height());
        let n_lines = self.cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        let n_panels = self.cells.len() + 2;
        let columns = COLUMNS.min(n_panels);
        let step = CAPTION + tall + n_lines * TEXT + GAP;
        let width = 2 * MARGIN + columns * (side + GAP) - GAP;
        let height = HEADER + n_panels.div_ceil(columns) * step + MARGIN;
        let mut canvas = Canvas::new(width, height, PAPER);
        self.header(&mut canvas, &font);
        let place = |index: usize| {
            let (row, column) = (index / columns, index % columns);
            (MARGIN + column * (side + GAP), HEADER + row * step)
        };
        let segments = panel::segments(self.photo, self.segments);
        let n_segments = counted(self.segments.n_segments(), "segment");
        for (index, (caption, picture)) in
            [("what the network sees", &photo), (n_segments.as_str(), &segments)]
                .into_iter()
                .enumerate()
        {
            paste(&mut canvas, &font, place(index), caption, picture);
        }
        for (index, cell) in self.cells.iter().enumerate() {
            let (x, y) = place(index + 2);
            let picture = match &cell.map {
                Ok(map) => panel::overlay(self.photo, map),
                Err(reason) => refusal(side, tall, &font, reason),
            };
            paste(&mut canvas, &font, (x, y), &cell.name, &picture);
            for (row, text) in cell.lines.iter().enumerate() {
                let at = y + CAPTION + tall + (row + 1) * TEXT;
                let line = Line { x: x as f32, y: at as f32, size: 18.0, color: INK };
                font.draw(&mut canvas, &font.fit(text, line.size, side as f32), line);
            }
        }
        Ok(canvas)
    }

    fn header(&self, canvas: &mut Canvas, font: &Font) {
        let room = (canvas.width() - 2 * MARGIN) as f32;
        let title = Line { x: MARGIN as f32, y: 48.0, size: 36.0, color: INK };
        font.draw(canvas, &font.fit(self.title, title.size, room), title);
        let subtitle = Line { y: 78.0, size: 20.0, color: SOFT_INK, ..title };
        font.draw(canvas, &font.fit(self.subtitle, subtitle.size, room), subtitle);
    }
}

/// A picture under its caption.
fn paste(
    canvas: &mut Canvas,
    font: &Font,
    (x, y): (usize, usize),
    caption: &str,
    picture: &Canvas,
) {
    let line = Line { x: x as f32, y: (y + CAPTION - 10) as f32, size: 21.0, color: SOFT_INK };
    font.draw(canvas, &font.fit(caption, line.size, picture.width() as f32), line);
    canvas.paste(x, y + CAPTION, picture);
}

/// A framed empty panel with the reason in it.
fn refusal(width: usize, height: usize, font: &Font, reason: &str) -> Canvas {
    let mut canvas = Canvas::new(width, height, RULE);
    canvas.rectangle(2, 2, width as i64 - 4, height as i64 - 4, PAPER);
    let room = width as f32 - 40.0;
    let mut lines = vec![String::new()];
    for word in reason.split_whitespace() {
        let last = lines.last().map_or("", String::as_str);
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if font.width(&longer, 20.0) <= room || last.is_empty() {
            lines.pop();
            lines.push(longer);
        } else {
            lines.push(word.to_owned());
        }
    }
    for (row, text) in lines.iter().enumerate() {
        let line = Line { x: 20.0, y: 44.0 + 28.0 * row as f32, size: 20.0, color: SOFT_INK };
        font.draw(&mut canvas, &font.fit(text, line.size, room), line);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    #[test]
    fn failures_have_a_panel_too() {
        let photo = Photo::new(16, 12, vec![90; 3 * 16 * 12]).unwrap();
        let segments = SegmentMap::whole(16, 12).unwrap();
        let map = SaliencyMap::zeros(Shape::new(3, 12, 16));
        let cell = |name: &str, map| Cell { name: name.into(), map, lines: vec!["a".into()] };
        let reason = "segments = 1: at least 2, or there is no pair: choose another segmenter";
        let cells: Vec<Cell> = (0..7)
            .map(|i| cell("x", if i == 3 { Err(reason.to_owned()) } else { Ok(map.clone()) }))
            .collect();
        let comparison = |cells| Comparison {
            title: "t",
            subtitle: "s",
            photo: &photo,
            segments: &segments,
            cells,
        };
        let two_rows = comparison(&cells).draw().unwrap();
        let one_row = comparison(&cells[..3]).draw().unwrap();
        assert_eq!(two_rows.width(), one_row.width());
        assert!(two_rows.height() > one_row.height());
        assert!(comparison(&[]).draw().unwrap().width() < one_row.width());
    }
}
