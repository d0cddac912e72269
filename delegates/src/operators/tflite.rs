//! Operators of TensorFlow Lite's files, which are flat buffers: tables that refer to each other by offsets. Only what leads to
//! operators is looked at (`tensorflow/compiler/mlir/lite/schema/schema.fbs`, version 3).

use super::builtin::BUILTIN;
use super::damage::Damage;
use super::{MAX_NAMES, Operators, text};

/// The file's format, behind the offset of its first table.
const IDENTIFIER: &[u8] = b"TFL3";
/// Subgraphs may share operators, so that the file's size alone is no bound on work.
const MAX_OPERATORS: usize = 1 << 20;
/// `BuiltinOperator::CUSTOM`: the name is in the file.
const CUSTOM: usize = 32;

/// Positions of fields in the schema's tables.
mod field {
    pub const MODEL_CODES: usize = 1;
    pub const MODEL_SUBGRAPHS: usize = 2;
    pub const SUBGRAPH_OPERATORS: usize = 3;
    pub const OPERATOR_CODE: usize = 0;
    /// A byte, of the time when there were fewer than 127.
    pub const CODE_OLD: usize = 0;
    pub const CODE_CUSTOM: usize = 1;
    pub const CODE: usize = 3;
}

/// Counts the operators of all subgraphs.
pub(super) fn operators(bytes: &[u8]) -> Result<Operators, Damage> {
    let file = Buffer(bytes);
    if file.slice(4, IDENTIFIER.len())? != IDENTIFIER {
        return Err(Damage::Wrong("it has no 'TFL3' at byte 4".to_owned()));
    }
    let model = file.table(file.follow(0)?)?;
    // All of them first: what is counted refers to them by their places.
    let codes = model.tables(field::MODEL_CODES)?.take(MAX_NAMES).map(|code| code?.operator());
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let mut found = Operators::default();
    let mut count = 0;
    for subgraph in model.tables(field::MODEL_SUBGRAPHS)? {
        for operator in subgraph?.tables(field::SUBGRAPH_OPERATORS)? {
            count += 1;
            if count > MAX_OPERATORS {
                return Err(Damage::TooMany { what: "operators", limit: MAX_OPERATORS });
            }
            let code = operator?.field(field::OPERATOR_CODE)?.map_or(Ok(0), |at| file.u32(at))? as usize;
            let name = codes.get(code).ok_or_else(|| Damage::Wrong(format!("no operator code {code}")))?;
            found.found(name)?;
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, Debug)]
struct Buffer<'a>(&'a [u8]);

impl<'a> Buffer<'a> {
    fn slice(self, at: usize, count: usize) -> Result<&'a [u8], Damage> {
        let end = at.checked_add(count).ok_or(Damage::Short("a value"))?;
        self.0.get(at..end).ok_or(Damage::Short("a value"))
    }

    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], Damage> {
        self.slice(at, N)?.try_into().map_err(|_| Damage::Short("a value"))
    }

    fn u32(self, at: usize) -> Result<u32, Damage> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u16(self, at: usize) -> Result<usize, Damage> {
        self.array(at).map(|bytes| usize::from(u16::from_le_bytes(bytes)))
    }

    /// Where the offset at `at` leads.
    fn follow(self, at: usize) -> Result<usize, Damage> {
        at.checked_add(self.u32(at)? as usize).ok_or(Damage::Short("an offset"))
    }

    fn table(self, at: usize) -> Result<Table<'a>, Damage> {
        let back = i64::from(i32::from_le_bytes(self.array(at)?));
        let layout = i64::try_from(at).ok().and_then(|at| at.checked_sub(back));
        let layout = layout.and_then(|at| usize::try_from(at).ok()).ok_or(Damage::Short("a table"))?;
        Ok(Table { file: self, at, layout, size: self.u16(layout)? })
    }
}

/// A table, with the place and the size of the list of its fields.
#[derive(Clone, Copy, Debug)]
struct Table<'a> {
    file: Buffer<'a>,
    at: usize,
    layout: usize,
    size: usize,
}

impl<'a> Table<'a> {
    /// Where a field lies; `None` for one that is left out.
    fn field(&self, field: usize) -> Result<Option<usize>, Damage> {
        // Two sizes come first.
        let place = 4 + 2 * field;
        if place + 2 > self.size {
            return Ok(None);
        }
        let offset = self.file.u16(self.layout + place)?;
        Ok((offset != 0).then_some(self.at + offset))
    }

    /// The tables that a field lists.
    fn tables(&self, field: usize) -> Result<impl Iterator<Item = Result<Table<'a>, Damage>> + use<'a>, Damage> {
        let (file, at) = (self.file, self.field(field)?);
        let (first, offsets) = match at {
            None => (0, &[][..]),
            Some(at) => {
                let at = file.follow(at)?;
                let bytes = (file.u32(at)? as usize).checked_mul(4).ok_or(Damage::Short("a list"))?;
                (at + 4, file.slice(at + 4, bytes)?)
            }
        };
        let places = (0..offsets.len() / 4).map(move |index| first + 4 * index);
        Ok(places.map(move |at| file.table(file.follow(at)?)))
    }

