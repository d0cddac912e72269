//! Keys and values of prompts that were computed before, by what they were computed from.
//!
//! A block's address is a hash of all positions up to its end and of everything else that its values depend on: component,
//! adapter, shape. The app is part of it, so that no app finds, or can tell from a shorter wait, what another one asked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::engine::prompt::Prompt;
use crate::model::{BLOCK_TOKENS, CacheBlock, CacheShape};

/// An app, or the owner of the engine.
pub(super) type App = Option<Arc<str>>;

/// How long after its last use a block counts for its app's share: longer than somebody reads before the next question.
const FRESH: Duration = Duration::from_secs(60);

/// Address of a block.
type Key = [u8; 32];

/// What keys and values depend on beside the sequence, and whose they are.
#[derive(Clone, Debug)]
pub(super) struct Realm<'a> {
    pub(super) app: &'a App,
    /// [`crate::adapter::Adapter::id`].
    pub(super) adapter: Option<u64>,
    pub(super) component: &'a str,
    pub(super) shape: CacheShape,
}

impl Realm<'_> {
    /// Addresses of the whole blocks that the first `len` positions of `sequence` fill.
    pub(super) fn keys(&self, sequence: &Prompt, len: usize) -> Vec<Key> {
        let mut hash = Sha256::new();
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        // Whose they are, and whether there is somebody: a name may be empty, and a number 0.
        field(&[u8::from(self.app.is_some()), u8::from(self.adapter.is_some())]);
        field(self.app.as_deref().unwrap_or_default().as_bytes());
        field(&self.adapter.unwrap_or_default().to_le_bytes());
        field(self.component.as_bytes());
        let CacheShape { layers, kv_heads, head_dim, kind } = self.shape;
        field(format!("{layers} {kv_heads} {head_dim} {kind:?}").as_bytes());
        let mut parent: Key = hash.finalize().into();
        let block = |number: usize| {
            let mut hash = Sha256::new_with_prefix(parent);
            sequence.hash(number * BLOCK_TOKENS..(number + 1) * BLOCK_TOKENS, &mut hash);
            parent = hash.finalize().into();
            parent
        };
        (0..len.min(sequence.len()) / BLOCK_TOKENS).map(block).collect()
    }
}

struct Entry {
    block: Arc<CacheBlock>,
    app: App,
    /// Blocks before it.
    depth: usize,
    used: Used,
}

/// When a block was used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Used {
    at: Instant,
    /// The use among all of them.
    number: u64,
}

/// Whole blocks of sequences that were computed, up to a number of bytes.
#[derive(Default)]
pub(super) struct PrefixCache {
    entries: HashMap<Key, Entry>,
    /// Bytes by app.
    bytes: BTreeMap<App, u64>,
    limit: u64,
    uses: u64,
}

impl std::fmt::Debug for PrefixCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrefixCache({} blocks, {} bytes)", self.entries.len(), self.bytes())
    }
}

