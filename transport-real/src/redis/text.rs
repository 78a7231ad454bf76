//! How values are written in rows and arguments. All but outcomes and parameters is text without
//! a space, so that the scripts can take lines apart and a person can read them.

use std::fmt::Write;

use bincode::config::{Configuration, Limit, standard};
use mpcsfaas_core::id::{FunctionId, Incarnation, WorkerKey};
use mpcsfaas_core::store::op::{EndReason, Holder, PastAttempt, Report};
use mpcsfaas_core::store::row::ended_by_store;
use mpcsfaas_core::task::{FailureKind, Options, Outcome, Status};
use mpcsfaas_core::time::WallTime;

/// No outcome is larger. A corrupt length must not make us allocate more.
const OUTCOME_LIMIT: usize = 512 * 1024 * 1024;

const BINCODE: Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    Limit<OUTCOME_LIMIT>,
> = standard().with_limit::<OUTCOME_LIMIT>();

/// Opens an outcome in bincode; another format will get another letter.
const BINCODE_V1: u8 = b'1';
/// Opens the name of a failure kind: an outcome that a script gave.
const BY_STORE: u8 = b'=';

/// An incarnation as the scripts know it: of one width, and its order is the order of the texts.
pub(super) fn incarnation(value: Incarnation) -> String {
    format!("d-{:016x}.{:010}", value.boot, value.epoch)
}

/// A worker, as one word.
pub(super) fn worker(key: &WorkerKey) -> String {
    match key {
        WorkerKey::Native(id) => id.to_string(),
        WorkerKey::Legacy(name) => {
            let mut word = "json:".to_owned();
            for byte in name.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                        word.push(char::from(byte));
                    }
                    _ => _ = write!(word, "%{byte:02x}"),
                }
            }
            word
        }
    }
}

