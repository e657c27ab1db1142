//! Checks what the compiler does not: the dependency arrows of ARCHITECTURE.md and house rules.
//! Collects all faults before it reports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Which crates of ours a crate may use. Everything else is a fault; tests and tools are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("hsets-core", &[]),
    ("hsets-files", &[]),
    ("hsets-kernels", &["hsets-core"]),
    ("hsets-scenes", &["hsets-core"]),
    ("hsets-datasets", &["hsets-files"]),
    ("hsets-weights", &["hsets-files"]),
    ("hsets-segmentation", &["hsets-core", "hsets-files", "hsets-models", "hsets-weights"]),
    ("hsets-detection", &["hsets-core"]),
    ("hsets-attribution", &["hsets-core"]),
    ("hsets-metrics", &["hsets-core"]),
    ("hsets-autodiff", &["hsets-core", "hsets-kernels"]),
    ("hsets-models", &["hsets-core", "hsets-autodiff", "hsets-files", "hsets-weights"]),
    (
        "hsets-pipeline",
        &[
            "hsets-core",
            "hsets-segmentation",
            "hsets-detection",
            "hsets-attribution",
            "hsets-metrics",
            "hsets-models",
        ],
    ),
    ("hsets-report", &["hsets-core", "hsets-files", "hsets-pipeline"]),
    ("hsets-explorer", &["hsets-core", "hsets-files", "hsets-pipeline", "hsets-report"]),
    (
        "hsets-training",
        &["hsets-core", "hsets-datasets", "hsets-autodiff", "hsets-models", "hsets-weights"],
    ),
    (
        "hsets-evaluation",
        &["hsets-core", "hsets-datasets", "hsets-files", "hsets-metrics", "hsets-pipeline"],
    ),
    (
        "hsets",
        &[
            "hsets-files",
            "hsets-training",
            "hsets-evaluation",
            "hsets-explorer",
            "hsets-pipeline",
            "hsets-report",
            "hsets-scenes",
            "hsets-datasets",
        ],
    ),
];

/// Crates a user can have without candle; where it is allowed, it is optional.
const WITHOUT_CANDLE: &[&str] = &[
    "hsets-core",
    "hsets-files",
    "hsets-kernels",
    "hsets-scenes",
    "hsets-datasets",
    "hsets-segmentation",
    "hsets-detection",
    "hsets-attribution",
    "hsets-metrics",
];

/// Ours that bring candle.
const WITH_CANDLE: &[&str] = &["hsets-autodiff", "hsets-models", "hsets-weights"];

/// Features that must exist under the same name wherever they pass through.
const FEATURES: &[(&str, &[&str])] = &[
    ("hsets", &["onnx", "quickshift", "sam", "cuda", "cudnn", "metal"]),
    ("hsets-models", &["onnx", "sam", "cuda", "cudnn", "metal"]),
    ("hsets-pipeline", &["onnx", "quickshift", "sam", "cuda", "cudnn", "metal"]),
    ("hsets-segmentation", &["quickshift", "sam", "cuda", "cudnn", "metal"]),
    ("hsets-training", &["cuda", "cudnn", "metal"]),
];

/// Longest source file, in lines.
const MAX_LINES: usize = 800;

