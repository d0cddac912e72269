//! Saved conversations of clients: written and read in a folder of the service's, and handed over through a file that the client has
//! opened. What a crash leaves in the folder is removed at the next start.

use std::fs::{DirBuilder, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use loam::engine::Mismatch;
use rustix::fs::{OFlags, fcntl_getfl};
use tempfile::TempDir;

use super::Server;
use super::limits::Resource;
use crate::call::{AdapterKey, Opened, Reply};
use crate::error::{Error, Result};
use crate::local::Local;
use crate::performer::Performer as _;
use crate::wire::check_file;

/// Where files are made, below the state folder: no app's name begins with a dot.
const WORK: &str = ".work";
/// Largest saved conversation that is read, in bytes.
const MAX_CONTEXT: u64 = 2 << 30;

/// Removes what a crash left behind.
pub(super) fn sweep(state: &Path) {
    let folder = state.join(WORK);
    if folder.is_dir()
        && let Err(error) = std::fs::remove_dir_all(&folder)
    {
        log::warn!("{}: {error}", folder.display());
    }
}

/// A folder for one file, which goes when it is dropped.
fn workplace(server: &Server) -> Result<TempDir> {
    let folder: PathBuf = server.state.join(WORK);
    let failed = |error| Error::io(&folder, error);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    tempfile::Builder::new().prefix("chat-").tempdir_in(&folder).map_err(failed)
}

fn only(mut files: Vec<OwnedFd>) -> Result<OwnedFd> {
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Error::protocol("a conversation goes through one descriptor")),
    }
}

/// Saves a conversation into the file that the client attached, and waits until it is on disk.
///
/// # Errors
/// [`Error::Io`], also for a full disk, this side's or the client's; [`Error::Refused`] beyond a limit; as [`loam::task::Chat::save`] otherwise.
pub(super) fn save(server: &Server, owner: &str, local: &Local, session: Opened, files: Vec<OwnedFd>) -> Result<Reply> {
    let _permit = server.tally().take(owner, Resource::Copies, 1, server.limits())?;
    let file = only(files)?;
    let flags = fcntl_getfl(&file).map_err(Error::protocol)?;
    let writable = flags.intersects(OFlags::WRONLY | OFlags::RDWR) && !flags.contains(OFlags::PATH);
    let mut file = File::from(file);
    if !writable || !file.metadata().map_err(Error::protocol)?.is_file() {
        return Err(Error::protocol("an attached descriptor that is of no file to write to"));
    }
    let work = workplace(server)?;
    let path = work.path().join("chat");
    local.save(session, &path)?;
    let mut saved = File::open(&path).map_err(|error| Error::io(&path, error))?;
    let written = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| std::io::copy(&mut saved, &mut file))
        .and_then(|_| file.sync_all());
    written.map_err(|error| Error::io("the attached file", error))?;
    Ok(Reply::Done)
}

/// Goes on with the conversation in the file that the client attached.
///
/// # Errors
/// [`Error::Io`]; [`Error::Refused`] beyond a limit; as [`loam::task::Chat::restore`] otherwise.
pub(super) fn restore(
    server: &Server,
    owner: &str,
    local: &Local,
    adapter: Option<&AdapterKey>,
    mismatch: Mismatch,
    files: Vec<OwnedFd>,
) -> Result<Reply> {
    let _permit = server.tally().take(owner, Resource::Copies, 1, server.limits())?;
    let file = check_file(only(files)?)?;
    let size = file.metadata().map_err(Error::protocol)?.len();
    if size > MAX_CONTEXT {
        let reason = format!("a saved conversation of {size} bytes, the limit is {MAX_CONTEXT}");
        return Err(Error::Malformed { what: "the attached file".to_owned(), reason });
    }
    let work = workplace(server)?;
    let path = work.path().join("chat");
    let failed = |error| Error::io(&path, error);
    let mut copy = File::create(&path).map_err(failed)?;
    let mut from = &file;
    from.seek(SeekFrom::Start(0)).map_err(|error| Error::io("the attached file", error))?;
    // It may grow meanwhile.
    std::io::copy(&mut from.take(size), &mut copy).map_err(failed)?;
    Ok(Reply::Opened(local.restore(&path, adapter, mismatch)?))
}
