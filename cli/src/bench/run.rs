//! `loam bench run`: rows through the engine, one after another, into a run file and a score.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use loam::Engine;
use loam_bench::loader::Example;
use loam_bench::registry::{self, DatasetId, Entry, StandIn};

use super::few::{self, Few};
use super::journal::{Journal, Outcome};
use super::plan::{Extent, OFFICIAL, Plan, Source, Way};
use super::rows::Rows;
use super::settings::Settings;
use super::solver::{Answer, Context, Solver, solver};
use super::summary::{Measured, Summary};
use super::unit::shown_as;
use crate::command::model::{ModelArgs, install_adapter};
use crate::console::{Console, Format};
use crate::error::{Error, Result};
use crate::eval::Quiet;
use crate::home::Home;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  loam bench run --task T24 --stand-in cv/gtsrb       an adapter on a set that stands in
  loam bench run --task T24 --data GTSRB              the official files
  loam bench run --all --zero-shot --limit 100        the bare foundation on all sets at hand
  loam bench run --all --few-shot 16 --seed 3         a linear head on 16 rows a class
  loam bench run --all --quick                        a few rows of each set, to see that all of it works

A run that was stopped goes on where it was: type the same again.";

/// Where sets lie that stand in for the official ones.
pub const SETS: &str = "../shared/data";
/// Rows of a line of the run file, and the time after which a line is written with fewer.
const BATCH: usize = 16;
const BATCH_TIME: Duration = Duration::from_secs(2);

/// `loam bench run` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// A data set of the benchmark, T1 to T50; may be given several times
    #[arg(long = "task", value_name = "ID", value_delimiter = ',', required_unless_present = "all")]
    tasks: Vec<DatasetId>,
    /// All sets at hand that stand in for official ones
    #[arg(long, conflicts_with_all = ["tasks", "stand_in"])]
    all: bool,
    /// A set that stands in, as `loam bench list` names it
    #[arg(long, value_name = "NAME")]
    stand_in: Option<String>,
    /// Folder of the official files; with --stand-in and --all the folder of the sets that stand in [default: ../shared/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of what lies in --data, where it has the form of the official files and is something else: results are marked with it
    #[arg(long, value_name = "NAME", requires = "data", conflicts_with_all = ["all", "stand_in"], value_parser = named)]
    named: Option<String>,
    /// Installed adapter, package file or PEFT directory, instead of the one that `loam bench list` names
    #[arg(long, value_name = "NAME|PATH", conflicts_with_all = ["zero_shot", "few_shot"])]
    adapter: Option<PathBuf>,
    /// The bare foundation
    #[arg(long, conflicts_with = "few_shot")]
    zero_shot: bool,
    /// A linear head over embeddings of so many training rows of each class
    #[arg(long, value_name = "ROWS")]
    few_shot: Option<usize>,
    /// Chooses rows, and examples to learn from
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Rows of each set at most, which the seed chooses [default: what keeps --all below an hour on two cores]
    #[arg(long, value_name = "N", conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// A few rows of each set
    #[arg(long)]
    quick: bool,
    /// Folder of run files and scores
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Begin anew where a run file was written with other settings, instead of refusing to go on
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    model: ModelArgs,
}

impl RunArgs {
    fn way(&self) -> Result<Option<Way>> {
        if let Some(shots) = self.few_shot {
            few::check(shots)?;
            return Ok(Some(Way::FewShot(shots)));
        }
        let named = self.adapter.clone().map(Way::Adapter);
        Ok(if self.zero_shot { Some(Way::ZeroShot) } else { named })
    }

    fn extent(&self) -> Extent {
        match self.limit {
            Some(limit) => Extent::Limit(limit as usize),
            None if self.quick => Extent::Quick,
            None => Extent::Whole,
        }
    }

    fn files(&self, folder: PathBuf) -> Source {
        match &self.named {
            Some(name) => Source::Alike(folder, name.clone()),
            None => Source::Official(folder),
        }
    }

