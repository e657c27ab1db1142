//! Pairs of regions that act together: joined in the picture, each with its contrast.

use hsets_core::{FeatureSet, Mask, Photo};
use hsets_pipeline::detection::{Contrasted, Interaction, Sign};

use super::{
    escape,
    explorer::{Stage, views},
    hex,
    image_page::{ImageReport, MethodReport},
    trace,
    verdict::whereabouts,
};
use crate::{
    Result, contrast_words,
    document::{Cell, Column, Estimate, Table},
    draw::{set_color, text_on},
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
) -> Result<String> {
    let claimed = found.has_claim();
    let (title, lead) = if claimed {
        ("Regions that act together", String::new())
    } else {
        let lead = "<p>The pairs that came closest. What any of them does beyond the sum of its \
                    parts is too small, or not sure enough, to be called an interaction.</p>";
        ("Pairs that were tested", lead.to_owned())
    };
    let mut details = String::new();
    for (rank, pair) in found.interactions.iter().enumerate() {
        details.push_str(&detail(report, rank, pair)?);
    }
    Ok(format!(
        "<section class=\"explorer{}\" aria-labelledby=\"pairs\"><div>{}{}</div><div>\
         <h2 id=\"pairs\">{title}</h2>{lead}{}<div class=\"details\" aria-live=\"polite\">{details}\
         </div></div></section>",
        if claimed { " claims" } else { "" },
        picture(report, method, found)?,
        views("pairs", &[("sets", "pairs"), ("heat", "saliency"), ("photo", "photo")]),
        list(report.photo, found),
    ))
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
) -> Result<String> {
    let photo = report.photo;
    let description = found.interactions.iter().enumerate().map(|(rank, pair)| {
        let [a, b] = places(photo, pair);
        format!("Pair {}: {a} and {b}; {}.", rank + 1, verdict_words(pair))
    });
    let mut out = Stage {
        photo,
        segments: report.segments,
        map: method.map,
        id: "pairs-picture",
        title: "The photo with the pairs of regions that were tested",
        description: &description.collect::<Vec<_>>().join(" "),
    }
    .begin()?;
    let regions: Vec<[&Mask; 2]> =
        found.interactions.iter().map(|pair| pair.regions.each_ref()).collect();
    let links = link(photo, &regions);
    for (rank, (pair, link)) in found.interactions.iter().zip(&links).enumerate().rev() {
        out.push_str(&joined(rank, pair.claim, link, zoom(photo).factor() as f32));
    }
    let factor = zoom(photo).factor() as f32;
    for (rank, link) in links.iter().enumerate() {
        out.push_str(&badges(rank, found.interactions[rank].claim, link, factor));
    }
    Ok(out + "</svg>")
}

/// Both regions of a pair and the line between them.
fn joined(rank: usize, claim: bool, link: &Link, factor: f32) -> String {
    let n = rank + 1;
    let outlines = link
        .layouts
        .each_ref()
        .map(|layout| trace::contour(&layout.density, DENSE * layout.density.max()));
    let [a, b] = link.layouts.each_ref().map(|layout| layout.anchor);
    let line =
        format!("M{:.1} {:.1}L{:.1} {:.1}", a.0 / factor, a.1 / factor, b.0 / factor, b.1 / factor);
    let both = outlines.concat();
    let weak = if claim { "" } else { " weak" };
    format!(
        "<g class=\"set pair{weak}\" data-set=\"{n}\" style=\"--set:{}\">\
         <clipPath id=\"pair-{n}\"><path d=\"{both}\"/></clipPath>\
         <use href=\"#photo\" class=\"inside\" clip-path=\"url(#pair-{n})\"/>\
         <path class=\"link casing\" d=\"{line}\"/><path class=\"link\" d=\"{line}\"/>\
         <path class=\"region casing\" d=\"{both}\"/><path class=\"region\" d=\"{both}\"/></g>",
        hex(set_color(rank)),
    )
}

/// The number of a pair on its line, and the letters of its regions.
fn badges(rank: usize, claim: bool, link: &Link, factor: f32) -> String {
    let weak = if claim { "" } else { " weak" };
    let (n, color, radius) = (rank + 1, set_color(rank), BADGE / factor);
    let (x, y) = (link.badge.0 / factor, link.badge.1 / factor);
    let letters = link.layouts.iter().zip(NAMES).map(|(layout, name)| {
        let (x, y) = (layout.anchor.0 / factor, layout.anchor.1 / factor);
        format!(
            "<text class=\"letter\" x=\"{x:.2}\" y=\"{:.2}\" font-size=\"{:.2}\">{name}</text>",
            y + 0.5 * radius,
            1.6 * radius,
        )
    });
    format!(
        "<g class=\"badge{weak}\" data-set=\"{n}\" style=\"--set:{}\">{}\
         <circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\"/><text x=\"{x:.2}\" y=\"{:.2}\" \
         font-size=\"{:.2}\" fill=\"{}\">{n}</text></g>",
        hex(color),
        letters.collect::<String>(),
        y + 0.36 * 1.4 * radius,
        1.4 * radius,
        hex(text_on(color)),
    )
}

