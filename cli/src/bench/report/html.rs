//! The page: one file without anything that it would have to fetch, light or dark as its reader's system.

use std::collections::BTreeMap;
use std::fmt::Write;

use loam_bench::registry;

use super::evidence::{Evidence, SetEvidence, Standing};
use super::operators::AllOperators;
use super::storage::{Storage, TASKS};
use super::svg::{Axes, Bar, Curve, Names, bars, curves, escaped};
use super::words::{FOREIGN, Facts, even, foreign_cells, held, megabytes, process, rows_of};
use crate::bench::summary::Measured;
use crate::bench::unit::{Unit, shown, shown_as, unit};

const STYLE: &str = include_str!("style.css");
const HEAD: &str = "<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
    <meta name=\"color-scheme\" content=\"light dark\">";

/// All of the page.
#[must_use]
pub fn page(evidence: &Evidence, storage: &Storage, operators: Option<&AllOperators>) -> String {
    let facts = Facts::new(evidence, storage);
    let sections = [
        head(&facts),
        coverage(evidence),
        scores(evidence),
        few_shot(evidence),
        sizes(storage),
        latencies(evidence),
        foreign(evidence),
        operators.map_or_else(String::new, operator_table),
        adapters(evidence),
        foot(&facts),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head>{HEAD}<title>eAIBench on Loam</title>\n<style>\n{STYLE}</style></head>\n\
         <body><main>\n{}\n</main></body></html>\n",
        sections.join("\n")
    )
}

fn head(facts: &Facts) -> String {
    let mut tiles = String::new();
    for (value, said) in facts.tiles() {
        let (value, said) = (escaped(&value), escaped(&said));
        write!(tiles, "<div class=\"tile\"><b>{value}</b><span>{said}</span></div>")
            .expect("invariant: texts take all");
    }
    let about = escaped(&facts.about());
    format!("<h1>eAIBench on Loam</h1>\n<p class=\"soft\">{about}</p>\n<div class=\"tiles\">{tiles}</div>")
}

fn coverage(evidence: &Evidence) -> String {
    let mut lines = String::new();
    for entry in registry::entries() {
        let sets: Vec<&SetEvidence> = evidence.of(entry).collect();
        let standing = evidence.standing(entry);
        let (badge, reason) = match &standing {
            Standing::Nothing(reason) => (badge(&standing, "not measured"), escaped(reason)),
            other => (badge(other, &other.describe()), String::new()),
        };
        let (id, task, dataset) = (entry.id.to_string(), escaped(entry.task.name()), escaped(entry.dataset));
        if sets.is_empty() {
            put(&mut lines, format_args!("<tr><td>{id}</td><td>{task}<br><span class=\"soft\">{dataset}</span></td>"));
            put(&mut lines, format_args!("<td colspan=\"5\"><span class=\"soft\">{}</span></td>", commands(&reason)));
            put(&mut lines, format_args!("<td>{badge}</td></tr>\n"));
        }
        for (at, set) in sets.iter().enumerate() {
            let Some(run) = set.best() else { continue };
            let (first, own) = match at {
                0 => (id.clone(), format!("{task}<br><span class=\"soft\">{dataset}</span>")),
                _ => (String::new(), String::new()),
            };
            let (name, metric, score) = (escaped(&set.set), set.metric.name(), shown(set.metric, run.score));
            let other = set.pairing.as_ref().map_or_else(
                || set.baseline.as_ref().map_or_else(String::new, |other| shown_as(&other.metric, other.score)),
                |pairing| compared(pairing.score, pairing.other, &pairing.metric, metric),
            );
            let (way, rows) = (escaped(&way(run)), rows_of(run));
            let standing = set.standing();
            let badge = self::badge(&standing, &standing.describe());
            put(
                &mut lines,
                format_args!("<tr><td>{first}</td><td>{own}</td><td><code>{name}</code></td><td>{metric}</td>"),
            );
            put(&mut lines, format_args!("<td class=\"number\">{score}</td><td class=\"number\">{other}</td>"));
            put(
                &mut lines,
                format_args!(
                    "<td class=\"by\">{way}<br><span class=\"soft\">{rows}</span></td><td>{badge}</td></tr>\n"
                ),
            );
        }
    }
    format!(
        "<h2>All 50 data sets</h2>\n<p class=\"note\">No official file of a data set is here: sets at hand stand in, and a score \
         on one of them is none on the data set. Green only where an adapter was measured and is on a par with a model made for \
         the set alone.</p>\n<div class=\"card\"><table><thead><tr><th>id</th><th>task</th><th>measured on</th><th>metric</th>\
         <th class=\"number\">Loam</th><th class=\"number\">own model</th><th>by</th><th></th></tr></thead><tbody>\n{lines}\
         </tbody></table></div>"
    )
}

