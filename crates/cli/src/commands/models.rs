//! `hsets models`: what can be loaded, and from where.

use hsets_pipeline::{
    models::{ALIASES, Architecture},
    sam_weights::{SAM_WEIGHTS, SamWeights},
};
use serde_json::json;

use crate::{args::General, output::say};

#[expect(clippy::unnecessary_wraps, reason = "all commands return alike")]
pub(crate) fn run(general: &General) -> anyhow::Result<()> {
    if !general.json {
        say("MODEL                  SEES      WEIGHTS WITHOUT --weights FILE");
    }
    for architecture in Architecture::all() {
        let name = architecture.name();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let repository = alias.map(|(_, repository)| *repository);
        let shape = architecture.preprocessing().shape();
        if general.json {
            let input = [shape.channels, shape.height, shape.width];
            let also: Vec<&str> = architecture.synonyms().collect();
            let line = json!({ "model": name, "also": also, "hub": repository, "input": input });
            say(&line.to_string());
        } else {
            let size = format!("{}x{}", shape.height, shape.width);
            let origin =
                repository.map_or("-".into(), |repository| format!("huggingface.co/{repository}"));
            let also: Vec<&str> = architecture.synonyms().collect();
            let also = if also.is_empty() {
                String::new()
            } else {
                format!("  (also {})", also.join(", "))
            };
            say(&format!("{name:22} {size:9} {origin}{also}"));
        }
    }
    list_segmenters(general);
    if !general.json {
        say(
            "\nWeights in torchvision's or timm's naming, as .safetensors (one file or an index of",
        );
        say("shards), .pth or .pt. OWNER/REPOSITORY of the hub is a model too; @COMMIT pins it.");
    }
    Ok(())
}

/// Segment Anything's networks, for `--segmenter`.
fn list_segmenters(general: &General) {
    if !general.json {
        say("\nSEGMENTER                      WEIGHTS WITHOUT --sam-weights FILE");
    }
    for SamWeights { variant, repository, file, .. } in SAM_WEIGHTS {
        let name = variant.name();
        if general.json {
            let role = "segmenter";
            say(&json!({ "model": name, "role": role, "hub": repository, "file": file })
                .to_string());
        } else {
            say(&format!("{name:30} huggingface.co/{repository}"));
        }
    }
}
