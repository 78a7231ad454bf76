//! A bound socket: who is connected under which identity, and what becomes of a message to them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Flavor;
use super::pipe::{PipeId, Pipes};

/// A ROUTER, or a REP, which has the same table.
#[derive(Clone, Debug)]
pub struct Router<B> {
    flavor: Flavor,
    table: BTreeMap<Bytes, PipeId>,
    /// Messages that wait because a queue before them is full, in order: the sender stands still.
    waiting: VecDeque<(Bytes, B)>,
}

/// What became of an identity that came.
enum Introduced {
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

    fn introduce(&mut self, identity: &Bytes, pipe: PipeId) -> Introduced {
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

    /// A connection is made. Says which other is over by it.
    pub fn meet(&mut self, pipes: &mut Pipes, id: PipeId) -> Option<PipeId> {
        let open = pipes.get_mut(id).filter(|pipe| pipe.dispatcher_open);
        let pipe = open.filter(|pipe| !pipe.up.lost)?;
        pipe.known = true;
        match self.introduce(&pipe.identity.clone(), id) {
            Introduced::New => None,
            Introduced::Ignored => {
                pipe.up.lost = true;
                None
            }
            Introduced::TookOver(old) => replace(pipes, old),
        }
    }

    /// A message has come on a connection. Says whether it is read.
    pub fn hear(&mut self, pipes: &mut Pipes, id: PipeId) -> bool {
        let pipe = pipes.get_mut(id);
        pipe.is_some_and(|pipe| pipe.up.take() && pipe.dispatcher_open)
    }

    /// The end of a connection was noticed. The crate removes whoever has the identity by now, and
    /// says which other connection is over by it.
    pub fn forget(&mut self, pipes: &mut Pipes, id: PipeId) -> Option<PipeId> {
        let identity = pipes.get(id).map(|pipe| pipe.identity.clone())?;
        let whose = self.whose(&identity)?;
        if whose != id && self.flavor == Flavor::Libzmq {
            return None;
        }
        self.table.remove(&identity);
        if whose == id {
            return None;
        }
        replace(pipes, whose)
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
        let routed = match self.waiting.is_empty() {
            true => self.route(identity, body, under_way),
            false => Err(body),
        };
        routed.unwrap_or_else(|body| {
            self.waiting.push_back((identity.clone(), body));
            Routed::Waits
        })
    }

    /// A queue may have room again: what becomes of the first message that waits, if it does not
    /// wait any longer.
    pub fn retry(&mut self, under_way: impl Fn(PipeId) -> usize) -> Option<(Bytes, Routed<B>)> {
        let (identity, body) = self.waiting.pop_front()?;
        match self.route(&identity, body, under_way) {
            Ok(routed) => Some((identity, routed)),
            Err(body) => {
                self.waiting.push_front((identity, body));
                None
            }
        }
    }

    /// What becomes of a message that is the first; it is given back if it waits.
    fn route(
        &self,
        identity: &Bytes,
        body: B,
        under_way: impl Fn(PipeId) -> usize,
    ) -> Result<Routed<B>, B> {
        let full = |pipe| under_way(pipe) >= self.flavor.high_water();
        match (self.whose(identity), self.flavor) {
            (Some(pipe), _) if !full(pipe) => Ok(Routed::To(pipe, body)),
            (Some(_), Flavor::ZeromqCrate) => Err(body),
            (None, Flavor::ZeromqCrate) => Ok(Routed::Refused),
            (Some(_) | None, Flavor::Libzmq) => Ok(Routed::Dropped),
        }
    }
}

/// A connection has lost its identity to another, or with another.
fn replace(pipes: &mut Pipes, old: PipeId) -> Option<PipeId> {
    let pipe = pipes.get_mut(old)?;
    pipe.up.lost = true;
    pipe.replaced = true;
    Some(old)
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::time::Instant;

    use super::super::pipe::Pipe;
    use super::*;

    const NAME: Bytes = Bytes::from_static(b"worker");

    /// A router, and two connections with the same identity, both met.
    fn two_of_a_name(flavor: Flavor) -> (Router<u8>, Pipes, [PipeId; 2], Option<PipeId>) {
        let mut pipes = Pipes::default();
        let ids = [(); 2].map(|()| pipes.insert(Pipe::new(Instant::ZERO, NAME)));
        let mut router = Router::new(flavor);
        assert_eq!(router.meet(&mut pipes, ids[0]), None);
        let over = router.meet(&mut pipes, ids[1]);
        (router, pipes, ids, over)
    }

    fn says_something(router: &mut Router<u8>, pipes: &mut Pipes, id: PipeId) -> bool {
        let pipe = pipes.get_mut(id).expect("a connection");
        pipe.up.push(Instant::ZERO);
        router.hear(pipes, id)
    }

    #[test]
    fn an_identity_that_comes_again_is_kept_out_by_libzmq() {
        let (mut router, mut pipes, [first, second], over) = two_of_a_name(Flavor::Libzmq);
        assert_eq!(over, None);
        assert!(says_something(&mut router, &mut pipes, first));
        assert!(!says_something(&mut router, &mut pipes, second));
        assert_eq!(router.send(&NAME, 1, |_| 0), Routed::To(first, 1));
        assert_eq!(router.forget(&mut pipes, second), None);
        assert_eq!(router.send(&NAME, 2, |_| 0), Routed::To(first, 2));
        assert_eq!(router.forget(&mut pipes, first), None);
        assert_eq!(router.send(&NAME, 3, |_| 0), Routed::Dropped);
    }

    #[test]
    fn an_identity_that_comes_again_is_handed_over_by_the_crate_and_the_old_connection_is_over() {
        let (mut router, mut pipes, [first, second], over) = two_of_a_name(Flavor::ZeromqCrate);
        assert_eq!(over, Some(first));
        assert!(!says_something(&mut router, &mut pipes, first));
        assert!(says_something(&mut router, &mut pipes, second));
        assert_eq!(router.send(&NAME, 1, |_| 0), Routed::To(second, 1));
        let pipe = pipes.get(first).expect("a connection");
        assert!(pipe.is_left_over(), "it has nothing to send on it");
    }

    #[test]
    fn a_late_end_of_the_old_connection_takes_the_new_one_with_it_in_the_crate() {
        let (mut router, mut pipes, [first, second], _) = two_of_a_name(Flavor::ZeromqCrate);
        let pipe = pipes.get_mut(first).expect("a connection");
        pipe.down.push(Instant::ZERO);
        assert!(!pipe.is_left_over(), "it still sends what it has for it");
        assert_eq!(router.forget(&mut pipes, first), Some(second));
        assert_eq!(router.send(&NAME, 2, |_| 0), Routed::Refused);
        assert!(!says_something(&mut router, &mut pipes, second));
        assert!(pipes.get(second).is_some_and(Pipe::is_left_over));
    }

    #[test]
    fn a_connection_that_was_cut_before_it_was_made_is_never_known() {
        let mut pipes = Pipes::default();
        let id = pipes.insert(Pipe::new(Instant::ZERO, NAME));
        pipes.get_mut(id).expect("a connection").up.lost = true;
        let mut router = Router::<u8>::new(Flavor::ZeromqCrate);
        assert_eq!(router.meet(&mut pipes, id), None);
        assert_eq!(router.whose(&NAME), None);
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
        let other = Bytes::from_static(b"other");
        let mut pipes = Pipes::default();
        let names = [NAME, other.clone()];
        let ids = names.map(|name| pipes.insert(Pipe::new(Instant::ZERO, name)));
        let full = |pipe| if pipe == ids[0] { 100_000 } else { 0 };
        let mut theirs = Router::new(Flavor::Libzmq);
        let mut ours = Router::new(Flavor::ZeromqCrate);
        for router in [&mut theirs, &mut ours] {
            for id in ids {
                router.meet(&mut pipes, id);
            }
        }
        assert_eq!(theirs.send(&NAME, 1, full), Routed::Dropped);
        assert_eq!(theirs.send(&other, 2, full), Routed::To(ids[1], 2));
        assert_eq!(ours.send(&NAME, 1, full), Routed::Waits);
        assert_eq!(
            ours.send(&other, 2, full),
            Routed::Waits,
            "it stands behind the first"
        );
        assert_eq!(ours.retry(full), None);
        assert_eq!(ours.retry(|_| 0), Some((NAME, Routed::To(ids[0], 1))));
        assert_eq!(ours.retry(|_| 0), Some((other, Routed::To(ids[1], 2))));
        assert_eq!(ours.retry(|_| 0), None);
    }
}
