//! Pairs of regions that act together: joined in the picture, each with its contrast.

use hsets_core::{FeatureSet, Mask, Photo};
use hsets_pipeline::detection::{Contrasted, Interaction, Sign};
use maud::{Markup, html};

use super::{
    explorer::{cased, disc, inside, item, short, stage, views},
    hex,
    image_page::{ImageReport, MethodReport},
    ranking::decimals,
    trace,
    verdict::whereabouts,
};
use crate::{
    Result, contrast_words,
    document::{Cell, Column, Estimate, Table},
    draw::set_color,
    panel::{BADGE, DENSE, Link, link, zoom},
    plot::{Axis, ContrastPlot, Plot},
    verdict_words,
};

/// Names of the regions of a pair.
const NAMES: [&str; 2] = ["a", "b"];

/// Picture at the left, pairs at the right, the contrast of the one that is lit below them.
pub(super) fn pairs(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    found: &Contrasted,
) -> Result<Markup> {
    let claimed = found.has_claim();
    Ok(html! {
        section.explorer.claims[claimed] aria-labelledby="pairs" {
            div {
                (picture(report, method, found)?)
                (views("pairs", &[("sets", "pairs"), ("heat", "saliency"), ("photo", "photo")]))
            }
            div {
                @if claimed {
                    h2 id="pairs" { "Regions that act together" }
                } @else {
                    h2 id="pairs" { "Pairs that were tested" }
                    p {
                        "The pairs that came closest. What any of them does beyond the sum of its \
                         parts is too small, or not sure enough, to be called an interaction."
                    }
                }
                (list(report.photo, found))
                div.details aria-live="polite" {
                    @for (rank, pair) in found.interactions.iter().enumerate() {
                        (detail(report, rank, pair)?)
                    }
                }
            }
        }
    })
}

/// "2 pairs of regions act together: …", or that none was found, in so many words.
pub(super) fn verdict(photo: &Photo, found: &Contrasted) -> String {
    let claimed: Vec<&Interaction> = found.interactions.iter().filter(|pair| pair.claim).collect();
    let Some(first) = claimed.first() else {
        return "No interaction found. No two regions do clearly more, or less, together than the \
                sum of what each does alone. What matters here adds up: the ranking says how much, \
                the matrix shows what is left of every pair."
            .into();
    };
    let [a, b] = places(photo, first);
    let count = match claimed.len() {
        1 => "One pair of regions acts together".to_owned(),
        n => format!("{n} pairs of regions act together. The strongest"),
    };
    let how = match first.sign() {
        Sign::Synergy => "each needs the other",
        Sign::Redundancy => "each stands in for the other",
    };
    let flips = if first.depends_on_reference() {
        " Which way depends on what is shown in their place."
    } else {
        ""
    };
    format!("{count}: {a} and {b}; {how}.{flips}")
}

/// Where the regions of a pair are.
fn places(photo: &Photo, pair: &Interaction) -> [String; 2] {
    [0, 1].map(|at| whereabouts(photo, &features(&pair.regions[at])).1)
}

fn features(region: &Mask) -> FeatureSet {
    region.pixels().collect()
}

fn picture(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    found: &Contrasted,
) -> Result<Markup> {
    let photo = report.photo;
    let describe = |(rank, pair)| {
        let [a, b] = places(photo, pair);
        format!("Pair {}: {a} and {b}; {}.", rank + 1, verdict_words(pair))
    };
    let description: Vec<String> = found.interactions.iter().enumerate().map(describe).collect();
    let regions: Vec<[&Mask; 2]> =
        found.interactions.iter().map(|pair| pair.regions.each_ref()).collect();
    let links = link(photo, &regions);
    let factor = zoom(photo).factor() as f32;
    let all = found.interactions.iter().zip(&links).enumerate();
    let marks = html! {
        @for (rank, (pair, link)) in all.clone().rev() { (joined(rank, pair.claim, link, factor)) }
        @for (rank, (pair, link)) in all { (badges(rank, pair.claim, link, factor)) }
    };
    let title = "The photo with the pairs of regions that were tested";
    stage(report, method, "pairs-picture", title, &description, &marks)
}

/// Both regions of a pair and the line between them.
fn joined(rank: usize, claim: bool, link: &Link, factor: f32) -> Markup {
    let outlines = link
        .layouts
        .each_ref()
        .map(|layout| trace::contour(&layout.density, DENSE * layout.density.max()));
    let [a, b] = link.layouts.each_ref().map(|layout| layout.anchor);
    let line =
        format!("M{:.1} {:.1}L{:.1} {:.1}", a.0 / factor, a.1 / factor, b.0 / factor, b.1 / factor);
    let both = outlines.concat();
    html! {
        g.set.pair.weak[!claim] data-set=(rank + 1) style={ "--set:" (hex(set_color(rank))) } {
            (inside(&format!("pair-{}", rank + 1), &both))
            (cased("link", &line))
            (cased("region", &both))
        }
    }
}

/// The number of a pair on its line, and the letters of its regions.
fn badges(rank: usize, claim: bool, link: &Link, factor: f32) -> Markup {
    let (color, radius) = (set_color(rank), BADGE / factor);
    let scaled = |(x, y): (f32, f32)| (x / factor, y / factor);
    html! {
        g.badge.weak[!claim] data-set=(rank + 1) style={ "--set:" (hex(color)) } {
            @for (layout, name) in link.layouts.iter().zip(NAMES) {
                @let (x, y) = scaled(layout.anchor);
                text.letter x=(short(x)) y=(short(y + 0.5 * radius))
                    font-size=(short(1.6 * radius)) { (name) }
            }
            (disc(rank + 1, color, scaled(link.badge), radius))
        }
    }
}

