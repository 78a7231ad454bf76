//! Reads pickles without executing them: is it one, and what would come out?
//!
//! A pickle is a program for a small stack machine. This module follows what each instruction does
//! to the *shape* of the stack (a literal, a container, an object) and never builds, imports or
//! calls anything, so a hostile pickle costs time in proportion to its length, and at most about ten
//! bytes of memory for each of its own. [`scan`] is one loop without recursion.
//!
//! `opcode` cuts bytes into instructions, [`scan`] follows them, `text` reads and writes the pickle
//! of a plain string.

mod opcode;
#[cfg(test)]
mod tests;
mod text;

use thiserror::Error;

use self::opcode::{Opcode, Reader};
pub use self::text::{pickle_str, unpickle_str};

/// What is on top of the stack when the pickle ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Top {
    /// A value without parts.
    Literal(Literal),
    /// A builtin container.
    Container(Container),
    /// What a global, a call, a persistent id or an extension code would give: anything.
    Object,
}

/// The kinds of values without parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Literal {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool,
    /// An `int`.
    Int,
    /// A `float`.
    Float,
    /// A `str`, or a string of Python 2.
    Str,
    /// `bytes` or `bytearray`.
    Bytes,
}

/// The kinds of builtin containers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Container {
    /// A `tuple` of so many items; 255 means "255 or more".
    Tuple(u8),
    /// A `list`.
    List,
    /// A `dict`.
    Dict,
    /// A `set` or `frozenset`.
    Set,
}

