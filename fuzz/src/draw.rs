//! Values out of the fuzzer's bytes, biased towards a small domain.
//!
//! A few tasks, workers and sessions are all there are, so that what one event names is likely to
//! be what another has named. Where there are no bytes left, everything drawn is its smallest.

use std::time::Duration;

use arbitrary::Unstructured;
use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, TaskId};
use mpcsfaas_core::task::{Failure, FailureKind, Function, Options, Outcome, Versions};
use mpcsfaas_core::wire::message::TaskRef;

/// How many tasks there are; their numbers begin at 1.
pub(crate) const TASKS: u128 = 8;

/// Numbers at the ends of the types that the wire has.
const EDGES: [u64; 8] = [
    250,
    251,
    u16::MAX as u64,
    u16::MAX as u64 + 1,
    u32::MAX as u64,
    u32::MAX as u64 + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// The bytes that are left.
pub(crate) struct Draw<'a>(Unstructured<'a>);

impl<'a> Draw<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Draw<'a> {
        Draw(Unstructured::new(bytes))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A number from `least` to `most`. One byte, if there are at most 256 of them.
    pub(crate) fn number(&mut self, least: u64, most: u64) -> u64 {
        self.0.int_in_range(least..=most).unwrap_or(least)
    }

    /// One of so many, from 0.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let most = count.saturating_sub(1) as u64;
        usize::try_from(self.number(0, most)).unwrap_or_default()
    }

    /// One of a few.
    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.number(0, 1) == 1
    }

    /// True in one of `count` cases, and never when the bytes are used up.
    pub(crate) fn rarely(&mut self, count: u64) -> bool {
        self.number(0, count - 1) == count - 1
    }

    /// Mostly a small number, sometimes one at an end of a type.
    pub(crate) fn edge(&mut self) -> u64 {
        match self.number(0, 255) {
            small @ 0..240 => small % 16,
            large => EDGES[large as usize % EDGES.len()],
        }
    }

    /// [`edge`](Draw::edge) in 32 bits.
    pub(crate) fn edge32(&mut self) -> u32 {
        u32::try_from(self.edge()).unwrap_or(u32::MAX)
    }

    /// At most so many of what `one` draws.
    pub(crate) fn list<T>(&mut self, most: u64, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number(0, most);
        (0..count).map(|_| one(self)).collect()
    }

    /// At most so many bytes.
    pub(crate) fn bytes(&mut self, most: u64) -> Bytes {
        let count = self.number(0, most) as usize;
        let count = count.min(self.0.len());
        Bytes::copy_from_slice(self.0.bytes(count).unwrap_or_default())
    }

    /// A text of at most so many characters.
    pub(crate) fn text(&mut self, most: u64) -> String {
        self.list(most, |draw| {
            draw.one_of(&['a', 'b', '\\', '\n', '"', '\u{e9}', '\u{1f600}', '\0'])
        })
        .into_iter()
        .collect()
    }

    pub(crate) fn task(&mut self) -> TaskId {
        TaskId(1 + self.index(TASKS as usize) as u128)
    }

    /// One of three functions. The last one is never in the store.
    pub(crate) fn function_id(&mut self) -> FunctionId {
        FunctionId(self.one_of(&[101, 101, 101, 102, 102, 177]))
    }

    /// An attempt at a task.
    pub(crate) fn task_ref(&mut self) -> TaskRef {
        TaskRef {
            task: self.task(),
            attempt: self.number(0, 3) as u32,
        }
    }

    pub(crate) fn task_refs(&mut self) -> Vec<TaskRef> {
        self.list(3, Draw::task_ref)
    }

    /// A time span: mostly what timers are set to, up to the end of the type.
    pub(crate) fn span(&mut self) -> Duration {
        match self.number(0, 255) {
            millis @ 0..128 => Duration::from_millis(millis * 30),
            seconds @ 128..250 => Duration::from_secs(seconds - 127),
            250 => Duration::ZERO,
            251 => Duration::from_nanos(1),
            252 => Duration::from_secs(u64::from(u32::MAX)),
            253 => Duration::from_nanos(u64::MAX),
            _ => Duration::MAX,
        }
    }

    /// How long to wait: mostly about as long as timers do, at most some minutes.
    pub(crate) fn wait(&mut self) -> Duration {
        match self.number(0, 255) {
            millis @ 0..64 => Duration::from_millis(millis),
            tenths @ 64..192 => Duration::from_millis((tenths - 60) * 50),
            seconds => Duration::from_secs(seconds - 190),
        }
    }

    pub(crate) fn options(&mut self) -> Options {
        Options {
            timeout_ms: self
                .flag()
                .then(|| self.one_of(&[0, 1, 500, 2_000, 60_000, u64::MAX])),
            at_most_once: self.rarely(3),
        }
    }

    pub(crate) fn outcome(&mut self) -> Outcome {
        let result = match self.flag() {
            true => Ok(self.bytes(4)),
            false => Err(self.failure()),
        };
        Outcome {
            result,
            output: self.bytes(2),
        }
    }

    fn failure(&mut self) -> Failure {
        Failure {
            exception: self.text(2),
            pickled_message: self.bytes(3),
            traceback: self.text(2),
            exit_code: self
                .flag()
                .then(|| self.one_of(&[0, 1, -1, i32::MIN, i32::MAX])),
            signal: self.flag().then(|| self.one_of(&[9, 15])),
            ..Failure::new(self.one_of(&FailureKind::ALL), self.text(3))
        }
    }

    pub(crate) fn function(&mut self) -> Function {
        Function {
            name: self.text(3),
            body: self.bytes(4),
            options: self.options(),
            pickled_by: self.versions(),
        }
    }

    pub(crate) fn versions(&mut self) -> Versions {
        Versions {
            python: self.flag().then(|| self.text(2)),
            dill: self.flag().then(|| self.text(2)),
        }
    }
}