/// Buttons in the order of the pairs, each with the size of its effect.
fn list(photo: &Photo, found: &Contrasted) -> Markup {
    let reach = |pair: &Interaction| {
        let [low, high] = pair.contrast.effect.interval();
        low.abs().max(high.abs())
    };
    let longest = found.interactions.iter().map(reach).fold(f64::MIN_POSITIVE, f64::max);
    html! {
        ol.sets aria-label="Pairs of regions" {
            @for (rank, pair) in found.interactions.iter().enumerate() {
                @let effect = pair.contrast.effect;
                @let [low, high] = effect.interval();
                // The bar shows the size, the text its sign.
                @let ends = if effect.mean < 0.0 { [-high, -low] } else { [low, high] };
                @let [a, b] = places(photo, pair);
                (item(
                    (rank, set_color(rank)),
                    ["Pair", "effect"],
                    &signed(effect.mean, effect.standard_error),
                    (effect.mean.abs() / longest, Some(ends.map(|end| end / longest))),
                    &html! { (a) " and " (b) " · " (status(pair)) },
                ))
            }
        }
    }
}

/// What is claimed of a pair, in a few words.
fn status(pair: &Interaction) -> Markup {
    html! {
        @if pair.claim {
            strong { "interaction" }
            @match pair.sign() {
                Sign::Synergy => ", each needs the other",
                Sign::Redundancy => ", each stands in for the other",
            }
        } @else {
            "no interaction found"
        }
        @if pair.depends_on_reference() { " · depends on the reference" }
    }
}

/// "+4.92 ± 0.25".
fn signed(mean: f64, error: f64) -> String {
    let decimals = if error.is_finite() && error != 0.0 { decimals(error.abs()) } else { 1 };
    let plus = if mean > 0.0 { "+" } else { "" };
    format!("{plus}{mean:.decimals$} ± {error:.decimals$}")
}

/// The contrast of a pair as a plot and in words, and what it is under other references.
fn detail(report: &ImageReport<'_>, rank: usize, pair: &Interaction) -> Result<Markup> {
    let n = rank + 1;
    let plot: Plot = contrast_plot(report, pair).into();
    let claims: &str =
        if report.reference.is_empty() { "the reference" } else { &report.reference };
    let beside = pair.references.iter().map(|other| (other.name.as_str(), &other.contrast));
    let all = std::iter::once((claims, &pair.contrast)).chain(beside);
    let sign = match (pair.references.is_empty(), pair.depends_on_reference()) {
        (true, _) => "What was shown in the place of the regions:",
        (_, true) => "Depends on the reference: the effect, where the regions show",
        (_, false) => "The same sign under every reference: the effect, where the regions show",
    };
    Ok(html! {
        div.detail data-set=(n) {
            h3 { "Pair " (n) }
            (plot.markup(&format!("contrast-{n}"))?)
            p { (sentence(&verdict_words(pair))) "." }
            p {
                (sentence(&contrast_words(&pair.contrast, ["first region (a)", "second (b)"]))) "."
            }
            p.references { (sign) }
            ul.references {
                @for (at, (name, contrast)) in all.enumerate() {
                    li {
                        strong { (name) } " "
                        (signed(contrast.effect.mean, contrast.effect.standard_error))
                        @if at == 0 { " " span.soft { "the test was made here" } }
                    }
                }
            }
        }
    })
}

/// With a capital.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The four values of a pair, and what additivity predicts.
pub(super) fn contrast_plot(report: &ImageReport<'_>, pair: &Interaction) -> ContrastPlot {
    let contrast = &pair.contrast;
    let [low, high] = contrast.effect.interval();
    let named = &report.scalar;
    let scalar: &str = if named.is_empty() { "what the network says" } else { named };
    ContrastPlot {
        title: "What the network says with and without the regions".into(),
        axis: Axis::new(scalar),
        rows: ["with both", "without a", "without b", "without both"].map(str::to_owned),
        values: [
            contrast.both,
            contrast.without_first,
            contrast.without_second,
            contrast.without_both,
        ],
        reach: (high - low) / 2.0,
    }
}

/// All that is known of the pairs.
pub(super) fn pairs_table(photo: &Photo, found: &Contrasted) -> Table {
    let mut table = Table::new("pairs-table", "Pairs of regions: effect ± standard error")
        .column(Column::text("pair"))
        .column(Column::number("effect", 3))
        .column(Column::number("with both", 2))
        .column(Column::number("without a", 2))
        .column(Column::number("without b", 2))
        .column(Column::number("without both", 2))
        .column(Column::number("if only added up", 2))
        .column(Column::number("scale", 2))
        .column(Column::text("p"))
        .column(Column::text("verdict"))
        .column(Column::text("where"));
    for (rank, pair) in found.interactions.iter().enumerate() {
        let contrast = &pair.contrast;
        let [a, b] = places(photo, pair);
        let effect = Estimate::standard_error(contrast.effect.mean, contrast.effect.standard_error);
        table = table.row([
            Cell::Count(rank as u64 + 1),
            Cell::Number(effect),
            Cell::number(contrast.both),
            Cell::number(contrast.without_first),
            Cell::number(contrast.without_second),
            Cell::number(contrast.without_both),
            Cell::number(contrast.additive_without_both()),
            Cell::number(pair.scale),
            Cell::text(format!("{:.3}", pair.p_value)),
            Cell::text(if pair.claim { pair.sign().name() } else { "no interaction found" }),
            Cell::text(format!("{a}; {b}")),
        ]);
    }
    table
}
