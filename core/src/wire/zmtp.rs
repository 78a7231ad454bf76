//! ZMTP 3.0 and 3.1, as far as one must read it to know that a peer's bytes are harmless.
//!
//! ```text
//!  greeting 64   ff ........ 7f | major minor | mechanism 20 | as-server | filler 31
//!  frame         flags | length: 1 or 8 bytes, big-endian | body
//!  flags         01 more frames follow   02 the length has 8 bytes   04 a command
//!  READY         a command: 05 "READY", then (name length 1, name, value length 4, value) ...
//! ```
//!
//! ([23/ZMTP](https://rfc.zeromq.org/spec/23/) and [37/ZMTP](https://rfc.zeromq.org/spec/37/).)
//! A connection is a [`Handshake`] and then [`Traffic`]. Both take bytes in pieces of any size, and
//! the pieces make no difference: a violation is told at the first byte that makes it certain.
//! Nothing is reserved for what is only announced. Messages are counted and measured, not kept.

use bytes::Bytes;
use thiserror::Error;

use crate::timing::JSON_FRAME_LIMIT;

/// The length of a greeting, in bytes.
pub const GREETING: usize = 64;

/// The longest READY command, in bytes. A worker's has its socket type and an identity, which is
/// at most [`IDENTITY_LIMIT`].
pub const READY_LIMIT: u64 = 512;

/// The longest identity, in bytes.
pub const IDENTITY_LIMIT: usize = 255;

const SIGNATURE: (u8, u8) = (0xff, 0x7f);
const MAJOR: u8 = 3;
const MECHANISM: &[u8; 20] = b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const READY: &[u8] = b"READY";

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// What is wrong with a peer's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub enum Violation {
    /// They do not begin as ZMTP does.
    #[error("not ZMTP")]
    Signature,
    /// A version before 3.0.
    #[error("version {0} of ZMTP; 3.0 is needed")]
    Version(u8),
    /// Another mechanism than NULL.
    #[error("a security mechanism other than NULL")]
    Mechanism,
    /// The first command is not READY, or a message comes before it.
    #[error("no READY command after the greeting")]
    NotReady,
    /// READY announces at least so many bytes.
    #[error("a READY command of {0} bytes or more")]
    ReadyTooLong(u64),
    /// READY's properties are cut off, or the identity is too long.
    #[error("a malformed READY command")]
    ReadyMalformed,
    /// A socket that cannot talk to a dispatcher's, or none named.
    #[error("a socket that is neither DEALER nor REQ")]
    SocketType,
    /// A frame whose flags mean nothing.
    #[error("a frame with the flags {0:#04x}")]
    Flags(u8),
    /// A command after the handshake. A peer that beats by PING sends some.
    #[error("a command after the handshake; ZMQ heartbeats must be off")]
    Command,
    /// A frame announces at least so many bytes.
    #[error("a frame of {0} bytes or more")]
    FrameTooLong(u64),
    /// The frames of a message announce at least so many bytes in all.
    #[error("a message of {0} bytes or more")]
    MessageTooLong(u64),
    /// A message has more frames than this.
    #[error("a message of more than {0} frames")]
    TooManyFrames(u32),
}

/// The sockets that workers have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SocketType {
    /// Ours, and the original's push workers.
    Dealer,
    /// The original's pull workers.
    Req,
}

impl SocketType {
    /// As ZMTP names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            SocketType::Dealer => "DEALER",
            SocketType::Req => "REQ",
        }
    }
}

/// What a peer said of itself in its READY command.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ready {
    /// Its socket.
    pub socket: SocketType,
    /// Its identity; empty if it leaves that to the other side.
    pub identity: Bytes,
}

/// The greeting of this side: version 3.0, mechanism NULL, not as server.
pub fn greeting() -> [u8; GREETING] {
    std::array::from_fn(|place| match place {
        0 => SIGNATURE.0,
        9 => SIGNATURE.1,
        10 => MAJOR,
        _ => mechanism(place).unwrap_or(0),
    })
}

/// The byte of the mechanism's name at this place of a greeting, if that is where it stands.
fn mechanism(place: usize) -> Option<u8> {
    MECHANISM.get(place.checked_sub(12)?).copied()
}