/// Buttons in the order of the pairs, each with the size of its effect.
fn list(photo: &Photo, found: &Contrasted) -> String {
    let reach = |pair: &Interaction| {
        let [low, high] = pair.contrast.effect.interval();
        low.abs().max(high.abs())
    };
    let longest = found.interactions.iter().map(reach).fold(f64::MIN_POSITIVE, f64::max);
    let percent = |value: f64| format!("{:.2}%", 100.0 * (value / longest).clamp(0.0, 1.0));
    let item = |(rank, pair): (usize, &Interaction)| {
        let effect = pair.contrast.effect;
        let [low, high] = effect.interval();
        // The bar shows the size, the text its sign.
        let (low, high) = if effect.mean < 0.0 { (-high, -low) } else { (low, high) };
        let [a, b] = places(photo, pair);
        let color = set_color(rank);
        format!(
            "<li><button type=\"button\" data-set=\"{n}\" aria-pressed=\"false\" style=\"--set:{};\
             --on-set:{}\"><span class=\"rank\"><span class=\"unseen\">Pair </span>{n}</span>\
             <span class=\"score\"><span class=\"unseen\">, effect </span>{}</span>\
             <span class=\"bar\" aria-hidden=\"true\"><span class=\"value\" style=\"width:{}\"></span>\
             <span class=\"error\" style=\"left:{};right:calc(100% - {})\"></span></span>\
             <span class=\"where\">{a} and {b} · {}</span></button></li>",
            hex(color),
            hex(text_on(color)),
            signed(effect.mean, effect.standard_error),
            percent(effect.mean.abs()),
            percent(low),
            percent(high),
            status(pair),
            n = rank + 1,
        )
    };
    let items: String = found.interactions.iter().enumerate().map(item).collect();
    format!("<ol class=\"sets\" aria-label=\"Pairs of regions\">{items}</ol>")
}

/// What is claimed of a pair, in a few words.
fn status(pair: &Interaction) -> String {
    let claim = match (pair.claim, pair.sign()) {
        (true, Sign::Synergy) => "<strong>interaction</strong>, each needs the other",
        (true, Sign::Redundancy) => "<strong>interaction</strong>, each stands in for the other",
        (false, _) => "no interaction found",
    };
    let flips = if pair.depends_on_reference() { " · depends on the reference" } else { "" };
    format!("{claim}{flips}")
}

/// "+4.92 ± 0.25".
fn signed(mean: f64, error: f64) -> String {
    let size = error.abs().log10().floor();
    let decimals = if size.is_finite() { (1.0 - size).clamp(1.0, 4.0) as usize } else { 1 };
    let plus = if mean > 0.0 { "+" } else { "" };
    format!("{plus}{mean:.decimals$} ± {error:.decimals$}")
}

/// The contrast of a pair as a plot and in words, and what it is under other references.
fn detail(report: &ImageReport<'_>, rank: usize, pair: &Interaction) -> Result<String> {
    let n = rank + 1;
    let plot: Plot = contrast_plot(report, pair).into();
    let claims: &str =
        if report.reference.is_empty() { "the reference" } else { &report.reference };
    let effect = pair.contrast.effect;
    let beside = pair.references.iter().map(|other| {
        let effect = other.contrast.effect;
        (other.name.as_str(), effect.mean, effect.standard_error)
    });
    let all = std::iter::once((claims, effect.mean, effect.standard_error)).chain(beside);
    let item = |(at, (name, mean, error)): (usize, (&str, f64, f64))| {
        let role = if at == 0 { " <span class=\"soft\">the test was made here</span>" } else { "" };
        format!("<li><strong>{}</strong> {}{role}</li>", escape(name), signed(mean, error))
    };
    let references: String = all.enumerate().map(item).collect();
    let sign = match (pair.references.is_empty(), pair.depends_on_reference()) {
        (true, _) => "What was shown in the place of the regions:",
        (_, true) => "Depends on the reference: the effect, where the regions show",
        (_, false) => "The same sign under every reference: the effect, where the regions show",
    };
    Ok(format!(
        "<div class=\"detail\" data-set=\"{n}\"><h3>Pair {n}</h3>{}<p>{}.</p><p>{}.</p>\
         <p class=\"references\">{sign}</p><ul class=\"references\">{references}</ul></div>",
        plot.inline_svg(&format!("contrast-{n}"))?,
        escape(&sentence(&verdict_words(pair))),
        escape(&sentence(&contrast_words(&pair.contrast, ["first region (a)", "second (b)"]))),
    ))
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
