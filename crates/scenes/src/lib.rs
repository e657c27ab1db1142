//! Drawn pictures whose class depends on two parts *together*, with the truth about the parts.
//!
//! Neither part tells the class alone, so an explanation that claims to find interactions can be
//! scored: does a set of pixels hold both parts, how much of each, and is that set ranked first?
//! Everything is drawn here, so the pictures are free of anyone's rights; picture `index` of
//! `seed` is the same on every machine and for any number of threads.
//!
//! ```
//! use hsets_scenes::{Criterion, Mask, Task, first_holding};
//! let scene = Task::Duel.draw(7, 0, 64)?;
//! let [orange, blue] = [&scene.parts[0], &scene.parts[1]];
//! println!("{} against {}: {}", orange.variant_name, blue.variant_name, Task::Duel.labels()[scene.class]);
//!
//! // One set of pixels finds the orange hand only; the next finds both.
//! let both = Mask::of_pixels(64, 64, orange.mask.pixels().chain(blue.mask.pixels()))?;
//! let sets = [orange.mask.clone(), both];
//! let parts = [&orange.mask, &blue.mask];
//! assert_eq!(first_holding(&sets, &parts, Criterion::ShareOfPart(0.1))?, Some(1));
//! # Ok::<(), hsets_core::Error>(())
//! ```

mod chance;
mod scene;
mod scoring;
mod task;

mod canvas;
mod compose;
mod dice;
mod layout;
mod outline;

pub use chance::{chance_of_holding, expected_overlap, random_blob, random_pixels};
pub use hsets_core::Mask;
pub use scene::{Part, Scene};
pub use scoring::{
    Criterion, Overlap, first_holding, n_held, overlap, relevance_mass, relevance_rank,
};
pub use task::Task;