/// A READY command of this side, as a frame. Each of `socket` and `identity` is at most 255 bytes.
pub fn ready(socket: &str, identity: &[u8]) -> Vec<u8> {
    let mut body = vec![READY.len() as u8];
    body.extend_from_slice(READY);
    for (name, value) in [("Socket-Type", socket.as_bytes()), ("Identity", identity)] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    }
    let mut frame = match u8::try_from(body.len()) {
        Ok(length) => vec![COMMAND, length],
        Err(_) => {
            let mut header = vec![COMMAND | LONG];
            header.extend_from_slice(&(body.len() as u64).to_be_bytes());
            header
        }
    };
    frame.append(&mut body);
    frame
}

/// Reads a peer's greeting and its READY command.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Handshake {
    /// How much of the greeting has been read.
    greeted: usize,
    header: Header,
    /// The body of READY as far as it is known, once its length is.
    body: Option<(u64, Vec<u8>)>,
}

impl Handshake {
    /// Reads on, and takes from the front of `bytes` what belongs to the handshake. Once READY is
    /// complete it is returned; what is left then is traffic.
    ///
    /// # Errors
    /// The peer is not one of ours. The handshake must not go on.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Ready>, Violation> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            if self.greeted < GREETING {
                check_greeting(self.greeted, byte)?;
                self.greeted += 1;
            } else if let Some(body) = self.read_command(byte)? {
                return read_ready(&body).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads one byte of the first command, and returns its body when it is complete.
    fn read_command(&mut self, byte: u8) -> Result<Option<Vec<u8>>, Violation> {
        if let Some((_, body)) = &mut self.body {
            body.push(byte);
        } else {
            if self.header == Header::Flags && byte & !LONG != COMMAND {
                return Err(Violation::NotReady);
            }
            let length = self.header.read(byte);
            let announced = self.header.at_least();
            if announced > READY_LIMIT {
                return Err(Violation::ReadyTooLong(announced));
            }
            self.body = length.map(|length| (length, Vec::new()));
        }
        let complete = |(length, body): &mut (u64, Vec<u8>)| body.len() as u64 == *length;
        Ok(self.body.take_if(complete).map(|(_, body)| body))
    }
}

fn check_greeting(place: usize, byte: u8) -> Result<(), Violation> {
    match place {
        0 if byte != SIGNATURE.0 => Err(Violation::Signature),
        9 if byte != SIGNATURE.1 => Err(Violation::Signature),
        10 if byte < MAJOR => Err(Violation::Version(byte)),
        _ if mechanism(place).is_some_and(|expected| byte != expected) => Err(Violation::Mechanism),
        _ => Ok(()),
    }
}

fn read_ready(body: &[u8]) -> Result<Ready, Violation> {
    let (name, mut properties) = split_text(body).ok_or(Violation::ReadyMalformed)?;
    if name != READY {
        return Err(Violation::NotReady);
    }
    let (mut socket, mut identity) = (None, Bytes::new());
    while !properties.is_empty() {
        let (name, value, rest) = split_property(properties).ok_or(Violation::ReadyMalformed)?;
        properties = rest;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            socket = Some(match value {
                b"DEALER" => SocketType::Dealer,
                b"REQ" => SocketType::Req,
                _ => return Err(Violation::SocketType),
            });
        } else if name.eq_ignore_ascii_case(b"Identity") {
            if value.len() > IDENTITY_LIMIT {
                return Err(Violation::ReadyMalformed);
            }
            identity = Bytes::copy_from_slice(value);
        }
    }
    let socket = socket.ok_or(Violation::SocketType)?;
    Ok(Ready { socket, identity })
}

/// Splits a text with a length of one byte off.
fn split_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(length.into())
}

/// Splits a property off: its name, its value, what is left.
fn split_property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = split_text(bytes)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((name, value, rest))
}

/// How far the header of a frame has been read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Header {
    #[default]
    Flags,
    Length {
        /// What is known of the length: its leading bytes.
        known: u64,
        /// How many bytes of it are to come.
        left: u32,
    },
}

impl Header {
    /// Reads one byte, and returns the length when it is complete.
    fn read(&mut self, byte: u8) -> Option<u64> {
        let (known, left) = match *self {
            Header::Flags if byte & LONG == 0 => (0, 1),
            Header::Flags => (0, 8),
            Header::Length { known, left } => (known << 8 | u64::from(byte), left - 1),
        };
        *self = Header::Length { known, left };
        (left == 0).then_some(known)
    }

    /// The least length that what is known so far can become.
    const fn at_least(self) -> u64 {
        match self {
            Header::Flags => 0,
            Header::Length { known, left } => match left {
                0..8 => known << (8 * left),
                // Nothing is known.
                _ => 0,
            },
        }
    }
}

