//! What a script answers, as the reply that the specification gives.

use bytes::Bytes;
use mpcsfaas_core::store::op::{
    Ahead, Cancelled, Claimed, Ending, Overview, Owned, Submitted, TaskState, TaskView, Verdict,
};
use mpcsfaas_core::store::{Notice, Reply};
use mpcsfaas_core::task::{Function, Status};
use mpcsfaas_core::time::WallTime;
use redis::Value;
use thiserror::Error;

use super::{function, text};

/// An answer that no script of ours gives: a row was edited, or a newer version wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Redis holds or answers something that this version cannot read ({0})")]
pub struct Malformed(&'static str);

/// Which form an answer has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Done,
    Opened,
    Function,
    Submitted,
    Claimed,
    Committed,
    Requeued,
    Adopted,
    Renewed,
    Reaped,
    Released,
    Cancelled,
    States,
    Inspected,
    Overview,
}

/// Reads an answer. A script that found no live lease answers nil.
pub(super) fn read(shape: Shape, value: Value) -> Result<Reply, Malformed> {
    Ok(match shape {
        Shape::Done => Reply::Done,
        Shape::Opened => match value {
            Value::Nil => Reply::LeaseGone,
            _ => Reply::Done,
        },
        Shape::Function => Reply::Function(read_function(value)?),
        Shape::Submitted => Reply::Submitted(letters(value, submitted)?),
        Shape::Claimed => match value {
            Value::Nil => Reply::LeaseGone,
            value => Reply::Claimed(rows(value, claimed)?),
        },
        Shape::Committed => Reply::Committed(letters(value, verdict)?),
        Shape::Requeued => Reply::Requeued(letters(value, verdict)?),
        Shape::Adopted => match value {
            Value::Nil => Reply::LeaseGone,
            value => Reply::Adopted(letters(value, verdict)?),
        },
        Shape::Renewed => match value {
            Value::Nil => Reply::LeaseGone,
            value => Reply::Renewed(owned(value)?),
        },
        Shape::Reaped => reaped(value)?,
        Shape::Released => match value {
            Value::Int(tasks) => Reply::Released(count(tasks)?),
            _ => return Err(Malformed("released")),
        },
        Shape::Cancelled => match letters(value, cancelled)?[..] {
            [verdict] => Reply::Cancelled(verdict),
            _ => return Err(Malformed("cancelled")),
        },
        Shape::States => Reply::States(rows(value, state)?),
        Shape::Inspected => match value {
            Value::Nil => Reply::Inspected(None),
            value => Reply::Inspected(Some(Box::new(view(value)?))),
        },
        Shape::Overview => Reply::Overview(overview(value)?),
    })
}

/// A row that cannot be read counts as missing: its tasks then fail and say so, where an error
/// would let them wait for ever.
fn read_function(value: Value) -> Result<Option<Function>, Malformed> {
    if value == Value::Nil {
        return Ok(None);
    }
    let function = function::decode(&bytes(value)?);
    if function.is_none() {
        tracing::warn!("a function's row is not readable and counts as missing");
    }
    Ok(function)
}

fn submitted(letter: u8) -> Option<Submitted> {
    match letter {
        b'A' => Some(Submitted::Accepted),
        b'C' => Some(Submitted::Conflict),
        b'F' => Some(Submitted::QueueFull),
        _ => None,
    }
}

fn verdict(letter: u8) -> Option<Verdict> {
    match letter {
        b'O' => Some(Verdict::Ok),
        b'S' => Some(Verdict::Stale),
        _ => None,
    }
}

fn cancelled(letter: u8) -> Option<Cancelled> {
    match letter {
        b'D' => Some(Cancelled::Done),
        b'E' => Some(Cancelled::AlreadyEnded),
        b'U' => Some(Cancelled::Unknown),
        _ => None,
    }
}

