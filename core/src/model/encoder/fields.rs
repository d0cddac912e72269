//! Bounded reading of `config.json`: every size is checked before anything is allocated for it.

use serde_json::Value;

use crate::error::{Error, Result};

/// Widths, heads, kernels and the like.
pub(crate) const MAX_WIDTH: usize = 1 << 16;
/// Blocks of a tower.
pub(crate) const MAX_LAYERS: usize = 1 << 10;
/// Rows of a table: vocabularies and positions.
pub(crate) const MAX_TABLE: usize = 4 << 20;

/// An object of a configuration file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    format: &'static str,
    json: &'a Value,
}

impl<'a> Fields<'a> {
    /// The object `json` of a file of that format, such as `config.json`.
    pub(crate) fn new(json: &'a Value, format: &'static str) -> Self {
        Self { format, json }
    }

    /// The value of a field, unless it is missing or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.json.get(name).filter(|value| !value.is_null())
    }

    /// A nested object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is missing or no object.
    pub(crate) fn object(&self, name: &str) -> Result<Self> {
        let json = self.get(name).filter(|value| value.is_object()).ok_or_else(|| self.wrong(name, "an object"))?;
        Ok(Self { format: self.format, json })
    }

    /// A size from 1 to `limit`.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming field, value and range.
    pub(crate) fn size(&self, name: &str, limit: usize) -> Result<usize> {
        let value = self.get(name).and_then(Value::as_u64).and_then(|v| usize::try_from(v).ok());
        value.filter(|v| (1..=limit).contains(v)).ok_or_else(|| self.wrong(name, &format!("1 to {limit}")))
    }

    /// As [`Fields::size`], `default` when the field is missing.
    ///
    /// # Errors
    /// As [`Fields::size`].
    pub(crate) fn size_or(&self, name: &str, default: usize, limit: usize) -> Result<usize> {
        if self.get(name).is_none() { Ok(default) } else { self.size(name, limit) }
    }

    /// A finite number, `default` when the field is missing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub(crate) fn number_or(&self, name: &str, default: f64) -> Result<f64> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| self.wrong(name, "a finite number")),
        }
    }

    /// A string, `default` when the field is missing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub(crate) fn text_or(&self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_str().ok_or_else(|| self.wrong(name, "a string")),
        }
    }

    /// A flag, `default` when the field is missing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(name, "true or false")),
        }
    }

    /// A field that must have this value if it is there, since another one would change the arithmetic.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the field and its value.
    pub(crate) fn only(&self, name: &str, accepted: &Value) -> Result<()> {
        match self.get(name) {
            Some(value) if value != accepted => {
                Err(Error::unsupported(format!("{name} {value}"), format!("only {accepted} is run")))
            }
            _ => Ok(()),
        }
    }

    /// An error about a field.
    pub(crate) fn wrong(&self, name: &str, expected: &str) -> Error {
        let found = self.json.get(name).map_or("missing".into(), ToString::to_string);
        let found: String = found.chars().take(200).collect();
        Error::malformed("configuration", self.format, format!("{name} is {found}, expected {expected}"))
    }
}
