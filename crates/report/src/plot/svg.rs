//! Scenes as SVG.

use maud::{Markup, html};

use super::scene::{Anchor, Mark, Paint, Scene};
use crate::{draw::Palette, html::hex};

/// A file: on white, in colours of its own.
pub(super) fn file(scene: &Scene) -> Markup {
    draw(scene, "plot", Some(&Palette::LIGHT))
}

/// Part of a page: in the variables of its style.
pub(super) fn inline(scene: &Scene, id: &str) -> Markup {
    draw(scene, id, None)
}

/// In the colours of `palette`, or of the page around it.
fn draw(scene: &Scene, id: &str, palette: Option<&Palette>) -> Markup {
    let color = |paint: Paint| match palette {
        Some(palette) => hex(paint.color(palette)),
        None => format!("var({})", paint.variable()),
    };
    html! {
        svg xmlns=[palette.map(|_| "http://www.w3.org/2000/svg")]
            width=[palette.map(|_| scene.width)] height=[palette.map(|_| scene.height)]
            class=[palette.is_none().then_some("plot")]
            viewBox={ "0 0 " (short(scene.width)) " " (short(scene.height)) } role="img"
            aria-labelledby={ (id) "-title " (id) "-desc" } font-family="system-ui, sans-serif" {
            title id={ (id) "-title" } { (scene.title) }
            desc id={ (id) "-desc" } { (scene.description) }
            @if let Some(palette) = palette {
                rect width="100%" height="100%" fill=(hex(palette.paper)) {}
            }
            @for mark in &scene.marks { (element(mark, &color)) }
        }
    }
}

fn element(mark: &Mark, color: &dyn Fn(Paint) -> String) -> Markup {
    html! {
        @match mark {
            Mark::Line { points, paint, width, dashes } => {
                @let dashes: Vec<String> = dashes.iter().map(|length| short(*length)).collect();
                polyline points=(list(points)) fill="none" stroke=(color(*paint))
                    stroke-width=(short(*width)) stroke-linejoin="round"
                    stroke-dasharray=[(!dashes.is_empty()).then(|| dashes.join(" "))] {}
            }
            Mark::Area { points, paint, opacity } => {
                polygon points=(list(points)) fill=(color(*paint))
                    fill-opacity=[(*opacity != 1.0).then_some(opacity)] {}
            }
            Mark::Disc { center: [x, y], radius, paint } => {
                circle cx=(short(*x)) cy=(short(*y)) r=(short(*radius)) fill=(color(*paint)) {}
            }
            Mark::Text { at: [x, y], text, size, anchor, paint } => {
                @let anchor = match anchor {
                    Anchor::Start => None,
                    Anchor::Middle => Some("middle"),
                    Anchor::End => Some("end"),
                };
                text x=(short(*x)) y=(short(*y)) font-size=(size) text-anchor=[anchor]
                    fill=(color(*paint)) { (text) }
            }
        }
    }
}

fn list(points: &[[f32; 2]]) -> String {
    let point = |[x, y]: &[f32; 2]| format!("{},{}", short(*x), short(*y));
    points.iter().map(point).collect::<Vec<_>>().join(" ")
}

/// Hundredths of a unit are seen by nobody.
fn short(value: f32) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::plot::{Axis, Bar, BarPlot, LinePlot, Plot, Series};

    #[test]
    fn text_from_outside_is_escaped() {
        let series = Series::new("<b>&", [(0.0, 1.0), (1.0, 2.0)]);
        let plot: Plot = LinePlot::new("a < b").series(series).into();
        let svg = plot.svg().unwrap();
        assert!(svg.contains("a &lt; b</title>") && svg.contains("&lt;b&gt;&amp;</text>"));
        assert!(!svg.contains("<b>"));
    }

    #[test]
    fn a_page_recolours_it_and_a_file_does_not() {
        let plot: Plot = BarPlot::new("t", Axis::new("x")).bar("a", Bar::new(1.0)).into();
        let inline = plot.inline_svg("p1").unwrap();
        assert!(inline.contains("var(--series-0)") && !inline.contains('#'));
        assert!(inline.contains("aria-labelledby=\"p1-title p1-desc\""));
        assert!(!plot.svg().unwrap().contains("var("));
    }

    #[test]
    fn the_png_shows_the_series() {
        let plot: Plot = BarPlot::new("t", Axis::new("x")).bar("a", Bar::new(1.0)).into();
        let canvas = plot.draw().unwrap();
        let color = crate::draw::Palette::LIGHT.series[0];
        let n = canvas.bytes().chunks(3).filter(|pixel| **pixel == color).count();
        assert!(n > 10_000, "{n}");
    }
}
