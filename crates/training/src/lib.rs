//! Trains image classifiers: the graphs that are explained are the graphs that are trained.
//!
//! [`fit`] takes [`Examples`], a graph, a [`State`] to start from and [`Settings`], and goes through
//! the epochs. After each it hands the state to the caller, who may store it: a [`State`] becomes a
//! checkpoint ([`State::to_bytes`]) and comes back from it, and training goes on from there to the
//! same weights, bit for bit on the CPU, on any number of threads.
//!
//! Examples are photos, drawn anew with every epoch's crops and flips ([`Photos`]), or the features
//! of a frozen network, computed once ([`Features`]).
//!
//! Randomness is counted, not carried along: what happens to example i in epoch e depends on the
//! seed, e and i only, so nothing random has to be stored.

mod aid;
mod augmentation;
mod checkpoint;
mod encode;
mod error;
mod examples;
mod fit;
mod history;
mod hold_out;
mod initial;
mod loss;
mod model_file;
mod optimizer;
mod random;
mod schedule;
mod settings;
mod state;

pub use aid::Aid;
pub use augmentation::{Augmentation, Crop};
pub use error::{Error, Result};
pub use examples::{Examples, Features, Photos};
pub use fit::{Event, Job, fit};
pub use history::{Epoch, to_csv};
pub use hold_out::hold_out;
pub use hsets_autodiff::{Graph, Norms};
pub use initial::{head, initial_values, values_of};
pub use loss::{Loss, SoftTargets};
pub use model_file::{Description, model_file};
pub use optimizer::Optimizer;
pub use schedule::Schedule;
pub use settings::Settings;
pub use state::State;