/// Why bytes are not a pickle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("at byte {offset}: {reason}")]
pub struct Malformed {
    /// Where the offending instruction begins.
    pub offset: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Reason {
    /// The bytes end before the pickle does.
    #[error("the data ends before the pickle does")]
    Truncated,
    /// No protocol up to 5 knows this opcode.
    #[error("unknown opcode 0x{0:02x}")]
    UnknownOpcode(u8),
    /// A protocol over 5.
    #[error("unsupported pickle protocol {0}")]
    UnsupportedProtocol(u8),
    /// An argument that its opcode does not allow.
    #[error("the argument of opcode 0x{0:02x} cannot be read")]
    BadArgument(u8),
    /// An instruction takes more from the stack than there is.
    #[error("stack underflow")]
    Underflow,
    /// An instruction needs a mark, and there is none.
    #[error("no mark on the stack")]
    NoMark,
    /// A dict is given a key without a value.
    #[error("an odd number of items for a dict")]
    OddItems,
    /// The memo is read where nothing was put.
    #[error("nothing in the memo at this index")]
    NotInMemo,
    /// A memo index over the pickle's own length. No pickler writes one, and Python's reader
    /// allocates memory by the index.
    #[error("the memo index is over the pickle's length")]
    MemoIndex,
    /// The pickle ends with something other than one item.
    #[error("the pickle does not end with exactly one item")]
    NotOneItem,
    /// Bytes follow the end of the pickle.
    #[error("data follows the end of the pickle")]
    TrailingBytes,
}

/// Why bytes cannot be a function's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotAFunction {
    /// They are not a pickle.
    #[error("not a pickle: {0}")]
    Malformed(#[from] Malformed),
    /// They are the pickle of a plain value.
    #[error("the pickle of {0}, not of a function")]
    PlainValue(&'static str),
}

/// Why bytes cannot be a task's parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotParams {
    /// They are not a pickle.
    #[error("not a pickle: {0}")]
    Malformed(#[from] Malformed),
    /// They are the pickle of something else than a pair.
    #[error("the pickle of {0}, not of a tuple (args, kwargs)")]
    NotAPair(&'static str),
    /// The pair's first item is no sequence of positional arguments.
    #[error("the pickle of a tuple whose first item is {0}, not the tuple of positional arguments")]
    Args(&'static str),
    /// The pair's second item is no mapping of keyword arguments.
    #[error("the pickle of a tuple whose second item is {0}, not the dict of keyword arguments")]
    Kwargs(&'static str),
}

/// What [`scan`] says of a well-formed pickle's result.
///
/// # Errors
/// [`Malformed`] if the bytes are not exactly one pickle of protocol 0 to 5.
pub fn scan(bytes: &[u8]) -> Result<Top, Malformed> {
    Scanner::new(bytes).run().map(|scanned| scanned.top)
}

/// Whether the bytes may be a function: any well-formed pickle but that of a literal or container.
///
/// # Errors
/// [`NotAFunction`], which says what they are instead.
pub fn check_function(bytes: &[u8]) -> Result<(), NotAFunction> {
    match scan(bytes)? {
        Top::Object => Ok(()),
        top @ (Top::Literal(_) | Top::Container(_)) => Err(NotAFunction::PlainValue(top.name())),
    }
}

/// Whether the bytes may be parameters: the pickle of a 2-tuple, whose items are not plainly
/// something else than `(args, kwargs)`.
///
/// # Errors
/// [`NotParams`], which says what they are instead.
pub fn check_params(bytes: &[u8]) -> Result<(), NotParams> {
    let scanned = Scanner::new(bytes).run()?;
    if scanned.top != Top::Container(Container::Tuple(2)) {
        return Err(NotParams::NotAPair(scanned.top.name()));
    }
    let Some((args, kwargs)) = scanned.pair else {
        return Ok(());
    };
    match args {
        Top::Object | Top::Container(Container::Tuple(_) | Container::List) => {}
        Top::Literal(_) | Top::Container(Container::Dict | Container::Set) => {
            return Err(NotParams::Args(args.name()));
        }
    }
    match kwargs {
        Top::Object | Top::Container(Container::Dict) => Ok(()),
        Top::Literal(_)
        | Top::Container(Container::Tuple(_) | Container::List | Container::Set) => {
            Err(NotParams::Kwargs(kwargs.name()))
        }
    }
}

impl Top {
    /// How a person would call it.
    pub const fn name(self) -> &'static str {
        match self {
            Top::Literal(Literal::None) => "None",
            Top::Literal(Literal::Bool) => "a bool",
            Top::Literal(Literal::Int) => "an int",
            Top::Literal(Literal::Float) => "a float",
            Top::Literal(Literal::Str) => "a str",
            Top::Literal(Literal::Bytes) => "bytes",
            Top::Container(Container::Tuple(_)) => "a tuple",
            Top::Container(Container::List) => "a list",
            Top::Container(Container::Dict) => "a dict",
            Top::Container(Container::Set) => "a set",
            Top::Object => "an object",
        }
    }
}

/// A well-formed pickle's result.
struct Scanned {
    top: Top,
    /// The items of the result, if it is a 2-tuple and was built last.
    pair: Option<(Top, Top)>,
}

/// The stack machine, with shapes in the place of values.
struct Scanner<'a> {
    reader: Reader<'a>,
    stack: Vec<Top>,
    /// Heights of the stack at which a mark lies, lowest first.
    marks: Vec<usize>,
    memo: Vec<Option<Top>>,
    memo_len: usize,
    pair: Option<(Top, Top)>,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner {
            reader: Reader::new(bytes),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            memo_len: 0,
            pair: None,
        }
    }

    fn run(mut self) -> Result<Scanned, Malformed> {
        loop {
            let offset = self.reader.offset();
            let at = |reason| Malformed { offset, reason };
            match self.reader.next().map_err(at)? {
                Opcode::Stop => return self.stop().map_err(at),
                opcode => self.follow(&opcode).map_err(at)?,
            }
        }
    }

    fn stop(self) -> Result<Scanned, Reason> {
        match self.stack.as_slice() {
            [top] if self.marks.is_empty() => match self.reader.is_at_end() {
                true => Ok(Scanned {
                    top: *top,
                    pair: self.pair,
                }),
                false => Err(Reason::TrailingBytes),
            },
            _ => Err(Reason::NotOneItem),
        }
    }

    fn follow(&mut self, opcode: &Opcode<'_>) -> Result<(), Reason> {
        let pair = self.pair.take();
        match *opcode {
            Opcode::Proto | Opcode::Frame | Opcode::Stop => self.pair = pair,
            Opcode::Memoize => {
                self.put(self.memo_len as u64)?;
                self.pair = pair;
            }
            Opcode::Put(index) => {
                self.put(index)?;
                self.pair = pair;
            }
            Opcode::Get(index) => self.get(index)?,
            Opcode::Literal(literal) => self.stack.push(Top::Literal(literal)),
            Opcode::Text(_) => self.stack.push(Top::Literal(Literal::Str)),
            Opcode::Empty(container) => self.stack.push(Top::Container(container)),
            Opcode::Object { takes } => self.replace(takes, Top::Object)?,
            Opcode::Tuple(arity) => self.tuple(usize::from(arity))?,
            Opcode::Mark => self.marks.push(self.stack.len()),
            Opcode::Pop => self.pop_item_or_mark()?,
            Opcode::PopMark => self.truncate_to_mark().map(drop)?,
            Opcode::Dup => self.stack.push(self.top()?),
            Opcode::MarkedTuple => self.marked_tuple()?,
            Opcode::Marked(container) => {
                let items = self.truncate_to_mark()?;
                if container == Container::Dict && !items.is_multiple_of(2) {
                    return Err(Reason::OddItems);
                }
                self.stack.push(Top::Container(container));
            }
            Opcode::MarkedObject { at_least } => {
                if self.truncate_to_mark()? < at_least {
                    return Err(Reason::Underflow);
                }
                self.stack.push(Top::Object);
            }
            Opcode::Fill { items } => self.fill(items)?,
            Opcode::FillMarked { pairs } => {
                let items = self.truncate_to_mark()?;
                if pairs && !items.is_multiple_of(2) {
                    return Err(Reason::OddItems);
                }
                self.top()?;
            }
            Opcode::Build => {
                self.fill(1)?;
                self.replace(1, Top::Object)?;
            }
        }
        Ok(())
    }

    /// How many items lie above the topmost mark, the only ones that an instruction may touch.
    fn reachable(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Top, Reason> {
        match self.reachable() {
            0 => Err(Reason::Underflow),
            _ => self.stack.last().copied().ok_or(Reason::Underflow),
        }
    }

    fn drop_items(&mut self, items: usize) -> Result<(), Reason> {
        if self.reachable() < items {
            return Err(Reason::Underflow);
        }
        self.stack.truncate(self.stack.len() - items);
        Ok(())
    }

    fn replace(&mut self, items: usize, by: Top) -> Result<(), Reason> {
        self.drop_items(items)?;
        self.stack.push(by);
        Ok(())
    }

    /// Puts the topmost items into the one below them, which stays.
    fn fill(&mut self, items: usize) -> Result<(), Reason> {
        self.drop_items(items)?;
        self.top().map(drop)
    }

    fn pop_item_or_mark(&mut self) -> Result<(), Reason> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.drop_items(1)
    }

    /// Takes everything down to the topmost mark, and says how much that was.
    fn truncate_to_mark(&mut self) -> Result<usize, Reason> {
        let height = self.marks.pop().ok_or(Reason::NoMark)?;
        let items = self.stack.len() - height;
        self.stack.truncate(height);
        Ok(items)
    }

    fn tuple(&mut self, arity: usize) -> Result<(), Reason> {
        if self.reachable() < arity {
            return Err(Reason::Underflow);
        }
        if let (2, [.., first, second]) = (arity, self.stack.as_slice()) {
            self.pair = Some((*first, *second));
        }
        let counted = u8::try_from(arity).unwrap_or(u8::MAX);
        self.replace(arity, Top::Container(Container::Tuple(counted)))
    }

    fn marked_tuple(&mut self) -> Result<(), Reason> {
        let height = self.marks.pop().ok_or(Reason::NoMark)?;
        self.tuple(self.stack.len() - height)
    }

    fn put(&mut self, index: u64) -> Result<(), Reason> {
        let top = self.top()?;
        let index = usize::try_from(index)
            .ok()
            .filter(|index| *index < self.reader.len())
            .ok_or(Reason::MemoIndex)?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        if let Some(place) = self.memo.get_mut(index) {
            self.memo_len += usize::from(place.is_none());
            *place = Some(top);
        }
        Ok(())
    }

    fn get(&mut self, index: u64) -> Result<(), Reason> {
        let known = usize::try_from(index).ok().and_then(|i| self.memo.get(i));
        let top = known.copied().flatten().ok_or(Reason::NotInMemo)?;
        self.stack.push(top);
        Ok(())
    }
}
