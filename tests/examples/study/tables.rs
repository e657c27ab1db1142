//! The tables of the documentation.

use hsets_tests::study::{Contender, PRESET, of_photos, of_truth, variants};

use crate::values::{Interval, Values};

/// A table: contenders in rows, a metric of a subject in each column.
pub(crate) struct Shown {
    /// In the page, behind the mark.
    pub(crate) name: &'static str,
    rows: Rows,
    columns: Vec<Column>,
    minus: Option<Minus>,
}

struct Column {
    head: String,
    subject: &'static str,
    metric: &'static str,
    /// Of networks whose names begin so.
    architecture: &'static str,
}

#[derive(Clone, Copy)]
enum Rows {
    Methods,
    /// Methods with sets.
    Sets,
    /// H-Sets with one setting changed.
    Changes,
    Photos,
    Variants,
    Only(&'static [&'static str]),
}

/// A table of differences on the same pictures.
#[derive(Clone, Copy)]
enum Minus {
    /// This one minus every other.
    Others(&'static str),
    /// Every other minus this one.
    This(&'static str),
}

const HSETS: &str = "hsets";
const DECIDED_BY_PAIRS: [&str; 2] = ["xor", "and"];
const TASKS: [&str; 3] = ["xor", "and", "additive"];

const OF_PHOTOS: [(&str, &str); 7] = [
    ("1-accuracy", "ROAD, 1 - accuracy ↑"),
    ("probability-drop", "ROAD, probability drop ↑"),
    ("lerf-minus-morf-accuracy", "LeRF - MoRF, accuracy ↑"),
    ("lerf-minus-morf-probability", "LeRF - MoRF, probability ↑"),
    ("insertion", "insertion ↑"),
    ("deletion", "deletion ↓"),
    ("gini", "Gini"),
];

const OF_VARIANTS: [(&str, &str); 5] = [
    ("sum", "sum ↑"),
    ("1-accuracy", "ROAD, 1 - accuracy ↑"),
    ("lerf-minus-morf-accuracy", "LeRF - MoRF, accuracy ↑"),
    ("insertion", "insertion ↑"),
    ("deletion", "deletion ↓"),
];

/// One metric on several tasks.
fn across(metric: &'static str, subjects: &[&'static str]) -> Vec<Column> {
    let column = |&subject: &&'static str| Column {
        head: format!("`{subject}`"),
        subject,
        metric,
        architecture: "",
    };
    subjects.iter().map(column).collect()
}

/// Several metrics on one subject.
fn along(subject: &'static str, metrics: &[(&'static str, &str)]) -> Vec<Column> {
    let column = |&(metric, head): &(&'static str, &str)| Column {
        head: head.into(),
        subject,
        metric,
        architecture: "",
    };
    metrics.iter().map(column).collect()
}

/// One metric on one task, by architecture.
fn by_architecture(subject: &'static str, metric: &'static str) -> Vec<Column> {
    let column = |architecture: &'static str| Column {
        head: format!("`{architecture}`"),
        subject,
        metric,
        architecture,
    };
    ["vgg11_bn", "resnet18", "densenet121"].map(column).into()
}

