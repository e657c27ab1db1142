//! The picture whose sets light up when pointed at or focused.

use hsets_core::{FeatureSet, Photo, SaliencyMap, SegmentMap};

use super::{
    SetReport, escape,
    image_page::{ImageReport, MethodReport, rendering},
    picture, png_uri, trace,
    verdict::{share, verdict, whereabouts},
};
use crate::{
    Result,
    document::{Cell, Column, Estimate, Table},
    draw::{set_color, text_on},
    html::hex,
    panel::{BADGE, DENSE, layout, zoom},
};

/// The views of the picture: value and label; the first one is shown first.
const VIEWS: [(&str, &str); 4] =
    [("sets", "sets"), ("heat", "saliency"), ("segments", "segments"), ("photo", "photo")];

/// What sets do not show.
const UNTESTED: &str = "A set says what matters. That its pixels act together was not tested: \
                        <code>--method contrasts</code> does that.";

/// The picture below whatever is marked on it.
pub(super) struct Stage<'a> {
    pub(super) photo: &'a Photo,
    pub(super) segments: &'a SegmentMap,
    pub(super) map: &'a SaliencyMap,
    /// Begins the names of its title and description.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
}

impl Stage<'_> {
    /// An SVG that is still open: the photo, the saliency map, the borders of the segments.
    pub(super) fn begin(&self) -> Result<String> {
        let (width, height, id) = (self.photo.width(), self.photo.height(), self.id);
        Ok(format!(
            "<svg class=\"picture\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\"><title id=\"{id}-title\">{}</title>\
             <desc id=\"{id}-desc\">{}</desc><use href=\"#pale\" class=\"pale\"/>\
             <use href=\"#photo\" class=\"true\"/>\
             <image class=\"heat\" width=\"{width}\" height=\"{height}\" href=\"{}\"{}/>\
             <path class=\"borders casing\" d=\"{borders}\"/><path class=\"borders\" d=\"{borders}\"/>\
             <rect class=\"dim\" width=\"{width}\" height=\"{height}\"/>",
            escape(self.title),
            escape(self.description),
            png_uri(&picture::heat_map(self.map)?),
            rendering(self.photo),
            borders = trace::boundaries(self.segments),
        ))
    }
}

/// Numbers that belong to the title.
pub(super) fn headline(report: &ImageReport<'_>) -> String {
    let facts = report.facts.iter().map(|(name, value)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value))
    });
    format!("<dl class=\"headline\">{}</dl>", facts.collect::<String>())
}

/// Picture at the left, ranked sets at the right.
pub(super) fn explorer(report: &ImageReport<'_>, method: &MethodReport<'_>) -> Result<String> {
    let side = if method.sets.is_empty() {
        String::new()
    } else {
        format!(
            "<p class=\"verdict\">{}</p><p class=\"soft\">{UNTESTED}</p>{}",
            escape(&verdict(report.photo, &method.sets)),
            list(report.photo, &method.sets)
        )
    };
    Ok(format!(
        "<section class=\"explorer\" aria-label=\"The picture explained by {}\"><div>{}{}</div>\
         <div>{side}{}</div></section>",
        escape(&method.name),
        picture(report, method)?,
        views("view", &VIEWS[usize::from(method.sets.is_empty())..]),
        headline(report),
    ))
}

/// A choice of views; `name` tells it from others on the page.
pub(super) fn views(name: &str, shown: &[(&str, &str)]) -> String {
    let view = |(index, (value, label)): (usize, &(&str, &str))| {
        let checked = if index == 0 { " checked" } else { "" };
        format!(
            "<label><input type=\"radio\" name=\"{name}\" value=\"{value}\"{checked}> {label}</label>"
        )
    };
    let views: String = shown.iter().enumerate().map(view).collect();
    format!("<fieldset class=\"views\"><legend>Show</legend>{views}</fieldset>")
}

