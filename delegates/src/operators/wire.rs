//! Fields of a protocol buffer, read where they lie. Messages that are decoded into types take up to a hundred times the bytes
//! that describe them, which is too much for files of strangers.

use super::damage::Damage;

/// Bytes of the longest number.
const MAX_VARINT: usize = 10;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Text, bytes, a message or a list of numbers.
    Bytes(&'a [u8]),
    /// A number, which nobody asks for here.
    Number,
}

/// The fields of a message, one after the other; pairs of a tag and a content. Ends behind the first error.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damage::Short("a field"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0u64;
        for at in 0..MAX_VARINT {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f).wrapping_shl(7 * at as u32);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage::Wrong("a number of more than ten bytes".to_owned()))
    }

    fn field(&mut self) -> Result<(u64, Content<'a>), Damage> {
        let key = self.varint()?;
        let content = match key & 7 {
            0 => self.varint().map(|_| Content::Number)?,
            1 => self.take(8).map(|_| Content::Number)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Damage::Short("a field"))?;
                Content::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Content::Number)?,
            other => return Err(Damage::Wrong(format!("a field of the type {other}"))),
        };
        Ok((key >> 3, content))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Content<'a>), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}
