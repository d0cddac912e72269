//! The registry as a table for `docs/eaibench.md`.

use std::fmt::Write;

use super::{StandIn, entries};

/// What is scored, and where it stands: a line for each id.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "| id | domain | task | data set | split | metric | path | status | stands in | published for a model of its own |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for entry in entries() {
        let sets: Vec<String> = entry.stand_ins.iter().map(StandIn::name).collect();
        let published = entry.published.map_or_else(String::new, |published| {
            format!("{}: {} {} ({})", published.model, published.score, published.metric, published.source)
        });
        let row = [
            entry.id.to_string(),
            entry.domain().name().to_owned(),
            entry.task.name().to_owned(),
            format!("[{}]({})", entry.dataset, entry.source),
            entry.split.name().to_owned(),
            entry.metric.name().to_owned(),
            entry.path.number().to_string(),
            entry.status().describe().to_owned(),
            sets.join(", "),
            published,
        ];
        writeln!(text, "| {} |", row.join(" | ")).expect("invariant: texts take all that is written");
    }
    text
}

/// Where official files are looked for: a line for each id.
#[must_use]
pub fn files() -> String {
    let mut text = String::from("| id | in `--data` | licence |\n|---|---|---|\n");
    for entry in entries() {
        let licence = entry.licence.unwrap_or("none stated");
        writeln!(text, "| {} | {} | {licence} |", entry.id, entry.format.files()).expect("invariant: texts take all");
    }
    text
}
