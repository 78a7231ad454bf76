//! What follows from the figures: which settings to take, and the figure that says so of each.
//!
//! Only what can be set today is recommended. How many tasks a worker fetches ahead is not among it:
//! a worker finds that out by itself.

use mpcsfaas_core::store::op::Mode;
use serde::Serialize;

use super::measure::{Batches, Measured};
use super::profile::Profile;

/// Figures that differ by less are taken to be the same.
const NOISE: f64 = 0.1;

/// A batch is worth its trouble if it brings this many times as much.
const WORTH: f64 = 1.2;

/// The part of a task's time that is to be work.
const WORK: f64 = 0.9;

/// Below this part of work, several items in one task are recommended.
const LITTLE_WORK: f64 = 0.8;

/// The most processes that are tried.
const MOST_PROCESSES: u32 = 32;

/// Which mode to take when figures do not decide, the first of these that was measured.
const PREFERRED: [Mode; 3] = [Mode::Push, Mode::Local, Mode::Pull];

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Advice {
    /// `mode`, `processes`, `batch`, `items_per_task`.
    pub(super) setting: &'static str,
    /// What to set it to.
    pub(super) value: String,
    /// The figure that says so.
    pub(super) why: String,
}

/// How many processes could be of use at most: one for each processor, and more if the function
/// waits.
pub(super) fn useful_processes(profile: &Profile, processors: u32) -> u32 {
    let busy = profile.busy_share.clamp(0.01, 1.0);
    let processes = (f64::from(processors) / busy).round() as u32;
    processes.clamp(processors.clamp(1, MOST_PROCESSES), MOST_PROCESSES)
}

/// Whether one does more than the other by more than chance: the difference is not small, and even
/// its slowest round was faster than the other's fastest.
fn is_more(one: &Measured, other: &Measured) -> bool {
    one.tasks_per_s > other.tasks_per_s * (1.0 + NOISE) && one.range.0 > other.range.1
}

/// The mode to take. Throughput decides, then the latency of a lone task, then what is usual.
pub(super) fn best_mode(measured: &[Measured]) -> Option<(&Measured, String)> {
    let most = measured
        .iter()
        .max_by(|one, other| one.tasks_per_s.total_cmp(&other.tasks_per_s))?;
    let fast: Vec<&Measured> = measured.iter().filter(|m| !is_more(most, m)).collect();
    let least = fast.iter().map(|m| m.alone_ms).fold(f64::MAX, f64::min);
    let quick: Vec<&&Measured> = fast
        .iter()
        .filter(|m| m.alone_ms <= least * (1.0 + NOISE))
        .collect();
    let usual = PREFERRED
        .iter()
        .find_map(|mode| quick.iter().find(|m| m.mode == *mode))?;
    let others = |figure: fn(&Measured) -> String| {
        let others = measured.iter().filter(|m| m.mode != usual.mode);
        let others: Vec<String> = others
            .map(|m| format!("{} {}", m.mode.as_str(), figure(m)))
            .collect();
        others.join(", ")
    };
    let why = if measured.len() == 1 {
        format!("{}/s; no other was measured", rate(usual.tasks_per_s))
    } else if fast.len() == 1 {
        format!(
            "{}/s; {}",
            rate(usual.tasks_per_s),
            others(|m| format!("{}/s", rate(m.tasks_per_s)))
        )
    } else if quick.len() == 1 {
        format!(
            "{} for a task by itself; {}",
            ms(usual.alone_ms),
            others(|m| ms(m.alone_ms))
        )
    } else {
        format!(
            "{}/s and {} for a task by itself; the best differ by no more than chance, and it is the \
             usual one",
            rate(usual.tasks_per_s),
            ms(usual.alone_ms)
        )
    };
    Some((usual, why))
}

/// All advice on a mode, given what it does with all useful processes and with one.
pub(super) fn settings(
    profile: &Profile,
    processors: u32,
    many: &Measured,
    one: Option<&Measured>,
) -> Vec<Advice> {
    let (chosen, processes) = processes(profile, many, one);
    let (batch, reached) = batch(chosen);
    let mut advice = vec![processes];
    advice.extend(batch);
    advice.push(items(profile, processors, chosen.processes, reached));
    advice
}

