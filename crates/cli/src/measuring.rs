//! What the arguments of metrics mean.

use hsets_pipeline::{Metric, MetricSettings, Needs, core::Error, metrics::Ties};

use crate::args::{General, MetricArgs, Metrics};

/// The published settings with what was typed laid over them. `explains` says whether the command
/// has the methods that made the maps.
pub(crate) fn metric_settings(
    args: &MetricArgs,
    general: &General,
    explains: bool,
) -> Result<MetricSettings, Error> {
    let mut settings = MetricSettings { reduction: args.channels, ..MetricSettings::paper() };
    let is_met = |metric: &Metric| match metric.needs() {
        Needs::Nothing => true,
        Needs::Mask => args.mask.is_some(),
        Needs::Method | Needs::Weights | Needs::PairEffects => explains,
    };
    if args.metrics.contains(&Metrics::All) {
        settings.metrics = Metric::ALL.iter().copied().filter(is_met).collect();
    } else if !args.metrics.is_empty() {
        let named = |metric: &Metric| args.metrics.contains(&Metrics::One(*metric));
        settings.metrics = Metric::ALL.iter().copied().filter(named).collect();
    } else if args.mask.is_some() {
        settings.metrics.push(Metric::Mask);
    }
    if let Some(metric) = settings.metrics.iter().find(|metric| !is_met(metric)) {
        let hint = match metric.needs() {
            Needs::Mask => "name it with --mask",
            _ => "use hsets compare or hsets evaluate",
        };
        let expected = format!("needs {}: {hint}", metric.needs().description());
        return Err(Error::config("metrics", metric, expected));
    }
    if !args.percentages.is_empty() {
        settings.road.percentages.clone_from(&args.percentages);
    }
    settings.road.noise = args.noise.unwrap_or(settings.road.noise);
    settings.curve_steps = args.curve_steps.unwrap_or(settings.curve_steps);
    settings.randomisation.states = args.states.unwrap_or(settings.randomisation.states);
    if args.ties == "order" {
        settings.road.ties = Ties::LastFirst;
    }
    Ok(settings.with_seed(general.seed))
}
