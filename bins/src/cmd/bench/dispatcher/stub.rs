//! Stub workers: they speak the protocol, and have no Python. They share a thread, which is not
//! the one that is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::{Session, WorkerId};
use mpcsfaas_core::task::{Outcome, Versions};
use mpcsfaas_core::timing::Timing;
use mpcsfaas_core::wire::message::{
    Finished, Flow, FromDispatcher, FromWorker, Hello, ToDispatcher, ToWorker, UNNUMBERED,
};
use mpcsfaas_core::wire::native;
use mpcsfaas_transport_real::zmq::socket::{Endpoint, Event, Socket};
use mpcsfaas_transport_real::zmq::tcp::Address;
use tokio::sync::Notify;
use tokio::time::{Interval, interval};

use super::hub::Traffic;

const SESSION: Session = 1;

/// What all stub workers together have seen, from the hub's point of view.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Results that were acknowledged, or answers of an echo that came back.
    done: AtomicU64,
    /// Wakes whoever waits for `done`.
    more: Notify,
}

impl Tally {
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            messages_in: self.messages_in.load(Ordering::Relaxed),
            messages_out: self.messages_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    pub(super) fn said(&self, bytes: usize) {
        self.messages_in.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn heard(&self, bytes: usize) {
        self.messages_out.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn done(&self, count: usize) {
        self.done.fetch_add(count as u64, Ordering::Relaxed);
        self.more.notify_one();
    }

    /// Waits until so much is done. Says whether it was, or nothing happened for so long.
    pub(super) async fn reaches(&self, count: u64, patience: Duration) -> bool {
        while self.done.load(Ordering::Relaxed) < count {
            let more = tokio::time::timeout(patience, self.more.notified());
            if more.await.is_err() {
                return false;
            }
        }
        true
    }
}

/// A stub worker.
#[derive(Clone, Debug)]
pub(super) struct Stub {
    pub(super) id: WorkerId,
    pub(super) credit: u32,
    /// What each task results in.
    pub(super) result: Bytes,
    pub(super) tally: Arc<Tally>,
}

impl Stub {
    /// Works until the dispatcher is gone.
    ///
    /// # Errors
    /// There is no connection.
    pub(super) async fn work(self, endpoint: Address) -> Result<(), String> {
        let identity = format!("{}.{SESSION}.0", self.id);
        let connected = endpoint.connect(&identity).await;
        let socket = connected.map_err(|error| error.to_string())?;
        let mut session = Talk {
            stub: self,
            socket,
            sent: 0,
            beat: interval(Timing::default().beat),
        };
        // Whatever ends it, the hub is the one that is asked.
        let _ = session.run().await;
        Ok(())
    }
}

/// Its only session.
struct Talk<S> {
    stub: Stub,
    socket: S,
    sent: u64,
    beat: Interval,
}

impl<S: Socket> Talk<S> {
    async fn run(&mut self) -> Result<(), S::Error> {
        let hello = Hello {
            flow: Flow::Push,
            processes: 1,
            credit: self.stub.credit,
            versions: Versions::default(),
            running: Vec::new(),
            finished: Vec::new(),
            draining: false,
        };
        self.say(ToDispatcher::Hello(hello)).await?;
        loop {
            tokio::select! {
                event = self.socket.next() => match event? {
                    Event::Received(frames) => {
                        let body = frames.first().map_or(&[][..], |body| body);
                        self.stub.tally.heard(body.len());
                        if let Ok(message) = native::decode(body) {
                            self.hear(message).await?;
                        }
                    }
                    Event::PeerClosed(_) | Event::Closed => return Ok(()),
                },
                _ = self.beat.tick() => {
                    let (last, credit) = (self.sent, self.stub.credit);
                    self.send(UNNUMBERED, ToDispatcher::Beat { last, credit }).await?;
                }
            }
        }
    }

    async fn hear(&mut self, message: FromDispatcher) -> Result<(), S::Error> {
        match message.body {
            ToWorker::Run(runs) => {
                let finished = |run: mpcsfaas_core::wire::message::Run| Finished {
                    task: run.task,
                    outcome: Outcome::completed(self.stub.result.clone()),
                };
                let results = runs.into_iter().map(finished).collect();
                self.say(ToDispatcher::Finished(results)).await
            }
            ToWorker::Ack(tasks) => {
                self.stub.tally.done(tasks.len());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn say(&mut self, body: ToDispatcher) -> Result<(), S::Error> {
        self.sent += 1;
        self.send(self.sent, body).await
    }

    async fn send(&mut self, number: u64, body: ToDispatcher) -> Result<(), S::Error> {
        let message = FromWorker {
            worker: self.stub.id,
            session: SESSION,
            number,
            body,
        };
        let bytes = native::encode(&message);
        self.stub.tally.said(bytes.len());
        self.socket.send(vec![bytes.into()]).await
    }
}
