//! The Python children: one slot each, started, fed, timed and replaced (R14).

use std::time::Duration;

use bytes::Bytes;

use super::child::{ChildFact, ChildOrder, SlotId};
use super::hold::Held;
use super::session::Link;
use super::{Output, Worker};
use crate::task::{Failure, FailureKind, Outcome, Versions};
use crate::time::Instant;
use crate::wire::message::TaskRef;

/// How long a child may take to get ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The first pause after a child that could not start; doubles up to [`START_BACKOFF_LIMIT`].
const START_BACKOFF: Duration = Duration::from_millis(200);

/// The longest pause after a child that could not start.
const START_BACKOFF_LIMIT: Duration = Duration::from_secs(5);

/// The place of one child.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Slot {
    state: State,
    /// Starts that failed in a row.
    failures: u32,
}

/// What the child does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum State {
    /// There is none; the next is started at this time.
    Down(Instant),
    /// It has been started and is not ready.
    Starting {
        kill_at: Option<Instant>,
    },
    Idle,
    Busy {
        task: TaskRef,
        started: Instant,
        deadline: Option<Instant>,
    },
    /// It was told to end. The task is the one that is to blame, if its result is still wanted.
    Ending {
        task: Option<TaskRef>,
        /// When politeness ends; `None`: it has.
        kill_at: Option<Instant>,
    },
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            state: State::Down(Instant::ZERO),
            failures: 0,
        }
    }
}

impl Worker {
    pub(super) fn on_child(&mut self, now: Instant, fact: ChildFact) {
        match fact {
            ChildFact::Ready { slot, versions } => self.on_ready(now, slot, versions),
            ChildFact::Replied {
                slot,
                task,
                attempt,
                outcome,
            } => {
                self.on_replied(now, slot, TaskRef { task, attempt }, outcome);
            }
            ChildFact::Exited {
                slot,
                code,
                signal,
                output,
            } => {
                self.on_exited(now, slot, code, signal, output);
            }
        }
        self.start_waiting(now);
        self.tell_results(now);
        self.announce_change();
        self.ask_for_work();
    }

    fn on_ready(&mut self, now: Instant, slot: SlotId, versions: Versions) {
        let Some(slot) = self.slots.get_mut(slot as usize) else {
            return;
        };
        // One that was told to end for its slowness is still going to.
        if !matches!(slot.state, State::Starting { kill_at: Some(_) }) {
            return;
        }
        *slot = Slot {
            state: State::Idle,
            failures: 0,
        };
        self.versions = versions;
        if self.link == Link::Starting {
            self.open_session(now);
        }
    }

    fn on_replied(&mut self, now: Instant, slot: SlotId, task: TaskRef, outcome: Outcome) {
        let Some(slot) = self.slots.get_mut(slot as usize) else {
            return;
        };
        match &mut slot.state {
            State::Busy {
                task: busy,
                started,
                ..
            } if *busy == task => {
                self.pace.saw(now.since(*started));
                slot.state = State::Idle;
                self.finish(task, outcome);
            }
            // It made it while the signal was on its way: the result counts, the child still ends.
            State::Ending { task: blamed, .. } if *blamed == Some(task) => {
                *blamed = None;
                self.finish(task, outcome);
            }
            State::Down(_)
            | State::Starting { .. }
            | State::Idle
            | State::Busy { .. }
            | State::Ending { .. } => {}
        }
    }

