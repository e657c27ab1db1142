//! `hsets export`: results for other programs, and for people.

use hsets_evaluation::{Format, Results, export, tables};

use crate::{
    args::{ExportArgs, General},
    output::say,
};

pub(crate) fn run(args: &ExportArgs, general: &General) -> anyhow::Result<()> {
    let formats: Vec<Format> =
        args.out.iter().map(|path| Format::of(path)).collect::<Result<_, _>>()?;
    let results = Results::open(&args.results)?;
    if args.out.is_empty() {
        say(tables(&results)?.trim_end());
    }
    for (path, format) in args.out.iter().zip(formats) {
        export(&results, path, format, !args.no_timings)?;
        if !general.quiet {
            say(&path.display().to_string());
        }
    }
    Ok(())
}
