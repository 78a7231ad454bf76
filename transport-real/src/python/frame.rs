//! The frames between this process and `runner.py`, as that file's header lists them.
//!
//! What comes from a child is not trusted: user code shares its process. Every length is checked
//! before anything is allocated for it.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mpcsfaas_core::id::{Attempt, FunctionId, TaskId};
use mpcsfaas_core::task::{Failure, FailureKind, Function, Versions};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much longer than the largest result a reply may be: its header, or the texts of a failure
/// (each cut by the runner).
pub(super) const REPLY_OVERHEAD: usize = 1 << 20;

/// The longest function name that is sent along, in characters; it is only ever shown.
const NAME_LIMIT: usize = 200;

/// A result up to this size is copied out of the read buffer, which it would otherwise keep alive.
const COPY_LIMIT: usize = 16 << 10;

/// A reply of a child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is ready.
    Hello(Greeting),
    /// It cannot work, and ends.
    CannotWork(String),
    /// A task ended.
    Ended {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
        /// How.
        result: Result<Bytes, Failure>,
        /// How long it took.
        took: Duration,
        /// Whether some of what it printed may be in the capture pipe.
        printed: bool,
    },
    /// A task was taken back before it began.
    Skipped {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: Attempt,
    },
}

/// What a child says of itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Greeting {
    /// Its Python and dill.
    #[serde(flatten)]
    pub(super) versions: Versions,
    /// Whether it found the ledger and the quiet pipe, and can use them.
    #[serde(default)]
    pub(super) reads_ahead: bool,
}

impl Reply {
    /// The attempt that it answers, if it is such a reply.
    pub(super) fn attempt(&self) -> Option<(TaskId, Attempt)> {
        match self {
            Reply::Ended { task, attempt, .. } | Reply::Skipped { task, attempt } => {
                Some((*task, *attempt))
            }
            Reply::Hello(_) | Reply::CannotWork(_) => None,
        }
    }
}

/// Bytes that the runner does not send, or would not read.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum FrameError {
    /// Longer than any reply may be.
    #[error("a frame of {length} bytes, the limit is {limit}")]
    TooLong {
        /// As announced.
        length: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// No such kind of reply, or none at all.
    #[error("a frame of an unknown kind")]
    UnknownKind,
    /// It ends before its fields do.
    #[error("a truncated {0} frame")]
    Truncated(char),
    /// Its JSON is not what it must be.
    #[error("a {0} frame with malformed JSON")]
    Json(char),
    /// Too long for the 32 bits of a frame's length.
    #[error("a function or its parameters are longer than 4 GiB")]
    Unsendable,
}

#[derive(Serialize)]
struct FunctionMeta<'a> {
    name: &'a str,
    python: Option<&'a str>,
    dill: Option<&'a str>,
}

#[derive(Deserialize)]
struct CannotWork {
    message: String,
}

#[derive(Deserialize)]
struct FailureMeta {
    kind: String,
    #[serde(rename = "type")]
    exception: String,
    message: String,
    traceback: String,
    exit_code: Option<i32>,
}

/// `F`: keep this function. In two parts, so that the body is not copied.
pub(super) fn keep(id: FunctionId, function: &Function) -> Result<[Bytes; 2], FrameError> {
    let short = |text: &str| text.chars().take(NAME_LIMIT).collect::<String>();
    let python = function.pickled_by.python.as_deref().map(short);
    let dill = function.pickled_by.dill.as_deref().map(short);
    let meta = serde_json::to_vec(&FunctionMeta {
        name: &short(&function.name),
        python: python.as_deref(),
        dill: dill.as_deref(),
    })
    .unwrap_or_else(|_| b"{}".to_vec());
    let meta_length = u16::try_from(meta.len()).map_err(|_| FrameError::Unsendable)?;
    let mut head = headed(1 + 16 + 2 + meta.len(), function.body.len())?;
    head.put_u8(b'F');
    head.put_u128(id.0);
    head.put_u16_le(meta_length);
    head.put_slice(&meta);
    Ok([head.freeze(), function.body.clone()])
}

/// `D`: forget this function.
pub(super) fn forget(id: FunctionId) -> Result<Bytes, FrameError> {
    let mut frame = headed(1 + 16, 0)?;
    frame.put_u8(b'D');
    frame.put_u128(id.0);
    Ok(frame.freeze())
}

/// The head of an `R`: run this task. Its parameters, so many bytes, come behind it.
pub(super) fn run(
    (task, attempt): (TaskId, Attempt),
    (number, heard): (u8, u8),
    function: FunctionId,
    params: usize,
) -> Result<BytesMut, FrameError> {
    let mut head = headed(1 + 16 + 4 + 2 + 16, params)?;
    head.put_u8(b'R');
    head.put_u128(task.0);
    head.put_u32_le(attempt);
    head.put_u8(number);
    head.put_u8(heard);
    head.put_u128(function.0);
    Ok(head)
}

/// `G`: all that was printed is heard.
pub(super) const GO_ON: Bytes = Bytes::from_static(b"\x01\0\0\0G");

/// A buffer that begins with the length of a frame, for a head with a body behind it.
fn headed(head: usize, body: usize) -> Result<BytesMut, FrameError> {
    let length = u32::try_from(head.saturating_add(body)).map_err(|_| FrameError::Unsendable)?;
    let mut buffer = BytesMut::with_capacity(4 + head);
    buffer.put_u32_le(length);
    Ok(buffer)
}

