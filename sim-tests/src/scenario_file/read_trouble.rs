//! From a text to faults and twists.

use std::time::Duration;

use mpcsfaas_transport_sim::place::{Place, PlaceError};
use mpcsfaas_transport_sim::plan::{
    Bend, FOR_GOOD, Fault, Occasion, Shape, Submit, Trouble, Twist, Way,
};

use super::error::Mistake;
use super::fields::{Fields, Result, Value};
use super::read::task;
use super::{time, words};

const TROUBLES: [&str; 13] = [
    "cut",
    "clog",
    "partition",
    "slow",
    "pause",
    "crash",
    "leave",
    "store-cut",
    "clock-drift",
    "clock-jump",
    "cancel",
    "junk",
    "impostor",
];

const OCCASIONS: [&str; 11] = [
    "up W0",
    "down W0",
    "dial W0",
    "end-up W0",
    "end-down W0",
    "request D0",
    "reply D0",
    "doorbell D0",
    "answer",
    "waking W0",
    "spawn W0",
];

const BENDS: [&str; 7] = [
    "late",
    "lost",
    "twice",
    "to",
    "swallowed",
    "timer-first",
    "fails",
];

/// A `[[fault]]`.
pub(super) fn fault(mut table: Fields<'_>, shape: &Shape, submits: &[Submit]) -> Result<Fault> {
    let at = table.need("at")?.instant()?;
    let what = table.need("what")?;
    let trouble = trouble(&mut table, &what, shape, submits)?;
    let node = match (table.take("node"), trouble) {
        (None, Trouble::Cancel(_)) => Place::Client,
        (None, _) => return Err(table.missing("node")),
        (Some(value), _) => {
            let node = place(&value, value.text()?, shape)?;
            if let Some(needs) = misfit(trouble, node) {
                let what = what.text()?.to_owned();
                let place = node;
                return Err(value.refuse(Mistake::WrongNode { what, place, needs }));
            }
            node
        }
    };
    table.end()?;
    Ok(Fault {
        at,
        node,
        what: trouble,
    })
}

fn trouble(
    table: &mut Fields<'_>,
    what: &Value<'_>,
    shape: &Shape,
    submits: &[Submit],
) -> Result<Trouble> {
    Ok(match what.text()? {
        "cut" => Trouble::Cut,
        "clog" => Trouble::Clog(lasts(table)?),
        "partition" => Trouble::Partition {
            from: dispatcher(&table.need("from")?, shape)?,
            way: table.or("way", Way::Both, |way| way.word(&words::WAYS))?,
            time: lasts(table)?,
        },
        "slow" => Trouble::Slow {
            by: table.need("by")?.time()?,
            time: lasts(table)?,
        },
        "pause" => Trouble::Pause(lasts(table)?),
        "crash" => Trouble::Crash(lasts(table)?),
        "leave" => Trouble::Leave(lasts(table)?),
        "store-cut" => Trouble::StoreCut(lasts(table)?),
        "clock-drift" => Trouble::ClockDrift(table.need("ppm")?.number(i32::MIN..=i32::MAX)?),
        "clock-jump" => {
            let by = table.need("by")?;
            let millis = time::read_signed(by.text()?).map_err(|error| by.refuse(error))?;
            Trouble::ClockJump { millis }
        }
        "cancel" => {
            let name = table.need("task")?;
            let task = task(&name)?;
            let place = submits.iter().position(|submit| submit.task == task);
            let unknown = || Mistake::UnknownTask(words::write_task(task));
            Trouble::Cancel(place.ok_or_else(|| name.refuse(unknown()))?)
        }
        "junk" => Trouble::Junk,
        "impostor" => Trouble::Impostor,
        other => return Err(what.unknown(other, TROUBLES.to_vec())),
    })
}

/// How long trouble lasts.
fn lasts(table: &mut Fields<'_>) -> Result<Duration> {
    let value = table.need("for")?;
    match value.text()? {
        words::GOOD => Ok(FOR_GOOD),
        _ => value.time(),
    }
}

/// What this trouble needs instead of this node, if it cannot befall it.
fn misfit(trouble: Trouble, node: Place) -> Option<&'static str> {
    let (fits, needs) = match trouble {
        Trouble::Cut | Trouble::Clog(_) | Trouble::Partition { .. } | Trouble::Impostor => {
            (matches!(node, Place::Worker(_)), "a worker, such as W0")
        }
        Trouble::StoreCut(_) | Trouble::Junk => (
            matches!(node, Place::Dispatcher(_)),
            "a dispatcher, such as D0",
        ),
        Trouble::Leave(_) => (
            matches!(node, Place::Worker(_) | Place::Dispatcher(_)),
            "a worker or a dispatcher",
        ),
        Trouble::ClockJump { millis } => (
            millis >= 0 || node == Place::Store,
            "S, whose clock alone may jump back",
        ),
        Trouble::Slow { .. }
        | Trouble::Pause(_)
        | Trouble::Crash(_)
        | Trouble::ClockDrift(_)
        | Trouble::Cancel(_) => (true, ""),
    };
    (!fits).then_some(needs)
}

