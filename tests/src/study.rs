//! What the studies share: contenders, networks, scores, sheets of results, and their statistics.

mod contenders;
mod networks;
mod photos;
mod sheet;
mod statistics;
mod truth;

pub use contenders::{Contender, of_photos, of_truth};
pub use networks::{TruthNetwork, mobilenet, truth_networks};
pub use photos::{Photo, photos, score_photo};
pub use sheet::{Row, Sheet};
pub use statistics::{Interval, bootstrap, difference};
pub use truth::{FOUND, score_truth};
