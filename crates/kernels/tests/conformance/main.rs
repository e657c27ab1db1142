//! Every kernel against its definition, on random shapes.

#![allow(clippy::float_cmp)] // values are copied, or the same to the last bit

mod conv2d;
mod elementwise;
mod linear;
mod pool2d;
mod reference;
mod support;
