//! The picture whose sets light up when pointed at or focused.

use hsets_core::{FeatureSet, Photo};
use maud::{Markup, html};

use super::{
    SetReport,
    image_page::{ImageReport, MethodReport, rendering},
    picture, png_uri, trace,
    verdict::{share, verdict, whereabouts},
};
use crate::{
    Result,
    document::{Cell, Column, Estimate, Table, render_facts},
    draw::{Rgb, set_color, text_on},
    html::hex,
    panel::{BADGE, DENSE, layout, zoom},
};

/// The views of the picture: value and label; the first one is shown first.
pub(super) const VIEWS: [(&str, &str); 4] =
    [("sets", "sets"), ("heat", "saliency"), ("segments", "segments"), ("photo", "photo")];

/// An SVG of the photo, its saliency map, the borders of its segments, and `marks` on them. `id`
/// begins the names of its title and description.
pub(super) fn stage(
    report: &ImageReport<'_>,
    method: &MethodReport<'_>,
    id: &str,
    title: &str,
    description: &[String],
    marks: &Markup,
) -> Result<Markup> {
    let (width, height) = (report.photo.width(), report.photo.height());
    let heat = png_uri(&picture::heat_map(method.map)?);
    Ok(html! {
        svg.picture viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-labelledby={ (id) "-title " (id) "-desc" } {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-desc" } { (description.join(" ")) }
            use.pale href="#pale" {}
            use class="true" href="#photo" {}
            image.heat width=(width) height=(height) href=(heat) style=[rendering(report.photo)] {}
            (cased("borders", &trace::boundaries(report.segments)))
            rect.dim width=(width) height=(height) {}
            (marks)
        }
    })
}

/// A line with a lighter one below it, to be seen on every photo.
pub(super) fn cased(class: &str, path: &str) -> Markup {
    html! { path.(class).casing d=(path) {} path.(class) d=(path) {} }
}

/// The photo in its colours within `path`.
pub(super) fn inside(id: &str, path: &str) -> Markup {
    html! {
        clipPath id=(id) { path d=(path) {} }
        use.inside href="#photo" clip-path={ "url(#" (id) ")" } {}
    }
}

/// The number of a set on a disc.
pub(super) fn disc(n: usize, color: Rgb, (x, y): (f32, f32), radius: f32) -> Markup {
    let size = 1.4 * radius;
    html! {
        circle cx=(short(x)) cy=(short(y)) r=(short(radius)) {}
        text x=(short(x)) y=(short(y + 0.36 * size)) font-size=(short(size))
            fill=(hex(text_on(color))) { (n) }
    }
}

/// A length in a picture.
pub(super) fn short(value: f32) -> String {
    format!("{value:.2}")
}

/// A button that lights a set: its number, its size in words and as a bar, and where it is. The
/// value of the bar and the ends of its interval are shares of the longest.
pub(super) fn item(
    (rank, color): (usize, Rgb),
    [kind, what]: [&str; 2],
    size: &str,
    (value, interval): (f64, Option<[f64; 2]>),
    place: &Markup,
) -> Markup {
    let percent = |share: f64| format!("{:.2}%", 100.0 * share.clamp(0.0, 1.0));
    html! {
        li {
            button type="button" data-set=(rank + 1) aria-pressed="false"
                style={ "--set:" (hex(color)) ";--on-set:" (hex(text_on(color))) } {
                span.rank { span.unseen { (kind) " " } (rank + 1) }
                span.score { span.unseen { ", " (what) " " } (size) }
                span.bar aria-hidden="true" {
                    span.value style={ "width:" (percent(value)) } {}
                    @if let Some([low, high]) = interval.map(|ends| ends.map(percent)) {
                        span.error style={ "left:" (low) ";right:calc(100% - " (high) ")" } {}
                    }
                }
                span.where { (place) }
            }
        }
    }
}

/// Picture at the left, ranked sets at the right.
pub(super) fn explorer(report: &ImageReport<'_>, method: &MethodReport<'_>) -> Result<Markup> {
    let (photo, sets) = (report.photo, &method.sets);
    let shown = &VIEWS[usize::from(sets.is_empty())..];
    Ok(html! {
        section.explorer aria-label={ "The picture explained by " (method.name) } {
            div { (picture(report, method)?) (views("view", shown)) }
            div {
                @if !sets.is_empty() {
                    p.verdict { (verdict(photo, sets)) }
                    // What sets do not show.
                    p.soft {
                        "A set says what matters. That its pixels act together was not tested: "
                        code { "--method contrasts" } " does that."
                    }
                    (list(photo, sets))
                }
                (render_facts("headline", &report.facts))
            }
        }
    })
}

/// A choice of views; `name` tells it from others on the page.
pub(super) fn views(name: &str, shown: &[(&str, &str)]) -> Markup {
    html! {
        fieldset.views {
            legend { "Show" }
            @for (index, (value, label)) in shown.iter().enumerate() {
                @let checked = index == 0;
                label { input type="radio" name=(name) value=(value) checked[checked]; " " (label) }
            }
        }
    }
}

