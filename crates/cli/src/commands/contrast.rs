//! `hsets contrast`: two regions, taken away alone and together.

use anyhow::ensure;
use hsets_pipeline::{
    Explainer, Method, Settings, Subject,
    core::{Mask, SegmentMap, Target},
    detection::Interaction,
};
use hsets_report::{
    contrast_words,
    record::{interaction_record, verdict},
    verdict_words,
};
use serde_json::json;

use super::explain::SOFTWARE;
use crate::{
    args::{ContrastArgs, General},
    network::Network,
    output::say,
    progress::Bars,
    regions,
    settings::contrast_settings,
};

pub(crate) fn run(args: &ContrastArgs, general: &General) -> anyhow::Result<()> {
    let given = args.polygon.len();
    ensure!(matches!(given, 0 | 2), "--polygon is given {given} times: a contrast has two regions");
    let choice = args.segmenter.choice(general)?;
    let network = Network::load(&args.model, general, [&args.input])?;
    let choice = choice.for_side(network.side());
    let prepared = network.read(&args.input)?;
    let shape = prepared.image.shape();
    let pairs = if let Some(path) = &args.regions {
        regions::read(path, &prepared.photo)?
    } else {
        let [first, second] = [0, 1].map(|at| regions::inside(&args.polygon[at], shape));
        vec![[first?, second?]]
    };
    let mut contrasts = contrast_settings(&args.contrasts, general, &network)?;
    contrasts.regions.trials.exhaustive();
    let settings = Settings {
        method: Method::Contrasts,
        target: network.target(&args.target)?,
        contrasts,
        ..Settings::paper()
    };
    let normalisation = network.normalisation();
    let subject =
        Subject { image: &prepared.image, photo: &prepared.photo, normalisation: &normalisation };
    let bars = Bars::new(general.quiet, String::new());
    let explainer = Explainer::new(network.field(), &subject, choice.build()?.as_ref(), &bars)?;
    let found = explainer.contrast(&settings, &pairs, &bars)?;
    let target = explainer.explained(&settings);
    let label = network.described(&target, explainer.logits());
    if general.json {
        print_json(args, general, &found, explainer.segments(), &label, &target);
    } else {
        let claims = &settings.contrasts.references[0];
        say(&format!(
            "{}: {} of {label}; removed pixels show {claims}",
            args.input.display(),
            target.unit(),
        ));
        found.iter().for_each(print_text);
    }
    Ok(())
}

fn print_json(
    args: &ContrastArgs,
    general: &General,
    found: &[Interaction],
    segments: &SegmentMap,
    label: &str,
    target: &Target,
) {
    let records = found.iter().map(|pair| interaction_record(pair, segments));
    let record = json!({
        "software": SOFTWARE,
        "input": args.input.display().to_string(),
        "target": label,
        "scalar": target.unit(),
        "seed": general.seed,
        "n_segments": segments.n_segments(),
        "verdict": verdict(found),
        "interactions": records.collect::<Vec<_>>(),
    });
    say(&record.to_string());
}

fn print_text(pair: &Interaction) {
    let [first, second] = pair.regions.each_ref().map(described);
    say(&format!("  first: {first}; second: {second}"));
    say(&format!("    {}", contrast_words(&pair.contrast, ["first", "second"])));
    say(&format!("    {}", verdict_words(pair)));
    for other in &pair.references {
        let words = contrast_words(&other.contrast, ["first", "second"]);
        say(&format!("    {}: {words}", other.name));
    }
}

/// "412 pixels around x 80, y 41".
fn described(region: &Mask) -> String {
    let [x, y] = region.centre().unwrap_or_default();
    format!("{} pixels around x {x:.0}, y {y:.0}", region.area())
}
