//! The Python children: one slot each, started, fed, timed and replaced (R14).

use std::time::Duration;

use bytes::Bytes;

use super::child::{ChildFact, ChildOrder, SlotId};
use super::hold::Held;
use super::pipe::{Entry, Pipe};
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
    pub(super) state: State,
    /// Starts that failed in a row.
    failures: u32,
    /// Whether the child can be given tasks ahead of the one it runs.
    pub(super) reads_ahead: bool,
}

/// What the child does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum State {
    /// There is none; the next is started at this time.
    Down(Instant),
    /// It has been started and is not ready.
    Starting {
        kill_at: Option<Instant>,
    },
    Idle,
    /// It runs the first of its tasks, as far as is known.
    Busy {
        pipe: Pipe,
        /// Since when the first is known to be next.
        started: Instant,
        /// Of the first.
        deadline: Option<Instant>,
    },
    /// It was told to end.
    Ending {
        /// What it had not answered.
        pipe: Pipe,
        /// The task that ran past its deadline, if that is why and its result has not come.
        blamed: Option<TaskRef>,
        /// When politeness ends; `None`: it has.
        kill_at: Option<Instant>,
    },
}

impl Default for Slot {
    fn default() -> Slot {
        Slot {
            state: State::Down(Instant::ZERO),
            failures: 0,
            reads_ahead: false,
        }
    }
}

impl Slot {
    /// Gives the child a task, to be run at once or after those that it has.
    pub(super) fn push(&mut self, now: Instant, entry: Entry) {
        match &mut self.state {
            State::Busy { pipe, .. } => pipe.push(entry),
            State::Idle => {
                let deadline = entry.options.timeout().map(|timeout| now + timeout);
                let mut pipe = Pipe::default();
                pipe.push(entry);
                self.state = State::Busy {
                    pipe,
                    started: now,
                    deadline,
                };
            }
            State::Down(_) | State::Starting { .. } | State::Ending { .. } => {}
        }
    }

    /// The first task has left the pipe of a busy child.
    fn next(&mut self, now: Instant) {
        let State::Busy {
            pipe,
            started,
            deadline,
        } = &mut self.state
        else {
            return;
        };
        match pipe.front() {
            Some(front) => {
                *started = now;
                *deadline = front.options.timeout().map(|timeout| now + timeout);
            }
            None => self.state = State::Idle,
        }
    }
}

impl Worker {
    pub(super) fn on_child(&mut self, now: Instant, fact: ChildFact) {
        match fact {
            ChildFact::Ready {
                slot,
                versions,
                reads_ahead,
            } => self.on_ready(now, slot, versions, reads_ahead),
            ChildFact::Replied {
                slot,
                task,
                attempt,
                outcome,
                took,
            } => {
                self.on_replied(now, slot, TaskRef { task, attempt }, (outcome, took));
            }
            ChildFact::Recalled { slot, tasks } => self.on_recalled(now, slot, &tasks),
            ChildFact::Exited {
                slot,
                code,
                signal,
                output,
                begun,
            } => {
                self.on_exited(now, slot, (code, signal, output), &begun);
            }
        }
        self.start_waiting(now);
        self.tell_results(now);
        self.announce_change();
        self.ask_for_work();
    }

