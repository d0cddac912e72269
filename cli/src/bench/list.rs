//! `loam bench list`: what can be measured, on what, and by which command.

use clap::Args;
use loam_bench::registry::{self, Entry, StandIn};
use serde_json::{Value, json};

use super::recipe::Recipe;
use crate::console::{Console, Format};
use crate::error::Result;

const EXAMPLES: &str = "\
Examples:
  loam bench list                 all ids, their sets, and what measures them
  loam bench list --json | jq     the same for programs";

/// `loam bench list` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {}

/// Writes the registry.
///
/// # Errors
/// The console's.
pub fn run(_: &ListArgs, console: &Console) -> Result<()> {
    if console.format() == Format::Json {
        return console.json(&registry::entries().map(object).collect::<Vec<Value>>());
    }
    for entry in registry::entries() {
        let (id, task, dataset) = (entry.id.to_string(), entry.task.name(), entry.dataset);
        console.line(format!("{id:<4} {task}, {dataset}: {}, {}", entry.metric.name(), entry.status().describe()))?;
        console.line(format!("     {}{}", entry.command(), adapter(entry, None)))?;
        for set in entry.stand_ins {
            console.line(format!("     {}{}", entry.stand_in_command(set), adapter(entry, Some(set))))?;
        }
    }
    Ok(())
}

/// The adapter that answers by default, as a remark.
fn adapter(entry: &Entry, set: Option<&StandIn>) -> String {
    let recipe = Recipe::find(entry.id, set.map(StandIn::name).as_deref());
    recipe.adapter.map_or_else(String::new, |name| format!("   # adapter {name}"))
}

fn object(entry: &Entry) -> Value {
    let own = |set: Option<&StandIn>| Recipe::find(entry.id, set.map(StandIn::name).as_deref()).adapter;
    let sets = entry.stand_ins.iter().map(|set| {
        json!({
            "set": set.name(),
            "metric": set.metric.name(),
            "adapter": own(Some(set)),
            "command": entry.stand_in_command(set),
        })
    });
    json!({
        "id": entry.id.to_string(),
        "domain": entry.domain().name(),
        "task": entry.task.name(),
        "dataset": entry.dataset,
        "metric": entry.metric.name(),
        "status": entry.status().describe(),
        "adapter": own(None),
        "command": entry.command(),
        "stand_ins": sets.collect::<Vec<_>>(),
    })
}
