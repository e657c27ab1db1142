//! The network, the mask generator and the segmenter; what the tests share.

mod automatic;

mod reference;
mod segmenter;
mod weight_files;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::Path,
    rc::Rc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use candle_core::{Device, Tensor};
use hsets_core::Progress;

use hsets_models::{
    Device as Place,
    sam::{SamNetwork, SamWeights},
};

use super::{
    MaskSettings,
    testing::{random_tensor, tiny_config},
};

/// Settings under which the tiny network finds masks.
pub(super) fn settings() -> MaskSettings {
    MaskSettings {
        points_per_side: 4,
        points_per_batch: 6,
        pred_iou_thresh: -9.0,
        stability_score_thresh: 0.0,
        ..MaskSettings::original()
    }
}

/// Counts points.
#[derive(Default)]
pub(super) struct Counter {
    is_counting: AtomicBool,
    pub(super) total: AtomicU64,
    pub(super) done: AtomicU64,
    /// Cancels once this many are done.
    pub(super) limit: Option<u64>,
}

impl Progress for Counter {
    fn begin(&self, stage: &str, total: u64) {
        self.is_counting.store(stage.starts_with("SAM masks"), Ordering::Relaxed);
        if stage.starts_with("SAM masks") {
            self.total.fetch_add(total, Ordering::Relaxed);
        }
    }
    fn advance(&self, n: u64) {
        let n = if self.is_counting.load(Ordering::Relaxed) { n } else { 0 };
        self.done.fetch_add(n, Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.limit.is_some_and(|limit| self.done.load(Ordering::Relaxed) >= limit)
    }
}

/// The tiny network's tensors by Meta's names, as the network asks for them.
pub(super) fn tensors() -> BTreeMap<String, Tensor> {
    let seen = Rc::new(RefCell::new(BTreeMap::new()));
    let record = Rc::clone(&seen);
    let weights = SamWeights::generated(move |name, shape| {
        let values = random_tensor(name, shape);
        let tensor = Tensor::from_vec(values.clone(), shape, &Device::Cpu).unwrap();
        record.borrow_mut().insert(name.to_string(), tensor);
        values
    });
    SamNetwork::new(tiny_config(), &weights, Place::Cpu).unwrap();
    drop(weights);
    Rc::into_inner(seen).unwrap().into_inner()
}

pub(super) fn save(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) {
    let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}
