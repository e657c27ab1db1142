//! Pages to test with. Their numbers are invented.

use std::{sync::Arc, time::Duration};

use hsets_core::{FeatureSet, Mask, Photo, SaliencyMap, SegmentMap, Shape};
use hsets_pipeline::{
    Interactions,
    detection::{
        self as contrasts, Contrast, Contrasted, Interaction, PairEffects, ReferenceEffect,
    },
};
use hsets_report::{
    document::{Better, Cell, Column, Document, Estimate, Table},
    html::{Curve, ImageReport, IndexEntry, Measure, MethodReport, SetReport, index_page},
    panel,
    plot::{Axis, Bar, BarPlot, LinePlot, Series},
};

/// A report with everything that can be in one.
pub(crate) fn document() -> Document {
    Document::new("A run with invented numbers")
        .subtitle("3 models, 4 methods, 100 pictures")
        .section("Sparsity", |section| {
            section
                .paragraph("Sparse maps are short to read.")
                .table(sparsity())
                .row(|row| row.plot("gini", bars(), "Diamonds are published values.").plot("road", curves(), "Bands are 95 % intervals over pictures."))
        })
        .section("Cost", |section| {
            section.section("By stage", |inner| inner.list(["gradients", "Hessian rows"]))
        })
        .section("Settings", |section| {
            section
                .code("hsets evaluate --data DIR --methods hsets,ig --samples 100 --runs 5 --out results.db")
                .facts([("mu", "0.5"), ("nu", "2000"), ("seed", "0")].map(|(a, b)| (a.into(), b.into())))
        })
}

fn sparsity() -> Table {
    let models = [
        ("VGG16", [(0.71, 0.72), (0.91, 0.92), (0.85, 0.81), (0.95, 0.955)]),
        ("DenseNet121", [(0.60, 0.63), (0.90, 0.91), (0.72, 0.74), (0.94, 0.93)]),
        ("ResNet101", [(0.81, 0.80), (0.91, 0.90), (0.87, 0.93), (0.98, 0.90)]),
    ];
    let table = Table::new("sparsity", "Gini sparsity, mean ± standard deviation over 5 runs")
        .column(Column::text("model"))
        .column(Column::number("IG", 2))
        .column(Column::number("Archipelago", 2))
        .column(Column::number("MoXI", 2))
        .column(Column::number("H-Sets", 2).better(Better::Higher))
        .command("cargo xtask reproduce imagenet --data DIR")
        .settings([("mu", "0.5"), ("nu", "2000")].map(|(a, b)| (a.to_owned(), b.to_owned())))
        .note("Only pictures that are classified correctly.");
    models.into_iter().fold(table, |table, (model, numbers)| {
        let cell = |(published, ours)| Cell::beside(Estimate::std(ours, 0.01), published);
        table.row(std::iter::once(Cell::text(model)).chain(numbers.map(cell)))
    })
}

fn bars() -> BarPlot {
    let plot = BarPlot::new(
        "Gini sparsity by model and method",
        Axis::new("Gini sparsity").range(0.0, 1.0),
    )
    .series(["IG", "MoXI", "H-Sets"]);
    let bar = |value: f64, published| {
        Some(Bar::new(value).interval(value - 0.02, value + 0.02).published(published))
    };
    plot.group("VGG16", [bar(0.72, 0.71), bar(0.81, 0.85), bar(0.955, 0.95)])
        .group("DenseNet121", [bar(0.63, 0.60), None, bar(0.93, 0.94)])
}