    fn on_exited(
        &mut self,
        now: Instant,
        id: SlotId,
        code: Option<i32>,
        signal: Option<i32>,
        output: Bytes,
    ) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        let state = std::mem::replace(&mut slot.state, State::Down(now));
        let blamed = match state {
            State::Starting { .. } => {
                let pause = START_BACKOFF.saturating_mul(1 << slot.failures.min(16));
                slot.failures += 1;
                slot.state = State::Down(now + pause.min(START_BACKOFF_LIMIT));
                let output = String::from_utf8_lossy(&output);
                tracing::warn!(slot = id, %output, "a Python process could not start");
                None
            }
            State::Busy { task, .. } => Some((task, ended(code, signal))),
            State::Ending { task, .. } => task.map(|task| (task, self.overrun(now, task))),
            State::Down(_) | State::Idle => None,
        };
        if let Some((task, failure)) = blamed {
            self.finish(
                task,
                Outcome {
                    result: Err(failure),
                    output,
                },
            );
        }
        self.spawn_due(now);
        if self.usable_slots() == 0 {
            // The credit first, or the dispatcher would send them back here.
            self.beat();
            self.hand_back_waiting();
        }
    }

    fn overrun(&self, _now: Instant, task: TaskRef) -> Failure {
        let limit = match self.held.get(&task) {
            Some(Held::Running { options, .. }) => options.timeout().unwrap_or_default(),
            Some(Held::Waiting { .. } | Held::Finished(_)) | None => Duration::ZERO,
        };
        let message = format!("timeout: the task ran past its deadline of {limit:?}");
        Failure::new(FailureKind::Timeout, message)
    }

    /// Whether a child runs a task.
    pub(super) fn is_any_busy(&self) -> bool {
        let is_busy = |slot: &Slot| matches!(slot.state, State::Busy { .. });
        self.slots.iter().any(is_busy)
    }

    /// Gives waiting tasks to idle children, oldest first.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        let idle = |slot: &Slot| slot.state == State::Idle;
        while let Some(task) = self.waiting.front().copied()
            && let Some(slot) = self.slots.iter().position(idle)
        {
            self.waiting.pop_front();
            self.start(now, task, slot);
        }
    }

    fn start(&mut self, now: Instant, task: TaskRef, slot: usize) {
        let Some(held) = self.held.get_mut(&task) else {
            return;
        };
        let id = slot as SlotId;
        let Held::Waiting { run, function, .. } = held else {
            return;
        };
        let (options, order) = (
            run.options,
            ChildOrder::Execute {
                slot: id,
                task: task.task,
                attempt: task.attempt,
                function: run.function,
                body: function.clone(),
                params: run.params.clone(),
            },
        );
        *held = Held::Running { slot: id, options };
        self.counters.started += 1;
        self.outputs.push_back(Output::Child(order));
        if let Some(slot) = self.slots.get_mut(slot) {
            let deadline = options.timeout().map(|timeout| now + timeout);
            slot.state = State::Busy {
                task,
                started: now,
                deadline,
            };
        }
    }

    /// Ends the child of a task whose result is no longer wanted.
    pub(super) fn terminate_dropped(&mut self, now: Instant, slot: SlotId) {
        self.terminate(now, slot, None);
    }

    fn terminate(&mut self, now: Instant, id: SlotId, task: Option<TaskRef>) {
        let kill_at = now + self.config.kill_grace;
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        match &mut slot.state {
            State::Busy { .. } => {
                slot.state = State::Ending {
                    task,
                    kill_at: Some(kill_at),
                };
                self.outputs
                    .push_back(Output::Child(ChildOrder::Terminate { slot: id }));
            }
            // It is already on its way out; only the blame changes.
            State::Ending { task: blamed, .. } => *blamed = task,
            State::Down(_) | State::Starting { .. } | State::Idle => {}
        }
    }

    /// Does what time asks of the children: deadlines, the end of politeness, restarts.
    pub(super) fn tend_slots(&mut self, now: Instant) {
        for id in 0..self.slots.len() as SlotId {
            let Some(slot) = self.slots.get_mut(id as usize) else {
                return;
            };
            match &mut slot.state {
                State::Busy {
                    task,
                    deadline: Some(at),
                    ..
                } if now >= *at => {
                    let task = *task;
                    self.terminate(now, id, Some(task));
                }
                State::Ending { kill_at, .. } | State::Starting { kill_at }
                    if kill_at.is_some_and(|at| now >= at) =>
                {
                    *kill_at = None;
                    self.outputs
                        .push_back(Output::Child(ChildOrder::Kill { slot: id }));
                }
                State::Down(_)
                | State::Starting { .. }
                | State::Idle
                | State::Busy { .. }
                | State::Ending { .. } => {}
            }
        }
        self.spawn_due(now);
    }

    /// Starts every child whose time has come.
    pub(super) fn spawn_due(&mut self, now: Instant) {
        if self.is_draining() {
            return;
        }
        for (id, slot) in self.slots.iter_mut().enumerate() {
            if matches!(slot.state, State::Down(at) if now >= at) {
                slot.state = State::Starting {
                    kill_at: Some(now + START_LIMIT),
                };
                let order = ChildOrder::Spawn { slot: id as SlotId };
                self.outputs.push_back(Output::Child(order));
            }
        }
    }

    /// Processes that can be expected to take work soon: one whose last start failed cannot.
    pub(super) fn usable_slots(&self) -> u32 {
        let usable = |slot: &&Slot| match slot.state {
            State::Down(_) => false,
            State::Starting { .. } => slot.failures == 0,
            State::Idle | State::Busy { .. } | State::Ending { .. } => true,
        };
        self.slots.iter().filter(usable).count() as u32
    }

    /// When time next matters to a child.
    pub(super) fn slot_deadline(&self) -> Option<Instant> {
        let leaving = self.is_draining();
        let deadline = |slot: &Slot| match slot.state {
            State::Down(at) => (!leaving).then_some(at),
            State::Starting { kill_at } | State::Ending { kill_at, .. } => kill_at,
            State::Busy { deadline, .. } => deadline,
            State::Idle => None,
        };
        self.slots.iter().filter_map(deadline).min()
    }

    /// Each running task is in the slot it says, and no slot runs what is not held.
    pub(super) fn check_slots(&self) -> Result<(), String> {
        let busy = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(id, slot)| match slot.state {
                State::Busy { task, .. }
                | State::Ending {
                    task: Some(task), ..
                } => Some((id as SlotId, task)),
                State::Down(_) | State::Starting { .. } | State::Idle | State::Ending { .. } => {
                    None
                }
            });
        let mut count = 0;
        for (id, task) in busy {
            count += 1;
            let here =
                matches!(self.held.get(&task), Some(Held::Running { slot, .. }) if *slot == id);
            if !here {
                return Err(format!(
                    "slot {id} runs {task:?}, which is not held as running there"
                ));
            }
        }
        match count == self.running().count() {
            true => Ok(()),
            false => Err("a task is held as running and no slot runs it".to_owned()),
        }
    }
}

/// The failure of a task whose child ended under it.
fn ended(code: Option<i32>, signal: Option<i32>) -> Failure {
    let (kind, message) = match (signal, code) {
        (Some(signal), _) => (
            FailureKind::Killed,
            format!("killed: the Python process got signal {signal}"),
        ),
        (None, Some(code)) => (
            FailureKind::Exited,
            format!("exited: the Python process ended with code {code}"),
        ),
        (None, None) => (
            FailureKind::Exited,
            "exited: the Python process ended".to_owned(),
        ),
    };
    Failure {
        exit_code: code,
        signal,
        ..Failure::new(kind, message)
    }
}
