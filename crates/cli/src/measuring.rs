//! What the arguments of metrics mean.

use hsets_pipeline::{Metric, MetricSettings, metrics::Ties};

use crate::args::{General, MetricArgs, Metrics};

/// The published settings with what was typed laid over them.
pub(crate) fn metric_settings(args: &MetricArgs, general: &General) -> MetricSettings {
    let mut settings = MetricSettings { reduction: args.channels, ..MetricSettings::paper() };
    if args.metrics.contains(&Metrics::All) {
        settings.metrics = Metric::ALL.to_vec();
    } else if !args.metrics.is_empty() {
        let named = |metric: &Metric| args.metrics.contains(&Metrics::One(*metric));
        settings.metrics = Metric::ALL.iter().copied().filter(named).collect();
    }
    if !args.percentages.is_empty() {
        settings.road.percentages.clone_from(&args.percentages);
    }
    settings.road.noise = args.noise.unwrap_or(settings.road.noise);
    settings.curve_steps = args.curve_steps.unwrap_or(settings.curve_steps);
    if args.ties == "order" {
        settings.road.ties = Ties::LastFirst;
    }
    settings.with_seed(general.seed)
}
