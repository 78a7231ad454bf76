//! Processes that are not ours: what the world tells them, and what they may do.
//!
//! The original's dispatcher, workers and gateway are modelled as guests, and live at the same
//! places, on the same network, under the same faults as the machines of `mpcsfaas-core`. A guest
//! is sans-IO like them: one fact in, orders out, and a deadline.

use std::fmt::Debug;

use bytes::Bytes;
use mpcsfaas_core::dispatcher::Peer;
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::time::Instant;

/// A modelled process.
pub trait Guest: Debug {
    /// Takes in one fact, or that time has passed, and says what to do. `now` never runs backwards.
    fn step(&mut self, now: Instant, fact: Option<Fact>, orders: &mut Vec<Order>);

    /// When it wants to be woken without a fact.
    fn deadline(&self) -> Option<Instant>;
}

/// What a guest learns.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Fact {
    /// A client submits a task, to a gateway. `params` go into its row.
    Submitted {
        /// Which.
        task: TaskId,
        /// The function's pickle.
        function: Bytes,
        /// The parameters' pickle.
        params: Bytes,
    },
    /// A frame arrived on the guest's socket: at a bound one from this peer, at a connected one
    /// from the other side, and then the peer is empty.
    Received {
        /// Who sent it.
        peer: Peer,
        /// The JSON.
        body: Bytes,
    },
    /// Redis answered, or could not be reached.
    Redis {
        /// Which request.
        request: u64,
        /// With what.
        reply: RedisReply,
    },
    /// A message of the channel `tasks`: a task's id.
    Published(TaskId),
    /// The connection to Redis broke; a subscription is gone with it.
    RedisLost,
    /// Redis can be reached (again).
    RedisBack,
    /// A process of the guest's pool has run a task to its end.
    Ran {
        /// Which.
        task: TaskId,
        /// The pickled result, or the pickled `str(exception)`.
        result: Result<Bytes, Bytes>,
    },
    /// A process of the guest's pool has ended itself under this task. The pool puts a new one in
    /// its place, and the task is never heard of again.
    Died(TaskId),
    /// SIGTERM.
    Terminated,
}

/// What a guest may do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// Bind a ROUTER, or a REP if `lock_step`. Once.
    Bind {
        /// Whether it is a REP.
        lock_step: bool,
    },
    /// Connect a DEALER with this identity, or a REQ if `lock_step`. libzmq reconnects by itself;
    /// what was queued meanwhile is sent then.
    Connect {
        /// The identity; a REQ has a random one.
        identity: Bytes,
        /// Whether it is a REQ.
        lock_step: bool,
    },
    /// Send a frame: from a bound socket to a peer, from a connected one to the other side (the
    /// peer is not looked at).
    Send {
        /// To whom.
        peer: Peer,
        /// The JSON.
        body: Bytes,
    },
    /// Ask Redis.
    Redis {
        /// Names the request.
        request: u64,
        /// What.
        op: RedisOp,
    },
    /// Run a task in a process of the pool, now.
    Execute(TaskId),
    /// Tell the client that its task is accepted.
    Accept(TaskId),
    /// End this process; its children end too.
    Exit,
}

/// A task's row as the original keeps it: rewritten whole at each change.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RawRow {
    /// The function's pickle.
    pub function: Bytes,
    /// The parameters' pickle.
    pub params: Bytes,
    /// Its state.
    pub status: Status,
    /// The pickled result, empty until there is one.
    pub result: Bytes,
}

/// What the original asks of Redis.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RedisOp {
    /// `GET task:ID`.
    Get(TaskId),
    /// `SET task:ID`.
    Set(TaskId, RawRow),
    /// `PUBLISH tasks ID`.
    Publish(TaskId),
    /// `SUBSCRIBE tasks`. Answered; messages come as [`Fact::Published`] while the connection lasts.
    Subscribe,
}

/// What Redis answers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RedisReply {
    /// To `GET`.
    Row(Option<RawRow>),
    /// To everything else.
    Done,
    /// It could not be reached.
    Error,
}
