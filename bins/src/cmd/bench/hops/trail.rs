//! The way of one task: what the client saw of it, and what the platform told of it, as one row of
//! times.

use std::collections::HashMap;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_transport_real::hops::{Hop, TARGET};
use serde::Deserialize;

/// A place on the way of a task, after the client has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// One of the platform's.
    Platform(Hop),
    /// The function has been called.
    Called,
    /// The client has the result.
    Got,
}

impl Place {
    /// The name in reports for machines.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Place::Platform(hop) => hop.as_str(),
            Place::Called => "called",
            Place::Got => "got",
        }
    }
}

/// From the place before to this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Where it ends.
    pub(super) until: Place,
    /// Who is busy.
    pub(super) part: &'static str,
    /// With what.
    pub(super) what: &'static str,
}

const fn step(until: Place, part: &'static str, what: &'static str) -> Step {
    Step { until, part, what }
}

/// How many steps there are.
pub(super) const STEPS: usize = 15;

/// The way that a client waits for, one step after the other.
pub(super) const WAY: [Step; STEPS] = {
    use Place::{Called, Got, Platform};
    [
        step(
            Platform(Hop::Read),
            "client, gateway",
            "request written, read",
        ),
        step(Platform(Hop::Submit), "gateway", "request understood"),
        step(Platform(Hop::Claim), "store", "task kept, dispatcher woken"),
        step(Platform(Hop::Claimed), "store", "task claimed"),
        step(Platform(Hop::Sent), "dispatcher", "worker chosen"),
        step(Platform(Hop::Arrived), "connection", "task carried there"),
        step(Platform(Hop::Given), "worker", "process chosen"),
        step(Called, "pipe, Python", "task read, unpickled"),
        step(
            Platform(Hop::Replied),
            "Python, pipe",
            "function run, result pickled, read",
        ),
        step(Platform(Hop::Reported), "worker", "result taken in"),
        step(Platform(Hop::Finished), "connection", "result carried back"),
        step(Platform(Hop::Commit), "dispatcher", "result taken in"),
        step(Platform(Hop::Heard), "store", "result kept, gateway told"),
        step(Platform(Hop::Told), "gateway", "client found, answer made"),
        step(Got, "gateway, client", "answer written, read"),
    ]
};

/// What nobody waits for: answers of the store, each from the place where it was asked.
pub(super) const BESIDE: [(Hop, Hop, &str); 2] = [
    (Hop::Submit, Hop::Accepted, "submit answered by the store"),
    (Hop::Commit, Hop::Committed, "commit answered by the store"),
];

/// What the client saw of a task; times are of the machine's monotonic clock, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) task: TaskId,
    /// The request was about to be written.
    pub(super) begun: u64,
    /// The function was called: it says so itself.
    pub(super) called: u64,
    /// The result had been read.
    pub(super) got: u64,
}

/// What a platform told of its tasks.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<TaskId, HashMap<Hop, u64>>);

#[derive(Deserialize)]
struct Line<'a> {
    target: &'a str,
    fields: Fields<'a>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    task: &'a str,
    hop: &'a str,
    at: u64,
}

