//! The same as tables of Markdown, for the manual.

use loam_bench::registry;

use super::evidence::{Evidence, SetEvidence, Standing};
use super::operators::AllOperators;
use super::storage::Storage;
use super::words::{FOREIGN, Facts, even, foreign_cells, held, megabytes, process, rows_of, way_of};
use crate::bench::summary::Measured;
use crate::bench::unit::{shown, shown_as};

/// Columns of a line of text.
const WIDTH: usize = 128;

/// All of it.
#[must_use]
pub fn page(evidence: &Evidence, storage: &Storage, operators: Option<&AllOperators>) -> String {
    let facts = Facts::new(evidence, storage);
    let mut lines = vec!["# eAIBench: results".to_owned(), String::new()];
    lines.push(
        "Made by `make eaibench` (`loam bench report`); what each id is stands in [eaibench.md](eaibench.md)."
            .to_owned(),
    );
    lines.push(String::new());
    paragraph(&mut lines, &facts.about());
    paragraph(&mut lines, &facts.tolerance());
    lines.extend(["## Sets that were measured".to_owned(), String::new()]);
    paragraph(
        &mut lines,
        "A score on a set that stands in is none on the data set. *Few rows*: a linear head over embeddings of so many training rows of \
         each class. *Own model*: one made for the set alone, by the same metric unless another is named.",
    );
    lines.push(
        "| id | set | metric | adapter | Loam | zero-shot | few rows | own model | on a par | rows | median ms |"
            .to_owned(),
    );
    lines.push("|---|---|---|---|--:|--:|--:|--:|---|--:|--:|".to_owned());
    lines.extend(evidence.sets.iter().filter_map(line));
    lines.extend([String::new(), "## Ids without a measurement".to_owned(), String::new()]);
    lines.extend(["| id | task | data set | why |".to_owned(), "|---|---|---|---|".to_owned()]);
    for entry in registry::entries() {
        if let Standing::Nothing(reason) = evidence.standing(entry) {
            let (id, task, dataset) = (entry.id, entry.task.name(), entry.dataset);
            lines.push(format!("| {id} | {task} | {dataset} | {} |", cell(&command_as_code(&reason))));
        }
    }
    lines.extend([String::new(), "## Storage and memory".to_owned(), String::new()]);
    paragraph(&mut lines, &even(storage));
    lines.push("| tasks | foundation and adapters | one model each | the process held |".to_owned());
    lines.push("|--:|--:|--:|--:|".to_owned());
    for tasks in [1, 5, 10, 20, 30, 50] {
        let (shared, apart) = (megabytes(storage.shared[tasks]), megabytes(storage.apart[tasks]));
        let held = storage.memory.get(tasks - 1).map_or_else(|| "-".to_owned(), |bytes| megabytes(*bytes));
        lines.push(format!("| {tasks} | {shared} | {apart} | {held} |"));
    }
    latencies(&mut lines, evidence);
    foreign(&mut lines, evidence);
    if let Some(operators) = operators {
        lines.extend([String::new(), "## Operators".to_owned(), String::new()]);
        paragraph(&mut lines, &format!("{} kinds of operators run all tasks (`loam ops`).", operators.types));
        lines.extend(["| graph | kinds | operators |".to_owned(), "|---|--:|--:|".to_owned()]);
        lines.extend(operators.graphs.iter().map(|one| format!("| {} | {} | {} |", one.graph, one.types, one.total)));
    }
    lines.push(String::new());
    paragraph(&mut lines, &facts.machine());
    format!("{}\n", lines.join("\n").trim_end())
}

/// Where the foundation is slower than a model of its own, and where it is not.
fn latencies(lines: &mut Vec<String>, evidence: &Evidence) {
    let sets = evidence.distinct();
    let known = sets.iter().filter_map(|set| Some((set, set.latencies()?))).collect::<Vec<_>>();
    if known.is_empty() {
        return;
    }
    let slower = known.iter().filter(|(_, (ours, own))| *ours > own.median_ms).count();
    lines.extend([String::new(), "## Latency beside models of one task".to_owned(), String::new()]);
    paragraph(
        lines,
        &format!(
            "Median milliseconds of a row. {} The foundation is slower on {slower} of {}.",
            process(evidence),
            known.len()
        ),
    );
    lines.extend([
        "| set | adapter | Loam | own model | times as long | held | runtime |".to_owned(),
        "|---|---|--:|--:|--:|--:|---|".to_owned(),
    ]);
    for (set, (ours, own)) in known {
        let (adapter, held) = (set.best().map_or_else(String::new, way_of), held(own));
        let (name, times, runtime) = (&set.set, ours / own.median_ms, &own.runtime);
        lines.push(format!(
            "| {name} | {adapter} | {ours:.1} | {:.1} | {times:.2} | {held} | {runtime} |",
            own.median_ms
        ));
    }
}

/// Beside models that others made.
fn foreign(lines: &mut Vec<String>, evidence: &Evidence) {
    let found = &evidence.comparison.foreign;
    if found.is_empty() {
        return;
    }
    lines.extend([String::new(), "## Models that others made".to_owned(), String::new()]);
    paragraph(lines, FOREIGN);
    lines.extend([
        "| model | set | right | Loam | ms | Loam ms | file | held | operators | kinds |".to_owned(),
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|".to_owned(),
    ]);
    lines.extend(found.iter().map(|one| format!("| {} |", foreign_cells(one).map(|text| cell(&text)).join(" | "))));
}

fn line(set: &SetEvidence) -> Option<String> {
    let run = set.best()?;
    let score = |run: Option<&Measured>| run.map_or_else(|| "-".to_owned(), |run| shown(set.metric, run.score));
    let few = set.few.iter().next_back();
    let few = few.map_or_else(|| "-".to_owned(), |(shots, run)| format!("{} ({shots})", shown(set.metric, run.score)));
    let other = match (&set.pairing, &set.baseline) {
        (Some(pairing), _) if pairing.metric != set.metric.name() => {
            format!("{:.1} % ({}: {:.1} %)", pairing.other * 100.0, pairing.metric, pairing.score * 100.0)
        }
        (_, Some(other)) if other.metric == set.metric.name() => shown(set.metric, other.score),
        (_, Some(other)) => named(&other.metric, other.score),
        (_, None) => "-".to_owned(),
    };
    let parity = match set.standing() {
        Standing::OnPar => "yes",
        Standing::Below => "no",
        Standing::TooFewRows => "too few rows",
        Standing::Alone | Standing::NoAdapter | Standing::Nothing(_) => "-",
    };
    let (id, name, metric, adapter) = (set.entry.id, &set.set, set.metric.name(), way_of(run));
    let (own, zero) = (score(set.adapter.as_ref()), score(set.zero.as_ref()));
    let (rows, median) = (rows_of(run).replace(" rows", ""), run.latency_ms.median);
    let cells =
        [id.to_string(), name.clone(), metric.to_owned(), adapter, own, zero, few, other, parity.to_owned(), rows];
    Some(format!("| {} | {median:.1} |", cells.map(|text| cell(&text)).join(" | ")))
}

/// A text that ends no cell and opens no tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

fn named(metric: &str, score: f64) -> String {
    format!("{} ({metric})", shown_as(metric, score))
}

fn command_as_code(reason: &str) -> String {
    match reason.split_once("loam bench") {
        Some((before, command)) => format!("{before}`loam bench{command}`"),
        None => reason.to_owned(),
    }
}

/// Words in lines that are not too long, and an empty line.
fn paragraph(lines: &mut Vec<String>, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + word.len() >= WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.extend([line, String::new()]);
}
