//! `loam compile`: a foundation's components for NPUs and other processors, ahead of time.

mod maker;
mod samples;

use std::path::{Path, PathBuf};

use clap::Args;
use loam::Engine;
use loam::dispatch::{Reason, Segment, Subject, Support};
use loam::foundation::{Component, ComponentKind};
use loam::input::Input;
use loam_delegates::component::{Extents, Outcome, each, lower, observe};
use loam_delegates::quantize::{Calibrated, Calibration};
use loam_delegates::{Form, Target, beside};
use maker::Maker;
use serde_json::json;

use crate::command::model::ModelArgs;
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

const EXAMPLES: &str = "\
Examples:
  loam compile --target qnn-v75 --samples photos --samples sounds
  loam compile --target qnn-v79 --component text        one component; texts for it are built in
  loam compile --target onnx-integer --component backbone --rows 32 --past 480
  loam embed 'Rain until Friday' --delegate qnn-v75     runs what was compiled

Targets: qnn-v75 and qnn-v79 (Qualcomm; its simulator on x86), coreml, nnapi, xnnpack, \
onnx-integer and onnx-float (ONNX Runtime on the processor, to compare with), cpu (the engine's own packed weights).
LOAM_ONNXRUNTIME names the runtime's library and LOAM_QNN the folder of Qualcomm's. More: docs/npu.md.";

/// The target that is the engine itself.
const OWN: &str = "cpu";
/// Samples of each kind; more change ranges little and take time.
const SAMPLES: usize = 96;
/// Texts of a backbone, which takes a second for each: five thousand tokens.
const BACKBONE_SAMPLES: usize = 24;
/// Share of each tensor's values that may be cut off: activations of sixteen bits have room for all.
const CUT: f64 = 0.0;

/// `loam compile` as typed.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompileArgs {
    /// What to compile for
    #[arg(short, long, value_name = "TARGET")]
    target: String,
    /// Component to compile; may be given several times [default: all]
    #[arg(short, long, value_name = "NAME")]
    component: Vec<String>,
    /// Data folder whose training rows show which values occur, or a text file; may be given several times
    #[arg(short, long, value_name = "DIR|FILE")]
    samples: Vec<PathBuf>,
    /// Rank of the adapters that graphs take; 0 for none
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=256))]
    rank: u32,
    /// Tokens of a text encoder's graphs; at most what it reads
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [64, 128], value_parser = clap::value_parser!(u32).range(1..=8192))]
    texts: Vec<u32>,
    /// Seconds of sound of a recogniser's graphs
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [4.5, 24.0], value_parser = seconds)]
    seconds: Vec<f64>,
    /// Tokens of a backbone's graph for prompts
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    rows: u32,
    /// Earlier positions that a backbone's graphs have room for
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=32768))]
    past: u32,
    /// Folder for what is compiled [default: beside the foundation]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// End when standard input does: whoever started it is gone then
    #[arg(long, hide = true)]
    with_parent: bool,
    #[command(flatten)]
    model: ModelArgs,
}

/// As long as a graph may be: a minute.
fn seconds(typed: &str) -> Result<f64, String> {
    const MOST: f64 = 60.0;
    let expected = || format!("expected more than 0 and at most {MOST}");
    typed.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= MOST).ok_or_else(expected)
}

/// Bytes of a graph's files, where they were counted.
type Made = Outcome<Option<u64>>;

