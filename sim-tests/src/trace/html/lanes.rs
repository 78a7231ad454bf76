//! Who is there, what runs, and what goes wrong for a while: from the history.

use std::collections::BTreeMap;

use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::history::{Seen, What};
use mpcsfaas_transport_sim::marks::name_of_bend;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{Bend, FOR_GOOD, Fault, Occasion, Trouble};

use super::picture::{Band, Bar, Index, Lane, Life, Point, micros};
use crate::run::Run;

/// What is drawn on lanes.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) lanes: Vec<Lane>,
    pub(super) lives: Vec<Life>,
    pub(super) bars: Vec<Bar>,
    pub(super) bands: Vec<Band>,
    pub(super) points: Vec<Point>,
}

/// What has begun and not ended: bars by attempt, lives and leaves by place, as places in [`Lanes`].
#[derive(Default)]
struct Open {
    bars: BTreeMap<(Place, TaskRef), usize>,
    lives: BTreeMap<Place, usize>,
    leaves: BTreeMap<Place, usize>,
    /// The rows of a worker that are taken.
    rows: BTreeMap<Place, Vec<bool>>,
}

impl Lanes {
    /// What is still to be seen from `from` on.
    pub(super) fn of(run: &Run, from: Instant, index: &mut Index) -> Lanes {
        let mut lanes = Lanes {
            lanes: places(run),
            ..Lanes::default()
        };
        let end = micros(run.ended_at);
        for place in [Place::Client, Place::Store] {
            lanes.lives.push(Life {
                lane: index.lane(place),
                from: 0,
                until: end,
            });
        }
        let mut open = Open::default();
        for seen in &run.history {
            lanes.see(run, seen, &mut open, index);
        }
        let first = micros(from);
        lanes.lives.retain(|life| life.until >= first);
        lanes.bars.retain(|bar| bar.until >= first);
        lanes.bands.retain(|band| band.until >= first);
        lanes.points.retain(|point| point.at >= first);
        lanes
    }

    fn see(&mut self, run: &Run, seen: &Seen, open: &mut Open, index: &mut Index) {
        let at = micros(seen.at);
        match &seen.what {
            What::Arrived(place) => {
                open.lives.insert(*place, self.lives.len());
                self.lives.push(Life {
                    lane: index.lane(*place),
                    from: at,
                    until: micros(run.ended_at),
                });
            }
            What::Ended { node, .. } => {
                if let Some(life) = open.lives.remove(node) {
                    self.lives[life].until = at;
                }
                if let Some(leave) = open.leaves.remove(node) {
                    self.bands[leave].until = at;
                }
            }
            What::Started { at: place, task } => {
                let bar = self.bar(run, (*place, *task), at, open, index);
                self.bars.extend(bar);
            }
            What::Stopped {
                at: place,
                task,
                by_itself,
            } => {
                if let Some(bar) = open.bars.remove(&(*place, *task)) {
                    let bar = &mut self.bars[bar];
                    (bar.until, bar.end) = (at, if *by_itself { "ended" } else { "killed" });
                    open.free(*place, bar.row);
                }
            }
            What::Struck(fault) => {
                if let Some(band) = band(run, seen.at, fault, index) {
                    if matches!(fault.what, Trouble::Leave(_)) {
                        open.leaves.insert(fault.node, self.bands.len());
                    }
                    self.bands.push(band);
                }
            }
            What::Twisted { on, bend } => self.points.push(Point {
                number: 0,
                at,
                lane: index.lane(place_of(*on)),
                kind: "twist",
                what: index.word(&twist(*on, *bend)),
                routine: false,
                tasks: Vec::new(),
            }),
            _ => {}
        }
    }

    fn bar(
        &mut self,
        run: &Run,
        (place, task): (Place, TaskRef),
        at: u64,
        open: &mut Open,
        index: &Index,
    ) -> Option<Bar> {
        let lane = index.lane(place);
        let row = open.take_row(place);
        let widest = &mut self.lanes.get_mut(lane)?.rows;
        *widest = (*widest).max(row + 1);
        open.bars.insert((place, task), self.bars.len());
        Some(Bar {
            lane,
            row,
            from: at,
            until: micros(run.ended_at),
            task: index.task(task.task)?,
            attempt: task.attempt,
            end: "runs",
        })
    }
}

