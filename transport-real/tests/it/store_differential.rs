//! The scripts against the specification: the same operations on `core`'s store and on a real
//! Redis, at the same times. Every reply, every notice and the final state must agree.

mod plan;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::Machine;
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::store::op::{
    Adoption, Ahead, CLAIMS_KEPT, Claim, Claimed, EndReason, Ending, PAST_LIMIT, REAP_BATCH,
    Requeue, Submission,
};
use mpcsfaas_core::store::{Config, Notice, Op, Reply, Store};
use mpcsfaas_core::task::{Function, Options, Versions};
use mpcsfaas_core::time::WallTime;
use mpcsfaas_transport_real::redis::shard::{self, Plan, Shard, endings};
use proptest::test_runner::{Config as Runs, TestRunner};
use redis::{Connection, PubSub, Value};

use self::plan::{DISPATCHERS, Next, Step, TASKS, Tracked, steps};
use crate::redis_server::RedisServer;

const FIRST: Incarnation = Incarnation { boot: 1, epoch: 0 };

/// Small limits, so that random operations meet them.
fn config() -> Config {
    Config {
        lease: Duration::from_secs(10),
        max_losses: 2,
        queue_limit: 5,
        retention: Duration::from_secs(3600),
        standing: Duration::from_secs(1),
    }
}

/// The two stores, side by side.
struct Pair<'a> {
    model: Store,
    shard: Shard,
    redis: &'a mut Connection,
    now: WallTime,
    rung: usize,
    ahead: Vec<Ahead>,
    ended: Vec<Ending>,
}

/// What the scripts of one shard published.
#[derive(Default)]
struct Heard {
    rung: usize,
    ahead: Vec<Ahead>,
    ended: Vec<Ending>,
}