pub(crate) fn tables() -> Vec<Shown> {
    let of = |name, rows, columns| Shown { name, rows, columns, minus: None };
    let minus = |name, rows, minus, columns| Shown { name, rows, columns, minus: Some(minus) };
    let mut all = vec![
        of("on-parts", Rows::Methods, across("precision", &TASKS)),
        of("iou", Rows::Methods, across("iou", &TASKS)),
        of("all-found", Rows::Methods, across("all-found", &TASKS)),
    ];
    let rivals = Rows::Only(&[
        HSETS,
        "hsets, reference",
        "ig",
        "gradient-x-input",
        "moxi",
        "integrated-hessians",
        "segments-by-ig",
    ]);
    for (name, metric) in [("on-parts-minus", "precision"), ("weaker-minus", "weaker")] {
        let columns = across(metric, &DECIDED_BY_PAIRS);
        all.push(minus(name, rivals, Minus::Others(PRESET), columns));
    }
    for name in ["pair-first", "pair-by-chance", "pair-any"] {
        all.push(of(name, Rows::Sets, across(name, &TASKS)));
    }
    all.push(of("decoy", Rows::Methods, across("decoy", &["decoy", "decoy-resisted"])));
    for (name, metric, tasks) in [
        ("changes-on-parts", "precision", &TASKS[..]),
        ("changes-all-found", "all-found", &DECIDED_BY_PAIRS),
        ("changes-pair-first", "pair-first", &TASKS),
    ] {
        all.push(minus(name, Rows::Changes, Minus::This(HSETS), across(metric, tasks)));
    }
    all.push(of(
        "duel",
        Rows::Methods,
        along(
            "duel",
            &[
                ("precision", "on hands ↑"),
                ("weaker", "of the weaker hand ↑"),
                ("all-found", "both found ↑"),
                ("pair-first", "both in the first set"),
            ],
        ),
    ));
    let minus_photos = Minus::Others(PRESET);
    all.extend([
        of("photos", Rows::Photos, along("photos", &OF_PHOTOS)),
        minus("photos-minus", Rows::Photos, minus_photos, along("photos", &OF_PHOTOS)),
        of("cifar", Rows::Photos, along("cifar", &OF_PHOTOS)),
        minus("cifar-minus", Rows::Photos, minus_photos, along("cifar", &OF_PHOTOS)),
        of("settings-preset", Rows::Only(&[PRESET]), along("settings", &OF_VARIANTS)),
        minus("settings", Rows::Variants, Minus::This(PRESET), along("settings", &OF_VARIANTS)),
    ]);
    let rows = Rows::Only(&[HSETS, "hsets, reference", PRESET, "ig", "moxi", "segments-by-ig"]);
    all.push(of("architectures", rows, by_architecture("xor", "precision")));
    let on_truth = [("settings-xor", "`xor`"), ("settings-and", "`and`")].into_iter();
    let columns = on_truth.flat_map(|(subject, task)| {
        [("precision", "on parts ↑"), ("weaker", "of the weaker part ↑")].map(|(metric, head)| {
            Column { head: format!("{task}, {head}"), subject, metric, architecture: "" }
        })
    });
    all.push(minus("settings-truth", Rows::Variants, Minus::This(PRESET), columns.collect()));
    all
}

impl Shown {
    pub(crate) fn is_of(&self, subject: &str) -> bool {
        self.columns.iter().any(|column| column.subject == subject)
    }

    /// Names of the rows, in their order.
    pub(crate) fn contenders(&self) -> Vec<String> {
        let names = |all: Vec<Contender>| all.into_iter().map(|c| c.name);
        let is_change = |name: &String| name.starts_with("hsets, ") && name != "hsets, reference";
        match self.rows {
            Rows::Methods | Rows::Sets => names(of_truth()).filter(|n| !is_change(n)).collect(),
            Rows::Changes => names(of_truth()).filter(is_change).collect(),
            Rows::Photos => names(of_photos()).collect(),
            Rows::Variants => variants().iter().map(|variant| variant.name.to_owned()).collect(),
            Rows::Only(names) => names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// `None` if there is no number for it.
    pub(crate) fn markdown(&self, values: &Values) -> Option<String> {
        let cells = |name: &String| -> Vec<Option<Interval>> {
            self.columns.iter().map(|column| self.cell(values, name, column)).collect()
        };
        let written = |name: String| {
            let cells = cells(&name);
            let has_any = cells.iter().any(Option::is_some);
            let cells: Vec<String> = cells.into_iter().map(|cell| self.written(cell)).collect();
            has_any.then(|| format!("| {name} | {} |\n", cells.join(" | ")))
        };
        let rows: String = self.contenders().into_iter().filter_map(written).collect();
        let heads: Vec<&str> = self.columns.iter().map(|column| column.head.as_str()).collect();
        let head = format!("| | {} |\n|---|{}\n", heads.join(" | "), "--:|".repeat(heads.len()));
        (!rows.is_empty()).then(|| head + &rows)
    }

    fn cell(&self, values: &Values, name: &str, column: &Column) -> Option<Interval> {
        let &Column { subject, metric, .. } = column;
        match self.minus {
            None => values.mean_on(column.architecture, subject, name, metric),
            Some(Minus::Others(this) | Minus::This(this)) if this == name => None,
            Some(Minus::Others(this)) => values.difference(subject, [this, name], metric),
            Some(Minus::This(this)) => values.difference(subject, [name, this], metric),
        }
    }

    fn written(&self, cell: Option<Interval>) -> String {
        let Some(Interval { mean, low, high, .. }) = cell else { return "–".into() };
        // Not "-0.00".
        let [mean, low, high] =
            [mean, low, high].map(|value| (100.0 * value).round() / 100.0 + 0.0);
        match self.minus {
            None if low.is_nan() => format!("{mean:.2}"),
            None => format!("{mean:.2} [{low:.2}, {high:.2}]"),
            Some(_) => format!("{mean:+.2} [{low:+.2}, {high:+.2}]"),
        }
    }
}
