//! Pictures, records and tensors of explanations, reports with tables and plots, and files that
//! appear whole or not at all.

#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "texts are small, and a piece of one reads best as one string"
)]

mod comparison;
pub mod document;
pub mod draw;
mod error;
mod figure;
pub mod html;
pub mod output;
pub mod panel;
pub mod plot;
pub mod record;
mod results;
mod tensors;
mod wording;

pub use comparison::{Cell, Comparison};
pub use error::{Error, Result};
pub use figure::Figure;
pub use record::{ModelRecord, Provenance, Record};
pub use results::{Drawn, Results, described};
pub use tensors::{Tensors, maps};
pub use wording::{contrast_words, group_words, verdict_words};
