//! Is the model of ZMQ true? Scripts, played on the model and on what it models: the `zeromq` crate
//! and libzmq, over loopback. What they show is `docs/ZMQ.md`, which is held to it.
//!
//! ```text
//!                      ┌─▶ crate_sockets: the crate, owned as our drivers own it ─┐
//!   scripts ──▶ script ┼─▶ python: libzmq, in a process that `peers.py` is        ├─▶ words ──▶ page
//!                      └─▶ model: the simulation's sockets                        ┘
//! ```

mod crate_sockets;
mod differences;
mod model;
mod page;
mod python;
mod script;
mod scripts;
mod sockets;
mod words;

use futures_util::future::join_all;
use mpcsfaas_transport_sim::zmq::Flavor;

use self::crate_sockets::ZeromqCrate;
use self::model::Model;
use self::page::{Outcome, Row};
use self::python::Libzmq;
use self::script::Script;
use self::sockets::Mixed;

/// Whose ROUTER, and whose peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pairing {
    /// The crate's and the crate's: our dispatcher and our workers.
    Ours,
    /// The crate's and libzmq's: our dispatcher and the original's workers.
    Mixed,
    /// libzmq's and libzmq's: the original.
    Libzmq,
}

impl Pairing {
    const ALL: [Pairing; 3] = [Pairing::Ours, Pairing::Mixed, Pairing::Libzmq];

    async fn play(self, script: &Script) -> Outcome {
        let real = match self {
            Pairing::Ours => script.play(&mut ZeromqCrate::default()).await,
            Pairing::Mixed => {
                let (router, peers) = (ZeromqCrate::default(), Libzmq::start().await);
                script.play(&mut Mixed { router, peers }).await
            }
            Pairing::Libzmq => script.play(&mut Libzmq::start().await).await,
        };
        let (router, peers) = match self {
            Pairing::Ours => (Flavor::ZeromqCrate, Flavor::ZeromqCrate),
            Pairing::Mixed => (Flavor::ZeromqCrate, Flavor::Libzmq),
            Pairing::Libzmq => (Flavor::Libzmq, Flavor::Libzmq),
        };
        let model = script.play(&mut Model::new(router, peers)).await;
        Outcome { real, model }
    }
}

/// Plays a family of scripts on each pairing that has them; their table is that of the page, and
/// the model is what it models, but where that is known.
async fn holds(family: &str, scripts: Vec<Script>) {
    let mut rows = Vec::new();
    for script in scripts {
        let pairings = Pairing::ALL.into_iter().filter(|one| script.is_for(*one));
        let play = async |pairing: Pairing| (pairing, pairing.play(&script).await);
        let outcomes = join_all(pairings.map(play)).await;
        rows.push(Row { script, outcomes });
    }
    let table = page::table(&rows);
    page::hold(family, &table);
    for row in &rows {
        for (pairing, Outcome { real, model }) in &row.outcomes {
            let name = row.script.name;
            assert_eq!(
                real != model,
                differences::is_known(name, *pairing),
                "{name} on {pairing:?}\nthe libraries: {real}\nthe model: {model}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages() {
    holds("messages", scripts::messages()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers() {
    holds("peers", scripts::peers()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identities() {
    holds("identities", scripts::identities()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues() {
    holds("queues", scripts::queues()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends() {
    holds("ends", scripts::ends()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reqs() {
    holds("reqs", scripts::reqs()).await;
}
