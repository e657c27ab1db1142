//! Drawing: colours, canvas, lines, text.

mod canvas;
mod color;
mod palette;
mod stroke;
mod text;

pub use canvas::{Canvas, Zoom};
pub use color::{
    AGAINST, FOR, INK, PAPER, RULE, Rgb, SOFT_INK, contrast, gray, heat, mix, set_color, text_on,
};
pub use palette::Palette;
pub use text::{Font, Line};
