//! Writes pickles of drawn values, in each protocol, as Python's pickler does.

use mpcsfaas_core::pickle::{Container, Literal, Top};

use crate::draw::Draw;

/// How deep a drawn value may be.
const DEPTH: u32 = 4;

/// A pickler that has written so far.
pub(crate) struct Pickler {
    pub(crate) bytes: Vec<u8>,
    protocol: u8,
    memoized: u32,
}

impl Pickler {
    /// The beginning of a pickle in a protocol that is drawn.
    pub(crate) fn begin(draw: &mut Draw<'_>) -> Pickler {
        let protocol = draw.number(0, 5) as u8;
        let mut bytes = Vec::new();
        if protocol >= 2 {
            bytes.extend([0x80, protocol]);
        }
        Pickler {
            bytes,
            protocol,
            memoized: 0,
        }
    }

    /// Its end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    /// A value of any kind, and what it is.
    pub(crate) fn value(&mut self, draw: &mut Draw<'_>) -> Top {
        self.nested(draw, DEPTH)
    }

    fn nested(&mut self, draw: &mut Draw<'_>, depth: u32) -> Top {
        match draw.index(if depth == 0 { 6 } else { 12 }) {
            0 => self.literal(b"N", Literal::None),
            1 => match self.protocol {
                0 | 1 => self.literal(b"I01\n", Literal::Bool),
                _ => self.literal(&[draw.one_of(&[0x88, 0x89])], Literal::Bool),
            },
            2 => self.int(draw),
            3 => self.float(draw),
            4 => self.text(draw),
            5 => self.global(draw),
            6 => {
                let items = draw.number(0, 4);
                self.tuple(draw, depth, items)
            }
            7 => self.list(draw, depth),
            8 => self.dict(draw, depth),
            9 => self.call(draw, depth),
            10 => self.object_with_state(draw, depth),
            _ => self.bytes_value(draw),
        }
    }

    fn literal(&mut self, written: &[u8], literal: Literal) -> Top {
        self.bytes.extend(written);
        Top::Literal(literal)
    }

    fn int(&mut self, draw: &mut Draw<'_>) -> Top {
        let number = draw.edge();
        match self.protocol {
            0 => self.bytes.extend(format!("I{number}\n").bytes()),
            1 => self.bytes.extend(format!("L-{number}L\n").bytes()),
            _ => match u8::try_from(number) {
                Ok(small) => self.bytes.extend([b'K', small]),
                Err(_) => {
                    self.bytes.extend([0x8a, 9]);
                    self.bytes.extend(number.to_le_bytes());
                    self.bytes.push(0);
                }
            },
        }
        Top::Literal(Literal::Int)
    }

    fn float(&mut self, draw: &mut Draw<'_>) -> Top {
        let number = draw.edge() as f64 / 3.0;
        match self.protocol {
            0 => self.bytes.extend(format!("F{number}\n").bytes()),
            _ => {
                self.bytes.push(b'G');
                self.bytes.extend(number.to_be_bytes());
            }
        }
        Top::Literal(Literal::Float)
    }

    fn text(&mut self, draw: &mut Draw<'_>) -> Top {
        let text = draw.text(4);
        match self.protocol {
            0 => {
                self.bytes.push(b'V');
                for char in text.chars() {
                    match char {
                        '\\' | '\n' | '\0' => {
                            self.bytes.extend(format!("\\u{:04x}", char as u32).bytes())
                        }
                        latin if (latin as u32) < 256 => self.bytes.push(latin as u8),
                        wide => self.bytes.extend(format!("\\U{:08x}", wide as u32).bytes()),
                    }
                }
                self.bytes.push(b'\n');
            }
            1..=3 => {
                self.bytes.push(b'X');
                self.bytes.extend((text.len() as u32).to_le_bytes());
                self.bytes.extend(text.bytes());
            }
            _ => {
                self.bytes.extend([0x8c, text.len() as u8]);
                self.bytes.extend(text.bytes());
            }
        }
        self.memoize();
        Top::Literal(Literal::Str)
    }