fn curves() -> LinePlot {
    let curve = |name: &str, rate: f64| {
        let points: Vec<(f64, f64)> =
            (0..50).map(|i| (f64::from(2 * i + 1), (-rate * f64::from(i) / 10.0).exp())).collect();
        let band = points.iter().map(|(_, y)| (y - 0.04, y + 0.04)).collect::<Vec<_>>();
        Series::new(name, points).band(band)
    };
    let names = ["H-Sets", "IG", "Archipelago", "MoXI", "CASO", "CAFO", "gradient", "random"];
    let plot = LinePlot::new("ROAD, most relevant pixels first")
        .x(Axis::new("pixels imputed").unit("%").range(0.0, 100.0))
        .y(Axis::new("accuracy").range(0.0, 1.0))
        .level("chance", 0.001);
    names
        .iter()
        .enumerate()
        .fold(plot, |plot, (i, name)| plot.series(curve(name, 3.0 - 0.35 * i as f64)))
}

/// Pictures in the index.
pub(crate) const N_ENTRIES: usize = 30;

/// An index of pictures that are all alike.
pub(crate) fn index() -> String {
    let Sample { photo, maps, .. } = Sample::new();
    let picture = panel::overlay(&photo, &maps[1]);
    let entry = |n: usize| {
        let name = if n == 3 { "a/long/path/".repeat(8) } else { format!("picture-{n}.png") };
        let address = format!("picture-{n}/explanation.html");
        IndexEntry::new(address, name, "a \"class\" & its <name>".into(), &picture).unwrap()
    };
    let entries: Vec<IndexEntry> = (1..=N_ENTRIES).map(entry).collect();
    index_page("Explanations", "30 inputs, resnet20", &entries)
}

/// Middles of the sets of the sample, in pixels of the photo.
pub(crate) const MIDDLES: [(f64, f64); 3] = [(12.5, 12.5), (44.5, 20.5), (24.5, 38.5)];

/// A picture with three square sets.
pub(crate) struct Sample {
    photo: Photo,
    segments: SegmentMap,
    /// Four segments.
    quarters: SegmentMap,
    sets: Vec<FeatureSet>,
    maps: [SaliencyMap; 2],
}

impl Sample {
    pub(crate) fn new() -> Self {
        let (width, height) = (64, 48);
        let shade = |i: usize| (90 + (i / 3 % width) + (i / 3 / width)) as u8;
        let photo =
            Photo::new(width, height, (0..3 * width * height).map(shade).collect()).unwrap();
        let labels: Vec<u32> = (0..width * height).map(|i| u32::from(i % width >= 32)).collect();
        let square = |(x, y): (f64, f64)| -> FeatureSet {
            let corner = |middle: f64| middle as usize - 4;
            let pixels = (0..8).flat_map(|dy| (0..8).map(move |dx| (dy, dx)));
            pixels.map(|(dy, dx)| (corner(y) + dy) * width + corner(x) + dx).collect()
        };
        let sets: Vec<FeatureSet> = MIDDLES.iter().map(|middle| square(*middle)).collect();
        let shape = Shape::new(3, height, width);
        let mut sparse = SaliencyMap::zeros(shape);
        sets.iter().zip([3.0, 2.0, 1.9]).for_each(|(set, score)| {
            set.iter().for_each(|feature| sparse.data_mut()[feature] = score);
        });
        let wave = (0..shape.len()).map(|i| (i as f32 * 0.11).sin()).collect();
        let dense = SaliencyMap::new(shape, wave).unwrap();
        let segments = SegmentMap::new(width, height, &labels).unwrap();
        let quarter = |i: usize| u32::from(i % width >= 32) + 2 * u32::from(i / width >= 24);
        let quarters: Vec<u32> = (0..width * height).map(quarter).collect();
        let quarters = SegmentMap::new(width, height, &quarters).unwrap();
        Self { photo, segments, quarters, sets, maps: [sparse, dense] }
    }

