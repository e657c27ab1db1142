//! What the arguments mean.

use hsets_pipeline::{
    ContrastSettings, Reference, Settings,
    attribution::{Baseline, PathSettings, Steps},
    core::{Error, Smoothing},
    detection::{GivenSeed, HessianSets},
};

use crate::{
    args::{ContrastFlags, General, MethodArgs, Preset, RowCap, SingleArgs},
    network::Network,
};

impl Preset {
    /// The name as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Reference => "reference",
            Self::Complete => "complete",
        }
    }

    /// How detection smooths the network.
    pub(crate) fn smoothing(self) -> Smoothing {
        match self {
            Self::Paper => HessianSets::paper().smoothing,
            Self::Complete => HessianSets::complete().smoothing,
            Self::Reference => HessianSets::reference().smoothing,
        }
    }
}

/// The preset with what was typed laid over it. Method and target are still to be chosen.
pub(crate) fn settings(
    method: &MethodArgs,
    general: &General,
    network: &Network,
) -> anyhow::Result<Settings> {
    let mut settings = match method.preset {
        Preset::Paper => Settings::paper(),
        Preset::Reference => Settings::reference(),
        Preset::Complete => Settings::complete(),
    };
    settings.baseline = baseline(&method.baseline, general.seed, network)?;
    let detection = &mut settings.detection;
    set(&mut detection.threshold, method.mu);
    set(&mut detection.max_features, method.nu);
    set(&mut detection.n_sets, method.sets);
    if let Some(RowCap(rows)) = method.max_rows {
        detection.max_rows = rows;
    }
    set(&mut settings.attribution.steps, method.steps);
    if let Some(steps @ Steps::UntilGap { .. }) = method.steps {
        settings.ig.quadrature = PathSettings::for_steps(steps).quadrature;
    }
    set(&mut settings.ig.steps, method.steps);
    set(&mut settings.ig.quadrature, method.quadrature);
    settings.contrasts = contrast_settings(&method.contrasts, general, network)?;
    let settings = settings.with_seed(general.seed);
    settings.check()?;
    Ok(settings)
}

/// Settings of single pictures: subsets and seeds as well.
pub(crate) fn single_settings(
    method: &MethodArgs,
    single: &SingleArgs,
    general: &General,
    network: &Network,
) -> anyhow::Result<Settings> {
    let mut settings = settings(method, general, network)?;
    let pixels = single.seed_pixel.iter();
    settings.detection.given_seeds = pixels.map(|&[x, y]| GivenSeed::Pixel { x, y }).collect();
    set(&mut settings.attribution.samples, single.samples);
    settings.check()?;
    Ok(settings)
}

/// The standard settings with what was typed laid over them.
pub(crate) fn contrast_settings(
    typed: &ContrastFlags,
    general: &General,
    network: &Network,
) -> anyhow::Result<ContrastSettings> {
    let mut settings = ContrastSettings::standard();
    if !typed.references.is_empty() {
        let references = typed.references.iter();
        let reference = |name: &String| reference(name, general.seed, network);
        settings.references = references.map(reference).collect::<anyhow::Result<_>>()?;
    }
    set(&mut settings.regions.trials.contexts, typed.contexts);
    set(&mut settings.regions.trials.delta, typed.delta);
    set(&mut settings.regions.trials.order, typed.order);
    set(&mut settings.regions.proposals.n_pairs, typed.pairs);
    set(&mut settings.regions.proposals.reach, typed.reach);
    set(&mut settings.regions.proposals.row_copies, typed.copies);
    set(&mut settings.regions.proposals.copies, typed.copies);
    set(&mut settings.banzhaf.coalitions, typed.coalitions);
    (settings.regions.seed, settings.banzhaf.seed) = (general.seed, general.seed);
    settings.check()?;
    Ok(settings)
}

/// The reference of this name, or the image of this path.
fn reference(name: &str, seed: u64, network: &Network) -> anyhow::Result<Reference> {
    if let Some(reference) = Reference::named(name) {
        return Ok(reference);
    }
    if let Some(baseline) = Baseline::named(name, seed)? {
        return Ok(Reference::Baseline(baseline));
    }
    let path = std::path::Path::new(name);
    if path.exists() {
        return Ok(Reference::Baseline(Baseline::Image(network.read(path)?.image)));
    }
    let expected = "expected ring, blur, blur:SIGMA, imputed, rolled, zero, black, white, mean, noise \
                    or an image file";
    Err(Error::config("references", name, expected).into())
}

fn set<T>(setting: &mut T, typed: Option<T>) {
    if let Some(typed) = typed {
        *setting = typed;
    }
}

/// The baseline of this name, or the image of this path.
pub(crate) fn baseline(name: &str, seed: u64, network: &Network) -> anyhow::Result<Baseline> {
    if let Some(baseline) = Baseline::named(name, seed)? {
        return Ok(baseline);
    }
    let path = std::path::Path::new(name);
    if path.exists() {
        return Ok(Baseline::Image(network.read(path)?.image));
    }
    let expected = "expected zero, black, white, mean, blur, blur:SIGMA, noise or an image file";
    Err(Error::config("baseline", name, expected).into())
}
