//! Fetching one file over HTTP: resumed, bounded, retried and checked.
//!
//! The file grows as `NAME.partial` and gets its name only when it hashes to what the recipe demands. A server that
//! does not know ranges makes it begin anew; one that sends too much, too little or the wrong part is found out at
//! once. What was fetched stays for the next try, except when it is known to be wrong.

use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use super::partial::Partial;
use super::recipe::{MAX_FILE_BYTES, Source};
use super::transport::{Fault, Patience, Reply, Transport, io_fault, shown};
use crate::console::Console;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Bytes read at once.
const CHUNK: usize = 128 * 1024;

/// Progress of that size makes a new row of tries worth while.
const WORTH_A_RETRY: u64 = 64 * 1024;

/// What a finished transfer is reported with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes that came over the network, those thrown away included.
    pub received: u64,
    /// Bytes that an earlier process had left and that were used.
    pub resumed_from: u64,
}

/// One file on its way.
pub struct Download<'a> {
    source: &'a Source,
    url: &'a Url,
    target: PathBuf,
    transport: &'a Transport,
    console: &'a Console,
    received: u64,
    resumed_from: u64,
    /// Total size: the recipe's, else what the server announced.
    total: Option<u64>,
}

/// Why an attempt ended before the end of the file.
enum Stop {
    Fault(Fault),
    /// Nothing that another try could change, such as a full disk.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a> Download<'a> {
    /// Prepares to fetch `source` from `url` into `directory`.
    #[must_use]
    pub fn new(
        source: &'a Source,
        url: &'a Url,
        directory: &Path,
        transport: &'a Transport,
        console: &'a Console,
    ) -> Self {
        let target = directory.join(&source.file);
        Self { source, url, target, transport, console, received: 0, resumed_from: 0, total: source.bytes }
    }

    /// Fetches the file to `directory/FILE`.
    ///
    /// # Errors
    /// [`Error::Network`] when patience has run out; [`Error::Digest`], after which the file is removed;
    /// [`Error::WheelNotFound`], [`Error::Malformed`], [`Error::Io`].
    pub fn run(mut self, patience: Patience) -> Result<Transfer> {
        let mut partial = Partial::open(&self.target, self.limit())?;
        self.resumed_from = partial.len();
        if partial.len() > 0 {
            let of = self.total.map_or(String::new(), |total| format!(" of {total}"));
            self.console.note(format_args!("  {}: resuming after {}{of} bytes", self.source.file, partial.len()));
        }
        let progress = self.console.progress(&self.source.file, self.total);
        progress.start_at(partial.len());
        self.fetch(&mut partial, &progress, patience.clone())?;
        if partial.digest() != self.source.sha256 && self.resumed_from > 0 {
            // What an earlier process left may have been damaged since, or be of another file of that name.
            progress.note("  the resumed file does not match its digest; fetching it anew");
            self.forget(&mut partial, &progress)?;
            self.fetch(&mut partial, &progress, patience)?;
        }
        progress.done();
        let found = partial.digest();
        if found != self.source.sha256 {
            partial.discard()?;
            return Err(Error::Digest {
                path: PathBuf::from(shown(self.url)),
                found: found.to_string(),
                expected: self.source.sha256.to_string(),
                advice: "; the file was removed and nothing was installed",
            });
        }
        partial.finish(&self.target)?;
        Ok(Transfer { received: self.received, resumed_from: self.resumed_from })
    }

    fn limit(&self) -> u64 {
        self.total.unwrap_or(MAX_FILE_BYTES)
    }

    fn forget(&mut self, partial: &mut Partial, progress: &Progress) -> Result<()> {
        partial.restart()?;
        self.resumed_from = 0;
        progress.start_at(0);
        Ok(())
    }

    /// Tries until the file is complete.
    fn fetch(&mut self, partial: &mut Partial, progress: &Progress, mut patience: Patience) -> Result<()> {
        while self.total != Some(partial.len()) {
            let before = partial.len();
            let fault = match self.attempt(partial, progress) {
                Ok(()) => return Ok(()),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Fault(fault)) => fault,
            };
            if partial.len() >= before.saturating_add(WORTH_A_RETRY) {
                patience.reset();
            }
            match (&fault, patience.next_pause()) {
                (Fault::Again(reason), Some(pause)) => {
                    let seconds = pause.as_secs_f64();
                    progress.note(&format!("  {}: {reason}; trying again in {seconds:.1} s", self.source.file));
                    std::thread::sleep(pause);
                }
                (Fault::Missing, _) => {
                    let place = format!("at {}", shown(self.url));
                    return Err(Error::WheelNotFound { file: self.source.file.clone(), place });
                }
                _ => return Err(Error::Network { url: shown(self.url), reason: fault.to_string() }),
            }
        }
        Ok(())
    }

    /// One request, for what is missing.
    fn attempt(&mut self, partial: &mut Partial, progress: &Progress) -> Result<(), Stop> {
        let asked = partial.len();
        let reply = self.transport.get(self.url, "*/*", asked).map_err(Stop::Fault)?;
        let announced = match (reply.status, reply.range) {
            (206, Some(range)) if range.first == asked && (range.total.is_none() || self.fits(range.total)) => {
                range.total
            }
            (206 | 416, _) if asked > 0 => {
                progress.note(&format!("  {}: the server sent another part; starting anew", self.source.file));
                self.forget(partial, progress)?;
                return Err(Stop::Fault(Fault::Again("the wrong part was sent".to_owned())));
            }
            (200, _) => {
                if asked > 0 {
                    progress.note(&format!("  {}: the server cannot resume; starting anew", self.source.file));
                    self.forget(partial, progress)?;
                }
                reply.length
            }
            (status, _) => {
                return Err(Stop::Fault(Fault::Final(format!("the server answered {status} to a plain request"))));
            }
        };
        if announced.is_some() && !self.fits(announced) {
            let reason = format!("the server has {} bytes, expected {}", announced.unwrap_or_default(), self.limit());
            return Err(Stop::Error(Error::malformed(shown(self.url), "wheel", reason)));
        }
        self.total = self.total.or(announced);
        self.receive(reply, partial, progress)
    }

    /// Whether an announced total agrees with what is known.
    fn fits(&self, announced: Option<u64>) -> bool {
        match (announced, self.total) {
            (Some(announced), Some(total)) => announced == total,
            (Some(announced), None) => announced <= MAX_FILE_BYTES,
            (None, _) => true,
        }
    }

    fn receive(&mut self, mut reply: Reply, partial: &mut Partial, progress: &Progress) -> Result<(), Stop> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = match reply.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Stop::Fault(io_fault(&e))),
            };
            self.received += n as u64;
            if partial.len() + n as u64 > self.limit() {
                let reason = format!("the server sends more than the {} bytes expected", self.limit());
                return Err(Stop::Error(Error::malformed(shown(self.url), "wheel", reason)));
            }
            partial.append(&buffer[..n])?;
            progress.advance(n as u64);
        }
        match self.total {
            Some(total) if partial.len() < total => {
                let reason = format!("the connection ended after {} of {total} bytes", partial.len());
                Err(Stop::Fault(Fault::Again(reason)))
            }
            _ => Ok(()),
        }
    }
}
