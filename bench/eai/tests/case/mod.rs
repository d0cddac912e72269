//! Reading the cases that the reference implementations made.

use std::path::Path;

use serde_json::Value;

/// As near as metrics must be.
const TOLERANCE: f64 = 1e-6;

/// A value of a case; asking for what is not there fails the test.
#[derive(Clone)]
pub struct Json(Value);

/// Of `tests/cases/NAME.json`; at least one.
pub fn cases(name: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases = Json(serde_json::from_str(&text).expect("JSON")).rows(Json::clone);
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

pub fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= TOLERANCE, "{found} is not within {TOLERANCE} of {expected}");
}

/// As many numbers as the array has.
pub fn numbers<const N: usize>(value: &Json) -> [f64; N] {
    value.numbers().try_into().expect("so many numbers")
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Json {
    pub fn at(&self, name: &str) -> Self {
        self.maybe(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub fn maybe(&self, name: &str) -> Option<Self> {
        self.0.get(name).cloned().map(Self)
    }

    pub fn rows<T>(&self, of: impl Fn(&Self) -> T) -> Vec<T> {
        self.0.as_array().expect("a list").iter().map(|value| of(&Self(value.clone()))).collect()
    }

    pub fn entries(&self) -> Vec<(String, Self)> {
        self.0.as_object().expect("an object").iter().map(|(key, value)| (key.clone(), Self(value.clone()))).collect()
    }

    pub fn number(&self) -> f64 {
        self.0.as_f64().expect("a number")
    }

    pub fn numbers(&self) -> Vec<f64> {
        self.rows(Self::number)
    }

    pub fn index(&self) -> usize {
        usize::try_from(self.0.as_u64().expect("an index")).expect("small")
    }

    pub fn indices(&self) -> Vec<usize> {
        self.rows(Self::index)
    }

    pub fn string(&self) -> String {
        self.0.as_str().expect("a text").to_owned()
    }

    pub fn strings(&self) -> Vec<String> {
        self.rows(Self::string)
    }
}
