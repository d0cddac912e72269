//! Pickles as data: the stack machine of Python's serialised objects, without the part that calls anything.
//!
//! What a pickle would call is recorded, never run. Every instruction adds at most one object, objects refer to each other
//! by number and are never copied, so that memory stays proportional to the input whatever it says: no doubling through
//! the memo, no deep recursion, no length that is believed before its bytes are there. Instructions: Python's
//! `pickletools`, protocols 2 to 5 as far as PyTorch writes them.

use std::collections::HashMap;

use crate::error::{Error, Result};

const FORMAT: &str = "pickle";
/// Largest accepted pickle; a checkpoint has some 300 bytes per tensor.
pub(super) const MAX_PICKLE: usize = 8 << 20;

/// Number of an object.
pub(super) type Id = usize;

/// An object of a pickle. Texts lie in the input.
#[derive(Debug, PartialEq)]
pub(super) enum Object<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of up to eight bytes.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Items in order.
    Tuple(Vec<Id>),
    /// Items in order.
    List(Vec<Id>),
    /// Keys and values, in the order of insertion.
    Dict(Vec<(Id, Id)>),
    /// A function or class by module and name.
    Global(&'a str, &'a str),
    /// What calling the first with the second would make.
    Call(Id, Id),
    /// An object outside of the pickle, by its key: a storage.
    Persistent(Id),
    /// Something that no tensor is made of: a float, bytes, a set, a longer integer.
    Other,
}

/// A read pickle.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    root: Id,
}

impl<'a> Pickle<'a> {
    /// Runs the instructions of `bytes`; `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the byte and the instruction.
    pub(super) fn read(what: &str, bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > MAX_PICKLE {
            let reason = format!("{} bytes, the limit is {MAX_PICKLE}", bytes.len());
            return Err(Error::malformed(what, FORMAT, reason));
        }
        let mut machine = Machine {
            what,
            bytes,
            at: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        Ok(Self { objects: machine.objects, root })
    }

    /// The object that the pickle is of.
    pub(super) fn root(&self) -> &Object<'a> {
        self.get(self.root)
    }

    /// The object of that number.
    pub(super) fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id]
    }
}

struct Machine<'m, 'a> {
    what: &'m str,
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack where groups of items begin.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'_, 'a> {
    fn run(&mut self) -> Result<Id> {
        loop {
            let code = self.array::<1>()?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            // PROTO and FRAME: framing changes nothing where the whole input is in memory.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'N' => self.push(Object::None),
            0x88 => self.push(Object::Bool(true)),
            0x89 => self.push(Object::Bool(false)),
            b'K' => self.integer::<1>(false)?,
            b'M' => self.integer::<2>(false)?,
            b'J' => self.integer::<4>(true)?,
            0x8a => self.long()?,
            b'G' => self.other(8)?,
            b'X' => self.text::<4>()?,
            0x8c | b'U' => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'T' => self.text::<4>()?,
            b'C' => self.bytes::<1>()?,
            b'B' => self.bytes::<4>()?,
            0x8e => self.bytes::<8>()?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.items()?),
            b')' => self.push(Object::Tuple(Vec::new())),
            b't' => {
                let items = self.items()?;
                self.push(Object::Tuple(items));
            }
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            b']' => self.push(Object::List(Vec::new())),
            b'l' => {
                let items = self.items()?;
                self.push(Object::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.items()?;
                self.append(items)?;
            }
            b'}' => self.push(Object::Dict(Vec::new())),
            b'd' => {
                let items = self.items()?;
                self.push(Object::Dict(Vec::new()));
                self.insert(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.items()?;
                self.insert(&items)?;
            }
            // EMPTY_SET, ADDITEMS, FROZENSET.
            0x8f => self.push(Object::Other),
            0x90 => drop(self.items()?),
            0x91 => {
                self.items()?;
                self.push(Object::Other);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (&Object::Text(module), &Object::Text(name)) = (&self.objects[module], &self.objects[name]) else {
                    return Err(self.malformed("a global whose module and name are no texts"));
                };
                self.push(Object::Global(module, name));
            }
            // REDUCE and NEWOBJ: a call, which is recorded.
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments);
            }
            // BUILD sets attributes, which no tensor needs.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let key = self.pop()?;
                self.push(Object::Persistent(key));
            }
            b'q' => {
                let key = u32::from(self.array::<1>()?[0]);
                self.remember(key)?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => {
                let key = u32::try_from(self.memo.len()).map_err(|_| self.malformed("the memo is full"))?;
                self.remember(key)?;
            }
            b'h' => {
                let key = u32::from(self.array::<1>()?[0]);
                self.recall(key)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            other => return Err(self.malformed(format!("instruction {other:#04x} is not read"))),
        }
        Ok(())
    }

    fn malformed(&self, reason: impl std::fmt::Display) -> Error {
        Error::malformed(self.what, FORMAT, format!("before byte {}: {reason}", self.at))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let left = self.bytes.len() - self.at;
        if len > left {
            return Err(self.malformed(format!("{len} bytes wanted, {left} remain")));
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// A little-endian length of `N` bytes, followed by as many bytes.
    fn counted<const N: usize>(&mut self) -> Result<&'a [u8]> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        let len = usize::try_from(u64::from_le_bytes(wide)).map_err(|_| self.malformed("a length overflows"))?;
        self.take(len)
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|e| self.malformed(format!("a text is no UTF-8: {e}")))
    }

    fn text<const N: usize>(&mut self) -> Result<()> {
        let bytes = self.counted::<N>()?;
        let text = self.utf8(bytes)?;
        self.push(Object::Text(text));
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<()> {
        self.counted::<N>()?;
        self.push(Object::Other);
        Ok(())
    }

    fn other(&mut self, len: usize) -> Result<()> {
        self.take(len)?;
        self.push(Object::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n').ok_or_else(|| self.malformed("a name does not end"))?;
        self.at += end + 1;
        self.utf8(&rest[..end])
    }

    fn integer<const N: usize>(&mut self, signed: bool) -> Result<()> {
        let bytes = self.array::<N>()?;
        self.push(Object::Int(little_endian(&bytes, signed)));
        Ok(())
    }

    /// LONG1: any number of bytes; more than eight are no size of anything.
    fn long(&mut self) -> Result<()> {
        let bytes = self.counted::<1>()?;
        self.push(if bytes.len() > 8 { Object::Other } else { Object::Int(little_endian(bytes, true)) });
        Ok(())
    }

    fn push(&mut self, object: Object<'a>) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    fn pop(&mut self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(self.malformed("the stack is empty"));
        }
        self.stack.pop().ok_or_else(|| self.malformed("the stack is empty"))
    }

    /// What lies above the last mark.
    fn items(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, count: usize) -> Result<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        items.reverse();
        self.push(Object::Tuple(items));
        Ok(())
    }

    /// The object on top of the stack, which stays there.
    fn top(&mut self) -> Result<Id> {
        let top = self.pop()?;
        self.stack.push(top);
        Ok(top)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let list = self.top()?;
        match &mut self.objects[list] {
            Object::List(known) => known.extend(items),
            // Classes of their own may be filled as lists are.
            Object::Call(..) => {}
            _ => return Err(self.malformed("items for something that is no list")),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err(self.malformed("a key without a value"));
        }
        match &mut self.objects[dict] {
            Object::Dict(known) => known.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            Object::Call(..) => {}
            _ => return Err(self.malformed("a key and a value for something that is no dict")),
        }
        Ok(())
    }

    /// An ordered dict is filled by later instructions, as a plain one is.
    fn call(&mut self, function: Id, arguments: Id) {
        let is_dict = matches!(self.objects[function], Object::Global("collections", "OrderedDict"))
            && matches!(&self.objects[arguments], Object::Tuple(items) if items.is_empty());
        self.push(if is_dict { Object::Dict(Vec::new()) } else { Object::Call(function, arguments) });
    }

    fn remember(&mut self, key: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        let id = *self.memo.get(&key).ok_or_else(|| self.malformed(format!("nothing was put at {key} of the memo")))?;
        self.stack.push(id);
        Ok(())
    }
}

/// An integer of up to eight bytes; of eight unsigned ones there are none.
fn little_endian(bytes: &[u8], signed: bool) -> i64 {
    let negative = signed && bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle<'_>> {
        Pickle::read("test", bytes)
    }

