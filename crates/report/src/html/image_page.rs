//! The page of one explained picture.

use std::time::Duration;

use hsets_core::{FeatureSet, Photo, SaliencyMap, SegmentMap};
use hsets_pipeline::Interactions;
use maud::{Markup, html};

use super::{explorer, pairs, picture, png_uri, ranking, shell};
use crate::{
    Result,
    document::{
        Better, Block, Blocks, Cell, Column, Estimate, PlotBlock, Table, render_blocks,
        render_facts,
    },
    plot::{Axis, Bar, BarPlot, LinePlot, Series},
};

/// What the page of a picture shows.
#[derive(Debug, Clone)]
pub struct ImageReport<'a> {
    /// What was explained: the class.
    pub title: String,
    /// The picture and the network.
    pub subtitle: String,
    /// Numbers that belong to the title, such as the probability of the class.
    pub facts: Vec<(String, String)>,
    /// The picture as the network sees it.
    pub photo: &'a Photo,
    /// Its segments.
    pub segments: &'a SegmentMap,
    /// What is measured where parts are removed, such as the log-odds of the class; may be empty.
    pub scalar: String,
    /// Name of the reference under which interactions are claimed; may be empty.
    pub reference: String,
    /// What the methods found; the first one is shown large.
    pub methods: Vec<MethodReport<'a>>,
    /// Settings and circumstances that all methods share, in full.
    pub settings: Vec<(String, String)>,
    /// The command that made it; empty if there is none.
    pub command: String,
}

/// What one method found.
#[derive(Debug, Clone)]
pub struct MethodReport<'a> {
    /// Its name.
    pub name: String,
    /// Its sets, the best first; empty for methods without sets.
    pub sets: Vec<SetReport<'a>>,
    /// Which regions act together, for methods that measure it.
    pub interactions: Interactions,
    /// Its saliency map.
    pub map: &'a SaliencyMap,
    /// Numbers about the map.
    pub measures: Vec<Measure>,
    /// Curves of metrics. Those of one title share a plot with those of other methods.
    pub curves: Vec<Curve>,
    /// Its settings in full.
    pub settings: Vec<(String, String)>,
    /// What it took, by stage.
    pub timings: Vec<(String, Duration)>,
    /// What it took otherwise: gradients, rows of the Hessian.
    pub counts: Vec<(String, u64)>,
}

/// A set of features and its score.
#[derive(Debug, Clone)]
pub struct SetReport<'a> {
    /// The members.
    pub features: &'a FeatureSet,
    /// Its score.
    pub score: f64,
    /// Standard error of the score; 0 if it is exact.
    pub standard_error: f64,
    /// The segment it grew in.
    pub segment: Option<u32>,
    /// What else is known: seed, rows, why it stopped.
    pub details: Vec<(String, String)>,
}

/// A number about a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Estimate,
    /// Digits after the point.
    pub decimals: usize,
    /// Which values are good, if either is.
    pub better: Option<Better>,
}

/// A curve of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Title of the plot.
    pub title: String,
    /// What to see in the plot.
    pub caption: String,
    /// Its axis below.
    pub x: Axis,
    /// Its axis at the left.
    pub y: Axis,
    /// (x, y), x ascending.
    pub points: Vec<(f64, f64)>,
}

/// The page: the picture whose sets light up when pointed at or focused, their scores with error
/// bars, then all methods side by side, curves, settings and costs.
pub fn image_page(report: &ImageReport<'_>) -> Result<String> {
    let body = html! {
        (definitions(report.photo)?)
        header { h1 { (report.title) } p.subtitle { (report.subtitle) } }
        main {
            @if let Some(method) = report.methods.first() { (found(report, method)?) }
            @if report.methods.len() > 1 { (side_by_side(report)?) }
            (render_blocks(&sections(report), 2, "section")?)
        }
    };
    Ok(shell(&report.title, &body))
}

