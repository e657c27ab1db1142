//! What is trained on: photos, or features computed once.

use std::path::PathBuf;

use hsets_core::{Error as CoreError, Image, Progress, Scored, Shape};
use hsets_models::{Preprocessing, read_photo};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::augmentation::mirrored;
use crate::{Aid, Augmentation, Result};
use hsets_datasets::Sample;

/// Examples with the right answers.
pub trait Examples: Sync {
    /// Number of examples.
    fn len(&self) -> usize;
    /// True without any.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The class of an example, then the answers to further questions.
    fn answers(&self, index: usize) -> &[usize];
    /// A random view, as the network takes it.
    fn view(&self, index: usize, rng: &mut ChaCha8Rng) -> Result<Image>;
    /// The example as when classifying.
    fn plain(&self, index: usize) -> Result<Image>;
}

/// Photos, read from their files whenever they are seen.
#[derive(Debug, Clone)]
pub struct Photos {
    files: Vec<(PathBuf, Vec<usize>)>,
    preprocessing: Preprocessing,
    augmentation: Augmentation,
}

impl Photos {
    /// The pictures of a dataset, with the answers of an aid if there is one.
    pub fn new(
        samples: &[Sample],
        aid: Option<&Aid>,
        preprocessing: Preprocessing,
        augmentation: Augmentation,
    ) -> Self {
        let answers = |index: usize, class: usize| {
            let further = aid.into_iter().flat_map(|aid| &aid.answers[index]).copied();
            std::iter::once(class).chain(further).collect()
        };
        let files = samples.iter().enumerate();
        let files = files.map(|(i, sample)| (sample.path.clone(), answers(i, sample.class)));
        Self { files: files.collect(), preprocessing, augmentation }
    }
}

impl Examples for Photos {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn answers(&self, index: usize) -> &[usize] {
        &self.files[index].1
    }

    fn view(&self, index: usize, rng: &mut ChaCha8Rng) -> Result<Image> {
        let photo = read_photo(&self.files[index].0, self.preprocessing.exif)?;
        Ok(self.augmentation.view(&photo, &self.preprocessing, rng)?)
    }

    fn plain(&self, index: usize) -> Result<Image> {
        let photo = read_photo(&self.files[index].0, self.preprocessing.exif)?;
        Ok(self.preprocessing.prepare(&photo)?.image)
    }
}

/// Features of a frozen network, computed once: of each photo as it is and, if views are mirrored,
/// of its mirror image.
#[derive(Debug, Clone)]
pub struct Features {
    /// Views of each example.
    views: Vec<Vec<Image>>,
    answers: Vec<Vec<usize>>,
}

/// Photos whose features are computed together.
const BATCH: usize = 32;

impl Features {
    /// Runs `network`, whose outputs are features, on all photos.
    pub fn of(photos: &Photos, network: &dyn Scored, progress: &dyn Progress) -> Result<Self> {
        let n = photos.len();
        progress.begin("features", n as u64);
        let shape = Shape::new(network.n_classes(), 1, 1);
        let mut views = Vec::with_capacity(n);
        for first in (0..n).step_by(BATCH) {
            if progress.is_cancelled() {
                return Err(CoreError::Cancelled.into());
            }
            let batch = first..n.min(first + BATCH);
            let read = |index: usize| -> Result<Vec<Image>> {
                let image = photos.plain(index)?;
                let mirror = photos.augmentation.flip.then(|| mirrored(&image)).transpose()?;
                Ok(std::iter::once(image).chain(mirror).collect())
            };
            let images: Vec<Vec<Image>> =
                batch.clone().into_par_iter().map(read).collect::<Result<_>>()?;
            let n_views = images.first().map_or(1, Vec::len);
            let features = network.logits(&images.concat())?.into_iter();
            let features: Vec<Image> =
                features.map(|f| Image::new(shape, f)).collect::<Result<_, CoreError>>()?;
            views.extend(features.chunks(n_views).map(<[Image]>::to_vec));
            progress.advance(batch.len() as u64);
        }
        progress.end();
        let answers = (0..n).map(|index| photos.answers(index).to_vec()).collect();
        Ok(Self { views, answers })
    }
}

impl Examples for Features {
    fn len(&self) -> usize {
        self.views.len()
    }

    fn answers(&self, index: usize) -> &[usize] {
        &self.answers[index]
    }

    fn view(&self, index: usize, rng: &mut ChaCha8Rng) -> Result<Image> {
        let views = &self.views[index];
        Ok(views[rng.random_range(0..views.len())].clone())
    }

    fn plain(&self, index: usize) -> Result<Image> {
        Ok(self.views[index][0].clone())
    }
}
