//! Memory and files that are attached to frames.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fcntl_getfl, memfd_create};

use crate::error::{Error, Result};

/// Largest body, in bytes: the largest picture, 48 million pixels of 3 bytes, and an hour of sound at 16 kHz fit; longer
/// recordings are pushed in pieces.
pub(crate) const MAX_BODY: u64 = 256 << 20;

/// What it is called in errors.
pub(super) const MEMORY: &str = "memory for a message";

/// What keeps the content from changing after it was looked at.
const SEALED: SealFlags = SealFlags::SHRINK.union(SealFlags::WRITE);

/// Memory with what `write` writes, about `bulk` bytes, which nobody can change any more, and its size in bytes.
///
/// # Errors
/// [`Error::Argument`] for too many bytes, [`Error::Io`] where there is no memory.
pub(crate) fn seal(bulk: usize, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<(OwnedFd, u64)> {
    let failed = |error: std::io::Error| Error::io(MEMORY, error);
    let refuse = |bytes: u64| Error::argument("input", format!("{bytes} bytes, a call takes {MAX_BODY}"));
    // Before memory is taken, and again for what it came to.
    if bulk as u64 > MAX_BODY {
        return Err(refuse(bulk as u64));
    }
    let memory = memfd_create("loam", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(|e| failed(e.into()))?;
    let mut writer = BufWriter::new(File::from(memory));
    write(&mut writer)?;
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > MAX_BODY {
        return Err(refuse(bytes));
    }
    fcntl_add_seals(&file, SEALED | SealFlags::GROW | SealFlags::SEAL).map_err(|e| failed(e.into()))?;
    Ok((file.into(), bytes))
}

/// The `bytes` bytes of sealed memory. Its seals and its size are looked at first: a descriptor may be of anything.
///
/// # Errors
/// [`Error::Protocol`] for anything but sealed memory of that size.
pub(crate) fn read_sealed(memory: OwnedFd, bytes: u64) -> Result<Vec<u8>> {
    if bytes > MAX_BODY {
        return Err(Error::protocol(format!("a body of {bytes} bytes, the limit is {MAX_BODY}")));
    }
    let seals = fcntl_get_seals(&memory).unwrap_or(SealFlags::empty());
    if !seals.contains(SEALED) {
        return Err(Error::protocol("a body in a descriptor that is not of sealed memory"));
    }
    let file = File::from(memory);
    let found = file.metadata().map_err(Error::protocol)?.len();
    let size = usize::try_from(bytes).ok().filter(|_| found == bytes);
    let size = size.ok_or_else(|| Error::protocol(format!("a body of {bytes} bytes in memory of {found}")))?;
    let mut content = vec![0; size];
    file.read_exact_at(&mut content, 0).map_err(Error::protocol)?;
    Ok(content)
}

/// An attached file that can be read from: a regular one, or sealed memory. Nothing else is touched, for reading from a
/// pipe or a device may take forever.
///
/// # Errors
/// [`Error::Protocol`].
pub(crate) fn check_file(file: OwnedFd) -> Result<File> {
    let flags = fcntl_getfl(&file).map_err(Error::protocol)?;
    if flags.contains(OFlags::PATH) || flags.contains(OFlags::WRONLY) {
        return Err(Error::protocol("an attached descriptor that cannot be read from"));
    }
    let file = File::from(file);
    let data = file.metadata().map_err(Error::protocol)?;
    if !data.is_file() {
        return Err(Error::protocol("an attached descriptor that is of no regular file"));
    }
    // Memory has no name; a file that was removed while it was sent has none either.
    let is_memory = data.nlink() == 0;
    if is_memory && !fcntl_get_seals(&file).is_ok_and(|seals| seals.contains(SEALED)) {
        return Err(Error::protocol("an attached descriptor of memory that is not sealed"));
    }
    Ok(file)
}