/// How large a peer's messages may be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// The longest frame, in bytes.
    pub frame: u64,
    /// The longest message, in bytes of all its frames.
    pub message: u64,
    /// The most frames of a message. Ours have one or two.
    pub frames: u32,
}

impl Default for Limits {
    /// What a dispatcher must take in: the largest message of either format, and no more. A message
    /// with too many frames, or one too large for its format, is its business to refuse.
    fn default() -> Limits {
        Limits {
            frame: JSON_FRAME_LIMIT as u64,
            message: JSON_FRAME_LIMIT as u64,
            frames: 1_024,
        }
    }
}

/// What [`Traffic::scan`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// So many bytes at the front are harmless, and may be passed on.
    pub harmless: usize,
    /// So many messages end in them.
    pub messages: usize,
    /// What is wrong with the byte after them. Nothing from there on may be passed on.
    pub violation: Option<Violation>,
}

/// Reads the headers of a peer's frames after its handshake.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Traffic {
    limits: Limits,
    place: Place,
    /// Whether the frame that is being read is followed by another of its message.
    more: bool,
    /// The frames of the message that have been announced so far, and their bytes.
    frames: u32,
    bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    Header(Header),
    /// So many bytes of the body are to come.
    Body(u64),
    Over(Violation),
}

impl Traffic {
    /// Begins after a handshake.
    pub const fn new(limits: Limits) -> Traffic {
        Traffic {
            limits,
            place: Place::Header(Header::Flags),
            more: false,
            frames: 0,
            bytes: 0,
        }
    }

    /// Reads on, but no further than to the end of the `messages`th message; what is left then is
    /// to be scanned later. After a violation there is nothing but that violation.
    pub fn scan(&mut self, bytes: &[u8], messages: usize) -> Scanned {
        let mut rest = bytes;
        let mut ended = 0;
        let mut violation = None;
        while ended < messages && violation.is_none() && !rest.is_empty() {
            match self.advance(&mut rest) {
                Ok(message_ends) => ended += usize::from(message_ends),
                Err(what) => {
                    self.place = Place::Over(what);
                    violation = Some(what);
                }
            }
        }
        Scanned {
            harmless: bytes.len() - rest.len(),
            messages: ended,
            violation,
        }
    }

    /// How many bytes the message that is being read has announced so far; 0 between messages.
    pub const fn announced(&self) -> u64 {
        self.bytes
    }

    /// Reads a byte of a header, or as much of a body as there is. Says whether a message ends. A
    /// byte that is wrong is not taken.
    fn advance(&mut self, bytes: &mut &[u8]) -> Result<bool, Violation> {
        let left = match self.place {
            Place::Over(violation) => return Err(violation),
            Place::Header(header) => {
                let Some((&byte, rest)) = bytes.split_first() else {
                    return Ok(false);
                };
                let left = self.read_header(header, byte)?;
                *bytes = rest;
                left
            }
            Place::Body(left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                *bytes = bytes.split_at(here).1;
                Some(left - here as u64)
            }
        };
        if let Some(left) = left {
            self.place = Place::Body(left);
        }
        Ok(left == Some(0) && self.end_frame())
    }

    /// Reads one byte of a header. Returns the length of the body when it is known.
    fn read_header(&mut self, mut header: Header, byte: u8) -> Result<Option<u64>, Violation> {
        if header == Header::Flags {
            match byte {
                0..4 => {}
                COMMAND | 6 => return Err(Violation::Command),
                _ => return Err(Violation::Flags(byte)),
            }
            if self.frames == self.limits.frames {
                return Err(Violation::TooManyFrames(self.limits.frames));
            }
            self.frames += 1;
            self.more = byte & MORE != 0;
        }
        let length = header.read(byte);
        let frame = header.at_least();
        if frame > self.limits.frame {
            return Err(Violation::FrameTooLong(frame));
        }
        let message = self.bytes.saturating_add(frame);
        if message > self.limits.message {
            return Err(Violation::MessageTooLong(message));
        }
        self.place = Place::Header(header);
        self.bytes += length.unwrap_or(0);
        Ok(length)
    }

    /// Says whether the message ends with the frame.
    const fn end_frame(&mut self) -> bool {
        self.place = Place::Header(Header::Flags);
        if !self.more {
            self.frames = 0;
            self.bytes = 0;
        }
        !self.more
    }
}