/// The other's score; both where they are of another metric than the row's.
fn compared(score: f64, other: f64, metric: &str, row: &str) -> String {
    if metric == row {
        return shown_as(metric, other);
    }
    let (other, score) = (shown_as(metric, other), shown_as(metric, score));
    format!("{other}<br><span class=\"soft\">{metric}<br>{score}</span>")
}

fn badge(standing: &Standing, said: &str) -> String {
    format!("<span class=\"badge {}\">{}</span>", standing.class(), escaped(said))
}

/// A reason's command as code.
fn commands(reason: &str) -> String {
    match reason.split_once("loam bench") {
        Some((before, command)) => format!("{before}<code>loam bench{command}</code>"),
        None => reason.to_owned(),
    }
}

fn way(run: &Measured) -> String {
    match &run.settings.adapter {
        Some(adapter) => format!("adapter {}", adapter.name),
        None => run.settings.way.to_string(),
    }
}

fn scores(evidence: &Evidence) -> String {
    let rows: Vec<Bar> = evidence
        .distinct()
        .into_iter()
        .filter(|set| unit(set.metric) == Unit::Share && set.metric.direction() == loam_bench::metric::Direction::Up)
        .map(|set| {
            let adapter = set.adapter.as_ref().map(|run| (run.score, "adapter"));
            let bare = set.zero.as_ref().map(|run| (run.score, "bare"));
            let mut points = Vec::new();
            if let Some((shots, run)) = set.few.iter().next_back() {
                points.push((run.score, "few", format!("{shots}-shot {}", shown(set.metric, run.score))));
            }
            if let (Some(_), Some(run)) = (&adapter, &set.zero) {
                points.push((run.score, "zero", format!("zero-shot {}", shown(set.metric, run.score))));
            }
            let same = set.baseline.as_ref().filter(|other| other.metric == set.metric.name());
            let name = format!("{} {}", set.entry.id, set.set);
            Bar { name, bar: adapter.or(bare), points, mark: same.map(|other| other.score) }
        })
        .collect();
    let chart = bars(&rows, "Scores of all sets, by adapters, few rows and the foundation alone");
    format!(
        "<h2>Scores</h2>\n<div class=\"card\"><div class=\"legend\"><span><i style=\"background:var(--adapter)\"></i>adapter</span>\
         <span><i style=\"background:var(--zero);opacity:.55\"></i>foundation alone, no adapter</span>\
         <span><i class=\"dot\" style=\"background:var(--few)\"></i>few rows of each class</span>\
         <span><i class=\"dot\" style=\"border:2px solid var(--soft)\"></i>zero-shot beside an adapter</span>\
         <span><i class=\"bar\" style=\"background:var(--mark)\"></i>a model of its own</span></div>{chart}</div>\n\
         <p class=\"note\">Per cent, more is better; perplexity, BLEU and error rates are in the table.</p>"
    )
}

