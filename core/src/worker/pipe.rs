//! What a child is given: the task that it runs, and short ones ahead of time.
//!
//! Between two short tasks a round trip through pipes costs more than the tasks. So a child that
//! reads ahead is given as many as take a millisecond or so, by what their function took before.
//! It answers them in order. What it has not begun can be taken back, and is, as soon as the one
//! before takes long, or has to be ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::child::{ChildOrder, SlotId};
use super::hold::Held;
use super::slots::{Slot, State};
use super::{Output, Worker};
use crate::id::FunctionId;
use crate::task::{Function, Options};
use crate::time::Instant;
use crate::wire::message::{Run, TaskRef};

/// Larger parameters are not kept while they are with a child, so such a task has one to itself.
const LARGEST_AHEAD: usize = 64 << 10;

/// The tasks in a child, in the order in which they were given to it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Pipe {
    entries: VecDeque<Entry>,
    recall: Recall,
}

/// Whether the child has been asked for what it has not begun.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
enum Recall {
    /// It may be given more.
    #[default]
    No,
    /// It was asked.
    Asked,
    /// It has answered, and is given nothing before it has ended what it has.
    Answered,
}

/// A task in a child.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Entry {
    pub(super) task: TaskRef,
    pub(super) options: Options,
    function: FunctionId,
    /// How long it is expected to take, if it is known to be short.
    short: Option<Duration>,
    /// Whether nobody wants its result.
    dropped: bool,
    /// What is needed to give it to another child; `None` if it is too large to be kept.
    again: Option<Again>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Again {
    since: Instant,
    run: Run,
    function: Arc<Function>,
    spared: bool,
}

impl Pipe {
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The tasks whose results are wanted.
    pub(super) fn wanted(&self) -> impl Iterator<Item = TaskRef> + '_ {
        let wanted = self.entries.iter().filter(|entry| !entry.dropped);
        wanted.map(|entry| entry.task)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Takes out a task; whether its result is wanted, and its function. `None` if it is not here.
    pub(super) fn take(&mut self, task: TaskRef) -> Option<(bool, FunctionId)> {
        let at = self.entries.iter().position(|entry| entry.task == task)?;
        let entry = self.entries.remove(at)?;
        Some((!entry.dropped, entry.function))
    }

    fn forsake(&mut self, task: TaskRef) {
        for entry in &mut self.entries {
            entry.dropped |= entry.task == task;
        }
    }

    /// Whether nothing is known to be behind the first that could be taken back.
    pub(super) fn is_alone(&self) -> bool {
        self.entries.len() <= 1 || self.recall == Recall::Answered
    }

    /// Whether a question is open that decides what is to be done.
    pub(super) fn is_asked(&self) -> bool {
        self.recall == Recall::Asked
    }

    /// How much work it is, if all of it is short.
    fn work(&self) -> Option<Duration> {
        if self.recall != Recall::No {
            return None;
        }
        self.entries.iter().map(|entry| entry.short).sum()
    }
}

impl Worker {
    /// Gives waiting tasks to children, oldest first: to those that are idle, then ahead.
    pub(super) fn start_waiting(&mut self, now: Instant) {
        while let Some(task) = self.waiting.front().copied()
            && let Some(slot) = self.idle_slot()
        {
            self.waiting.pop_front();
            self.start(now, task, slot);
        }
        if !self.waiting.is_empty() {
            self.fill_pipes(now);
        }
    }

