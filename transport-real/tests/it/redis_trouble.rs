//! The store on Redis when Redis restarts, stalls, forgets, refuses or is not Redis at all.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::{FunctionId, Incarnation, TaskId};
use mpcsfaas_core::store::op::{
    Claim, Claimed, Commit, EndReason, Ending, Mode, Owned, Report, Requeue, Submission, Submitted,
    TaskState, Verdict,
};
use mpcsfaas_core::store::{Notice, Op, Reply};
use mpcsfaas_core::task::{Options, Outcome, Status};
use mpcsfaas_transport_real::redis::{RedisConfig, open};
use mpcsfaas_transport_real::store::{Link, StoreAway, StoreHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::redis_server::{Durability, RedisServer};

const FIRST: Incarnation = Incarnation { boot: 1, epoch: 0 };

/// Waits for what must come soon.
async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen"),
    }
}

/// A short limit, so that a stall is found soon.
fn config(url: &str) -> RedisConfig {
    let mut config = RedisConfig::new(url).expect("a URL");
    config.timeout = Duration::from_millis(300);
    config
}

async fn connected(server: &RedisServer) -> StoreHandle {
    let store = open(config(&server.url()));
    up(&store).await;
    store
}

async fn up(store: &StoreHandle) {
    let mut link = store.link();
    soon("the link up", link.wait_for(|link| *link == Link::Up))
        .await
        .expect("the owner lives");
}

async fn down(store: &StoreHandle) -> String {
    let mut link = store.link();
    let reason = soon("the link down", async {
        loop {
            match &*link.borrow_and_update() {
                // What a link says before its first attempt.
                Link::Down(reason) if reason != "not connected yet" => return reason.clone(),
                Link::Down(_) | Link::Up => {}
            }
            link.changed().await.expect("the owner lives");
        }
    });
    reason.await
}

async fn heard(notices: &mut broadcast::Receiver<Notice>, expected: Notice) {
    soon("the notice", async {
        while notices.recv().await.expect("the owner lives") != expected {}
    })
    .await;
}

fn submission(task: u128) -> Submission {
    Submission {
        task: TaskId(task),
        function: FunctionId(9),
        params: Bytes::from_static(b"params"),
        options: Options::default(),
    }
}

async fn submit(store: &StoreHandle, task: u128) {
    let reply = store.call(Op::Submit(vec![submission(task)])).await;
    assert_eq!(reply, Ok(Reply::Submitted(vec![Submitted::Accepted])));
}

async fn claim(store: &StoreHandle, number: u64, max: u32) -> Vec<Claimed> {
    let claim = Claim {
        incarnation: FIRST,
        number,
        max,
        suspects: 0,
        places: 0,
        except: vec![],
    };
    match store.call(Op::Claim(claim)).await {
        Ok(Reply::Claimed(claimed)) => claimed,
        other => panic!("{other:?}"),
    }
}

fn commit(task: u128) -> Op {
    Op::Commit(vec![Commit {
        task: TaskId(task),
        attempt: 1,
        worker: None,
        outcome: Outcome::completed(vec![1]),
    }])
}

#[tokio::test]
async fn a_restart_is_survived_and_the_doorbell_rings_again() {
    let mut server = RedisServer::start_with(Durability::AppendOnly, &[]);
    let store = connected(&server).await;
    submit(&store, 1).await;
    let mut notices = store.notices();
    server.kill();
    let reason = down(&store).await;
    assert!(reason.contains("127.0.0.1"), "{reason}");
    let refused = soon("a refusal", store.call(Op::Overview)).await;
    assert!(refused.is_err(), "{refused:?}");
    server.start_again();
    up(&store).await;
    heard(&mut notices, Notice::Queued).await;
    store
        .call(Op::OpenLease { incarnation: FIRST })
        .await
        .expect("it answers again");
    assert_eq!(
        claim(&store, 1, 5).await.len(),
        1,
        "the task is still there"
    );
}

#[tokio::test]
async fn a_paused_redis_is_away_and_comes_back() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    server.pause();
    let stuck = soon("an end of the wait", store.call(Op::Overview)).await;
    let Err(StoreAway(reason)) = stuck else {
        panic!("{stuck:?}");
    };
    assert!(reason.contains("does not answer within 300ms"), "{reason}");
    down(&store).await;
    let refused = soon("a refusal", store.call(Op::Overview)).await;
    assert!(refused.is_err(), "{refused:?}");
    server.resume();
    up(&store).await;
    submit(&store, 1).await;
}

