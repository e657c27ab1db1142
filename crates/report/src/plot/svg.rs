//! Scenes as SVG.

use super::scene::{Anchor, Mark, Paint, Scene};
use crate::{
    draw::Palette,
    html::{escape, hex},
};

/// A file: on white, in colours of its own.
pub(super) fn file(scene: &Scene) -> String {
    let palette = &Palette::LIGHT;
    let color = |paint: Paint| hex(paint.color(palette));
    let attributes = format!(
        "xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\"",
        scene.width, scene.height
    );
    let ground = format!("<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>", hex(palette.paper));
    draw(scene, "plot", &attributes, &ground, &color)
}

/// Part of a page: in the variables of its style.
pub(super) fn inline(scene: &Scene, id: &str) -> String {
    let color = |paint: Paint| format!("var({})", paint.variable());
    draw(scene, id, "class=\"plot\"", "", &color)
}

fn draw(
    scene: &Scene,
    id: &str,
    attributes: &str,
    ground: &str,
    color: &dyn Fn(Paint) -> String,
) -> String {
    let (width, height) = (short(scene.width), short(scene.height));
    let mut svg = format!(
        "<svg {attributes} viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\" font-family=\"system-ui, sans-serif\">\
         <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>{ground}",
        escape(&scene.title),
        escape(&scene.description),
    );
    for mark in &scene.marks {
        svg.push_str(&element(mark, color));
    }
    svg.push_str("</svg>");
    svg
}

fn element(mark: &Mark, color: &dyn Fn(Paint) -> String) -> String {
    match mark {
        Mark::Line { points, paint, width, dashes } => {
            let dashes: Vec<String> = dashes.iter().map(|length| short(*length)).collect();
            let dashes = match dashes.as_slice() {
                [] => String::new(),
                dashes => format!(" stroke-dasharray=\"{}\"", dashes.join(" ")),
            };
            format!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                list(points),
                color(*paint),
                short(*width),
            )
        }
        Mark::Area { points, paint, opacity } => {
            let opacity = match *opacity {
                1.0 => String::new(),
                share => format!(" fill-opacity=\"{share}\""),
            };
            format!("<polygon points=\"{}\" fill=\"{}\"{opacity}/>", list(points), color(*paint))
        }
        Mark::Disc { center: [x, y], radius, paint } => {
            let (x, y, radius) = (short(*x), short(*y), short(*radius));
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{}\"/>", color(*paint))
        }
        Mark::Text { at: [x, y], text, size, anchor, paint } => {
            let anchor = match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            format!(
                "<text x=\"{}\" y=\"{}\" font-size=\"{size}\"{anchor} fill=\"{}\">{}</text>",
                short(*x),
                short(*y),
                color(*paint),
                escape(text),
            )
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