    fn on_ready(&mut self, now: Instant, slot: SlotId, versions: Versions, reads_ahead: bool) {
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
            reads_ahead,
        };
        self.versions = versions;
        if self.link == Link::Starting {
            self.open_session(now);
        }
    }

    fn on_replied(
        &mut self,
        now: Instant,
        id: SlotId,
        task: TaskRef,
        (outcome, took): (Outcome, Duration),
    ) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        let wanted = match &mut slot.state {
            State::Busy { pipe, .. } => pipe.take(task),
            // It made it while the signal was on its way: the result counts, the child still ends.
            State::Ending { pipe, blamed, .. } => {
                blamed.take_if(|blamed| *blamed == task);
                pipe.take(task)
            }
            State::Down(_) | State::Starting { .. } | State::Idle => None,
        };
        let Some((wanted, function)) = wanted else {
            return;
        };
        slot.next(now);
        self.pace.saw(took);
        if self.functions.contains_key(&function) {
            self.paces.entry(function).or_default().saw(took);
        }
        if wanted {
            self.finish(task, outcome);
        }
        self.settle(now, id);
    }

    fn on_exited(
        &mut self,
        now: Instant,
        id: SlotId,
        (code, signal, output): (Option<i32>, Option<i32>, Bytes),
        begun: &[TaskRef],
    ) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        slot.reads_ahead = false;
        let state = std::mem::replace(&mut slot.state, State::Down(now));
        let (pipe, blamed) = match state {
            State::Starting { .. } => {
                let pause = START_BACKOFF.saturating_mul(1 << slot.failures.min(16));
                slot.failures += 1;
                slot.state = State::Down(now + pause.min(START_BACKOFF_LIMIT));
                let output = String::from_utf8_lossy(&output);
                tracing::warn!(slot = id, %output, "a Python process could not start");
                (Pipe::default(), None)
            }
            State::Busy { pipe, .. } => (pipe, None),
            State::Ending { pipe, blamed, .. } => (pipe, blamed),
            State::Down(_) | State::Idle => (Pipe::default(), None),
        };
        for task in self.bury(pipe, begun) {
            let failure = match blamed == Some(task) {
                true => self.overrun(task),
                false => ended(code, signal),
            };
            let output = output.clone();
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
        if self.is_draining() {
            self.hand_back_waiting();
        }
    }

    fn overrun(&self, task: TaskRef) -> Failure {
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

    /// A child that has nothing to do.
    pub(super) fn idle_slot(&self) -> Option<usize> {
        let idle = |slot: &Slot| slot.state == State::Idle;
        self.slots.iter().position(idle)
    }

    /// Ends a child if the task that it runs is one to be ended, and it is known that nothing else
    /// would end with it. Else it is asked for the others first.
    pub(super) fn settle(&mut self, now: Instant, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        let State::Busy { pipe, deadline, .. } = &mut slot.state else {
            return;
        };
        let Some(front) = pipe.front() else {
            slot.state = State::Idle;
            return;
        };
        let is_late = deadline.is_some_and(|at| now >= at);
        if !front.is_dropped() && !is_late {
            return;
        }
        if !pipe.is_alone() {
            self.recall(id);
            return;
        }
        slot.state = State::Ending {
            blamed: Some(front.task).filter(|_| !front.is_dropped()),
            pipe: std::mem::take(pipe),
            kill_at: Some(now + self.config.kill_grace),
        };
        self.outputs
            .push_back(Output::Child(ChildOrder::Terminate { slot: id }));
    }

    /// Does what time asks of the children: deadlines, the end of politeness, restarts.
    pub(super) fn tend_slots(&mut self, now: Instant) {
        for id in 0..self.slots.len() as SlotId {
            let Some(slot) = self.slots.get_mut(id as usize) else {
                return;
            };
            match &mut slot.state {
                State::Busy {
                    pipe,
                    started,
                    deadline,
                } => {
                    let is_slow = pipe.len() > 1 && now >= *started + self.config.prefetch;
                    if is_slow || deadline.is_some_and(|at| now >= at) {
                        self.hurry(now, id);
                    }
                    self.settle(now, id);
                }
                State::Ending { kill_at, .. } | State::Starting { kill_at }
                    if kill_at.is_some_and(|at| now >= at) =>
                {
                    *kill_at = None;
                    self.outputs
                        .push_back(Output::Child(ChildOrder::Kill { slot: id }));
                }
                State::Down(_) | State::Starting { .. } | State::Idle | State::Ending { .. } => {}
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
            // Then the answer decides.
            State::Busy { ref pipe, .. } if pipe.is_asked() => None,
            State::Busy {
                ref pipe,
                started,
                deadline,
            } => {
                let slow = (!pipe.is_alone()).then_some(started + self.config.prefetch);
                [deadline, slow].into_iter().flatten().min()
            }
            State::Idle => None,
        };
        self.slots.iter().filter_map(deadline).min()
    }

    /// Each running task is in the slot it says, and no slot runs what is not held.
    pub(super) fn check_slots(&self) -> Result<(), String> {
        let mut count = 0;
        for (id, slot) in self.slots.iter().enumerate() {
            let (State::Busy { pipe, .. } | State::Ending { pipe, .. }) = &slot.state else {
                continue;
            };
            if matches!(slot.state, State::Busy { .. }) && pipe.is_empty() {
                return Err(format!("slot {id} is busy with nothing"));
            }
            if pipe.len() > 1 && !slot.reads_ahead {
                return Err(format!("slot {id} was given a task ahead"));
            }
            for task in pipe.wanted() {
                count += 1;
                let here = matches!(self.held.get(&task), Some(Held::Running { slot, .. }) if *slot as usize == id);
                if !here {
                    return Err(format!("slot {id} has {task:?}, which is not held there"));
                }
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