fn processes<'a>(
    profile: &Profile,
    many: &'a Measured,
    one: Option<&'a Measured>,
) -> (&'a Measured, Advice) {
    let advice = |value: u32, why| Advice {
        setting: "processes",
        value: value.to_string(),
        why,
    };
    let waits = match (1.0 - profile.busy_share) * 100.0 {
        waits if waits >= 10.0 => format!("it waits for {waits:.0} % of its time; "),
        _ => String::new(),
    };
    match one {
        Some(one) if !is_more(many, one) => {
            let why = format!(
                "one process does {}/s, {} do {}/s",
                rate(one.tasks_per_s),
                many.processes,
                rate(many.tasks_per_s)
            );
            (one, advice(1, why))
        }
        Some(one) => {
            let why = format!(
                "{waits}{} do {}/s, one does {}/s",
                many.processes,
                rate(many.tasks_per_s),
                rate(one.tasks_per_s)
            );
            (many, advice(many.processes, why))
        }
        None => {
            let why = format!("{waits}{}/s", rate(many.tasks_per_s));
            (many, advice(many.processes, why))
        }
    }
}

/// The size of batches, if the platform has any, and what it then does in a second.
fn batch(measured: &Measured) -> (Option<Advice>, f64) {
    let alone = measured.tasks_per_s;
    let most = measured
        .batches
        .iter()
        .map(|batches| batches.tasks_per_s)
        .fold(0.0, f64::max);
    let enough = |batches: &&Batches| batches.tasks_per_s >= most * (1.0 - NOISE);
    let Some(smallest) = measured.batches.iter().find(enough) else {
        return (None, alone);
    };
    let advice = |value: u64, why| Advice {
        setting: "batch",
        value: value.to_string(),
        why,
    };
    if smallest.tasks_per_s >= alone * WORTH {
        let why = format!(
            "{}/s in batches of {}, {}/s one at a time",
            rate(smallest.tasks_per_s),
            smallest.size,
            rate(alone)
        );
        (Some(advice(smallest.size, why)), smallest.tasks_per_s)
    } else {
        let why = format!(
            "no size does more than {}/s, one at a time does {}/s",
            rate(most),
            rate(alone)
        );
        (Some(advice(1, why)), alone)
    }
}

/// How many items of work one task should do, so that it is mostly work.
fn items(profile: &Profile, processors: u32, processes: u32, tasks_per_s: f64) -> Advice {
    let work = profile.seconds();
    // So many can be at work at a time.
    let busy = profile.busy_share.clamp(0.01, 1.0);
    let at_work = f64::from(processes).min(f64::from(processors) / busy);
    // For so long a task occupies the place of one.
    let occupied = (at_work / tasks_per_s.max(f64::EPSILON)).max(work);
    let share = work / occupied;
    let (value, more) = if share >= LITTLE_WORK {
        (1, String::new())
    } else {
        let overhead = occupied - work;
        let value = two_digits(overhead * WORK / (1.0 - WORK) / work);
        let more = format!(
            "; with {value} items in one task it would be {:.0} %",
            WORK * 100.0
        );
        (value, more)
    };
    Advice {
        setting: "items_per_task",
        value: value.to_string(),
        why: format!(
            "{} of work in the {} that a task takes of a process, which is {:.0} %{more}",
            ms(work * 1e3),
            ms(occupied * 1e3),
            share * 100.0
        ),
    }
}

/// The number that is meant, rounded up: more digits would say more than the figures do.
fn two_digits(number: f64) -> u64 {
    let mut unit = 1.0;
    while number / unit >= 100.0 {
        unit *= 10.0;
    }
    // What is a whole number but for rounding stays one.
    ((number / unit - 1e-6).ceil() * unit).max(2.0) as u64
}

/// Whether the platform is worth its way for this function, in one sentence.
pub(super) fn worth<'a>(
    profile: &Profile,
    measured: impl IntoIterator<Item = &'a Measured>,
) -> String {
    let direct = 1.0 / profile.seconds().max(f64::EPSILON);
    let reached = |measured: &Measured| {
        let batches = measured.batches.iter().map(|batches| batches.tasks_per_s);
        batches.fold(measured.tasks_per_s, f64::max)
    };
    let platform = measured.into_iter().map(reached).fold(0.0, f64::max);
    match platform > direct {
        true => format!(
            "The platform does {}/s of it; one Python process that calls it in a loop does {}/s.",
            rate(platform),
            rate(direct)
        ),
        false => format!(
            "One Python process that calls it in a loop does {}/s, the platform {}/s: put several \
             items into one task, or call it where you are.",
            rate(direct),
            rate(platform)
        ),
    }
}

/// A time with as many digits as it is worth.
pub(super) fn ms(ms: f64) -> String {
    match ms {
        ms if ms < 0.01 => format!("{:.1} us", ms * 1e3),
        ms if ms < 1.0 => format!("{:.0} us", ms * 1e3),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// A rate with as many digits as it is worth.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 10.0 => format!("{rate:.2}"),
        rate => format!("{rate:.0}"),
    }
}

#[cfg(test)]
mod tests;
