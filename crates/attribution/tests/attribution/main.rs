//! Attribution against functions and games whose values are known, and against the original programs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod adaptive;
mod axioms;
mod games;
mod methods;
mod methods_goldens;
mod path;
