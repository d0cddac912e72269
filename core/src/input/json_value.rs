//! JSON as a template sees it, with the keys of objects in their own order.
//!
//! The template engine would sort them, and a model was trained on schemas in the order in which people write them.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::Value as Json;

/// Converts JSON to a template value.
pub(super) fn template_value(json: &Json) -> Value {
    match json {
        Json::Array(items) => items.iter().map(template_value).collect(),
        Json::Object(entries) => ordered_map(entries.iter().map(|(key, value)| (key.as_str(), template_value(value)))),
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().into(),
        },
    }
}

/// A map whose keys keep the order of `entries`.
pub(super) fn ordered_map<'a>(entries: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let (keys, values): (Vec<Value>, HashMap<String, Value>) =
        entries.map(|(key, value)| (Value::from(key), (key.to_owned(), value))).unzip();
    Value::from_object(OrderedMap { keys, values })
}

/// Applies `change` to every string and key in `json`.
pub(super) fn map_strings<E>(json: &Json, change: &mut impl FnMut(&str) -> Result<String, E>) -> Result<Json, E> {
    Ok(match json {
        Json::String(text) => Json::String(change(text)?),
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| map_strings(item, change)).collect::<Result<_, E>>()?)
        }
        Json::Object(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| Ok((change(key)?, map_strings(value, change)?)))
                .collect::<Result<_, E>>()?,
        ),
        other => other.clone(),
    })
}

#[derive(Debug)]
struct OrderedMap {
    keys: Vec<Value>,
    values: HashMap<String, Value>,
}

impl Object for OrderedMap {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.values.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys.clone())
    }
}
