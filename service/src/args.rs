//! The command line of `loamd`: what is typed, and what it means.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use loam::adapter::{PublicKey, TrustedKeys};
use loam::dispatch::{DispatchOptions, Preference, Strictness};
use loam::engine::Quotas;
use loam::model::CacheType;
use loam_delegates::runtime::Libraries;
use loam_delegates::{Choice, Target};

const OVERVIEW: &str = "\
Examples:
  loamd --foundation ~/.cache/loam/foundations/loam-nano --socket /run/user/1000/loam.sock --state ~/.local/state/loam
  loamd ... --memory 300 --quota running=4 --quota com.example.mail:tokens_per_minute=20000
  loamd ... --delegate qnn-v79 --delegate xnnpack --compile-with /usr/bin/loam

Quotas of an app, a request or an installation beyond one is refused:
  running            requests that run at a time; further ones wait
  waiting            requests that wait
  tokens_per_minute  tokens of prompts and answers
  adapters           adapters that are installed
  adapter_bytes      bytes of their matrices
  contexts           conversations at rest that keep their memory
  bytes              bytes of keys, values and adapters in memory

Components move to a delegate while the processor serves. LOAM_ONNXRUNTIME names the library of ONNX Runtime and LOAM_QNN \
the folder of Qualcomm's; artefacts come from `loam compile`.

SIGTERM and Ctrl-C end it; what clients have installed is there at the next start. LOAM_LOG sets what is logged, \
such as 'loam_service=debug'.

Exit codes: 0 success, 2 wrong argument, 3 file not usable, or another service answers on the socket or uses the state, \
4 malformed file, 5 unsupported or no such delegate here, 9 wrong digest.";

/// One foundation model for all apps of this device, behind a Unix socket
#[derive(Debug, Parser)]
#[command(name = "loamd", version, after_help = OVERVIEW)]
pub struct Args {
    /// Foundation directory, GGUF file or Hugging Face directory
    #[arg(long, value_name = "DIR")]
    pub foundation: PathBuf,

    /// Socket to listen on; one that a service left behind is replaced
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,

    /// Folder for the adapters that apps install; made for this user alone
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,

    /// Permissions of the socket, octal: who may open it may connect
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = mode)]
    pub mode: u32,

    /// Only these users may connect, by number; may be given several times [default: all who can open the socket]
    #[arg(long = "allow-uid", value_name = "UID")]
    pub users: Vec<u32>,

    /// Bytes of weight files that loaded components may map at a time, in MB [default: all]
    #[arg(long, value_name = "MB")]
    pub budget: Option<u64>,

    /// Keys and values, adapters and activations that may be in memory at a time, in MB [default: what the device has left]
    #[arg(long, value_name = "MB")]
    pub memory: Option<u64>,

    /// Folder for conversations at rest when memory is short, in files without a name [default: the state folder]
    #[arg(long, value_name = "DIR")]
    pub swap: Option<PathBuf>,

    /// How keys and values are kept: f16, f32, or q8 for a little more than half of f16 [default: as the model's weights]
    #[arg(long, value_name = "TYPE", value_parser = cache_type)]
    pub cache: Option<CacheType>,

    /// Run components on what `loam compile` made for this target, where that is possible; may be given several times, the best
    /// first
    #[arg(long, value_name = "TARGET", value_parser = Target::from_str)]
    pub delegate: Vec<Target>,

    /// Refuse requests whose components a delegate cannot run, instead of running them on the processor
    #[arg(long, requires = "delegate")]
    pub strict: bool,

    /// What decides between a delegate that works and the processor: the faster one when both were timed, or the delegate as to
    /// spare the battery
    #[arg(long, requires = "delegate", value_name = "measured|delegate", default_value = "measured", value_parser = preference)]
    pub prefer: Preference,

    /// Folder of what was compiled [default: beside the foundation]
    #[arg(long, requires = "delegate", value_name = "DIR")]
    pub artefacts: Option<PathBuf>,

    /// File in which measurements and failures of delegates are kept [default: plan.json in the folder of artefacts]
    #[arg(long, requires = "delegate", value_name = "FILE")]
    pub plan: Option<PathBuf>,

    /// The `loam` program, which compiles a component when it is first used and nothing was compiled for the delegate
    #[arg(long, requires = "delegate", value_name = "PROGRAM")]
    pub compile_with: Option<PathBuf>,

    /// A bound of each app, or of the app APP of each user; may be given several times
    #[arg(long, value_name = "[APP:]QUOTA=N", value_parser = quota)]
    pub quota: Vec<Quota>,

    /// The app APP may use adapters only that this public key has signed; may be given several times, for several apps and for
    /// one of several keys
    #[arg(long, value_name = "APP=PUBKEYFILE", value_parser = app_key)]
    pub require_signature: Vec<(String, PathBuf)>,

    /// Say what is done and why; twice: also what the libraries do
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).map_err(|error| error.to_string())?;
    if mode > 0o777 {
        return Err("expected 0000 to 0777".to_owned());
    }
    Ok(mode)
}

fn app_key(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((app, file)) if !app.is_empty() && !file.is_empty() => Ok((app.to_owned(), PathBuf::from(file))),
        _ => Err("expected an app's name and a file, as in com.example.mail=maker.pub".to_owned()),
    }
}

/// Changes one bound.
type Setter = fn(&mut Quotas, u64);

