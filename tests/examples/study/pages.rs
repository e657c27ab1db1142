//! From sheets of results to the tables and figures of the documentation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use hsets_report::plot::{Axis, Bar, BarPlot, Plot};
use hsets_tests::study::{Interval, Sheet, Values};

use crate::tables::tables;

const PAGES: [&str; 3] = ["complete.md", "ground-truth.md", "interactions.md"];

/// Figures: file, subject, title, metric, axis.
const FIGURES: [[&str; 5]; 3] = [
    [
        "ground-truth-xor.svg",
        "xor",
        "The task xor",
        "precision",
        "share of the marked pixels on parts",
    ],
    ["complete-road.svg", "photos", "MobileNetV2", "1-accuracy", "ROAD, 1 - mean accuracy"],
    ["complete-cifar.svg", "cifar", "ResNet-20", "1-accuracy", "ROAD, 1 - mean accuracy"],
];

/// Fills in the tables of the pages in `docs`, and draws their figures, as far as the sheets have
/// them: each table stands behind a line `<!-- generated: NAME -->`.
pub(crate) fn write(sheets: &[PathBuf], docs: &Path) -> Result<()> {
    let mut values = Values::default();
    for sheet in sheets {
        Sheet::read(sheet)?.into_iter().for_each(|row| values.add(row));
    }
    for page in PAGES {
        let path = docs.join(page);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        fs::write(&path, filled(&text, &values)?)?;
    }
    for [file, subject, title, metric, axis] in FIGURES {
        let contenders = tables().into_iter().find(|shown| shown.is_of(subject));
        let names = contenders.map(|shown| shown.contenders()).unwrap_or_default();
        let plot = names.iter().fold(
            BarPlot::new(title, Axis::new(axis).range(0.0, 1.0)),
            |plot, name| match values.mean(subject, name, metric) {
                Some(Interval { mean, low, high, .. }) => {
                    plot.bar(name.as_str(), Bar::new(mean).interval(low, high))
                }
                None => plot,
            },
        );
        if values.has(subject) {
            fs::write(docs.join(file), Plot::from(plot).svg()?)?;
        }
    }
    Ok(())
}

const MARK: (&str, &str) = ("<!-- generated: ", " -->");

fn filled(page: &str, values: &Values) -> Result<String> {
    let known = tables();
    let mut lines = page.lines().map(str::to_owned).peekable();
    let mut text = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix(MARK.0).and_then(|rest| rest.strip_suffix(MARK.1));
        let table = name.map(|name| {
            let table = known.iter().find(|table| table.name == name);
            table.with_context(|| format!("no table is called {name}"))
        });
        text.push(line.clone());
        if let Some(table) = table.transpose()? {
            let is_old = |line: &String| line.is_empty() || line.starts_with('|');
            let old: Vec<String> = std::iter::from_fn(|| lines.next_if(is_old)).collect();
            let new = table.markdown(values).map(|new| vec![format!("\n{new}")]);
            text.extend(new.unwrap_or(old));
        }
    }
    Ok(text.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_tests::study::Row;

    #[test]
    fn tables_are_replaced_where_there_are_numbers() {
        let row = |contender: &str, value| Row {
            subject: "photos".into(),
            network: "net".into(),
            picture: "1".into(),
            contender: contender.into(),
            metric: "gini".into(),
            value,
        };
        let mut values = Values::default();
        values.add(row("ig", 0.25));
        values.add(row("complete", 0.75));
        let page = "A\n<!-- generated: photos -->\n\n| old |\n\nB\n<!-- generated: cifar -->\n\n| kept |\n\nC\n";
        let text = filled(page, &values).unwrap();
        assert!(text.contains("| ig |") && text.contains(" 0.75 ") && !text.contains("old"));
        assert!(text.contains("\n\nB\n") && text.contains("\n\n| kept |\n\nC\n"));
        assert!(filled("<!-- generated: nothing -->\n", &values).is_err());
    }
}
