//! The task that owns the connections: sends requests, hands out answers and notices, reconnects.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::store::Notice;
use mpcsfaas_core::time::Instant;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{Msg, RedisResult, ServerErrorKind, Value};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::RedisConfig;
use super::batch::{Askers, coalesce};
use super::link::{self, Trouble};
use super::shard::{Call, Plan, Shard};
use crate::clock::Clock;
use crate::store::{Link, Request, StoreAway, StoreOwner};

/// At most so many calls are in flight; more requests wait in the channel.
const IN_FLIGHT: usize = 1_024;

/// At most so many requests are taken from the channel in one turn.
const TURN: usize = 256;

/// How often an idle connection is asked whether it is alive.
const PING: Duration = Duration::from_secs(1);

/// The pause before a second attempt to connect, and the longest that it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The length of a task's id in text.
const ID_LENGTH: usize = 36;

/// Serves requests until the last handle is gone.
pub(super) async fn serve(config: RedisConfig, mut owner: StoreOwner) {
    let shard = Shard::new(&config.shard, config.store);
    let connect = || link::connect(&config.server, &shard, config.timeout);
    let mut jitter = SmallRng::from_os_rng();
    let mut pause = FIRST_PAUSE;
    // Nobody knows yet that the store is away, so the first attempt may keep requests waiting.
    let mut attempt = connect().await;
    loop {
        let trouble = match attempt {
            Ok(connected) => {
                pause = FIRST_PAUSE;
                owner.link.send_replace(Link::Up);
                tracing::info!(server = %config.server.addr(), "connected to Redis");
                // What rang while nobody listened.
                _ = owner.notices.send(Notice::Queued);
                match Session::new(&config, &shard, connected.commands)
                    .run(&mut owner, connected.notices, connected.pinger)
                    .await
                {
                    Some(trouble) => trouble,
                    None => return,
                }
            }
            Err(trouble) => trouble,
        };
        let reason = trouble.to_string();
        tracing::warn!(%reason, "the store is away");
        owner.link.send_replace(Link::Down(reason.clone()));
        let wait = pause.mul_f64(jitter.random_range(0.5..1.0));
        pause = (pause * 2).min(LONGEST_PAUSE);
        let next = async {
            sleep(wait).await;
            connect().await
        };
        match refuse_until(&mut owner, &reason, next).await {
            Some(result) => attempt = result,
            None => return,
        }
    }
}

/// Answers every request with the reason until `next` is there. `None`: the last handle is gone.
async fn refuse_until<F: Future>(
    owner: &mut StoreOwner,
    reason: &str,
    next: F,
) -> Option<F::Output> {
    let mut next = pin!(next);
    loop {
        tokio::select! {
            output = &mut next => return Some(output),
            request = owner.requests.recv() => {
                _ = request?.answer.send(Err(StoreAway(reason.to_owned())));
            }
        }
    }
}

/// What a future in flight came to.
enum Landed {
    Answer(u64, Call, RedisResult<Value>),
    Ping(Result<(), Trouble>),
}

/// The life of one connection.
struct Session<'a> {
    config: &'a RedisConfig,
    shard: &'a Shard,
    commands: MultiplexedConnection,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    waiting: BTreeMap<u64, Askers>,
    next_flight: u64,
    pinging: bool,
    clock: Clock,
    /// When the last answer came.
    heard_at: Instant,
}

impl<'a> Session<'a> {
    fn new(config: &'a RedisConfig, shard: &'a Shard, commands: MultiplexedConnection) -> Self {
        let clock = Clock::start();
        Session {
            config,
            shard,
            commands,
            flights: FuturesUnordered::new(),
            waiting: BTreeMap::new(),
            next_flight: 0,
            pinging: false,
            clock,
            heard_at: clock.now(),
        }
    }

    /// Serves until the connection is lost, or (`None`) until the last handle is gone and all
    /// requests are answered. Nobody is left without an answer.
    async fn run(
        mut self,
        owner: &mut StoreOwner,
        notices: impl Stream<Item = Msg> + Unpin,
        pinger: PubSubSink,
    ) -> Option<Trouble> {
        let trouble = self.exchange(owner, notices, pinger).await;
        if let Some(trouble) = &trouble {
            let away = StoreAway(trouble.to_string());
            for askers in std::mem::take(&mut self.waiting).into_values() {
                askers.answer(Err(away.clone()));
            }
        }
        trouble
    }

