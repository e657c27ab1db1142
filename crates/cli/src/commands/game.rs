//! `hsets game`: every coalition of a picture's segments, and what estimators make of the game.

use std::path::Path;

use hsets_pipeline::{
    EstimatorReport, Explainer, GameReport, Settings, Subject,
    attribution::{ExactGame, InteractionIndex},
    core::SegmentMap,
    metrics::Summary,
    segmentation::merged,
};
use hsets_report::{Tensors, output::Folder};
use serde_json::{Value, json};

use super::explain::{SOFTWARE, folders};
use crate::{
    args::{GameArgs, General},
    failure::{Failure, for_each_input},
    network::Network,
    output::{say, short},
    progress::{self, Bars},
    settings::contrast_settings,
    table::Table,
};

/// Coalitions and pairs that are printed.
const SHOWN: usize = 5;

pub(crate) fn run(args: &GameArgs, general: &General) -> Result<(), Failure> {
    let choice = args.segmenter.choice(general)?;
    let network = Network::load(&args.model, general, &args.inputs)?;
    let segmenter = choice.for_side(network.side()).build()?;
    let settings = Settings {
        target: network.target(&args.target)?,
        contrasts: contrast_settings(&args.contrasts, general, &network)?,
        ..Settings::paper()
    };
    let folders = args.out.as_deref().map(|out| folders(out, &args.inputs));
    let mut games = Vec::new();
    let outcome = for_each_input(
        &args.inputs,
        |input| input.display().to_string(),
        |index, input| {
            progress::check()?;
            let folder = folders.as_ref().map(|all| Folder::begin(&all[index])).transpose()?;
            let prepared = network.read(input)?;
            let normalisation = network.normalisation();
            let subject = Subject {
                image: &prepared.image,
                photo: &prepared.photo,
                normalisation: &normalisation,
            };
            let prefix = match args.inputs.len() {
                1 => String::new(),
                n => format!("[{}/{n}] ", index + 1),
            };
            let bars = Bars::new(general.quiet, prefix);
            let explainer = Explainer::new(network.field(), &subject, segmenter.as_ref(), &bars)?;
            let segments = merged(explainer.segments(), args.players)?;
            let explainer = explainer.resegmented(segments)?;
            let found = explainer.exact_game(&settings, &bars)?;
            let target = settings.target.fixed(explainer.logits());
            let label = network.described(&target, explainer.logits());
            let record = record(input, &label, &settings, &found, explainer.segments());
            if let Some(mut folder) = folder {
                let text = serde_json::to_string_pretty(&record).map_err(anyhow::Error::from)?;
                folder.add("game.json", (text + "\n").as_bytes())?;
                folder.add(
                    "game.safetensors",
                    &tensors(&found.game, explainer.segments()).encode()?,
                )?;
                folder.publish()?;
            }
            if general.json {
                say(&record.to_string());
            } else if !general.quiet {
                describe(input, &label, &found.game);
            }
            games.push(found);
            Ok(())
        },
    );
    if !general.json && !general.quiet && !games.is_empty() {
        say(&estimators(&games).aligned());
    }
    outcome
}

/// The largest values, pairs, and where the energy of the game is.
fn describe(input: &Path, label: &str, game: &ExactGame) {
    let n = game.n_players();
    let values = game.player_values(InteractionIndex::Shapley);
    let pairs = game.pair_values(InteractionIndex::Shapley);
    say(&format!(
        "{}: {label}; {n} segments, {} coalitions, from {} with none to {} with all",
        input.display(),
        game.values.len(),
        short(game.values[0]),
        short(game.values[game.values.len() - 1]),
    ));
    let mut players: Vec<usize> = (0..n).collect();
    players.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let players = players.iter().take(SHOWN).map(|&i| format!("{i}: {}", short(values[i])));
    say(&format!("  Shapley values      {}", players.collect::<Vec<_>>().join("   ")));
    let mut order: Vec<[usize; 2]> = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j])).collect();
    let of = |pair: &[usize; 2]| pairs[pair[0] * n + pair[1]];
    order.sort_by(|a, b| of(b).abs().total_cmp(&of(a).abs()));
    let pairs = order.iter().take(SHOWN).map(|p| format!("{}+{}: {}", p[0], p[1], short(of(p))));
    say(&format!("  Shapley interactions {}", pairs.collect::<Vec<_>>().join("   ")));
    let energy = game.energy_by_order();
    let energy = energy.iter().take(SHOWN).map(|share| format!("{:.0} %", 100.0 * share));
    say(&format!("  energy by order     {}", energy.collect::<Vec<_>>().join("   ")));
}

/// Every estimator beside the truth; of several pictures the means with their 95 % intervals.
fn estimators(games: &[GameReport]) -> Table {
    let one = games.len() == 1;
    let head: &[&str] = if one {
        &["estimator", "of", "rank correlation", "relative error"]
    } else {
        &[
            "estimator",
            "of",
            "rank correlation",
            "95 % from",
            "to",
            "relative error",
            "95 % from",
            "to",
        ]
    };
    let mut table = Table::new(head.iter().copied());
    for (at, row) in games[0].estimators.iter().enumerate() {
        let mut cells = vec![row.estimator.to_owned(), row.truth.to_owned()];
        let numbers: [fn(&EstimatorReport) -> f64; 2] = [|row| row.correlation, |row| row.error];
        for of in numbers {
            let values = games.iter().map(|game| of(&game.estimators[at]));
            let values = values.filter(|value| !value.is_nan());
            let summary = Summary::of(&values.collect::<Vec<_>>());
            cells.push(short(summary.mean));
            if !one {
                let (low, high) = summary.interval();
                cells.extend([short(low), short(high)]);
            }
        }
        table.row(cells);
    }
    table
}

fn record(
    input: &Path,
    label: &str,
    settings: &Settings,
    found: &GameReport,
    segments: &SegmentMap,
) -> Value {
    let game = &found.game;
    let estimators: Vec<Value> = found
        .estimators
        .iter()
        .map(|row| {
            json!({
                "estimator": row.estimator,
                "of": row.truth,
                "rank_correlation": row.correlation,
                "relative_error": row.error,
            })
        })
        .collect();
    let banzhaf = InteractionIndex::Banzhaf { p: 0.5 };
    json!({
        "software": SOFTWARE,
        "input": input.display().to_string(),
        "target": label,
        "reference": settings.contrasts.references[0].name(),
        "n_segments": segments.n_segments(),
        "value_of_none": game.values[0],
        "value_of_all": game.values[game.values.len() - 1],
        "shapley_values": game.player_values(InteractionIndex::Shapley),
        "banzhaf_values": game.player_values(banzhaf),
        "energy_by_order": game.energy_by_order(),
        "estimators": estimators,
    })
}

/// `segments` \[H, W\]; of all 2ⁿ coalitions by bit mask `values` and `dividends`; of pairs \[n, n\]
/// `shapley_interactions` and `banzhaf_interactions`.
fn tensors(game: &ExactGame, segments: &SegmentMap) -> Tensors {
    let n = game.n_players();
    let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
    let pairs = |index| narrow(&game.pair_values(index));
    Tensors::new()
        .i32(
            "segments",
            &[segments.height(), segments.width()],
            segments.labels().iter().map(|&label| label as i32),
        )
        .f32("values", &[game.values.len()], &narrow(&game.values))
        .f32("dividends", &[game.values.len()], &narrow(&game.dividends))
        .f32("shapley_interactions", &[n, n], &pairs(InteractionIndex::Shapley))
        .f32("banzhaf_interactions", &[n, n], &pairs(InteractionIndex::Banzhaf { p: 0.5 }))
}
