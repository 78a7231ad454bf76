//! The push dispatcher is held to the stall rule, whatever the numbers.

use std::collections::BTreeSet;

use super::*;
use crate::seed_model::stall_rule::Stage;
use crate::seed_model::{DispatcherConfig, IDLE_NAP, PushDispatcher};

/// How many tasks a real dispatcher gives to the dead: results come back between two batches.
fn stuck(stage: &Stage) -> usize {
    let config = DispatcherConfig {
        timeout: seconds(10),
        ..DispatcherConfig::default()
    };
    let mut bench = Bench::start(PushDispatcher::new(Instant::ZERO, config));
    for number in 0..stage.dead {
        bench.hear(&format!("dead {number}"), &Says::Register);
    }
    for number in 0..stage.live {
        bench.hear(&format!("live {number}"), &Says::Register);
    }
    bench.run(millis(500));
    let tasks: Vec<TaskId> = (0..(stage.live * stage.tasks_per_worker) as u128)
        .map(TaskId)
        .collect();
    let mut waiting = BTreeSet::new();
    for batch in tasks.chunks(stage.batch) {
        for task in batch {
            bench.submit(*task);
        }
        bench.run(IDLE_NAP);
        for (worker, task) in bench.tasks_sent() {
            if worker.starts_with("live") {
                bench.hear(&worker, &completed(task, ""));
            } else {
                waiting.insert(task);
            }
        }
        bench.settle();
    }
    waiting.len()
}

#[test]
fn the_dispatcher_keeps_to_the_rule() {
    for dead in 0..5 {
        for live in 1..9 {
            for batch in [1, 2, 5, 7] {
                let stage = Stage {
                    batch,
                    timeout: seconds(60),
                    ..Stage::new(dead, live)
                };
                assert_eq!(stuck(&stage), stage.stuck(), "{stage:?}");
            }
        }
    }
}
