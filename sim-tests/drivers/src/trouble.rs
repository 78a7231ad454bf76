//! What goes wrong at a time.

use std::time::Duration;

use bytes::Bytes;
use mpcsfaas_core::id::{Session, WorkerId, WorkerKey};
use mpcsfaas_core::store::Op;
use mpcsfaas_core::task::Outcome;
use mpcsfaas_core::wire::message::{Finished, FromWorker, TaskRef, ToDispatcher};
use mpcsfaas_core::wire::native;
use mpcsfaas_transport_sim::history::What;
use mpcsfaas_transport_sim::plan::{Fault, Trouble, Way};
use mpcsfaas_transport_sim::rng::Stream;
use mpcsfaas_transport_sim::{Place, result_of};
use tokio::time::sleep;

use crate::client::sleep_until;
use crate::line;
use crate::world::World;

/// How long a stranger stays.
const STAYS: Duration = Duration::from_secs(1);

/// Lets everything go wrong that the plan says, and heals it.
pub(crate) async fn strike_all(world: World) {
    let mut coins = Stream::new(world.plan.shape.salt, "coins");
    for fault in &world.plan.faults {
        sleep_until(&world, fault.at).await;
        if fault.at < world.plan.heal_at {
            strike(&world, fault, &mut coins);
        }
    }
    sleep_until(&world, world.plan.heal_at).await;
    world.heal();
}

fn strike(world: &World, fault: &Fault, coins: &mut Stream) {
    let node = fault.node;
    world.watch.see(What::Struck(fault.clone()));
    match fault.what {
        Trouble::Cut => {
            for dispatcher in dispatchers(world) {
                world.gates.cut(node, dispatcher);
            }
        }
        Trouble::Clog(time) => {
            let links = dispatchers(world)
                .flat_map(|there| [(node, there), (there, node)])
                .collect();
            shut(world, node, links, time);
        }
        Trouble::Partition { from, way, time } => {
            let there = Place::Dispatcher(from);
            let links = match way {
                Way::Both => vec![(node, there), (there, node)],
                Way::Up => vec![(node, there)],
                Way::Down => vec![(there, node)],
            };
            shut(world, node, links, time);
        }
        Trouble::StoreCut(time) => {
            lose_the_store(world, node, time, coins);
        }
        Trouble::Pause(time) => {
            world.pause(node);
            let after = world.clone();
            world.outside(async move {
                sleep(time).await;
                after.resume(node);
            });
        }
        Trouble::Crash(time) => world.crash(node, time),
        Trouble::Leave(time) => world.ask_to_leave(node, time),
        Trouble::Cancel(place) => cancel(world, place),
        Trouble::Junk => stranger(world, node, Bytes::from_static(b"\xffjunk")),
        Trouble::Impostor => impostor(world, node),
        // No clock of a node can be moved here, and no node made slow.
        Trouble::Slow { .. } | Trouble::ClockDrift(_) | Trouble::ClockJump { .. } => {}
    }
}

fn dispatchers(world: &World) -> impl Iterator<Item = Place> + use<> {
    (0..world.plan.shape.dispatchers.len()).map(Place::Dispatcher)
}

fn shut(world: &World, node: Place, links: Vec<(Place, Place)>, time: Duration) {
    for (from, to) in links.iter().copied() {
        world.gates.shut(from, to);
    }
    let after = world.clone();
    world.outside(async move {
        sleep(time).await;
        for (from, to) in links {
            after.gates.open(from, to);
        }
        after.watch.see(What::Over { node });
    });
}

/// Either a dispatcher is told at once, or it hears nothing of the store any more, or it may connect
/// and no more than that, as to a replica that takes no writes.
fn lose_the_store(world: &World, node: Place, time: Duration, coins: &mut Stream) {
    let links = vec![(node, Place::Store), (Place::Store, node)];
    match coins.below(3) {
        0 => {
            world.gates.cut(node, Place::Store);
            shut(world, node, links, time);
        }
        1 => shut(world, node, links, time),
        _ => {
            world.gates.turn_away(node);
            let after = world.clone();
            world.outside(async move {
                sleep(time).await;
                after.gates.let_in(node);
                after.watch.see(What::Over { node });
            });
        }
    }
}

fn cancel(world: &World, place: usize) {
    let submit = world.plan.submits.get(place);
    if let (Some(submit), Some(handle)) = (submit, world.client.handle()) {
        let task = submit.task;
        world.outside(async move {
            // It may be away: then the user has not cancelled.
            let _ = handle.call(Op::Cancel { task }).await;
        });
    }
}

/// Somebody whom nobody knows connects to a dispatcher and says something.
fn stranger(world: &World, dispatcher: Place, body: Bytes) {
    let world_of_it = world.clone();
    world.on_the_clients_machine(async move {
        let Ok(mut line) = line::connect_once(&world_of_it, Place::Client, dispatcher).await else {
            return;
        };
        let _ = line
            .sender
            .send(&vec![Bytes::from_static(b"stranger")])
            .await;
        let _ = line.receiver.next().await;
        let _ = line.sender.send(&vec![body]).await;
        sleep(STAYS).await;
    });
}

/// Somebody says, in a worker's name and in a session long over, that what it runs has ended.
fn impostor(world: &World, node: Place) {
    let Some((WorkerKey::Native(worker), state)) = world.watch.worker(node) else {
        return;
    };
    let body = lie(
        worker,
        state.session.saturating_sub(1),
        world.watch.running_at(node),
    );
    for dispatcher in dispatchers(world) {
        stranger(world, dispatcher, body.clone());
    }
}

fn lie(worker: WorkerId, session: Session, running: Vec<TaskRef>) -> Bytes {
    let lies = running.into_iter().map(|task| Finished {
        task,
        outcome: Outcome::completed(result_of(TaskRef {
            task: task.task,
            attempt: task.attempt.wrapping_add(1),
        })),
    });
    let message = FromWorker {
        worker,
        session,
        number: 2,
        body: ToDispatcher::Finished(lies.collect()),
    };
    native::encode(&message).into()
}
