//! What an engine holds in anonymous memory beside running requests, whose it is, and what goes when memory is short.
//!
//! What goes first is what costs least: blocks of prefixes that nobody uses; then contexts at rest, the one that rests longest
//! first; then adapters that nobody holds. Running requests keep what they have.

mod prefix;
mod rest;
mod saved;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use prefix::{App, PrefixCache, Realm};
pub use rest::Context;
pub(super) use saved::{Header, Saved, save};

use crate::adapter::{Adapter, AdapterRegistry};
use crate::budget::{Budget, Held, Scope, Shortage};
use crate::engine::event::ContextSource;
use crate::engine::language::LanguageModel;
use crate::engine::prompt::Prompt;
use crate::engine::request::Request;
use crate::engine::schedule::Quotas;
use crate::model::{BLOCK_TOKENS, CacheBlock, CacheShape, KvCache};

/// Apps beyond which those that hold nothing are looked for.
const MANY: usize = 1024;

/// All that an engine holds.
#[derive(Debug)]
pub(super) struct Holdings {
    whole: Arc<Budget>,
    /// Where contexts at rest go when memory is short; nowhere, if it is `None`.
    swap: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    prefixes: PrefixCache,
    budgets: BTreeMap<Arc<str>, Arc<Budget>>,
    /// Contexts at rest that an app may have in memory, where that is not the default.
    most_resting: BTreeMap<Arc<str>, usize>,
    resting: Vec<Weak<Context>>,
    registries: Vec<(App, Weak<AdapterRegistry>)>,
    /// Contexts that have come to rest: a clock.
    rests: u64,
}

/// What is held beside running requests, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeldBytes {
    /// Blocks of prefixes. Contexts may share them.
    pub prefixes: u64,
    /// Contexts at rest, in memory.
    pub resting: u64,
    /// Matrices of adapters.
    pub adapters: u64,
}

