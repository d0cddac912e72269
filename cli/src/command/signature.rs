//! `loam adapter keygen`, `sign` and `verify`: signatures in minisign's format, which minisign itself reads and makes as well.

use std::fs::{File, OpenOptions};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use loam::adapter::{AdapterPackage, PublicKey, SIGNATURE_ENDING, Signature, SignaturePolicy, TrustedKeys};
use loam::weights::read_bounded;
use minisign::{KeyPair, SecretKey, SecretKeyBox};
use serde_json::{Value, json};

use crate::console::{Console, Format};
use crate::error::Error;
use crate::install::replace_file;

/// A secret key is 300 bytes of text.
const MAX_KEY: u64 = 10 << 10;
/// What is signed is read whole.
const MAX_PACKAGE: u64 = 512 << 20;
/// minisign's limit on what a signature says in words.
const MAX_COMMENT: usize = 8 << 10;
const SECRET_FORMAT: &str = "minisign secret key";

#[derive(Debug, Clone, Args)]
pub struct KeygenArgs {
    /// Files to write: NAME.key, for its owner alone, and NAME.pub
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,
    /// Leave the secret key without a password; otherwise one is asked for
    #[arg(long)]
    no_password: bool,
}

#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    /// Package file; `loam adapter import` makes one of a PEFT directory
    package: PathBuf,
    /// Secret key
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// What is signed along with it, in words [default: the time and the file's name]
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Package file, with its signature in a .minisig file beside it
    package: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Keys whose signatures count.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// Public key that has to have signed it; may be given several times, for one of several
    #[arg(short, long, value_name = "PUBFILE")]
    key: Vec<PathBuf>,
}

impl KeyArgs {
    /// What the keys ask for: signatures of one of them, or nothing where there is none.
    ///
    /// # Errors
    /// As [`PublicKey::read`].
    pub fn policy(&self) -> loam::Result<SignaturePolicy> {
        policy(&self.key)
    }
}

/// What adapters need where these are the files of all keys that count.
///
/// # Errors
/// As [`PublicKey::read`].
pub fn policy(keys: &[PathBuf]) -> loam::Result<SignaturePolicy> {
    if keys.is_empty() {
        return Ok(SignaturePolicy::Any);
    }
    Ok(SignaturePolicy::Required(keys.iter().map(PublicKey::read).collect::<loam::Result<TrustedKeys>>()?))
}

/// What is known of the signature beside a package, which `policy` has verified.
///
/// # Errors
/// As [`Signature::beside`].
pub fn report(package: &AdapterPackage) -> loam::Result<Value> {
    let signature = if package.path().is_dir() { None } else { Signature::beside(package.path())? };
    Ok(match signature {
        None => Value::Null,
        Some(signature) => json!({
            "key": signature.key(),
            "comment": signature.comment(),
            "verified": package.signer().is_some(),
        }),
    })
}

/// Where the signature of a package lies.
pub fn signature_file(package: &Path) -> PathBuf {
    let mut name = package.as_os_str().to_owned();
    name.push(SIGNATURE_ENDING);
    name.into()
}

