//! What a rendering may allocate.
//!
//! The engine counts instructions but not bytes, and k instructions can double a string k times. So the values that a
//! template makes are charged here against a budget that grows with the conversation, not with the template, and are
//! kept shallow: lazy sequences become lists, nesting has a limit, and nothing can contain itself. Operations whose
//! result can be far larger than their operands are charged before they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter, filters};

/// Adds up what a value takes and hands it on; not a name that a template could write.
pub(super) const CHARGE: &str = "loam.charge";
/// As [`CHARGE`], for values that are put into another.
pub(super) const STORE: &str = "loam.store";
/// Bytes that any rendering may make.
const BASE_BYTES: usize = 32 << 20;
/// Bytes of values per byte of the conversation, over all of a template's steps.
const BYTES_PER_BYTE: usize = 64;
/// Bytes of one value: a pass over it costs one instruction, so it bounds time. It grows with the conversation, too, up
/// to the longest text that a tokenizer takes.
const BASE_VALUE_BYTES: usize = 1 << 20;
const VALUE_BYTES_PER_BYTE: usize = 16;
const MAX_VALUE_BYTES: usize = 16 << 20;
/// Charged per value, beside its text.
const VALUE_BYTES: usize = 32;
/// Values inside values; as in `tojson`.
const MAX_NESTING: usize = 64;
/// Written out, a byte of a nested text takes at most an escape.
const ESCAPED_BYTES: usize = 8;

/// The budget of one rendering.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicUsize,
    largest: usize,
}

impl Meter {
    /// For a conversation of `bytes`, the template included.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let budget = bytes.saturating_mul(BYTES_PER_BYTE).saturating_add(BASE_BYTES);
        let largest = bytes.saturating_mul(VALUE_BYTES_PER_BYTE).saturating_add(BASE_VALUE_BYTES).min(MAX_VALUE_BYTES);
        Arc::new(Self { left: AtomicUsize::new(budget), largest })
    }

    fn charge(&self, bytes: usize) -> Result<(), Error> {
        // One thread renders; the type is atomic because the engine asks for functions that can be shared.
        let left = self.left.load(Ordering::Relaxed).checked_sub(bytes);
        let left = left.ok_or_else(|| refused(format!("{bytes} bytes more than a rendering may make")))?;
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// `value`, charged and without lazy parts.
    fn settle(&self, value: &Value, nesting: usize) -> Result<Value, Error> {
        let mut room = self.largest;
        let settled = settle(value, nesting, &mut room)?;
        self.charge(self.largest - room)?;
        Ok(settled)
    }
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

fn spend(room: &mut usize, bytes: usize) -> Result<(), Error> {
    let left = room.checked_sub(bytes);
    *room = left.ok_or_else(|| refused("a value takes more bytes than a rendering may put into one"))?;
    Ok(())
}

fn settle(value: &Value, nesting: usize, room: &mut usize) -> Result<Value, Error> {
    if nesting > MAX_NESTING {
        return Err(refused(format!("values are nested more than {MAX_NESTING} deep")));
    }
    spend(room, VALUE_BYTES)?;
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => spend(room, text_bytes(value))?,
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                items.push(settle(&item?, nesting + 1, room)?);
            }
            return Ok(if value.is_tuple() { Tuple::from(items).into() } else { items.into() });
        }
        ValueKind::Map if nesting > 0 && changes(value) => return Err(refused("a namespace or loop inside a value")),
        ValueKind::Map => {
            for key in value.try_iter()?.checked() {
                let key = key?;
                settle(&key, nesting + 1, room)?;
                settle(&value.get_item(&key)?, nesting + 1, room)?;
            }
        }
        ValueKind::Plain if nesting > 0 => return Err(refused("a function inside a value")),
        _ => {}
    }
    Ok(value.clone())
}

fn text_bytes(value: &Value) -> usize {
    value.as_str().map(str::len).or_else(|| value.as_bytes().map(<[u8]>::len)).unwrap_or(0)
}

/// Whether `value` can be given another value after it was made, and so come to contain itself.
fn changes(value: &Value) -> bool {
    let kinds = ["::Namespace", "::Loop"];
    value.as_object().is_some_and(|object| kinds.iter().any(|kind| object.type_name().ends_with(kind)))
}

