//! The push dispatcher's ROUTER, on which two threads send without a lock.
//!
//! A message to a peer is two writes: its identity, then the body. If another thread writes between
//! them, the socket sees `identity 1, identity 2, body 1, body 2`. It takes the first frame as the
//! address and the last frame that announces no further one as the end: peer 1 gets a message that
//! begins with the identity of peer 2, which is no JSON, and `body 2` is taken for an address that
//! nobody has. Both messages are lost (23).

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::Order;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thread {
    /// The one that sends tasks.
    Pusher,
    /// The one that reads and answers.
    Receiver,
}

/// The socket.
#[derive(Debug)]
pub(super) struct Router {
    gap: Option<Duration>,
    half: Option<Half>,
}

/// A message whose identity is written, and whose body is not.
#[derive(Debug)]
struct Half {
    by: Thread,
    peer: Peer,
    body: Bytes,
    body_at: Instant,
}

impl Router {
    /// A socket with so much time between the two frames of a message; `None`: they are one.
    pub(super) fn new(gap: Option<Duration>) -> Router {
        Router { gap, half: None }
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        by: Thread,
        (peer, body): (Peer, Bytes),
        orders: &mut Vec<Order>,
    ) {
        let Some(gap) = self.gap else {
            return orders.push(Order::Send { peer, body });
        };
        match self.half.take() {
            Some(half) if half.by != by => orders.push(interleaved(half.peer, &peer)),
            // A thread ends its own message before it begins the next.
            half => {
                orders.extend(half.map(whole));
                let body_at = now + gap;
                self.half = Some(Half {
                    by,
                    peer,
                    body,
                    body_at,
                });
            }
        }
    }

    /// Writes the body that is due.
    pub(super) fn write_due(&mut self, now: Instant, orders: &mut Vec<Order>) {
        let due = self.half.take_if(|half| half.body_at <= now);
        orders.extend(due.map(whole));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.half.as_ref().map(|half| half.body_at)
    }
}

fn whole(half: Half) -> Order {
    Order::Send {
        peer: half.peer,
        body: half.body,
    }
}

/// What arrives of two messages whose frames interleave: the second's identity, at the first's peer.
fn interleaved(first: Peer, second: &Peer) -> Order {
    Order::Send {
        peer: first,
        body: second.identity.clone(),
    }
}
