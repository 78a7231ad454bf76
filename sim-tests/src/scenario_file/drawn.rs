//! Scenarios drawn at random: all that a file can say.

use std::time::Duration;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::time::Instant;
use mpcsfaas_core::wire::message::Flow;
use mpcsfaas_transport_sim::place::Place;
use mpcsfaas_transport_sim::plan::{
    Bend, FOR_GOOD, Fault, Occasion, Plan, Shape, Submit, Trouble, Twist, WorkerShape,
};
use proptest::prelude::*;

use super::{Expect, PROMISES, Scenario, words};

fn any_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..30_u64).prop_map(Duration::from_secs),
        (0..30_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        (any::<u64>(), 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        Just(FOR_GOOD),
    ]
}

fn any_at() -> impl Strategy<Value = Instant> {
    prop_oneof![
        (0..30_000_000_u64).prop_map(|micros| Instant::from_nanos(micros * 1_000)),
        any::<u64>().prop_map(Instant::from_nanos)
    ]
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let starts = || prop_oneof![Just(Instant::ZERO), any_at()];
    let worker = (starts(), 1..4_u32);
    let worker = worker.prop_map(|(starts, processes)| WorkerShape { starts, processes });
    let dispatchers = prop::collection::vec(starts(), 1..4);
    let workers = prop::collection::vec(worker, 1..5);
    let flow = prop_oneof![Just(Flow::Push), Just(Flow::Pull)];
    let limits = (any::<u64>(), 1..=u32::MAX);
    let numbers = (any::<u64>(), limits, any_time(), any_time());
    (dispatchers, workers, flow, numbers).prop_map(
        |(dispatchers, workers, flow, (salt, limits, latency, timeout))| Shape {
            salt,
            dispatchers,
            workers,
            flow,
            latency,
            queue_limit: limits.0,
            claim_limit: limits.1,
            timeout,
        },
    )
}

/// Rows of submits, some of them alike and evenly spaced.
fn any_submits() -> impl Strategy<Value = Vec<Submit>> {
    let ends = prop::sample::select(words::ENDINGS.map(|(_, ending)| ending).to_vec());
    let traits = (
        any_time(),
        ends,
        prop::option::of(any_time()),
        any::<bool>(),
    );
    let row = (any_at(), any_time(), 1..6_u32, any::<u32>(), traits);
    prop::collection::vec(row, 0..6).prop_map(|rows| {
        let mut submits = Vec::new();
        for (place, (at, every, count, name, (runs, ends, timeout, at_most_once))) in
            rows.into_iter().enumerate()
        {
            let high = if name % 2 == 0 {
                0
            } else {
                u128::from(name) << 96
            };
            submits.extend((0..count).map(|number| Submit {
                at: at + every.saturating_mul(number),
                task: TaskId(high + place as u128 * 10 + u128::from(number)),
                runs,
                ends,
                timeout,
                at_most_once,
            }));
        }
        submits
    })
}

fn any_fault(dispatchers: usize, workers: usize, tasks: usize) -> impl Strategy<Value = Fault> {
    let worker = (0..workers).prop_map(Place::Worker);
    let dispatcher = (0..dispatchers).prop_map(Place::Dispatcher);
    let process = prop_oneof![worker.clone(), dispatcher.clone()].boxed();
    let node = prop_oneof![process.clone(), Just(Place::Store), Just(Place::Client)].boxed();
    let way = prop::sample::select(words::WAYS.map(|(_, way)| way).to_vec());
    let partition = (0..dispatchers, way, any_time())
        .prop_map(|(from, way, time)| Trouble::Partition { from, way, time });
    let of_worker = prop_oneof![
        Just(Trouble::Cut),
        Just(Trouble::Impostor),
        any_time().prop_map(Trouble::Clog),
        partition
    ];
    let of_dispatcher = prop_oneof![Just(Trouble::Junk), any_time().prop_map(Trouble::StoreCut)];
    let of_any = prop_oneof![
        any_time().prop_map(Trouble::Pause),
        any_time().prop_map(Trouble::Crash),
        (any_time(), any_time()).prop_map(|(by, time)| Trouble::Slow { by, time }),
        any::<i32>().prop_map(Trouble::ClockDrift),
        (0..=i64::MAX).prop_map(|millis| Trouble::ClockJump { millis }),
    ];
    let back = (i64::MIN..0).prop_map(|millis| Trouble::ClockJump { millis });
    let mut faults = vec![
        (worker.boxed(), of_worker.boxed()),
        (dispatcher.boxed(), of_dispatcher.boxed()),
        (process, any_time().prop_map(Trouble::Leave).boxed()),
        (Just(Place::Store).boxed(), back.boxed()),
        (node.clone(), of_any.boxed()),
    ];
    if tasks > 0 {
        faults.push((node, (0..tasks).prop_map(Trouble::Cancel).boxed()));
    }
    (any_at(), proptest::strategy::Union::new(faults)).prop_map(|(at, (node, what))| Fault {
        at,
        node,
        what,
    })
}