/// Takes the next complete reply off the front of what was read; `None` if more must be read
/// first, for which room is made.
///
/// # Errors
/// A frame over `limit` bytes, or one that the runner does not send.
pub(super) fn take(read: &mut BytesMut, limit: usize) -> Result<Option<Reply>, FrameError> {
    let Some(announced) = read.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*announced) as usize;
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    if read.len() < 4 + length {
        read.reserve(4 + length - read.len());
        return Ok(None);
    }
    read.advance(4);
    let frame = read.split_to(length);
    if length <= COPY_LIMIT {
        parse(Bytes::copy_from_slice(&frame)).map(Some)
    } else {
        parse(frame.freeze()).map(Some)
    }
}

fn parse(mut frame: Bytes) -> Result<Reply, FrameError> {
    match frame.try_get_u8().map_err(|_| FrameError::UnknownKind)? {
        b'H' => {
            let greeting = serde_json::from_slice(&frame).map_err(|_| FrameError::Json('H'))?;
            Ok(Reply::Hello(greeting))
        }
        b'X' => {
            let CannotWork { message } =
                serde_json::from_slice(&frame).map_err(|_| FrameError::Json('X'))?;
            Ok(Reply::CannotWork(message))
        }
        kind @ (b'C' | b'E') => {
            let truncated = || FrameError::Truncated(kind.into());
            let (task, attempt) = run_of(&mut frame).ok_or_else(truncated)?;
            let took = frame.try_get_u32_le().map_err(|_| truncated())?;
            let printed = frame.try_get_u8().map_err(|_| truncated())?;
            Ok(Reply::Ended {
                task,
                attempt,
                result: match kind {
                    b'C' => Ok(frame),
                    _ => Err(failure(frame)?),
                },
                took: Duration::from_micros(took.into()),
                printed: printed != 0,
            })
        }
        b'K' => {
            let (task, attempt) = run_of(&mut frame).ok_or(FrameError::Truncated('K'))?;
            Ok(Reply::Skipped { task, attempt })
        }
        _ => Err(FrameError::UnknownKind),
    }
}

fn run_of(frame: &mut Bytes) -> Option<(TaskId, Attempt)> {
    let task = frame.try_get_u128().ok()?;
    let attempt = frame.try_get_u32_le().ok()?;
    Some((TaskId(task), attempt))
}

fn failure(mut frame: Bytes) -> Result<Failure, FrameError> {
    let length = frame
        .try_get_u32_le()
        .map_err(|_| FrameError::Truncated('E'))? as usize;
    if frame.len() < length {
        return Err(FrameError::Truncated('E'));
    }
    let pickled_message = frame.split_to(length);
    let meta: FailureMeta = serde_json::from_slice(&frame).map_err(|_| FrameError::Json('E'))?;
    Ok(Failure {
        kind: FailureKind::from_name(&meta.kind).ok_or(FrameError::Json('E'))?,
        exception: meta.exception,
        message: meta.message,
        pickled_message,
        traceback: meta.traceback,
        exit_code: meta.exit_code,
        signal: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a small frame");
        [&length.to_le_bytes(), payload].concat()
    }

    /// What `take` makes of these bytes, in order, until it wants more or refuses.
    fn check(bytes: &[u8]) -> Vec<Result<Reply, FrameError>> {
        let mut read = BytesMut::from(bytes);
        std::iter::from_fn(|| take(&mut read, 1_000).transpose())
            .take(3)
            .collect()
    }

    #[test]
    fn a_run_is_written_as_the_runner_reads_it() {
        let head = run((TaskId(1), 2), (7, 6), FunctionId(3), 6).expect("short");
        let mut expected = framed(
            &[
                &b"R"[..],
                &[0; 15],
                &[1],
                &[2, 0, 0, 0],
                &[7, 6],
                &[0; 15],
                &[3],
            ]
            .concat(),
        );
        expected[0] += 6;
        assert_eq!(&head[..], &expected[..]);
    }

    #[test]
    fn replies_are_taken_one_by_one_and_only_when_complete() {
        let reply = [
            &b"C"[..],
            &7_u128.to_be_bytes(),
            &9_u32.to_le_bytes(),
            &1_500_u32.to_le_bytes(),
            &[1],
            b"pickle",
        ]
        .concat();
        let hello = framed(br#"H{"python":"3.11.7","dill":"0.4.1","pid":1}"#);
        let all = [hello, framed(&reply)].concat();
        for end in 0..all.len() {
            assert!(check(&all[..end]).iter().all(Result::is_ok), "cut at {end}");
        }
        let replies = check(&all);
        assert_eq!(replies.len(), 2);
        assert_eq!(
            replies[1],
            Ok(Reply::Ended {
                task: TaskId(7),
                attempt: 9,
                result: Ok(Bytes::from_static(b"pickle")),
                took: Duration::from_micros(1_500),
                printed: true,
            })
        );
    }

    #[test]
    fn what_the_runner_does_not_send_is_refused() {
        use FrameError::{Json, TooLong, Truncated, UnknownKind};
        let ids = [0; 25];
        let lying = [&b"E"[..], &ids, &[9, 0, 0, 0], b"{}"].concat();
        let unknown = br#"{"kind":"odd","type":"","message":"","traceback":"","exit_code":null}"#;
        let unknown = [&b"E"[..], &ids, &[0; 4], unknown].concat();
        let cases: [(&[u8], FrameError); 7] = [
            (b"", UnknownKind),
            (b"?", UnknownKind),
            (b"H{", Json('H')),
            (b"C123", Truncated('C')),
            (&lying, Truncated('E')),
            (&unknown, Json('E')),
            (
                &[b'C'; 1_001],
                TooLong {
                    length: 1_001,
                    limit: 1_000,
                },
            ),
        ];
        for (payload, error) in cases {
            assert_eq!(check(&framed(payload))[0], Err(error));
        }
    }
}
