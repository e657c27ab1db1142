//! The tables of the documentation.

use hsets_tests::study::{
    CHOSEN, Contender, Interval, PRESET, PairContender, START, TRUTH, Values, of_choice, of_pairs,
    of_photos, of_truth, variants,
};

use Statistic::{Auroc, Chosen, Count, Mean, Pearson, Ratio};

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
    statistic: Statistic,
}

/// What is told of a metric.
#[derive(Clone, Copy)]
enum Statistic {
    Mean,
    /// On how many pictures it exists.
    Count,
    /// How well it tells the subject from another, by the metric named second.
    Auroc([&'static str; 2]),
    /// Its correlation with another metric.
    Pearson(&'static str),
    /// Its mean over that of another metric.
    Ratio(&'static str),
    /// The sum that settings of `contrasts` are chosen by, or one of its terms.
    Chosen(&'static [Term]),
}

/// Subjects together, and a metric.
type Term = (&'static [&'static str], &'static str);

#[derive(Clone, Copy)]
enum Rows {
    Methods,
    /// Methods with sets.
    Sets,
    /// H-Sets with one setting changed.
    Changes,
    Photos,
    Variants,
    /// Methods that are asked for pairs.
    Pairs,
    /// Variants of `contrasts` whose names begin so.
    Choice(&'static str),
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
const CONTRASTS: &str = "contrasts";
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
        statistic: Statistic::Mean,
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
        statistic: Statistic::Mean,
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
        statistic: Statistic::Mean,
    };
    ["vgg11_bn", "resnet18", "densenet121"].map(column).into()
}

pub(crate) fn tables() -> Vec<Shown> {
    let of = |name, rows, columns| Shown { name, rows, columns, minus: None };
    let minus = |name, rows, minus, columns| Shown { name, rows, columns, minus: Some(minus) };
    let mut all = vec![
        of("on-parts", Rows::Methods, across("precision", &TASKS)),
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
    for name in ["pair-first", "pair-by-chance"] {
        all.push(of(name, Rows::Sets, across(name, &TASKS)));
    }
    all.push(of("decoy", Rows::Methods, across("decoy", &["decoy", "decoy-resisted"])));
    for (name, metric) in [("changes-on-parts", "precision"), ("changes-pair-first", "pair-first")]
    {
        all.push(minus(name, Rows::Changes, Minus::This(HSETS), across(metric, &TASKS)));
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
            Column { head: format!("{task}, {head}"), ..column(subject, metric, Statistic::Mean) }
        })
    });
    all.push(minus("settings-truth", Rows::Variants, Minus::This(PRESET), columns.collect()));
    all.extend(of_interactions());
    all
}

fn column(subject: &'static str, metric: &'static str, statistic: Statistic) -> Column {
    Column { head: String::new(), subject, metric, architecture: "", statistic }
}

/// The tables about pairs of regions.
fn of_interactions() -> Vec<Shown> {
    let of = |name, rows, columns| Shown { name, rows, columns: headed(columns), minus: None };
    let minus = |name, rows, this, columns| Shown {
        name,
        rows,
        columns: headed(columns),
        minus: Some(Minus::This(this)),
    };
    let both = Rows::Only(&[CONTRASTS, START]);
    let again = Rows::Only(&[CONTRASTS, START, "pair-effects", "ig", HSETS]);
    let measured = Rows::Only(&[CONTRASTS, START, "pair-effects"]);
    let maps = Rows::Only(&[CONTRASTS, "interaction-map", "pair-effects", HSETS, "segments-by-ig"]);
    vec![
        of("pairs-pictures", both, &PICTURES),
        of("pairs-live", Rows::Only(&[TRUTH]), &LIVE),
        of("pairs-claims", both, &CLAIMS),
        of("pairs-tell", Rows::Pairs, &TOLD),
        of("pairs-held", Rows::Pairs, &HELD),
        of("pairs-on-parts", Rows::Pairs, &ON_PARTS),
        of("pairs-steady", again, &STEADY),
        of("pairs-effect", measured, &EFFECT),
        minus("pairs-minus-ig", maps, "ig", &ON_PARTS[..4]),
        of("photos-faithful", Rows::Only(&[CONTRASTS]), &FAITHFUL),
        of("photos-faithful-lite0", Rows::Only(&[CONTRASTS]), &FAITHFUL_LITE0),
        of("photos-signs", Rows::Only(&[CONTRASTS]), &SIGNS),
        of("photos-signs-lite0", Rows::Only(&[CONTRASTS]), &SIGNS_LITE0),
        of("choice-controls", Rows::Choice(START), &CHOICE_CONTROLS),
        minus("choice", Rows::Choice(START), START, &CHOICE),
        minus("second-choice", Rows::Choice(CHOSEN), CHOSEN, &CHOICE),
    ]
}

/// Head, subject, metric, and what is told of it.
type Headed = (&'static str, &'static str, &'static str, Statistic);

fn headed(columns: &[Headed]) -> Vec<Column> {
    let of = |&(head, subject, metric, statistic): &Headed| Column {
        head: head.to_owned(),
        ..column(subject, metric, statistic)
    };
    columns.iter().map(of).collect()
}

const PICTURES: [Headed; 6] = [
    ("`xor`, live", "pairs-xor", "claim-live", Count),
    ("`prod`, live", "pairs-prod", "claim-live", Count),
    ("`and`, live", "pairs-and", "claim-live", Count),
    ("`bagmix` with a pair", "pairs-bagmix", "share", Count),
    ("`additive`", "pairs-additive", "claim", Count),
    ("`bag`", "pairs-bag", "claim", Count),
];

const LIVE: [Headed; 5] = [
    ("`xor`", "pairs-xor", "live", Mean),
    ("`prod`", "pairs-prod", "live", Mean),
    ("`and`", "pairs-and", "live", Mean),
    ("`additive`", "pairs-additive", "live", Mean),
    ("`bag`", "pairs-bag", "live", Mean),
];

const CLAIMS: [Headed; 6] = [
    ("`bag` ↓", "pairs-bag", "claim", Mean),
    ("`additive` ↓", "pairs-additive", "claim", Mean),
    ("live `xor` ↑", "pairs-xor", "claim-live", Mean),
    ("live `prod` ↑", "pairs-prod", "claim-live", Mean),
    ("live `and` ↑", "pairs-and", "claim-live", Mean),
    ("`bagmix` ↑", "pairs-bagmix", "claim-pair", Mean),
];

const ADDITIVE: Statistic = Auroc(["pairs-additive", "strength"]);

const TOLD: [Headed; 4] = [
    ("AUROC, live `xor` ↑", "pairs-xor", "strength-live", ADDITIVE),
    ("live `prod` ↑", "pairs-prod", "strength-live", ADDITIVE),
    ("live `and` ↑", "pairs-and", "strength-live", ADDITIVE),
    ("`bagmix`: \\|I\\*\\| of the first pair / largest ↑", "pairs-bagmix", "share", Mean),
];

const HELD: [Headed; 3] = [
    ("live `xor` ↑", "pairs-xor", "held-live", Mean),
    ("live `prod` ↑", "pairs-prod", "held-live", Mean),
    ("live `and` ↑", "pairs-and", "held-live", Mean),
];

const ON_PARTS: [Headed; 5] = [
    ("`xor` ↑", "pairs-xor", "on-parts", Mean),
    ("`prod` ↑", "pairs-prod", "on-parts", Mean),
    ("`and` ↑", "pairs-and", "on-parts", Mean),
    ("`additive`", "pairs-additive", "on-parts", Mean),
    ("`bag`", "pairs-bag", "on-parts", Mean),
];

const STEADY: [Headed; 4] = [
    ("JPEG, `xor` ↑", "pairs-xor", "overlap-jpeg", Mean),
    ("JPEG, `prod` ↑", "pairs-prod", "overlap-jpeg", Mean),
    ("noise, `xor` ↑", "pairs-xor", "overlap-noise", Mean),
    ("noise, `prod` ↑", "pairs-prod", "overlap-noise", Mean),
];

const EFFECT: [Headed; 4] = [
    ("`xor`", "pairs-xor", "effect", Pearson("drawn")),
    ("`prod`", "pairs-prod", "effect", Pearson("drawn")),
    ("live `xor`", "pairs-xor", "effect-live", Pearson("drawn-live")),
    ("live `prod`", "pairs-prod", "effect-live", Pearson("drawn-live")),
];

const fn faithful(photos: &'static str) -> [Headed; 6] {
    [
        ("photos", photos, "faithfulness", Count),
        ("faithfulness ↑", photos, "faithfulness", Mean),
        ("of the product of main effects", photos, "faithfulness-of-mains", Mean),
        ("ceiling", photos, "ceiling", Mean),
        ("faithfulness / ceiling ↑", photos, "faithfulness", Ratio("ceiling")),
        ("under blur: faithfulness / ceiling", photos, "faithfulness-blur", Ratio("ceiling-blur")),
    ]
}

const FAITHFUL: [Headed; 6] = faithful("photo-pairs");
const FAITHFUL_LITE0: [Headed; 6] = faithful("photo-pairs-lite0");

const fn signs(photos: &'static str) -> [Headed; 5] {
    [
        ("a claim", photos, "claim", Mean),
        ("same sign again, in fresh contexts", photos, "sign-again", Mean),
        ("under blur", photos, "sign-blur", Mean),
        ("under zero", photos, "sign-zero", Mean),
        ("under own pixels, rolled", photos, "sign-rolled", Mean),
    ]
}

const SIGNS: [Headed; 5] = signs("photo-pairs");
const SIGNS_LITE0: [Headed; 5] = signs("photo-pairs-lite0");

const CHOICE_CONTROLS: [Headed; 2] = [
    ("claims on `bag` ↓", "choose-bag", "claim", Mean),
    ("claims on `additive` ↓", "choose-additive", "claim", Mean),
];

const COMBINING: &[&str] = &["choose-xor", "choose-and", "choose-prod"];
const CHOSEN_BY: [Term; 4] = [
    (COMBINING, "claim-live"),
    (&["choose-bagmix"], "share"),
    (COMBINING, "held-live"),
    (&["choose-xor", "choose-prod"], "overlap-jpeg"),
];

const CHOICE: [Headed; 5] = [
    ("sum ↑", "choose-xor", "", Chosen(&CHOSEN_BY)),
    ("finds ↑", "choose-xor", "", Chosen(&[CHOSEN_BY[0]])),
    ("truth ↑", "choose-bagmix", "", Chosen(&[CHOSEN_BY[1]])),
    ("whole ↑", "choose-xor", "", Chosen(&[CHOSEN_BY[2]])),
    ("steady ↑", "choose-xor", "", Chosen(&[CHOSEN_BY[3]])),
];

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
            Rows::Pairs => of_pairs().into_iter().map(|PairContender { name, .. }| name).collect(),
            Rows::Choice(beginning) => {
                let names = of_choice().into_iter().map(|PairContender { name, .. }| name);
                names.filter(|name| name.starts_with(beginning)).collect()
            }
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
        let &Column { subject, metric, statistic, .. } = column;
        let contenders = match self.minus {
            None => {
                return match statistic {
                    Statistic::Count => values.count(subject, name, metric),
                    Statistic::Auroc(other) => values.auroc(name, &[[subject, metric]], &[other]),
                    Statistic::Pearson(other) => values.pearson(subject, name, [metric, other]),
                    Statistic::Ratio(other) => values.ratio(subject, name, [metric, other]),
                    _ => values.mean_on(column.architecture, subject, name, metric),
                };
            }
            Some(Minus::Others(this) | Minus::This(this)) if this == name => return None,
            Some(Minus::Others(this)) => [this, name],
            Some(Minus::This(this)) => [name, this],
        };
        match statistic {
            Statistic::Chosen(terms) => values.difference_of_sums(terms, contenders),
            _ => values.difference(&[subject], contenders, metric),
        }
    }

    fn written(&self, cell: Option<Interval>) -> String {
        let Some(Interval { mean, low, high, .. }) = cell else { return "–".into() };
        // Not "-0.00".
        let [mean, low, high] =
            [mean, low, high].map(|value| (100.0 * value).round() / 100.0 + 0.0);
        match self.minus {
            None if low.is_nan() && mean.fract() == 0.0 => format!("{mean}"),
            None if low.is_nan() => format!("{mean:.2}"),
            None => format!("{mean:.2} [{low:.2}, {high:.2}]"),
            Some(_) if low.is_nan() => format!("{mean:+.2}"),
            Some(_) => format!("{mean:+.2} [{low:+.2}, {high:+.2}]"),
        }
    }
}