fn few_shot(evidence: &Evidence) -> String {
    let several: Vec<&SetEvidence> = evidence.distinct().into_iter().filter(|set| set.few.len() > 1).collect();
    if several.is_empty() {
        return String::new();
    }
    let mut sums: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
    let place = |shots: usize| (shots as f64).log2();
    let mut all: Vec<Curve> = several
        .iter()
        .map(|set| Curve {
            name: set.set.clone(),
            class: "thin",
            points: set.few.iter().map(|(shots, run)| (place(*shots), run.score)).collect(),
        })
        .collect();
    for set in &several {
        for (shots, run) in &set.few {
            let sum = sums.entry(*shots).or_default();
            *sum = (sum.0 + run.score, sum.1 + 1);
        }
    }
    // A mean over other sets at each number of rows would say nothing of rows.
    let whole = sums.iter().filter(|(_, (_, count))| *count == several.len());
    let mean = whole.map(|(shots, (sum, count))| (place(*shots), sum / *count as f64)).collect();
    all.push(Curve { name: "mean".to_owned(), class: "mean", points: mean });
    let axes = Axes {
        x: "training rows of each class",
        ticks: sums.keys().map(|shots| (place(*shots), shots.to_string())).collect(),
        top: 1.0,
        shown: |value| format!("{:.0} %", value * 100.0),
        mark: None,
        level: None,
        names: Names::Elsewhere,
    };
    let chart = curves(&all, &axes, "Scores by rows of each class");
    format!(
        "<h2>Few rows of each class</h2>\n<div class=\"card\" style=\"max-width:640px\">{chart}</div>\n<p class=\"note\">A linear head \
         over the encoders' embeddings on {} sets, each a thin line; the thick one is their mean. Rows are one draw.</p>",
        several.len()
    )
}

fn sizes(storage: &Storage) -> String {
    let line = |name: &str, class: &'static str, bytes: &[u64]| Curve {
        name: name.to_owned(),
        class,
        points: bytes.iter().enumerate().map(|(tasks, bytes)| (tasks as f64, *bytes as f64)).collect(),
    };
    let both = [line("foundation", "shared", &storage.shared), line("one model each", "apart", &storage.apart)];
    let most = storage.shared.iter().chain(&storage.apart).chain(&storage.memory).copied().max().unwrap_or(1) as f64;
    let axes = |mark| Axes {
        x: "tasks",
        ticks: (0..=TASKS).step_by(10).map(|tasks| (tasks as f64, tasks.to_string())).collect(),
        top: (most / 1e8).ceil() * 1e8,
        shown: |value| megabytes(value as u64),
        mark,
        level: None,
        names: Names::Beside,
    };
    let at = storage.breaks_even().map(|tasks| (tasks as f64, format!("{tasks} tasks")));
    let disk = curves(&both, &axes(at), "Storage by the number of tasks");
    let [_, apart] = both;
    let process = Curve {
        name: "foundation".to_owned(),
        class: "shared",
        points: storage.memory.iter().enumerate().map(|(at, bytes)| (at as f64 + 1.0, *bytes as f64)).collect(),
    };
    let at = storage.memory_breaks_even().map(|tasks| (tasks as f64, format!("{tasks} tasks")));
    let memory = curves(&[process, apart], &axes(at), "Memory by the number of tasks");
    format!(
        "<h2>Storage and memory</h2>\n<div class=\"pair\"><div class=\"card\"><h3>On disk</h3>{disk}</div><div class=\"card\">\
         <h3>In memory</h3>{memory}</div></div>\n<p class=\"note\">{} In memory: the most that the process of all runs held by the time so \
         many adapters had been used, with activations and the rows themselves.</p>",
        escaped(&even(storage))
    )
}

fn latencies(evidence: &Evidence) -> String {
    let mut lines = String::new();
    for set in evidence.distinct() {
        let Some(run) = set.best() else { continue };
        let (name, way, by) = (escaped(&set.set), escaped(&way(run)), escaped(&run.scored_by.replace('_', " ")));
        let (median, p95) = (run.latency_ms.median, run.latency_ms.p95);
        put(&mut lines, format_args!("<tr><td><code>{name}</code></td><td>{way}</td><td>{by}</td>"));
        put(&mut lines, format_args!("<td class=\"number\">{median:.1}</td><td class=\"number\">{p95:.1}</td>"));
        put(&mut lines, format_args!("<td class=\"number\">{}</td></tr>\n", beside(set)));
    }
    format!(
        "<h2>Latency</h2>\n<p class=\"note\">Milliseconds of a row, one after another, without reading and decoding it. The machine was \
         shared: take it as an order of magnitude. <i>Own model</i>: one of the kind that scores are compared with, where that was \
         measured, and how many times as long the foundation takes. {}</p>\n<div class=\"card\"><table><thead><tr><th>set</th><th>by</th><th>decided by</th>\
         <th class=\"number\">median</th><th class=\"number\">95 %</th><th class=\"number\">own model</th></tr></thead><tbody>\n{lines}</tbody></table></div>",
        escaped(&process(evidence))
    )
}