/// What the first method found: pairs of regions, if it looks for them, with the ranking of segments
/// before them where no pair is claimed and below them where one is; or its sets.
fn found(report: &ImageReport<'_>, method: &MethodReport<'_>) -> Result<Markup> {
    let Interactions { contrasts, pair_effects, banzhaf } = &method.interactions;
    let ranking = match (banzhaf, pair_effects) {
        (Some(values), effects) => {
            Some(ranking::ranking(report, method, values, effects.as_deref())?)
        }
        (None, Some(effects)) => Some(ranking::pairs_of_segments(report, method, effects)?),
        (None, None) => None,
    };
    let Some(contrasts) = contrasts else {
        return ranking.map_or_else(|| explorer::explorer(report, method), Ok);
    };
    let mut parts = vec![pairs::pairs(report, method, contrasts)?];
    parts.extend(ranking);
    if !contrasts.has_claim() {
        parts.reverse();
    }
    Ok(html! {
        div.lead {
            p.verdict { (pairs::verdict(report.photo, contrasts)) }
            (render_facts("headline", &report.facts))
        }
        @for part in parts { (part) }
    })
}

/// The photo in colour and in grey: once on the page, shown in many places.
fn definitions(photo: &Photo) -> Result<Markup> {
    let images = [("photo", picture::photo(photo)?), ("pale", picture::pale_photo(photo)?)];
    Ok(html! {
        svg.unseen width="0" height="0" aria-hidden="true" {
            defs {
                @for (id, png) in &images {
                    image id=(id) width=(photo.width()) height=(photo.height()) href=(png_uri(png))
                        style=[rendering(photo)] {}
                }
            }
        }
    })
}

/// Small pictures are enlarged pixel by pixel, as in the figures.
pub(super) fn rendering(photo: &Photo) -> Option<&'static str> {
    let is_small = photo.width().max(photo.height()) <= 128;
    is_small.then_some("image-rendering:pixelated")
}

/// The heat maps of all methods, with what tells them apart.
fn side_by_side(report: &ImageReport<'_>) -> Result<Markup> {
    let (width, height) = (report.photo.width(), report.photo.height());
    let measure = |m: &Measure| format!("{} {}", m.name, m.value.written(m.decimals));
    Ok(html! {
        section aria-labelledby="methods" {
            h2 id="methods" { "All methods side by side" }
            ul.methods {
                @for (index, method) in report.methods.iter().enumerate() {
                    @let id = format!("method-{index}");
                    @let heat = png_uri(&picture::heat_map(method.map)?);
                    @let best: Vec<String> = method.measures.iter().take(2).map(measure).collect();
                    li { figure {
                        svg.panel viewBox={ "0 0 " (width) " " (height) } role="img"
                            aria-labelledby=(id) {
                            title id=(id) {
                                "Saliency map of " (method.name) " over the photo in grey."
                            }
                            desc { "Hot pixels matter most." }
                            use href="#pale" {}
                            image width=(width) height=(height) href=(heat)
                                style=[rendering(report.photo)] {}
                        }
                        figcaption { strong { (method.name) } " " (best.join(", ")) }
                    } }
                }
            }
        }
    })
}

/// Everything below the pictures.
fn sections(report: &ImageReport<'_>) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let is_several = report.methods.len() > 1;
    if is_several && report.methods.iter().any(|method| !method.measures.is_empty()) {
        blocks = blocks.section("Measures", |section| section.table(measures(&report.methods)));
    }
    let plots = curves(&report.methods);
    if !plots.is_empty() {
        blocks = blocks.section("Curves", |section| section.block(Block::Row(plots)));
    }
    if let Some(sets) = report.methods.first().filter(|method| !method.sets.is_empty()) {
        blocks = blocks.section("Sets in numbers", |section| {
            section.table(explorer::sets_table(report.photo, sets))
        });
    }
    let contrasts =
        report.methods.first().and_then(|method| method.interactions.contrasts.as_ref());
    if let Some(found) = contrasts {
        blocks = blocks.section("Pairs in numbers", |section| {
            section.table(pairs::pairs_table(report.photo, found))
        });
    }
    blocks = blocks.section("Cost", |section| cost(section, &report.methods));
    blocks = blocks.section("Settings in full", |section| settings(section, report));
    let Blocks(blocks) = blocks;
    blocks
}

