//! Cuts a pickle into instructions. All 68 opcodes of protocols 0 to 5, each with its argument.

use super::{Container, Literal, Reason};

/// The highest protocol that exists.
const HIGHEST_PROTOCOL: u8 = 5;

/// One instruction, as far as it changes the shape of the stack.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Opcode<'a> {
    /// The pickle's protocol.
    Proto,
    /// The following bytes belong together.
    Frame,
    /// The end.
    Stop,
    /// Push a value without parts.
    Literal(Literal),
    /// Push a `str` given as text.
    Text(Text<'a>),
    /// Push an empty container.
    Empty(Container),
    /// Replace so many items by an unknown object.
    Object { takes: usize },
    /// Replace so many items by a tuple of them.
    Tuple(u8),
    /// Remember this height of the stack.
    Mark,
    /// Drop the topmost item, or the mark if that is topmost.
    Pop,
    /// Drop everything down to the mark.
    PopMark,
    /// Push the topmost item again.
    Dup,
    /// Replace everything down to the mark by a tuple.
    MarkedTuple,
    /// Replace everything down to the mark by a container.
    Marked(Container),
    /// Replace everything down to the mark by an unknown object made of at least so many items.
    MarkedObject { at_least: usize },
    /// Put so many items into the container below.
    Fill { items: usize },
    /// Put everything down to the mark into the container below.
    FillMarked { pairs: bool },
    /// Give the object below its state.
    Build,
    /// Remember the topmost item under the next free index.
    Memoize,
    /// Remember the topmost item.
    Put(u64),
    /// Push what was remembered.
    Get(u64),
}

/// The forms in which a pickle carries a `str`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Text<'a> {
    /// UTF-8, where lone surrogates are let through.
    Utf8(&'a [u8]),
    /// One line in Python's raw-unicode-escape.
    Escaped(&'a [u8]),
}

/// Bytes, and how far they have been read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.offset == self.bytes.len()
    }

    /// The next instruction.
    pub(super) fn next(&mut self) -> Result<Opcode<'a>, Reason> {
        let code = self.byte()?;
        if let Some(opcode) = without_argument(code) {
            return Ok(opcode);
        }
        let opcode = match code {
            0x80 => self.proto()?,
            0x95 => {
                self.announced_frame()?;
                Opcode::Frame
            }
            b'I' => self.int_line()?,
            b'L' => self.long_line()?,
            b'F' => self.float_line()?,
            b'S' => self.quoted_line()?,
            b'V' => self.unicode_line()?,
            b'J' => self.skip(4, Opcode::Literal(Literal::Int))?,
            b'K' => self.skip(1, Opcode::Literal(Literal::Int))?,
            b'M' => self.skip(2, Opcode::Literal(Literal::Int))?,
            b'G' => self.skip(8, Opcode::Literal(Literal::Float))?,
            0x8a => self.sized::<1>(Opcode::Literal(Literal::Int))?,
            0x8b => self.sized_signed(code, Opcode::Literal(Literal::Int))?,
            b'T' => self.sized_signed(code, Opcode::Literal(Literal::Str))?,
            b'U' => self.sized::<1>(Opcode::Literal(Literal::Str))?,
            b'C' => self.sized::<1>(Opcode::Literal(Literal::Bytes))?,
            b'B' => self.sized::<4>(Opcode::Literal(Literal::Bytes))?,
            0x8e | 0x96 => self.sized::<8>(Opcode::Literal(Literal::Bytes))?,
            0x8c => Opcode::Text(Text::Utf8(self.counted::<1>()?)),
            b'X' => Opcode::Text(Text::Utf8(self.counted::<4>()?)),
            0x8d => Opcode::Text(Text::Utf8(self.counted::<8>()?)),
            0x82 => self.skip(1, Opcode::Object { takes: 0 })?,
            0x83 => self.skip(2, Opcode::Object { takes: 0 })?,
            0x84 => self.skip(4, Opcode::Object { takes: 0 })?,
            b'P' => {
                self.line()?;
                Opcode::Object { takes: 0 }
            }
            b'c' => {
                self.global_lines()?;
                Opcode::Object { takes: 0 }
            }
            b'i' => {
                self.global_lines()?;
                Opcode::MarkedObject { at_least: 0 }
            }
            b'p' => Opcode::Put(self.index_line(code)?),
            b'q' => Opcode::Put(self.number::<1>()?),
            b'r' => Opcode::Put(self.number::<4>()?),
            b'g' => Opcode::Get(self.index_line(code)?),
            b'h' => Opcode::Get(self.number::<1>()?),
            b'j' => Opcode::Get(self.number::<4>()?),
            unknown => return Err(Reason::UnknownOpcode(unknown)),
        };
        Ok(opcode)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Reason> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Reason::Truncated)?;
        self.offset += count;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        self.take(1)?.first().copied().ok_or(Reason::Truncated)
    }

    fn skip(&mut self, count: usize, opcode: Opcode<'a>) -> Result<Opcode<'a>, Reason> {
        self.take(count).map(|_| opcode)
    }

    /// An unsigned little-endian number of `N` bytes, at most 8.
    fn number<const N: usize>(&mut self) -> Result<u64, Reason> {
        let digits = self.take(N)?.iter().rev();
        Ok(digits.fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Bytes after their count, which is a number of `N` bytes.
    fn counted<const N: usize>(&mut self) -> Result<&'a [u8], Reason> {
        let count = self.number::<N>()?;
        self.take(usize::try_from(count).map_err(|_| Reason::Truncated)?)
    }

    fn sized<const N: usize>(&mut self, opcode: Opcode<'a>) -> Result<Opcode<'a>, Reason> {
        self.counted::<N>().map(|_| opcode)
    }

    /// The two opcodes whose count is a signed number of 4 bytes.
    fn sized_signed(&mut self, code: u8, opcode: Opcode<'a>) -> Result<Opcode<'a>, Reason> {
        let count = self.number::<4>()?;
        match u32::try_from(count)
            .ok()
            .filter(|count| *count <= i32::MAX as u32)
        {
            Some(count) => self.skip(count as usize, opcode),
            None => Err(Reason::BadArgument(code)),
        }
    }

    /// The bytes up to a line feed, which is taken too.
    fn line(&mut self) -> Result<&'a [u8], Reason> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(Reason::Truncated)?)?;
        self.take(1)?;
        Ok(line)
    }

    fn proto(&mut self) -> Result<Opcode<'a>, Reason> {
        match self.byte()? {
            0..=HIGHEST_PROTOCOL => Ok(Opcode::Proto),
            protocol => Err(Reason::UnsupportedProtocol(protocol)),
        }
    }

    /// A frame is read in place: only that all of it is there matters.
    fn announced_frame(&mut self) -> Result<(), Reason> {
        let count = self.number::<8>()?;
        let left = self.bytes.len() - self.offset;
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(()),
            _ => Err(Reason::Truncated),
        }
    }

    /// `00` and `01` are how protocol 0 spells the booleans.
    fn int_line(&mut self) -> Result<Opcode<'a>, Reason> {
        match self.line()? {
            b"00" | b"01" => Ok(Opcode::Literal(Literal::Bool)),
            line if is_decimal(line) => Ok(Opcode::Literal(Literal::Int)),
            _ => Err(Reason::BadArgument(b'I')),
        }
    }

    fn long_line(&mut self) -> Result<Opcode<'a>, Reason> {
        let line = self.line()?;
        match is_decimal(line.strip_suffix(b"L").unwrap_or(line)) {
            true => Ok(Opcode::Literal(Literal::Int)),
            false => Err(Reason::BadArgument(b'L')),
        }
    }

    fn float_line(&mut self) -> Result<Opcode<'a>, Reason> {
        let text = std::str::from_utf8(self.line()?).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(_) => Ok(Opcode::Literal(Literal::Float)),
            Err(_) => Err(Reason::BadArgument(b'F')),
        }
    }

    fn quoted_line(&mut self) -> Result<Opcode<'a>, Reason> {
        match self.line()? {
            [b'\'', .., b'\''] | [b'"', .., b'"'] => Ok(Opcode::Literal(Literal::Str)),
            _ => Err(Reason::BadArgument(b'S')),
        }
    }

    fn unicode_line(&mut self) -> Result<Opcode<'a>, Reason> {
        let line = self.line()?;
        match super::text::unescape(line, drop) {
            Some(()) => Ok(Opcode::Text(Text::Escaped(line))),
            None => Err(Reason::BadArgument(b'V')),
        }
    }

    /// A module's line and a name's line.
    fn global_lines(&mut self) -> Result<(), Reason> {
        self.line()?;
        self.line().map(drop)
    }

    fn index_line(&mut self, code: u8) -> Result<u64, Reason> {
        let line = std::str::from_utf8(self.line()?).unwrap_or_default();
        let digits = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
        match line.parse() {
            Ok(index) if digits => Ok(index),
            _ => Err(Reason::BadArgument(code)),
        }
    }
}

