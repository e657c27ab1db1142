//! The explorer as people use it: asked over HTTP, and in a browser. Tests in a browser are
//! skipped, with a message, where Chromium is not installed.
//!
//! Screenshots are left in cargo's folder for files of tests, `target/tmp`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod access;
mod answers;
mod load;
mod page;
mod safety;
mod support;
