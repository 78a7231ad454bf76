//! The task that owns a store's connection: sends requests, hands out answers and notices,
//! reconnects.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use mpcsfaas_core::store::{Notice, Reply};
use mpcsfaas_core::time::Instant;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::batch::{Askers, coalesce};
use super::connection::{Connection, Home, TroubleOf, Unanswered};
use super::{Link, Request, StoreAway, StoreOwner};
use crate::clock::Clock;

/// At most so many calls are in flight; more requests wait in the channel.
const IN_FLIGHT: usize = 1_024;

/// At most so many requests are taken from the channel in one turn.
const TURN: usize = 256;

/// How often an idle connection is asked whether it is alive.
const PING: Duration = Duration::from_secs(1);

/// The pause before a second attempt to connect, and the longest that it grows to. A connection
/// that did not last as long as the longest has proved nothing: a server may let us in and then
/// turn away every request, as a replica does.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How an owner behaves.
#[derive(Clone, Copy, Debug)]
pub struct OwnerConfig {
    /// A connection on which nothing has been answered for this long is dead; one that answers
    /// others is busy.
    pub patience: Duration,
    /// For the jitter of the pauses between attempts to connect.
    pub seed: u64,
}

/// Serves requests until the last handle is gone.
///
/// The first attempt to connect begins at once; requests wait for its end. In a later outage they
/// are refused without a wait.
pub async fn serve(home: impl Home, config: OwnerConfig, mut owner: StoreOwner) {
    let mut jitter = SmallRng::seed_from_u64(config.seed);
    let mut pause = FIRST_PAUSE;
    let clock = Clock::start();
    // Nobody knows yet that the store is away, so the first attempt may keep requests waiting.
    let mut attempt = home.connect().await;
    loop {
        let trouble = match attempt {
            Ok((connection, notices)) => {
                let since = clock.now();
                owner.link.send_replace(Link::Up);
                // What rang while nobody listened.
                _ = owner.notices.send(Notice::Queued);
                let session = Session::new(config, &home, connection);
                let Some(trouble) = session.run(&mut owner, notices).await else {
                    return;
                };
                if clock.now().since(since) >= LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                trouble
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
            home.connect().await
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
            // A flood of requests must not keep the connection back.
            biased;
            output = &mut next => return Some(output),
            request = owner.requests.recv() => {
                _ = request?.answer.send(Err(StoreAway(reason.to_owned())));
            }
        }
    }
}

/// What a future in flight came to.
enum Landed<T> {
    Answer(u64, Result<Reply, Unanswered<T>>),
    Ping(Result<(), Unanswered<T>>),
}

/// The life of one connection.
struct Session<'a, H: Home> {
    config: OwnerConfig,
    home: &'a H,
    connection: H::Connection,
    flights: FuturesUnordered<BoxFuture<'static, Landed<TroubleOf<H>>>>,
    waiting: BTreeMap<u64, Askers>,
    next_flight: u64,
    pinging: bool,
    clock: Clock,
    /// When the last answer came.
    heard_at: Instant,
}

impl<'a, H: Home> Session<'a, H> {
    fn new(config: OwnerConfig, home: &'a H, connection: H::Connection) -> Session<'a, H> {
        let clock = Clock::start();
        Session {
            config,
            home,
            connection,
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
    async fn run(mut self, owner: &mut StoreOwner, notices: H::Notices) -> Option<TroubleOf<H>> {
        let trouble = self.exchange(owner, notices).await;
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
        mut notices: H::Notices,
    ) -> Option<TroubleOf<H>> {
        let mut requests = Vec::with_capacity(TURN);
        let mut open = true;
        let mut alarm = interval(PING);
        alarm.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while open || !self.waiting.is_empty() {
            tokio::select! {
                // The seldom before the frequent, and answers before what asks for more of them.
                biased;
                _ = alarm.tick() => self.ping(),
                notice = notices.next() => match notice {
                    // Nobody listening is no error.
                    Some(notice) => _ = owner.notices.send(notice),
                    None => return Some(self.home.closed()),
                },
                Some(landed) = self.flights.next() => {
                    if let Some(trouble) = self.land(landed) {
                        return Some(trouble);
                    }
                }
                count = owner.requests.recv_many(&mut requests, TURN),
                    if open && self.flights.len() < IN_FLIGHT =>
                {
                    open = count > 0;
                    self.depart(requests.drain(..));
                }
            }
        }
        None
    }

    fn depart(&mut self, requests: impl Iterator<Item = Request>) {
        for work in coalesce(requests) {
            let flight = self.next_flight;
            self.next_flight += 1;
            self.waiting.insert(flight, work.askers);
            let answer = self.connection.clone().ask(work.op);
            self.flights.push(
                answer
                    .map(move |result| Landed::Answer(flight, result))
                    .boxed(),
            );
        }
    }

    /// Hands out an answer. An error that is the connection's ends the session.
    fn land(&mut self, landed: Landed<TroubleOf<H>>) -> Option<TroubleOf<H>> {
        match landed {
            Landed::Ping(result) => {
                self.pinging = false;
                match self.hear(result) {
                    Err(Unanswered::Lost(trouble)) => Some(trouble),
                    Ok(()) | Err(Unanswered::Refused(_) | Unanswered::Late(_)) => None,
                }
            }
            Landed::Answer(flight, result) => {
                let answer = match self.hear(result) {
                    Ok(reply) => Ok(reply),
                    // Its askers still wait, and are told with all others.
                    Err(Unanswered::Lost(trouble)) => return Some(trouble),
                    Err(Unanswered::Refused(trouble) | Unanswered::Late(trouble)) => {
                        Err(StoreAway(trouble.to_string()))
                    }
                };
                if let Some(askers) = self.waiting.remove(&flight) {
                    askers.answer(answer);
                }
                None
            }
        }
    }

    /// Takes in what an answer, or its lack, says about the connection.
    ///
    /// Silence about one request while others are being answered means that large results are on
    /// their way. Without this, a connection that is merely busy would be thrown away, and the
    /// same requests would make the next one busy.
    fn hear<T>(
        &mut self,
        result: Result<T, Unanswered<TroubleOf<H>>>,
    ) -> Result<T, Unanswered<TroubleOf<H>>> {
        let now = self.clock.now();
        match result {
            Ok(answer) => {
                self.heard_at = now;
                Ok(answer)
            }
            Err(Unanswered::Late(trouble)) if now.since(self.heard_at) >= self.config.patience => {
                Err(Unanswered::Lost(trouble))
            }
            Err(unanswered) => Err(unanswered),
        }
    }

    /// Asks whether the connection lives, so that silence is noticed without requests.
    fn ping(&mut self) {
        if !std::mem::replace(&mut self.pinging, true) {
            let answer = self.connection.clone().ping();
            self.flights.push(answer.map(Landed::Ping).boxed());
        }
    }
}