impl Holdings {
    /// Those of an engine whose budget is `whole`; `prefix` bytes of it may be prefixes.
    pub(super) fn new(whole: Arc<Budget>, prefix: u64, swap: Option<PathBuf>) -> Self {
        let state = State {
            prefixes: PrefixCache::new(prefix),
            budgets: BTreeMap::new(),
            most_resting: BTreeMap::new(),
            resting: Vec::new(),
            registries: Vec::new(),
            rests: 0,
        };
        Self { whole, swap, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bounds what an app holds from now on.
    pub(super) fn bound(&self, app: &Arc<str>, quotas: &Quotas) {
        self.budget(&Some(Arc::clone(app))).set_limit(quotas.bytes);
        let mut state = self.state();
        if *quotas == Quotas::default() {
            state.most_resting.remove(app);
        } else {
            state.most_resting.insert(Arc::clone(app), quotas.contexts);
        }
    }

    /// The budget of an app, that of [`Quotas::default`] until it is bounded; of the engine's owner all there is.
    pub(super) fn budget(&self, app: &App) -> Arc<Budget> {
        match app {
            None => Arc::clone(&self.whole),
            Some(app) => {
                let mut state = self.state();
                if state.budgets.len() >= MANY {
                    let State { budgets, most_resting, .. } = &mut *state;
                    let in_use = |budget: &Arc<Budget>| budget.used() > 0 || Arc::strong_count(budget) > 1;
                    budgets.retain(|app, budget| most_resting.contains_key(app) || in_use(budget));
                }
                let budget =
                    state.budgets.entry(Arc::clone(app)).or_insert_with(|| self.whole.part(Quotas::default().bytes));
                Arc::clone(budget)
            }
        }
    }

    /// Gives `request` keys and values to begin with: those of the context that it goes on from, where that is of the same app
    /// and adapter, or longer ones that were computed before.
    pub(super) fn prime(&self, model: &LanguageModel, request: &mut Request) {
        let app = &request.options.caller.app;
        let adapter = request.adapter.as_deref();
        let (own, source) = match request.context.take() {
            None => (request.cache.take(), ContextSource::Fresh),
            Some(context) => self.wake(&context, app, adapter, &request.prompt),
        };
        let mut cache = own.unwrap_or_else(|| model.backbone().new_cache_within(self.budget(app)));
        let realm = realm(model, app, adapter, &cache);
        // The last position runs in any case, for its logits.
        let keys = realm.keys(&request.prompt, request.prompt.len() - 1);
        if keys.len() * BLOCK_TOKENS > cache.len() {
            let found = self.state().prefixes.find(&keys, Instant::now());
            let len = found.len() * BLOCK_TOKENS;
            if len > cache.len() {
                cache.resume(found, len);
            }
        }
        request.cache = Some(cache);
        request.source = source;
    }

    /// Keys and values for `prompt`, as far as `context` has them for the same app and adapter, and where they were.
    fn wake(
        &self,
        context: &Context,
        app: &App,
        adapter: Option<&Adapter>,
        prompt: &Prompt,
    ) -> (Option<KvCache>, ContextSource) {
        if !context.is_of(app, adapter) {
            return (None, ContextSource::Recomputed);
        }
        let (cache, source) = context.take(self);
        let shared = context.sequence().shared_prefix(prompt);
        let cache = cache.map(|mut cache| {
            cache.truncate(shared);
            cache
        });
        (cache, source)
    }

    /// Keeps the whole blocks of what was computed for an app.
    pub(super) fn keep(
        &self,
        model: &LanguageModel,
        app: &App,
        adapter: Option<&Adapter>,
        sequence: &Prompt,
        cache: &KvCache,
    ) {
        let keys = realm(model, app, adapter, cache).keys(sequence, cache.len());
        self.state().prefixes.keep(app, &keys, cache.blocks(), Instant::now());
    }

    /// A sequence comes to rest.
    pub(super) fn rest(&self, app: App, adapter: Option<&Adapter>, sequence: Prompt, cache: KvCache) -> Arc<Context> {
        let mut state = self.state();
        state.rests += 1;
        let context = Arc::new(Context::new(app, adapter.map(|adapter| adapter.id), sequence, cache, state.rests));
        state.resting.retain(|context| context.strong_count() > 0);
        state.resting.push(Arc::downgrade(&context));
        context
    }

    /// Lets those contexts of an app go that rest longest, beyond as many as it may have in memory.
    pub(super) fn settle(&self, app: &App) {
        let Some(name) = app else { return };
        let most = self.state().most_resting.get(name).copied().unwrap_or(Quotas::default().contexts);
        let mut own = self.resting();
        own.retain(|context| context.app == *app && context.bytes() > 0);
        own.sort_unstable_by_key(|context| context.since());
        let beyond = own.len().saturating_sub(most);
        own[..beyond].iter().for_each(|context| {
            self.let_go(context);
        });
    }

    /// Frees the memory of a context: into a file, as long as those of its app are no more bytes than it may have in memory, or to
    /// be computed again. Bytes that it held.
    fn let_go(&self, context: &Context) -> u64 {
        let stored = || -> u64 {
            self.resting().iter().filter(|other| other.app == context.app).map(|other| other.stored()).sum()
        };
        let most = self.budget(&context.app).limit();
        let folder = self.swap.as_deref().filter(|_| stored().saturating_add(context.bytes()) <= most);
        context.swap_out(folder)
    }

    /// A block of what was written, out of the budget of an app.
    ///
    /// # Errors
    /// [`Shortage`] when nothing is left to free.
    pub(super) fn block(&self, app: &App, shape: CacheShape, bytes: &[u8]) -> Result<Arc<CacheBlock>, Shortage> {
        let budget = self.budget(app);
        insist(self, app, || CacheBlock::restore(shape, &budget, bytes))
    }

    /// `bytes` out of the budget of an app, for a while.
    ///
    /// # Errors
    /// [`Shortage`] when nothing is left to free.
    pub(super) fn hold(&self, app: &App, bytes: u64) -> Result<Held, Shortage> {
        let budget = self.budget(app);
        insist(self, app, || budget.take(bytes))
    }

    /// Frees something that nobody is using: of `app` alone where the shortage is its own. False where there is nothing left.
    pub(super) fn reclaim(&self, scope: Scope, app: &App) -> bool {
        let own = (scope == Scope::App).then_some(app);
        if self.state().prefixes.free(own) {
            return true;
        }
        let resting = self.resting();
        let mine = resting.iter().filter(|context| own.is_none_or(|app| context.app == *app));
        let longest = mine.filter(|context| context.bytes() > 0).min_by_key(|context| context.since());
        if longest.is_some_and(|context| self.let_go(context) > 0) {
            return true;
        }
        let registries = self.registries(own);
        let idlest = registries.iter().filter_map(|registry| Some((registry.idle_since()?, registry)));
        idlest.min_by_key(|(since, _)| *since).is_some_and(|(_, registry)| registry.sleep_idlest() > 0)
    }

    /// Looks after the adapters of an app.
    pub(super) fn watch(&self, app: App, registry: &Arc<AdapterRegistry>) {
        let mut state = self.state();
        state.registries.retain(|(_, registry)| registry.strong_count() > 0);
        state.registries.push((app, Arc::downgrade(registry)));
    }

    fn registries(&self, of: Option<&App>) -> Vec<Arc<AdapterRegistry>> {
        let state = self.state();
        let wanted = state.registries.iter().filter(|(app, _)| of.is_none_or(|of| of == app));
        wanted.filter_map(|(_, registry)| registry.upgrade()).collect()
    }

    /// Puts all adapters to sleep that nobody holds; bytes that they had.
    pub(super) fn sleep_adapters(&self) -> u64 {
        let mut freed = 0;
        for registry in self.registries(None) {
            while let bytes @ 1.. = registry.sleep_idlest() {
                freed += bytes;
            }
        }
        freed
    }

    fn resting(&self) -> Vec<Arc<Context>> {
        self.state().resting.iter().filter_map(Weak::upgrade).collect()
    }

    /// Forgets all prefixes; bytes that they held.
    pub(super) fn forget_prefixes(&self) -> u64 {
        self.state().prefixes.clear()
    }

    /// Moves all contexts at rest out of memory; bytes that they held.
    pub(super) fn swap_out(&self) -> u64 {
        self.resting().iter().map(|context| self.let_go(context)).sum()
    }

    /// What is held beside running requests.
    pub(super) fn bytes(&self) -> HeldBytes {
        let resting = self.resting().iter().map(|context| context.bytes()).sum();
        let adapters = self.registries(None).iter().map(|registry| registry.bytes()).sum();
        HeldBytes { prefixes: self.state().prefixes.bytes(), resting, adapters }
    }
}

fn realm<'a>(model: &'a LanguageModel, app: &'a App, adapter: Option<&Adapter>, cache: &KvCache) -> Realm<'a> {
    let adapter = adapter.map(|adapter| adapter.id);
    Realm { app, adapter, component: &model.part().name, shape: cache.shape() }
}

/// Frees what nobody uses until `take` has what it asks for.
///
/// # Errors
/// [`Shortage`] when nothing is left to free.
pub(super) fn insist<T>(
    holdings: &Holdings,
    app: &App,
    mut take: impl FnMut() -> Result<T, Shortage>,
) -> Result<T, Shortage> {
    loop {
        match take() {
            Err(shortage) if holdings.reclaim(shortage.scope, app) => {}
            outcome => return outcome,
        }
    }
}