impl PrefixCache {
    /// One that keeps `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    fn use_at(&mut self, at: Instant) -> Used {
        self.uses += 1;
        Used { at, number: self.uses }
    }

    /// The blocks at the first addresses of `keys`, as many as there are.
    pub(super) fn find(&mut self, keys: &[Key], now: Instant) -> Vec<Arc<CacheBlock>> {
        let used = self.use_at(now);
        let mut found = Vec::new();
        for key in keys {
            let Some(entry) = self.entries.get_mut(key) else { break };
            entry.used = used;
            found.push(Arc::clone(&entry.block));
        }
        found
    }

    /// Keeps blocks at their addresses, beside or in place of what was used longest ago.
    pub(super) fn keep(&mut self, app: &App, keys: &[Key], blocks: &[Arc<CacheBlock>], now: Instant) {
        let used = self.use_at(now);
        for (depth, (key, block)) in keys.iter().zip(blocks).enumerate() {
            let bytes = block.bytes().len() as u64;
            self.entries.entry(*key).and_modify(|entry| entry.used = used).or_insert_with(|| {
                *self.bytes.entry(app.clone()).or_default() += bytes;
                Entry { block: Arc::clone(block), app: app.clone(), depth, used }
            });
        }
        while self.bytes() > self.limit && self.evict(now) {}
    }

    /// Frees the block that was used longest ago of those that nothing else holds: of `app`, or else of the app that has most.
    /// False where there is none.
    pub(super) fn free(&mut self, app: Option<&App>) -> bool {
        let mut apps: Vec<(u64, App)> = self.bytes.iter().map(|(app, bytes)| (*bytes, app.clone())).collect();
        apps.sort_unstable_by(|a, b| b.cmp(a));
        let wanted = apps.into_iter().map(|(_, own)| own).filter(|own| app.is_none_or(|app| app == own));
        wanted.into_iter().any(|app| self.forget(&app, |entry| Arc::strong_count(&entry.block) == 1))
    }

    /// Forgets what was used longest ago, if that is long ago, and else of the app that has most; false where there is nothing.
    fn evict(&mut self, now: Instant) -> bool {
        let stale = self.entries.values().min_by_key(|entry| entry.used);
        let stale = stale.filter(|entry| now.saturating_duration_since(entry.used.at) > FRESH);
        let most = || self.bytes.iter().max_by_key(|(_, bytes)| **bytes).map(|(app, _)| app.clone());
        let gives = stale.map(|entry| entry.app.clone()).or_else(most);
        gives.is_some_and(|app| self.forget(&app, |_| true))
    }

    fn forget(&mut self, app: &App, may: impl Fn(&Entry) -> bool) -> bool {
        // Of blocks that were used together the last one first: none is of use without those before it.
        let own = self.entries.iter().filter(|(_, entry)| entry.app == *app && may(entry));
        let Some(key) = own.min_by_key(|(_, entry)| (entry.used, Reverse(entry.depth))).map(|(key, _)| *key) else {
            return false;
        };
        let entry = self.entries.remove(&key).expect("invariant: it was just found");
        let bytes = self.bytes.get_mut(app).expect("invariant: apps with blocks are counted");
        *bytes -= entry.block.bytes().len() as u64;
        if *bytes == 0 {
            self.bytes.remove(app);
        }
        true
    }

    /// Forgets all; bytes that were kept.
    pub(super) fn clear(&mut self) -> u64 {
        let bytes = self.bytes();
        self.entries.clear();
        self.bytes.clear();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CacheType, KvCache};

    const SHAPE: CacheShape = CacheShape { layers: 1, kv_heads: 1, head_dim: 16, kind: CacheType::F16 };

    fn app(name: &str) -> App {
        Some(Arc::from(name))
    }

    fn realm(app: &App) -> Realm<'_> {
        Realm { app, adapter: None, component: "backbone", shape: SHAPE }
    }

    fn prompt(tokens: impl IntoIterator<Item = u32>) -> Prompt {
        Prompt::from(tokens.into_iter().collect::<Vec<_>>())
    }

    fn blocks(count: usize) -> Vec<Arc<CacheBlock>> {
        let mut cache = KvCache::new(SHAPE);
        cache.reserve(count * BLOCK_TOKENS).expect("no budget");
        cache.grow(count * BLOCK_TOKENS);
        cache.blocks().to_vec()
    }

    #[test]
    fn an_address_depends_on_all_that_the_values_depend_on() {
        let (mail, none) = (app("mail"), None);
        let text = prompt(0..40);
        let base = realm(&mail).keys(&text, 40);
        assert_eq!(base.len(), 2, "whole blocks alone");
        assert_eq!(base, realm(&mail).keys(&prompt(0..33), 33));
        assert_eq!(realm(&mail).keys(&text, 31).len(), 1);
        // One more token in the second block's place changes it and leaves the first.
        let other = realm(&mail).keys(&prompt((0..20).chain(99..119)), 40);
        assert!(other[0] == base[0] && other[1] != base[1]);
        // The first block differs: so does all that follows.
        let shifted = realm(&mail).keys(&prompt((1..17).chain(16..32)), 32);
        assert!(shifted[0] != base[0] && shifted[1] != base[1]);
        let notes = app("notes");
        for realm in [
            realm(&notes),
            realm(&none),
            Realm { adapter: Some(0), ..realm(&mail) },
            Realm { adapter: Some(1), ..realm(&mail) },
            Realm { component: "vision-language", ..realm(&mail) },
            Realm { shape: CacheShape { kind: CacheType::F32, ..SHAPE }, ..realm(&mail) },
        ] {
            assert_ne!(realm.keys(&text, 40)[0], base[0], "{realm:?}");
        }
        // Soft tokens by their values.
        let soft = |value: f32| {
            let mut prompt = prompt(0..15);
            prompt.push_soft(vec![value, 1.0], 2).expect("soft");
            realm(&mail).keys(&prompt, 16)
        };
        assert!(
            soft(0.5) == soft(0.5) && soft(0.5) != soft(0.25) && soft(0.5) != realm(&mail).keys(&prompt(0..16), 16)
        );
    }

    #[test]
    fn what_was_used_longest_ago_goes_and_of_one_sequence_its_end() {
        let (mail, notes) = (app("mail"), app("notes"));
        let now = Instant::now();
        let size = SHAPE.block() as u64;
        let mut cache = PrefixCache::new(4 * size);
        let (a, b) = (realm(&mail).keys(&prompt(0..48), 48), realm(&mail).keys(&prompt(100..116), 16));
        cache.keep(&mail, &a, &blocks(3), now);
        cache.keep(&mail, &b, &blocks(1), now);
        assert_eq!((cache.find(&a, now).len(), cache.find(&b, now).len(), cache.bytes()), (3, 1, 4 * size));
        // The app that has most gives way, with the end of what it used longest ago.
        let c = realm(&notes).keys(&prompt(0..16), 16);
        cache.keep(&notes, &c, &blocks(1), now);
        assert_eq!((cache.find(&a, now).len(), cache.find(&b, now).len(), cache.find(&c, now).len()), (2, 1, 1));
        assert!(cache.free(Some(&notes)) && !cache.free(Some(&notes)), "it had one");
        assert_eq!(cache.bytes(), 3 * size);
        let held = cache.find(&a, now);
        assert!(cache.free(None) && !cache.free(None), "two of three are in use");
        drop(held);
        assert_eq!(cache.clear(), 2 * size);
        assert!(cache.find(&a, now).is_empty() && !cache.free(None));
    }
    #[test]
    fn what_is_stale_goes_before_what_somebody_uses() {
        let (mail, notes) = (app("mail"), app("notes"));
        let mut cache = PrefixCache::new(4 * SHAPE.block() as u64);
        let begin = Instant::now();
        let later = begin + FRESH + Duration::from_secs(1);
        let keys = |app: &App, from: u32, len: u32| realm(app).keys(&prompt(from..from + len), len as usize);
        let (old, long) = (keys(&mail, 0, 32), keys(&notes, 100, 64));
        cache.keep(&mail, &old, &blocks(2), begin);
        // The app that has most would have to share.
        cache.keep(&notes, &long, &blocks(4), begin + FRESH);
        assert_eq!(cache.find(&long, begin + FRESH).len(), 2);
        cache.keep(&notes, &long, &blocks(4), later);
        assert_eq!((cache.find(&long, later).len(), cache.find(&old, later).len()), (4, 0));
    }
}
