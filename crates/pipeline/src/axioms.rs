//! How far a method is from the axioms that attributions are judged by, on one image.
//!
//! Every number is a violation: 0 where the axiom holds, and a share of the map (or of the output,
//! or of the probes) otherwise. An axiom speaks of a function, so the function is changed where
//! that is needed: see [`Axiom`].

mod fields;
mod sets;

use std::{fmt, str::FromStr};

use hsets_attribution::methods;
use hsets_core::{
    CompletenessGap, Error, FeatureSet, Image, Progress, Result, SaliencyMap, SegmentMap, Shape,
    Target, TwiceDifferentiable,
};

use hsets_metrics::Units;

use crate::{Explainer, Explanation, Method, Settings, Subject};
use fields::{Frozen, Mirrored, Rewritten};

/// An axiom, and how it is measured on one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Axiom {
    /// Σ φ = f(x) - f(x'). Measured: |gap| / |f(x) - f(x')|, of maps in units of the output.
    Completeness,
    /// If x and x' differ in one feature only, and f differs, that feature is not 0. Measured: share
    /// of probes that are 0. A probe is x' with one feature of x, chosen among those that change f
    /// most (by gradient × difference at x').
    Sensitivity,
    /// Where f does not depend on a feature, it is 0. Measured: share of Σ |φ| inside the segment
    /// where Σ |gradient × difference| is largest, of the function that is f with this segment fixed
    /// to x.
    NullPlayer,
    /// φ of a sum of functions is the sum of their φ. Measured for the logit of the top class minus
    /// half of that of the second: ‖φ(a - b/2) - (φ(a) - φ(b)/2)‖ / ‖φ(a - b/2)‖.
    Linearity,
    /// Features that f cannot tell apart, and that are equal, have equal φ. Measured for
    /// (f(x) + f(mirrored x)) / 2 at an image and with segments that are their own mirror image:
    /// ‖φ - mirrored φ‖ / ‖φ‖.
    Symmetry,
    /// φ sees the function and not how it is written. Measured against the same network with every
    /// ReLU(z) written as ReLU(2z)/2, which has the same values and gradients everywhere, but not
    /// the same smoothed derivatives: ‖φ - φ̃‖ / ‖φ‖.
    ImplementationInvariance,
    /// v(S) ≥ 0. Measured: -min v / max |v| over the sets, where a set is negative.
    NonNegativity,
    /// v(S) ≤ v(T) for S ⊂ T. Measured for random halves S of the sets T:
    /// max(0, v(S) - v(T)) / v(T), and exactly on subsets small enough to enumerate.
    Monotonicity,
    /// v(S) + v(T) ≤ v(S ∪ T) for disjoint S and T. Measured as monotonicity, for both halves.
    Superadditivity,
}

impl Axiom {
    /// All axioms: those of maps, then those of the values of sets.
    pub const ALL: &[Self] = &[
        Self::Completeness,
        Self::Sensitivity,
        Self::NullPlayer,
        Self::Linearity,
        Self::Symmetry,
        Self::ImplementationInvariance,
        Self::NonNegativity,
        Self::Monotonicity,
        Self::Superadditivity,
    ];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completeness => "completeness",
            Self::Sensitivity => "sensitivity",
            Self::NullPlayer => "null-player",
            Self::Linearity => "linearity",
            Self::Symmetry => "symmetry",
            Self::ImplementationInvariance => "implementation-invariance",
            Self::NonNegativity => "non-negativity",
            Self::Monotonicity => "monotonicity",
            Self::Superadditivity => "superadditivity",
        }
    }
}

impl fmt::Display for Axiom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Axiom {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|axiom| axiom.name() == name);
        let names = || Self::ALL.iter().map(|a| a.name()).collect::<Vec<_>>().join(", ");
        found.copied().ok_or_else(|| Error::config("axioms", name, format!("of {}", names())))
    }
}

/// How far a method is from an axiom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Violation {
    /// 0 where the axiom holds.
    pub value: f64,
    /// Standard error of `value` where it is a mean over samples.
    pub standard_error: Option<f64>,
    /// Share of the cases that violate the axiom when v(S) = Σ of the dividends of all subsets of
    /// S, exactly, on sets small enough to enumerate.
    pub exact: Option<f64>,
}

impl From<f64> for Violation {
    fn from(value: f64) -> Self {
        Self { value, standard_error: None, exact: None }
    }
}

/// What axioms are measured with.
#[derive(Debug, Clone, PartialEq)]
pub struct AxiomSettings {
    /// Which axioms.
    pub axioms: Vec<Axiom>,
    /// ≥ 1: probes of sensitivity, an explanation each.
    pub n_probes: usize,
    /// ≥ 2: random halves of every set.
    pub n_halves: usize,
    /// 1 to 12: size of the subsets that are enumerated.
    pub n_players: usize,
    /// Seed of halves and subsets.
    pub seed: u64,
}

