//! Interaction detection: sets of features grown from rows of the input Hessian, and pairs of regions
//! whose interaction is measured and tested ([`find_contrasts`]).
//!
//! Row j of the Hessian of a logit, `H[j, :]`, says which features act together with feature j. From a
//! seed in each of the highest-ranked segments a set grows along the strongest entries of the rows
//! of its members, until it is full or nothing above the threshold is left. The sets of one image
//! grow in lockstep: the rows they need next go through the network as one batch.
//!
//! ```
//! use hsets_core::analytic::Polynomial;
//! use hsets_core::{Image, SaliencyMap, SegmentMap, Shape, Silent, Target};
//! use hsets_detection::{HessianSets, detect};
//!
//! // f(x) = x₀·x₃ + x₁²: features 0 and 3 act together, 1 and 2 do not.
//! let shape = Shape::new(1, 2, 2);
//! let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 3]), (1.0, vec![1, 1])]]);
//! let image = Image::constant(shape, 1.0);
//! let ranking = SaliencyMap::new(shape, vec![0.9, 0.2, 0.0, 0.4])?;
//!
//! let segments = SegmentMap::whole(2, 2)?;
//! let settings = HessianSets::paper();
//! let target = Target::Logit(0);
//! let found = detect(&field, &image, &segments, &ranking, &target, &settings, &Silent)?;
//! assert_eq!(found.sets[0].seed.feature, 0);
//! assert_eq!(found.sets[0].features().indices(), [0, 3]);
//! # Ok::<(), hsets_core::Error>(())
//! ```

mod archipelago;
mod config;
mod contrasts;
mod detect;
mod growth;
mod interaction_set;
mod lockstep;
mod row;
mod seeds;

pub use archipelago::{ArchDetect, ArchDetection, Contexts, PairStrength, arch_detect};
pub use config::{
    DetectionClass, GivenSeed, Growth, HessianSets, RowScaling, SeedRanking, SegmentChoice,
    SpatialPrior,
};
pub use contrasts::{
    Contrast, Contrasted, Contrasts, Estimate, Interaction, PairEffects, Proposals, Proposed,
    ReferenceEffect, Sign, Trials, Triple, find_contrasts, interaction_map, main_effects,
    measure_contrasts, measure_triples, pair_effects, partners, propose_pairs, propose_triple,
    ring, size_pairs,
};
pub use detect::{Detection, detect, detect_at};
pub use interaction_set::{InteractionSet, Member, Stop};
pub use lockstep::{RowStatistics, grow_sets};
pub use seeds::{Seed, given_seeds, ranked_seeds};
