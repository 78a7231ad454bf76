//! The conversation with the dispatcher: Hello, numbers, beats, silence (R5, R8, R9).

use std::time::Duration;

use super::hold::{Held, Untold};
use super::{Output, Worker};
use crate::id::Session;
use crate::time::Instant;
use crate::timing::{BATCH_BYTES, BATCH_ITEMS};
use crate::wire::message::{
    Finished, FromDispatcher, FromWorker, Hello, TaskRef, ToDispatcher, ToWorker, UNNUMBERED,
};

/// A dispatcher that wants to hear more often does not: it would be all that the worker does.
const SHORTEST_BEAT: Duration = Duration::from_millis(10);

/// How far the conversation is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Link {
    /// No Python child is ready yet, so there is nothing to say.
    Starting,
    /// No connection; the next one is made at this time.
    Down(Instant),
    /// Hello is sent, the answer is outstanding.
    Greeting,
    /// The dispatcher has answered.
    Up,
    /// The last Hello was answered: the process ends.
    Over,
}

impl Worker {
    pub(super) fn on_message(&mut self, now: Instant, message: FromDispatcher) {
        if message.session != self.session || !matches!(self.link, Link::Greeting | Link::Up) {
            self.counters.stale_messages += 1;
            return;
        }
        self.last_heard = now;
        let expected = match &message.body {
            // A beat of before the last message has come again.
            ToWorker::Beat { last } if *last < self.received => {
                self.counters.stale_messages += 1;
                return;
            }
            ToWorker::Beat { last } => *last == self.received,
            ToWorker::SayHello => true,
            ToWorker::Welcome { .. }
            | ToWorker::Run(_)
            | ToWorker::Function { .. }
            | ToWorker::Ack(_)
            | ToWorker::Drop(_)
            | ToWorker::Drain => {
                if message.number <= self.received {
                    self.counters.stale_messages += 1;
                    return;
                }
                self.received += 1;
                message.number == self.received
            }
        };
        match expected {
            true => self.on_body(now, message.body),
            false => {
                self.counters.gaps += 1;
                self.open_session(now);
            }
        }
    }

    fn on_body(&mut self, now: Instant, body: ToWorker) {
        match body {
            ToWorker::Welcome { beat, timeout, .. } => self.on_welcome(now, beat, timeout),
            ToWorker::Run(tasks) => self.on_run(now, tasks),
            ToWorker::Function { id, function } => self.keep_function(id, function),
            ToWorker::Ack(tasks) => self.on_ack(tasks),
            ToWorker::Drop(tasks) => self.on_drop(now, tasks),
            // Said again before the last Hello was answered, haste would not help.
            ToWorker::SayHello if self.link == Link::Greeting => self.back_off(now),
            ToWorker::SayHello => self.open_session(now),
            ToWorker::Beat { .. } => {}
            ToWorker::Drain => self.hand_back_waiting(),
        }
    }

    fn on_welcome(&mut self, now: Instant, beat: Duration, timeout: Duration) {
        self.link = if self.is_leaving() {
            Link::Over
        } else {
            Link::Up
        };
        self.failures = 0;
        let beat = beat.max(SHORTEST_BEAT);
        self.config.timing.beat = beat;
        self.config.timing.timeout = timeout.max(beat.saturating_mul(2));
        self.next_beat = now + beat;
        self.ask_for_work();
    }

    /// Opens a new session on a new connection and tells all that is held (R5).
    pub(super) fn open_session(&mut self, now: Instant) {
        self.session += 1;
        self.counters.sessions += 1;
        self.sent = 0;
        self.received = 0;
        self.last_heard = now;
        self.pull_sent = false;
        self.link = Link::Greeting;
        self.outputs.push_back(Output::Connect {
            session: self.session,
        });
        // What is held already was given under an earlier session's credit.
        self.ceiling = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.announce(self.credit_now());
        let of = |wanted: bool| {
            let is_wanted = move |held: &Held| matches!(held, Held::Finished(_)) == wanted;
            self.held
                .iter()
                .filter(move |(_, h)| is_wanted(h))
                .map(|(t, _)| *t)
                .collect()
        };
        let hello = Hello {
            flow: self.config.flow,
            processes: self.config.processes,
            credit: self.announced,
            versions: self.versions.clone(),
            running: of(false),
            finished: of(true),
            draining: self.is_draining(),
        };
        self.send(ToDispatcher::Hello(hello));
        self.untold = Untold::default();
        let all: Vec<TaskRef> = self.held.keys().copied().collect();
        self.send_results(&all);
    }

