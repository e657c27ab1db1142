//! Segments by what they are worth, and the effects of their pairs as a matrix.

use hsets_core::{FeatureSet, Mask};
use hsets_pipeline::detection::PairEffects;

use super::{
    escape,
    explorer::{Stage, views},
    hex,
    image_page::{ImageReport, MethodReport},
    trace,
    verdict::whereabouts,
};
use crate::{
    Result,
    draw::{AGAINST, FOR, Rgb, text_on},
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
) -> Result<String> {
    let what = "joins a random half of the others (Banzhaf value)";
    section(report, method, values, what, effects)
}

/// The same by what is lost without a segment.
pub(super) fn pairs_of_segments(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    effects: &PairEffects,
) -> Result<String> {
    let what = "joins all the others";
    section(report, method, &effects.main_effects, what, Some(effects))
}

fn section(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    values: &[f64],
    what: &str,
    effects: Option<&PairEffects>,
) -> Result<String> {
    let segments = ranked(report, values);
    let matrix = effects.map_or(String::new(), |effects| matrix(&segments, effects));
    Ok(format!(
        "<section class=\"explorer\" aria-labelledby=\"ranking\"><div>{}{}</div><div>\
         <h2 id=\"ranking\">What each segment is worth</h2><p>Mean change of {} when the segment \
         {what}. Blue speaks for the class, orange against it.</p>{}{matrix}</div></section>",
        picture(report, method, &segments)?,
        views(
            "ranking",
            &[
                ("sets", "ranking"),
                ("heat", "saliency"),
                ("segments", "segments"),
                ("photo", "photo")
            ]
        ),
        escape(if report.scalar.is_empty() { "the output" } else { &report.scalar }),
        list(report, &segments),
    ))
}

fn picture(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    segments: &[Ranked],
) -> Result<String> {
    let photo = report.photo;
    let (width, height) = (photo.width(), photo.height());
    let description = segments.iter().enumerate().map(|(rank, segment)| {
        let (_, place) = whereabouts(photo, &segment.features);
        format!("Segment {}: {:+.2}, {place}.", rank + 1, segment.value)
    });
    let mut out = Stage {
        photo,
        segments: report.segments,
        map: method.map,
        id: "ranking-picture",
        title: "The photo with the segments that are worth most",
        description: &description.collect::<Vec<_>>().join(" "),
    }
    .begin()?;
    let features: Vec<&FeatureSet> = segments.iter().map(|segment| &segment.features).collect();
    let layouts = layout(photo, &features);
    let most = segments.first().map_or(1.0, |segment| segment.value.abs().max(f64::MIN_POSITIVE));
    for (rank, segment) in segments.iter().enumerate().rev() {
        let plane = Plane::mask(width, height, segment.features.iter());
        let outline = trace::pixels(&plane);
        out.push_str(&format!(
            "<g class=\"set\" data-set=\"{n}\" style=\"--set:{};--share:{:.2}\">\
             <clipPath id=\"ranked-{n}\"><path d=\"{outline}\"/></clipPath>\
             <use href=\"#photo\" class=\"inside\" clip-path=\"url(#ranked-{n})\"/>\
             <path class=\"tint\" d=\"{outline}\"/><path class=\"region casing\" d=\"{outline}\"/>\
             <path class=\"region\" d=\"{outline}\"/></g>",
            hex(color_of(segment.value)),
            0.15 + 0.5 * segment.value.abs() / most,
            n = rank + 1,
        ));
    }
    let factor = zoom(photo).factor() as f32;
    for (rank, (layout, segment)) in layouts.iter().zip(segments).enumerate() {
        let (x, y) = (layout.anchor.0 / factor, layout.anchor.1 / factor);
        let (radius, color) = (BADGE / factor, color_of(segment.value));
        out.push_str(&format!(
            "<g class=\"badge\" data-set=\"{n}\" style=\"--set:{}\"><circle cx=\"{x:.2}\" \
             cy=\"{y:.2}\" r=\"{radius:.2}\"/><text x=\"{x:.2}\" y=\"{:.2}\" font-size=\"{:.2}\" \
             fill=\"{}\">{n}</text></g>",
            hex(color),
            y + 0.36 * 1.4 * radius,
            1.4 * radius,
            hex(text_on(color)),
            n = rank + 1,
        ));
    }
    Ok(out + "</svg>")
}