fn any_twist(dispatchers: usize, workers: usize) -> impl Strategy<Value = Twist> {
    let usual = prop_oneof![
        any_time().prop_map(Bend::Late),
        any_time().prop_map(Bend::Twice),
        Just(Bend::Lost)
    ]
    .boxed();
    let both = move |on: BoxedStrategy<Occasion>, bend: BoxedStrategy<Bend>| {
        (on, prop_oneof![usual.clone(), bend])
    };
    let plain = prop_oneof![
        (0..workers).prop_map(Occasion::Up),
        (0..workers).prop_map(Occasion::Down),
        (0..dispatchers).prop_map(Occasion::Request),
        (0..dispatchers).prop_map(Occasion::Reply),
        (0..dispatchers).prop_map(Occasion::Doorbell),
        Just(Occasion::Answer),
    ];
    let end = prop_oneof![
        (0..workers).prop_map(Occasion::EndUp),
        (0..workers).prop_map(Occasion::EndDown)
    ];
    let waking = prop_oneof![
        (0..workers).prop_map(Place::Worker),
        (0..dispatchers).prop_map(Place::Dispatcher),
        Just(Place::Store)
    ];
    let twists = prop_oneof![
        both(plain.boxed(), Just(Bend::Lost).boxed()),
        both(
            (0..workers).prop_map(Occasion::Dial).boxed(),
            (0..dispatchers).prop_map(Bend::To).boxed()
        ),
        both(end.boxed(), Just(Bend::Swallowed).boxed()),
        both(
            waking.prop_map(Occasion::Waking).boxed(),
            Just(Bend::TimerFirst).boxed()
        ),
        both(
            (0..workers).prop_map(Occasion::Spawn).boxed(),
            Just(Bend::Fails).boxed()
        ),
    ];
    (any_at(), prop_oneof![Just(0), any::<u32>()], twists).prop_map(|(at, nth, (on, bend))| Twist {
        at,
        nth,
        on,
        bend,
    })
}

pub(super) fn any_scenario() -> impl Strategy<Value = Scenario> {
    let expect = prop::sample::select(PROMISES.to_vec());
    let expect = prop_oneof![
        Just(Expect::Keeps),
        expect.prop_map(|(promise, _)| Expect::Breaks(promise))
    ];
    let parts = (any_shape(), any_submits()).prop_flat_map(|(shape, submits)| {
        let (dispatchers, workers) = (shape.dispatchers.len(), shape.workers.len());
        let faults = any_fault(dispatchers, workers, submits.len());
        let twists = any_twist(dispatchers, workers);
        let faults = prop::collection::vec(faults, 0..8);
        let twists = prop::collection::vec(twists, 0..8);
        (Just(shape), Just(submits), faults, twists)
    });
    (any::<String>(), parts, any_at(), expect).prop_map(
        |(name, (shape, submits, faults, twists), heal_at, expect)| Scenario {
            name,
            plan: Plan {
                shape,
                submits,
                faults,
                twists,
                heal_at,
            },
            expect,
        },
    )
}
