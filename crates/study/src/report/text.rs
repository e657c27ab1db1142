//! What the reader must know.

use hsets_report::document::{Blocks, Text};

use crate::manifest::Manifest;

/// Every reading of ROAD_AOPC: its name and what it is.
pub(super) const READINGS: [(&str, &str); 9] = [
    (
        "1-accuracy",
        "1 − mean accuracy, most relevant pixels first: what fits the paper's tables best, and stands beside them",
    ),
    ("1-accuracy-to-30", "the same over percentages up to 30"),
    ("accuracy-drop", "accuracy on the pictures − mean accuracy"),
    ("1-accuracy-area", "1 − area under the accuracy, by trapezoids"),
    ("probability-drop", "probability of the class − its mean probability"),
    ("probability-drop-to-30", "the same over percentages up to 30"),
    ("samek-aopc", "the same as Samek et al. 2017 sum it, the picture itself among the points"),
    (
        "lerf-minus-morf-accuracy",
        "mean accuracy with the least relevant pixels first − with the most relevant first",
    ),
    ("lerf-minus-morf-probability", "the same of probabilities"),
];

/// The beginning of the report.
pub(super) fn about(blocks: Blocks, manifest: &Manifest) -> Blocks {
    let blocks = blocks.paragraph(match manifest.study.as_str() {
        "demo" => {
            "The whole evaluation in small: drawn pictures of two hands that play rock, paper, \
             scissors, and the bundled ResNet-20 that says who wins. Neither pictures nor network \
             are the paper's. Its numbers for MobileNetV3-L on ImageNet stand beside ours to show \
             where published numbers go, not to be met."
        }
        "cub" => {
            "The paper's tables on CUB-200-2011. The weights behind them were never published, so \
             ours were trained here, and the numbers cannot be met exactly."
        }
        _ => "The paper's tables on ImageNet, with controls and ablations.",
    });
    let blocks = blocks.paragraph(match manifest.protocol.as_str() {
        "authors" => {
            "Protocol of the authors' programs: Imagenette, pixels in 0..1 without normalisation, pictures \
             whether classified correctly or not, the preset reference, ROAD ranked by the signed \
             sum of channels with equal pixels in order of their place."
        }
        _ => {
            "Clean protocol: pictures normalised as the weights want it, only those that the \
             model classifies correctly, the preset paper, ROAD ranked by abs of the channel sum \
             with equal pixels in random order."
        }
    });
    let blocks = blocks.paragraph(match manifest.prior.as_str() {
        "sam" => Text::from("Segments are those of Segment Anything, as in the paper."),
        _ => Text::from(
            "Segments are QuickShift's, which stands in for the Segment Anything of the paper, \
             except where a table says otherwise; ",
        )
        .code("--sam-weights")
        .plain(" takes the weights of the latter."),
    });
    let blocks = blocks.paragraph(
        "Mean ± standard deviation is over runs, each a mean over pictures. Intervals are 95 % \
         bootstrap intervals of the mean over pictures; differences are taken picture by picture \
         (paired). No paper or library defines AOPC of ROAD, so all readings are given:",
    );
    let reading =
        |(name, meaning): &(&str, &str)| Text::default().code(*name).plain(format!(": {meaning}"));
    blocks.list(READINGS.iter().map(reading)).paragraph(
        "Where a table says ROAD_AOPC and no more, it is 1-accuracy; LeRF − MoRF is \
         lerf-minus-morf-accuracy.",
    )
}