impl Open {
    /// The first row that is free.
    fn take_row(&mut self, place: Place) -> usize {
        let rows = self.rows.entry(place).or_default();
        let free = rows.iter().position(|taken| !taken);
        let row = free.unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(true);
        }
        rows[row] = true;
        row
    }

    fn free(&mut self, place: Place, row: usize) {
        if let Some(taken) = self.rows.get_mut(&place).and_then(|rows| rows.get_mut(row)) {
            *taken = false;
        }
    }
}

fn places(run: &Run) -> Vec<Lane> {
    let lane = |place: Place, what, rows| Lane {
        name: place.to_string(),
        what,
        rows,
    };
    let shape = &run.plan.shape;
    let dispatchers = 0..shape.dispatchers.len();
    let workers = shape.workers.iter().enumerate();
    let mut lanes = vec![
        lane(Place::Client, "client, gateway", 0),
        lane(Place::Store, "store", 0),
    ];
    lanes.extend(dispatchers.map(|index| lane(Place::Dispatcher(index), "dispatcher", 0)));
    lanes
        .extend(workers.map(|(index, worker)| {
            lane(Place::Worker(index), "worker", worker.processes as usize)
        }));
    lanes
}

/// A fault that lasts, until it is over or all trouble ends. A leave lasts until its process has
/// ended; a clog outlasts the end of trouble.
fn band(run: &Run, at: Instant, fault: &Fault, index: &mut Index) -> Option<Band> {
    let healed = run.plan.heal_at.min(run.ended_at);
    let (kind, time, latest) = match fault.what {
        Trouble::Pause(time) => ("pause", time, healed),
        Trouble::Slow { time, .. } => ("slow", time, healed),
        Trouble::Crash(FOR_GOOD) => ("down", FOR_GOOD, run.ended_at),
        Trouble::Crash(time) => ("down", time, healed),
        Trouble::Leave(_) => ("leaving", FOR_GOOD, run.ended_at),
        Trouble::Clog(time) => ("link", time, run.ended_at),
        Trouble::Partition { time, .. } | Trouble::StoreCut(time) => ("link", time, healed),
        Trouble::Cut
        | Trouble::ClockDrift(_)
        | Trouble::ClockJump { .. }
        | Trouble::Cancel(_)
        | Trouble::Junk
        | Trouble::Impostor => return None,
    };
    Some(Band {
        lane: index.lane(fault.node),
        from: micros(at),
        until: micros((at + time).min(latest)),
        kind,
        what: index.word(&fault.to_string()),
    })
}

/// Whom a twist befalls.
fn place_of(on: Occasion) -> Place {
    match on {
        Occasion::Up(worker)
        | Occasion::Down(worker)
        | Occasion::Dial(worker)
        | Occasion::EndUp(worker)
        | Occasion::EndDown(worker)
        | Occasion::Spawn(worker) => Place::Worker(worker),
        Occasion::Request(dispatcher)
        | Occasion::Reply(dispatcher)
        | Occasion::Doorbell(dispatcher) => Place::Dispatcher(dispatcher),
        Occasion::Answer => Place::Client,
        Occasion::Waking(place) => place,
    }
}

fn twist(on: Occasion, bend: Bend) -> String {
    let name = name_of_bend(on, bend);
    match (on, bend) {
        (Occasion::EndUp(_), Bend::Lost) => format!("{name} by the dispatcher"),
        (Occasion::EndDown(_), Bend::Lost) => format!("{name} by the worker"),
        (_, Bend::Late(by)) => format!("{name} by {by:?}"),
        (_, Bend::Twice(after)) => format!("{name}, after {after:?}"),
        (_, Bend::To(dispatcher)) => format!("{name} to {}", Place::Dispatcher(dispatcher)),
        _ => name.to_owned(),
    }
}
