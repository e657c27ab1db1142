//! The experiments of a study.

use hsets_pipeline::{
    Method, Settings,
    attribution::{Samples, Steps},
    core::ChannelReduction,
    detection::{SeedRanking, SpatialPrior},
    metrics::{RoadSettings, Ties},
    segmentation::{QuickShift, SegmenterChoice},
};

use crate::{
    args::Protocol,
    experiment::{Kind, Prior, Variant},
};

/// A preset of H-Sets and its name in results.
type Preset = (&'static str, fn() -> Settings);

/// The presets that are compared.
const PRESETS: [Preset; 3] = [
    ("hsets-paper", Settings::paper),
    ("hsets-reference", Settings::reference),
    ("hsets-complete", Settings::complete),
];
/// The methods of the paper's tables.
const COMPARED: [Method; 5] =
    [Method::Ig, Method::Archipelago, Method::Cafo, Method::Caso, Method::Moxi];
/// µ of the ablation.
const MUS: [f32; 8] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/// What the experiments of a study have in common.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    /// How pictures are measured, and which preset is the standard.
    pub(crate) protocol: Protocol,
    /// ν: features of a set.
    pub(crate) nu: usize,
    /// ν of the ablation.
    pub(crate) nus: Vec<usize>,
    /// t and m of the ablations.
    pub(crate) counts: Vec<usize>,
    /// MoXI's patches a side.
    pub(crate) moxi_grid: usize,
    /// Percentages of ROAD.
    pub(crate) percentages: Vec<f64>,
    /// Where segments come from.
    pub(crate) prior: SegmenterChoice,
    /// Every method there is, not only those of the paper.
    pub(crate) every_method: bool,
}

impl Design {
    /// As published.
    pub(crate) fn paper(protocol: Protocol, nu: usize, prior: SegmenterChoice) -> Self {
        Self {
            protocol,
            nu,
            nus: vec![250, 500, 1000, 2000, 5000],
            counts: vec![10, 20, 30, 50, 100],
            moxi_grid: 10,
            percentages: RoadSettings::paper().percentages,
            prior,
            every_method: false,
        }
    }

    /// What an experiment compares.
    pub(crate) fn variants(&self, kind: Kind) -> Vec<Variant> {
        match kind {
            Kind::Methods | Kind::Photos => [self.methods(), self.controls()].concat(),
            Kind::Cost => self.methods().into_iter().map(timed).collect(),
            Kind::Nu => self.varied(kind, &self.nus, |s, nu| s.detection.max_features = nu),
            Kind::Mu => self.varied(kind, &MUS, |s, mu| s.detection.threshold = mu),
            Kind::Samples => {
                self.varied(kind, &self.counts, |s, t| s.attribution.samples = Samples::Fixed(t))
            }
            Kind::Steps => {
                self.varied(kind, &self.counts, |s, m| s.attribution.steps = Steps::Fixed(m))
            }
            Kind::Prior => self.priors(),
            Kind::Readings => self.readings(),
        }
    }

