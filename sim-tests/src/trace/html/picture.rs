//! One run as a page has it: lanes, what travels between them, and what happens on them.
//!
//! Times are microseconds of world time. What there may be many of is written as a list, not as an
//! object; its fields are in the order in which they stand here. Words, tasks and lanes are named by
//! their places in [`Picture`].

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::history::What;
use mpcsfaas_transport_sim::place::Place;
use serde::{Serialize, Serializer};

use super::super::Names;
use super::lanes::Lanes;
use super::traffic::Traffic;
use crate::run::{Run, Violation};
use crate::scenario_file::PROMISES;

/// What is said of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Caption {
    /// What it is, in a word or two.
    pub label: String,
    /// What else there is to say of it.
    pub note: String,
    /// The command that shows it again.
    pub replay: String,
    /// The run as a scenario file, if it is short enough to be read.
    pub scenario: Option<String>,
}

/// A run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Picture {
    caption: Caption,
    /// The hash of the run.
    hash: String,
    /// The promise that was broken, if one was.
    violation: Option<Broken>,
    /// How many events it had.
    events: u64,
    /// How many of them came before those that are here.
    left_out: usize,
    /// When the first of those that are here happened.
    from: u64,
    /// When it ended.
    until: u64,
    /// How long a message usually travels.
    latency: u64,
    /// When all trouble ended.
    healed: Option<u64>,
    pub(super) lanes: Vec<Lane>,
    tasks: Vec<Task>,
    pub(super) words: Vec<String>,
    pub(super) arrows: Vec<Arrow>,
    pub(super) points: Vec<Point>,
    pub(super) bars: Vec<Bar>,
    pub(super) bands: Vec<Band>,
    pub(super) lives: Vec<Life>,
    rows: Vec<Row>,
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Broken {
    promise: String,
    /// The promise in words.
    title: Option<&'static str>,
    what: String,
    at: u64,
}

/// A place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Lane {
    /// As in the story.
    pub(super) name: String,
    /// What it is, in words.
    pub(super) what: &'static str,
    /// How many attempts ran there at a time, at most.
    pub(super) rows: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Task {
    name: String,
    id: String,
}

/// Something that travelled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Arrow {
    /// The event's number in the story.
    pub(super) number: u64,
    pub(super) sent: u64,
    /// When it arrived, or would have.
    pub(super) at: u64,
    /// When its node took it in, if it had to wait for that. `None` and `waits`: never.
    pub(super) taken: Option<u64>,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) what: usize,
    pub(super) is: Is,
    pub(super) tasks: Vec<usize>,
}

/// Of what kind an arrow is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Is {
    pub(super) lost: bool,
    pub(super) routine: bool,
    pub(super) waits: bool,
    pub(super) store: bool,
}

/// Something that happened at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Point {
    /// The event's number in the story; 0 if the story has no line for it.
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) lane: usize,
    pub(super) kind: &'static str,
    pub(super) what: usize,
    pub(super) routine: bool,
    pub(super) tasks: Vec<usize>,
}

/// An attempt in its Python child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bar {
    pub(super) lane: usize,
    pub(super) row: usize,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) task: usize,
    pub(super) attempt: u32,
    /// How it ended: `ended`, `killed`, or `runs` if it has not.
    pub(super) end: &'static str,
}

/// A fault that lasted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Band {
    pub(super) lane: usize,
    pub(super) from: u64,
    pub(super) until: u64,
    /// How it looks: `pause`, `slow`, `down`, `leaving` or `link`.
    pub(super) kind: &'static str,
    pub(super) what: usize,
}

/// A process at its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Life {
    pub(super) lane: usize,
    pub(super) from: u64,
    pub(super) until: u64,
}

/// A row of the store from here on.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    at: u64,
    task: usize,
    status: &'static str,
    attempt: u32,
}

impl Picture {
    /// The picture of a run that was told and kept.
    pub fn of(run: &Run, caption: Caption) -> Picture {
        Picture::of_last(run, caption, super::MOST)
    }

    /// The same of its last events.
    pub(super) fn of_last(run: &Run, caption: Caption, most: usize) -> Picture {
        let left_out = run.story.len().saturating_sub(most);
        let story = run.story.get(left_out..).unwrap_or_default();
        let from = match left_out {
            0 => Instant::ZERO,
            _ => story.first().map_or(run.ended_at, |line| line.at),
        };
        let mut index = Index::of(run);
        let traffic = Traffic::of(story, &mut index);
        let lanes = Lanes::of(run, from, &mut index);
        let mut points = [traffic.points, lanes.points].concat();
        points.sort_by_key(|point| (point.at, point.number));
        let healed = run.history.iter().find(|seen| seen.what == What::Healed);
        let mut picture = Picture {
            caption,
            hash: format!("{:016x}", run.hash),
            violation: run.violation.as_ref().map(Broken::of),
            events: run.events,
            left_out,
            from: micros(from),
            until: micros(run.ended_at),
            latency: run.plan.shape.latency.as_micros() as u64,
            healed: healed.map(|seen| micros(seen.at)),
            lanes: lanes.lanes,
            rows: rows(run, from, &index),
            tasks: index.tasks(run),
            arrows: traffic.arrows,
            points,
            bars: lanes.bars,
            bands: lanes.bands,
            lives: lanes.lives,
            words: index.words,
        };
        picture.forget_tasks();
        picture
    }