impl<'a> Pair<'a> {
    fn new(name: &str, config: Config, redis: &'a mut Connection) -> Pair<'a> {
        Pair {
            model: Store::new(config),
            shard: Shard::new(name, config),
            redis,
            now: WallTime(1_700_000_000_000),
            rung: 0,
            ahead: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Carries the operation out on both and answers what both said.
    fn apply(&mut self, op: &Op) -> Reply {
        let expected = self.model.apply(self.now, op.clone());
        self.model.check().expect("the model is consistent");
        let mut rung = 0;
        while let Some(notice) = self.model.poll_notice() {
            match notice {
                Notice::Queued => rung += 1,
                Notice::Claimed(ahead) => self.ahead.push(ahead),
                Notice::Ended(tasks) => self.ended.extend(tasks),
            }
        }
        // What comes back rings for each task here, and for all together there.
        self.rung += match op {
            Op::Submit(_) => rung,
            _ => rung.min(1),
        };
        let got = match self.shard.plan(op, Some(self.now)) {
            Plan::Known(reply) => reply,
            Plan::Ask(call) => {
                let mut answer = call.command.query::<Value>(self.redis);
                if let (Err(_), Some(script)) = (&answer, call.script) {
                    script.load(self.redis).expect("the script compiles");
                    answer = call.command.query::<Value>(self.redis);
                }
                call.read(answer.expect("the script runs"))
                    .expect("the answer is readable")
            }
        };
        assert_eq!(got, expected, "Redis (left) against the model, for {op:?}");
        got
    }

    fn submit(&mut self, tasks: impl IntoIterator<Item = u128>, options: Options) {
        let batch = tasks
            .into_iter()
            .map(|task| Submission {
                task: TaskId(task),
                function: FunctionId(9),
                params: Bytes::from_static(b"\0params\r\n"),
                options,
            })
            .collect();
        self.apply(&Op::Submit(batch));
    }

    fn claim(&mut self, incarnation: Incarnation, number: u64, max: u32) -> Vec<Claimed> {
        let reply = self.apply(&Op::Claim(Claim {
            incarnation,
            number,
            max,
            suspects: max,
            places: max,
            except: vec![],
        }));
        match reply {
            Reply::Claimed(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    /// Everything that can be seen of the state, then the order of the queues.
    fn compare_state(&mut self, tasks: impl IntoIterator<Item = TaskId>) {
        for task in tasks {
            self.apply(&Op::Inspect { task });
            self.apply(&Op::Read(vec![task]));
        }
        self.apply(&Op::Overview);
        for incarnation in DISPATCHERS {
            self.apply(&plan::renew(incarnation));
        }
        let last = Incarnation { boot: 99, epoch: 0 };
        self.apply(&Op::OpenLease { incarnation: last });
        self.claim(last, 1, 100_000);
    }
}

/// What was published up to the marker that this sends.
fn heard(pair: &mut Pair<'_>, channels: &mut PubSub<'_>) -> Heard {
    let (doorbell, ended) = (pair.shard.doorbell(), pair.shard.ended());
    redis::cmd("PUBLISH")
        .arg(&doorbell)
        .arg("end")
        .exec(pair.redis)
        .expect("published");
    let mut heard = Heard::default();
    loop {
        let message = channels.get_message().expect("a message in time");
        let payload = message.get_payload_bytes();
        let channel = message.get_channel_name();
        if channel == doorbell && payload == b"end" {
            return heard;
        } else if channel == doorbell {
            match shard::doorbell(payload) {
                Notice::Claimed(ahead) => heard.ahead.push(ahead),
                _ => heard.rung += 1,
            }
        } else if channel == ended {
            heard.ended.extend(endings(payload));
        }
    }
}

/// One store tells of the tasks of one step in another order than the other.
fn sorted(mut endings: Vec<Ending>) -> Vec<Ending> {
    endings.sort_by_key(|ending| (ending.task, format!("{:?}", ending.state)));
    endings
}

fn check(steps: &[Step], name: &str, redis: &mut Connection, channels: &mut PubSub<'_>) {
    let mut pair = Pair::new(name, config(), redis);
    let mut tracked = Tracked::default();
    for step in steps {
        match tracked.next(step, &pair.model) {
            Next::Apply(op) => drop(pair.apply(&op)),
            Next::Pause(time) => pair.now = pair.now + time,
        }
    }
    pair.compare_state(TASKS.map(TaskId));
    let heard = heard(&mut pair, channels);
    assert_eq!(heard.rung, pair.rung, "how often the doorbell rang");
    assert_eq!(heard.ahead, pair.ahead, "what was claimed ahead");
    assert_eq!(
        sorted(heard.ended),
        sorted(pair.ended),
        "which tasks were announced as ended, and how"
    );
}

#[test]
fn random_operations_agree() {
    let server = RedisServer::start();
    let redis = RefCell::new(server.connection());
    let mut hearing = server.connection();
    let channels = RefCell::new(hearing.as_pubsub());
    channels
        .borrow_mut()
        .psubscribe("mpcsfaas:*")
        .expect("subscribed");
    let run = Cell::new(0);
    let mut runner = TestRunner::new(Runs {
        cases: 500,
        failure_persistence: None,
        ..Runs::default()
    });
    let result = runner.run(&steps(50), |steps| {
        run.set(run.get() + 1);
        let name = format!("run{}", run.get());
        check(
            &steps,
            &name,
            &mut redis.borrow_mut(),
            &mut channels.borrow_mut(),
        );
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn new_tasks_take_the_places_that_claims_have_left_open() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut hearing = server.connection();
    let mut channels = hearing.as_pubsub();
    channels.psubscribe("mpcsfaas:*").expect("subscribed");
    let limits = Config {
        queue_limit: 100,
        ..config()
    };
    let mut pair = Pair::new("q0", limits, &mut redis);
    for (incarnation, places) in DISPATCHERS.into_iter().zip([3, 2, 4, 0]) {
        pair.apply(&Op::OpenLease { incarnation });
        pair.claim(incarnation, 1, places);
    }
    pair.submit(1..=5, Options::default());
    pair.submit([6], Options::default());
    pair.now = pair.now + config().standing;
    pair.submit([7], Options::default());
    let heard = heard(&mut pair, &mut channels);
    let told = |ahead: &Ahead| (ahead.incarnation, ahead.number, ahead.tasks.len());
    let [first, second, third, _] = DISPATCHERS;
    assert_eq!(
        heard.ahead.iter().map(told).collect::<Vec<_>>(),
        [(third, 2, 4), (first, 2, 1), (first, 3, 1)]
    );
    assert_eq!((heard.ahead, heard.rung), (pair.ahead.clone(), 1));
    for (incarnation, number) in [(third, 2), (first, 2), (second, 2), (first, 2), (first, 3)] {
        pair.claim(incarnation, number, 9);
    }
    pair.compare_state((1..=7).map(TaskId));
}

#[test]
fn only_the_newest_attempts_are_remembered() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", config(), &mut redis);
    pair.apply(&Op::OpenLease { incarnation: FIRST });
    pair.submit([1], Options::default());
    for attempt in 1..=PAST_LIMIT as u32 + 3 {
        assert_eq!(pair.claim(FIRST, u64::from(attempt), 1).len(), 1);
        pair.apply(&Op::Requeue(vec![Requeue {
            task: TaskId(1),
            attempt,
            owner: FIRST,
            seat: 0,
            worker: Some(WorkerId(u64::from(attempt)).into()),
            reason: EndReason::HandedBack,
        }]));
    }
    let Reply::Inspected(Some(view)) = pair.apply(&Op::Inspect { task: TaskId(1) }) else {
        panic!("the task is there");
    };
    assert_eq!(view.past.len(), PAST_LIMIT);
    assert_eq!(view.past.first().map(|past| past.attempt), Some(4));
}

#[test]
fn a_reap_stops_at_its_limit_and_the_next_goes_on() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let limits = Config {
        queue_limit: 10_000,
        ..config()
    };
    let mut pair = Pair::new("q0", limits, &mut redis);
    let tasks = 1..=REAP_BATCH as u128 + 500;
    for incarnation in DISPATCHERS.into_iter().rev() {
        pair.apply(&Op::OpenLease { incarnation });
    }
    pair.submit(tasks.clone(), Options::default());
    pair.claim(DISPATCHERS[1], 1, 700);
    pair.claim(DISPATCHERS[0], 1, 900);
    pair.now = pair.now + limits.lease;
    let first = pair.apply(&Op::Reap);
    assert_eq!(
        first,
        Reply::Reaped {
            tasks: 1_000,
            more: true
        }
    );
    pair.apply(&Op::Overview);
    pair.apply(&Op::Read(tasks.clone().map(TaskId).collect()));
    let second = pair.apply(&Op::Reap);
    assert_eq!(
        second,
        Reply::Reaped {
            tasks: 500,
            more: false
        }
    );
    let known: u64 = redis::cmd("SCARD")
        .arg("mpcsfaas:{q0}:dispatchers")
        .query(pair.redis)
        .expect("a number");
    assert_eq!(known, 0, "a dispatcher that is gone leaves nothing behind");
    pair.compare_state(tasks.map(TaskId).step_by(50));
}

#[test]
fn a_repeated_claim_leaves_out_what_came_back_by_another_way() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", config(), &mut redis);
    let [first, second, ..] = DISPATCHERS;
    for incarnation in [first, second] {
        pair.apply(&Op::OpenLease { incarnation });
    }
    pair.submit([1, 2], Options::default());
    assert_eq!(pair.claim(first, 1, 2).len(), 2);
    pair.apply(&Op::Requeue(vec![Requeue {
        task: TaskId(1),
        attempt: 1,
        owner: first,
        seat: 0,
        worker: None,
        reason: EndReason::NotPlaced,
    }]));
    assert_eq!(pair.claim(second, 1, 1).len(), 1);
    let adoption = Adoption {
        task: TaskId(1),
        attempt: 2,
        session: 1,
        worker: WorkerId(5).into(),
    };
    pair.apply(&Op::Adopt {
        incarnation: first,
        tasks: vec![adoption],
    });
    let again = pair.claim(first, 1, 2);
    assert_eq!(again.len(), 1, "its first attempt is over");
}

#[test]
fn the_answers_to_the_last_claims_are_kept() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", Config::default(), &mut redis);
    pair.apply(&Op::OpenLease { incarnation: FIRST });
    pair.submit(1..=80, Options::default());
    // The numbers are no multiples of anything, and too large for a Lua number.
    let number = |claim: u64| u64::MAX - 100 + claim;
    for claim in 1..=CLAIMS_KEPT + 1 {
        assert_eq!(pair.claim(FIRST, number(claim), 1).len(), 1);
    }
    assert_eq!(
        pair.claim(FIRST, number(1), 1),
        [],
        "it was the first of 65"
    );
    for claim in 2..=CLAIMS_KEPT + 1 {
        assert_eq!(pair.claim(FIRST, number(claim), 1).len(), 1);
    }
    assert_eq!(pair.model.queued(), 80 - CLAIMS_KEPT - 1);
}

#[test]
fn the_doorbell_rings_for_each_claim_that_a_batch_is_worth() {
    let server = RedisServer::start();
    let (mut redis, mut channels) = (server.connection(), server.connection());
    let mut channels = channels.as_pubsub();
    channels
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    channels.psubscribe("*").expect("subscribed");
    let mut pair = Pair::new("q0", Config::default(), &mut redis);
    for (tasks, rings) in [(1..=1, 1), (2..=256, 0), (257..=900, 3)] {
        let before = pair.rung;
        pair.submit(tasks, Options::default());
        assert_eq!(pair.rung - before, rings);
    }
    assert_eq!(heard(&mut pair, &mut channels).rung, 4);
}

#[test]
fn a_clock_that_steps_back_shortens_no_lease() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", config(), &mut redis);
    pair.apply(&Op::OpenLease { incarnation: FIRST });
    let opened = pair.now;
    pair.now = WallTime(opened.0 - 5_000);
    pair.apply(&Op::OpenLease { incarnation: FIRST });
    pair.now = WallTime(opened.0 + 9_999);
    assert_eq!(pair.claim(FIRST, 1, 1), []);
}

#[test]
fn functions_are_kept_as_the_original_keeps_them() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", config(), &mut redis);
    let id = FunctionId(7);
    pair.apply(&Op::GetFunction { id });
    let function = Function {
        name: "double".to_owned(),
        body: (0..=255).collect(),
        options: Options {
            timeout_ms: Some(1_500),
            at_most_once: true,
        },
        pickled_by: Versions::default(),
    };
    pair.apply(&Op::PutFunction { id, function });
    pair.apply(&Op::GetFunction { id });
    let row: String = redis::cmd("GET")
        .arg(format!("function:{id}"))
        .query(pair.redis)
        .expect("the row is there");
    let row: serde_json::Value = serde_json::from_str(&row).expect("JSON");
    assert_eq!(row["name"], "double");
    let payload = row["payload"].as_str().expect("text");
    assert!(payload.lines().all(|line| line.len() <= 76) && payload.ends_with('\n'));
}

#[test]
fn a_result_has_a_time_to_live_and_a_waiting_task_has_none() {
    let server = RedisServer::start();
    let mut redis = server.connection();
    let mut pair = Pair::new("q0", config(), &mut redis);
    pair.submit([1, 2], Options::default());
    pair.apply(&Op::Cancel { task: TaskId(1) });
    let mut row = |task: u128| -> (i64, String) {
        let key = format!("mpcsfaas:{{q0}}:task:{}", TaskId(task));
        redis::pipe()
            .cmd("PTTL")
            .arg(&key)
            .cmd("HGET")
            .arg(&key)
            .arg("params")
            .query(pair.redis)
            .expect("a row")
    };
    let (left, params) = row(1);
    assert!((3_590_000..=3_600_000).contains(&left), "{left} ms");
    assert_eq!(params, "", "nobody needs them any more");
    assert_eq!(row(2), (-1, "\0params\r\n".to_owned()));
}
