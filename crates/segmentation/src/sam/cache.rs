//! Masks on disk, by what they were made of.

use std::{fs, io, path::PathBuf};

use hsets_core::{Error, Photo, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use hsets_weights::hexadecimal;

use super::{Bounds, FoundMask, Mask, MaskSettings};

/// Changes whenever the same settings would give other masks than before.
const VERSION: u32 = 1;

/// A folder of mask lists, one file each.
///
/// Several processes may use it at once: a file appears whole or not at all, and two that find the
/// same masks write the same file. A file that cannot be read counts as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskCache {
    folder: PathBuf,
}

/// [`FoundMask`] as it is written.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Lengths of runs in raster order, outside and inside in turn.
    runs: Vec<usize>,
    predicted_iou: f32,
    stability_score: f32,
    point: (f64, f64),
    crop: [usize; 4],
}

impl MaskCache {
    /// Uses `folder`, and makes it if needed.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|error| Error::field(at(&folder, &error)))?;
        hsets_files::sweep(&folder);
        Ok(Self { folder })
    }

    /// What masks depend on: the photo, the weights (by their digest) and the settings.
    pub fn key(photo: &Photo, weights_digest: &str, settings: &MaskSettings) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{VERSION} {}x{} ", photo.width(), photo.height()));
        hasher.update(photo.rgb());
        hasher.update(format!("{weights_digest} {settings:?}"));
        hexadecimal(&hasher.finalize())
    }

    /// The masks of a photo, if they are there and whole.
    pub fn load(&self, key: &str, photo: &Photo) -> Option<Vec<FoundMask>> {
        let records: Vec<Record> = serde_json::from_slice(&fs::read(self.path(key)).ok()?).ok()?;
        let found = records.into_iter().map(|record| record.found(photo.width(), photo.height()));
        found.collect()
    }

    /// Keeps masks.
    pub fn store(&self, key: &str, masks: &[FoundMask]) -> Result<()> {
        let records: Vec<Record> = masks.iter().map(Record::new).collect();
        let bytes = serde_json::to_vec(&records).map_err(Error::field)?;
        let path = self.path(key);
        hsets_files::write(&path, &bytes).map_err(|error| Error::field(at(&path, &error)))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("sam-{key}.json"))
    }
}

fn at(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("mask cache {}: {error}", path.display()))
}

impl Record {
    fn new(found: &FoundMask) -> Self {
        let mut runs = vec![0];
        let mut inside = false;
        for pixel in found.mask.pixels() {
            if pixel != inside {
                inside = pixel;
                runs.push(0);
            }
            if let Some(run) = runs.last_mut() {
                *run += 1;
            }
        }
        let Bounds { left, top, right, bottom } = found.crop;
        Self {
            runs,
            predicted_iou: found.predicted_iou,
            stability_score: found.stability_score,
            point: found.point,
            crop: [left, top, right, bottom],
        }
    }

    /// `None` if the runs do not fill the photo.
    fn found(self, width: usize, height: usize) -> Option<FoundMask> {
        let total = self.runs.iter().try_fold(0_usize, |sum, &run| sum.checked_add(run))?;
        if total != width * height {
            return None;
        }
        let runs = self.runs.iter().enumerate();
        let pixels: Vec<bool> =
            runs.flat_map(|(i, &run)| std::iter::repeat_n(i % 2 == 1, run)).collect();
        let mask = Mask::from_fn(width, height, |i| pixels[i]);
        let [left, top, right, bottom] = self.crop;
        Some(FoundMask {
            bounds: mask.bounds(),
            mask,
            predicted_iou: self.predicted_iou,
            stability_score: self.stability_score,
            point: self.point,
            crop: Bounds { left, top, right, bottom },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> (Photo, FoundMask) {
        let photo = Photo::new(5, 3, (0..45).collect()).unwrap();
        let mask = Mask::from_fn(5, 3, |i| i % 4 == 0);
        let bounds = mask.bounds();
        let crop = Bounds { left: 0, top: 0, right: 5, bottom: 3 };
        let (predicted_iou, stability_score, point) = (0.91, 0.97, (1.5, 0.25));
        (photo, FoundMask { mask, bounds, predicted_iou, stability_score, point, crop })
    }

    #[test]
    fn masks_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let cache = MaskCache::new(folder.path().join("new")).unwrap();
        let (photo, found) = found();
        let key = MaskCache::key(&photo, "abc", &MaskSettings::original());
        assert_eq!(cache.load(&key, &photo), None);
        let masks = vec![found.clone(), found];
        cache.store(&key, &masks).unwrap();
        assert_eq!(cache.load(&key, &photo), Some(masks));
        fs::write(cache.path(&key), b"[{\"runs\":").unwrap();
        assert_eq!(cache.load(&key, &photo), None);
    }

    #[test]
    fn key_depends_on_photo_weights_and_settings() {
        let (photo, _) = found();
        let turned = Photo::new(3, 5, photo.rgb().to_vec()).unwrap();
        let original = MaskSettings::original();
        let keys = [
            MaskCache::key(&photo, "abc", &original),
            MaskCache::key(&turned, "abc", &original),
            MaskCache::key(&photo, "abd", &original),
            MaskCache::key(&photo, "abc", &MaskSettings::fast()),
        ];
        assert!((0..4).all(|i| (0..i).all(|j| keys[i] != keys[j])));
    }

    /// Readers beside writers see whole files only.
    #[test]
    fn many_may_write_and_read_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = MaskCache::new(folder.path()).unwrap();
        let (photo, found) = found();
        let masks = vec![found; 50];
        cache.store("key", &masks).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        cache.store("key", &masks).unwrap();
                        assert_eq!(cache.load("key", &photo).as_ref(), Some(&masks));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
