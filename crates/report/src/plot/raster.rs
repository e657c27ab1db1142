//! Scenes as pixels, on white.

use super::scene::{Anchor, Mark, Scene};
use crate::{
    Result,
    draw::{Canvas, Font, Line, Palette},
};

/// The embedded font is measured from ascender to descender, fonts of the web by their em.
const EM: f32 = 1.15;

/// Draws `scene` with `scale` pixels for each unit.
pub(super) fn draw(scene: &Scene, scale: f32) -> Result<Canvas> {
    let palette = &Palette::LIGHT;
    let font = Font::embedded()?;
    let size = |units: f32| (units * scale).ceil() as usize;
    let mut canvas = Canvas::new(size(scene.width), size(scene.height), palette.paper);
    let scaled = |points: &[[f32; 2]]| -> Vec<[f32; 2]> {
        points.iter().map(|point| point.map(|v| v * scale)).collect()
    };
    for mark in &scene.marks {
        match mark {
            Mark::Line { points, paint, width, dashes } => {
                let dashes: Vec<f32> = dashes.iter().map(|length| length * scale).collect();
                let color = paint.color(palette);
                canvas.polyline(&scaled(points), width * scale, &dashes, color);
            }
            Mark::Area { points, paint, opacity } => {
                canvas.polygon(&scaled(points), paint.color(palette), *opacity);
            }
            Mark::Disc { center, radius, paint } => {
                let [x, y] = center.map(|v| v * scale - 0.5);
                canvas.disc(x, y, radius * scale - 0.5, paint.color(palette));
            }
            Mark::Text { at, text, size, anchor, paint } => {
                let [x, y] = at.map(|v| v * scale);
                let size = EM * size * scale;
                let width = font.width(text, size);
                let x = match anchor {
                    Anchor::Start => x,
                    Anchor::Middle => x - width / 2.0,
                    Anchor::End => x - width,
                };
                let line = Line { x, y, size, color: paint.color(palette) };
                font.draw(&mut canvas, text, line);
            }
        }
    }
    Ok(canvas)
}