    async fn exchange(
        &mut self,
        owner: &mut StoreOwner,
        mut notices: impl Stream<Item = Msg> + Unpin,
        pinger: PubSubSink,
    ) -> Option<Trouble> {
        let mut requests = Vec::with_capacity(TURN);
        let mut open = true;
        let mut alarm = interval(PING);
        alarm.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while open || !self.waiting.is_empty() {
            tokio::select! {
                count = owner.requests.recv_many(&mut requests, TURN),
                    if open && self.flights.len() < IN_FLIGHT =>
                {
                    open = count > 0;
                    self.depart(requests.drain(..));
                }
                Some(landed) = self.flights.next() => {
                    if let Some(trouble) = self.land(landed) {
                        return Some(trouble);
                    }
                }
                message = notices.next() => match message {
                    Some(message) => self.pass_on(owner, &message),
                    None => return Some(Trouble::Closed(self.config.server.addr().to_string())),
                },
                _ = alarm.tick() => self.ping(pinger.clone()),
            }
        }
        None
    }

    fn depart(&mut self, requests: impl Iterator<Item = Request>) {
        for work in coalesce(requests) {
            let call = match self.shard.plan(&work.op, None) {
                Plan::Ask(call) => call,
                Plan::Known(reply) => {
                    work.askers.answer(Ok(reply));
                    continue;
                }
            };
            let flight = self.next_flight;
            self.next_flight += 1;
            self.waiting.insert(flight, work.askers);
            let commands = self.commands.clone();
            self.flights.push(
                async move {
                    let result = ask(commands, &call).await;
                    Landed::Answer(flight, call, result)
                }
                .boxed(),
            );
        }
    }

    /// Hands out an answer. An error that is the connection's ends the session.
    fn land(&mut self, landed: Landed) -> Option<Trouble> {
        let (flight, call, result) = match landed {
            Landed::Answer(flight, call, result) => (flight, call, result),
            Landed::Ping(result) => {
                self.pinging = false;
                match result {
                    Ok(()) => self.heard_at = self.clock.now(),
                    Err(trouble) if self.is_slow_only(&trouble) => {}
                    Err(trouble) => return Some(trouble),
                }
                return None;
            }
        };
        let answer = match result {
            Ok(value) => {
                self.heard_at = self.clock.now();
                call.read(value)
                    .map_err(|error| StoreAway(error.to_string()))
            }
            Err(error) => {
                let config = self.config;
                match Trouble::of_link(&config.server, &error, config.timeout) {
                    Some(trouble) if self.is_slow_only(&trouble) => {
                        Err(StoreAway(trouble.to_string()))
                    }
                    // Its askers still wait, and are told with all others.
                    Some(trouble) => return Some(trouble),
                    None => Err(StoreAway(error.to_string())),
                }
            }
        };
        if let Some(askers) = self.waiting.remove(&flight) {
            askers.answer(answer);
        }
        None
    }

    /// Whether this is silence about one request while others are being answered: large results
    /// are on their way. Without this, a connection that is merely busy would be thrown away, and
    /// the same requests would make the next one busy.
    fn is_slow_only(&self, trouble: &Trouble) -> bool {
        matches!(trouble, Trouble::Silent(..))
            && self.clock.now().since(self.heard_at) < self.config.timeout
    }

    /// Asks both connections whether they live, so that silence is noticed without requests.
    fn ping(&mut self, mut pinger: PubSubSink) {
        if std::mem::replace(&mut self.pinging, true) {
            return;
        }
        let mut commands = self.commands.clone();
        let server = self.config.server.clone();
        let limit = self.config.timeout;
        self.flights.push(
            async move {
                let ping = redis::cmd("PING");
                let both = async {
                    ping.exec_async(&mut commands).await?;
                    pinger.ping::<Value>().await
                };
                Landed::Ping(match timeout(limit, both).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Trouble::of_link(&server, &error, limit).map_or(Ok(()), Err),
                    Err(_) => Err(Trouble::Silent(server.addr().to_string(), limit)),
                })
            }
            .boxed(),
        );
    }

    fn pass_on(&self, owner: &StoreOwner, message: &Msg) {
        let notice = match message.get_channel_name() == self.shard.doorbell() {
            true => Notice::Queued,
            false => Notice::Ended(ended(message.get_payload_bytes())),
        };
        // Nobody listening is no error.
        _ = owner.notices.send(notice);
    }
}

/// Sends one call. A script that the server has lost (restart, flush) is loaded and called again:
/// the server has done nothing yet.
async fn ask(mut commands: MultiplexedConnection, call: &Call) -> RedisResult<Value> {
    let first = call.command.query_async(&mut commands).await;
    match (&first, call.script) {
        (Err(error), Some(script)) if error.kind() == ServerErrorKind::NoScript.into() => {
            script.load_async(&mut commands).await?;
            call.command.query_async(&mut commands).await
        }
        _ => first,
    }
}

/// The ids of a message, which follow each other without a mark.
fn ended(payload: &[u8]) -> Vec<TaskId> {
    payload
        .chunks(ID_LENGTH)
        .filter_map(|id| std::str::from_utf8(id).ok()?.parse().ok())
        .collect()
}