/// The other direction of [`worker`].
pub(super) fn parse_worker(word: &str) -> Option<WorkerKey> {
    if let Some(hex) = word.strip_prefix("w-") {
        let id = u64::from_str_radix(hex, 16).ok()?;
        return Some(WorkerKey::Native(mpcsfaas_core::id::WorkerId(id)));
    }
    let mut rest = word.strip_prefix("json:")?.as_bytes();
    let mut name = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        name.push(match byte {
            b'%' => {
                let (hex, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(name).ok().map(WorkerKey::Legacy)
}

/// Options: `1` for at most once, else `0`, then the deadline in milliseconds if there is one.
pub(super) fn options(value: Options) -> String {
    let once = u8::from(value.at_most_once);
    match value.timeout_ms {
        Some(millis) => format!("{once} {millis}"),
        None => once.to_string(),
    }
}

/// The other direction of [`options`].
fn parse_options(text: &str) -> Option<Options> {
    let (once, timeout) = match text.split_once(' ') {
        Some((once, millis)) => (once, Some(millis.parse().ok()?)),
        None => (text, None),
    };
    Some(Options {
        timeout_ms: timeout,
        at_most_once: once == "1",
    })
}

/// What a row keeps of a submission, but its parameters.
pub(super) struct Spec {
    pub(super) function: FunctionId,
    pub(super) submitted_at: WallTime,
    pub(super) options: Options,
}

/// `<function> <place in the queue> <submitted at> <options>`, as `submit.lua` writes it.
pub(super) fn parse_spec(text: &str) -> Option<Spec> {
    let mut words = text.splitn(4, ' ');
    let function = words.next()?.parse().ok()?;
    let _place: u64 = words.next()?.parse().ok()?;
    Some(Spec {
        function,
        submitted_at: WallTime(words.next()?.parse().ok()?),
        options: parse_options(words.next()?)?,
    })
}

/// What a reason does to a task, for the script that gives it back.
pub(super) fn effects(reason: EndReason) -> &'static str {
    match (reason.is_loss(), reason.may_have_started()) {
        (true, true) => "loss started",
        (true, false) => "loss",
        (false, true) => "started",
        (false, false) => "",
    }
}

/// An outcome that a script gives.
pub(super) fn by_store(kind: FailureKind) -> String {
    format!("{}{}", char::from(BY_STORE), kind.as_str())
}

/// An outcome that a worker gave.
pub(super) fn outcome(value: &Outcome) -> Vec<u8> {
    let mut bytes = vec![BINCODE_V1];
    // Encoding into memory fails only over the limit, which is far above what a frame can carry.
    let written = bincode::serde::encode_into_std_write(value, &mut bytes, BINCODE);
    debug_assert!(written.is_ok(), "an outcome has a bounded size");
    bytes
}

/// The other direction of [`outcome`] and [`by_store`].
pub(super) fn parse_outcome(bytes: &[u8]) -> Option<Outcome> {
    let (&format, rest) = bytes.split_first()?;
    match format {
        BINCODE_V1 => {
            let (value, used) = bincode::serde::decode_from_slice(rest, BINCODE).ok()?;
            (used == rest.len()).then_some(value)
        }
        BY_STORE => {
            let kind = FailureKind::from_name(std::str::from_utf8(rest).ok()?)?;
            Some(ended_by_store(kind))
        }
        _ => None,
    }
}

/// A dispatcher's report, which no script looks into.
pub(super) fn report(value: &Report) -> Vec<u8> {
    let bytes = bincode::serde::encode_to_vec(value, BINCODE);
    debug_assert!(bytes.is_ok(), "a report has a fixed size");
    bytes.unwrap_or_default()
}

/// The other direction of [`report`].
pub(super) fn parse_report(bytes: &[u8]) -> Option<Report> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, BINCODE).ok()?;
    (used == bytes.len()).then_some(value)
}

/// The name of a state.
pub(super) fn parse_status(text: &str) -> Option<Status> {
    Status::ALL
        .into_iter()
        .find(|status| status.as_str() == text)
}

/// `<dispatcher> <claimed at> <worker or ->`.
pub(super) fn parse_holder(text: &str) -> Option<Holder> {
    let mut words = text.split(' ');
    let holder = holder_from(&mut words)?;
    words.next().is_none().then_some(holder)
}

/// One line an attempt, the newest first: `<attempt> <holder> <ended at> <reason>`.
pub(super) fn parse_past(text: &str) -> Option<Vec<PastAttempt>> {
    text.lines().rev().map(parse_past_line).collect()
}

fn parse_past_line(line: &str) -> Option<PastAttempt> {
    let mut words = line.split(' ');
    Some(PastAttempt {
        attempt: words.next()?.parse().ok()?,
        holder: holder_from(&mut words)?,
        ended_at: WallTime(words.next()?.parse().ok()?),
        reason: EndReason::from_name(words.next()?)?,
    })
}

fn holder_from<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Holder> {
    let dispatcher = words.next()?.parse().ok()?;
    let claimed_at = WallTime(words.next()?.parse().ok()?);
    let worker = match words.next()? {
        "-" => None,
        word => Some(parse_worker(word)?),
    };
    Some(Holder {
        dispatcher,
        worker,
        claimed_at,
    })
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::id::WorkerId;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_worker_name_survives_and_is_one_word(name in ".*", id: u64) {
            for key in [WorkerKey::Legacy(name), WorkerKey::Native(WorkerId(id))] {
                let word = worker(&key);
                prop_assert!(word.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(parse_worker(&word), Some(key));
            }
        }

        #[test]
        fn incarnations_sort_as_their_texts(a: (u64, u32), b: (u64, u32)) {
            let [a, b] = [a, b].map(|(boot, epoch)| Incarnation { boot, epoch });
            prop_assert_eq!(a.cmp(&b), incarnation(a).cmp(&incarnation(b)));
            prop_assert_eq!(incarnation(a).parse(), Ok(a));
            prop_assert_eq!(incarnation(a).len(), 29, "the scripts count on it");
        }

        #[test]
        fn options_survive(timeout_ms: Option<u64>, at_most_once: bool) {
            let value = Options { timeout_ms, at_most_once };
            prop_assert_eq!(parse_options(&options(value)), Some(value));
        }
    }

    #[test]
    fn outcomes_survive_and_junk_is_refused() {
        let value = Outcome::failed(FailureKind::Raised, "no\0 way");
        let mut bytes = outcome(&value);
        assert_eq!(parse_outcome(&bytes), Some(value));
        bytes.push(0);
        assert_eq!(parse_outcome(&bytes), None, "trailing bytes");
        assert_eq!(parse_outcome(b"=no_such_kind"), None);
        assert_eq!(
            parse_outcome(by_store(FailureKind::Lost).as_bytes()),
            Some(ended_by_store(FailureKind::Lost))
        );
    }
}
