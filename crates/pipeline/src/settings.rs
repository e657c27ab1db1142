//! What to explain, and how.

use hsets_attribution::{
    Baseline, IdgVis, PathSettings,
    methods::{Caso, MoxiMap, Reward, SmoothGrad},
};
use hsets_core::{Error, FeatureSet, Link, Result, Target};
use hsets_detection::{HessianSets, SegmentChoice, SpatialPrior};
use hsets_metrics::Units;
use serde::{Deserialize, Serialize};

use crate::{
    Archipelago, ContrastSettings, Controls, Coverage, HessiansWithin, Method, MoxiSettings,
    Scalar, XraiSettings,
};

/// Settings of an explanation: what all methods share, then those of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which method makes the map.
    pub method: Method,
    /// The scalar of the logits to explain. [`Target::Top`] is fixed to the logit of the most
    /// probable class of the image, once.
    pub target: Target,
    /// x', where the path starts, and what stands for "absent".
    pub baseline: Baseline,
    /// First stage of H-Sets: how sets are found.
    pub detection: HessianSets,
    /// Sets made by hand, to be scored; if there are any, H-Sets finds none itself.
    pub given_sets: Vec<FeatureSet>,
    /// Second stage of H-Sets: how sets are scored.
    pub attribution: IdgVis,
    /// The path of Integrated Gradients.
    pub ig: PathSettings,
    /// How the scored sets of H-Sets become a map.
    pub coverage: Coverage,
    /// SmoothGrad.
    pub smooth_grad: SmoothGrad,
    /// Archipelago.
    pub archipelago: Archipelago,
    /// CAFO.
    pub cafo: Caso,
    /// CASO.
    pub caso: Caso,
    /// MoXI.
    pub moxi: MoxiSettings,
    /// XRAI.
    pub xrai: XraiSettings,
    /// Integrated Hessians.
    pub integrated_hessians: HessiansWithin,
    /// Contrasts, pair effects, Banzhaf values and the interaction map.
    pub contrasts: ContrastSettings,
    /// The controls.
    pub controls: Controls,
}

impl Settings {
    /// Every method as published.
    pub fn paper() -> Self {
        Self {
            method: Method::HSets,
            target: Target::Top,
            baseline: Baseline::Zero,
            detection: HessianSets::paper(),
            given_sets: Vec::new(),
            attribution: IdgVis::paper(),
            ig: PathSettings { keep_points: false, ..PathSettings::riemann(50) },
            coverage: Coverage::Sets,
            smooth_grad: SmoothGrad::paper(),
            archipelago: Archipelago::paper(),
            cafo: Caso::cafo(),
            caso: Caso::paper(),
            moxi: MoxiSettings::paper(),
            xrai: XraiSettings::paper(),
            integrated_hessians: HessiansWithin::paper(),
            contrasts: ContrastSettings::standard(),
            controls: Controls::paper(),
        }
    }

    /// Every method as the program of its authors computes it; Integrated Gradients as captum does.
    pub fn reference() -> Self {
        let caso = Caso::reference();
        Self {
            detection: HessianSets::reference(),
            attribution: IdgVis::reference(),
            ig: PathSettings::gauss_legendre(50),
            archipelago: Archipelago::reference(),
            cafo: Caso { second_order: false, ..caso.clone() },
            caso,
            moxi: MoxiSettings::reference(),
            integrated_hessians: HessiansWithin::reference(),
            ..Self::paper()
        }
    }

    /// H-Sets with a set and a score for every segment and a rank for every pixel; all other
    /// methods as published.
    pub fn complete() -> Self {
        Self { detection: HessianSets::complete(), coverage: Coverage::Complete, ..Self::paper() }
    }

    /// The preset of this name: `paper`, `reference` or `complete`.
    pub fn named(preset: &str) -> Option<Self> {
        match preset {
            "paper" => Some(Self::paper()),
            "reference" => Some(Self::reference()),
            "complete" => Some(Self::complete()),
            _ => None,
        }
    }

    /// With this seed for everything random.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.attribution.seed = seed;
        self.smooth_grad.seed = seed;
        self.cafo.seed = seed;
        self.caso.seed = seed;
        self.contrasts.regions.seed = seed;
        self.contrasts.banzhaf.seed = seed;
        self.controls.seed = seed;
        self
    }

    /// What is explained of these logits of the image, and of what they mean: the target with its
    /// class chosen, as the method sees it.
    pub fn explained(&self, logits: &[f32], link: Link) -> Target {
        let is_odds = self.method.is_by_removal() && self.contrasts.scalar == Scalar::LogOdds;
        match self.target.fixed(logits) {
            Target::Logit(class) if is_odds => link.log_odds(class),
            fixed => fixed,
        }
    }

    /// In what units the map is.
    pub fn units(&self) -> Units {
        let is_rank = match self.method {
            Method::HSets => self.coverage == Coverage::Complete,
            Method::Moxi => {
                self.moxi.map == MoxiMap::Rank || self.moxi.order.reward != Reward::Logit
            }
            _ => false,
        };
        if is_rank { Units::Other } else { self.method.units() }
    }

    /// Whether another seed, of these settings or of their baseline, may give another explanation.
    pub fn is_random(&self) -> bool {
        self.method.draws() || matches!(self.baseline, Baseline::Noise { .. })
    }

    /// A complete map needs one set inside every segment.
    fn check_coverage(&self) -> Result<()> {
        let HessianSets { segments, prior, include_seed, given_seeds, .. } = &self.detection;
        let one_each = *segments == SegmentChoice::Every
            && *prior == SpatialPrior::InsideOnly
            && *include_seed
            && given_seeds.is_empty()
            && self.given_sets.is_empty();
        if self.coverage == Coverage::Complete && !one_each {
            let why =
                "segments `every`, prior `inside-only`, seeds as members, no seed or set given";
            return Err(Error::config("coverage", "complete", why));
        }
        Ok(())
    }

    /// Fails on a setting outside its range, of whichever method.
    pub fn check(&self) -> Result<()> {
        self.detection.check()?;
        self.check_coverage()?;
        self.attribution.check()?;
        self.ig.check()?;
        self.smooth_grad.check()?;
        self.archipelago.check()?;
        self.cafo.check()?;
        self.caso.check()?;
        self.moxi.order.check()?;
        self.xrai.path.check()?;
        self.integrated_hessians.integral.check()?;
        self.contrasts.check()
    }
}