/// Runs all checks.
pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    let packages = workspace_packages(root)?;
    let mut faults = Vec::new();
    for package in &packages {
        check_arrows(package, &mut faults);
        check_candle(package, &mut faults);
        check_features(package, &mut faults);
        check_manifest(package, &mut faults)?;
        for file in rust_files(&package.folder)? {
            check_source(root, &file, &mut faults)?;
        }
    }
    for (name, _) in ARROWS {
        if !packages.iter().any(|package| package.name == *name) {
            faults.push(format!("{name}: is on the map but not in the workspace"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{} faults\n  {}", faults.len(), faults.join("\n  "))
}

struct Package {
    name: String,
    folder: PathBuf,
    dependencies: Vec<Dependency>,
    features: Vec<String>,
}

struct Dependency {
    name: String,
    is_for_tests: bool,
    is_optional: bool,
}

fn workspace_packages(root: &Path) -> Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    list(&metadata["packages"]).map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let manifest = Path::new(text(&value["manifest_path"]));
    let dependency = |value: &Value| Dependency {
        name: text(&value["name"]).to_owned(),
        is_for_tests: text(&value["kind"]) == "dev",
        is_optional: value["optional"].as_bool() == Some(true),
    };
    Ok(Package {
        name: text(&value["name"]).to_owned(),
        folder: manifest.parent().context("a manifest without a folder")?.to_owned(),
        dependencies: list(&value["dependencies"]).map(dependency).collect(),
        features: value["features"].as_object().map_or(vec![], |map| map.keys().cloned().collect()),
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn check_arrows(package: &Package, faults: &mut Vec<String>) {
    let Some((name, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
        let tools = ["hsets-tests", "hsets-bench", "hsets-browser", "hsets-study", "xtask"];
        if !tools.contains(&package.name.as_str()) {
            faults.push(format!("{}: is not on the map of ARCHITECTURE.md", package.name));
        }
        return;
    };
    for dependency in package.dependencies.iter().filter(|d| !d.is_for_tests) {
        let other = dependency.name.as_str();
        if other.starts_with("hsets") && !allowed.contains(&other) {
            faults.push(format!("{name}: must not depend on {other}"));
        }
    }
}

fn check_candle(package: &Package, faults: &mut Vec<String>) {
    if !WITHOUT_CANDLE.contains(&package.name.as_str()) {
        return;
    }
    let may_opt_in = package.name == "hsets-segmentation";
    let brings =
        |d: &&Dependency| d.name.starts_with("candle") || WITH_CANDLE.contains(&d.name.as_str());
    let candle = package.dependencies.iter().filter(brings);
    for dependency in candle.filter(|d| !(d.is_for_tests || may_opt_in && d.is_optional)) {
        faults.push(format!("{}: brings candle, by {}", package.name, dependency.name));
    }
}

fn check_features(package: &Package, faults: &mut Vec<String>) {
    let Some((name, expected)) = FEATURES.iter().find(|(name, _)| *name == package.name) else {
        return;
    };
    for feature in expected.iter().filter(|f| !package.features.iter().any(|own| own == *f)) {
        faults.push(format!("{name}: lacks the feature '{feature}'"));
    }
}

fn check_manifest(package: &Package, faults: &mut Vec<String>) -> Result<()> {
    let manifest = read(&package.folder.join("Cargo.toml"))?;
    for inherited in ["[lints]\nworkspace = true", "license.workspace = true"] {
        if !manifest.contains(inherited) {
            let line = inherited.replace('\n', " ");
            faults.push(format!("{}: its Cargo.toml lacks `{line}`", package.name));
        }
    }
    Ok(())
}

fn check_source(root: &Path, file: &Path, faults: &mut Vec<String>) -> Result<()> {
    let source = read(file)?;
    let shown = file.strip_prefix(root).unwrap_or(file).display();
    let is_test = file
        .components()
        .any(|part| ["tests", "benches"].map(AsRef::as_ref).contains(&part.as_os_str()));
    if !source.trim_start().starts_with("//!") && !is_test {
        faults.push(format!("{shown}: does not begin with `//!`, what the module is for"));
    }
    let n_lines = source.lines().count();
    if n_lines > MAX_LINES {
        faults.push(format!("{shown}: {n_lines} lines; split it below {MAX_LINES}"));
    }
    Ok(())
}

/// All Rust files below a package, in order.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        run().unwrap_or_else(|faults| panic!("{faults}"));
    }

    fn uses(name: &str, other: &str) -> Vec<String> {
        let dependency = Dependency { name: other.into(), is_for_tests: false, is_optional: false };
        let package = Package {
            name: name.into(),
            folder: PathBuf::new(),
            dependencies: vec![dependency],
            features: vec![],
        };
        let mut faults = Vec::new();
        check_arrows(&package, &mut faults);
        check_candle(&package, &mut faults);
        faults
    }

    #[test]
    fn arrows_against_the_map_are_faults() {
        assert_eq!(
            uses("hsets-detection", "hsets-models"),
            [
                "hsets-detection: must not depend on hsets-models",
                "hsets-detection: brings candle, by hsets-models"
            ]
        );
        assert_eq!(uses("hsets-new", "serde").len(), 1);
        assert!(uses("hsets-models", "hsets-autodiff").is_empty());
    }

    #[test]
    fn candle_stays_where_it_belongs() {
        assert_eq!(uses("hsets-metrics", "candle-core").len(), 1);
        assert!(uses("hsets-models", "candle-core").is_empty());
        let needed = ["hsets-segmentation: brings candle, by hsets-models"];
        assert_eq!(uses("hsets-segmentation", "hsets-models"), needed);
    }
}
