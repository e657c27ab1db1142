//! What a picture is worth without some of its pixels.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Image, Mask, Progress, Result, Scored, Target};

/// Images made and scored at a time; the field splits them further as its memory allows.
const CHUNK: usize = 64;

/// A picture x whose pixels can be taken away: what is removed shows a reference b instead.
///
/// b is one image, fixed: what a pixel shows in its absence never depends on what else is absent.
/// Otherwise the pixels of even an additive network would interact.
///
/// Values are remembered, so that no picture is asked for twice: single removals, for one, serve
/// pairs, rankings and scales alike.
///
/// ```
/// use hsets_core::{Image, Mask, Removal, Shape, Silent, Target, analytic::Polynomial};
/// // f(x) = x₀·x₁ + x₂
/// let shape = Shape::new(1, 1, 3);
/// let field = Polynomial::new(shape, vec![vec![(1.0, vec![0, 1]), (1.0, vec![2])]]);
/// let (image, nothing) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
/// let removal = Removal::new(&field, &image, "zero", nothing, Target::Logit(0))?;
/// let first = Mask::of_pixels(3, 1, [0])?;
/// let values = removal.values(&[Mask::empty(3, 1), first], &Silent)?;
/// assert_eq!(values, [2.0, 1.0]);
/// # Ok::<(), hsets_core::Error>(())
/// ```
pub struct Removal<'a> {
    field: Box<dyn Scored + 'a>,
    image: &'a Image,
    name: String,
    reference: Image,
    target: Target,
    known: Mutex<Known>,
}

/// Values by the pixels that are removed.
#[derive(Default)]
struct Known {
    values: HashMap<Vec<u64>, Value>,
    /// Grows when somebody else begins to ask.
    epoch: usize,
    /// Values of earlier epochs that were asked for in this one, each counted once.
    n_reused: usize,
}

struct Value {
    value: f64,
    epoch: usize,
}

impl<'a> Removal<'a> {
    /// `target` of `field` at `image` with removed pixels from `reference`, which goes by `name`.
    /// Of [`Target::Top`], the class is fixed at the image.
    pub fn new(
        field: impl Scored + 'a,
        image: &'a Image,
        name: impl Into<String>,
        reference: Image,
        target: Target,
    ) -> Result<Self> {
        image.expect_shape("image", field.shape())?;
        reference.expect_shape("reference", field.shape())?;
        target.check(field.n_classes())?;
        let target = match target {
            Target::Top => {
                let logits = field.logits(std::slice::from_ref(image))?.pop().unwrap_or_default();
                target.fixed(&logits)
            }
            fixed => fixed,
        };
        let known = Mutex::default();
        Ok(Self { field: Box::new(field), image, name: name.into(), reference, target, known })
    }

    /// x.
    pub fn image(&self) -> &'a Image {
        self.image
    }

    /// What the reference is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// b.
    pub fn reference(&self) -> &Image {
        &self.reference
    }

    /// The scalar of the logits; never [`Target::Top`].
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// x with the pixels of `removed` from b.
    pub fn without(&self, removed: &Mask) -> Result<Image> {
        let shape = self.image.shape();
        removed.expect_size("removed pixels", shape)?;
        let mut data = self.image.data().to_vec();
        let planes = data.chunks_exact_mut(shape.n_pixels());
        for (plane, source) in planes.zip(self.reference.data().chunks_exact(shape.n_pixels())) {
            for ((value, &b), &is_out) in plane.iter_mut().zip(source).zip(removed.inside()) {
                if is_out {
                    *value = b;
                }
            }
        }
        Image::new(shape, data)
    }

    /// g, the target, without the pixels of each mask. Advances by one a mask.
    pub fn values(&self, removed: &[Mask], progress: &dyn Progress) -> Result<Vec<f64>> {
        let keys: Vec<Vec<u64>> = removed.iter().map(key).collect();
        let (mut new, mut listed) = (Vec::new(), HashSet::new());
        {
            let mut known = self.lock();
            let Known { values, epoch, n_reused } = &mut *known;
            for (key, mask) in keys.iter().zip(removed) {
                match values.get_mut(key) {
                    Some(value) if value.epoch != *epoch => {
                        value.epoch = *epoch;
                        *n_reused += 1;
                    }
                    None if listed.insert(key) => new.push((key, mask)),
                    Some(_) | None => {}
                }
            }
        }
        progress.advance((removed.len() - new.len()) as u64);
        for chunk in new.chunks(CHUNK) {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let images: Vec<Image> =
                chunk.iter().map(|(_, mask)| self.without(mask)).collect::<Result<_>>()?;
            let logits = self.field.logits(&images)?;
            if logits.len() != images.len() {
                return Err(Error::shape("logits", images.len(), logits.len()));
            }
            let mut known = self.lock();
            let epoch = known.epoch;
            for ((key, _), logits) in chunk.iter().zip(logits) {
                let value = self.value(&logits)?;
                known.values.insert((*key).clone(), Value { value, epoch });
            }
            drop(known);
            progress.advance(chunk.len() as u64);
        }
        let known = self.lock();
        Ok(keys.iter().filter_map(|key| known.values.get(key)).map(|known| known.value).collect())
    }

    fn value(&self, logits: &[f32]) -> Result<f64> {
        let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        let value = self.target.value(&wide);
        if value.is_finite() {
            return Ok(value);
        }
        Err(Error::NotFinite {
            what: "the network's output at a picture with parts removed".into(),
            hint: "check the weights, or choose another reference".into(),
        })
    }

    /// Somebody else begins to ask: values known by now count as reused once they are asked for.
    pub fn begin(&self) {
        let mut known = self.lock();
        known.epoch += 1;
        known.n_reused = 0;
    }

    /// Values known before the last [`begin`](Self::begin) that were asked for since.
    pub fn n_reused(&self) -> usize {
        self.lock().n_reused
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One bit per pixel.
fn key(mask: &Mask) -> Vec<u64> {
    let word = |flags: &[bool]| {
        let bit = |(at, &flag): (usize, &bool)| u64::from(flag) << at;
        flags.iter().enumerate().map(bit).sum()
    };
    mask.inside().chunks(64).map(word).collect()
}
