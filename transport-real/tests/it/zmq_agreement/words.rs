//! The words in which an outcome is told, the same for all sockets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of a message.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Frame {
    /// A short one is its text.
    Text(String),
    /// A long one is its size.
    Size(usize),
}

/// The longest frame that is told by its text, in bytes; as in `peers.py`.
const LONGEST_TEXT: usize = 64;

/// How many messages one peer's queue holds: in libzmq, and in the crate.
const HIGH_WATER: [usize; 2] = [1_000, 100_000];

impl Frame {
    pub(super) fn read(bytes: &[u8]) -> Frame {
        match bytes.len() <= LONGEST_TEXT {
            true => Frame::Text(String::from_utf8_lossy(bytes).into_owned()),
            false => Frame::Size(bytes.len()),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Frame::Text(text) => text.clone().into_bytes(),
            Frame::Size(size) => vec![b'x'; *size],
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Text(text) if text.is_empty() => f.write_str("(empty)"),
            Frame::Text(text) => f.write_str(text),
            Frame::Size(size) => write!(f, "({size} bytes)"),
        }
    }
}

/// A message, at a ROUTER with the identity in front.
pub(super) type Frames = Vec<Frame>;

/// What was observed of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// The step was taken, and there is nothing to tell of it.
    Done,
    /// A message was taken. What becomes of it, others will tell.
    Taken,
    /// The sender was told that there is nobody.
    Refused,
    /// The sender waits, or would: there is no room.
    Waits,
    /// A REQ was to send or to receive when it was not its turn.
    OutOfTurn,
    /// A message was received.
    Heard(Frames),
    /// Nothing came.
    Nothing,
    /// The end of a connection was noticed.
    Noticed,
    /// So many were taken, and then this.
    Filled(usize, Box<Word>),
    /// All that were taken have arrived, in order.
    AllArrive,
    /// Some have not arrived; those that have, in order.
    SomeAreLost,
    /// Some of the first have arrived, perhaps all, in order.
    TheFirstArrive,
    /// They did not arrive in order or not whole.
    Mixed,
}

impl Word {
    /// A word of `peers.py`.
    pub(super) fn read(word: &str) -> Word {
        match word {
            "done" => Word::Done,
            "taken" => Word::Taken,
            "refused" => Word::Refused,
            "waits" => Word::Waits,
            "out of turn" => Word::OutOfTurn,
            "nothing" => Word::Nothing,
            "noticed" => Word::Noticed,
            other => panic!("peers.py said {other}"),
        }
    }

    /// Whether it is what a step does that is not worth telling.
    pub(super) fn is_usual(&self) -> bool {
        matches!(
            self,
            Word::Done | Word::Taken | Word::Heard(_) | Word::Noticed | Word::Filled(..)
        )
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Done => f.write_str("done"),
            Word::Taken => f.write_str("taken"),
            Word::Refused => f.write_str("refused"),
            Word::Waits => f.write_str("waits"),
            Word::OutOfTurn => f.write_str("out of turn"),
            Word::Heard(frames) => {
                let frames: Vec<String> = frames.iter().map(Frame::to_string).collect();
                write!(f, "`{}`", frames.join(" "))
            }
            Word::Nothing => f.write_str("nothing"),
            Word::Noticed => f.write_str("noticed"),
            Word::Filled(count, end) => match (&**end, HIGH_WATER.contains(count)) {
                (Word::Waits, true) => write!(f, "waits after {count}"),
                (Word::Waits, false) => {
                    let below = HIGH_WATER.iter().rev().find(|mark| *mark < count);
                    write!(f, "waits after more than {}", below.unwrap_or(&0))
                }
                (end, _) => end.fmt(f),
            },
            Word::AllArrive => f.write_str("all, in order"),
            Word::SomeAreLost => f.write_str("not all, in order"),
            Word::TheFirstArrive => f.write_str("those that got away, in order"),
            Word::Mixed => f.write_str("out of order"),
        }
    }
}