    /// What is asked for, in the order of ids.
    fn plans(&self) -> Result<Vec<Plan>> {
        let way = self.way()?;
        let plan = |entry: &'static Entry, source| Plan::new(entry, source, way.clone(), self.extent(), self.seed);
        let sets = || self.data.clone().unwrap_or_else(|| SETS.into());
        if self.all {
            let root = sets();
            if !root.is_dir() {
                let reason = format!("{} is no folder of sets that stand in", root.display());
                return Err(Error::Argument { name: "--data", reason });
            }
            let every = registry::entries().flat_map(|entry| entry.stand_ins.iter().map(move |set| (entry, set)));
            let plans = every.map(|(entry, set)| plan(entry, Source::StandIn(*set, root.clone())));
            // A linear head is for classes alone.
            return Ok(plans.filter(|plan| !matches!(plan.way, Way::FewShot(_)) || plan.has_classes()).collect());
        }
        let mut plans = Vec::new();
        for entry in self.tasks.iter().map(|id| registry::entry(*id)) {
            match (&self.stand_in, &self.data) {
                (Some(name), _) => plans.push(plan(entry, Source::StandIn(*stand_in(entry, name)?, sets()))),
                (None, Some(folder)) => plans.push(plan(entry, self.files(folder.clone()))),
                (None, None) if entry.stand_ins.is_empty() => {
                    let reason = format!("missing; no set stands in for {}: `{}`", entry.id, entry.command());
                    return Err(Error::Argument { name: "--data", reason });
                }
                (None, None) => {
                    plans.extend(entry.stand_ins.iter().map(|set| plan(entry, Source::StandIn(*set, sets()))));
                }
            }
        }
        Ok(plans)
    }
}

/// The set that stands in for an id by its name.
///
/// # Errors
/// [`Error::Argument`] naming those that there are.
pub fn stand_in(entry: &'static Entry, name: &str) -> Result<&'static StandIn> {
    entry.stand_ins.iter().find(|set| set.name() == name).ok_or_else(|| {
        let known: Vec<String> = entry.stand_ins.iter().map(StandIn::name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::Argument {
            name: "--stand-in",
            reason: format!("'{name}' stands in for no {}; there is {known}", entry.id),
        }
    })
}

/// A name that no set of the benchmark has.
///
/// # Errors
/// What is expected of one.
pub fn named(typed: &str) -> std::result::Result<String, String> {
    const MOST: usize = 40;
    let is_plain = typed.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'));
    let taken = typed == OFFICIAL || registry::entries().any(|e| e.stand_ins.iter().any(|set| set.name() == typed));
    match is_plain && !taken && (1..=MOST).contains(&typed.len()) {
        true => Ok(typed.to_owned()),
        false => Err(format!("expected up to {MOST} letters, digits, '-', '_' and '/', and no set of the benchmark")),
    }
}

/// Runs what is asked for. Of several, one that cannot be measured is told and the others go on.
///
/// # Errors
/// Those of the arguments; the first one of a run that failed, and of a run alone that cannot be measured.
pub fn run(args: &RunArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let plans = args.plans()?;
    std::fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let engine = args.model.open(home)?;
    let bench = Bench { args, engine: &engine, home, console };
    let mut failed = None;
    let (mut measured, mut lacking, mut broken) = (0, 0, 0);
    for plan in &plans {
        match bench.measure(plan) {
            Ok(summary) => {
                measured += 1;
                bench.tell(&summary)?;
            }
            Err(reason) if is_lacking(&reason) && plans.len() > 1 => {
                lacking += 1;
                bench.record(plan, &reason)?;
            }
            Err(reason) if plans.len() > 1 && !is_final(&reason) => {
                console.complain(&format!("{} on {}: {reason}", plan.entry.id, plan.set()));
                broken += 1;
                failed.get_or_insert(reason);
            }
            Err(reason) => return Err(reason),
        }
    }
    if plans.len() > 1 {
        let failures = if broken == 0 { String::new() } else { format!(", {broken} failed") };
        let (all, out) = (plans.len(), args.out.display());
        console.note(format!("{measured} sets measured, {lacking} not{failures}, of {all}: {out}"));
    }
    failed.map_or(Ok(()), Err)
}

/// Whether something is not there that could answer, as opposed to a failure.
fn is_lacking(reason: &anyhow::Error) -> bool {
    let own = matches!(reason.downcast_ref(), Some(Error::NotMeasured { .. } | Error::NotInstalled { .. }));
    own || matches!(reason.downcast_ref(), Some(loam::Error::MissingComponent(_) | loam::Error::Unsupported { .. }))
}

/// Whether going on would only repeat it.
fn is_final(reason: &anyhow::Error) -> bool {
    matches!(reason.downcast_ref(), Some(Error::Io { .. } | Error::OutputClosed))
}

struct Bench<'a> {
    args: &'a RunArgs,
    engine: &'a Engine,
    home: &'a Home,
    console: &'a Console,
}

impl Bench<'_> {
    fn measure(&self, plan: &Plan) -> anyhow::Result<Measured> {
        let rows = Rows::open(plan)?;
        let adapter = match &plan.way {
            Way::Adapter(name) => Some(install_adapter(name, self.engine, self.home)?),
            Way::ZeroShot | Way::FewShot(_) => None,
        };
        let settings = Settings::new(plan, &rows, self.engine, adapter.as_deref(), self.args.model.told())?;
        let path = plan.journal(&self.args.out);
        let opened = match Journal::open(&path, &settings) {
            Err(Error::OtherSettings { .. } | Error::Malformed { .. }) if self.args.restart => {
                std::fs::remove_file(&path).map_err(Error::io(&path))?;
                Journal::open(&path, &settings)
            }
            other => other,
        };
        let (journal, outcomes) = opened?;
        let label = format!("{} {} {}", plan.entry.id, plan.set(), plan.way);
        let few = match plan.way {
            Way::FewShot(shots) if outcomes.len() < rows.examples.len() => {
                let progress = self.console.count(&format!("{label}, learning"), few::rows(&rows.labels, shots));
                Some(Few::learn(self.engine, plan, &rows, shots, &progress)?)
            }
            _ => None,
        };
        let context = Context { engine: self.engine, plan, rows: &rows, adapter, few };
        let progress = self.console.count(&label, rows.examples.len() as u64);
        progress.start_at(outcomes.len() as u64);
        let mut going = Going { journal, outcomes, scored_by: None };
        if going.outcomes.len() < rows.examples.len() {
            going.finish(solver(&context)?.as_mut(), &rows.examples, &progress)?;
        }
        progress.done();
        let path = plan.summary(&self.args.out);
        let scored_by = going.scored_by.unwrap_or_default().to_owned();
        let mut measured =
            Measured::new(settings, plan.metric(), &rows.labels, &rows.examples, &going.outcomes, scored_by)?;
        if going.scored_by.is_none() {
            measured.keep_from(&path);
        }
        Summary::Measured(Box::new(measured.clone())).write(&path)?;
        Ok(measured)
    }

    fn tell(&self, run: &Measured) -> Result<()> {
        if self.console.format() == Format::Json {
            return self.console.json(&Summary::Measured(Box::new(run.clone())));
        }
        let settings = &run.settings;
        let part = match settings.rows < settings.of {
            true => format!("{} of {} rows, seed {}", settings.rows, settings.of, settings.seed),
            false => format!("{} rows", settings.rows),
        };
        let way = match settings.way {
            Way::ZeroShot => "no adapter".to_owned(),
            ref other => other.to_string(),
        };
        let score = shown_as(&settings.metric, run.score);
        let (median, name) = (run.latency_ms.median, &settings.metric);
        self.console.line(format!(
            "{:<4} {:<28} {name} {score} · {way} · {part} · median {median:.1} ms",
            settings.id, settings.set
        ))
    }

    fn record(&self, plan: &Plan, reason: &anyhow::Error) -> Result<()> {
        let (id, set, way) = (plan.entry.id.to_string(), plan.set(), plan.way.to_string());
        // What is lacking, not the row at which that showed.
        let reason = match reason.downcast_ref() {
            Some(Error::NotMeasured { reason, .. }) => reason.clone(),
            _ => reason.root_cause().to_string(),
        };
        if self.console.format() == Format::Text {
            self.console.line(format!("{id:<4} {set:<28} not measured · {reason}"))?;
        }
        let summary = Summary::NotMeasured { id, set, way, reason };
        summary.write(&plan.summary(&self.args.out))
    }
}

