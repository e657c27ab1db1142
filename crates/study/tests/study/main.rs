//! The demo at its smallest, as users start it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod demo;
mod page;
