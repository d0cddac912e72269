//! The command line of `loamd`: what is typed, and what it means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use loam::adapter::{PublicKey, TrustedKeys};

const OVERVIEW: &str = "\
Example:
  loamd --foundation ~/.cache/loam/foundations/loam-nano --socket /run/user/1000/loam.sock --state ~/.local/state/loam

SIGTERM and Ctrl-C end it; what clients have installed is there at the next start. LOAM_LOG sets what is logged, \
such as 'loam_service=debug'.

Exit codes: 0 success, 2 wrong argument, 3 file not usable, or another service answers on the socket or uses the state, \
4 malformed file, 5 unsupported, 9 wrong digest.";

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

impl Args {
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
