//! A process that answers commands, one line each.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// One side of the comparison.
pub(super) struct Side {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Side {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
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

    /// The numbers that answer `command`.
    pub(super) fn ask_many(&mut self, command: &str) -> Result<Vec<f64>> {
        writeln!(self.commands, "{command}")?;
        self.commands.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("a side stopped at '{command}'");
        }
        let numbers = answer.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        numbers.with_context(|| format!("'{command}' was answered with '{}'", answer.trim()))
    }

    /// The one number that answers `command`.
    pub(super) fn ask(&mut self, command: &str) -> Result<f64> {
        match self.ask_many(command)?[..] {
            [number] => Ok(number),
            ref numbers => bail!("'{command}' was answered with {} numbers", numbers.len()),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // Ends the process if it is still there; there is nothing to do about a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
