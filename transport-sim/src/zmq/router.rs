//! A bound socket: who is connected under which identity, and what becomes of a message to them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Flavor;
use super::pipe::PipeId;

/// A ROUTER, or a REP, which has the same table.
#[derive(Clone, Debug)]
pub struct Router<B> {
    flavor: Flavor,
    table: BTreeMap<Bytes, PipeId>,
    /// Messages that wait because a queue before them is full, in order: the sender stands still.
    waiting: VecDeque<(Bytes, B)>,
}

/// What became of an identity that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Introduced {
    /// It is in the table now.
    New,
    /// It took the place of this connection, which gets nothing more.
    TookOver(PipeId),
    /// It is in use, so what this connection sends is never read.
    Ignored,
}

/// What becomes of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Routed<B> {
    /// It goes out on this connection.
    To(PipeId, B),
    /// It is dropped, and nobody is told.
    Dropped,
    /// The sender is told that the peer is gone.
    Refused,
    /// It waits in front of a full queue, and everything after it waits, too.
    Waits,
}

impl<B> Router<B> {
    /// A router without peers.
    pub fn new(flavor: Flavor) -> Router<B> {
        Router {
            flavor,
            table: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// A connection has told its identity.
    pub fn introduce(&mut self, identity: &Bytes, pipe: PipeId) -> Introduced {
        match (self.table.get(identity).copied(), self.flavor) {
            (Some(old), Flavor::Libzmq) if old != pipe => Introduced::Ignored,
            (Some(old), Flavor::ZeromqCrate) if old != pipe => {
                self.table.insert(identity.clone(), pipe);
                Introduced::TookOver(old)
            }
            (Some(_), _) => Introduced::New,
            (None, _) => {
                self.table.insert(identity.clone(), pipe);
                Introduced::New
            }
        }
    }

    /// The end of a connection was noticed. The crate removes whoever has the identity by now.
    pub fn forget(&mut self, identity: &Bytes, pipe: PipeId) {
        let whose = self.table.get(identity).copied();
        if whose == Some(pipe) || self.flavor == Flavor::ZeromqCrate {
            self.table.remove(identity);
        }
    }

    /// Who has an identity.
    pub fn whose(&self, identity: &Bytes) -> Option<PipeId> {
        self.table.get(identity).copied()
    }

    /// Sends a message. `under_way` says how many messages a connection has not taken in.
    pub fn send(
        &mut self,
        identity: &Bytes,
        body: B,
        under_way: impl Fn(PipeId) -> usize,
    ) -> Routed<B> {
        if !self.waiting.is_empty() {
            self.waiting.push_back((identity.clone(), body));
            return Routed::Waits;
        }
        let Some(pipe) = self.whose(identity) else {
            return match self.flavor {
                Flavor::Libzmq => Routed::Dropped,
                Flavor::ZeromqCrate => Routed::Refused,
            };
        };
        if under_way(pipe) < self.flavor.high_water() {
            return Routed::To(pipe, body);
        }
        match self.flavor {
            Flavor::Libzmq => Routed::Dropped,
            Flavor::ZeromqCrate => {
                self.waiting.push_back((identity.clone(), body));
                Routed::Waits
            }
        }
    }

    /// A queue may have room again: the next waiting message and its peer, to be sent anew.
    pub fn next_waiting(&mut self, under_way: impl Fn(PipeId) -> usize) -> Option<(Bytes, B)> {
        let (identity, _) = self.waiting.front()?;
        let full = |pipe| under_way(pipe) >= self.flavor.high_water();
        if self.whose(identity).is_some_and(full) {
            return None;
        }
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::time::Instant;

    use super::super::pipe::{Lane, Pipe, Pipes};
    use super::*;

    fn pipes(count: usize) -> Vec<PipeId> {
        let mut pipes = Pipes::default();
        let lane = Lane::new(Instant::ZERO);
        let pipe = Pipe {
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
        };
        (0..count).map(|_| pipes.insert(pipe.clone())).collect()
    }

    const NAME: Bytes = Bytes::from_static(b"worker");

    #[test]
    fn an_identity_that_comes_again_is_handed_over_by_the_crate_and_kept_out_by_libzmq() {
        let ids = pipes(2);
        let mut ours = Router::<u8>::new(Flavor::ZeromqCrate);
        assert_eq!(ours.introduce(&NAME, ids[0]), Introduced::New);
        assert_eq!(ours.introduce(&NAME, ids[1]), Introduced::TookOver(ids[0]));
        assert_eq!(ours.send(&NAME, 1, |_| 0), Routed::To(ids[1], 1));
        ours.forget(&NAME, ids[0]);
        assert_eq!(
            ours.send(&NAME, 2, |_| 0),
            Routed::Refused,
            "a late end removes the new one"
        );

        let mut theirs = Router::<u8>::new(Flavor::Libzmq);
        theirs.introduce(&NAME, ids[0]);
        assert_eq!(theirs.introduce(&NAME, ids[1]), Introduced::Ignored);
        theirs.forget(&NAME, ids[1]);
        assert_eq!(theirs.send(&NAME, 1, |_| 0), Routed::To(ids[0], 1));
    }

    #[test]
    fn a_message_to_nobody_is_dropped_by_libzmq_and_an_error_in_the_crate() {
        let mut theirs = Router::new(Flavor::Libzmq);
        assert_eq!(theirs.send(&NAME, 1, |_| 0), Routed::Dropped);
        let mut ours = Router::new(Flavor::ZeromqCrate);
        assert_eq!(ours.send(&NAME, 1, |_| 0), Routed::Refused);
    }

    #[test]
    fn a_full_queue_drops_in_libzmq_and_stops_every_send_of_the_crate() {
        let ids = pipes(2);
        let other = Bytes::from_static(b"other");
        let full = |pipe| if pipe == ids[0] { 100_000 } else { 0 };
        let mut theirs = Router::new(Flavor::Libzmq);
        let mut ours = Router::new(Flavor::ZeromqCrate);
        for router in [&mut theirs, &mut ours] {
            router.introduce(&NAME, ids[0]);
            router.introduce(&other, ids[1]);
        }
        assert_eq!(theirs.send(&NAME, 1, full), Routed::Dropped);
        assert_eq!(theirs.send(&other, 2, full), Routed::To(ids[1], 2));
        assert_eq!(ours.send(&NAME, 1, full), Routed::Waits);
        assert_eq!(
            ours.send(&other, 2, full),
            Routed::Waits,
            "it stands behind the first"
        );
        assert_eq!(ours.next_waiting(full), None);
        assert_eq!(ours.next_waiting(|_| 0), Some((NAME, 1)));
        assert_eq!(ours.next_waiting(|_| 0), Some((other, 2)));
    }
}