/// Puts `meter` into `environment`: the two functions, the output, and the filters that enlarge.
pub(super) fn install(environment: &mut Environment<'_>, meter: &Arc<Meter>) {
    for (name, nesting) in [(CHARGE, 0), (STORE, 1)] {
        let meter = Arc::clone(meter);
        environment.add_function(name, move |value: Value| meter.settle(&value, nesting));
    }
    let output = Arc::clone(meter);
    environment.set_formatter(move |out: &mut Output, state: &mut State, value: &Value| {
        output.settle(value, 0)?;
        escape_formatter(out, state, value)
    });
    let enlarging: [(&'static str, Bound, Value); 6] = [
        ("batch", indented, Value::from_function(filters::batch)),
        ("format", formatted, Value::from_function(filters::format)),
        ("indent", indented, Value::from_function(filters::indent)),
        ("join", joined, Value::from_function(filters::join)),
        ("replace", replaced, Value::from_function(filters::replace)),
        ("slice", indented, Value::from_function(filters::slice)),
    ];
    for (name, bound, filter) in enlarging {
        let meter = Arc::clone(meter);
        environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            meter.charge(bound(&args)?)?;
            filter.call(state, &args)
        });
    }
    let methods = Arc::clone(meter);
    environment.set_unknown_method_callback(move |state, value, method, args| {
        let bound: Option<Bound> = match method {
            "format" => Some(formatted),
            "join" => Some(|args| joined(&[&args[1..], &args[..1]].concat())),
            "replace" => Some(replaced),
            _ => None,
        };
        if let (Some(bound), Some(_)) = (bound, value.as_str()) {
            methods.charge(bound(&[std::slice::from_ref(value), args].concat())?)?;
        }
        super::chat_environment::methods(state, value, method, args)
    });
}

/// At most how many bytes an operation on these values makes.
type Bound = fn(&[Value]) -> Result<usize, Error>;

/// At most how many bytes `value` has when written out.
fn written(value: &Value) -> Result<usize, Error> {
    if value.as_str().is_some() {
        return Ok(text_bytes(value));
    }
    let mut room = MAX_VALUE_BYTES;
    settle(value, 0, &mut room)?;
    Ok((MAX_VALUE_BYTES - room).saturating_mul(ESCAPED_BYTES))
}

fn replaced(args: &[Value]) -> Result<usize, Error> {
    let [text, from, to, ..] = args else { return Ok(0) };
    let (text, to) = (text.to_string(), written(to)?);
    let found = text.matches(&*from.to_string()).count();
    Ok(found.saturating_mul(to).saturating_add(text.len()))
}

fn joined(args: &[Value]) -> Result<usize, Error> {
    let Some((list, separators)) = args.split_first() else { return Ok(0) };
    let count = list.len().or_else(|| list.as_str().map(str::len)).unwrap_or(MAX_VALUE_BYTES / VALUE_BYTES);
    let between = separators.iter().map(written).sum::<Result<usize, Error>>()?;
    Ok(written(list)?.saturating_add(count.saturating_mul(between)))
}

/// Texts with a width before each line, and lists that are filled up.
fn indented(args: &[Value]) -> Result<usize, Error> {
    let Some((text, options)) = args.split_first() else { return Ok(0) };
    let lines = text.as_str().map_or(VALUE_BYTES, |text| text.matches('\n').count() + 1);
    let mut width = 1_usize;
    for option in options {
        // Keyword arguments come as a map.
        let named = option.try_iter().into_iter().flatten().filter_map(|key| option.get_item(&key).ok());
        width = std::iter::once(option.clone()).chain(named).filter_map(|v| v.as_usize()).fold(width, usize::max);
    }
    Ok(written(text)?.saturating_add(lines.saturating_mul(width)))
}

fn formatted(args: &[Value]) -> Result<usize, Error> {
    let Some((pattern, values)) = args.split_first() else { return Ok(0) };
    let pattern = pattern.to_string();
    let longest = values.iter().map(written).collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(0);
    let numbers = pattern.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let mut width = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).fold(0, usize::max);
    if pattern.contains('*') {
        width = values.iter().filter_map(Value::as_usize).fold(width, usize::max);
    }
    let fields = pattern.matches(['%', '{']).count();
    Ok(fields.saturating_mul(longest.saturating_add(width)).saturating_add(pattern.len()))
}
