//! What the studies share: contenders, networks, scores, and sheets of results.

mod contenders;
mod networks;
mod photos;
mod sheet;
mod truth;
mod variants;

pub use contenders::{Contender, of_photos, of_small_photos, of_truth};
pub use networks::{TruthNetwork, mobilenet, resnet20, truth_networks};
pub use photos::{Photo, photos, score_photo, score_variant};
pub use sheet::{Row, Sheet};
pub use truth::{FOUND, score_truth};
pub use variants::{PRESET, Tried, Variant, variants};