    /// Of a long run's tasks, only those that something is here of are known.
    fn forget_tasks(&mut self) {
        let arrows = self.arrows.iter_mut().map(|arrow| &mut arrow.tasks);
        let points = self.points.iter_mut().map(|point| &mut point.tasks);
        let pairs = arrows
            .chain(points)
            .flat_map(|tasks| tasks.chunks_exact_mut(2));
        let bars = self.bars.iter_mut().map(|bar| &mut bar.task);
        let mut named: Vec<&mut usize> = pairs.map(|pair| &mut pair[0]).chain(bars).collect();
        let used: BTreeSet<usize> = named.iter().map(|task| **task).collect();
        let places: BTreeMap<usize, usize> = used.into_iter().zip(0..).collect();
        self.rows.retain(|row| places.contains_key(&row.task));
        named.extend(self.rows.iter_mut().map(|row| &mut row.task));
        for task in named {
            *task = places.get(task).copied().unwrap_or_default();
        }
        let mut place = 0..;
        self.tasks.retain(|_| {
            place
                .next()
                .is_some_and(|place| places.contains_key(&place))
        });
    }
}

/// What rows of the store became, and when.
fn rows(run: &Run, from: Instant, index: &Index) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut last = BTreeMap::new();
    for seen in &run.history {
        if let What::Row(row) = &seen.what
            && let Some(task) = index.task(row.task)
            && last.insert(task, (row.status, row.attempt)) != Some((row.status, row.attempt))
        {
            rows.push(Row {
                at: micros(seen.at),
                task,
                status: row.status.as_str(),
                attempt: row.attempt,
            });
        }
    }
    // Of what was before, only the last state of each is still to be seen.
    let first = micros(from);
    let mut seen = BTreeSet::new();
    rows.reverse();
    rows.retain(|row: &Row| row.at >= first || seen.insert(row.task));
    rows.reverse();
    rows
}

impl Broken {
    fn of(violation: &Violation) -> Broken {
        let known = PROMISES.iter().find(|(name, _)| *name == violation.promise);
        Broken {
            promise: violation.promise.to_owned(),
            title: known.map(|(_, title)| *title),
            what: violation.what.clone(),
            at: micros(violation.at),
        }
    }
}

/// Where lanes, tasks and words are found.
pub(super) struct Index {
    dispatchers: usize,
    tasks: BTreeMap<TaskId, usize>,
    words: Vec<String>,
    known: BTreeMap<String, usize>,
}

impl Index {
    fn of(run: &Run) -> Index {
        let mut tasks = BTreeMap::new();
        for submit in &run.plan.submits {
            let next = tasks.len();
            tasks.entry(submit.task).or_insert(next);
        }
        Index {
            dispatchers: run.plan.shape.dispatchers.len(),
            tasks,
            words: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// Whoever speaks with whom is near: the client, the store, dispatchers, workers.
    pub(super) fn lane(&self, place: Place) -> usize {
        match place {
            Place::Client => 0,
            Place::Store => 1,
            Place::Dispatcher(index) => 2 + index,
            Place::Worker(index) => 2 + self.dispatchers + index,
        }
    }

    pub(super) fn word(&mut self, word: &str) -> usize {
        if let Some(place) = self.known.get(word) {
            return *place;
        }
        let place = self.words.len();
        self.words.push(word.to_owned());
        self.known.insert(word.to_owned(), place);
        place
    }

    /// The first word of a text.
    pub(super) fn begins(&self, word: usize) -> &str {
        self.words[word].split(' ').next().unwrap_or_default()
    }

    pub(super) fn task(&self, task: TaskId) -> Option<usize> {
        self.tasks.get(&task).copied()
    }

    /// Tasks and attempts in turn.
    pub(super) fn refs(&self, tasks: &[TaskRef]) -> Vec<usize> {
        let pair = |of: &TaskRef| Some([self.task(of.task)?, of.attempt as usize]);
        tasks.iter().filter_map(pair).flatten().collect()
    }

    fn tasks(&self, run: &Run) -> Vec<Task> {
        let names = Names::of(&run.plan);
        let mut ids: Vec<_> = self.tasks.iter().collect();
        ids.sort_by_key(|(_, place)| **place);
        let named = |(id, _): (&TaskId, &usize)| Task {
            name: names.short(TaskRef {
                task: *id,
                attempt: 0,
            }),
            id: id.to_string(),
        };
        ids.into_iter().map(named).collect()
    }
}

pub(super) const fn micros(at: Instant) -> u64 {
    at.as_nanos() / 1_000
}

impl Serialize for Is {
    /// A sum of 1 lost, 2 routine, 4 waits, 8 to or from the store.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flags = [self.lost, self.routine, self.waits, self.store];
        let sum = flags
            .iter()
            .rev()
            .fold(0, |sum, flag| sum * 2 + u8::from(*flag));
        serializer.serialize_u8(sum)
    }
}

impl Serialize for Arrow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Arrow {
            number,
            sent,
            at,
            taken,
            from,
            to,
            what,
            is,
            tasks,
        } = self;
        (number, sent, at, taken, from, to, what, is, tasks).serialize(serializer)
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Point {
            number,
            at,
            lane,
            kind,
            what,
            routine,
            tasks,
        } = self;
        (number, at, lane, kind, what, routine, tasks).serialize(serializer)
    }
}

impl Serialize for Bar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Bar {
            lane,
            row,
            from,
            until,
            task,
            attempt,
            end,
        } = self;
        (lane, row, from, until, task, attempt, end).serialize(serializer)
    }
}

impl Serialize for Band {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.lane, self.from, self.until, self.kind, self.what).serialize(serializer)
    }
}

impl Serialize for Life {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.lane, self.from, self.until).serialize(serializer)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.at, self.task, self.status, self.attempt).serialize(serializer)
    }
}
