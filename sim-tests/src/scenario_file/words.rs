//! The words of a scenario file, for reading and writing alike.

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::plan::{Ending, Way};

pub(super) const FLOWS: [(&str, Flow); 2] = [("push", Flow::Push), ("pull", Flow::Pull)];

pub(super) const ENDINGS: [(&str, Ending); 6] = [
    ("returns", Ending::Returns),
    ("raises", Ending::Raises),
    ("exits", Ending::Exits),
    ("crashes", Ending::Crashes),
    ("hangs", Ending::Hangs),
    ("returns-too-much", Ending::ReturnsTooMuch),
];

pub(super) const WAYS: [(&str, Way); 3] =
    [("both", Way::Both), ("up", Way::Up), ("down", Way::Down)];

/// Trouble that never ends lasts `for = "good"`.
pub(super) const GOOD: &str = "good";

/// The word for a value of one of the tables above; each has all values of its type.
pub(super) fn word<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    (table.iter().find(|(_, meaning)| meaning == value)).map_or("", |&(word, _)| word)
}

/// Reads a task's name.
pub(super) fn read_task(text: &str) -> Option<TaskId> {
    let number = text.parse::<u64>().ok().map(|n| TaskId(u128::from(n)));
    number.or_else(|| text.parse().ok())
}

/// A small number as it is, anything else as a UUID.
pub(super) fn write_task(task: TaskId) -> String {
    u64::try_from(task.0).map_or_else(|_| task.to_string(), |number| number.to_string())
}