impl AxiomSettings {
    /// All axioms, 4 probes, 16 halves, 8 players.
    pub fn paper() -> Self {
        Self { axioms: Axiom::ALL.to_vec(), n_probes: 4, n_halves: 16, n_players: 8, seed: 0 }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.n_probes == 0 {
            return Err(Error::config("probes", 0, "at least 1"));
        }
        if self.n_halves < 2 {
            return Err(Error::config("halves", self.n_halves, "at least 2"));
        }
        let largest = hsets_attribution::MAX_EXACT_PLAYERS;
        if !(1..=largest).contains(&self.n_players) {
            return Err(Error::config("players", self.n_players, format!("1 to {largest}")));
        }
        Ok(())
    }
}

/// A row of the table: a method and its violations, in the order of the axioms asked for. `Err`
/// says why an axiom cannot be measured for this method.
#[derive(Debug, Clone, PartialEq)]
pub struct AxiomRow {
    /// The method.
    pub method: Method,
    /// One entry per axiom.
    pub violations: Vec<Result<Violation, String>>,
}

impl Explainer<'_> {
    /// How far the method of `settings` is from each axiom, on this image.
    pub fn axioms(
        &self,
        settings: &Settings,
        axioms: &AxiomSettings,
        progress: &dyn Progress,
    ) -> Result<AxiomRow> {
        axioms.check()?;
        let target = settings.target.fixed(self.logits());
        let settings = Settings { target, ..settings.clone() };
        let explanation = self.explain(&settings, progress)?;
        let trial = Trial { explainer: self, settings: &settings, explanation, axioms, progress };
        let mut violations = Vec::with_capacity(axioms.axioms.len());
        for &axiom in &axioms.axioms {
            violations.push(match trial.violation(axiom) {
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                found => found.map_err(|error| error.to_string()),
            });
        }
        Ok(AxiomRow { method: settings.method, violations })
    }
}

struct Trial<'t, 'a> {
    explainer: &'t Explainer<'a>,
    settings: &'t Settings,
    explanation: Explanation,
    axioms: &'t AxiomSettings,
    progress: &'t dyn Progress,
}

impl Trial<'_, '_> {
    fn violation(&self, axiom: Axiom) -> Result<Violation> {
        match axiom {
            Axiom::Completeness => self.completeness(),
            Axiom::Sensitivity => self.sensitivity(),
            Axiom::NullPlayer => self.null_player(),
            Axiom::Linearity => self.linearity(),
            Axiom::Symmetry => self.symmetry(),
            Axiom::ImplementationInvariance => self.implementation_invariance(),
            Axiom::NonNegativity => sets::non_negativity(&self.explanation.sets),
            Axiom::Monotonicity | Axiom::Superadditivity => {
                let path = self.explainer.path_of(self.settings, self.progress)?;
                sets::of_halves(axiom, &self.explanation.sets, &path, self.settings, self.axioms)
            }
        }
    }

    fn field(&self) -> &dyn TwiceDifferentiable {
        self.explainer.field.field
    }

    /// The map of the method for another function, image or segments.
    fn map_of(
        &self,
        field: &dyn TwiceDifferentiable,
        image: &Image,
        segments: SegmentMap,
        target: Target,
    ) -> Result<SaliencyMap> {
        let Explainer { photo, normalisation, .. } = *self.explainer;
        let subject = Subject { image, photo, normalisation };
        let explainer = Explainer::with_segments(field, &subject, segments)?;
        let settings = Settings { target, ..self.settings.clone() };
        Ok(explainer.explain(&settings, self.progress)?.map)
    }

    fn baseline(&self) -> Result<Image> {
        self.settings.baseline.image(self.explainer.image, self.explainer.normalisation)
    }

    fn completeness(&self) -> Result<Violation> {
        if self.settings.units() != Units::Output {
            return Err(Error::Unsupported("the map is not in units of the output".into()));
        }
        let value = |logits: &[f32]| {
            let wide: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
            self.settings.target.value(&wide)
        };
        let Explanation { map, logits, baseline_logits, .. } = &self.explanation;
        Ok(CompletenessGap::new(map, value(logits), value(baseline_logits)).relative().into())
    }

    /// Features by |gradient × difference| at the baseline, the largest first.
    fn influence(&self, at: &Image) -> Result<Vec<(usize, f64)>> {
        let (image, baseline) = (self.explainer.image, self.baseline()?);
        let gradient = methods::gradient(self.field(), at, &self.settings.target)?;
        let terms = gradient.data().iter().zip(image.data()).zip(baseline.data());
        let size = |((g, x), b): ((&f32, &f32), &f32)| f64::from(g * (x - b)).abs();
        let mut influence: Vec<(usize, f64)> = terms.map(size).enumerate().collect();
        influence.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(influence)
    }