/// The opcodes that are complete in one byte.
const fn without_argument(code: u8) -> Option<Opcode<'static>> {
    Some(match code {
        b'.' => Opcode::Stop,
        b'(' => Opcode::Mark,
        b'0' => Opcode::Pop,
        b'1' => Opcode::PopMark,
        b'2' => Opcode::Dup,
        b'N' => Opcode::Literal(Literal::None),
        0x88 | 0x89 => Opcode::Literal(Literal::Bool),
        b']' => Opcode::Empty(Container::List),
        b'}' => Opcode::Empty(Container::Dict),
        b')' => Opcode::Empty(Container::Tuple(0)),
        0x8f => Opcode::Empty(Container::Set),
        b'l' => Opcode::Marked(Container::List),
        b'd' => Opcode::Marked(Container::Dict),
        0x91 => Opcode::Marked(Container::Set),
        b't' => Opcode::MarkedTuple,
        0x85 => Opcode::Tuple(1),
        0x86 => Opcode::Tuple(2),
        0x87 => Opcode::Tuple(3),
        b'a' => Opcode::Fill { items: 1 },
        b's' => Opcode::Fill { items: 2 },
        b'e' | 0x90 => Opcode::FillMarked { pairs: false },
        b'u' => Opcode::FillMarked { pairs: true },
        b'b' => Opcode::Build,
        b'R' | 0x81 | 0x93 => Opcode::Object { takes: 2 },
        0x92 => Opcode::Object { takes: 3 },
        b'Q' | 0x98 => Opcode::Object { takes: 1 },
        b'o' => Opcode::MarkedObject { at_least: 1 },
        0x97 => Opcode::Object { takes: 0 },
        0x94 => Opcode::Memoize,
        _ => return None,
    })
}

/// An optional minus and at least one digit: what picklers write.
fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
