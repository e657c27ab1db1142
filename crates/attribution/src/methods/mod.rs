//! The methods H-Sets is compared with, and the controls every comparison needs.
//!
//! Each is a function of a field, an image and its settings. They return maps, or scores of sets
//! that [`segment_map`] and its kin turn into maps; where a method's authors do not say how their
//! result becomes a map, the choice is a named setting.
//!
//! | method | function | source |
//! |---|---|---|
//! | gradient, gradient × input | [`gradient`], [`gradient_times_input`] | Simonyan et al. 2014 |
//! | SmoothGrad and relatives | [`smooth_grad`] | Smilkov et al. 2017 |
//! | Archipelago | [`arch_attribute`], pairs from crate `detection` | Tsang et al. 2020 |
//! | CAFO, CASO | [`caso`] | Singla et al. 2019 |
//! | MoXI | [`moxi`] | Sumiyasu et al. 2024 |
//! | regions by Integrated Gradients | [`xrai`] | Kapishnikov et al. 2019 |
//! | Integrated Hessians | [`integrated_hessians`], [`integrated_hessians_within`] | Janizek et al. 2021 |
//! | Banzhaf values of segments | [`banzhaf`], [`ranked_map`] | Hammer and Holzman 1992 |
//! | controls | [`random_map`], [`random_sets`], [`segment_control`] | |

mod archipelago;
mod banzhaf;
mod caso;
mod controls;
mod gradient;
mod integrated_hessians;
mod moxi;
mod proximal;
mod segments;
mod smooth_grad;
mod xrai;

pub use archipelago::{ArchipelagoMap, arch_attribute, archipelago_map, merge_pairs};
pub use banzhaf::{Banzhaf, banzhaf, ranked_map, shuffled};
pub use caso::{Caso, CasoNoise, Solver, caso, caso_at};
pub use controls::{SegmentOrder, random_map, random_sets, segment_control};
pub use gradient::{gradient, gradient_times_input};
pub use integrated_hessians::{
    HessianIntegral, IntegratedHessians, integrated_hessians, integrated_hessians_within,
};
pub use moxi::{Moxi, MoxiCurve, MoxiMap, MoxiOrder, Reward, moxi, moxi_map};
pub use segments::segment_map;
pub use smooth_grad::{NoiseScale, SmoothGrad, SmoothStatistic, smooth_grad, smooth_grad_at};
pub use xrai::{Xrai, XraiChannels, xrai};