/// One row per method, one column per measure that any of them has.
fn measures(methods: &[MethodReport<'_>]) -> Table {
    let mut columns: Vec<&Measure> = Vec::new();
    for measure in methods.iter().flat_map(|method| &method.measures) {
        if columns.iter().all(|known| known.name != measure.name) {
            columns.push(measure);
        }
    }
    let mut table =
        Table::new("measures", "Numbers about the saliency maps").column(Column::text("method"));
    for measure in &columns {
        let column = Column::number(&measure.name, measure.decimals);
        table = table.column(Column { better: measure.better, ..column });
    }
    for method in methods {
        let of = |column: &&Measure| {
            let own = method.measures.iter().find(|measure| measure.name == column.name);
            own.map_or(Cell::Missing, |measure| Cell::Number(measure.value))
        };
        let cells = columns.iter().map(of);
        table = table.row(std::iter::once(Cell::text(method.name.as_str())).chain(cells));
    }
    table
}

/// Curves of one title in one plot.
fn curves(methods: &[MethodReport<'_>]) -> Vec<Block> {
    let mut plots: Vec<(&Curve, LinePlot)> = Vec::new();
    for method in methods {
        for curve in &method.curves {
            let series = Series::new(&method.name, curve.points.iter().copied());
            if let Some((_, plot)) = plots.iter_mut().find(|(first, _)| first.title == curve.title)
            {
                plot.series.push(series);
            } else {
                let (x, y) = (curve.x.clone(), curve.y.clone());
                plots.push((curve, LinePlot::new(&curve.title).x(x).y(y).series(series)));
            }
        }
    }
    let block = |(index, (curve, plot)): (usize, (&Curve, LinePlot))| {
        Block::Plot(PlotBlock {
            name: format!("curve-{index}"),
            plot: plot.into(),
            caption: curve.caption.as_str().into(),
            origin: crate::document::Origin::default(),
        })
    };
    plots.into_iter().enumerate().map(block).collect()
}

fn cost(section: Blocks, methods: &[MethodReport<'_>]) -> Blocks {
    let total = |method: &MethodReport<'_>| {
        method.timings.iter().map(|(_, took)| *took).sum::<Duration>().as_secs_f64()
    };
    let axis = Axis::new("time").unit("s");
    let plot = match methods {
        [one] => one.timings.iter().fold(
            BarPlot::new(format!("Time by stage: {:.2} s in all", total(one)), axis),
            |plot, (stage, took)| plot.bar(stage, Bar::new(took.as_secs_f64())),
        ),
        several => several.iter().fold(BarPlot::new("Time by method", axis), |plot, method| {
            plot.bar(&method.name, Bar::new(total(method)))
        }),
    };
    let counts = methods.iter().flat_map(|method| {
        let name = if methods.len() > 1 { format!("{}: ", method.name) } else { String::new() };
        method.counts.iter().map(move |(what, n)| (format!("{name}{what}"), n.to_string()))
    });
    section.plot("time", plot, "").facts(counts)
}

fn settings(section: Blocks, report: &ImageReport<'_>) -> Blocks {
    let mut section = section;
    if !report.command.is_empty() {
        section = section.code(&report.command);
    }
    section = section.facts(report.settings.iter().cloned());
    for method in report.methods.iter().filter(|method| !method.settings.is_empty()) {
        let settings = method.settings.iter().cloned();
        section = section.section(format!("Of {}", method.name), |inner| inner.facts(settings));
    }
    section
}