/// Makes a pair of keys.
///
/// # Errors
/// [`Error::Io`], also where one of the files is there; [`Error::Argument`] for two different passwords.
pub fn keygen(args: &KeygenArgs, console: &Console) -> anyhow::Result<()> {
    let ending = |ending: &str| {
        let mut name = args.output.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (secret_file, public_file) = (ending(".key"), ending(".pub"));
    let pair = if args.no_password {
        KeyPair::generate_unencrypted_keypair()?
    } else {
        let first = password("Password for the secret key: ")?;
        if first != password("The same once more: ")? {
            return Err(Error::Argument { name: "password", reason: "it was typed in two ways".to_owned() }.into());
        }
        KeyPair::generate_encrypted_keypair(Some(first))?
    };
    let (secret, public) = (pair.sk.to_box(None)?.into_string(), pair.pk.to_box()?.into_string());
    let id = PublicKey::parse("the new key", &public)?.id();
    let files = [(&secret_file, &secret, private()), (&public_file, &public, OpenOptions::new())];
    for (path, text, mut options) in files {
        let file = options.write(true).create_new(true).open(path);
        file.and_then(|mut file: File| file.write_all(text.as_bytes())).map_err(Error::io(path))?;
    }
    if console.format() == Format::Json {
        console.json(&json!({ "key": id, "secret": secret_file, "public": public_file }))?;
    } else {
        console.line(format!("key {id}: {} (keep it secret), {}", secret_file.display(), public_file.display()))?;
    }
    Ok(())
}

/// Signs a package.
///
/// # Errors
/// The engine's for what is no package; [`Error::Malformed`] for what is no key or a wrong password.
pub fn sign(args: &SignArgs, console: &Console) -> anyhow::Result<()> {
    if args.package.is_dir() {
        let reason = format!("'{}' is a directory; `loam adapter import` makes one file of it", args.package.display());
        return Err(Error::Argument { name: "package", reason }.into());
    }
    let comment = match &args.comment {
        Some(comment) => comment.clone(),
        None => default_comment(&args.package),
    };
    if comment.len() > MAX_COMMENT || comment.chars().any(|c| c.is_control() && c != '\t') {
        let reason = format!("one line of at most {MAX_COMMENT} bytes is signed");
        return Err(Error::Argument { name: "comment", reason }.into());
    }
    // What is no adapter is not signed by mistake.
    AdapterPackage::open(&args.package)?;
    let content = read_bounded(&args.package, MAX_PACKAGE)?;
    let key = secret_key(&args.key)?;
    let public = minisign::PublicKey::from_secret_key(&key)?;
    let signed = minisign::sign(Some(&public), &key, Cursor::new(&content), Some(&comment), None)?;
    let place = signature_file(&args.package);
    replace_file(&place, &signed.to_bytes())?;
    let id = PublicKey::parse("the public key", &public.to_box()?.into_string())?.id();
    if console.format() == Format::Json {
        console.json(&json!({ "package": args.package, "signature": place, "key": id, "comment": comment }))?;
    } else {
        console.line(format!("{}, by key {id}: {comment}", place.display()))?;
    }
    Ok(())
}

/// Verifies a package.
///
/// # Errors
/// [`loam::Error::Signature`] where none of the keys has signed it as it is.
pub fn verify(args: &VerifyArgs, console: &Console) -> anyhow::Result<()> {
    let SignaturePolicy::Required(keys) = args.keys.policy()? else {
        return Err(Error::Argument { name: "key", reason: "there is none to verify with".to_owned() }.into());
    };
    let package = AdapterPackage::open_signed(&args.package, &keys)?;
    let report = report(&package)?;
    if console.format() == Format::Json {
        console.json(&json!({ "package": args.package, "signature": report }))?;
    } else {
        let text = |field: &str| report.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        console.line(format!("{} is signed by key {}: {}", args.package.display(), text("key"), text("comment")))?;
    }
    Ok(())
}

/// As minisign's own.
fn default_comment(package: &Path) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let file = package.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("timestamp:{seconds}\tfile:{file}\thashed")
}

/// The key in a file, whose password is asked for where it has one.
fn secret_key(path: &Path) -> anyhow::Result<SecretKey> {
    let refuse = |reason: String| Error::malformed(path.display(), SECRET_FORMAT, reason);
    let text = String::from_utf8(read_bounded(path, MAX_KEY)?).map_err(|e| refuse(e.to_string()))?;
    let boxed = || SecretKeyBox::from_string(&text).map_err(|e| refuse(e.to_string()));
    match boxed()?.into_unencrypted_secret_key() {
        Ok(key) => Ok(key),
        Err(reason) if reason.to_string().contains("encrypted") => {
            let password = password(&format!("Password for {}: ", path.display()))?;
            Ok(boxed()?.into_secret_key(Some(password)).map_err(|e| refuse(e.to_string()))?)
        }
        Err(reason) => Err(refuse(reason.to_string()).into()),
    }
}

/// Asked for at the terminal, and never at standard input.
fn password(prompt: &str) -> Result<String, Error> {
    rpassword::prompt_password(prompt).map_err(|source| Error::Argument {
        name: "password",
        reason: format!("there is no terminal to ask for it at ({source}); a key without one needs none"),
    })
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// What a user makes is that user's alone by default.
#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}
