//! `--slurm`: a job array, a task for each shard, and a job that joins them.
//!
//! Submitting again submits what is missing: shards that are complete, or already in the queue, are
//! left alone.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use hsets_evaluation::{Plan, Results, Shard, text_hash};
use hsets_pipeline::core::Error;

use crate::{
    args::{EvaluateArgs, General, SlurmArgs},
    output::say,
};

const TEMPLATE: &str = include_str!("template.sh");

pub(super) fn submit(args: &EvaluateArgs, general: &General, plan: &Plan) -> anyhow::Result<()> {
    let slurm = &args.slurm;
    if slurm.slurm_tasks == 0 {
        return Err(Error::config("slurm-tasks", 0, "at least 1").into());
    }
    let cluster = Cluster::new(args)?;
    let queued = if slurm.slurm_print { BTreeSet::new() } else { cluster.queued()? };
    let mut missing = incomplete(args, plan)?;
    missing.retain(|index| !queued.contains(index));
    let (array, join) = (cluster.array_script(general)?, cluster.join_script()?);
    let shown = |path: &Path| path.display().to_string();
    if missing.is_empty() {
        nothing_to_submit(args, &queued);
        return Ok(());
    }
    let list = match slurm.slurm_at_once {
        Some(n) => format!("{}%{n}", ranges(&missing)),
        None => ranges(&missing),
    };
    if slurm.slurm_print {
        say(&format!("sbatch --parsable --array={list} {}", shown(&array)));
        say(&format!("sbatch --dependency=afterany:JOB {}", shown(&join)));
        return Ok(());
    }
    let job = sbatch(&["--parsable", &format!("--array={list}")], &array)?;
    // "1234" or "1234;cluster".
    let job = job.split(';').next().unwrap_or(&job).to_owned();
    let dependency = format!("--dependency=afterany:{job}");
    let joining = sbatch(&["--parsable", &dependency], &join)?;
    if general.json {
        let tasks: Vec<usize> = missing.into_iter().collect();
        say(&serde_json::json!({ "job": job, "tasks": tasks, "join": joining }).to_string());
    } else if !general.quiet {
        let (n, all) = (missing.len(), slurm.slurm_tasks);
        say(&format!("job {job}: {n} of {all} tasks ({list}); job {joining} joins them then"));
        say(&format!("logs: {}", shown(&cluster.folder)));
    }
    Ok(())
}

fn nothing_to_submit(args: &EvaluateArgs, queued: &BTreeSet<usize>) {
    let out = args.out.display();
    if queued.is_empty() {
        say(&format!("all shards are complete; hsets merge --out {out} joins them"));
    } else {
        say(&format!("all shards that are not complete are in the queue: {}", ranges(queued)));
    }
}

/// The shards that lack rows. A file of another evaluation is an error here, not in every task.
fn incomplete(args: &EvaluateArgs, plan: &Plan) -> anyhow::Result<BTreeSet<usize>> {
    let count = args.slurm.slurm_tasks;
    let mut missing = BTreeSet::new();
    for index in 0..count {
        let shard = Shard { index, count };
        let path = shard.file(&args.out);
        let is_complete = path.exists() && {
            let results = Results::open(&path)?;
            results.expect(plan, shard, None)?;
            results.missing(shard, count)?.is_nothing()
        };
        if !is_complete || args.retry_failed {
            missing.insert(index);
        }
    }
    Ok(missing)
}

/// "0-3,7".
fn ranges(indices: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &index in indices {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => ranges.push((index, index)),
        }
    }
    let shown = |(first, last): (usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(shown).collect::<Vec<_>>().join(",")
}

/// Scripts and names of an evaluation's jobs.
struct Cluster<'a> {
    args: &'a EvaluateArgs,
    template: String,
    program: PathBuf,
    here: PathBuf,
    /// `OUT.slurm`: scripts and logs.
    folder: PathBuf,
    /// Name of the job array, of this evaluation alone.
    job: String,
}

impl<'a> Cluster<'a> {
    fn new(args: &'a EvaluateArgs) -> anyhow::Result<Self> {
        let template = match &args.slurm.slurm_template {
            Some(path) => {
                let template = fs::read_to_string(path);
                template.with_context(|| path.display().to_string())?
            }
            None => TEMPLATE.to_owned(),
        };
        ensure!(
            template.contains("{command}"),
            "the template of --slurm-template lacks {{command}}"
        );
        let here = env::current_dir().context("the current folder")?;
        let mut folder = here.join(&args.out).into_os_string();
        folder.push(".slurm");
        let stem = args.out.file_stem().unwrap_or_default().to_string_lossy();
        let job = format!("hsets-{stem}-{}", &text_hash(&folder.to_string_lossy())[..8]);
        let folder = PathBuf::from(folder);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let program = env::current_exe().context("the path of this program")?;
        Ok(Self { args, template, program, here, folder, job })
    }

