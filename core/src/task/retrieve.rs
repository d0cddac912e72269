//! Retrieval: a small index in memory over embeddings of any modality.

use std::time::Instant;

use serde::Serialize;

use super::embed::{EmbedOptions, Embedding, similarity};
use crate::adapter::DataPath;
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::foundation::ComponentKind;
use crate::input::Input;
use crate::model::Modality;

/// Largest index; every search reads all of it.
const MAX_ENTRIES: usize = 1 << 20;

impl Engine {
    /// The vector by which `query` is looked up among embeddings of `entries`, a modality: its own embedding; for a text
    /// among other data, that by the text encoder of the entries' space, at the place where the entries' tower puts texts.
    /// `options` are for a query that is read as the entries are.
    ///
    /// # Errors
    /// As [`Engine::embed`] and [`Engine::anchor`]; [`Error::Unsupported`] for spaces that cannot be compared;
    /// [`Error::Adapter`] for one beside a text among other data.
    pub fn query(&self, query: impl Into<Input>, entries: Modality, options: &EmbedOptions) -> Result<Embedding> {
        let query = query.into();
        let (modality, _) = self.reader(&query, options.modality, options.adapter.as_deref())?;
        if modality == entries {
            return self.embed(query, options);
        }
        let Input::Text(text) = &query else {
            self.check_spaces(modality, entries)?;
            return self.embed(query, options);
        };
        if let Some(adapter) = &options.adapter {
            let reason = format!("a text among {entries} is read by the bare text encoder of their space");
            return Err(Error::adapter(&adapter.alias, reason));
        }
        let anchor = self.anchor(entries)?;
        let start = Instant::now();
        let (mut vectors, ran) = anchor.embed(&[text], None)?;
        let vector = vectors.pop().expect("invariant: one text gives one vector");
        let trace = Trace::new(DataPath::Encoder, vec![anchor.part().step(start).on(ran)]);
        let model = self.encoder(entries)?;
        let (found, expected) = (vector.len(), model.encoder().dim());
        if found != expected {
            let reason = format!("the query's encoder has {found} dimensions, the one of the entries {expected}");
            return Err(Error::unsupported("retrieval across spaces", reason));
        }
        let vector = match model.encoder().anchor() {
            Some(own) => own.apply(&vector),
            None => vector,
        };
        Ok(Embedding { vector, trace })
    }
}

impl Engine {
    /// Succeeds when vectors of a query's modality can be compared with those of the entries: both are wired to one space, or
    /// neither is wired, and neither moves the texts that it is compared with.
    fn check_spaces(&self, query: Modality, entries: Modality) -> Result<()> {
        let refuse = |reason: String| Err(Error::unsupported("retrieval across spaces", reason));
        let anchor_of = |modality: Modality| match modality {
            Modality::TEXT => self.foundation().component(ComponentKind::TEXT),
            other => self.foundation().anchor(other),
        };
        let (one, other) = (anchor_of(query)?.name(), anchor_of(entries)?.name());
        if one != other {
            return refuse(format!("{query} is in the space of '{one}', the entries in that of '{other}'"));
        }
        for modality in [query, entries].into_iter().filter(|modality| *modality != Modality::TEXT) {
            if self.encoder(modality)?.encoder().anchor().is_some() {
                return refuse(format!("the {modality} tower moves texts into a space of its own; look up by text"));
            }
        }
        Ok(())
    }
}

/// Embeddings of one space by key. Search is exact: `entries * dim` products.
#[derive(Clone, Debug, Default)]
pub struct Index {
    keys: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

/// One result of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// The entry's key.
    pub key: String,
    /// Cosine similarity, -1 to 1.
    pub similarity: f32,
}

impl Index {
    /// Adds an entry, or replaces the one of the same key.
    ///
    /// # Errors
    /// [`Error::Argument`] for a vector of another length than those before, one that is not finite, or a full index;
    /// the index is unchanged then.
    pub fn insert(&mut self, key: impl Into<String>, vector: Vec<f32>) -> Result<()> {
        self.check(&vector)?;
        let key = key.into();
        if let Some(known) = self.keys.iter().position(|other| *other == key) {
            self.vectors[known] = vector;
            return Ok(());
        }
        if self.keys.len() == MAX_ENTRIES {
            return Err(Error::argument("index", format!("it holds {MAX_ENTRIES} entries, which is its limit")));
        }
        self.keys.push(key);
        self.vectors.push(vector);
        Ok(())
    }

    /// Removes an entry; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(at) = self.keys.iter().position(|other| other == key) else { return false };
        self.keys.remove(at);
        self.vectors.remove(at);
        true
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The `count` entries most similar to `query`, best first; equals come in the order in which they were added.
    ///
    /// # Errors
    /// [`Error::Argument`] for a query of another length.
    pub fn search(&self, query: &[f32], count: usize) -> Result<Vec<Match>> {
        self.check(query)?;
        let mut matches: Vec<Match> = self
            .keys
            .iter()
            .zip(&self.vectors)
            .map(|(key, vector)| Match { key: key.clone(), similarity: similarity(query, vector) })
            .collect();
        matches.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        matches.truncate(count);
        Ok(matches)
    }

    fn check(&self, vector: &[f32]) -> Result<()> {
        let expected = self.vectors.first().map_or(vector.len(), Vec::len);
        if vector.is_empty() || vector.len() != expected {
            return Err(Error::argument("vector", format!("{} values, expected {expected}", vector.len())));
        }
        match vector.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::argument("vector", format!("value {at} is {}", vector[at]))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_bad_vectors_are_refused() {
        let mut index = Index::default();
        assert!(index.search(&[1.0], 3).expect("searched").is_empty());
        for (key, vector) in [("east", [1.0, 0.0]), ("north", [0.0, 2.0]), ("north-east", [1.0, 1.0])] {
            index.insert(key, vector.to_vec()).expect("inserted");
        }
        let found = index.search(&[0.1, 1.0], 2).expect("searched");
        assert_eq!(found.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["north", "north-east"]);
        index.insert("north", vec![-1.0, 0.0]).expect("replaced");
        assert_eq!((index.len(), index.search(&[0.1, 1.0], 1).expect("searched")[0].key.as_str()), (3, "north-east"));
        assert!(index.insert("up", vec![1.0, 0.0, 0.0]).is_err() && index.insert("nan", vec![f32::NAN, 0.0]).is_err());
        assert!(index.remove("east") && !index.remove("east") && index.len() == 2);
    }
}
