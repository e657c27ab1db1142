//! `hsets models`: what can be loaded, and from where.

use std::path::Path;

use hsets_pipeline::{
    models::{self, ALIASES, Architecture},
    sam_weights::{SAM_WEIGHTS, SamWeights},
};
use serde_json::json;

use crate::{
    args::{General, ModelsArgs},
    output::say,
};

pub(crate) fn run(args: &ModelsArgs, general: &General) -> anyhow::Result<()> {
    if let Some(file) = &args.onnx {
        return describe(file, args, general);
    }
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
        say("A network in an ONNX file is a model, too: --model FILE.onnx.");
    }
    Ok(())
}

#[cfg(not(feature = "onnx"))]
fn describe(file: &Path, _args: &ModelsArgs, _general: &General) -> anyhow::Result<()> {
    let what = format!("reading '{}'", file.display());
    Err(models::Error::NotCompiled { what, feature: "onnx" }.into())
}

/// What an ONNX file holds, and how it is understood. What can't be lowered is the command's error,
/// behind what could be read.
#[cfg(feature = "onnx")]
fn describe(file: &Path, args: &ModelsArgs, general: &General) -> anyhow::Result<()> {
    let read = models::OnnxFile::read(file)?;
    let summary = read.summary();
    let reading = read.reading(args.size.map(|size| size.0), args.output.as_deref());
    if general.json {
        let understood = reading.as_ref().ok().map(|reading| {
            json!({
                "input": [reading.input.channels, reading.input.height, reading.input.width],
                "classes": reading.n_classes,
                "multiply_adds": reading.multiply_adds,
                "receptive_field": reading.receptive_field,
                "sees_all": reading.sees_all,
                "notes": reading.notes,
            })
        });
        let line = json!({
            "file": file.display().to_string(),
            "producer": summary.producer,
            "opset": summary.opset,
            "inputs": summary.inputs,
            "outputs": summary.outputs,
            "ops": summary.ops,
            "parameters": summary.n_parameters,
            "metadata": summary.metadata,
            "understood": understood,
        });
        say(&line.to_string());
        return Ok(reading.map(|_| ())?);
    }
    let ops: Vec<String> = summary.ops.iter().map(|(op, n)| format!("{n} {op}")).collect();
    let rows = [
        ("written by", summary.producer),
        ("opset", summary.opset.to_string()),
        ("inputs", summary.inputs.join(", ")),
        ("outputs", summary.outputs.join(", ")),
        ("ops", ops.join(", ")),
        ("parameters", summary.n_parameters.to_string()),
    ];
    say(&file.display().to_string());
    for (name, value) in rows {
        say(&format!("  {name:16}{value}"));
    }
    for (key, value) in &summary.metadata {
        say(&format!("  {:16}{key} = {value}", "metadata"));
    }
    let reading = reading?;
    let [height, width] = reading.receptive_field;
    say(&format!(
        "  {:16}{} classes of a picture {}",
        "explained", reading.n_classes, reading.input
    ));
    say(&format!("  {:16}{:.2} billion", "multiply-adds", reading.multiply_adds as f64 / 1e9));
    let all = if reading.sees_all.is_empty() {
        String::new()
    } else {
        format!(", up to {}, which sees all", reading.sees_all)
    };
    say(&format!("  {:16}{height}x{width} pixels{all}", "receptive field"));
    reading
        .notes
        .iter()
        .for_each(|note| crate::output::complain(&format!("{}: {note}", file.display())));
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
