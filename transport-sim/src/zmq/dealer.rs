//! A connected socket. libzmq's connects again by itself, and what was sent meanwhile is sent then;
//! the crate's does neither: it ends with its connection.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Flavor;
use super::pipe::PipeId;

/// A DEALER, or a REQ.
#[derive(Clone, Debug)]
pub struct Dealer<B> {
    flavor: Flavor,
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
    /// There is no connection, and there will be none: the sender is told.
    Refused,
    /// The queue is full: the sender is told, or waits.
    Full,
    /// A REQ was to send before it had its answer (`EFSM`).
    OutOfTurn,
}

impl<B> Dealer<B> {
    /// A socket that is not connected yet.
    pub fn new(flavor: Flavor, identity: Bytes, lock_step: bool) -> Dealer<B> {
        Dealer {
            flavor,
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

    /// Sends a message. `under_way` says how many messages a connection has not taken in.
    pub fn send(&mut self, body: B, under_way: impl Fn(PipeId) -> usize) -> Sent<B> {
        if self.lock_step && self.awaiting {
            return Sent::OutOfTurn;
        }
        let queued = self.pipe.map_or(self.queue.len(), under_way);
        let sent = match (self.pipe, self.flavor) {
            (None, Flavor::ZeromqCrate) => return Sent::Refused,
            _ if queued >= self.flavor.high_water() => return Sent::Full,
            (Some(pipe), _) => Sent::On(pipe, body),
            (None, Flavor::Libzmq) => {
                self.queue.push_back(body);
                Sent::Queued
            }
        };
        self.awaiting = self.lock_step;
        sent
    }

    /// Whether it is its turn to listen: a REQ may only after it has asked (`EFSM`).
    pub fn may_listen(&self) -> bool {
        !self.lock_step || self.awaiting
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

    use super::super::pipe::{Pipe, Pipes};
    use super::*;

    fn a_pipe() -> PipeId {
        Pipes::default().insert(Pipe::new(Instant::ZERO, Bytes::new()))
    }

    fn none(_: PipeId) -> usize {
        0
    }

    #[test]
    fn what_was_sent_without_a_connection_is_sent_on_the_next() {
        let mut dealer = Dealer::new(Flavor::Libzmq, Bytes::new(), false);
        for number in 0..1_000 {
            assert_eq!(dealer.send(number, none), Sent::Queued);
        }
        assert_eq!(dealer.send(1_000, none), Sent::Full);
        let pipe = a_pipe();
        assert_eq!(dealer.connected(pipe).count(), 1_000);
        assert_eq!(dealer.send(7, none), Sent::On(pipe, 7));
        dealer.disconnected();
        assert_eq!(dealer.send(8, none), Sent::Queued);
    }

    #[test]
    fn one_of_the_crate_takes_nothing_without_a_connection() {
        let mut dealer = Dealer::new(Flavor::ZeromqCrate, Bytes::new(), false);
        assert_eq!(dealer.send(1, none), Sent::Refused);
        let pipe = a_pipe();
        assert_eq!(dealer.connected(pipe).count(), 0);
        assert_eq!(dealer.send(2, none), Sent::On(pipe, 2));
        dealer.disconnected();
        assert_eq!(dealer.send(3, none), Sent::Refused);
    }

    #[test]
    fn a_connection_on_which_too_much_waits_is_full() {
        for flavor in [Flavor::Libzmq, Flavor::ZeromqCrate] {
            let mut dealer = Dealer::new(flavor, Bytes::new(), false);
            let pipe = a_pipe();
            assert_eq!(dealer.connected(pipe).count(), 0);
            let room = flavor.high_water() - 1;
            assert_eq!(dealer.send(1, |_| room), Sent::On(pipe, 1));
            assert_eq!(dealer.send(2, |_| room + 1), Sent::Full);
        }
    }

    #[test]
    fn a_req_asks_once_and_waits_for_ever_if_its_question_is_lost() {
        let mut req = Dealer::new(Flavor::Libzmq, Bytes::new(), true);
        let pipe = a_pipe();
        assert_eq!(req.connected(pipe).count(), 0);
        assert!(!req.may_listen());
        assert_eq!(req.send(1, none), Sent::On(pipe, 1));
        assert_eq!(req.send(2, none), Sent::OutOfTurn);
        assert!(req.may_listen());
        assert!(req.reads());
        assert!(!req.reads(), "nobody asked");
        assert_eq!(req.send(3, none), Sent::On(pipe, 3));
        req.disconnected();
        assert_eq!(
            req.connected(a_pipe()).count(),
            0,
            "the question is not repeated"
        );
        assert_eq!(req.send(4, none), Sent::OutOfTurn);
    }

    #[test]
    fn a_req_that_finds_no_room_has_not_asked() {
        let mut req = Dealer::new(Flavor::Libzmq, Bytes::new(), true);
        let pipe = a_pipe();
        assert_eq!(req.connected(pipe).count(), 0);
        assert_eq!(req.send(1, |_| 1_000), Sent::Full);
        assert_eq!(req.send(2, none), Sent::On(pipe, 2));
    }
}