    /// The operator of an operator code.
    fn operator(&self) -> Result<String, Damage> {
        let file = self.file;
        let old = self.field(field::CODE_OLD)?.map_or(Ok([0]), |at| file.array(at))?;
        let new = self.field(field::CODE)?.map_or(Ok(0), |at| file.array(at).map(i32::from_le_bytes))?;
        let code = i32::from(i8::from_le_bytes(old)).max(new);
        let code = usize::try_from(code).map_err(|_| Damage::Wrong(format!("operator {code}")))?;
        match BUILTIN.get(code) {
            None => Ok(format!("BUILTIN_{code}")),
            Some(_) if code == CUSTOM => {
                let at = self.field(field::CODE_CUSTOM)?.ok_or(Damage::Short("a custom operator"))?;
                let at = file.follow(at)?;
                Ok(format!("custom:{}", text(file.slice(at + 4, file.u32(at)? as usize)?)?))
            }
            Some(name) => Ok((*name).to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Damage, operators};

    /// A file with operator codes 0 (`CONV_2D` by its old place), 1 (`GELU`) and 2 (`custom:Twice`), and one subgraph that runs
    /// 0, 1, 2 and 0. All tables lie behind their layouts, and lists before what they refer to.
    fn file() -> Vec<u8> {
        let mut out = Vec::new();
        let word = |out: &mut Vec<u8>, value: u32| out.extend(value.to_le_bytes());
        let layout = |out: &mut Vec<u8>, size: u16, fields: &[u16]| {
            let start = out.len();
            out.extend((4 + 2 * fields.len() as u16).to_le_bytes());
            out.extend(size.to_le_bytes());
            fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
            start
        };
        /// Lets the offset at `at` lead to the end.
        fn lead(out: &mut [u8], at: usize) {
            let distance = (out.len() - at) as u32;
            out[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        let table = |out: &mut Vec<u8>, layout: usize| out.extend((out.len() as i32 - layout as i32).to_le_bytes());
        word(&mut out, 0);
        out.extend(b"TFL3");
        let own = layout(&mut out, 12, &[0, 4, 8]);
        lead(&mut out, 0);
        table(&mut out, own);
        let model = out.len();
        word(&mut out, 0);
        word(&mut out, 0);

        lead(&mut out, model);
        word(&mut out, 3);
        let codes = out.len();
        (0..3).for_each(|_| word(&mut out, 0));
        // The old code as a byte at 4, the name at 8, the new code at 12.
        let own = layout(&mut out, 16, &[4, 8, 0, 12]);
        let nameless = layout(&mut out, 16, &[4, 0, 0, 12]);
        for (at, layout, old, new) in [(0, nameless, 3, 0), (1, nameless, 127, 150), (2, own, 32, 32)] {
            lead(&mut out, codes + 4 * at);
            table(&mut out, layout);
            out.extend([old, 0, 0, 0]);
            word(&mut out, 4 + 4);
            word(&mut out, new);
        }
        let name = out.len() - 8;
        lead(&mut out, name);
        word(&mut out, 5);
        out.extend(b"Twice\0\0\0");

        lead(&mut out, model + 4);
        word(&mut out, 1);
        let subgraphs = out.len();
        word(&mut out, 0);
        let own = layout(&mut out, 8, &[0, 0, 0, 4]);
        lead(&mut out, subgraphs);
        table(&mut out, own);
        let list = out.len();
        word(&mut out, 0);
        lead(&mut out, list);
        word(&mut out, 4);
        let operators = out.len();
        (0..4).for_each(|_| word(&mut out, 0));
        let own = layout(&mut out, 8, &[4]);
        for (at, code) in [0, 1, 2, 0].into_iter().enumerate() {
            lead(&mut out, operators + 4 * at);
            table(&mut out, own);
            word(&mut out, code);
        }
        out
    }

    #[test]
    fn operators_of_all_kinds_are_counted() {
        let found = operators(&file()).expect("sound");
        assert_eq!(found.names().collect::<Vec<_>>(), ["CONV_2D", "GELU", "custom:Twice"]);
        assert_eq!((found.count("CONV_2D"), found.total()), (2, 4));
    }

    #[test]
    fn damage_is_told() {
        let sound = file();
        assert!(matches!(operators(b"TFL3"), Err(Damage::Short(_))));
        assert!(matches!(operators(&[0; 64]), Err(Damage::Wrong(_))));
        for length in 0..sound.len() {
            assert!(operators(&sound[..length]).is_err(), "cut to {length}");
        }
        // No byte may lead to a panic; some change only a code.
        for at in 0..sound.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = sound.clone();
                changed[at] = value;
                let _ = operators(&changed);
            }
        }
        let mut missing = sound.clone();
        let end = missing.len() - 4;
        missing[end] = 3;
        assert!(matches!(operators(&missing), Err(Damage::Wrong(_))), "no such code");
    }
}