/// A run that is under way.
struct Going {
    journal: Journal,
    outcomes: Vec<Outcome>,
    scored_by: Option<&'static str>,
}

impl Going {
    /// Answers the rows that are left. The first of them is answered once before: what is loaded on first use does not count as
    /// its time.
    fn finish(&mut self, solver: &mut dyn Solver, examples: &[Example], progress: &Progress) -> anyhow::Result<()> {
        let left = &examples[self.outcomes.len()..];
        answer(solver, &left[0])?;
        let _quiet = Quiet::begin();
        let (mut batch, mut begun) = (Vec::with_capacity(BATCH), Instant::now());
        for example in left {
            let Answer { prediction, scored_by, ms } = answer(solver, example)?;
            self.scored_by.get_or_insert(scored_by);
            batch.push(Outcome { prediction, ms });
            progress.advance(1);
            if batch.len() == BATCH || begun.elapsed() >= BATCH_TIME {
                self.keep(&mut batch)?;
                begun = Instant::now();
            }
        }
        self.keep(&mut batch)?;
        Ok(())
    }

    fn keep(&mut self, batch: &mut Vec<Outcome>) -> Result<()> {
        if !batch.is_empty() {
            self.journal.add(batch)?;
            self.outcomes.append(batch);
        }
        Ok(())
    }
}

/// The reason with the row that it is about; the exit code stays.
fn answer(solver: &mut dyn Solver, example: &Example) -> anyhow::Result<Answer> {
    solver.solve(example).map_err(|reason| {
        let message = format!("row {}: {reason}", example.id);
        reason.context(message)
    })
}
