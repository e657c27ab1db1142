//! Attribution along the straight path from a baseline to the image.
//!
//! [`PathGradients::along`] asks a field for its gradients at every point of the path, once per
//! image. Everything else is sums and dot products over them:
//! [`integrated_gradients`] (one number per feature) and IDG-Vis (one number per set of features,
//! [`score_sets`]), the second stage of H-Sets.
//!
//! ```
//! use hsets_attribution::{IdgVis, PathGradients, integrated_gradients, score_sets};
//! use hsets_core::{FeatureSet, Image, Shape, Silent, Target, analytic::Polynomial};
//!
//! // f(x) = x₀·x₁ + x₂: two features that act together, and one alone.
//! let shape = Shape::new(1, 1, 3);
//! let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 1]), (1.0, vec![2])]]);
//! let (baseline, image) = (Image::constant(shape, 0.0), Image::constant(shape, 1.0));
//!
//! let settings = IdgVis::paper();
//! let target = Target::Logit(0);
//! let path = PathGradients::along(&field, &baseline, &image, &settings.path(), &target, &Silent)?;
//!
//! let ig = integrated_gradients(&path)?;
//! assert!((ig.map.data()[0] - 0.5).abs() < 1e-6 && (ig.map.data()[2] - 1.0).abs() < 1e-6);
//! let scores = score_sets(&path, &[FeatureSet::new([0, 1]), FeatureSet::new([2])], &settings)?;
//! assert!(scores.iter().all(|score| score.value > 0.0));
//! # Ok::<(), hsets_core::Error>(())
//! ```

mod baseline;
mod game;
mod idg_vis;
mod integrated_gradients;
pub mod methods;
mod path;
mod quadrature;
mod steps;

pub use baseline::{Baseline, Normalisation};
pub use game::{ExactGame, InteractionIndex, MAX_PLAYERS, coalition_values, harsanyi_dividends};
pub use idg_vis::{
    Directional, ExactScore, IdgVis, MAX_EXACT_PLAYERS, PathClass, PathMean, SampleSum, Samples,
    SetScore, dividend, saliency_map, sample_subsets, score_exactly, score_sets, score_subsets,
};
pub use integrated_gradients::{IntegratedGradients, integrated_gradients};
pub use path::{PathGradients, PathSettings, Refinement};
pub use quadrature::Quadrature;
pub use steps::Steps;