    /// Sends those of these tasks' results that are not acknowledged, in batches that fit a frame.
    pub(super) fn send_results(&mut self, tasks: &[TaskRef]) {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let held = |task: &TaskRef| self.held.get_key_value(task).and_then(finished);
        let results: Vec<Finished> = tasks.iter().filter_map(held).collect();
        for result in results {
            let size = result.outcome.size();
            let full = batch.len() >= BATCH_ITEMS || bytes + size > BATCH_BYTES;
            if full && !batch.is_empty() {
                self.send(ToDispatcher::Finished(std::mem::take(&mut batch)));
                bytes = 0;
            }
            bytes += size;
            batch.push(result);
        }
        if !batch.is_empty() {
            self.send(ToDispatcher::Finished(batch));
        }
    }

    /// Says something in the current session. Without a connection it is left unsaid: the next
    /// Hello tells everything.
    pub(super) fn send(&mut self, body: ToDispatcher) {
        if !matches!(self.link, Link::Greeting | Link::Up) {
            return;
        }
        let number = match body {
            ToDispatcher::Beat { .. } => UNNUMBERED,
            ToDispatcher::Hello(_)
            | ToDispatcher::Pull { .. }
            | ToDispatcher::Finished(_)
            | ToDispatcher::Returned { .. }
            | ToDispatcher::Goodbye { .. } => {
                self.sent += 1;
                self.sent
            }
        };
        let (worker, session) = (self.config.worker, self.session);
        self.outputs.push_back(Output::Send(FromWorker {
            worker,
            session,
            number,
            body,
        }));
    }

    pub(super) fn on_closed(&mut self, now: Instant, session: Session) {
        if session == self.session && matches!(self.link, Link::Greeting | Link::Up) {
            self.back_off(now);
        }
    }

    /// Waits, longer after each failure, before the next connection.
    fn back_off(&mut self, now: Instant) {
        let doublings = self.failures.min(16);
        let pause = self.config.backoff.saturating_mul(1 << doublings);
        let pause = self.random.jitter(pause.min(self.config.backoff_limit));
        self.failures += 1;
        self.link = Link::Down(now + pause);
    }

    /// Does what time asks of the conversation.
    pub(super) fn tend_link(&mut self, now: Instant) {
        match self.link {
            Link::Starting | Link::Over => {}
            Link::Down(at) if now >= at => self.open_session(now),
            Link::Down(_) => {}
            Link::Greeting | Link::Up => {
                if now >= self.last_heard + self.config.timing.timeout {
                    self.back_off(now);
                } else if self.link == Link::Up && now >= self.next_beat {
                    self.next_beat = now + self.config.timing.beat;
                    self.beat();
                }
            }
        }
    }

    pub(super) fn beat(&mut self) {
        self.announce(self.credit_now());
        self.send(ToDispatcher::Beat {
            last: self.sent,
            credit: self.announced,
        });
    }

    /// When time next matters to the conversation.
    pub(super) fn link_deadline(&self) -> Option<Instant> {
        let silence = self.last_heard + self.config.timing.timeout;
        match self.link {
            Link::Starting | Link::Over => None,
            Link::Down(at) => Some(at),
            Link::Greeting => Some(silence),
            Link::Up => Some(silence.min(self.next_beat)),
        }
    }
}

fn finished((task, held): (&TaskRef, &Held)) -> Option<Finished> {
    match held {
        Held::Finished(outcome) => Some(Finished {
            task: *task,
            outcome: outcome.clone(),
        }),
        Held::Waiting { .. } | Held::Running { .. } => None,
    }
}