/// One bound, as typed.
#[derive(Clone, Debug)]
pub struct Quota {
    /// `None` for all apps.
    app: Option<String>,
    set: Setter,
    value: u64,
}

/// The quotas by their names.
const QUOTAS: [(&str, Setter); 7] = [
    ("running", |quotas, value| quotas.running = count(value)),
    ("waiting", |quotas, value| quotas.waiting = count(value)),
    ("tokens_per_minute", |quotas, value| quotas.tokens_per_minute = value),
    ("adapters", |quotas, value| quotas.adapters = count(value)),
    ("adapter_bytes", |quotas, value| quotas.adapter_bytes = value),
    ("contexts", |quotas, value| quotas.contexts = count(value)),
    ("bytes", |quotas, value| quotas.bytes = value),
];

fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn quota(text: &str) -> Result<Quota, String> {
    let (left, value) = text.split_once('=').ok_or("expected QUOTA=N or APP:QUOTA=N")?;
    let value = value.parse().map_err(|error| format!("'{value}': {error}"))?;
    let (app, name) = left.rsplit_once(':').map_or((None, left), |(app, name)| (Some(app.to_owned()), name));
    if app.as_deref() == Some("") {
        return Err("the app's name is empty".to_owned());
    }
    let known = QUOTAS.iter().find(|(known, _)| *known == name);
    let (_, set) = known.ok_or_else(|| format!("'{name}' is none of {}", QUOTAS.map(|(known, _)| known).join(", ")))?;
    Ok(Quota { app, set: *set, value })
}

fn preference(text: &str) -> Result<Preference, String> {
    match text {
        "measured" => Ok(Preference::Measured),
        "delegate" => Ok(Preference::Delegate),
        _ => Err("expected measured or delegate".to_owned()),
    }
}

fn cache_type(text: &str) -> Result<CacheType, String> {
    match text {
        "f16" => Ok(CacheType::F16),
        "f32" => Ok(CacheType::F32),
        "q8" => Ok(CacheType::Q8),
        _ => Err("expected f16, f32 or q8".to_owned()),
    }
}

impl Args {
    /// What each app may ask for and hold, and where that is something else, by the app's name.
    pub fn quotas(&self) -> (Quotas, BTreeMap<String, Quotas>) {
        let (mut all, mut by_app) = (Quotas::default(), BTreeMap::new());
        self.quota.iter().filter(|quota| quota.app.is_none()).for_each(|quota| (quota.set)(&mut all, quota.value));
        for Quota { app, set, value } in &self.quota {
            if let Some(app) = app {
                set(by_app.entry(app.clone()).or_insert(all), *value);
            }
        }
        (all, by_app)
    }

    /// Keys by the app whose adapters they have to have signed.
    ///
    /// # Errors
    /// As [`PublicKey::read`].
    pub fn trusted_keys(&self) -> loam::Result<BTreeMap<String, TrustedKeys>> {
        let mut keys: BTreeMap<String, Vec<PublicKey>> = BTreeMap::new();
        for (app, file) in &self.require_signature {
            keys.entry(app.clone()).or_default().push(PublicKey::read(file)?);
        }
        Ok(keys.into_iter().map(|(app, keys)| (app, keys.into_iter().collect())).collect())
    }

    /// Delegates that run components.
    ///
    /// # Errors
    /// As [`Choice::dispatch`].
    pub fn dispatch(&self) -> loam::Result<DispatchOptions> {
        let choice = Choice {
            targets: self.delegate.clone(),
            libraries: Libraries::of_environment(),
            artefacts: self.artefacts.clone(),
            preference: self.prefer,
            strictness: if self.strict { Strictness::Strict } else { Strictness::Fallback },
            plan: self.plan.clone(),
            compiler: self.compile_with.clone(),
            ..Choice::default()
        };
        choice.dispatch(&self.foundation)
    }

    /// Users that may connect; `None` for all.
    pub fn users(&self) -> Option<Vec<u32>> {
        Some(self.users.clone()).filter(|users| !users.is_empty())
    }

    /// What is logged, unless the environment says otherwise.
    pub fn filter(&self) -> &'static str {
        match self.verbose {
            0 => "loam=warn,loam_service=warn,loamd=info",
            1 => "loam=info,loam_service=info,loamd=info",
            _ => "debug",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(quotas: &[&str]) -> Result<Args, clap::Error> {
        let words = ["loamd", "--foundation", "f", "--socket", "s", "--state", "d"].into_iter();
        Args::try_parse_from(words.chain(quotas.iter().flat_map(|quota| ["--quota", *quota])))
    }

    #[test]
    fn quotas_of_one_app_begin_at_those_of_all() {
        let args = parse(&["com.example:mail:running=2", "running=5", "bytes=1000", "com.example:mail:contexts=0"]);
        let (all, by_app) = args.expect("right").quotas();
        assert_eq!(all, Quotas { running: 5, bytes: 1000, ..Quotas::default() });
        assert_eq!(by_app["com.example:mail"], Quotas { running: 2, bytes: 1000, contexts: 0, ..Quotas::default() });
        assert_eq!(by_app.len(), 1);
    }

    #[test]
    fn wrong_quotas_are_refused() {
        for (wrong, why) in [
            ("running", "expected QUOTA=N"),
            ("speed=3", "'speed' is none of running"),
            ("running=-1", "'-1'"),
            ("running=99999999999999999999", "too large"),
            (":running=1", "the app's name is empty"),
        ] {
            let error = parse(&[wrong]).expect_err(wrong).to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }
}