fn picture(report: &ImageReport<'_>, method: &MethodReport<'_>) -> Result<String> {
    let photo = report.photo;
    let (width, height) = (photo.width(), photo.height());
    let features: Vec<&FeatureSet> = method.sets.iter().map(|set| set.features).collect();
    let layouts = layout(photo, &features);
    let description = method
        .sets
        .iter()
        .enumerate()
        .map(|(rank, set)| format!("Set {}: {}.", rank + 1, described(photo, set)));
    let mut out = Stage {
        photo,
        segments: report.segments,
        map: method.map,
        id: "picture",
        title: &format!("The photo with the sets of {}", method.name),
        description: &description.collect::<Vec<_>>().join(" "),
    }
    .begin()?;
    // The best set is drawn last and lies on top.
    for (rank, layout) in layouts.iter().enumerate().rev() {
        let segment = method.sets[rank].segment.map_or(String::new(), |segment| {
            let labels = report.segments.labels().iter();
            let pixels = labels.enumerate().filter(|(_, label)| **label == segment);
            let mask = crate::panel::Plane::mask(width, height, pixels.map(|(pixel, _)| pixel));
            format!("<path class=\"segment\" d=\"{}\"/>", trace::pixels(&mask))
        });
        let region = trace::contour(&layout.density, DENSE * layout.density.max());
        out.push_str(&format!(
            "<g class=\"set\" data-set=\"{n}\" style=\"--set:{}\">\
             <clipPath id=\"region-{n}\"><path d=\"{region}\"/></clipPath>\
             <use href=\"#photo\" class=\"inside\" clip-path=\"url(#region-{n})\"/>{segment}\
             <path class=\"region casing\" d=\"{region}\"/><path class=\"region\" d=\"{region}\"/>\
             <path class=\"members\" d=\"{}\"/></g>",
            hex(set_color(rank)),
            trace::pixels(&layout.mask),
            n = rank + 1,
        ));
    }
    let factor = zoom(photo).factor() as f32;
    for (rank, layout) in layouts.iter().enumerate().filter(|(_, l)| l.density.max() > 0.0) {
        let places = [layout.badge, layout.anchor].map(|(x, y)| (x / factor, y / factor));
        out.push_str(&badge(rank, places, BADGE / factor));
    }
    Ok(out + "</svg>")
}

/// The numbered disc of a set, with a line to where the set is densest.
fn badge(rank: usize, [(x, y), (to_x, to_y)]: [(f32, f32); 2], radius: f32) -> String {
    let color = set_color(rank);
    format!(
        "<g class=\"badge\" data-set=\"{n}\" style=\"--set:{}\"><path d=\"M{x:.2} {y:.2}L{to_x:.2} \
         {to_y:.2}\"/><circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius:.2}\"/><text x=\"{x:.2}\" \
         y=\"{:.2}\" font-size=\"{:.2}\" fill=\"{}\">{n}</text></g>",
        hex(color),
        y + 0.36 * 1.4 * radius,
        1.4 * radius,
        hex(text_on(color)),
        n = rank + 1,
    )
}

/// Buttons in the order of the ranks, each with its bar.
fn list(photo: &Photo, sets: &[SetReport<'_>]) -> String {
    let reach = |set: &SetReport<'_>| set.score + set.standard_error;
    let longest = sets.iter().map(reach).fold(f64::MIN_POSITIVE, f64::max);
    let percent = |value: f64| format!("{:.2}%", 100.0 * (value / longest).clamp(0.0, 1.0));
    // All scores to the same digit, so that they stand below each other.
    let decimals = decimals(longest);
    let item = |(rank, set): (usize, &SetReport<'_>)| {
        let color = set_color(rank);
        format!(
            "<li><button type=\"button\" data-set=\"{n}\" aria-pressed=\"false\" style=\"--set:{};\
             --on-set:{}\"><span class=\"rank\"><span class=\"unseen\">Set </span>{n}</span>\
             <span class=\"score\"><span class=\"unseen\">, score </span>{}</span>\
             <span class=\"bar\" aria-hidden=\"true\"><span class=\"value\" style=\"width:{}\"></span>\
             <span class=\"error\" style=\"left:{};right:calc(100% - {})\"></span></span>\
             <span class=\"where\"><span class=\"unseen\">, </span>{}</span></button></li>",
            hex(color),
            hex(text_on(color)),
            score(set, decimals),
            percent(set.score),
            percent(set.score - set.standard_error),
            percent(reach(set)),
            escape(&place(photo, set)),
            n = rank + 1,
        )
    };
    let items: String = sets.iter().enumerate().map(item).collect();
    format!(
        "<ol class=\"sets\" aria-label=\"Sets, the most important first\">{items}</ol>\
         <p class=\"note\">Score ± standard error. Point at a set or move to it with the keyboard \
         to see it alone; click or press Enter to keep it, Escape to see all.</p>"
    )
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
