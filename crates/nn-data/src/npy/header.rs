//! The header of a `.npy` file: magic number, version, length, and a dictionary in Python's notation.

use std::io::Read;

use super::NpyProblem;

/// The most bytes of a dictionary. NumPy itself refuses more than 10,000 unless told otherwise.
pub(super) const LONGEST: usize = 1 << 16;

/// The type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Kind {
    /// The type, and whether its bytes come with the highest first; `None` for types that are not read.
    fn from_descr(descr: &str) -> Option<(Self, bool)> {
        let (order, name) = descr.split_at_checked(1)?;
        let kind = match name {
            "b1" => Kind::Bool,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            _ => return None,
        };
        match order {
            "<" => Some((kind, false)),
            ">" => Some((kind, true)),
            "|" => Some((kind, false)).filter(|_| kind.size() == 1),
            "=" => Some((kind, cfg!(target_endian = "big"))),
            _ => None,
        }
    }

    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
        }
    }
}

/// What a header says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) big_endian: bool,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// The number of elements; their bytes are fewer than `isize::MAX`.
    pub(crate) count: usize,
    /// Bytes before the first element.
    pub(crate) offset: u64,
}

impl Header {
    /// Reads a header, up to the first element.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self, NpyProblem> {
        let mut start = Vec::new();
        take(from, 8, &mut start)?;
        let magic = b"\x93NUMPY";
        if !start.iter().zip(magic).all(|(found, expected)| found == expected) {
            start.truncate(magic.len());
            return Err(NpyProblem::Magic { found: start });
        }
        let &[_, _, _, _, _, _, major, minor] = &start[..] else {
            return Err(NpyProblem::Header { expected: 8, found: start.len() });
        };
        let length_bytes = match (major, minor) {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            _ => return Err(NpyProblem::Version { major, minor }),
        };
        take(from, length_bytes, &mut start)?;
        if start.len() < 8 + length_bytes {
            return Err(NpyProblem::Header { expected: 8 + length_bytes, found: start.len() });
        }
        let length = start[8..].iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
        if length > LONGEST {
            return Err(NpyProblem::HeaderLength { length });
        }
        let mut dictionary = Vec::new();
        take(from, length, &mut dictionary)?;
        let before = start.len();
        if dictionary.len() < length {
            return Err(NpyProblem::Header { expected: before + length, found: before + dictionary.len() });
        }
        Self::parse(&String::from_utf8_lossy(&dictionary), (before + length) as u64)
    }

    fn parse(text: &str, offset: u64) -> Result<Self, NpyProblem> {
        let found = Dictionary::parse(text).map_err(|expected| NpyProblem::Dictionary {
            header: text.trim_end().chars().take(120).collect(),
            expected,
        })?;
        let Dictionary { descr, fortran, shape } = found;
        let (kind, big_endian) = Kind::from_descr(&descr).ok_or(NpyProblem::Type { descr })?;
        // Lengths other than 0 must have a product that fits, as `ndarray` wants it.
        let mut nonzero = shape.iter().filter(|&&n| n > 0);
        let bytes = nonzero.try_fold(kind.size(), |product, &n| product.checked_mul(n));
        match bytes {
            Some(bytes) if bytes < isize::MAX as usize => {
                let count = if shape.contains(&0) { 0 } else { bytes / kind.size() };
                Ok(Header { kind, big_endian, fortran, shape, count, offset })
            }
            _ => Err(NpyProblem::TooLarge { shape }),
        }
    }

    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> u64 {
        (self.count * self.kind.size()) as u64
    }

    pub(crate) fn truncated(&self, found: u64) -> NpyProblem {
        NpyProblem::Truncated { shape: self.shape.clone(), expected: self.bytes(), found }
    }
}

fn take(from: &mut impl Read, count: usize, to: &mut Vec<u8>) -> Result<(), NpyProblem> {
    from.take(count as u64).read_to_end(to).map(drop).map_err(NpyProblem::Io)
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
struct Dictionary {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Dictionary {
    /// The three entries, in any order; an error says what was expected instead.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = Cursor { rest: text };
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        rest.expect('{', "a dictionary")?;
        while !rest.skip('}') {
            let key = rest.string().ok_or("a key in quotation marks")?;
            rest.expect(':', "a colon after a key")?;
            match key {
                "descr" => descr = Some(rest.descr().ok_or("a type as the value of `descr`")?),
                "fortran_order" => {
                    fortran = Some(rest.boolean().ok_or("True or False as the value of `fortran_order`")?);
                }
                "shape" => shape = Some(rest.tuple().ok_or("a tuple of lengths as the value of `shape`")?),
                _ => return Err("no keys but `descr`, `fortran_order` and `shape`"),
            }
            if !rest.skip(',') {
                rest.expect('}', "a comma or the end of the dictionary")?;
                break;
            }
        }
        if !rest.rest.trim().is_empty() {
            return Err("nothing after the dictionary");
        }
        Ok(Dictionary {
            descr: descr.ok_or("the key `descr`")?,
            fortran: fortran.ok_or("the key `fortran_order`")?,
            shape: shape.ok_or("the key `shape`")?,
        })
    }
}

/// What is left to be read of a dictionary. Every method skips spaces first.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(c).map(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, c: char, expected: &'static str) -> Result<(), &'static str> {
        if self.skip(c) { Ok(()) } else { Err(expected) }
    }

    /// Text in single or double quotation marks, without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let mark = if self.skip('\'') { '\'' } else { self.skip('"').then_some('"')? };
        let (text, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(text)
    }

    /// The value of `descr`: text, or a list that describes records, of which the text is enough for a message.
    fn descr(&mut self) -> Option<String> {
        if self.rest.trim_start().starts_with('[') {
            let (list, rest) = self.rest.split_at(self.rest.rfind(']')? + 1);
            self.rest = rest;
            return Some(list.trim().chars().take(120).collect());
        }
        self.string().map(str::to_owned)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.rest = self.rest.trim_start();
        let (value, rest) = match (self.rest.strip_prefix("True"), self.rest.strip_prefix("False")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        self.rest = rest;
        Some(value)
    }

    /// `()`, `(3,)` or `(3, 4)`; Python 2 wrote an `L` after long numbers.
    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut numbers = Vec::new();
        if !self.skip('(') {
            return None;
        }
        while !self.skip(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit())?;
            numbers.push(self.rest[..end].parse().ok()?);
            self.rest = &self.rest[end..];
            self.rest = self.rest.strip_prefix('L').unwrap_or(self.rest);
            if !self.skip(',') {
                return self.skip(')').then_some(numbers);
            }
        }
        Some(numbers)
    }
}
