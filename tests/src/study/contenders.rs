//! The methods under their names in the tables.

use hsets_pipeline::{
    Method, Settings,
    detection::{Growth, HessianSets, RowScaling, SeedRanking, SpatialPrior},
};

/// A method with its settings.
#[derive(Debug, Clone)]
pub struct Contender {
    /// In tables and sheets.
    pub name: String,
    /// What it runs with.
    pub settings: Settings,
}

impl Contender {
    fn new(name: impl Into<String>, settings: Settings) -> Self {
        Self { name: name.into(), settings }
    }

    fn method(method: Method) -> Self {
        Self::new(method.name(), Settings { method, ..Settings::paper() })
    }
}

/// Features of a set on pictures of 64×64, as in `hsets demo`.
const NU: usize = 400;

/// All methods and controls, both published presets, `complete`, and H-Sets with one setting at a
/// time changed.
pub fn of_truth() -> Vec<Contender> {
    let methods = Method::ALL.iter().map(|&method| {
        let Contender { name, settings } = Contender::method(method);
        Contender::new(name, smaller(settings))
    });
    let presets = [
        Contender::new("hsets, reference", smaller(Settings::reference())),
        Contender::new("complete", Settings::complete()),
    ];
    let changed = changes().map(|(name, change)| {
        let mut settings = smaller(Settings::paper());
        change(&mut settings.detection);
        Contender::new(format!("hsets, {name}"), settings)
    });
    methods.chain(presets).chain(changed).collect()
}

/// With sets as small as `hsets demo` finds on small pictures.
pub(super) fn smaller(mut settings: Settings) -> Settings {
    settings.detection.max_features = NU;
    settings
}

type Change = (&'static str, fn(&mut HessianSets));

/// What may repair the losses of H-Sets: row scaling, threshold, growth, prior, seeds, sets.
fn changes() -> impl Iterator<Item = Change> {
    let changes: [Change; 10] = [
        ("rows by min-max", |sets| sets.scaling = RowScaling::MinMax),
        ("rows by own value", |sets| sets.scaling = RowScaling::OwnValue),
        ("mu 0.1", |sets| sets.threshold = 0.1),
        ("mu 0.8", |sets| sets.threshold = 0.8),
        ("depth first", |sets| sets.growth = Growth::DepthFirst),
        ("no prior", |sets| sets.prior = SpatialPrior::None),
        ("no prior, mu 0.1", |sets| {
            sets.prior = SpatialPrior::None;
            sets.threshold = 0.1;
        }),
        ("seeds by gradient", |sets| sets.seed_ranking = SeedRanking::Gradient),
        ("20 sets", |sets| sets.n_sets = 20),
        ("128 rows", |sets| sets.max_rows = Some(128)),
    ];
    changes.into_iter()
}

/// What is compared on photos: the presets, Integrated Gradients, what removal finds, all controls.
pub fn of_photos() -> Vec<Contender> {
    let methods = [
        Method::HSets,
        Method::Ig,
        Method::RandomMap,
        Method::RandomSegments,
        Method::SegmentsByArea,
        Method::SegmentsByIg,
        Method::SegmentsByCentre,
        Method::Banzhaf,
        Method::InteractionMap,
        Method::PairEffects,
        Method::ShuffledBanzhaf,
    ];
    let presets = [
        Contender::new("hsets, reference", Settings::reference()),
        Contender::new("complete", Settings::complete()),
    ];
    methods.map(Contender::method).into_iter().chain(presets).collect()
}

/// The same on photos of 32×32: sets of the same share of all features as on 64×64.
pub fn of_small_photos() -> Vec<Contender> {
    let mut contenders = of_photos();
    for Contender { settings, .. } in &mut contenders {
        settings.detection.max_features = NU / 4;
    }
    contenders
}