/// Beside models that others made.
fn foreign(evidence: &Evidence) -> String {
    let found = &evidence.comparison.foreign;
    if found.is_empty() {
        return String::new();
    }
    let mut lines = String::new();
    for one in found {
        let [name, set, numbers @ ..] = foreign_cells(one);
        put(&mut lines, format_args!("<tr><td>{}</td><td><code>{}</code></td>", escaped(&name), escaped(&set)));
        for number in numbers {
            put(&mut lines, format_args!("<td class=\"number\">{number}</td>"));
        }
        lines.push_str("</tr>\n");
    }
    let names = ["right", "Loam", "ms", "Loam ms", "file", "held", "operators", "kinds"];
    let heads: String = names.iter().map(|name| format!("<th class=\"number\">{name}</th>")).collect();
    format!(
        "<h2>Models that others made</h2>\n<p class=\"note\">{FOREIGN}</p>\n<div class=\"card\"><table><thead><tr><th>model</th>\
         <th>set</th>{heads}</tr></thead><tbody>\n{lines}</tbody></table></div>"
    )
}

/// What a model of its own takes, and how the foundation's time compares.
fn beside(set: &SetEvidence) -> String {
    set.latencies().map_or_else(
        || "-".to_owned(),
        |(ours, own)| format!("{:.1} ({:.2} ×), {}", own.median_ms, ours / own.median_ms, held(own)),
    )
}

fn operator_table(operators: &AllOperators) -> String {
    let mut lines = String::new();
    for one in &operators.graphs {
        let (graph, types, total) = (escaped(&one.graph), one.types, one.total);
        put(
            &mut lines,
            format_args!(
                "<tr><td>{graph}</td><td class=\"number\">{types}</td><td class=\"number\">{total}</td></tr>\n"
            ),
        );
    }
    let types = operators.types;
    format!(
        "<h2>Operators</h2>\n<p class=\"note\">What an NPU is asked for, as <code>loam ops</code> counts it: {types} kinds of operators \
         run all tasks. Of a backbone one block is counted.</p>\n<div class=\"card\" style=\"max-width:640px\"><table><thead><tr><th>graph\
         </th><th class=\"number\">kinds</th><th class=\"number\">operators</th></tr></thead><tbody>\n{lines}</tbody></table></div>"
    )
}

fn adapters(evidence: &Evidence) -> String {
    let mut known = BTreeMap::new();
    for adapter in evidence.runs.iter().filter_map(|run| run.settings.adapter.as_ref()) {
        known.insert(&adapter.name, adapter);
    }
    if known.is_empty() {
        return String::new();
    }
    let mut lines = String::new();
    for adapter in known.values() {
        let (name, component, kilobytes) =
            (escaped(&adapter.name), escaped(&adapter.component), adapter.bytes as f64 / 1e3);
        put(
            &mut lines,
            format_args!("<tr><td>{name}</td><td>{component}</td><td class=\"number\">{kilobytes:.0}</td></tr>\n"),
        );
    }
    format!(
        "<h2>Adapters</h2>\n<div class=\"card\" style=\"max-width:640px\"><table><thead><tr><th>adapter</th><th>acts on</th>\
         <th class=\"number\">kB</th></tr></thead><tbody>\n{lines}</tbody></table></div>"
    )
}

fn foot(facts: &Facts) -> String {
    let (tolerance, machine) = (escaped(&facts.tolerance()), escaped(&facts.machine()));
    format!("<h2>How to read it</h2>\n<p>{tolerance}</p>\n<p class=\"note\">{machine}</p>")
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("invariant: texts take all that is written");
}
