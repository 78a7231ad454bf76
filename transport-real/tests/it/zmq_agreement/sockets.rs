//! What a script needs of a library's sockets, or of their model.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::words::{Frame, Frames, Word};

/// Names a socket of a script. The ROUTER is [`ROUTER`].
pub(super) type Who = &'static str;

/// The bound socket. There is one in each script.
pub(super) const ROUTER: Who = "R";

/// What connects to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Dealer,
    Req,
}

/// Who connects, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) who: Who,
    pub(super) kind: Kind,
    pub(super) identity: &'static str,
    /// Whether somebody is there, so that the connection is waited for.
    pub(super) somebody: bool,
}

/// Numbered messages for [`Sockets::fill`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    /// Of a ROUTER: to whom.
    pub(super) to: Option<&'static str>,
    /// The second frame of each, in bytes.
    pub(super) size: usize,
    /// How many at most.
    pub(super) limit: usize,
    /// One that is not taken for so long waits.
    pub(super) stuck: Duration,
}

/// What [`Sockets::drain`] has read.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Drained {
    pub(super) count: usize,
    /// Whether each peer's came whole and in order.
    pub(super) ordered: bool,
    /// Whether the mark of the end came.
    pub(super) end: bool,
}

/// The mark behind numbered messages.
pub(super) const END: &str = "end";

/// Sockets by their names. Each wait is bounded.
pub(super) trait Sockets {
    /// Binds the ROUTER.
    async fn bind(&mut self, endpoint: &str);

    /// Connects a socket.
    async fn connect(&mut self, caller: Caller, endpoint: &str) -> Word;

    /// Sends a message; of a ROUTER the first frame is the identity. It waits if it is not taken
    /// within the limit.
    async fn send(&mut self, who: Who, frames: &Frames, limit: Duration) -> Word;

    /// Sends numbered messages of two frames until one is not taken.
    async fn fill(&mut self, who: Who, burst: Burst) -> Word;

    /// Receives a message that comes within the limit.
    async fn receive(&mut self, who: Who, limit: Duration) -> Word;

    /// Reads numbered messages until there are enough, the mark of the end comes, or none comes
    /// within the limit.
    async fn drain(&mut self, who: Who, want: usize, limit: Duration) -> Drained;

    /// Waits until a socket has noticed that a connection ended; of a ROUTER: whose.
    async fn notice(&mut self, who: Who, of: Option<&'static str>, limit: Duration) -> Word;

    /// Waits until the ROUTER has one more connection.
    async fn let_in(&mut self) -> Word;

    /// Closes a socket.
    async fn close(&mut self, who: Who, linger: bool);
}

/// The ROUTER of one library, and peers of another.
#[derive(Debug)]
pub(super) struct Mixed<R, P> {
    pub(super) router: R,
    pub(super) peers: P,
}

/// Calls the same of whoever has the socket.
macro_rules! whose {
    ($mixed:ident, $who:expr, $call:ident($($argument:expr),*)) => {
        match $who == ROUTER {
            true => $mixed.router.$call($($argument),*).await,
            false => $mixed.peers.$call($($argument),*).await,
        }
    };
}

impl<R: Sockets, P: Sockets> Sockets for Mixed<R, P> {
    async fn bind(&mut self, endpoint: &str) {
        self.router.bind(endpoint).await;
    }

    async fn connect(&mut self, caller: Caller, endpoint: &str) -> Word {
        self.peers.connect(caller, endpoint).await
    }

    async fn send(&mut self, who: Who, frames: &Frames, limit: Duration) -> Word {
        whose!(self, who, send(who, frames, limit))
    }

    async fn fill(&mut self, who: Who, burst: Burst) -> Word {
        whose!(self, who, fill(who, burst))
    }

    async fn receive(&mut self, who: Who, limit: Duration) -> Word {
        whose!(self, who, receive(who, limit))
    }

    async fn drain(&mut self, who: Who, want: usize, limit: Duration) -> Drained {
        whose!(self, who, drain(who, want, limit))
    }

    async fn notice(&mut self, who: Who, of: Option<&'static str>, limit: Duration) -> Word {
        whose!(self, who, notice(who, of, limit))
    }

    async fn let_in(&mut self) -> Word {
        self.router.let_in().await
    }

    async fn close(&mut self, who: Who, linger: bool) {
        whose!(self, who, close(who, linger));
    }
}

/// Counts numbered messages, for whoever implements [`Sockets::drain`].
#[derive(Debug)]
pub(super) struct Tally {
    last: BTreeMap<String, usize>,
    drained: Drained,
    bound: bool,
}

impl Tally {
    pub(super) fn new(who: Who) -> Tally {
        Tally {
            last: BTreeMap::new(),
            drained: Drained {
                count: 0,
                ordered: true,
                end: false,
            },
            bound: who == ROUTER,
        }
    }

    /// Takes in a message. Says whether more are wanted.
    pub(super) fn take(&mut self, mut frames: Frames, want: usize) -> bool {
        let peer = match self.bound {
            true => frames.remove(0).to_string(),
            false => String::new(),
        };
        if frames == [Frame::Text(END.to_owned())] {
            self.drained.end = true;
            return false;
        }
        let number: Option<usize> = frames[0].to_string().parse().ok();
        let later = number.is_some_and(|number| self.last.get(&peer).is_none_or(|at| *at < number));
        self.drained.ordered &= later && frames.len() == 2;
        self.last.extend(number.map(|number| (peer, number)));
        self.drained.count += 1;
        self.drained.count < want
    }

    pub(super) fn drained(&self) -> Drained {
        self.drained
    }
}