    /// The preset of H-Sets that others are compared with.
    pub(crate) fn standard(&self) -> &'static str {
        standard(self.protocol)
    }

    fn methods(&self) -> Vec<Variant> {
        let presets = PRESETS.iter().map(|(name, preset)| self.variant(*name, preset()));
        let others = Method::ALL.iter().copied().filter(|method| {
            let is_wanted = self.every_method && !method.is_control();
            *method != Method::HSets && (is_wanted || COMPARED.contains(method))
        });
        presets.chain(others.map(|method| self.method(method))).collect()
    }

    fn controls(&self) -> Vec<Variant> {
        let controls = Method::ALL.iter().copied().filter(|method| method.is_control());
        controls.map(|method| self.method(method)).collect()
    }

    fn method(&self, method: Method) -> Variant {
        self.variant(method.name(), Settings { method, ..self.settings() })
    }

    /// Of the standard preset.
    fn settings(&self) -> Settings {
        match self.protocol {
            Protocol::Clean => Settings::paper(),
            Protocol::Authors => Settings::reference(),
        }
    }

    fn variant(&self, name: impl Into<String>, mut settings: Settings) -> Variant {
        settings.detection.max_features = self.nu;
        settings.moxi.order.grid = self.moxi_grid;
        let road = match self.protocol {
            Protocol::Clean => RoadSettings::paper(),
            Protocol::Authors => RoadSettings::reference(),
        };
        Variant {
            name: name.into(),
            settings,
            prior: Prior::Segments(self.prior.clone()),
            road: RoadSettings { percentages: self.percentages.clone(), ..road },
        }
    }

    fn varied<T: Copy + std::fmt::Display>(
        &self,
        kind: Kind,
        values: &[T],
        set: impl Fn(&mut Settings, T),
    ) -> Vec<Variant> {
        let varied = |&value: &T| {
            let mut variant = self.variant(kind.variant(value), self.settings());
            set(&mut variant.settings, value);
            variant
        };
        values.iter().map(varied).collect()
    }

    /// The segmenter of the study, QuickShift and none, with both rankings of seeds.
    fn priors(&self) -> Vec<Variant> {
        let mut priors = vec![Prior::Segments(self.prior.clone())];
        if !matches!(self.prior, SegmenterChoice::QuickShift(_)) {
            priors.push(Prior::Segments(quickshift()));
        }
        priors.push(Prior::Pixels);
        let rankings =
            [("ig", SeedRanking::IntegratedGradients), ("gradient", SeedRanking::Gradient)];
        let of_prior = |prior: Prior| {
            rankings.map(|(ranking_name, ranking)| {
                let name = format!("{} + {ranking_name}", prior.name());
                let mut variant = self.variant(name, self.settings());
                variant.settings.detection.seed_ranking = ranking;
                if prior == Prior::Pixels {
                    variant.settings.detection.prior = SpatialPrior::None;
                }
                Variant { prior: prior.clone(), ..variant }
            })
        };
        priors.into_iter().flat_map(of_prior).collect()
    }

    /// The standard preset, Integrated Gradients and chance under every reading of ROAD.
    fn readings(&self) -> Vec<Variant> {
        let methods = [Method::HSets, Method::Ig, Method::RandomMap];
        let ties = [("seeded", Ties::Seeded(0)), ("by position", Ties::LastFirst)];
        let mut variants = Vec::new();
        for method in methods {
            for reduction in ChannelReduction::ALL {
                for (ties_name, ties) in ties {
                    let mut variant = self.method(method);
                    if method == Method::HSets {
                        variant.name = self.standard().into();
                    }
                    variant.name =
                        format!("{}, {}, ties {ties_name}", variant.name, reduction.name());
                    variant.road = RoadSettings { reduction, ties, ..variant.road };
                    variants.push(variant);
                }
            }
        }
        variants
    }
}

/// Without masks that are there already.
fn timed(mut variant: Variant) -> Variant {
    if let Prior::Segments(SegmenterChoice::Sam(options)) = &mut variant.prior {
        options.cache = None;
    }
    variant
}

/// The segmenter that needs no weights.
pub(crate) fn quickshift() -> SegmenterChoice {
    SegmenterChoice::QuickShift(QuickShift::photo())
}

/// The preset of H-Sets that others are compared with.
pub(crate) fn standard(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Clean => PRESETS[0].0,
        Protocol::Authors => PRESETS[1].0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(protocol: Protocol) -> Design {
        Design::paper(protocol, 2000, quickshift())
    }

    #[test]
    fn variants_have_names_of_their_own_and_settings_in_range() {
        for kind in Kind::ALL {
            for protocol in [Protocol::Clean, Protocol::Authors] {
                let variants = design(protocol).variants(kind);
                let mut names: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), variants.len(), "{kind:?}");
                for variant in &variants {
                    variant.settings.check().unwrap();
                    variant.road.check().unwrap();
                }
            }
        }
    }

    #[test]
    fn ablations_vary_what_they_say() {
        let variants = design(Protocol::Clean).variants(Kind::Nu);
        let nus: Vec<usize> = variants.iter().map(|v| v.settings.detection.max_features).collect();
        assert_eq!(nus, [250, 500, 1000, 2000, 5000]);
        assert_eq!(Kind::Nu.value(&variants[4].name), Some(5000.0));
        assert_eq!(Kind::Mu.value("mu=0.1"), Some(0.1));
    }

    #[test]
    fn the_standard_is_among_the_methods() {
        for protocol in [Protocol::Clean, Protocol::Authors] {
            let design = design(protocol);
            let methods = design.variants(Kind::Methods);
            assert!(methods.iter().any(|variant| variant.name == design.standard()));
        }
    }
}
