//! `loam tasks`: what can be asked for. Writes `docs/tasks.md` too.

use clap::Args;
use loam::adapter::DataPath;
use loam::task::{TASKS, TaskSpec};

use crate::console::{Console, Format};

const EXAMPLES: &str = "\
Examples:
  loam tasks                               a line per task
  loam tasks --json                        the whole table
  loam tasks --markdown > docs/tasks.md    as a page";

/// `loam tasks` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct TasksArgs {
    /// Write the page of the documentation
    #[arg(long)]
    markdown: bool,
}

/// Lists all tasks.
///
/// # Errors
/// The console's.
pub fn run(args: &TasksArgs, console: &Console) -> anyhow::Result<()> {
    if console.format() == Format::Json {
        return Ok(console.json(&TASKS)?);
    }
    if args.markdown {
        return Ok(console.write(page().as_bytes())?);
    }
    for task in TASKS {
        console.line(format!("{:<11} path {:<4} {}", task.name, numbers(task), task.summary))?;
    }
    Ok(())
}

fn numbers(task: &TaskSpec) -> String {
    let numbers: Vec<String> = task.paths.iter().map(|path| path.number().to_string()).collect();
    numbers.join(", ")
}

/// The page `docs/tasks.md`.
fn page() -> String {
    let mut out = String::from(
        "# Tasks\n\n\
         What apps ask of Loam. This page is written by `loam tasks --markdown` from the table that the command line's help\n\
         and the checks of adapters use too. Every result carries a trace: the components that ran, with backend, time and\n\
         bytes.\n\n\
         | Path | Runs |\n|---|---|\n",
    );
    for path in [DataPath::EncoderBackbone, DataPath::Backbone, DataPath::Encoder, DataPath::Generator] {
        out.push_str(&format!("| {} | {} |\n", path.number(), path.summary()));
    }
    for task in TASKS {
        out.push_str(&format!(
            "\n## {}\n\n{}.\n\n| Reads | Gives | Paths | Needs | An adapter brings |\n|---|---|---|---|---|\n| {} | {} | {} | {} | {} |\n\n```sh\n",
            task.name,
            task.summary,
            task.inputs.join(", "),
            task.output,
            numbers(task),
            task.needs,
            task.adapter,
        ));
        for (command, about) in task.examples {
            out.push_str(&format!("{command}  # {about}\n"));
        }
        out.push_str("```\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_the_table() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tasks.md");
        let committed = std::fs::read_to_string(path).expect("docs/tasks.md");
        assert_eq!(committed, page(), "run: loam tasks --markdown > docs/tasks.md");
    }
}
