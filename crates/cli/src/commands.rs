//! One file per command.

pub(crate) mod axioms;
pub(crate) mod compare;
pub(crate) mod contrast;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod game;
pub(crate) mod gradient;
pub(crate) mod hessian;
pub(crate) mod ig;
mod index;
pub(crate) mod merge;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod segment;
pub(crate) mod serve;
pub(crate) mod shell;
mod tensors;
pub(crate) mod train;