/// A `[[twist]]`.
pub(super) fn twist(mut table: Fields<'_>, shape: &Shape) -> Result<Twist> {
    let at = table.need("at")?.instant()?;
    let on = occasion(&table.need("on")?, shape)?;
    let nth = table.or("nth", 0, |nth| nth.number(0..=u32::MAX))?;
    let value = table.need("bend")?;
    let bend = match value.text()? {
        "late" => Bend::Late(table.need("by")?.time()?),
        "lost" => Bend::Lost,
        "twice" => Bend::Twice(table.need("after")?.time()?),
        "to" => Bend::To(dispatcher(&table.need("dispatcher")?, shape)?),
        "swallowed" => Bend::Swallowed,
        "timer-first" => Bend::TimerFirst,
        "fails" => Bend::Fails,
        other => return Err(value.unknown(other, BENDS.to_vec())),
    };
    if let Some(only) = bends_only(bend, on) {
        let bend = value.text()?.to_owned();
        return Err(value.refuse(Mistake::WrongBend { bend, only }));
    }
    table.end()?;
    Ok(Twist { at, nth, on, bend })
}

/// Such as `up W0`.
fn occasion(value: &Value<'_>, shape: &Shape) -> Result<Occasion> {
    let text = value.text()?;
    let unknown = || value.unknown(text, OCCASIONS.to_vec());
    if text == "answer" {
        return Ok(Occasion::Answer);
    }
    let (word, node) = text.split_once(' ').ok_or_else(unknown)?;
    let node = place(value, node, shape)?;
    match (word, node) {
        ("up", Place::Worker(index)) => Ok(Occasion::Up(index)),
        ("down", Place::Worker(index)) => Ok(Occasion::Down(index)),
        ("dial", Place::Worker(index)) => Ok(Occasion::Dial(index)),
        ("end-up", Place::Worker(index)) => Ok(Occasion::EndUp(index)),
        ("end-down", Place::Worker(index)) => Ok(Occasion::EndDown(index)),
        ("spawn", Place::Worker(index)) => Ok(Occasion::Spawn(index)),
        ("request", Place::Dispatcher(index)) => Ok(Occasion::Request(index)),
        ("reply", Place::Dispatcher(index)) => Ok(Occasion::Reply(index)),
        ("doorbell", Place::Dispatcher(index)) => Ok(Occasion::Doorbell(index)),
        ("waking", node) => Ok(Occasion::Waking(node)),
        _ => Err(unknown()),
    }
}

/// What alone this bend can befall, if it is not this occasion.
fn bends_only(bend: Bend, on: Occasion) -> Option<&'static str> {
    let (fits, only) = match bend {
        Bend::Late(_) | Bend::Lost | Bend::Twice(_) => (true, ""),
        Bend::To(_) => (matches!(on, Occasion::Dial(_)), "`dial`"),
        Bend::Swallowed => (
            matches!(on, Occasion::EndUp(_) | Occasion::EndDown(_)),
            "`end-up` and `end-down`",
        ),
        Bend::TimerFirst => (matches!(on, Occasion::Waking(_)), "`waking`"),
        Bend::Fails => (matches!(on, Occasion::Spawn(_)), "`spawn`"),
    };
    (!fits).then_some(only)
}

/// A dispatcher that there is.
fn dispatcher(value: &Value<'_>, shape: &Shape) -> Result<usize> {
    let text = value.text()?;
    match place(value, text, shape)? {
        Place::Dispatcher(index) => Ok(index),
        Place::Client | Place::Store | Place::Worker(_) => {
            Err(value.refuse(PlaceError(text.to_owned())))
        }
    }
}

/// A node that there is.
fn place(value: &Value<'_>, text: &str, shape: &Shape) -> Result<Place> {
    let place = text
        .parse()
        .map_err(|error: PlaceError| value.refuse(error))?;
    let (index, count, kind) = match place {
        Place::Client | Place::Store => return Ok(place),
        Place::Dispatcher(index) => (index, shape.dispatchers.len(), "dispatchers"),
        Place::Worker(index) => (index, shape.workers.len(), "workers"),
    };
    if index >= count {
        return Err(value.refuse(Mistake::NoSuchNode { place, count, kind }));
    }
    Ok(place)
}
