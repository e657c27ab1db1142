//! Derivatives against finite differences and PyTorch.
#![allow(clippy::unwrap_used, reason = "tests")]

mod derivatives;
mod ops;
mod torch;
