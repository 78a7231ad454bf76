//! A dispatcher and its workers, wired together without trouble but for ends of processes: what was
//! measured of the original comes out.

use super::*;
use crate::seed_model::stall_rule::Stage;
use crate::seed_model::{
    BATCH, BATCH_PAUSE, DispatcherConfig, PullDispatcher, PullWorker, PushDispatcher, PushWorker,
    WorkerConfig,
};

/// A message or a request travels so long, each way.
const LATENCY: Duration = Duration::from_micros(50);
/// The dispatcher's place among the guests.
const DISPATCHER: usize = 0;

/// A small world.
struct Wires {
    now: Instant,
    guests: Vec<Option<Box<dyn Guest>>>,
    /// Facts under way, in the order of their arrival.
    facts: BTreeMap<(Instant, usize), (usize, Fact)>,
    next: usize,
    rows: BTreeMap<TaskId, RawRow>,
    /// How long a task runs.
    runs: Duration,
    /// Who began with a task.
    began: Vec<(usize, TaskId)>,
    /// When a task was seen to have ended.
    ended: BTreeMap<TaskId, Instant>,
}

impl Wires {
    fn new(dispatcher: impl Guest + 'static, runs: Duration) -> Wires {
        Wires {
            now: Instant::ZERO,
            guests: vec![Some(Box::new(dispatcher))],
            facts: BTreeMap::new(),
            next: 0,
            rows: BTreeMap::new(),
            runs,
            began: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Starts a worker, made of its name.
    fn start<G: Guest + 'static>(&mut self, make: impl Fn(Instant, String) -> G) -> usize {
        let place = self.guests.len();
        let guest = make(self.now, place.to_string());
        self.guests.push(Some(Box::new(guest)));
        place
    }

    fn terminate(&mut self, place: usize) {
        self.step(place, Some(Fact::Terminated));
    }

    /// A client submits, and the dispatcher hears of it.
    fn submit(&mut self, task: TaskId) {
        let row = RawRow {
            function: Bytes::new(),
            params: Bytes::new(),
            status: Status::Queued,
            result: Bytes::new(),
        };
        self.rows.insert(task, row);
        self.arrive(LATENCY, DISPATCHER, Fact::Published(task));
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self.guests.iter().enumerate().filter_map(|(place, guest)| {
                let at = guest.as_ref()?.deadline()?;
                Some((at, place))
            });
            let timer = due.min();
            let fact = self.facts.keys().next().map(|(at, _)| *at);
            match (timer, fact) {
                (_, Some(at)) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    let (_, (place, fact)) = self.facts.pop_first().expect("a fact");
                    self.now = at;
                    self.step(place, Some(fact));
                }
                (Some((at, place)), _) if at <= end => {
                    self.now = at;
                    self.step(place, None);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn step(&mut self, place: usize, fact: Option<Fact>) {
        let Some(guest) = &mut self.guests[place] else {
            return;
        };
        let mut orders = Vec::new();
        guest.step(self.now, fact, &mut orders);
        for order in orders {
            self.obey(place, order);
        }
    }

    fn obey(&mut self, place: usize, order: Order) {
        match order {
            Order::Send { peer: to, body } if place == DISPATCHER => {
                let name = std::str::from_utf8(&to.identity).expect("a name");
                let to = name.parse().expect("a place");
                let peer = wire::other_side();
                self.arrive(LATENCY, to, Fact::Received { peer, body });
            }
            Order::Send { body, .. } => {
                let peer = peer(&place.to_string());
                self.arrive(LATENCY, DISPATCHER, Fact::Received { peer, body });
            }
            Order::Redis { request, op } => {
                let reply = self.redis(op);
                self.arrive(LATENCY * 2, place, Fact::Redis { request, reply });
            }
            Order::Execute(task) => {
                self.began.push((place, task));
                self.arrive(self.runs, place, ran(task));
            }
            Order::Exit => self.guests[place] = None,
            Order::Bind { .. } | Order::Connect { .. } | Order::Accept(_) => {}
        }
    }

    fn redis(&mut self, op: RedisOp) -> RedisReply {
        match op {
            RedisOp::Get(task) => RedisReply::Row(self.rows.get(&task).cloned()),
            RedisOp::Set(task, row) => {
                if row.status.is_terminal() {
                    self.ended.insert(task, self.now);
                }
                self.rows.insert(task, row);
                RedisReply::Done
            }
            RedisOp::Publish(_) | RedisOp::Subscribe => RedisReply::Done,
        }
    }

    fn arrive(&mut self, after: Duration, place: usize, fact: Fact) {
        self.facts
            .insert((self.now + after, self.next), (place, fact));
        self.next += 1;
    }
}

/// The experiment of the original's report: so many workers are stopped, others started, and tasks
/// submitted. Gives how many tasks had to wait, and when the last one had ended.
fn stall(dead: usize, live: usize, timeout: Duration, goodbye: bool) -> (usize, Duration) {
    let dispatcher = DispatcherConfig {
        timeout,
        goodbye,
        ..DispatcherConfig::default()
    };
    let worker = WorkerConfig {
        goodbye,
        ..WorkerConfig::default()
    };
    let worker = |now, name| PushWorker::new(now, name, worker);
    let mut wires = Wires::new(PushDispatcher::new(Instant::ZERO, dispatcher), millis(3));
    wires.run(millis(300));
    let old: Vec<usize> = (0..dead).map(|_| wires.start(worker)).collect();
    wires.run(millis(10_100));
    for place in old {
        wires.terminate(place);
    }
    wires.run(seconds(2));
    for _ in 0..live {
        wires.start(worker);
    }
    wires.run(seconds(5));

    let first = wires.now;
    let tasks: Vec<TaskId> = (0..5 * live as u128).map(TaskId).collect();
    for batch in tasks.chunks(BATCH) {
        for task in batch {
            wires.submit(*task);
        }
        wires.run(BATCH_PAUSE);
    }
    wires.run(millis(300));
    let stuck = tasks.len() - wires.ended.len();
    wires.run(seconds(30));
    assert_eq!(wires.ended.len(), tasks.len());
    let last = wires.ended.values().max().expect("an end");
    (stuck, last.since(first))
}

#[test]
fn tasks_wait_for_dead_workers_as_long_as_the_rule_says() {
    for timeout in [10, 15].map(seconds) {
        for (dead, live) in [(1, 2), (2, 4), (4, 8)] {
            let stage = Stage {
                gap: millis(7_100),
                timeout,
                next_scan: millis(2_600),
                ..Stage::new(dead, live)
            };
            let (stuck, ended_after) = stall(dead, live, timeout, false);
            assert_eq!(stuck, stage.stuck());
            let removed = stage.removed_after();
            assert!(ended_after > removed && ended_after < removed + millis(300));
        }
    }
}

#[test]
fn nothing_waits_if_nobody_is_dead_or_soon_enough_known_to_be() {
    assert_eq!(stall(0, 1, seconds(10), false).0, 0);
    assert_eq!(stall(4, 8, seconds(3), false).0, 0);
    assert_eq!(stall(4, 8, seconds(15), true).0, 0);
}

/// 9
#[test]
fn a_pull_worker_that_joins_later_idles() {
    let config = DispatcherConfig::default();
    let worker = |processes| {
        let config = WorkerConfig {
            processes,
            ..WorkerConfig::default()
        };
        move |now, name| PullWorker::new(now, name, config)
    };
    let dispatcher = PullDispatcher::new(Instant::ZERO, config);
    let mut wires = Wires::new(dispatcher, seconds(1));
    let first = wires.start(worker(1));
    wires.run(millis(100));
    for task in 0..8 {
        wires.submit(TaskId(task));
    }
    let submitted = wires.now;
    wires.run(millis(500));
    wires.start(worker(4));
    wires.run(seconds(20));
    assert_eq!(wires.ended.len(), 8);
    assert!(wires.began.iter().all(|(place, _)| *place == first));
    let last = wires.ended.values().max().expect("an end");
    let took = last.since(submitted);
    assert!(took > seconds(8) && took < millis(8_600), "{took:?}");
}