    #[test]
    fn numbers_keep_their_signs() {
        for (bytes, expected) in [
            (&b"K\xff."[..], 255),
            (b"M\xff\xff.", 65535),
            (b"J\xff\xff\xff\xff.", -1),
            (b"\x8a\x01\xff.", -1),
            (b"\x8a\x00.", 0),
            (b"\x8a\x05\0\0\0\0\x01.", 1 << 32),
        ] {
            assert_eq!(read(bytes).expect("a pickle").root(), &Object::Int(expected));
        }
        assert_eq!(read(b"\x8a\x09\0\0\0\0\0\0\0\0\x01.").expect("a pickle").root(), &Object::Other);
    }

    #[test]
    fn hostile_instructions_are_refused() {
        for (bytes, reason) in [
            (&b""[..], "1 bytes wanted"),
            (b".", "stack is empty"),
            (b"X\xff\xff\xff\xffabc.", "4294967295 bytes wanted"),
            (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "bytes wanted"),
            (b"X\x01\0\0\0\xff.", "no UTF-8"),
            (b"cos\nsystem", "does not end"),
            (b"K\x01(t", "1 bytes wanted"),
            (b"K\x01t.", "no mark"),
            (b"K\x01(0.", "stack is empty"),
            (b"(K\x01K\x02K\x03d.", "without a value"),
            (b"K\x01K\x02a.", "no list"),
            (b"K\x01K\x02K\x03s.", "no dict"),
            (b"h\x07.", "at 7 of the memo"),
            (b"K\x01K\x02\x93.", "no texts"),
            (b"i", "0x69 is not read"),
        ] {
            let found = read(bytes).expect_err(reason).to_string();
            assert!(found.contains(reason), "{reason}: {found}");
        }
    }

    /// Doubling through the memo, and a million levels: both would end other readers.
    #[test]
    fn bombs_take_no_more_memory_than_their_length() {
        let mut doubling = b"K\x01".to_vec();
        for _ in 0..200 {
            doubling.extend(b"q\0h\0h\0\x86");
        }
        doubling.push(b'.');
        assert!(read(&doubling).expect("a pickle").objects.len() < doubling.len());
        let deep = [b"K\x01".to_vec(), vec![0x85; 1_000_000], b".".to_vec()].concat();
        drop(read(&deep).expect("a pickle"));
    }
}
