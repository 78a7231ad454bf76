//! From a text to a scenario.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::plan::{Ending, Plan, Shape, Submit, WorkerShape};
use toml::de::DeTable;

use super::error::{Mistake, ScenarioError};
use super::fields::{Fields, Result, Value};
use super::read_trouble::{fault, twist};
use super::{Expect, PROMISES, Scenario, VERSION, words};

/// How many dispatchers or workers there can be.
const NODES: RangeInclusive<u32> = 1..=1_000;

/// How many tasks one `[[submit]]` can stand for.
const TASKS: RangeInclusive<u32> = 1..=100_000;

/// Reads a scenario.
///
/// # Errors
/// The first mistake, and where it stands.
pub fn read(text: &str) -> std::result::Result<Scenario, ScenarioError> {
    scenario(text).map_err(|mistake| mistake.in_text(text))
}

fn scenario(text: &str) -> Result<Scenario> {
    let document = DeTable::parse(text)?;
    let mut file = Fields::of_file(&document);
    let version = file.need("version")?;
    match version.number(0..=u32::MAX)? {
        VERSION => {}
        other => return Err(version.refuse(Mistake::Version(other))),
    }
    let name = file.need("name")?.text()?.to_owned();
    let (shape, heal_at) = world(file.need("world")?.table("[world]")?)?;
    let mut submits = Vec::new();
    let mut tasks = BTreeSet::new();
    for table in file.tables("submit", "[[submit]]")? {
        submit(table, &mut tasks, &mut submits)?;
    }
    let faults = (file.tables("fault", "[[fault]]")?.into_iter())
        .map(|table| fault(table, &shape, &submits))
        .collect::<Result<_>>()?;
    let twists = (file.tables("twist", "[[twist]]")?.into_iter())
        .map(|table| twist(table, &shape))
        .collect::<Result<_>>()?;
    let expect = file.or("expect", Expect::Keeps, |value| {
        expect(value.table("[expect]")?)
    })?;
    file.end()?;
    let plan = Plan {
        shape,
        submits,
        faults,
        twists,
        heal_at,
    };
    Ok(Scenario { name, plan, expect })
}

/// The shape of the world, and when it heals.
fn world(mut world: Fields<'_>) -> Result<(Shape, Instant)> {
    let dispatchers = dispatchers(world.need("dispatchers")?)?;
    let processes = world.or("processes", 1, processes)?;
    let shape = Shape {
        dispatchers,
        workers: workers(&mut world, processes)?,
        flow: world.or("flow", Flow::Push, |flow| flow.word(&words::FLOWS))?,
        latency: world.or("latency", Duration::from_millis(1), Value::time)?,
        timeout: world.or("timeout", Duration::from_secs(3), Value::time)?,
        queue_limit: world.or("queue_limit", 1_000_000, |limit| limit.number(0..=u64::MAX))?,
        claim_limit: world.or("claim_limit", 256, |limit| limit.number(1..=u32::MAX))?,
        salt: world.or("salt", 0, |salt| salt.number(0..=u64::MAX))?,
    };
    let heal_at = world.need("heal_at")?.instant()?;
    world.end()?;
    Ok((shape, heal_at))
}

fn processes(value: &Value<'_>) -> Result<u32> {
    value.number(1..=u32::MAX)
}

/// A number of dispatchers that are there from the start, or when each starts.
fn dispatchers(value: Value<'_>) -> Result<Vec<Instant>> {
    match value.list() {
        Some(starts) if !starts.is_empty() => starts.iter().map(Value::instant).collect(),
        Some(_) => Err(value.refuse(out_of_range(0, NODES))),
        None => Ok(vec![Instant::ZERO; value.number(NODES)? as usize]),
    }
}

/// A number of workers that are there from the start, or one `[[world.worker]]` for each.
fn workers(world: &mut Fields<'_>, processes: u32) -> Result<Vec<WorkerShape>> {
    let count = world.take("workers");
    let tables = world.tables("worker", "[[world.worker]]")?;
    match (count, tables.is_empty()) {
        (Some(_), false) => Err(world.refuse(Mistake::Both("workers", "[[world.worker]]"))),
        (None, true) => Err(world.missing("workers")),
        (Some(count), true) => {
            let starts = Instant::ZERO;
            let count = count.number(NODES)? as usize;
            Ok(vec![WorkerShape { starts, processes }; count])
        }
        (None, false) => tables
            .into_iter()
            .map(|mut worker| {
                let shape = WorkerShape {
                    starts: worker.or("starts", Instant::ZERO, Value::instant)?,
                    processes: worker.or("processes", processes, self::processes)?,
                };
                worker.end()?;
                Ok(shape)
            })
            .collect(),
    }
}

/// Adds the task of a `[[submit]]`, or all of them if it has a `count`.
fn submit(
    mut table: Fields<'_>,
    tasks: &mut BTreeSet<TaskId>,
    submits: &mut Vec<Submit>,
) -> Result<()> {
    let at = table.need("at")?.instant()?;
    let named = table.take("task");
    let first = match &named {
        Some(name) => task(name)?,
        None => TaskId(submits.len() as u128 + 1),
    };
    let runs = table.need("runs")?.time()?;
    let ends = table.or("ends", Ending::Returns, |ends| ends.word(&words::ENDINGS))?;
    let timeout = table.or("timeout", None, |timeout| timeout.time().map(Some))?;
    let at_most_once = table.or("at_most_once", false, Value::boolean)?;
    let (count, every) = match table.take("count") {
        Some(count) => (count.number(TASKS)?, table.need("every")?.time()?),
        None => (1, Duration::ZERO),
    };
    for number in 0..count {
        let task = TaskId(first.0.wrapping_add(u128::from(number)));
        if !tasks.insert(task) {
            let twice = Mistake::TaskTwice(words::write_task(task));
            return Err(match named {
                Some(name) => name.refuse(twice),
                None => table.refuse(twice),
            });
        }
        submits.push(Submit {
            at: at + every.saturating_mul(number),
            task,
            runs,
            ends,
            timeout,
            at_most_once,
        });
    }
    table.end()
}

/// A task's name.
pub(super) fn task(name: &Value<'_>) -> Result<TaskId> {
    let text = name.text()?;
    words::read_task(text).ok_or_else(|| name.refuse(Mistake::TaskName(text.to_owned())))
}

fn expect(mut table: Fields<'_>) -> Result<Expect> {
    let (breaks, keeps) = (table.take("breaks"), table.take("keeps"));
    let expect = match (breaks, keeps) {
        (Some(promise), None) => {
            let known = PROMISES.map(|(name, _)| (name, name));
            Expect::Breaks(promise.word(&known)?)
        }
        (None, Some(keeps)) => keeps.word(&[("all", Expect::Keeps)])?,
        (Some(_), Some(_)) => return Err(table.refuse(Mistake::Both("breaks", "keeps"))),
        (None, None) => return Err(table.missing("breaks` or `keeps")),
    };
    table.end()?;
    Ok(expect)
}

fn out_of_range(found: u32, range: RangeInclusive<u32>) -> Mistake {
    Mistake::OutOfRange {
        found: found.to_string(),
        from: (*range.start()).into(),
        to: (*range.end()).into(),
    }
}