fn list(report: &ImageReport<'_>, segments: &[Ranked]) -> String {
    let most = segments.first().map_or(1.0, |segment| segment.value.abs().max(f64::MIN_POSITIVE));
    let decimals = (1.0 - most.log10().floor()).clamp(1.0, 4.0) as usize;
    let item = |(rank, segment): (usize, &Ranked)| {
        let color = color_of(segment.value);
        let (n_pixels, place) = whereabouts(report.photo, &segment.features);
        format!(
            "<li><button type=\"button\" data-set=\"{n}\" aria-pressed=\"false\" style=\"--set:{};\
             --on-set:{}\"><span class=\"rank\"><span class=\"unseen\">Segment </span>{n}</span>\
             <span class=\"score\"><span class=\"unseen\">, worth </span>{:+.decimals$}</span>\
             <span class=\"bar\" aria-hidden=\"true\"><span class=\"value\" style=\"width:{:.2}%\">\
             </span></span><span class=\"where\">{place}, {n_pixels} pixels</span></button></li>",
            hex(color),
            hex(text_on(color)),
            segment.value,
            100.0 * segment.value.abs() / most,
            n = rank + 1,
        )
    };
    let items: String = segments.iter().enumerate().map(item).collect();
    format!(
        "<ol class=\"sets compact\" aria-label=\"Segments by what they are worth\">{items}</ol>"
    )
}

/// A cell for every pair of the listed segments: how much the two do beyond the sum.
fn matrix(segments: &[Ranked], effects: &PairEffects) -> String {
    let n = segments.len();
    if n < 2 {
        return String::new();
    }
    let effect = |i: usize, j: usize| effects.effect(segments[i].label, segments[j].label);
    let cells = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let most = cells.map(|(i, j)| effect(i, j).abs()).fold(f64::MIN_POSITIVE, f64::max);
    let decimals = (1.0 - most.log10().floor()).clamp(1.0, 4.0) as usize;
    let mut rows = String::new();
    for i in 1..n {
        rows.push_str(&format!("<tr><th scope=\"row\" role=\"rowheader\">{}</th>", i + 1));
        for j in 0..i {
            let value = effect(i, j);
            // The first cell is where the keyboard enters.
            let index = if (i, j) == (1, 0) { 0 } else { -1 };
            rows.push_str(&format!(
                "<td role=\"gridcell\"><button type=\"button\" tabindex=\"{index}\" \
                 data-lights=\"{a} {b}\" aria-pressed=\"false\" style=\"--set:{};--share:{:.3}\">\
                 <span class=\"unseen\">Segments {a} and {b}: {value:+.decimals$} together, beyond \
                 the sum of both</span></button></td>",
                hex(color_of(value)),
                value.abs() / most,
                a = j + 1,
                b = i + 1,
            ));
        }
        rows.push_str("</tr>");
    }
    let heads: String = (1..n).map(|j| format!("<th scope=\"col\">{j}</th>")).collect();
    format!(
        "<h3 id=\"matrix\">What pairs of them do beyond the sum</h3>\
         <p class=\"reading\" aria-live=\"polite\">Point at a cell, or move with the arrow keys: blue \
         pairs do more together than the sum of both, orange ones less. The deepest colour is \
         {most:.decimals$}.</p><table class=\"matrix\" role=\"grid\" aria-labelledby=\"matrix\">\
         <caption class=\"unseen\">Effects of pairs of segments</caption><thead><tr><td></td>{heads}\
         </tr></thead><tbody>{rows}</tbody></table>"
    )
}
