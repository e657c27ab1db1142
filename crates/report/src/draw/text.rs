//! Text in an embedded font, so that figures look alike on every machine.

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _, point};

use super::{canvas::Canvas, color::Rgb};
use crate::{Error, Result};

/// Ubuntu Light.
#[derive(Debug, Clone)]
pub struct Font(FontRef<'static>);

/// Size, place and colour of a line of text.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Left end, in pixels.
    pub x: f32,
    /// Baseline, in pixels.
    pub y: f32,
    /// Height of the font in pixels.
    pub size: f32,
    /// Colour.
    pub color: Rgb,
}

impl Font {
    /// The font that is part of the program.
    pub fn embedded() -> Result<Self> {
        let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT);
        font.map(Self).map_err(|_| Error::Picture("the embedded font cannot be read".into()))
    }

    /// Width of `text` in pixels.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let font = self.0.as_scaled(PxScale::from(size));
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }

    /// `text`, or as much of it as fits into `width`, with an ellipsis.
    pub fn fit(&self, text: &str, size: f32, width: f32) -> String {
        if self.width(text, size) <= width {
            return text.into();
        }
        let mut kept: String = text.into();
        while !kept.is_empty() && self.width(&format!("{kept}…"), size) > width {
            kept.pop();
        }
        format!("{}…", kept.trim_end())
    }

    /// Draws one line; gives the x at which it ends.
    pub fn draw(&self, canvas: &mut Canvas, text: &str, line: Line) -> f32 {
        let font = self.0.as_scaled(PxScale::from(line.size));
        let mut x = line.x;
        for c in text.chars() {
            let mut glyph = font.scaled_glyph(c);
            glyph.position = point(x, line.y);
            x += font.h_advance(glyph.id);
            let Some(outline) = font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, coverage| {
                let (px, py) = (corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy));
                // The light face is too thin for small sizes: cover a little more.
                canvas.blend(py, px, line.color, (1.35 * coverage).min(1.0));
            });
        }
        x
    }

    /// Draws `text` with its middle at `line.x`.
    pub fn draw_centered(&self, canvas: &mut Canvas, text: &str, line: Line) {
        let x = line.x - self.width(text, line.size) / 2.0;
        self.draw(canvas, text, Line { x, ..line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_drawn_and_fits() {
        let font = Font::embedded().unwrap();
        let mut canvas = Canvas::new(100, 30, [255; 3]);
        let line = Line { x: 2.0, y: 20.0, size: 16.0, color: [0; 3] };
        let end = font.draw(&mut canvas, "set 1", line);
        assert!((end - 2.0 - font.width("set 1", 16.0)).abs() < 1e-3);
        let dark = canvas.bytes().iter().filter(|v| **v < 100).count();
        assert!(dark > 60, "{dark}");
        let short = font.fit("a very long class name indeed", 16.0, 80.0);
        assert!(short.ends_with('…') && font.width(&short, 16.0) <= 80.0);
    }
}