#[tokio::test]
async fn a_pause_is_noticed_without_a_request() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    server.pause();
    let reason = down(&store).await;
    assert!(reason.contains("does not answer"), "{reason}");
    server.resume();
    up(&store).await;
}

#[tokio::test]
async fn lost_scripts_are_loaded_again() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    redis::cmd("SCRIPT")
        .arg("FLUSH")
        .exec(&mut server.connection())
        .expect("flushed");
    let (a, b, c) = tokio::join!(
        submit(&store, 1),
        submit(&store, 2),
        store.call(Op::Overview)
    );
    assert_eq!((a, b), ((), ()));
    assert!(c.is_ok(), "{c:?}");
    assert_eq!(*store.link().borrow(), Link::Up);
}

#[tokio::test]
async fn the_doorbell_and_the_ends_of_tasks_reach_every_store() {
    let server = RedisServer::start();
    let (gateway, dispatcher) = (connected(&server).await, connected(&server).await);
    dispatcher
        .call(Op::OpenLease { incarnation: FIRST })
        .await
        .expect("a lease");
    let mut notices = dispatcher.notices();
    // The one of its own connection may still be on its way.
    while notices.try_recv().is_ok() {}
    submit(&gateway, 1).await;
    submit(&gateway, 2).await;
    heard(&mut notices, Notice::Queued).await;
    let mut notices = gateway.notices();
    assert_eq!(claim(&dispatcher, 1, 2).await.len(), 2);
    let Op::Commit(mut both) = commit(1) else {
        unreachable!("a commit")
    };
    let Op::Commit(second) = commit(2) else {
        unreachable!("a commit")
    };
    both.extend(second);
    let reply = dispatcher.call(Op::Commit(both)).await;
    assert_eq!(reply, Ok(Reply::Committed(vec![Verdict::Ok, Verdict::Ok])));
    let ended = |task| Ending {
        task: TaskId(task),
        state: Some(TaskState {
            status: Status::Completed,
            outcome: Some(Outcome::completed(vec![1])),
        }),
    };
    heard(&mut notices, Notice::Ended(vec![ended(1), ended(2)])).await;
}

#[tokio::test]
async fn requests_of_one_moment_share_a_call_and_get_their_own_answers() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    let calls = |server: &RedisServer| -> u64 {
        let stats: String = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut server.connection())
            .expect("statistics");
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        let count = line.and_then(|line| line.split_once("calls=")?.1.split(',').next());
        count.map_or(0, |count| count.parse().expect("a number"))
    };
    let before = calls(&server);
    let all = (1..=200).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            submit(&store, task).await;
            let ids = vec![TaskId(task), TaskId(task + 1_000)];
            match store.call(Op::Read(ids)).await {
                Ok(Reply::States(states)) => {
                    let known: Vec<bool> = states.iter().map(Option::is_some).collect();
                    assert_eq!(known, [true, false]);
                }
                other => panic!("{other:?}"),
            }
        })
    });
    for task in all.collect::<Vec<_>>() {
        soon("an answer", task).await.expect("the right answer");
    }
    let used = calls(&server) - before;
    assert!(used <= 40, "400 requests took {used} calls");
}

#[tokio::test]
async fn a_deleted_row_is_passed_over_by_every_operation() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    store
        .call(Op::OpenLease { incarnation: FIRST })
        .await
        .expect("a lease");
    let delete = |task: u128| {
        redis::cmd("DEL")
            .arg(format!("mpcsfaas:{{q0}}:task:{}", TaskId(task)))
            .exec(&mut server.connection())
            .expect("deleted");
    };
    for task in 1..=3 {
        submit(&store, task).await;
    }
    delete(1);
    let claimed = claim(&store, 1, 2).await;
    let ids: Vec<u128> = claimed.iter().map(|claimed| claimed.task.0).collect();
    assert_eq!(
        ids,
        [2, 3],
        "as many as were asked for, without the deleted one"
    );
    delete(2);
    assert_eq!(claim(&store, 1, 2).await.len(), 1, "the repeated answer");
    let stale = Ok(Reply::Committed(vec![Verdict::Stale]));
    assert_eq!(store.call(commit(2)).await, stale);
    let read = store.call(Op::Read(vec![TaskId(2)])).await;
    assert_eq!(read, Ok(Reply::States(vec![None])));
    let inspected = store.call(Op::Inspect { task: TaskId(2) }).await;
    assert_eq!(inspected, Ok(Reply::Inspected(None)));
    let renewed = store.call(renew()).await;
    let Ok(Reply::Renewed(owned)) = renewed else {
        panic!("{renewed:?}");
    };
    // The safety net of a dispatcher requeues what it does not know, and that must end the matter.
    for Owned {
        task,
        attempt,
        seat,
    } in owned
    {
        let requeue = Requeue {
            task,
            attempt,
            owner: FIRST,
            seat,
            worker: None,
            reason: EndReason::Unaccounted,
        };
        let verdict = match task {
            TaskId(2) => Verdict::Stale,
            _ => Verdict::Ok,
        };
        let reply = store.call(Op::Requeue(vec![requeue])).await;
        assert_eq!(reply, Ok(Reply::Requeued(vec![verdict])));
    }
    assert_eq!(store.call(renew()).await, Ok(Reply::Renewed(vec![])));
    delete(3);
    let released = store.call(Op::Release { incarnation: FIRST }).await;
    assert_eq!(released, Ok(Reply::Released(0)));
}

