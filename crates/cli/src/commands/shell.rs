//! `hsets completions` and `hsets man`: what a shell and a reader of manuals want to know.

use clap::CommandFactory as _;
use clap_complete::generate;
use clap_mangen::Man;
use hsets_report::output::write_file;

use crate::{
    args::{Cli, CompletionsArgs, General, ManArgs},
    output::say,
};

/// Prints the completions of a shell.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "hsets", &mut script);
    say(String::from_utf8(script)?.trim_end());
    Ok(())
}

/// Prints the manual page, or writes one for every command into a folder.
pub(crate) fn man(args: &ManArgs, general: &General) -> anyhow::Result<()> {
    let mut program = Cli::command();
    // Options of every command are theirs, too.
    program.build();
    let page = |command: &clap::Command| -> anyhow::Result<Vec<u8>> {
        let mut page = Vec::new();
        Man::new(command.clone()).render(&mut page)?;
        Ok(page)
    };
    let Some(folder) = &args.out else {
        say(String::from_utf8(page(&program)?)?.trim_end());
        return Ok(());
    };
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help");
    let mut n = 1;
    write_file(&folder.join("hsets.1"), &page(&program)?)?;
    for command in commands {
        let name = command.get_display_name().unwrap_or(command.get_name());
        write_file(&folder.join(format!("{name}.1")), &page(command)?)?;
        n += 1;
    }
    if !general.quiet {
        say(&format!("{n} pages -> {}", folder.display()));
    }
    Ok(())
}
