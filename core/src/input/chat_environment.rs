//! The template language as chat templates expect it: Jinja with Hugging Face's additions.
//!
//! Everything that a template can call is registered here, with the bound on nesting. What a rendering may allocate is
//! [`Meter`](super::chat_meter::Meter)'s business.

use std::borrow::Cow;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::from_args;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use crate::input::to_json::to_json;

/// Nested includes, macros and blocks; each takes native stack.
const MAX_RECURSION: usize = 64;

/// An environment with whitespace control, escaping, filters and limits set.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("invariant: the default delimiters are valid"));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_recursion_limit(MAX_RECURSION);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", raise_exception);
    // Writes out the engine's whole state.
    environment.remove_global("debug");
    environment
}

fn raise_exception(reason: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, reason))
}

/// Python's string methods that the compatibility layer lacks, then that layer.
pub(super) fn methods(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else { return unknown_method_callback(state, value, method, args) };
    match method {
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Ok(text.strip_prefix(prefix).unwrap_or(text).into())
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Ok(text.strip_suffix(suffix).unwrap_or(text).into())
        }
        "partition" => {
            let (separator,): (&str,) = from_args(args)?;
            let (before, after) = text.split_once(separator).unwrap_or((text, ""));
            let middle = if before.len() < text.len() { separator } else { "" };
            Ok([before, middle, after].into_iter().map(Value::from).collect())
        }
        "rsplit" => {
            let (separator, limit): (&str, Option<usize>) = from_args(args)?;
            let limit = limit.map_or(usize::MAX, |cuts| cuts.saturating_add(1));
            let parts: Vec<&str> = text.rsplitn(limit, separator).collect();
            Ok(parts.into_iter().rev().map(Value::from).collect())
        }
        _ => unknown_method_callback(state, value, method, args),
    }
}

/// Turns `{% generation %}` blocks, which mark the model's words for training, into blocks without effect; the engine
/// has no custom tags. Whitespace control stays as written.
pub(super) fn without_generation_tags(source: &str) -> Cow<'_, str> {
    if !source.contains("generation") {
        return source.into();
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        // "{%}" does not close what it opens.
        let Some(len) = rest[at + 2..].find("%}") else { break };
        let tag = &rest[at + 2..at + 2 + len];
        let word = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        out.push_str(&rest[..at + 2]);
        match word {
            "generation" => out.push_str(&tag.replace(word, "if true")),
            "endgeneration" => out.push_str(&tag.replace(word, "endif")),
            _ => out.push_str(tag),
        }
        rest = &rest[at + 2 + len..];
    }
    out.push_str(rest);
    out.into()
}
