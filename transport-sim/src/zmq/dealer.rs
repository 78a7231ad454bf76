//! A connected socket of libzmq: it connects again by itself, and what was sent meanwhile is sent
//! then. The crate's DEALER does neither: it ends with its connection.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Flavor;
use super::pipe::PipeId;

/// A DEALER, or a REQ.
#[derive(Clone, Debug)]
pub struct Dealer<B> {
    /// Its identity.
    pub identity: Bytes,
    /// Whether it is a REQ, which may not send before it has its answer.
    pub lock_step: bool,
    queue: VecDeque<B>,
    pipe: Option<PipeId>,
    /// A REQ that has asked and has no answer.
    awaiting: bool,
}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent<B> {
    /// It goes out on this connection.
    On(PipeId, B),
    /// There is no connection; it waits for the next.
    Queued,
    /// The queue is full: the sender is told, or waits.
    Full,
    /// A REQ was to send before it had its answer (`EFSM`).
    OutOfTurn,
}

impl<B> Dealer<B> {
    /// A socket that is not connected yet.
    pub fn new(identity: Bytes, lock_step: bool) -> Dealer<B> {
        Dealer {
            identity,
            lock_step,
            queue: VecDeque::new(),
            pipe: None,
            awaiting: false,
        }
    }

    /// Its connection.
    pub fn pipe(&self) -> Option<PipeId> {
        self.pipe
    }

    /// Sends a message.
    pub fn send(&mut self, body: B) -> Sent<B> {
        if self.lock_step && std::mem::replace(&mut self.awaiting, true) {
            return Sent::OutOfTurn;
        }
        match self.pipe {
            Some(pipe) => Sent::On(pipe, body),
            None if self.queue.len() >= Flavor::Libzmq.high_water() => Sent::Full,
            None => {
                self.queue.push_back(body);
                Sent::Queued
            }
        }
    }

    /// Whether a message that has arrived is read: a REQ reads only the answer it waits for.
    pub fn reads(&mut self) -> bool {
        !self.lock_step || std::mem::replace(&mut self.awaiting, false)
    }

    /// It is connected (again): what has waited is sent.
    pub fn connected(&mut self, pipe: PipeId) -> impl Iterator<Item = B> {
        self.pipe = Some(pipe);
        std::mem::take(&mut self.queue).into_iter()
    }

    /// Its connection has ended. A REQ goes on waiting for its answer, which never comes.
    pub fn disconnected(&mut self) {
        self.pipe = None;
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::time::Instant;

    use super::super::pipe::{Lane, Pipe, Pipes};
    use super::*;

    fn a_pipe() -> PipeId {
        let lane = Lane::new(Instant::ZERO);
        Pipes::default().insert(Pipe {
            identity: Bytes::new(),
            lock_step: false,
            worker: 0,
            worker_life: 1,
            session: 1,
            dispatcher: 0,
            dispatcher_life: 1,
            up: lane,
            down: lane,
            known: false,
            worker_open: true,
            dispatcher_open: true,
        })
    }

    #[test]
    fn what_was_sent_without_a_connection_is_sent_on_the_next() {
        let mut dealer = Dealer::new(Bytes::new(), false);
        for number in 0..1_000 {
            assert_eq!(dealer.send(number), Sent::Queued);
        }
        assert_eq!(dealer.send(1_000), Sent::Full);
        let pipe = a_pipe();
        assert_eq!(dealer.connected(pipe).count(), 1_000);
        assert_eq!(dealer.send(7), Sent::On(pipe, 7));
        dealer.disconnected();
        assert_eq!(dealer.send(8), Sent::Queued);
    }

    #[test]
    fn a_req_asks_once_and_waits_for_ever_if_its_question_is_lost() {
        let mut req = Dealer::new(Bytes::new(), true);
        let pipe = a_pipe();
        assert_eq!(req.connected(pipe).count(), 0);
        assert_eq!(req.send(1), Sent::On(pipe, 1));
        assert_eq!(req.send(2), Sent::OutOfTurn);
        assert!(req.reads());
        assert!(!req.reads(), "nobody asked");
        assert_eq!(req.send(3), Sent::On(pipe, 3));
        req.disconnected();
        assert_eq!(
            req.connected(a_pipe()).count(),
            0,
            "the question is not repeated"
        );
        assert_eq!(req.send(4), Sent::OutOfTurn);
    }
}