    /// Gives short tasks ahead, each to the child with the least work. A pipe is filled when at
    /// most half of it is left, so that children are given many at a time.
    fn fill_pipes(&mut self, now: Instant) {
        let Some(limit) = self.waiting.front().and_then(|task| self.room_for(*task)) else {
            return;
        };
        let mut hungry: Vec<(usize, Duration, usize)> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.reads_ahead)
            .filter_map(|(id, slot)| match &slot.state {
                State::Busy { pipe, .. } if pipe.len() * 2 <= limit => {
                    Some((pipe.len(), pipe.work()?, id))
                }
                _ => None,
            })
            .collect();
        while let Some(task) = self.waiting.front().copied()
            && let Some(short) = self.short(task)
            && let Some(least) = hungry.iter_mut().min_by_key(|(_, work, _)| *work)
            && least.0 < self.config.pipe_limit
            && least.1 + short <= self.config.pipe
        {
            least.0 += 1;
            least.1 += short;
            let slot = least.2;
            self.waiting.pop_front();
            self.counters.ahead += 1;
            self.start(now, task, slot);
        }
    }

    /// How many tasks like this one fill a child and its pipe; `None` if it has to be alone.
    fn room_for(&self, task: TaskRef) -> Option<usize> {
        let short = self.short(task)?.as_nanos().max(1);
        let fitting = usize::try_from(self.config.pipe.as_nanos() / short).unwrap_or(usize::MAX);
        Some(fitting.min(self.config.pipe_limit)).filter(|fitting| *fitting > 1)
    }

    /// How long a waiting task is expected to take, if that is known and it can be given ahead.
    fn short(&self, task: TaskRef) -> Option<Duration> {
        match self.held.get(&task)? {
            Held::Waiting { run, .. } if run.params.len() <= LARGEST_AHEAD => {
                self.paces.get(&run.function)?.expected()
            }
            Held::Waiting { .. } | Held::Running { .. } | Held::Finished(_) => None,
        }
    }

    /// Gives a waiting task to a child.
    fn start(&mut self, now: Instant, task: TaskRef, slot: usize) {
        let short = self.short(task);
        let Some(held) = self.held.get_mut(&task) else {
            return;
        };
        let id = slot as SlotId;
        let Held::Waiting {
            since,
            run,
            function,
            spared,
        } = held
        else {
            return;
        };
        let (options, function_id) = (run.options, run.function);
        let order = ChildOrder::Execute {
            slot: id,
            task: task.task,
            attempt: task.attempt,
            function: run.function,
            body: function.clone(),
            params: run.params.clone(),
        };
        let again = (run.params.len() <= LARGEST_AHEAD).then(|| Again {
            since: *since,
            run: run.clone(),
            function: function.clone(),
            spared: *spared,
        });
        *held = Held::Running { slot: id, options };
        self.counters.started += 1;
        self.outputs.push_back(Output::Child(order));
        let entry = Entry {
            task,
            options,
            function: function_id,
            short,
            dropped: false,
            again,
        };
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.push(now, entry);
        }
    }

    /// Asks a child for what it has not begun, unless it was asked or has nothing but one task.
    pub(super) fn recall(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        if let State::Busy { pipe, .. } = &mut slot.state
            && pipe.len() > 1
            && pipe.recall == Recall::No
        {
            pipe.recall = Recall::Asked;
            self.outputs
                .push_back(Output::Child(ChildOrder::Recall { slot: id }));
        }
    }

    /// The first task of a child takes longer than all that it was given should: takes the others
    /// back, and remembers for the next time.
    pub(super) fn hurry(&mut self, now: Instant, id: SlotId) {
        if let Some(Slot {
            state: State::Busy { pipe, started, .. },
            ..
        }) = self.slots.get(id as usize)
            && let Some(front) = pipe.front()
            && let Some(pace) = self.paces.get_mut(&front.function)
        {
            pace.at_least(now.since(*started));
        }
        self.recall(id);
    }

    /// Asks all children for what they have not begun.
    pub(super) fn recall_all(&mut self) {
        for id in 0..self.slots.len() as SlotId {
            self.recall(id);
        }
    }

    /// Takes back what a child has not begun, to its place in front of the waiting line.
    pub(super) fn on_recalled(&mut self, now: Instant, id: SlotId, tasks: &[TaskRef]) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        let (State::Busy { pipe, .. } | State::Ending { pipe, .. }) = &mut slot.state else {
            return;
        };
        if pipe.recall == Recall::No {
            return;
        }
        pipe.recall = Recall::Answered;
        let is_back = |entry: &Entry| tasks.contains(&entry.task);
        let (back, kept) = pipe.entries.drain(..).partition(is_back);
        pipe.entries = kept;
        self.wait_again(back);
        self.settle(now, id);
        if self.is_draining() {
            self.hand_back_waiting();
        }
    }

    /// Puts tasks that have not begun back in front of the waiting line. Returns those that cannot
    /// be, because their parameters are gone.
    fn wait_again(&mut self, back: VecDeque<Entry>) -> Vec<TaskRef> {
        let mut lost = Vec::new();
        for entry in back.into_iter().rev().filter(|entry| !entry.dropped) {
            let Some(again) = entry.again else {
                lost.push(entry.task);
                continue;
            };
            let Again {
                since,
                run,
                function,
                spared,
            } = again;
            self.counters.recalled += 1;
            self.waiting.push_front(entry.task);
            let waiting = Held::Waiting {
                since,
                run,
                function,
                spared,
            };
            self.held.insert(entry.task, waiting);
        }
        lost
    }

    /// A child has died. What it had not begun waits again; returns the tasks, in order, that it
    /// takes with it.
    ///
    /// The next task of a child that died before it began is one of them the second time: it may
    /// be what ends it.
    pub(super) fn bury(&mut self, mut pipe: Pipe, begun: &[TaskRef]) -> Vec<TaskRef> {
        let is_idle = begun.is_empty();
        if let Some(Entry {
            again: Some(again), ..
        }) = pipe.entries.front_mut().filter(|_| is_idle)
        {
            if again.spared {
                pipe.entries.front_mut().map(|entry| entry.again.take());
            } else {
                again.spared = true;
            }
        }
        let mut ended: Vec<TaskRef> = pipe.wanted().filter(|task| begun.contains(task)).collect();
        pipe.entries.retain(|entry| !begun.contains(&entry.task));
        ended.extend(self.wait_again(pipe.entries));
        ended
    }

    /// Nobody wants the result of a task that a child has.
    pub(super) fn drop_in_slot(&mut self, now: Instant, id: SlotId, task: TaskRef) {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return;
        };
        match &mut slot.state {
            State::Busy { pipe, .. } | State::Ending { pipe, .. } => pipe.forsake(task),
            State::Down(_) | State::Starting { .. } | State::Idle => return,
        }
        self.recall(id);
        self.settle(now, id);
    }

    /// What a child has, in order, wanted or not.
    #[cfg(test)]
    pub(super) fn in_slot(&self, id: SlotId) -> Vec<TaskRef> {
        match self.slots.get(id as usize).map(|slot| &slot.state) {
            Some(State::Busy { pipe, .. } | State::Ending { pipe, .. }) => {
                pipe.entries.iter().map(|entry| entry.task).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a child has more than the task it runs.
    pub(super) fn has_company(&self) -> bool {
        let has = |state: &State| matches!(state, State::Busy { pipe, .. } if pipe.len() > 1);
        self.slots.iter().any(|slot| has(&slot.state))
    }
}

impl Entry {
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped
    }
}
