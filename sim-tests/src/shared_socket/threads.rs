//! The threads of a process around their sockets: one polls and reads, others send.

use std::time::Duration;

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::mailbox::Socket;

use super::Sockets;

/// What the reading thread does with a message before it polls again: parse the JSON and hand
/// the task to the pool. A guess: sends in this time do no harm.
const HANDLING: Duration = Duration::from_micros(300);

/// A process' socket, or sockets.
pub(super) struct Threads<M> {
    sockets: Sockets,
    /// The one that is polled.
    inbox: Socket<M>,
    /// The one that the others send on, if it is not the same.
    outbox: Socket<M>,
    /// What the owner was handed and has not sent.
    handed: u32,
    /// When the reading thread polls next; `None` while it sleeps in a poll.
    polls_at: Option<Instant>,
}

impl<M> Threads<M> {
    pub(super) fn new(sockets: Sockets, wake_latency: Duration) -> Threads<M> {
        Threads {
            sockets,
            inbox: Socket::new(wake_latency),
            outbox: Socket::new(wake_latency),
            handed: 0,
            polls_at: Some(Instant::ZERO),
        }
    }

    /// A message comes from outside.
    pub(super) fn arrive(&mut self, now: Instant, message: M) {
        self.inbox.arrive(now, message);
    }

    /// A thread other than the reading one has something to send.
    pub(super) fn send(&mut self, now: Instant) {
        match self.sockets {
            Sockets::Shared | Sockets::SharedPoll50 => self.inbox.send(now),
            Sockets::Own => self.outbox.send(now),
            Sockets::OneOwner => {
                self.handed += 1;
                if self.inbox.leave_poll() {
                    self.polls_at = Some(now);
                }
            }
        }
    }

    /// When the reading thread runs next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.polls_at.or_else(|| self.inbox.deadline())
    }

    /// The reading thread runs: the message that it reads, if any.
    pub(super) fn run_reader(&mut self, now: Instant) -> Option<M> {
        for _ in 0..std::mem::take(&mut self.handed) {
            self.inbox.send(now);
        }
        let returned = match self.polls_at.take() {
            Some(_) => self.inbox.poll(now, self.sockets.poll_timeout()),
            None => self.inbox.resume(now),
        };
        if !returned {
            return None;
        }
        let message = self.inbox.recv();
        // A poll that returned nothing is repeated at once.
        let handling = message.as_ref().map_or(Duration::ZERO, |_| HANDLING);
        self.polls_at = Some(now + handling);
        message
    }

    /// Wake-ups that were lost so far.
    pub(super) fn lost_wakeups(&self) -> u64 {
        self.inbox.lost_wakeups()
    }
}