/// Compiles.
///
/// # Errors
/// [`loam::Error::Delegate`] where a component that was named, or all of them, cannot be compiled; those of the samples.
pub fn run(args: &CompileArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    if args.with_parent {
        end_with_standard_input()?;
    }
    let engine = args.model.open(home)?;
    let chosen = chosen(args, &engine)?;
    if args.target == OWN {
        return pack(&engine, &chosen, console);
    }
    let target: Target = args.target.parse().map_err(|reason| Error::Argument { name: "--target", reason })?;
    let root = args.output.clone().unwrap_or_else(|| beside(engine.foundation().root()));
    // Nothing was refused: whoever asked may have the libraries the next time.
    let unavailable =
        |reason: Reason| loam::Error::Unsupported { what: args.target.clone(), reason: reason.to_string() };
    let work = Work {
        engine: &engine,
        maker: Maker::new(target, &root).map_err(unavailable)?,
        extents: extents(args),
        samples: samples::read(&args.samples, SAMPLES)?,
        console,
    };
    let outcomes = each(
        &engine,
        chosen,
        &work.extents,
        |component, segments| work.calibrated(component, segments),
        |component, segment, calibrated| work.compile(component, segment, calibrated),
    );
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).collect::<Vec<_>>();
    let all = failed.len() == outcomes.len();
    let failure = failed.first().filter(|_| all || !args.component.is_empty());
    // In JSON a command that fails says one thing.
    if failure.is_none() || console.format() == Format::Text {
        report(&outcomes, &root, console)?;
    }
    match failure {
        // What fails for another reason than the target has another status, so that it is tried again.
        Some(Outcome { component, result: Err(Reason::Failed(reason)), .. }) => {
            Err(anyhow::anyhow!("component '{component}' was not compiled: {reason}"))
        }
        Some(Outcome { component, result: Err(reason), .. }) => {
            Err(loam::Error::Delegate { component: component.clone(), reason: reason.to_string() }.into())
        }
        _ => Ok(()),
    }
}

/// Ends the process when nobody holds the other end of its standard input any more: what it compiles for is gone.
fn end_with_standard_input() -> anyhow::Result<()> {
    let wait = || {
        // Nothing is sent; an error is an end, too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        log::warn!("whoever asked to compile is gone");
        std::process::exit(crate::command::interrupt::EXIT_CODE.into());
    };
    std::thread::Builder::new().name("loam-parent".to_owned()).spawn(wait)?;
    Ok(())
}

fn chosen<'e>(args: &CompileArgs, engine: &'e Engine) -> anyhow::Result<Vec<&'e Component>> {
    let foundation = engine.foundation();
    match &args.component[..] {
        [] => Ok(foundation.components().iter().collect()),
        names => Ok(names.iter().map(|name| foundation.named(name)).collect::<loam::Result<_>>()?),
    }
}

fn extents(args: &CompileArgs) -> Extents {
    Extents {
        rank: args.rank as usize,
        texts: args.texts.iter().map(|&tokens| tokens as usize).collect(),
        seconds: args.seconds.clone(),
        rows: args.rows as usize,
        past: args.past as usize,
        blocks: None,
    }
}

/// The engine's own form: weights as its kernels read them, which are otherwise packed when a component is first used.
fn pack(engine: &Engine, components: &[&Component], console: &Console) -> anyhow::Result<()> {
    for component in components {
        engine.load(component)?;
    }
    let loaded = engine.loaded();
    match console.format() {
        Format::Json => console.json(&json!({ "target": OWN, "components": loaded }))?,
        Format::Text => {
            for component in loaded {
                console.line(format!(
                    "{}: {} bytes of weights, packed {:?}",
                    component.name, component.bytes, component.packed
                ))?;
            }
        }
    }
    Ok(())
}

/// What all components are compiled with.
struct Work<'a> {
    engine: &'a Engine,
    maker: Maker,
    extents: Extents,
    samples: Vec<Input>,
    console: &'a Console,
}

