//! How errors end the program: one line each on stderr, and an exit code.

use std::process::ExitCode;

use hsets_pipeline::{core, models};

use crate::output;

/// Exit code when something failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code when what was asked for makes no sense.
const USAGE: u8 = 2;
/// Exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why the program ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error not reported yet.
    Error(anyhow::Error),
    /// Errors of single inputs, each reported when it happened; the exit code that they ask for.
    Reported(u8),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Failure {
    /// Prints what was not reported yet; gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Reported(code) => code.into(),
            Self::Error(error) => {
                let code = exit_code(&error);
                output::complain(&one_line(&error));
                code.into()
            }
        }
    }
}

/// Does `work` for each input. What fails is reported on one line, and the others are still done;
/// only Ctrl-C ends it.
pub(crate) fn for_each_input<T>(
    inputs: &[T],
    name: impl Fn(&T) -> String,
    mut work: impl FnMut(usize, &T) -> anyhow::Result<()>,
) -> Result<(), Failure> {
    let mut worst = None;
    for (index, input) in inputs.iter().enumerate() {
        let Err(error) = work(index, input) else {
            // Whatever else is done could not be written either.
            output::check()?;
            continue;
        };
        let code = exit_code(&error);
        if code == INTERRUPTED {
            return Err(Failure::Error(error));
        }
        let (name, line) = (name(input), one_line(&error));
        // Errors of reading name the file already.
        let named = line.starts_with(&name);
        output::complain(&if named { line } else { format!("{name}: {line}") });
        // One real failure outweighs wrong usage.
        worst = Some(worst.map_or(code, |worst: u8| worst.min(code)));
    }
    worst.map_or(Ok(()), |code| Err(Failure::Reported(code)))
}

/// The error with its causes, without those whose text the one before already holds.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.lines().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(FAILED)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = cause.downcast_ref::<models::Error>() {
        return match error {
            models::Error::UnknownModel(_)
            | models::Error::UnknownLabel(_)
            | models::Error::NotCompiled { .. } => Some(USAGE),
            models::Error::Core(error) => code_of(error),
            _ => None,
        };
    }
    if let Some(hsets_training::Error::Core(error)) = cause.downcast_ref() {
        return code_of(error);
    }
    if let Some(hsets_training::Error::Models(error)) = cause.downcast_ref() {
        return code_of(error);
    }
    if let Some(error) = cause.downcast_ref::<hsets_evaluation::Error>() {
        return match error {
            hsets_evaluation::Error::Usage(_) => Some(USAGE),
            hsets_evaluation::Error::Core(error) => code_of(error),
            hsets_evaluation::Error::Dataset(error) => code_of(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<hsets_datasets::Error>() {
        return match error {
            hsets_datasets::Error::Unknown { .. } | hsets_datasets::Error::Classes(_) => {
                Some(USAGE)
            }
            _ => None,
        };
    }
    match cause.downcast_ref::<core::Error>()? {
        core::Error::Cancelled => Some(INTERRUPTED),
        core::Error::Config { .. } | core::Error::Unsupported(_) => Some(USAGE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn codes_by_fault() {
        let code = |error: core::Error| exit_code(&anyhow::Error::from(error).context("while"));
        assert_eq!(code(core::Error::config("mu", 2, "below 1")), USAGE);
        assert_eq!(code(core::Error::Cancelled), INTERRUPTED);
        assert_eq!(code(core::Error::shape("image", 1, 2)), FAILED);
        assert_eq!(exit_code(&anyhow::anyhow!("disk on fire")), FAILED);
    }

    #[test]
    fn errors_are_one_line() {
        let error = Err::<(), _>(anyhow::anyhow!("a\n  b")).context("c").unwrap_err();
        assert_eq!(one_line(&error), "c: a; b");
        let same = Err::<(), _>(anyhow::anyhow!("full")).context("disk full").unwrap_err();
        assert_eq!(one_line(&same), "disk full");
    }

    #[test]
    fn other_inputs_are_still_done() {
        let mut done = Vec::new();
        let result = for_each_input(&[1, 2, 3], ToString::to_string, |_, &input| {
            anyhow::ensure!(input != 2, "broken");
            done.push(input);
            Ok(())
        });
        assert_eq!(done, [1, 3]);
        assert!(matches!(result, Err(Failure::Reported(FAILED))));
    }
}