fn claimed([task, attempt, spec, params, losses]: [Value; 5]) -> Option<Claimed> {
    let spec = text::parse_spec(&string(spec).ok()?)?;
    Some(Claimed {
        task: string(task).ok()?.parse().ok()?,
        attempt: string(attempt).ok()?.parse().ok()?,
        function: spec.function,
        params: bytes(params).ok()?.into(),
        options: spec.options,
        losses: string(losses).ok()?.parse().ok()?,
    })
}

/// The script answers the hash in its own order; the specification's is by id.
fn owned(value: Value) -> Result<Vec<Owned>, Malformed> {
    let mut tasks = rows(value, |[task, held]: [Value; 2]| {
        let held = string(held).ok()?;
        let (attempt, seat) = held.split_once(' ')?;
        Some(Owned {
            task: string(task).ok()?.parse().ok()?,
            attempt: attempt.parse().ok()?,
            seat: seat.parse().ok()?,
        })
    })?;
    tasks.sort_unstable();
    Ok(tasks)
}

fn reaped(value: Value) -> Result<Reply, Malformed> {
    match array(value)?[..] {
        [Value::Int(tasks), Value::Int(more)] => Ok(Reply::Reaped {
            tasks: count(tasks)?,
            more: more != 0,
        }),
        _ => Err(Malformed("reaped")),
    }
}

/// What the doorbell says: that tasks wait, or which were claimed ahead. If that cannot be read, whoever
/// hears it asks for them.
pub fn doorbell(payload: &[u8]) -> Notice {
    ahead(payload).map_or(Notice::Queued, Notice::Claimed)
}

/// As `ahead.lua` writes it: `<incarnation> <number>`, a line feed, and for each task its id, and its spec and
/// parameters with their lengths in front.
fn ahead(payload: &[u8]) -> Option<Ahead> {
    let end = payload.iter().position(|byte| *byte == b'\n')?;
    let (head, rest) = payload.split_at_checked(end)?;
    let (incarnation, number) = std::str::from_utf8(head).ok()?.split_once(' ')?;
    let mut rest = rest.get(1..)?;
    let mut tasks = Vec::new();
    while !rest.is_empty() {
        let (id, tail) = rest.split_at_checked(ID_LENGTH)?;
        rest = tail;
        let spec = text::parse_spec(std::str::from_utf8(sized(&mut rest)?).ok()?)?;
        tasks.push(Claimed {
            task: std::str::from_utf8(id).ok()?.parse().ok()?,
            attempt: 1,
            function: spec.function,
            params: Bytes::copy_from_slice(sized(&mut rest)?),
            options: spec.options,
            losses: 0,
        });
    }
    Some(Ahead {
        incarnation: incarnation.parse().ok()?,
        number: number.parse().ok()?,
        tasks,
    })
}

/// Takes bytes from the front that have their length before them.
fn sized<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let (taken, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *payload = rest;
    Some(taken)
}

/// The length of a task's id in text.
const ID_LENGTH: usize = 36;

/// What a message about ended tasks says. What cannot be read is left out: whoever waits for it
/// looks again after a while.
pub fn endings(mut payload: &[u8]) -> Vec<Ending> {
    let mut endings = Vec::new();
    while let Some(ending) = ending(&mut payload) {
        endings.push(ending);
    }
    if !payload.is_empty() {
        tracing::warn!("a notice of ended tasks cannot be read");
    }
    endings
}

/// Takes one ending from the front.
fn ending(payload: &mut &[u8]) -> Option<Ending> {
    let (id, rest) = payload.split_at_checked(ID_LENGTH)?;
    let task = std::str::from_utf8(id).ok()?.parse().ok()?;
    let (letter, rest) = rest.split_first()?;
    let status = match letter {
        b'C' => Status::Completed,
        b'F' => Status::Failed,
        b'-' => {
            *payload = rest;
            return Some(Ending { task, state: None });
        }
        _ => return None,
    };
    *payload = rest;
    let outcome = text::parse_outcome(sized(payload)?);
    let state = outcome.map(|outcome| TaskState {
        status,
        outcome: Some(outcome),
    });
    Some(Ending { task, state })
}