impl Work<'_> {
    /// Compiles a graph: bytes of its files, where they were counted.
    fn compile(&self, component: &Component, segment: Segment, calibrated: &Calibrated) -> Result<Option<u64>, Reason> {
        self.console.note(format!("{} {segment}: compiling for {}", component.name(), self.maker.target.name()));
        let fingerprint = component.fingerprint().map_err(|e| Reason::Failed(e.to_string()))?;
        let subject = Subject { component: component.name(), fingerprint, segment };
        let graph = lower(self.engine, component, segment, self.extents.rank)?;
        match self.maker.target.supports(&graph) {
            Support::Full => {}
            Support::Partial(reason) => {
                self.console.note(format!("{} {segment}: may be divided: {reason}", component.name()));
            }
            Support::None(reason) => return Err(reason),
        }
        self.maker.make(&subject, &graph, calibrated)
    }

    /// Ranges of a component's tensors: those of the same weights, graphs and samples are kept.
    fn calibrated(&self, component: &Component, segments: &[Segment]) -> Result<Calibrated, Reason> {
        let fingerprint = component.fingerprint().map_err(|e| Reason::Failed(e.to_string()))?;
        // Floats need no ranges: one sample is what the graph is tried on when it is opened.
        let floats = self.maker.target.form() == Form::Floats;
        let samples = samples::read_by(component.kind(), &self.samples);
        let samples = match component.kind() {
            _ if floats => samples::some(samples, 1),
            ComponentKind::Backbone => samples::some(samples, BACKBONE_SAMPLES),
            _ => samples,
        };
        let key = samples::digest(fingerprint, segments, self.extents.rank, &samples);
        let kept = self.maker.root.join("ranges").join(format!("{}-{key:.16}.safetensors", component.name()));
        match Calibrated::load(&kept) {
            Ok(Some(calibrated)) => return Ok(calibrated),
            Ok(None) => {}
            Err(reason) => self.console.note(format!("{reason}: calibrated again")),
        }
        let mut calibration = Calibration::default();
        let total = (segments.len() * samples.len()) as u64;
        let progress = self.console.count(&format!("calibrating {}", component.name()), total);
        for &segment in segments {
            let graph = lower(self.engine, component, segment, self.extents.rank)?;
            let mut step = || progress.advance(1);
            observe(&mut calibration, self.engine, component, (segment, &graph), &samples, &mut step)?;
        }
        progress.done();
        if calibration.runs() == 0 && floats {
            return Ok(Calibrated::default());
        }
        if calibration.runs() == 0 {
            return Err(Reason::Failed("no sample of what it reads: name some with --samples".to_owned()));
        }
        let calibrated = calibration.finish(CUT);
        let folder = kept.parent().unwrap_or(Path::new("."));
        let failed = |e: std::io::Error| Reason::Failed(format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Written beside and renamed: a file that is there is whole. Another process may do the same.
        let unfinished = kept.with_extension(format!("{}.unfinished", std::process::id()));
        calibrated.save(&unfinished)?;
        std::fs::rename(&unfinished, &kept).map_err(failed)?;
        Ok(calibrated)
    }
}

fn report(outcomes: &[Made], root: &Path, console: &Console) -> anyhow::Result<()> {
    if console.format() == Format::Json {
        let row = |outcome: &Made| {
            json!({
                "component": outcome.component,
                "segment": outcome.segment.map(|segment| segment.to_string()),
                "bytes": outcome.result.as_ref().ok().copied().flatten(),
                "seconds": outcome.seconds,
                "reason": outcome.result.as_ref().err().map(ToString::to_string),
            })
        };
        console.json(&json!({ "folder": root, "graphs": outcomes.iter().map(row).collect::<Vec<_>>() }))?;
        return Ok(());
    }
    for outcome in outcomes {
        let segment = outcome.segment.map(|segment| segment.to_string()).unwrap_or_default();
        let what = match &outcome.result {
            Ok(Some(bytes)) => format!("{:.1} MB, {:.1} s", *bytes as f64 / 1e6, outcome.seconds),
            Ok(None) => format!("{:.1} s", outcome.seconds),
            Err(reason) => reason.to_string(),
        };
        console.line(format!("{:<16} {segment:<18} {what}", outcome.component))?;
    }
    console.note(format!("in {}", root.display()));
    Ok(())
}
