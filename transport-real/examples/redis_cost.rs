//! What the scripts cost: microseconds a task of submit, claim and commit, in batches of 100 and
//! alone: the server's processor time (whole process), and the round trip.
//!
//! `cargo run --release --example redis_cost -- redis://127.0.0.1:6379`. It writes under shards of
//! its own (`cost100`, `cost1`); give it a server that nobody else needs.
#![expect(clippy::print_stdout, reason = "it is a program for people")]

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId, WorkerId};
use mpcsfaas_core::store::op::{Claim, Commit, Submission};
use mpcsfaas_core::store::{Config, Op, Reply};
use mpcsfaas_core::task::{Options, Outcome};
use mpcsfaas_transport_real::redis::shard::{Plan, Shard};
use redis::{Connection, Value};

const ME: Incarnation = Incarnation { boot: 1, epoch: 0 };
const PARAMS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: redis_cost URL")?;
    let mut redis = redis::Client::open(url)?.get_connection()?;
    println!("operation   batch  server us/task  round trip us/task");
    measure(&mut redis, 100, 100_000)?;
    measure(&mut redis, 1, 20_000)?;
    Ok(())
}

fn measure(redis: &mut Connection, batch: u32, tasks: u32) -> Result<(), Box<dyn Error>> {
    let config = Config {
        lease: Duration::from_secs(3_600),
        ..Config::default()
    };
    let shard = Shard::new(&format!("cost{batch}"), config);
    call(redis, &shard, &Op::OpenLease { incarnation: ME })?;
    let rounds = u64::from(tasks / batch);
    let submits = (0..rounds).map(|round| submit(round, batch)).collect();
    timed(redis, &shard, "submit", batch, submits)?;
    let claims = (1..=rounds).map(|number| claim(number, batch)).collect();
    timed(redis, &shard, "claim", batch, claims)?;
    let commits = (0..rounds).map(|round| commit(round, batch)).collect();
    timed(redis, &shard, "commit", batch, commits)
}

fn timed(
    redis: &mut Connection,
    shard: &Shard,
    name: &str,
    batch: u32,
    ops: Vec<Op>,
) -> Result<(), Box<dyn Error>> {
    let tasks = ops.len() as f64 * f64::from(batch);
    let before = server_time(redis)?;
    let start = Instant::now();
    for op in &ops {
        let reply = call(redis, shard, op)?;
        if matches!(&reply, Reply::Claimed(claimed) if claimed.len() != batch as usize) {
            return Err("the claims met tasks of an earlier run; empty the server first".into());
        }
    }
    let trip = start.elapsed().as_micros() as f64 / tasks;
    let server = (server_time(redis)? - before) / tasks;
    println!("{name:10} {batch:6}  {server:14.2}  {trip:18.2}");
    Ok(())
}

fn call(redis: &mut Connection, shard: &Shard, op: &Op) -> Result<Reply, Box<dyn Error>> {
    match shard.plan(op, None) {
        Plan::Known(reply) => Ok(reply),
        Plan::Ask(call) => {
            let mut answer = call.command.query::<Value>(redis);
            if let (Err(_), Some(script)) = (&answer, call.script) {
                script.load(redis)?;
                answer = call.command.query::<Value>(redis);
            }
            Ok(call.read(answer?)?)
        }
    }
}

/// Microseconds of processor time that the server has used.
fn server_time(redis: &mut Connection) -> Result<f64, Box<dyn Error>> {
    let used: String = redis::cmd("INFO").arg("cpu").query(redis)?;
    let seconds = |name: &str| -> Option<f64> {
        let value = used.lines().find_map(|line| line.strip_prefix(name))?;
        value.parse().ok()
    };
    match (seconds("used_cpu_user:"), seconds("used_cpu_sys:")) {
        (Some(user), Some(system)) => Ok((user + system) * 1e6),
        _ => Err("the server does not tell its processor time".into()),
    }
}

/// Ids as they come in life: of no order.
fn task(round: u64, item: u32) -> TaskId {
    let number = (round << 32) | u64::from(item);
    TaskId(
        u128::from(number.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
    )
}

fn submit(round: u64, batch: u32) -> Op {
    let item = |item| Submission {
        task: task(round, item),
        function: FunctionId(9),
        params: Bytes::from(vec![b'x'; PARAMS]),
        options: Options::default(),
    };
    Op::Submit((0..batch).map(item).collect())
}

fn claim(number: u64, max: u32) -> Op {
    Op::Claim(Claim {
        incarnation: ME,
        number,
        max,
        suspects: 1,
        places: 0,
        except: vec![],
    })
}

fn commit(round: u64, batch: u32) -> Op {
    let item = |item| Commit {
        task: task(round, item),
        attempt: 1,
        worker: Some(WorkerId(5).into()),
        outcome: Outcome::completed(vec![b'y'; 20]),
    };
    Op::Commit((0..batch).map(item).collect())
}