fn state([status, outcome]: [Value; 2]) -> Option<Option<TaskState>> {
    if status == Value::Nil {
        return Some(None);
    }
    Some(Some(TaskState {
        status: text::parse_status(&string(status).ok()?)?,
        outcome: optional(outcome, |outcome| {
            text::parse_outcome(&bytes(outcome).ok()?)
        })?,
    }))
}

fn view(value: Value) -> Result<TaskView, Malformed> {
    let fields: [Value; 9] = array(value)?.try_into().map_err(|_| Malformed("view"))?;
    view_from(fields).ok_or(Malformed("view"))
}

/// The fields in the order in which `inspect.lua` answers them.
fn view_from(fields: [Value; 9]) -> Option<TaskView> {
    let [
        spec,
        status,
        attempt,
        losses,
        finished_at,
        holder,
        past,
        outcome,
        ahead,
    ] = fields;
    let time = |value: Value| string(value).ok()?.parse().ok().map(WallTime);
    let spec = text::parse_spec(&string(spec).ok()?)?;
    Some(TaskView {
        function: spec.function,
        options: spec.options,
        status: text::parse_status(&string(status).ok()?)?,
        attempt: string(attempt).ok()?.parse().ok()?,
        losses: optional(losses, |value| string(value).ok()?.parse().ok())?.unwrap_or(0),
        submitted_at: spec.submitted_at,
        finished_at: optional(finished_at, time)?,
        holder: match optional(holder, |value| string(value).ok())? {
            Some(holder) if !holder.is_empty() => Some(text::parse_holder(&holder)?),
            _ => None,
        },
        past: optional(past, |value| text::parse_past(&string(value).ok()?))?.unwrap_or_default(),
        outcome: optional(outcome, |value| text::parse_outcome(&bytes(value).ok()?))?,
        ahead: optional(ahead, |value| match value {
            Value::Int(ahead) => u64::try_from(ahead).ok(),
            _ => None,
        })?,
    })
}

fn overview(value: Value) -> Result<Overview, Malformed> {
    let mut values = array(value)?;
    if values.is_empty() {
        return Err(Malformed("overview"));
    }
    let dispatchers = values.split_off(1);
    let queued = match values[..] {
        [Value::Int(queued)] => u64::try_from(queued).map_err(|_| Malformed("overview"))?,
        _ => return Err(Malformed("overview")),
    };
    let mut dispatchers = rows(Value::Array(dispatchers), |[incarnation, report]| {
        let report = optional(report, |report| text::parse_report(&bytes(report).ok()?))?;
        Some((string(incarnation).ok()?.parse().ok()?, report))
    })?;
    dispatchers.sort_unstable_by_key(|(incarnation, _)| *incarnation);
    Ok(Overview {
        queued,
        dispatchers,
    })
}

/// `None`: unreadable. `Some(None)`: not there.
fn optional<T>(value: Value, read: impl FnOnce(Value) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Nil => Some(None),
        value => read(value).map(Some),
    }
}

/// A flat array, cut into rows of `N` values.
fn rows<T, const N: usize>(
    value: Value,
    read: impl Fn([Value; N]) -> Option<T>,
) -> Result<Vec<T>, Malformed> {
    let mut values = array(value)?.into_iter();
    let mut out = Vec::with_capacity(values.len() / N);
    while values.len() > 0 {
        let row: Vec<Value> = values.by_ref().take(N).collect();
        let row = row.try_into().map_err(|_| Malformed("array"))?;
        out.push(read(row).ok_or(Malformed("row"))?);
    }
    Ok(out)
}

fn letters<T>(value: Value, read: impl Fn(u8) -> Option<T>) -> Result<Vec<T>, Malformed> {
    bytes(value)?
        .into_iter()
        .map(|letter| read(letter).ok_or(Malformed("letter")))
        .collect()
}

fn array(value: Value) -> Result<Vec<Value>, Malformed> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Malformed("array")),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, Malformed> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(Malformed("string")),
    }
}

fn string(value: Value) -> Result<String, Malformed> {
    String::from_utf8(bytes(value)?).map_err(|_| Malformed("text"))
}

fn count(value: i64) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed("count"))
}
