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
    /// It was in a file, and was read back before somebody asked for it.
    was_in_file: bool,
    /// How often it was taken.
    taken: u64,
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

impl State {
    fn new(sequence: Prompt, cache: KvCache) -> Self {
        Self { sequence, place: Place::Memory(cache), was_in_file: false, taken: 0 }
    }

    /// Positions whose keys and values may be kept: the last one was never fed back.
    fn most(&self) -> usize {
        self.sequence.len().saturating_sub(1)
    }
}

impl Context {
    pub(super) fn new(app: App, adapter: Option<u64>, sequence: Prompt, cache: KvCache, since: u64) -> Self {
        Self { app, adapter, since, state: Mutex::new(State::new(sequence, cache)) }
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

    /// Bytes that it has in a file.
    pub(super) fn stored(&self) -> u64 {
        match &self.state().place {
            Place::File(swapped) => swapped.bytes(),
            Place::Memory(_) | Place::Gone => 0,
        }
    }

    /// Reads it back where it is in a file, for which `holdings` make room, so that whoever takes it need not.
    pub(in crate::engine) fn warm(&self, holdings: &Holdings) {
        if self.stored() > 0
            && let (Some(cache), _) = self.take(holdings)
        {
            let mut state = self.state();
            state.place = Place::Memory(cache);
            state.was_in_file = true;
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
        let (cache, taken) = {
            let mut state = self.state();
            match std::mem::replace(&mut state.place, Place::Gone) {
                Place::Memory(cache) => (cache, state.taken),
                other => {
                    state.place = other;
                    return 0;
                }
            }
        };
        // Not locked while the disk works. Whoever wants it meanwhile computes it again.
        let bytes = cache.bytes() as u64;
        let file = dir.filter(|_| cache.len() >= WORTH_A_FILE).map(|dir| write(&cache, dir));
        let mut state = self.state();
        match file {
            Some(Ok(file)) if state.taken == taken => {
                let len = cache.len().min(state.most());
                let mut empty = cache;
                empty.truncate(0);
                state.place = Place::File(Swapped { file, empty, len });
            }
            Some(Err(error)) => log::warn!("a context could not be written and will be computed again: {error}"),
            _ => {}
        }
        bytes
    }

    /// Its keys and values, read back where they are in a file, for which `holdings` make room; none where they are to be computed
    /// again.
    pub(super) fn take(&self, holdings: &Holdings) -> (Option<KvCache>, ContextSource) {
        // Room is made by writing other contexts, so none is locked meanwhile.
        let (place, was_in_file) = {
            let mut state = self.state();
            state.taken += 1;
            let was_in_file = std::mem::take(&mut state.was_in_file);
            (std::mem::replace(&mut state.place, Place::Gone), was_in_file)
        };
        match place {
            Place::Memory(cache) if was_in_file => (Some(cache), ContextSource::File),
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
    fn bytes(&self) -> u64 {
        (self.len.div_ceil(BLOCK_TOKENS) * self.empty.shape().block()) as u64
    }

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
