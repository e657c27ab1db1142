//! Drawing: colours, canvas, text.

mod canvas;
mod color;
mod text;

pub use canvas::{Canvas, Zoom};
pub use color::{INK, PAPER, RULE, Rgb, SOFT_INK, gray, heat, mix, set_color, text_on};
pub use text::{Font, Line};
