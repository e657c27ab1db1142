//! Numbers about saliency maps: how sparse they are, how faithful, how complete.
//!
//! A metric takes a map, and where it needs one, a scoring function ([`hsets_core::Scored`]); it
//! does not know how the map was made. Metrics of pixels first reduce the channels of the map, and
//! name the [`ChannelReduction`](hsets_core::ChannelReduction) in their results.
//!
//! ```
//! use hsets_core::{ChannelReduction, SaliencyMap, Shape};
//! let mut map = SaliencyMap::zeros(Shape::new(1, 10, 10));
//! map.data_mut()[..5].fill(2.0);
//! let gini = hsets_metrics::gini(&map, ChannelReduction::AbsSum)?;
//! assert!((gini - hsets_metrics::gini_of_equal(5, 100)).abs() < 1e-3);
//! # Ok::<(), hsets_core::Error>(())
//! ```

mod agreement;
mod bootstrap;
mod complexity;
mod correlation;
mod infidelity;
mod insertion_deletion;
mod interactions;
mod mask;
mod randomisation;
mod road;
mod score;
mod second_order;
mod sensitivity;
mod summary;
mod transport;

pub use agreement::{Agreement, agreement};
pub use bootstrap::Bootstrap;
pub use complexity::{entropy, gini, gini_of_equal};
pub use correlation::{pearson, spearman};
pub use infidelity::{Infidelity, Perturb, Perturbation, Units, infidelity, infidelity_of};
pub use insertion_deletion::{InsertionDeletion, ProbabilityCurve, deletion, insertion};
pub use interactions::{PairSampling, PairTrials, second_differences};
pub use mask::{MaskAgreement, mask_agreement};
pub use randomisation::{Mprt, discrete_entropy, efficient_mprt, mprt};
pub use road::{
    Aopc, Removal, Road, RoadCurve, RoadPoint, RoadSettings, Ties, impute, impute_noisy,
    removal_order, road, road_curve, tied_share,
};
pub use second_order::{InteractionCurves, SecondOrder, interaction_curves};
pub use sensitivity::{MaxSensitivity, largest_change, max_sensitivity};
pub use summary::Summary;

pub use hsets_core::CompletenessGap;