impl Told {
    /// Takes in a line of a log. What is not about the way of a task is passed over. Of an event
    /// that comes again (an attempt that was repeated) the first counts.
    pub(super) fn take_in(&mut self, line: &str) {
        let Ok(Line { target, fields }) = serde_json::from_str::<Line<'_>>(line) else {
            return;
        };
        let (task, hop) = (fields.task.parse(), Hop::from_name(fields.hop));
        if let (TARGET, Ok(task), Some(hop)) = (target, task, hop) {
            let times = self.0.entry(task).or_default();
            times.entry(hop).or_insert(fields.at);
        }
    }

    /// How long each step of a task took, in nanoseconds; `None` if not all of its way was told. The
    /// sum is what the client waited.
    ///
    /// A place that was reached before the one in front of it (a dispatcher that asked for tasks
    /// just before this one was there) takes no time: the way is what the client waited for.
    pub(super) fn steps(&self, seen: &Seen) -> Option<[u64; STEPS]> {
        let times = self.0.get(&seen.task)?;
        let mut steps = [0; STEPS];
        let mut before = seen.begun;
        for (step, took) in WAY.iter().zip(&mut steps) {
            let at = match step.until {
                Place::Platform(hop) => *times.get(&hop)?,
                Place::Called => seen.called,
                Place::Got => seen.got,
            };
            let at = at.min(seen.got).max(before);
            *took = at - before;
            before = at;
        }
        Some(steps)
    }

    /// The time between two places, if both were told of.
    pub(super) fn between(&self, seen: &Seen, from: Hop, to: Hop) -> Option<u64> {
        let times = self.0.get(&seen.task)?;
        Some(times.get(&to)?.saturating_sub(*times.get(&from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: TaskId = TaskId(7);

    fn line(task: TaskId, hop: &str, at: u64) -> String {
        format!(
            r#"{{"timestamp":"2026-01-01T00:00:00Z","level":"TRACE","fields":{{"task":"{task}","hop":"{hop}","at":{at}}},"target":"mpcsfaas::hops"}}"#
        )
    }

    /// A task that takes 10 ns for each step, from 1,000 on, as its processes told it: in any order.
    fn told() -> Told {
        let mut told = Told::default();
        for (number, step) in WAY.iter().enumerate().rev() {
            if let Place::Platform(hop) = step.until {
                told.take_in(&line(TASK, hop.as_str(), 1_010 + 10 * number as u64));
            }
        }
        told.take_in(&line(TASK, "committed", 1_144));
        told
    }

    fn seen(task: TaskId) -> Seen {
        Seen {
            task,
            begun: 1_000,
            called: 1_080,
            got: 1_150,
        }
    }

    #[test]
    fn every_place_of_the_platform_is_on_the_way_or_beside_it() {
        for hop in Hop::ALL {
            let on_the_way = WAY.iter().any(|step| step.until == Place::Platform(hop));
            let beside = BESIDE.iter().any(|(_, to, _)| *to == hop);
            assert!(on_the_way != beside, "{hop:?}");
            assert_eq!(Hop::from_name(hop.as_str()), Some(hop));
        }
    }

    #[test]
    fn events_of_several_processes_are_one_way() {
        let told = told();
        assert_eq!(told.steps(&seen(TASK)), Some([10; STEPS]));
        // The commit was asked for at 1,120.
        let beside = told.between(&seen(TASK), Hop::Commit, Hop::Committed);
        assert_eq!(beside, Some(24));
    }

    #[test]
    fn the_steps_are_all_that_the_client_waited_whatever_came_first() {
        let mut told = told();
        // The dispatcher asked before the task was there, and a clock is not read everywhere at once.
        let times = told.0.get_mut(&TASK).unwrap();
        times.insert(Hop::Claim, 900);
        times.insert(Hop::Told, 1_160);
        let steps = told.steps(&seen(TASK)).unwrap();
        assert_eq!(steps.iter().sum::<u64>(), 150);
        assert_eq!((steps[2], steps[3], steps[13], steps[14]), (0, 20, 20, 0));
    }

    #[test]
    fn of_an_attempt_that_was_repeated_the_first_counts() {
        let mut told = told();
        told.take_in(&line(TASK, "claimed", 1_149));
        assert_eq!(told.steps(&seen(TASK)), Some([10; STEPS]));
    }

    #[test]
    fn a_way_with_a_hole_is_none() {
        let mut told = told();
        told.0.get_mut(&TASK).unwrap().remove(&Hop::Given);
        assert_eq!(told.steps(&seen(TASK)), None);
        assert_eq!(told.steps(&seen(TaskId(8))), None);
        assert_eq!(told.between(&seen(TASK), Hop::Submit, Hop::Accepted), None);
    }

    #[test]
    fn what_else_is_in_a_log_is_passed_over() {
        let mut told = Told::default();
        let foreign = line(TASK, "read", 1).replace("mpcsfaas::hops", "elsewhere");
        let unnamed = line(TASK, "nowhere", 1);
        for line in [
            "",
            "no JSON",
            r#"{"target":"mpcsfaas::hops"}"#,
            &foreign,
            &unnamed,
        ] {
            told.take_in(line);
        }
        assert!(told.0.is_empty());
    }
}
