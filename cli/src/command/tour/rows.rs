//! Rows of data folders through the engine: what the foundation says of each alone, beside what an adapter makes it say.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use loam::Engine;
use loam::adapter::{Adapter, AdapterPackage, InstallPolicy};
use serde_json::json;

use super::adapter_path;
use super::guide::Guide;
use crate::data::{DataSplit, DataTask, Example};
use crate::eval::{Quiet, Subject, ZeroShot};

/// Tokens of a written answer.
const LENGTH: usize = 16;
/// Letters of a row's input that are shown.
const SHOWN: usize = 58;

/// What is shown.
struct Plan {
    title: &'static str,
    folder: &'static str,
    /// Asked about each file, whatever the folder is for.
    question: Option<&'static str>,
    adapter: Option<&'static str>,
}

const PLANS: [Plan; 11] = [
    plan("Topics of requests: by the names of labels, and with an adapter", "slurp_topic", Some("topic")),
    plan("Intents, 150 of them and none: the same", "clinc150", Some("intent")),
    plan("Digits", "mnist", Some("digits")),
    plan("Clothes", "fashion_mnist", Some("clothes")),
    plan("Questions about pictures: encoder, projector, backbone", "easy_vqa", Some("vqa")),
    plan("Sounds", "esc10", Some("sounds")),
    plan("Spoken digits", "fsdd", Some("spoken-digits")),
    plan("Speech to text", "yesno", None),
    plan("What a watch feels", "wisdm_watch", Some("activity-watch")),
    asked("Sounds in a conversation: their projector's soft tokens", "esc10", "What do you hear?"),
    asked("Motion in a conversation: the same", "wisdm_watch", "What is the person doing?"),
];

const fn plan(title: &'static str, folder: &'static str, adapter: Option<&'static str>) -> Plan {
    Plan { title, folder, question: None, adapter }
}

const fn asked(title: &'static str, folder: &'static str, question: &'static str) -> Plan {
    Plan { title, folder, question: Some(question), adapter: None }
}

/// A chapter's rows and the adapter that they are shown with.
pub(super) struct Room {
    plan: &'static Plan,
    data: DataSplit,
    adapter: Option<AdapterPackage>,
}

/// Opens what the tour shows.
///
/// # Errors
/// Those of the folders and of the packages, which name the file.
pub(super) fn open(adapters: &Path, files: &Path) -> anyhow::Result<Vec<Room>> {
    PLANS
        .iter()
        .map(|plan| {
            let mut data = DataSplit::open(&files.join(plan.folder), "test")?;
            if let Some(question) = plan.question {
                data.task = DataTask::Answer;
                data.examples.iter_mut().for_each(|example| example.text = Some(question.to_owned()));
            }
            let adapter = plan.adapter.map(|name| AdapterPackage::open(adapter_path(adapters, name))).transpose()?;
            Ok(Room { plan, data, adapter })
        })
        .collect()
}

/// Each row with what is right, what comes out without an adapter and what with it.
///
/// # Errors
/// The engine's; the console's.
pub(super) fn show(engine: &Engine, room: &Room, guide: &mut Guide<'_>) -> anyhow::Result<()> {
    guide.chapter(room.plan.title)?;
    let adapter = room
        .adapter
        .as_ref()
        .map(|package| engine.install(package.name(), package.path(), InstallPolicy::Upsert))
        .transpose()?;
    let bare = subject(engine, room, None)?;
    let adapted = adapter.as_ref().map(|adapter| subject(engine, room, Some(adapter))).transpose()?;
    let heads = ["", "right", "without an adapter", "with one"];
    guide.say(line(heads, adapted.is_some()))?;
    // Longer sounds are cut to what a tower hears, which is no news here.
    let _quiet = Quiet::begin();
    let mut times = [0.0; 2];
    for example in &room.data.examples {
        let [without, with] =
            [Some(&bare), adapted.as_ref()].map(|subject| subject.map(|s| run(s, example)).transpose());
        let (without, with) = (without?.expect("invariant: the bare foundation runs"), with?);
        times[0] += without.1;
        times[1] += with.as_ref().map_or(0.0, |with| with.1);
        let with = with.map(|with| with.0);
        guide.record(&json!({
            "folder": room.plan.folder, "input": shown(example), "right": right(example), "without": without.0, "with": with,
        }))?;
        let cells = [&*shown(example), &*right(example), &*without.0, with.as_deref().unwrap_or_default()];
        guide.say(line(cells, adapted.is_some()))?;
    }
    let rows = room.data.examples.len() as f64;
    let mut cost = format!("[{:.0} ms a row", times[0] / rows);
    if let Some(adapter) = &adapter {
        cost.push_str(&format!(", {:.0} ms with '{}' ({} kB)", times[1] / rows, adapter.alias, adapter.bytes() / 1000));
    }
    guide.say(format_args!("{cost}]"))
}

fn subject<'a>(engine: &'a Engine, room: &'a Room, adapter: Option<&Arc<Adapter>>) -> anyhow::Result<Subject<'a>> {
    let own = room.adapter.as_ref().and_then(|package| package.task().instructions.clone());
    let instructions = own.or_else(|| room.data.description.instructions.clone());
    Ok(Subject::new(engine, &room.data, adapter.cloned(), ZeroShot::Labels, instructions, LENGTH)?)
}

/// What comes out, and after how many ms.
fn run(subject: &Subject<'_>, example: &Example) -> anyhow::Result<(String, f64)> {
    let ready = subject.prepare(example)?;
    let start = Instant::now();
    let found = subject.run(&ready)?;
    Ok((found.text, start.elapsed().as_secs_f64() * 1e3))
}

/// A row's input in words: its text, or its file.
fn shown(example: &Example) -> String {
    match (example.file_name(), &example.text) {
        (Some(file), Some(text)) => format!("{file}: {text}"),
        (Some(file), None) => file.to_owned(),
        (None, text) => text.clone().unwrap_or_default(),
    }
}

fn right(example: &Example) -> String {
    example.label().map_or_else(|| example.texts().join(" / "), str::to_owned)
}

/// A table's line; the last column stands only where there is an adapter.
fn line([input, right, without, with]: [&str; 4], adapted: bool) -> String {
    let cut: String = input.chars().take(SHOWN).collect();
    let with = if adapted { with } else { "" };
    format!("  {cut:<58}  {right:<24}  {without:<24}  {with}").trim_end().to_owned()
}
