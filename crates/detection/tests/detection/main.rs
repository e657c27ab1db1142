//! Detection against functions whose interactions are known, and against references in Python.
#![allow(clippy::unwrap_used, reason = "tests")]

mod archipelago;
mod contrast_goldens;
mod contrasts;
mod growth;
#[path = "../../../attribution/tests/attribution/methods_goldens/mod.rs"]
mod methods_goldens;
