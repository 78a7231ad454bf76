//! The store behind a connection that loses and repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpcsfaas_core::id::{FunctionId, Incarnation};
use mpcsfaas_core::machine::Machine;
use mpcsfaas_core::store::op::{Ahead, Claim, Notice};
use mpcsfaas_core::store::{Config, Op, Reply, RequestId, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::{Instant, WallTime};

/// Another dispatcher.
const OTHER: Incarnation = Incarnation { boot: 2, epoch: 0 };

/// How long after the lease of a dispatcher somebody looks whether it is over.
const MUCH_LATER: Duration = Duration::from_secs(60);

/// The store, and what is outstanding.
pub(super) struct Requests {
    pub(super) store: Store,
    pub(super) connected: bool,
    /// What was asked and not answered.
    outstanding: BTreeMap<RequestId, Op>,
    /// Those of them that are on their way. The others were lost, and wait to be repeated.
    under_way: BTreeSet<RequestId>,
    last: RequestId,
    others: u64,
    /// Hints of claims ahead that nobody has heard yet.
    pub(super) hints: Vec<Ahead>,
}

impl Requests {
    /// A store with two functions, which is not connected.
    pub(super) fn new() -> Requests {
        let mut store = Store::new(Config::default());
        for id in [101, 102] {
            let function = Function {
                name: "f".to_owned(),
                body: "body".into(),
                options: Options::default(),
                pickled_by: Versions::default(),
            };
            let id = FunctionId(id);
            store.apply(WallTime(0), Op::PutFunction { id, function });
        }
        Requests {
            store,
            connected: false,
            outstanding: BTreeMap::new(),
            under_way: BTreeSet::new(),
            last: 0,
            others: 0,
            hints: Vec::new(),
        }
    }

    /// The dispatcher asks: something new under the next name, or the same again.
    pub(super) fn asked(&mut self, request: RequestId, op: Op) {
        self.under_way.insert(request);
        assert!(self.connected, "the store is away, and is asked {op:?}");
        match self.outstanding.get(&request) {
            Some(before) => assert_eq!(before, &op, "a request is repeated in the same words"),
            None => {
                assert_eq!(
                    request,
                    self.last + 1,
                    "an answered request is asked again: {op:?}"
                );
                self.last = request;
                self.outstanding.insert(request, op);
            }
        }
    }

    /// The name of one request that is under way, counted from the oldest.
    pub(super) fn name(&self, index: usize) -> Option<RequestId> {
        let count = self.under_way.len().max(1);
        self.under_way.iter().nth(index % count).copied()
    }

    /// A request, or its answer, is lost.
    pub(super) fn lost(&mut self, request: RequestId) {
        self.under_way.remove(&request);
    }

    /// The connection is lost, and all that was under way with it.
    pub(super) fn disconnected(&mut self) {
        self.connected = false;
        self.under_way.clear();
    }

    /// Whether what is asked needs a lease.
    pub(super) fn needs_lease(&self, request: RequestId) -> bool {
        let op = self.outstanding.get(&request);
        matches!(op, Some(Op::Claim(_) | Op::Adopt { .. } | Op::Renew { .. }))
    }

    /// The store does what is asked, whether or not the answer arrives.
    pub(super) fn carry_out(&mut self, now: Instant, request: RequestId) -> Option<Reply> {
        let op = self.outstanding.get(&request)?.clone();
        Some(self.apply(now, op))
    }

    /// The answer has arrived.
    pub(super) fn answered(&mut self, request: RequestId) {
        self.under_way.remove(&request);
        self.outstanding.remove(&request);
    }

    /// Something is done at the store by somebody else.
    pub(super) fn apply(&mut self, now: Instant, op: Op) -> Reply {
        self.apply_at(wall(now), op)
    }

    fn apply_at(&mut self, at: WallTime, op: Op) -> Reply {
        let reply = self.store.apply(at, op);
        self.store.take_changes();
        let hint = |notice| match notice {
            Notice::Claimed(ahead) => Some(ahead),
            Notice::Queued | Notice::Ended(_) => None,
        };
        let hints = std::iter::from_fn(|| self.store.poll_notice());
        self.hints.extend(hints.filter_map(hint));
        if let Err(broken) = self.store.check() {
            panic!("{broken}");
        }
        reply
    }

    /// Everybody's lease is over, and somebody looks.
    pub(super) fn reap_all(&mut self, now: Instant) {
        self.apply_at(wall(now) + MUCH_LATER, Op::Reap);
    }

    /// Another dispatcher takes a task, and dies.
    pub(super) fn claim_elsewhere(&mut self, now: Instant) {
        self.apply(now, Op::OpenLease { incarnation: OTHER });
        self.others += 1;
        let claim = Claim {
            incarnation: OTHER,
            number: self.others,
            max: 1,
            suspects: 1,
            places: 0,
            except: Vec::new(),
        };
        self.apply(now, Op::Claim(claim));
    }
}

/// The store's clock.
fn wall(now: Instant) -> WallTime {
    WallTime(1_000_000 + now.as_nanos() / 1_000_000)
}
