//! Reports as data: headings, text, tables, plots, figures and commands, rendered as a page,
//! as Markdown, and as LaTeX tables.
//!
//! A [`Document`] is built once and rendered everywhere, so that a number on the page is the
//! number in the paper's table. [`Document::add_to`] writes all of it:
//!
//! | file | what it is |
//! |---|---|
//! | `report.html` | everything on one page that needs no other file and no network |
//! | `report.md` | the same as Markdown; refers to the plots beside it |
//! | `tables.tex` | every table, for `booktabs` |
//! | `NAME.svg`, `NAME.png` | every plot |
//! | `NAME.png` | every figure |
//!
//! ```
//! use hsets_report::document::{Better, Cell, Column, Document, Estimate, Table};
//!
//! let table = Table::new("sparsity", "Gini sparsity, mean ± standard deviation over 5 runs")
//!     .column(Column::text("model"))
//!     .column(Column::number("H-Sets", 2).better(Better::Higher))
//!     .row([Cell::text("VGG16"), Cell::beside(Estimate::std(0.951, 0.004), 0.95)])
//!     .command("cargo xtask reproduce imagenet --data DIR");
//! let report = Document::new("Results").section("Sparsity", |section| section.table(table));
//! assert!(report.markdown().contains("| VGG16 | 0.95 ± 0.00 (published 0.95, = 0.00) |"));
//! ```

mod cell;
mod html;
mod latex;
mod markdown;
mod table;
mod text;

pub(crate) use html::{blocks as render_blocks, facts as render_facts};

pub use cell::{Agreement, Cell, Estimate, Spread};
pub use table::{Better, Column, Origin, Table};
pub use text::{Span, Text};

use crate::{Error, Result, output::Folder, plot::Plot};

/// A report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Its only heading of the first level.
    pub title: String,
    /// A line below the title; may be empty.
    pub subtitle: String,
    /// Its parts, in the order of reading.
    pub blocks: Vec<Block>,
}

/// Part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading and what it is about. Sections nest, and so do the levels of headings.
    Section {
        /// The heading.
        title: String,
        /// What follows it.
        blocks: Vec<Block>,
    },
    /// A paragraph.
    Paragraph(Text),
    /// Items without an order.
    List(Vec<Text>),
    /// A table.
    Table(Table),
    /// A plot.
    Plot(PlotBlock),
    /// A picture.
    Figure(Figure),
    /// Plots and figures that are seen together, side by side where there is room.
    Row(Vec<Block>),
    /// Commands or program text, as they are typed.
    Code(String),
    /// Names and values, such as settings.
    Facts(Vec<(String, String)>),
    /// What few readers want to see at once: a line that unfolds.
    Details {
        /// The line.
        summary: String,
        /// What is unfolded.
        blocks: Vec<Block>,
    },
}

/// A plot in a report.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotBlock {
    /// Name of its files without ending, and its anchor in the page.
    pub name: String,
    /// The plot.
    pub plot: Plot,
    /// What to see in it.
    pub caption: Text,
    /// The command and settings that made it.
    pub origin: Origin,
}

/// A picture in a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of its file without ending, and its anchor in the page.
    pub name: String,
    /// The picture.
    pub png: Vec<u8>,
    /// What it shows, for those who cannot see it.
    pub alt: String,
    /// What to see in it.
    pub caption: Text,
}

impl Document {
    /// A report of nothing yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With a line below the title.
    #[must_use]
    pub fn subtitle(self, subtitle: impl Into<String>) -> Self {
        Self { subtitle: subtitle.into(), ..self }
    }

    /// With one more block.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// With one more section, which `fill` fills.
    #[must_use]
    pub fn section(self, title: impl Into<String>, fill: impl FnOnce(Blocks) -> Blocks) -> Self {
        let Blocks(blocks) = fill(Blocks::default());
        self.block(Block::Section { title: title.into(), blocks })
    }

    /// The report as a page that needs no other file and no network.
    pub fn html(&self) -> Result<String> {
        html::page(self)
    }

    /// The report as Markdown (GitHub's), whose plots and figures are files beside it.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// All tables as LaTeX for `booktabs`.
    pub fn latex_tables(&self) -> String {
        let mut tables = Vec::new();
        visit(&self.blocks, &mut |block| {
            if let Block::Table(table) = block {
                tables.push(latex::table(table));
            }
        });
        tables.join("\n")
    }

    /// All plots and figures as files: name and bytes. Two of one name are an error.
    pub fn pictures(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        visit(&self.blocks, &mut |block| match block {
            Block::Plot(block) => found.push(plot_files(block)),
            Block::Figure(figure) => {
                found.push(Ok(vec![(format!("{}.png", figure.name), figure.png.clone())]));
            }
            _ => {}
        });
        let files: Vec<Vec<_>> = found.into_iter().collect::<Result<_>>()?;
        let files: Vec<_> = files.into_iter().flatten().collect();
        let mut names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => {
                Err(Error::Picture(format!("two plots or figures are named {}", pair[0])))
            }
            None => Ok(files),
        }
    }

    /// Adds the page, the Markdown, the tables and all pictures to `folder`.
    pub fn add_to(&self, folder: &mut Folder) -> Result<()> {
        folder.add("report.html", self.html()?.as_bytes())?;
        folder.add("report.md", self.markdown().as_bytes())?;
        let tables = self.latex_tables();
        if !tables.is_empty() {
            folder.add("tables.tex", tables.as_bytes())?;
        }
        self.pictures()?.iter().try_for_each(|(name, bytes)| folder.add(name, bytes))
    }
}

