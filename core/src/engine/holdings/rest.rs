//! What a conversation has computed, while nobody asks it anything.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Holdings;
use super::prefix::App;
use crate::adapter::Adapter;
use crate::engine::event::ContextSource;
use crate::engine::prompt::Prompt;
use crate::error::{Error, Result};
use crate::model::{BLOCK_TOKENS, KvCache};

/// Tokens below which it is quicker to compute keys and values again than to write and read a file.
const WORTH_A_FILE: usize = 2 * BLOCK_TOKENS;

/// A sequence that rests, with its keys and values: in memory, in a file, or to be computed again.
#[derive(Debug)]
pub struct Context {
    pub(super) app: App,
    /// Under which adapter it was computed ([`crate::adapter::Adapter::id`]).
    pub(super) adapter: Option<u64>,
    /// When it came to rest, as a count.
    since: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sequence: Prompt,
    place: Place,
}

/// Where keys and values are.
#[derive(Debug)]
enum Place {
    Memory(KvCache),
    File(Swapped),
    Gone,
}

/// Keys and values in a file without a name, which goes with the process.
#[derive(Debug)]
struct Swapped {
    file: File,
    /// An empty cache of the same shape and budget.
    empty: KvCache,
    len: usize,
}

impl Context {
    pub(super) fn new(app: App, adapter: Option<u64>, sequence: Prompt, cache: KvCache, since: u64) -> Self {
        Self { app, adapter, since, state: Mutex::new(State { sequence, place: Place::Memory(cache) }) }
    }

    /// The prompt, followed by the tokens that were generated.
    #[must_use]
    pub fn sequence(&self) -> Prompt {
        self.state().sequence.clone()
    }

    /// Positions whose keys and values are at hand, in memory or in a file.
    #[must_use]
    pub fn computed(&self) -> usize {
        match &self.state().place {
            Place::Memory(cache) => cache.len(),
            Place::File(swapped) => swapped.len,
            Place::Gone => 0,
        }
    }

    /// Forgets the last `count` positions.
    pub(in crate::engine) fn forget(&self, count: usize) {
        let mut state = self.state();
        let len = state.sequence.len().saturating_sub(count).max(1);
        state.sequence.truncate(len);
        match &mut state.place {
            Place::Memory(cache) => cache.truncate(len - 1),
            Place::File(swapped) => swapped.len = swapped.len.min(len - 1),
            Place::Gone => {}
        }
    }

    /// Whether it was computed for this app, with this adapter.
    pub(in crate::engine) fn is_of(&self, app: &App, adapter: Option<&Adapter>) -> bool {
        self.app == *app && self.adapter == adapter.map(|adapter| adapter.id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it came to rest, among those of its engine.
    pub(super) fn since(&self) -> u64 {
        self.since
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> u64 {
        match &self.state().place {
            Place::Memory(cache) => cache.bytes() as u64,
            Place::File(_) | Place::Gone => 0,
        }
    }

    /// Looks at its sequence, and at its keys and values where there are any; those that went to a file are read back, for which
    /// `holdings` make room.
    pub(in crate::engine) fn look<T>(
        &self,
        holdings: &Holdings,
        look: impl FnOnce(&Prompt, Option<&KvCache>) -> T,
    ) -> T {
        let (cache, _) = self.take(holdings);
        let sequence = self.sequence();
        let outcome = look(&sequence, cache.as_ref());
        if let Some(cache) = cache {
            self.state().place = Place::Memory(cache);
        }
        outcome
    }

    /// Frees its memory: into a file in `dir`, or for nothing where there is no folder, it is short, or the disk is full.
    /// Bytes that it held.
    pub(super) fn swap_out(&self, dir: Option<&Path>) -> u64 {
        let mut state = self.state();
        let Place::Memory(cache) = &state.place else { return 0 };
        let bytes = cache.bytes() as u64;
        let file = dir.filter(|_| cache.len() >= WORTH_A_FILE).map(|dir| write(cache, dir));
        state.place = match file {
            Some(Ok(file)) => {
                let mut empty = cache.clone();
                empty.truncate(0);
                Place::File(Swapped { file, empty, len: cache.len() })
            }
            Some(Err(error)) => {
                log::warn!("a context could not be written and will be computed again: {error}");
                Place::Gone
            }
            None => Place::Gone,
        };
        bytes
    }

    /// Its keys and values, read back where they are in a file, for which `holdings` make room; none where they are to be computed
    /// again.
    pub(super) fn take(&self, holdings: &Holdings) -> (Option<KvCache>, ContextSource) {
        // Room is made by writing other contexts, so none is locked meanwhile.
        let place = std::mem::replace(&mut self.state().place, Place::Gone);
        match place {
            Place::Memory(cache) => (Some(cache), ContextSource::Memory),
            Place::File(swapped) => match swapped.read(holdings, &self.app) {
                Ok(cache) => (Some(cache), ContextSource::File),
                Err(error) => {
                    log::warn!("a context could not be read back and is computed again: {error}");
                    (None, ContextSource::Recomputed)
                }
            },
            Place::Gone => (None, ContextSource::Recomputed),
        }
    }
}

fn write(cache: &KvCache, dir: &Path) -> Result<File> {
    let failed = |error| Error::io(dir, error);
    let mut file = tempfile::tempfile_in(dir).map_err(failed)?;
    for block in cache.blocks() {
        file.write_all(block.bytes()).map_err(failed)?;
    }
    Ok(file)
}

impl Swapped {
    fn read(mut self, holdings: &Holdings, app: &App) -> Result<KvCache> {
        let failed = |error| Error::io("a swapped context", error);
        self.file.rewind().map_err(failed)?;
        let shape = self.empty.shape();
        let mut bytes = vec![0; shape.block()];
        let mut blocks = Vec::new();
        for _ in 0..self.len.div_ceil(BLOCK_TOKENS) {
            self.file.read_exact(&mut bytes).map_err(failed)?;
            let block = holdings.block(app, shape, &bytes).map_err(|shortage| shortage.error("a context"))?;
            blocks.push(block);
        }
        self.empty.resume(blocks, self.len);
        Ok(self.empty)
    }
}