    fn sensitivity(&self) -> Result<Violation> {
        let (image, baseline) = (self.explainer.image, self.baseline()?);
        let target = &self.settings.target;
        let (mut n_probes, mut n_blind) = (0usize, 0usize);
        for (feature, size) in self.influence(&baseline)?.into_iter().take(self.axioms.n_probes) {
            let mut data = baseline.data().to_vec();
            data[feature] = image.data()[feature];
            let probe = Image::new(image.shape(), data)?;
            let differs = size > 0.0;
            if !differs {
                continue;
            }
            let segments = self.explainer.segments().clone();
            let map = self.map_of(self.field(), &probe, segments, target.clone())?;
            n_probes += 1;
            n_blind += usize::from(map.data()[feature] == 0.0);
        }
        if n_probes == 0 {
            return Err(Error::Unsupported("no single feature changes the output".into()));
        }
        Ok((n_blind as f64 / n_probes as f64).into())
    }

    fn null_player(&self) -> Result<Violation> {
        let image = self.explainer.image;
        let (shape, segments) = (image.shape(), self.explainer.segments());
        let mut sums = vec![0.0; segments.n_segments()];
        for (feature, size) in self.influence(image)? {
            sums[segments.label(shape.pixel(feature)) as usize] += size;
        }
        let better = |best: usize, i: usize| if sums[i] > sums[best] { i } else { best };
        let strongest = (1..sums.len()).fold(0, better) as u32;
        let whole = segments.n_segments() == 1;
        // A single segment would leave nothing: its left half then.
        let is_null = |feature: &usize| {
            let pixel = shape.pixel(*feature);
            if whole {
                pixel % shape.width < shape.width / 2
            } else {
                segments.label(pixel) == strongest
            }
        };
        let null: FeatureSet = (0..shape.len()).filter(is_null).collect();
        let frozen = Frozen { field: self.field(), null: &null, image };
        let target = self.settings.target.clone();
        let map = self.map_of(&frozen, image, segments.clone(), target)?;
        let size = |feature: usize| f64::from(map.data()[feature]).abs();
        let total: f64 = (0..shape.len()).map(size).sum();
        let inside: f64 = null.iter().map(size).sum();
        Ok(if total == 0.0 { 0.0.into() } else { (inside / total).into() })
    }

    fn linearity(&self) -> Result<Violation> {
        let (explainer, logits) = (self.explainer, self.explainer.logits());
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let [first, second, ..] = order[..] else {
            return Err(Error::Unsupported("a network of one class has no second".into()));
        };
        let map = |target: Target| -> Result<SaliencyMap> {
            let settings = Settings { target, ..self.settings.clone() };
            Ok(explainer.explain(&settings, self.progress)?.map)
        };
        let mut weights = vec![0.0; logits.len()];
        (weights[first], weights[second]) = (1.0, -0.5);
        let sum = map(Target::Weighted(weights))?;
        let (a, b) = (map(Target::Logit(first))?, map(Target::Logit(second))?);
        let parts = a.data().iter().zip(b.data()).map(|(a, b)| a - 0.5 * b);
        Ok(distance(sum.data(), parts).into())
    }

    fn symmetry(&self) -> Result<Violation> {
        let image = self.explainer.image;
        let shape = image.shape();
        let symmetric = image.data().iter().zip(mirrored(shape, image.data()));
        let symmetric = Image::new(shape, symmetric.map(|(x, m)| f32::midpoint(*x, m)).collect())?;
        let field = Mirrored(self.field());
        let segments = mirrored_segments(self.explainer.segments())?;
        let map = self.map_of(&field, &symmetric, segments, self.settings.target.clone())?;
        Ok(distance(map.data(), mirrored(shape, map.data()).into_iter()).into())
    }

    fn implementation_invariance(&self) -> Result<Violation> {
        let (image, segments) = (self.explainer.image, self.explainer.segments().clone());
        let rewritten = Rewritten(self.field());
        let map = self.map_of(&rewritten, image, segments, self.settings.target.clone())?;
        Ok(distance(self.explanation.map.data(), map.data().iter().copied()).into())
    }
}

/// ‖a - b‖ / ‖a‖; where a is zero, 0 or infinite.
fn distance(a: &[f32], b: impl Iterator<Item = f32>) -> f64 {
    let square = |v: f32| f64::from(v).powi(2);
    let gap: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    let size: f64 = a.iter().map(|&v| square(v)).sum();
    if gap == 0.0 { 0.0 } else { (gap / size).sqrt() }
}

/// Left and right exchanged.
fn mirrored(shape: Shape, data: &[f32]) -> Vec<f32> {
    data.chunks_exact(shape.width).flat_map(|row| row.iter().rev().copied()).collect()
}

/// The segments of the left half, and their mirror images as segments of their own.
fn mirrored_segments(segments: &SegmentMap) -> Result<SegmentMap> {
    let (width, height) = (segments.width(), segments.height());
    let label = |pixel: usize| {
        let (y, x) = (pixel / width, pixel % width);
        if x < width.div_ceil(2) {
            segments.label(pixel)
        } else {
            segments.n_segments() as u32 + segments.label(y * width + (width - 1 - x))
        }
    };
    let labels: Vec<u32> = (0..width * height).map(label).collect();
    SegmentMap::new(width, height, &labels)
}
