//! Our processes, put together from the drivers as `bins` puts them together.

use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::dispatcher::{self, Dispatcher};
use mpcsfaas_core::id::{Incarnation, WorkerId};
use mpcsfaas_core::store::op::Mode;
use mpcsfaas_core::timing::{PAYLOAD_LIMIT, Timing};
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_core::worker::{self, Worker};
use mpcsfaas_transport_real::clock::Clock;
use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use mpcsfaas_transport_real::python::{CacheLimit, Limits, Slots};
use mpcsfaas_transport_real::store::owner::{self, OwnerConfig};
use mpcsfaas_transport_real::store::{self, StoreHandle};
use mpcsfaas_transport_real::zmq::dealer::DealerDial;
use mpcsfaas_transport_real::zmq::router;
use mpcsfaas_transport_real::{dispatch, work};
use mpcsfaas_transport_sim::Place;
use mpcsfaas_transport_sim::chain::Chain;
use mpcsfaas_transport_sim::history::What;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{Notify, mpsc};

use crate::bugs::Bug;
use crate::bugs::cancelled_write::MixedUpHome;
use crate::bugs::deaf_after_blip::deaf;
use crate::bugs::lost_wakeup::drowsy;
use crate::bugs::reconnect_storm::Hammering;
use crate::children::ScriptedLauncher;
use crate::client;
use crate::home::{self, PATIENCE, SimHome};
use crate::sockets::{SimEndpoint, SimRouter, SocketError};
use crate::watched::Watched;
use crate::world::World;

/// How soon a port is tried again that the dead process still has.
const AGAIN: Duration = Duration::from_millis(10);

/// What bounds a child: one function is all there is, so that it is never forgotten.
const LIMITS: Limits = Limits {
    max_result: PAYLOAD_LIMIT,
    capture: 64 << 10,
    cache: CacheLimit {
        functions: 1,
        bytes: 1 << 20,
    },
    start: Duration::from_secs(60),
};

/// The life of a process at a place.
pub(crate) async fn live(world: World, place: Place) {
    match place {
        Place::Client => client::live(world).await,
        Place::Store => {
            world.watch.see(What::Over { node: place });
            while let Err(error) = home::serve(world.clone()).await {
                tracing::debug!(%error, "the store cannot listen yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
        Place::Dispatcher(_) => dispatch(world, place).await,
        Place::Worker(index) => work(world, index).await,
    }
}

/// A way to the store, with its owner on this node.
pub(crate) fn open_store(world: &World, here: Place, seed: u64) -> StoreHandle {
    let (handle, served) = store::channel();
    let home = SimHome {
        world: world.clone(),
        here,
    };
    let config = OwnerConfig {
        patience: PATIENCE,
        seed,
    };
    match world.bug {
        Some(Bug::CancelledWrite) => {
            tokio::spawn(owner::serve(MixedUpHome(home), config, served));
            handle
        }
        Some(Bug::DeafAfterBlip) => {
            tokio::spawn(owner::serve(home, config, served));
            deaf(handle)
        }
        Some(Bug::LostWakeup | Bug::ReconnectStorm) | None => {
            tokio::spawn(owner::serve(home, config, served));
            handle
        }
    }
}

async fn dispatch(world: World, place: Place) {
    let (life, drain) = world.life(place);
    let salt = world.plan.shape.salt;
    world.watch.see(What::Arrived(place));
    let boot = Chain::of(&(salt, place, life));
    let mode = match world.plan.shape.flow {
        Flow::Push => Mode::Push,
        Flow::Pull => Mode::Pull,
    };
    let mut config = dispatcher::Config::new(Incarnation { boot, epoch: 0 }, mode);
    config.timing = timing(&world);
    config.claim_limit = world.plan.shape.claim_limit;
    let handle = open_store(&world, place, Chain::of(&(salt, place, life, "jitter")));
    let (inputs_in, mut inputs) = mpsc::channel(INPUT_BACKLOG);
    if world.bug == Some(Bug::LostWakeup) {
        inputs = drowsy(inputs);
    }
    let socket = bind(&world, place).await;
    let router = router::own(socket, (), place.to_string(), inputs_in.clone());
    tokio::spawn(ask_to_leave(
        drain,
        inputs_in.clone(),
        dispatcher::Input::DrainRequested,
    ));
    let clock = Clock::start();
    let machine = Dispatcher::new(config, clock.now());
    let machine = Watched::dispatcher(machine, place, world.watch.clone());
    dispatch::run(machine, clock, handle, (inputs_in, inputs), router.outgoing).await;
    world.left(place);
}

async fn bind(world: &World, place: Place) -> SimRouter {
    loop {
        match SimRouter::bind(world, place).await {
            Ok(socket) => return socket,
            Err(SocketError::Io(_) | SocketError::NoPeer | SocketError::Unreached) => {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn work(world: World, index: usize) {
    let place = Place::Worker(index);
    let (life, drain) = world.life(place);
    let salt = world.plan.shape.salt;
    world.watch.see(What::Arrived(place));
    let id = WorkerId(Chain::of(&(salt, place, life)));
    let seed = Chain::of(&(salt, place, life, "jitter"));
    let processes = world.plan.shape.workers[index].processes;
    let mut config = worker::Config::new(id, processes, world.plan.shape.flow, seed);
    config.timing = timing(&world);
    let endpoint = SimEndpoint {
        world: world.clone(),
        worker: index,
    };
    let (inputs_in, inputs) = mpsc::channel(INPUT_BACKLOG);
    let (facts_in, facts) = mpsc::channel(INPUT_BACKLOG);
    let launchers = (0..processes).map(|slot| ScriptedLauncher::new(&world, place, slot));
    let mut slots = Slots::start(launchers, LIMITS, &facts_in);
    tokio::spawn(ask_to_leave(
        drain,
        inputs_in.clone(),
        worker::Input::DrainRequested,
    ));
    let clock = Clock::start();
    let machine = Worker::new(config, clock.now());
    let machine = Watched::worker(machine, place, processes, world.watch.clone());
    let children = (|order| slots.obey(order), facts);
    let inputs = (inputs_in, inputs);
    let names = StdRng::seed_from_u64(seed);
    if world.bug == Some(Bug::ReconnectStorm) {
        let dial = DealerDial::new(id, Hammering(endpoint), names);
        work::run(machine, clock, children, dial, inputs).await;
    } else {
        let dial = DealerDial::new(id, endpoint, names);
        work::run(machine, clock, children, dial, inputs).await;
    }
    world.left(place);
}

fn timing(world: &World) -> Timing {
    Timing {
        timeout: world.plan.shape.timeout,
        ..Timing::default()
    }
}

async fn ask_to_leave<I>(drain: Arc<Notify>, inputs: mpsc::Sender<I>, asked: I) {
    drain.notified().await;
    let _ = inputs.send(asked).await;
}
