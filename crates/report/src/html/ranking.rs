//! Segments by what they are worth, and the effects of their pairs as a matrix.

use hsets_core::{FeatureSet, Mask};
use hsets_pipeline::detection::PairEffects;
use maud::{Markup, html};

use super::{
    explorer::{VIEWS, cased, disc, inside, item, stage, views},
    hex,
    image_page::{ImageReport, MethodReport},
    trace,
    verdict::whereabouts,
};
use crate::{
    Result,
    draw::{AGAINST, FOR, Rgb},
    panel::{BADGE, Plane, by_worth, layout, zoom},
};

/// Segments that are listed and stand in the matrix.
const LISTED: usize = 10;

/// A segment and what it is worth.
pub(super) struct Ranked {
    label: u32,
    value: f64,
    features: FeatureSet,
}

/// Segments by |value|, the largest first.
pub(super) fn ranked(report: &ImageReport<'_>, values: &[f64]) -> Vec<Ranked> {
    let ranked = |segment: usize| Ranked {
        label: segment as u32,
        value: values[segment],
        features: Mask::of_segments(report.segments, &[segment as u32]).pixels().collect(),
    };
    by_worth(values).into_iter().take(LISTED).map(ranked).collect()
}

/// Blue speaks for, orange against.
fn color_of(value: f64) -> Rgb {
    if value < 0.0 { AGAINST } else { FOR }
}

/// The picture with its segments by their Banzhaf values at the left, the ranking at the right, the
/// matrix of the effects of their pairs below it.
pub(super) fn ranking(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    values: &[f64],
    effects: Option<&PairEffects>,
) -> Result<Markup> {
    let what = "joins a random half of the others (Banzhaf value)";
    section(report, method, values, what, effects)
}

/// The same by what is lost without a segment.
pub(super) fn pairs_of_segments(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    effects: &PairEffects,
) -> Result<Markup> {
    let what = "joins all the others";
    section(report, method, &effects.main_effects, what, Some(effects))
}

fn section(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    values: &[f64],
    what: &str,
    effects: Option<&PairEffects>,
) -> Result<Markup> {
    let segments = ranked(report, values);
    let shown = [("sets", "ranking"), VIEWS[1], VIEWS[2], VIEWS[3]];
    Ok(html! {
        section.explorer aria-labelledby="ranking" {
            div { (picture(report, method, &segments)?) (views("ranking", &shown)) }
            div {
                h2 id="ranking" { "What each segment is worth" }
                p {
                    "Mean change of "
                    (if report.scalar.is_empty() { "the output" } else { &report.scalar })
                    " when the segment " (what)
                    ". Blue speaks for the class, orange against it."
                }
                (list(report, &segments))
                @if let Some(effects) = effects { (matrix(&segments, effects)) }
            }
        }
    })
}

/// The largest size of a value.
fn most(segments: &[Ranked]) -> f64 {
    segments.first().map_or(1.0, |segment| segment.value.abs().max(f64::MIN_POSITIVE))
}

fn picture(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    segments: &[Ranked],
) -> Result<Markup> {
    let photo = report.photo;
    let (width, height) = (photo.width(), photo.height());
    let describe = |(rank, segment): (usize, &Ranked)| {
        let (_, place) = whereabouts(photo, &segment.features);
        format!("Segment {}: {:+.2}, {place}.", rank + 1, segment.value)
    };
    let description: Vec<String> = segments.iter().enumerate().map(describe).collect();
    let features: Vec<&FeatureSet> = segments.iter().map(|segment| &segment.features).collect();
    let layouts = layout(photo, &features);
    let factor = zoom(photo).factor() as f32;
    let style = |value: f64| {
        let share = 0.15 + 0.5 * value.abs() / most(segments);
        format!("--set:{};--share:{share:.2}", hex(color_of(value)))
    };
    let marks = html! {
        @for (rank, segment) in segments.iter().enumerate().rev() {
            @let outline = trace::pixels(&Plane::mask(width, height, segment.features.iter()));
            g.set data-set=(rank + 1) style=(style(segment.value)) {
                (inside(&format!("ranked-{}", rank + 1), &outline))
                path.tint d=(outline) {}
                (cased("region", &outline))
            }
        }
        @for (rank, (layout, segment)) in layouts.iter().zip(segments).enumerate() {
            @let (color, (x, y)) = (color_of(segment.value), layout.anchor);
            g.badge data-set=(rank + 1) style={ "--set:" (hex(color)) } {
                (disc(rank + 1, color, (x / factor, y / factor), BADGE / factor))
            }
        }
    };
    let title = "The photo with the segments that are worth most";
    stage(report, method, "ranking-picture", title, &description, &marks)
}

/// So many that two digits of the largest count.
pub(super) fn decimals(most: f64) -> usize {
    (1.0 - most.log10().floor()).clamp(1.0, 4.0) as usize
}

fn list(report: &ImageReport<'_>, segments: &[Ranked]) -> Markup {
    let most = most(segments);
    let decimals = decimals(most);
    html! {
        ol.sets.compact aria-label="Segments by what they are worth" {
            @for (rank, segment) in segments.iter().enumerate() {
                @let (n_pixels, place) = whereabouts(report.photo, &segment.features);
                (item(
                    (rank, color_of(segment.value)),
                    ["Segment", "worth"],
                    &format!("{:+.decimals$}", segment.value),
                    (segment.value.abs() / most, None),
                    &html! { (place) ", " (n_pixels) " pixels" },
                ))
            }
        }
    }
}

/// A cell for every pair of the listed segments: how much the two do beyond the sum.
fn matrix(segments: &[Ranked], effects: &PairEffects) -> Markup {
    let n = segments.len();
    let effect = |i: usize, j: usize| effects.effect(segments[i].label, segments[j].label);
    let cells = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let most = cells.map(|(i, j)| effect(i, j).abs()).fold(f64::MIN_POSITIVE, f64::max);
    let decimals = decimals(most);
    let cell = |i: usize, j: usize| {
        let (value, a, b) = (effect(i, j), j + 1, i + 1);
        let style = format!("--set:{};--share:{:.3}", hex(color_of(value)), value.abs() / most);
        // The first cell is where the keyboard enters.
        let index = if (i, j) == (1, 0) { "0" } else { "-1" };
        html! {
            td role="gridcell" {
                button type="button" tabindex=(index) data-lights={ (a) " " (b) }
                    aria-pressed="false" style=(style) {
                    span.unseen {
                        "Segments " (a) " and " (b) ": " (format!("{value:+.decimals$}"))
                        " together, beyond the sum of both"
                    }
                }
            }
        }
    };
    html! {
        @if n > 1 {
            h3 id="matrix" { "What pairs of them do beyond the sum" }
            p.reading aria-live="polite" {
                "Point at a cell, or move with the arrow keys: blue pairs do more together than \
                 the sum of both, orange ones less. The deepest colour is "
                (format!("{most:.decimals$}")) "."
            }
            table.matrix role="grid" aria-labelledby="matrix" {
                caption.unseen { "Effects of pairs of segments" }
                thead { tr { td {} @for j in 1..n { th scope="col" { (j) } } } }
                tbody {
                    @for i in 1..n {
                        tr {
                            th scope="row" role="rowheader" { (i + 1) }
                            @for j in 0..i { (cell(i, j)) }
                        }
                    }
                }
            }
        }
    }
}
