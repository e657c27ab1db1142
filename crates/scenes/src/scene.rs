//! Painted scenes and their truth.

use hsets_core::{Error, Mask, Photo, Result};

use crate::canvas::Canvas;
use crate::compose::{Composition, Role};
use crate::task::Task;

/// A picture, its class, and what its class depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The picture, `size` × `size`.
    pub photo: Photo,
    /// Index into [`Task::labels`].
    pub class: usize,
    /// The parts that decide the class together. They never overlap.
    pub parts: Vec<Part>,
    /// The patch that betrays the class in training, for the decoy tasks.
    pub decoy: Option<Part>,
}

/// One thing in a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is: "orange", "decoy".
    pub name: &'static str,
    /// Which of its variants it shows.
    pub variant: usize,
    /// The variant's name: "rock".
    pub variant_name: &'static str,
    /// The pixels it covers by half or more.
    pub mask: Mask,
}

impl Task {
    /// Sizes a scene can have, in pixels a side.
    pub const SIZES: std::ops::RangeInclusive<usize> = 16..=2048;

    /// Draws picture `index` of the endless sequence that belongs to `seed`.
    ///
    /// The same arguments give the same picture anywhere; another `size` gives the same scene at
    /// another resolution. Fails if `size` is outside [`Task::SIZES`].
    pub fn draw(self, seed: u64, index: u64, size: usize) -> Result<Scene> {
        paint(self, &Composition::roll(self, seed, index), size)
    }

    /// The same picture with these parts never drawn, all else equal to the pixel: background,
    /// grain, other parts. The class stays what it was with them.
    ///
    /// A classifier that needs both parts must fall to chance here.
    pub fn draw_without(
        self,
        parts: &[usize],
        seed: u64,
        index: u64,
        size: usize,
    ) -> Result<Scene> {
        let n_parts = self.part_names().len();
        if let Some(part) = parts.iter().find(|&&part| part >= n_parts) {
            return Err(Error::config("part", part, format!("below {n_parts} for task {self}")));
        }
        let mut composition = Composition::roll(self, seed, index);
        composition
            .stamps
            .retain(|(role, _)| !matches!(role, Role::Part { index, .. } if parts.contains(index)));
        paint(self, &composition, size)
    }
}

fn paint(task: Task, composition: &Composition, size: usize) -> Result<Scene> {
    if !Task::SIZES.contains(&size) {
        let expected = format!("{} to {} pixels", Task::SIZES.start(), Task::SIZES.end());
        return Err(Error::config("size", size, expected));
    }
    let mut canvas = Canvas::new(size, &composition.background);
    composition.stamps.iter().for_each(|(_, stamp)| canvas.shade(stamp));
    let (mut parts, mut decoy) = (Vec::new(), None);
    for (role, stamp) in &composition.stamps {
        let mask = Mask::of_pixels(size, size, canvas.paint(stamp))?;
        match *role {
            Role::Part { index, variant } => parts.push(Part {
                name: task.part_names()[index],
                variant,
                variant_name: task.variant_names(index)[variant],
                mask,
            }),
            Role::Decoy { shade } => {
                let variant_name = ["dark", "light"][shade];
                decoy = Some(Part { name: "decoy", variant: shade, variant_name, mask });
            }
            Role::Distractor => {}
        }
    }
    let photo = Photo::new(size, size, canvas.into_rgb(composition.grain_seed))?;
    Ok(Scene { photo, class: composition.class, parts, decoy })
}