fn picture(report: &ImageReport<'_>, method: &MethodReport<'_>) -> Result<Markup> {
    let photo = report.photo;
    let (width, height) = (photo.width(), photo.height());
    let features: Vec<&FeatureSet> = method.sets.iter().map(|set| set.features).collect();
    let layouts = layout(photo, &features);
    let describe = |(rank, set)| format!("Set {}: {}.", rank + 1, described(photo, set));
    let description: Vec<String> = method.sets.iter().enumerate().map(describe).collect();
    let outline = |segment: u32| {
        let labels = report.segments.labels().iter();
        let pixels = labels.enumerate().filter(|(_, label)| **label == segment);
        trace::pixels(&crate::panel::Plane::mask(width, height, pixels.map(|(pixel, _)| pixel)))
    };
    let factor = zoom(photo).factor() as f32;
    let marks = html! {
        // The best set is drawn last and lies on top.
        @for (rank, layout) in layouts.iter().enumerate().rev() {
            @let region = trace::contour(&layout.density, DENSE * layout.density.max());
            g.set data-set=(rank + 1) style={ "--set:" (hex(set_color(rank))) } {
                (inside(&format!("region-{}", rank + 1), &region))
                @if let Some(segment) = method.sets[rank].segment {
                    path.segment d=(outline(segment)) {}
                }
                (cased("region", &region))
                path.members d=(trace::pixels(&layout.mask)) {}
            }
        }
        @for (rank, layout) in layouts.iter().enumerate().filter(|(_, l)| l.density.max() > 0.0) {
            @let scaled = |(x, y): (f32, f32)| (x / factor, y / factor);
            @let ((x, y), (to_x, to_y)) = (scaled(layout.badge), scaled(layout.anchor));
            g.badge data-set=(rank + 1) style={ "--set:" (hex(set_color(rank))) } {
                // A line to where the set is densest.
                path d=(format!("M{x:.2} {y:.2}L{to_x:.2} {to_y:.2}")) {}
                (disc(rank + 1, set_color(rank), (x, y), BADGE / factor))
            }
        }
    };
    let title = format!("The photo with the sets of {}", method.name);
    stage(report, method, "picture", &title, &description, &marks)
}

/// Buttons in the order of the ranks, each with its bar.
fn list(photo: &Photo, sets: &[SetReport<'_>]) -> Markup {
    let ends =
        |set: &SetReport<'_>| [set.score - set.standard_error, set.score + set.standard_error];
    let longest = sets.iter().map(|set| ends(set)[1]).fold(f64::MIN_POSITIVE, f64::max);
    // All scores to the same digit, so that they stand below each other.
    let decimals = decimals(longest);
    html! {
        ol.sets aria-label="Sets, the most important first" {
            @for (rank, set) in sets.iter().enumerate() {
                (item(
                    (rank, set_color(rank)),
                    ["Set", "score"],
                    &score(set, decimals),
                    (set.score / longest, Some(ends(set).map(|end| end / longest))),
                    &html! { span.unseen { ", " } (place(photo, set)) },
                ))
            }
        }
        p.note {
            "Score ± standard error. Point at a set or move to it with the keyboard to see it \
             alone; click or press Enter to keep it, Escape to see all."
        }
    }
}

/// "1.93 ± 0.04", or "1.93" where the score is exact.
fn score(set: &SetReport<'_>, decimals: usize) -> String {
    let estimate = match set.standard_error {
        0.0 => Estimate::exact(set.score),
        error => Estimate::standard_error(set.score, error),
    };
    estimate.written(decimals)
}

/// So many that three digits count.
fn decimals(value: f64) -> usize {
    let digits = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    (2 - digits).clamp(0, 6) as usize
}

/// "150 pixels, upper left".
fn place(photo: &Photo, set: &SetReport<'_>) -> String {
    let (n, place) = whereabouts(photo, set.features);
    format!("{n} pixel{}, {place}", if n == 1 { "" } else { "s" })
}

fn described(photo: &Photo, set: &SetReport<'_>) -> String {
    format!("score {}, {}", score(set, decimals(set.score)), place(photo, set))
}

/// All that is known of the sets.
pub(super) fn sets_table(photo: &Photo, method: &MethodReport<'_>) -> Table {
    let sets = &method.sets;
    let most = sets.iter().map(|set| decimals(set.score)).max().unwrap_or(3);
    let caption =
        format!("Sets of {}: score ± standard error, share of the sum of all scores", method.name);
    let mut table = Table::new("sets", caption)
        .column(Column::text("set"))
        .column(Column::number("score", most))
        .column(Column::number("share (%)", 0))
        .column(Column::text("features"))
        .column(Column::text("pixels"))
        .column(Column::text("where"));
    let details = sets.first().map(|set| set.details.as_slice()).unwrap_or_default();
    for (name, _) in details {
        table = table.column(Column::text(name));
    }
    for (rank, set) in sets.iter().enumerate() {
        let (n_pixels, place) = whereabouts(photo, set.features);
        let score = Estimate::standard_error(set.score, set.standard_error);
        let known = [
            Cell::Count(rank as u64 + 1),
            Cell::Number(score),
            share(sets, rank).map_or(Cell::Missing, |share| Cell::number(100.0 * share)),
            Cell::Count(set.features.len() as u64),
            Cell::Count(n_pixels as u64),
            Cell::text(place),
        ];
        let rest = set.details.iter().map(|(_, value)| Cell::text(value.as_str()));
        table = table.row(known.into_iter().chain(rest));
    }
    table
}