fn renew() -> Op {
    Op::Renew {
        incarnation: FIRST,
        report: Report {
            mode: Mode::Pull,
            workers: 0,
            processes: 0,
            held: 0,
            free: 0,
            draining: false,
        },
        placed: vec![],
    }
}

#[tokio::test]
async fn a_deleted_list_of_dispatchers_heals_at_the_next_renewal() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    store
        .call(Op::OpenLease { incarnation: FIRST })
        .await
        .expect("a lease");
    redis::cmd("DEL")
        .arg("mpcsfaas:{q0}:dispatchers")
        .exec(&mut server.connection())
        .expect("deleted");
    store.call(renew()).await.expect("renewed");
    match store.call(Op::Overview).await {
        Ok(Reply::Overview(overview)) => assert_eq!(overview.dispatchers.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn results_are_forgotten_by_themselves() {
    let server = RedisServer::start();
    let mut config = config(&server.url());
    config.store.retention = Duration::from_millis(20);
    let store = open(config);
    submit(&store, 1).await;
    store
        .call(Op::Cancel { task: TaskId(1) })
        .await
        .expect("cancelled");
    let gone = Ok(Reply::States(vec![None]));
    soon("the end of the retention", async {
        while store.call(Op::Read(vec![TaskId(1)])).await != gone {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_names_its_reason() {
    let server = RedisServer::start_with(Durability::None, &["--requirepass", "secret"]);
    let without = open(config(&server.url()));
    let reason = down(&without).await;
    assert!(reason.contains("does not let us in"), "{reason}");
    let wrong = open(config(&server.url().replace("//", "//:guess@")));
    let reason = down(&wrong).await;
    assert!(reason.contains("does not let us in"), "{reason}");
    assert!(!reason.contains("guess"), "{reason}");
    let right = open(config(&server.url().replace("//", "//:secret@")));
    submit(&right, 1).await;
}

#[tokio::test]
async fn nobody_at_the_port_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let store = open(config(&format!("redis://{address}")));
    let asked = soon("an answer", store.call(Op::Overview)).await;
    let reason = down(&store).await;
    assert!(
        reason.starts_with(&format!("no Redis at {address}")),
        "{reason}"
    );
    assert_eq!(asked, Err(StoreAway(reason)));
}

/// A server that gives one answer to every command.
async fn impostor(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(size @ 1..) = peer.read(&mut buffer).await {
                    let commands = buffer[..size].iter().filter(|byte| **byte == b'*').count();
                    _ = peer.write_all(answer.repeat(commands).as_bytes()).await;
                }
            });
        }
    });
    format!("redis://{address}")
}

#[tokio::test]
async fn something_else_at_the_port_is_said_so() {
    let http = impostor("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let reason = down(&open(config(&http))).await;
    assert!(reason.contains("is not Redis"), "{reason}");
    let silent = impostor("").await;
    let reason = down(&open(config(&silent))).await;
    assert!(reason.contains("does not answer within"), "{reason}");
    let old = impostor("$21\r\nredis_version:5.0.14\n\r\n").await;
    let reason = down(&open(config(&old))).await;
    assert!(
        reason.contains("version 5.0.14, and at least 6.2"),
        "{reason}"
    );
}

#[tokio::test]
async fn the_connections_close_with_the_last_handle() {
    let server = RedisServer::start();
    let store = connected(&server).await;
    let clients = |server: &RedisServer| -> usize {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .query(&mut server.connection())
            .expect("a list");
        list.lines().count()
    };
    assert_eq!(clients(&server), 3, "scripts, notices, and this question");
    drop(store);
    soon("the end of the connections", async {
        while clients(&server) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn a_text_that_is_no_url_is_refused_at_once() {
    assert!(RedisConfig::new("localhost").is_err());
    assert!(RedisConfig::new("http://localhost").is_err());
}
