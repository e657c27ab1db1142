//! Pictures, records and tensors of explanations, and files that appear whole or not at all.

pub mod draw;
mod error;
mod figure;
pub mod output;
pub mod panel;
pub mod record;
mod tensors;

pub use error::{Error, Result};
pub use figure::Figure;
pub use record::{ModelRecord, Provenance, Record};
pub use tensors::{Tensors, maps};
