//! `loam completions`: a script that teaches a shell the commands and options of this program.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Typed;
use crate::console::Console;
use crate::error::Result;

/// Writes the script for `shell` to standard output.
///
/// # Errors
/// Those of [`Console::write`].
pub fn run(shell: Shell, console: &Console) -> Result<()> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Typed::command(), "loam", &mut script);
    console.write(&script)
}
