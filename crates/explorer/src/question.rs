//! What can be asked.

use hsets_core::{Result, Target};
use serde::Deserialize;

use crate::{by_hand::ByHand, region::Region};

/// A question, as the page sends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// Which window of which browser asks; any text.
    pub(crate) window: String,
    /// Grows from question to question of a window: what is sent first may arrive last.
    #[serde(default)]
    pub(crate) number: u64,
    /// Which picture.
    pub(crate) picture: String,
    /// What is explained; nothing for the most probable class.
    pub(crate) target: Option<AskedTarget>,
    pub(crate) ask: Ask,
}

/// A class, or why it rather than another.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedTarget {
    pub(crate) class: usize,
    pub(crate) against: Option<usize>,
}

/// How the picture is segmented.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedSegments {
    /// Name of one of the segmenters that are offered.
    pub(crate) by: String,
    /// Regions that are segments of their own, painted over the others.
    #[serde(default)]
    pub(crate) edits: Vec<Region>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Ask {
    /// What the network says of the whole picture.
    Predict,
    /// The segments.
    Segments { segments: AskedSegments },
    /// What acts together with a region, by the Hessian.
    Partners { region: Region, segments: AskedSegments },
    /// What acts together with a region, from gradients with and without it.
    Glance {
        /// The region.
        region: Region,
        /// The segments.
        segments: AskedSegments,
    },
    /// What acts together with a region, measured by taking it and others away.
    Contrasts {
        /// The region.
        region: Region,
        /// The segments.
        segments: AskedSegments,
    },
    /// What the network says without each of the regions, and without all.
    Without { regions: Vec<Region>, reference: String, segments: AskedSegments },
    /// The published growth of a set from a pixel, as far as so many Hessian rows lead.
    Grow { x: usize, y: usize, rows: usize, segments: AskedSegments },
    /// The map of a method.
    Layer { method: String, segments: AskedSegments },
    /// All files of what is seen, in a folder of this name.
    Save(Box<Save>),
}

/// What is to be saved.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// Name of the folder.
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) segments: AskedSegments,
    /// Where a set was grown from: x, y and so many Hessian rows.
    pub(crate) grown: Option<[usize; 3]>,
    pub(crate) by_hand: ByHand,
    /// The address that opens the same again, without its host.
    pub(crate) link: String,
}

impl Ask {
    /// What it is about: a new question about the same thing makes the old one void.
    pub(crate) fn about(&self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Segments { .. } => "segments",
            Self::Partners { .. } => "partners",
            Self::Glance { .. } => "glance",
            Self::Contrasts { .. } => "contrasts",
            Self::Without { .. } => "without",
            Self::Grow { .. } => "grow",
            Self::Layer { .. } => "layer",
            Self::Save(_) => "save",
        }
    }

    /// Whether it takes more than a blink.
    pub(crate) fn is_long(&self) -> bool {
        match self {
            Self::Predict | Self::Partners { .. } | Self::Glance { .. } | Self::Without { .. } => {
                false
            }
            Self::Segments { .. }
            | Self::Contrasts { .. }
            | Self::Grow { .. }
            | Self::Layer { .. }
            | Self::Save(_) => true,
        }
    }

    /// The segments it needs.
    pub(crate) fn segments(&self) -> Option<&AskedSegments> {
        match self {
            Self::Predict => None,
            Self::Segments { segments }
            | Self::Partners { segments, .. }
            | Self::Glance { segments, .. }
            | Self::Contrasts { segments, .. }
            | Self::Without { segments, .. }
            | Self::Grow { segments, .. }
            | Self::Layer { segments, .. } => Some(segments),
            Self::Save(save) => Some(&save.segments),
        }
    }
}

impl AskedTarget {
    /// As the stages know it.
    pub(crate) fn target(this: Option<Self>, logits: &[f32]) -> Result<Target> {
        let target = match this {
            None => Target::Top,
            Some(Self { class, against: None }) => Target::Logit(class),
            Some(Self { class, against: Some(against) }) => Target::Difference { class, against },
        };
        target.check(logits.len())?;
        Ok(target.fixed(logits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_checked() {
        let target =
            |class, against| AskedTarget::target(Some(AskedTarget { class, against }), &[0.0, 2.0]);
        assert_eq!(AskedTarget::target(None, &[0.0, 2.0]).unwrap(), Target::Logit(1));
        assert_eq!(target(0, Some(1)).unwrap(), Target::Difference { class: 0, against: 1 });
        assert!(target(2, None).is_err() && target(1, Some(1)).is_err());
        assert!(target(0, Some(9)).is_err());
    }
}
