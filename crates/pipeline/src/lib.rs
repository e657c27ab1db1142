//! One image through all stages of H-Sets.
//!
//! [`explain`] splits a photo into segments, asks the field for its gradients along the path from a
//! baseline, grows interaction sets from rows of the Hessian, scores them, and gives an
//! [`Explanation`] with all intermediates. It takes any field: a classifier of `models`, or your
//! own. [`Explainer`] does the same for many methods and settings, and computes what they share once.
//!
//! ```
//! use hsets_pipeline::{
//!     Settings, Subject, attribution::Normalisation, core::{Image, Photo, Shape, Silent},
//!     core::analytic::Polynomial, explain, segmentation::Grid,
//! };
//!
//! // A "network" of one class over 3×2×2 images: f(x) = x₀·x₄ + x₃.
//! let shape = Shape::new(3, 2, 2);
//! let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 4]), (1.0, vec![3])]]);
//! let photo = Photo::new(2, 2, vec![255; 12])?;
//! let subject = Subject {
//!     image: &Image::constant(shape, 1.0),
//!     photo: &photo,
//!     normalisation: &Normalisation::identity(3),
//! };
//!
//! let segmenter = Grid { rows: 2, columns: 2 };
//! let found = explain(&field, &subject, &segmenter, &Settings::paper(), &Silent)?;
//! assert_eq!(found.sets[0].features.indices(), [0, 4]);
//! # Ok::<(), hsets_core::Error>(())
//! ```
//!
//! The stages are re-exported, so that one dependency gives them all; each is a crate of its own
//! for those who want just one.

mod adaptive;
mod axioms;
mod explainer;
mod explanation;
mod game;
mod measure;
mod memo;
mod method;
mod reference;
#[cfg(feature = "hub")]
pub mod sam_weights;
mod settings;
mod stopwatch;
mod work;

pub use adaptive::{Adaptive, AdaptiveSamples, AdaptiveSteps};
pub use axioms::{Axiom, AxiomRow, AxiomSettings, Violation};
#[cfg(feature = "models")]
pub use explainer::normalisation;
pub use explainer::{Explainer, Subject, explain};
pub use explanation::{Cost, Explanation, Grown, Measures, ScoredSet};
pub use game::{EstimatorReport, GameReport};
pub use measure::{
    Better, Curve, Measured, Metric, MetricReport, MetricSettings, Needs, Randomisation, Reading,
    Stability, measure,
};
pub use method::{
    Archipelago, ContrastSettings, Controls, Coverage, HessiansWithin, Interactions, Method,
    MoxiSettings, PairedSets, Scalar, SegmentSummary, XraiBaselines, XraiSettings,
};
pub use reference::Reference;
pub use settings::Settings;
pub use work::Work;

pub use hsets_attribution as attribution;
pub use hsets_core as core;
pub use hsets_detection as detection;
pub use hsets_metrics as metrics;
#[cfg(feature = "models")]
pub use hsets_models as models;
pub use hsets_segmentation as segmentation;
