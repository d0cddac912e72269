//! Contexts between the turns of a conversation, and from one process to the next.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::holdings::{Context, Header, Saved, save};
use super::language::LanguageModel;
use super::prompt::Prompt;
use crate::adapter::Adapter;
use crate::budget::Shortage;
use crate::error::{Error, Result};
use crate::model::KvCache;

/// What is done about a saved context that belongs to other weights, or to another adapter, than run now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// It is an error that names what differs.
    #[default]
    Refuse,
    /// What was said stays; what was computed is computed again.
    Recompute,
}

/// For whom a context is kept.
type App = Option<Arc<str>>;

impl Engine {
    /// Writes a context to `path`, or the note alone where nothing was computed.
    ///
    /// # Errors
    /// [`Error::Io`], and then what was at `path` stays; as [`Engine::language`].
    pub(crate) fn save_context(
        &self,
        path: &Path,
        app: &App,
        adapter: Option<&Adapter>,
        context: Option<&Context>,
        note: String,
    ) -> Result<()> {
        let model = self.language()?;
        let empty = model.backbone().new_cache();
        let write = |sequence: &Prompt, cache: &KvCache| {
            save(path, &self.header(&model, adapter, cache, note)?, sequence, cache)
        };
        let usable = context.filter(|context| context.is_of(app, adapter));
        match usable {
            None => write(&Prompt::new(), &empty),
            Some(context) => context.look(&self.holdings, |sequence, cache| write(sequence, cache.unwrap_or(&empty))),
        }
    }

    /// Reads a context that was saved: the note, and what was computed, where that fits.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Digest`], [`Error::Memory`]; [`Error::Context`] where `mismatch` says so.
    pub(crate) fn restore_context(
        &self,
        path: &Path,
        app: &App,
        adapter: Option<&Adapter>,
        mismatch: Mismatch,
    ) -> Result<(String, Option<Arc<Context>>)> {
        let short = |shortage: Shortage| shortage.error("a saved context");
        let saved = Saved::open(path, |bytes| self.holdings.hold(app, bytes).map_err(short))?;
        let note = saved.note().to_owned();
        let model = self.language()?;
        let cache = model.backbone().new_cache_within(self.holdings.budget(app));
        let now = self.header(&model, adapter, &cache, String::new())?;
        let restored = saved.restore(&now, cache, |shape, bytes| self.holdings.block(app, shape, bytes).map_err(short));
        match restored {
            Ok((sequence, cache)) => Ok((note, Some(self.holdings.rest(app.clone(), adapter, sequence, cache)))),
            Err(Error::Context { .. }) if mismatch == Mismatch::Recompute => Ok((note, None)),
            Err(error) => Err(error),
        }
    }

    fn header(
        &self,
        model: &LanguageModel,
        adapter: Option<&Adapter>,
        cache: &KvCache,
        note: String,
    ) -> Result<Header> {
        let component = self.foundation.named(&model.part().name)?;
        Ok(Header::new((component.name(), component.fingerprint()?), adapter, cache, note))
    }
}