fn plot_files(block: &PlotBlock) -> Result<Vec<(String, Vec<u8>)>> {
    let PlotBlock { name, plot, .. } = block;
    Ok(vec![
        (format!("{name}.svg"), plot.svg()?.into_bytes()),
        (format!("{name}.png"), plot.draw()?.png()?),
    ])
}

/// Shows every block to `see`, outer ones first.
fn visit<'a>(blocks: &'a [Block], see: &mut impl FnMut(&'a Block)) {
    for block in blocks {
        see(block);
        match block {
            Block::Section { blocks, .. } | Block::Row(blocks) | Block::Details { blocks, .. } => {
                visit(blocks, see);
            }
            _ => {}
        }
    }
}

/// Blocks that are being put together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocks(pub Vec<Block>);

impl Blocks {
    /// With one more block.
    #[must_use]
    pub fn block(mut self, block: Block) -> Self {
        self.0.push(block);
        self
    }

    /// With one more paragraph.
    #[must_use]
    pub fn paragraph(self, text: impl Into<Text>) -> Self {
        self.block(Block::Paragraph(text.into()))
    }

    /// With one more list.
    #[must_use]
    pub fn list<T: Into<Text>>(self, items: impl IntoIterator<Item = T>) -> Self {
        self.block(Block::List(items.into_iter().map(Into::into).collect()))
    }

    /// With one more table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.block(Block::Table(table))
    }

    /// With one more plot. `name` is that of its files, without ending.
    #[must_use]
    pub fn plot(
        self,
        name: impl Into<String>,
        plot: impl Into<Plot>,
        caption: impl Into<Text>,
    ) -> Self {
        self.block(Block::Plot(PlotBlock {
            name: name.into(),
            plot: plot.into(),
            caption: caption.into(),
            origin: Origin::default(),
        }))
    }

    /// With one more picture.
    #[must_use]
    pub fn figure(self, figure: Figure) -> Self {
        self.block(Block::Figure(figure))
    }

    /// With one more row of plots and figures, which `fill` fills.
    #[must_use]
    pub fn row(self, fill: impl FnOnce(Self) -> Self) -> Self {
        let Self(blocks) = fill(Self::default());
        self.block(Block::Row(blocks))
    }

    /// With commands as they are typed.
    #[must_use]
    pub fn code(self, code: impl Into<String>) -> Self {
        self.block(Block::Code(code.into()))
    }

    /// With names and values.
    #[must_use]
    pub fn facts(self, facts: impl IntoIterator<Item = (String, String)>) -> Self {
        self.block(Block::Facts(facts.into_iter().collect()))
    }

    /// With a section inside, which `fill` fills.
    #[must_use]
    pub fn section(self, title: impl Into<String>, fill: impl FnOnce(Self) -> Self) -> Self {
        let Self(blocks) = fill(Self::default());
        self.block(Block::Section { title: title.into(), blocks })
    }

    /// With a line that unfolds what `fill` fills in.
    #[must_use]
    pub fn details(self, summary: impl Into<String>, fill: impl FnOnce(Self) -> Self) -> Self {
        let Self(blocks) = fill(Self::default());
        self.block(Block::Details { summary: summary.into(), blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Bar, BarPlot};

    fn report() -> Document {
        let table = || {
            Table::new("gini", "Sparsity")
                .column(Column::text("model"))
                .column(Column::number("Gini", 2).better(Better::Higher))
                .row([Cell::text("VGG16 & co"), Cell::number(0.951)])
                .row([Cell::text("<ResNet>"), Cell::beside(Estimate::std(0.97, 0.02), 0.98)])
                .command("hsets evaluate --data 'A|B'")
        };
        let plot = BarPlot::new("Sparsity", Axis::new("Gini")).bar("VGG16", Bar::new(0.95));
        Document::new("Results").subtitle("a run").section("Sparsity", |section| {
            section
                .paragraph("All of it.")
                .section("Numbers", |inner| inner.table(table()))
                .row(|row| row.plot("gini-plot", plot, "One bar"))
        })
    }

    #[test]
    fn all_forms_hold_the_same_numbers() {
        let report = report();
        for text in [report.html().unwrap(), report.markdown(), report.latex_tables()] {
            for part in ["0.95", "0.97", "0.02", "0.98", "Sparsity"] {
                assert!(text.contains(part), "{part} is missing in\n{text}");
            }
        }
    }

    #[test]
    fn headings_nest() {
        let html = report().html().unwrap();
        assert_eq!(html.matches("<h1").count(), 1);
        let (h2, h3) = (html.find("<h2").unwrap(), html.find("<h3").unwrap());
        assert!(h2 < h3);
    }

    #[test]
    fn pictures_are_files_of_different_names() {
        let report = report();
        let names: Vec<String> = report.pictures().unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["gini-plot.svg", "gini-plot.png"]);
        let twice = Document {
            blocks: [report.blocks.clone(), report.blocks].concat(),
            ..Document::new("")
        };
        assert!(twice.pictures().unwrap_err().to_string().contains("gini-plot.png"));
    }

    #[test]
    fn a_folder_gets_all_of_it() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::begin(root.path().join("report")).unwrap();
        report().add_to(&mut folder).unwrap();
        let folder = folder.publish().unwrap();
        for name in ["report.html", "report.md", "tables.tex", "gini-plot.svg", "gini-plot.png"] {
            assert!(folder.join(name).is_file(), "{name}");
        }
    }
}
