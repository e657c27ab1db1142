//! Plots: curves with confidence bands, bars with error bars, and contrasts.
//!
//! A plot is data. Its layout is computed once, as a [`Scene`] of lines, areas, discs and texts;
//! the scene becomes SVG for a page, SVG for a file, or PNG, so that all of them look alike.
//! Series differ by colour and by dashes: nothing is told by colour alone.
//!
//! ```
//! use hsets_report::plot::{Axis, LinePlot, Plot, Series};
//!
//! let curve = Series::new("H-Sets", [(1.0, 0.9), (50.0, 0.3), (99.0, 0.1)]);
//! let plot: Plot = LinePlot::new("ROAD, most relevant first")
//!     .x(Axis::new("pixels imputed").unit("%"))
//!     .y(Axis::new("accuracy").range(0.0, 1.0))
//!     .series(curve.band([(0.85, 0.95), (0.25, 0.35), (0.05, 0.15)]))
//!     .into();
//! assert!(plot.svg()?.starts_with("<svg"));
//! # Ok::<(), hsets_report::Error>(())
//! ```

mod axis;
mod bars;
mod contrast;
mod frame;
mod lines;
mod raster;
mod scene;
mod svg;

pub use axis::{Axis, Scale};
pub use bars::{Bar, BarGroup, BarPlot};
pub use contrast::ContrastPlot;
pub use lines::{LinePlot, Series};
pub use scene::{Anchor, Mark, Paint, Scene};

use maud::Markup;

use crate::{Result, draw::Canvas};

/// Any plot.
#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    /// Curves.
    Lines(LinePlot),
    /// Bars.
    Bars(BarPlot),
    /// A contrast.
    Contrast(ContrastPlot),
}

/// Pixels of a PNG for each unit of the scene.
const PNG_SCALE: f32 = 2.0;

impl Plot {
    /// What is drawn, and where.
    pub fn scene(&self) -> Result<Scene> {
        match self {
            Self::Lines(plot) => plot.scene(),
            Self::Bars(plot) => plot.scene(),
            Self::Contrast(plot) => plot.scene(),
        }
    }

    /// The plot's title.
    pub fn title(&self) -> &str {
        match self {
            Self::Lines(plot) => &plot.title,
            Self::Bars(plot) => &plot.title,
            Self::Contrast(plot) => &plot.title,
        }
    }

    /// A file of its own: SVG on white, with title and description for those who cannot see it.
    pub fn svg(&self) -> Result<String> {
        Ok(svg::file(&self.scene()?).into_string())
    }

    /// Part of a page: SVG in the colours of the page, light or dark. `id` must be unique there.
    pub fn inline_svg(&self, id: &str) -> Result<String> {
        Ok(self.markup(id)?.into_string())
    }

    /// The same for our own pages.
    pub(crate) fn markup(&self, id: &str) -> Result<Markup> {
        Ok(svg::inline(&self.scene()?, id))
    }

    /// The plot on white, two pixels for each unit of the scene.
    pub fn draw(&self) -> Result<Canvas> {
        raster::draw(&self.scene()?, PNG_SCALE)
    }

    /// The plotted numbers: names of the columns, and rows of text. The alternative for those who
    /// cannot see the plot.
    pub fn data(&self) -> (Vec<String>, Vec<Vec<String>>) {
        match self {
            Self::Lines(plot) => plot.data(),
            Self::Bars(plot) => plot.data(),
            Self::Contrast(plot) => plot.data(),
        }
    }
}

impl From<LinePlot> for Plot {
    fn from(plot: LinePlot) -> Self {
        Self::Lines(plot)
    }
}

impl From<ContrastPlot> for Plot {
    fn from(plot: ContrastPlot) -> Self {
        Self::Contrast(plot)
    }
}

impl From<BarPlot> for Plot {
    fn from(plot: BarPlot) -> Self {
        Self::Bars(plot)
    }
}