    /// The same picture with pairs of regions: the first is claimed or is not.
    pub(crate) fn contrasted(&self, claim: bool) -> ImageReport<'_> {
        let mut report = self.report();
        let method = &mut report.methods[0];
        method.name = "contrasts".into();
        method.sets.clear();
        method.interactions = self.interactions(claim);
        report.methods.truncate(1);
        report.segments = &self.quarters;
        report.scalar = "log-odds of a <class>".into();
        report.reference = "ring".into();
        report
    }

    fn interactions(&self, claim: bool) -> Interactions {
        let region = |at: usize| {
            let pixels = self.sets[at].iter();
            Mask::of_pixels(self.photo.width(), self.photo.height(), pixels).unwrap()
        };
        let contrast = |mean: f64| Contrast {
            effect: contrasts::Estimate { mean, standard_error: 0.25, n: 24 },
            both: 14.2,
            without_first: 9.1,
            without_second: 8.8,
            without_both: 3.7 + mean,
        };
        let other = |(name, mean): (&str, f64)| ReferenceEffect {
            name: name.into(),
            contrast: contrast(mean),
        };
        let pair = |regions, mean, claim, others: [(&str, f64); 2]| Interaction {
            regions,
            contrast: contrast(mean),
            scale: 14.2,
            p_value: if claim { 0.0004 } else { 0.4 },
            claim,
            references: others.map(other).into(),
        };
        let interactions = vec![
            pair([region(0), region(1)], 4.9, claim, [("blur", 3.0), ("zero", -0.4)]),
            pair([region(0), region(2)], -0.6, false, [("blur", -0.5), ("zero", -0.4)]),
        ];
        let worth = vec![5.0, -1.0, 0.5, 0.2];
        let effect =
            |at: usize| if at.is_multiple_of(5) { 0.0 } else { (at / 4 + at % 4) as f64 - 2.5 };
        let found = Contrasted {
            interactions,
            triples: vec![],
            value: 14.2,
            main_effects: worth.clone(),
            partners: vec![0.0; self.photo.width() * self.photo.height()],
        };
        let effects = PairEffects {
            value: 14.2,
            main_effects: worth.clone(),
            effects: (0..16).map(effect).collect(),
        };
        Interactions {
            contrasts: Some(Arc::new(found)),
            pair_effects: Some(Arc::new(effects)),
            banzhaf: Some(Arc::new(worth)),
        }
    }

    pub(crate) fn report(&self) -> ImageReport<'_> {
        let scores = [(3.0, 0.1), (2.0, 0.2), (1.9, 0.1)];
        let sets =
            self.sets.iter().zip(scores).map(|(features, (score, standard_error))| SetReport {
                features,
                score,
                standard_error,
                segment: Some(0),
                details: vec![("Hessian rows".into(), "7".into())],
            });
        let method = |name: &str, map, sets, gini, fall: f64| MethodReport {
            name: name.to_owned(),
            sets,
            interactions: Interactions::default(),
            map,
            measures: vec![Measure {
                name: "Gini".into(),
                value: Estimate::exact(gini),
                decimals: 3,
                better: Some(Better::Higher),
            }],
            curves: vec![Curve {
                title: "ROAD, most relevant pixels first".into(),
                caption: "The faster a curve falls, the more faithful is the map.".into(),
                x: Axis::new("pixels imputed").unit("%").range(0.0, 100.0),
                y: Axis::new("probability of the class").range(0.0, 1.0),
                points: (0..50)
                    .map(|i| (f64::from(2 * i + 1), (-fall * f64::from(i)).exp()))
                    .collect(),
            }],
            settings: vec![("mu".into(), "0.5".into())],
            timings: vec![("path gradients".into(), Duration::from_millis(700))],
            counts: vec![("gradients".into(), 51)],
        };
        ImageReport {
            title: "a \"class\" & its <name>".into(),
            subtitle: "invented.png, by nobody".into(),
            facts: vec![("probability".into(), "98.5 %".into())],
            photo: &self.photo,
            segments: &self.segments,
            scalar: String::new(),
            reference: String::new(),
            methods: vec![
                method("hsets", &self.maps[0], sets.collect(), 0.94, 0.2),
                method("ig", &self.maps[1], vec![], 0.38, 0.1),
            ],
            settings: vec![("model.name".into(), "none".into())],
            command: "hsets explain invented.png".into(),
        }
    }
}
