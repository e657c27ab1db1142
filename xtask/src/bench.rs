//! `cargo xtask bench peers`: both sides in turns on the same weights and inputs.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// What to time.
#[derive(clap::Args)]
pub(crate) struct Peers {
    /// A Python with torch, torchvision and safetensors.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Timings of each kind; their median counts.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Side of the square images.
    #[arg(long, default_value_t = 224)]
    side: usize,
    /// Networks.
    #[arg(long, value_delimiter = ',', default_values_t = MODELS.map(str::to_owned))]
    models: Vec<String>,
    /// Where the table goes.
    #[arg(long)]
    out: Option<PathBuf>,
}

const MODELS: [&str; 5] =
    ["vgg16", "resnet101", "densenet121", "mobilenet_v3_large", "mobilenet_v2"];

/// Command, times a forward pass's multiply-adds it needs at least, rows or images it handles.
/// A gradient is a pass forward and one back; a row likewise, once linearised.
const KINDS: [(&str, &str, f64, f64); 5] = [
    ("forward 1", "forward", 1.0, 1.0),
    ("gradient 1", "gradient", 2.0, 1.0),
    ("gradient 8", "gradient, batch 8", 16.0, 8.0),
    ("rows 1", "Hessian row", 2.0, 1.0),
    ("rows 8", "8 Hessian rows", 16.0, 8.0),
];

/// Times both sides and prints (and writes) the table.
pub(crate) fn peers(settings: &Peers) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("hsets-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let table = run(settings, &folder);
    fs::remove_dir_all(&folder)?;
    let table = table?;
    emit(&table);
    if let Some(out) = &settings.out {
        fs::write(out, &table).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // the table is the result
fn emit(table: &str) {
    println!("{table}");
}

fn run(settings: &Peers, folder: &Path) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--release", "--quiet", "--package", "hsets-bench"])
        .status()?;
    if !built.success() {
        bail!("hsets-bench does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let threads = settings.threads.to_string();
    let mut ours = Side::start(
        Command::new(target.join("release/hsets-bench")).env("RAYON_NUM_THREADS", &threads),
    )?;
    let script = root.join("fixtures/bench/peer.py");
    let mut theirs = Side::start(Command::new(&settings.python).arg(script).arg(&threads))?;
    let rate = {
        let mut best = 0f64;
        for _ in 0..settings.runs {
            best = best.max(ours.ask("product 1536")?).max(theirs.ask("product 1536")?);
        }
        best
    };
    let mut table = format!(
        "Both sides on {threads} threads, {0}×{0}, f32, medians of {1}; matrix product of this \
         machine {rate:.0} GFLOP/s.\n\n\
         | network | work | PyTorch, ms | ours, ms | ratio | share of the floor |\n\
         |---|---|---:|---:|---:|---:|\n",
        settings.side, settings.runs
    );
    for model in &settings.models {
        let weights = folder.join(format!("{model}.safetensors"));
        theirs.ask(&format!("weights {model} {}", weights.display()))?;
        let load = format!("load {model} {} {}", settings.side, weights.display());
        theirs.ask(&load)?;
        let multiply_adds = ours.ask(&load)?;
        for (command, name, passes, units) in KINDS {
            if command == "rows 1" {
                theirs.ask("linearize")?;
                ours.ask("linearize")?;
            }
            let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
            theirs.ask(command)?;
            ours.ask(command)?;
            for _ in 0..settings.runs {
                their_times.push(theirs.ask(command)?);
                our_times.push(ours.ask(command)?);
            }
            let (our_time, their_time) = (median(our_times), median(their_times));
            let floor = 2.0 * multiply_adds * passes / (rate * 1e6);
            writeln!(
                table,
                "| {model} | {name} | {:.1} | {:.1} | {:.2} | {:.0} % |",
                their_time / units,
                our_time / units,
                their_time / our_time,
                100.0 * floor / our_time
            )?;
        }
        ours.ask_text("unload")?;
        theirs.ask("unload")?;
        fs::remove_file(weights)?;
    }
    Ok(table)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A process that answers commands.
struct Side {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Side {
    fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let commands = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, commands, answers })
    }

    fn ask(&mut self, command: &str) -> Result<f64> {
        let answer = self.ask_text(command)?;
        answer.parse().with_context(|| format!("'{command}' was answered with '{answer}'"))
    }

    fn ask_text(&mut self, command: &str) -> Result<String> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("a side stopped at '{command}'");
        }
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // Ends the process if it is still there; there is nothing to do about a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
