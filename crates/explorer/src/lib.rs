//! A live explorer: one program, one page, no network.
//!
//! [`Server`] holds a classifier and pictures, and serves a page on which people choose a region of
//! a picture and see what acts together with it, take regions away and see what the network says
//! then. Each picture that is looked at stays warm: its linearisation and its gradients are
//! computed once. What nobody waits for any more is given up: the last click wins.
//!
//! | module | what it does |
//! |---|---|
//! | `guard` | who may ask: Host, Origin, token |
//! | `server` | connections, limits, routes |
//! | `ticket` | who waits for an answer, and who has left |
//! | `catalog` | the pictures, and which of them are warm |
//! | `desk` | what is kept of a warm picture |
//! | `question`, `answer` | what can be asked, and what is answered |
//! | `save`, `by_hand` | what is seen as files, and what a person did, to be repeated |
//!
//! HTTP is spoken by `hyper`, on which the larger servers stand. `tiny_http` is smaller, but has no
//! time limits, reserves as much memory as a request says it will send, and had no release since
//! 2022.

mod answer;
mod assets;
mod by_hand;
mod catalog;
mod desk;
mod error;
mod guard;
mod png;
mod question;
mod region;
mod removal;
mod save;
mod server;
mod ticket;

pub use by_hand::{ByHand, Measured, TakenAway};
pub use catalog::{Given, Limits};
pub use error::{Error, Result};
pub use region::Region;
pub use server::{Options, Server};

/// A token that nobody guesses: 128 random bits, hexadecimal.
pub fn random_token() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // The keys of a `RandomState` come from the system's random numbers.
    let word = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", word(), word())
}
