//! What the studies share: contenders, networks, scores, and sheets of results.

mod contenders;
mod counterfactual;
mod interactions;
mod networks;
mod photos;
mod scenes;
mod sheet;
mod truth;
mod values;
mod variants;

pub use contenders::{Contender, of_photos, of_small_photos, of_truth};
pub use counterfactual::Counterfactual;
pub use interactions::{CHOSEN, PairContender, START, of_choice, of_pairs, of_pairs_in_short};
pub use networks::{TruthNetwork, efficientnet_lite0, mobilenet, resnet20, truth_networks};
pub use photos::{Photo, photos, score_photo, score_variant};
pub use scenes::{PairStudy, Purpose, TRUTH};
pub use sheet::{Row, Sheet};
pub use truth::{FOUND, score_truth};
pub use values::{Interval, Values};
pub use variants::{PRESET, Tried, Variant, variants};