    fn bytes_value(&mut self, draw: &mut Draw<'_>) -> Top {
        let payload = draw.bytes(8);
        match self.protocol {
            0..=2 => return self.global(draw),
            _ => self.bytes.extend([b'C', payload.len() as u8]),
        }
        self.bytes.extend(payload);
        self.memoize();
        Top::Literal(Literal::Bytes)
    }

    fn global(&mut self, draw: &mut Draw<'_>) -> Top {
        let name = draw.one_of(&["dumps", "loads"]);
        match self.protocol {
            0..=3 => self.bytes.extend(format!("cpickle\n{name}\n").bytes()),
            _ => {
                for text in ["pickle", name] {
                    self.bytes.extend([0x8c, text.len() as u8]);
                    self.bytes.extend(text.bytes());
                    self.memoize();
                }
                self.bytes.push(0x93);
            }
        }
        self.memoize();
        Top::Object
    }

    /// A tuple of so many drawn items.
    fn tuple(&mut self, draw: &mut Draw<'_>, depth: u32, items: u64) -> Top {
        let short = self.protocol >= 2 && items <= 3;
        match items {
            0 if self.protocol >= 1 => self.bytes.push(b')'),
            _ => {
                if !short {
                    self.bytes.push(b'(');
                }
                for _ in 0..items {
                    self.nested(draw, depth - 1);
                }
                match items {
                    1..=3 if short => self.bytes.push(0x84 + items as u8),
                    _ => self.bytes.push(b't'),
                }
                self.memoize();
            }
        }
        Top::Container(Container::Tuple(items as u8))
    }

    fn list(&mut self, draw: &mut Draw<'_>, depth: u32) -> Top {
        self.bytes
            .extend(if self.protocol == 0 { &b"(l"[..] } else { b"]" });
        self.memoize();
        let items = draw.number(0, 4);
        match self.protocol {
            0 => {
                for _ in 0..items {
                    self.nested(draw, depth - 1);
                    self.bytes.push(b'a');
                }
            }
            _ => {
                self.bytes.push(b'(');
                for _ in 0..items {
                    self.nested(draw, depth - 1);
                }
                self.bytes.push(b'e');
            }
        }
        Top::Container(Container::List)
    }

    fn dict(&mut self, draw: &mut Draw<'_>, depth: u32) -> Top {
        self.bytes
            .extend(if self.protocol == 0 { &b"(d"[..] } else { b"}" });
        self.memoize();
        for _ in 0..draw.number(0, 3) {
            self.text(draw);
            self.nested(draw, depth - 1);
            self.bytes.push(b's');
        }
        Top::Container(Container::Dict)
    }

    fn call(&mut self, draw: &mut Draw<'_>, depth: u32) -> Top {
        self.global(draw);
        let arguments = draw.number(0, 3);
        self.tuple(draw, depth, arguments);
        self.bytes.push(b'R');
        self.memoize();
        Top::Object
    }

    fn object_with_state(&mut self, draw: &mut Draw<'_>, depth: u32) -> Top {
        self.call(draw, depth);
        self.dict(draw, depth);
        self.bytes.push(b'b');
        Top::Object
    }

    /// `(args, kwargs)`, as a client pickles them.
    pub(crate) fn params(&mut self, draw: &mut Draw<'_>) {
        if self.protocol < 2 {
            self.bytes.push(b'(');
        }
        let arguments = draw.number(0, 3);
        self.tuple(draw, DEPTH, arguments);
        self.dict(draw, DEPTH);
        self.bytes.push(if self.protocol < 2 { b't' } else { 0x86 });
        self.memoize();
    }

    fn memoize(&mut self) {
        let index = self.memoized;
        self.memoized += 1;
        match (self.protocol, u8::try_from(index)) {
            (0, _) => self.bytes.extend(format!("p{index}\n").bytes()),
            (1..=3, Ok(index)) => self.bytes.extend([b'q', index]),
            (1..=3, Err(_)) => {
                self.bytes.push(b'r');
                self.bytes.extend(index.to_le_bytes());
            }
            _ => self.bytes.push(0x94),
        }
    }
}
