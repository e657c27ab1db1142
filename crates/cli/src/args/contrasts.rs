//! Arguments about what networks say without parts of a picture.

use std::path::PathBuf;

use clap::Args;

use super::{ModelArgs, TargetArgs};
use crate::segmenter::SegmenterArgs;

/// How contrasts, pair effects, Banzhaf values and the interaction map are measured.
#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "What is there without a part (contrasts, pair-effects, banzhaf, interaction-map)"
)]
pub(crate) struct ContrastFlags {
    /// What removed pixels show: ring (every segment the mean colour around it), blur, blur:SIGMA,
    /// imputed, rolled (the picture's own pixels, half a picture further), zero, black, white, mean
    /// or an image FILE. The first makes the claims, the others stand beside [default:
    /// ring,blur,zero,rolled]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) references: Vec<String>,
    /// Random contexts in which a pair is measured [default: 24]
    #[arg(long, value_name = "T")]
    pub(crate) contexts: Option<usize>,
    /// An effect counts from this share of the scale on [default: 0.2]
    #[arg(long, value_name = "SHARE")]
    pub(crate) delta: Option<f64>,
    /// Pairs of regions that are proposed [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) pairs: Option<usize>,
    /// Noisy copies over which gradients are averaged [default: 4]
    #[arg(long, value_name = "N")]
    pub(crate) copies: Option<usize>,
    /// Farthest that a pixel of a region is from its peak, as a share of the shorter side: 0.16 makes
    /// every region one place [default: 1, as many places as there are]
    #[arg(long, value_name = "SHARE")]
    pub(crate) reach: Option<f64>,
    /// 2: pairs alone; 3: a third region is looked for beside every pair that is claimed [default: 3]
    #[arg(long, value_name = "2|3")]
    pub(crate) order: Option<usize>,
    /// Coalitions of segments from which Banzhaf values are estimated [default: 192]
    #[arg(long, value_name = "N")]
    pub(crate) coalitions: Option<usize>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ContrastArgs {
    /// Image, or .safetensors file whose tensor `input` is `[3,H,W]`, normalised
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// The regions: a .png of the field of view of the network with three grey values or colours, the
    /// lowest where there is no region, then the first, then the second region; or the maps.safetensors of `hsets explain --method contrasts`, whose pairs are
    /// all measured
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "polygon",
        conflicts_with = "polygon"
    )]
    pub(crate) regions: Option<PathBuf>,
    /// Outline of a region, corners in pixels of what the network sees; given twice
    #[arg(long, value_name = "X,Y X,Y ...", value_parser = polygon, allow_hyphen_values = true)]
    pub(crate) polygon: Vec<Polygon>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) segmenter: SegmenterArgs,
    #[command(flatten)]
    pub(crate) contrasts: ContrastFlags,
}

const EXAMPLES: &str = "\
Removed pixels show a reference, one image that never depends on what else is removed. All numbers are
means over contexts in which other segments are removed at random, too. Segmenter, references, contexts
and seed as in `hsets explain --method contrasts` give the numbers it gives, but for pairs that it gave up
early: here all contexts and references are asked for.

Examples:
  hsets contrast cat.jpg --model resnet50 --regions results/cat/maps.safetensors
  hsets contrast cat.jpg --model resnet50 --regions head-and-tail.png --json
  hsets contrast cat.jpg --model resnet50 --polygon '60,40 120,40 90,90' --polygon '150,160 200,160 180,210'";

/// Corners, \[x, y\].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polygon(pub(crate) Vec<[f64; 2]>);

fn polygon(text: &str) -> Result<Polygon, String> {
    let corner = |part: &str| super::numbers(part, "corners such as '60,40 120,40 90,90'");
    let corners: Vec<[f64; 2]> = text.split_whitespace().map(corner).collect::<Result<_, _>>()?;
    if corners.len() < 3 {
        return Err("expected three corners or more, such as '60,40 120,40 90,90'".into());
    }
    if !corners.as_flattened().iter().all(|value| value.is_finite()) {
        return Err("expected finite numbers".into());
    }
    Ok(Polygon(corners))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_have_corners() {
        let found = polygon("1,2  3,4 5.5,-6").unwrap();
        assert_eq!(found, Polygon(vec![[1.0, 2.0], [3.0, 4.0], [5.5, -6.0]]));
        for text in ["", "1,2 3,4", "1,2 3,4 5", "1,2 3,4 a,b", "1,2 3,4 inf,0"] {
            assert!(polygon(text).is_err(), "{text}");
        }
    }
}