    /// The tasks that wait or run, of whatever earlier submission.
    fn queued(&self) -> anyhow::Result<BTreeSet<usize>> {
        let name = format!("--name={}", self.job);
        let arguments = ["--noheader", "--array", "--me", "--format=%K", &name];
        let listed = call(Command::new("squeue").args(arguments))?;
        Ok(listed.lines().filter_map(|line| line.trim().parse().ok()).collect())
    }

    fn array_script(&self, general: &General) -> anyhow::Result<PathBuf> {
        let SlurmArgs { slurm_tasks, slurm_cpus, .. } = &self.args.slurm;
        let mut words = vec![self.program.display().to_string()];
        words.extend(own_arguments(env::args().skip(1)));
        words.extend(["--shard".to_owned(), format!("auto/{slurm_tasks}")]);
        if let (Some(cpus), None) = (slurm_cpus, general.threads) {
            words.extend(["--threads".to_owned(), cpus.to_string()]);
        }
        let command = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        // Slurm kills the script's shell; what replaces the shell is what must stop.
        self.write("array.sh", &self.job, "%a.log", &format!("exec {command}"), &self.resources())
    }

    fn join_script(&self) -> anyhow::Result<PathBuf> {
        let [program, out] =
            [self.program.display(), self.args.out.display()].map(|path| quoted(&path.to_string()));
        let table = quoted(&self.args.out.with_extension("md").display().to_string());
        let rows = quoted(&self.args.out.with_extension("csv").display().to_string());
        let any_code = if self.args.any_code { " --any-code" } else { "" };
        let command = format!(
            "{program} merge --out {out}{any_code}\nstatus=$?\n\
             {program} export {out} --out {table} --out {rows} || exit\n\
             # 1 if pictures lack: submit again.\nexit $status"
        );
        let partition = self.args.slurm.slurm_partition.iter();
        let resources: Vec<String> = partition.map(|name| format!("--partition={name}")).collect();
        self.write("join.sh", &format!("{}-join", self.job), "join.log", &command, &resources)
    }

    fn resources(&self) -> Vec<String> {
        let slurm = &self.args.slurm;
        let option = |name: &str, value: Option<String>| value.map(|v| format!("--{name}={v}"));
        let number = |value: Option<usize>| value.map(|n| n.to_string());
        [
            option("partition", slurm.slurm_partition.clone()),
            option("gpus", number(slurm.slurm_gpus)),
            option("cpus-per-task", number(slurm.slurm_cpus)),
            option("time", slurm.slurm_time.clone()),
            option("mem", slurm.slurm_memory.clone()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn write(
        &self,
        name: &str,
        job: &str,
        log: &str,
        command: &str,
        resources: &[String],
    ) -> anyhow::Result<PathBuf> {
        let mut directives = vec![
            format!("--job-name={job}"),
            format!("--chdir={}", self.here.display()),
            format!("--output={}", self.folder.join(log).display()),
            "--open-mode=append".into(),
            "--requeue".into(),
        ];
        directives.extend_from_slice(resources);
        let lines: Vec<String> =
            directives.iter().map(|directive| format!("#SBATCH {}", quoted(directive))).collect();
        let script = self.template.replace("{directives}", &lines.join("\n"));
        let script = script.replace("{command}", command);
        let path = self.folder.join(name);
        hsets_report::output::write_file(&path, script.as_bytes())?;
        Ok(path)
    }
}

/// What was typed, without the options of Slurm.
fn own_arguments(typed: impl Iterator<Item = String>) -> Vec<String> {
    let mut own = Vec::new();
    let mut typed = typed.peekable();
    while let Some(word) = typed.next() {
        let option = word.split('=').next().unwrap_or_default();
        if !option.starts_with("--slurm") {
            own.push(word);
        } else if !["--slurm", "--slurm-print"].contains(&option) && !word.contains('=') {
            typed.next();
        }
    }
    own
}

/// A word as the shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn sbatch(options: &[&str], script: &Path) -> anyhow::Result<String> {
    call(Command::new("sbatch").args(options).arg(script))
}

/// What a program of Slurm prints.
fn call(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("{name} cannot be run: --slurm works where Slurm is; elsewhere use --slurm-print")
    })?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_written_short() {
        let of = |list: &[usize]| ranges(&list.iter().copied().collect());
        assert_eq!(of(&[0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
        assert_eq!(of(&[5]), "5");
    }

    #[test]
    fn tasks_get_what_was_typed() {
        let typed = "evaluate --data d --slurm --slurm-tasks 4 --slurm-time=1:00 --runs 2 \
                     --slurm-print --out o.db";
        let own = own_arguments(typed.split_whitespace().map(str::to_owned));
        assert_eq!(own.join(" "), "evaluate --data d --runs 2 --out o.db");
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("a/b-c.db"), "a/b-c.db");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
