//! Classes that are known only from the rows which name them.

use std::collections::BTreeSet;

use super::folder::Text;
use crate::error::Result;

/// Of a set; ImageNet-21k has no more.
pub(super) const MAX_LABELS: usize = 100_000;

/// Names, each once, sorted.
#[derive(Default)]
pub(super) struct Labels(BTreeSet<String>);

impl Labels {
    pub fn add(&mut self, file: &Text, place: &str, name: &str) -> Result<()> {
        if !self.0.contains(name) {
            if self.0.len() == MAX_LABELS {
                return Err(file.wrong(place, format!("more than {MAX_LABELS} classes")));
            }
            self.0.insert(name.to_owned());
        }
        Ok(())
    }

    pub fn into_names(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}
