//! The open loop against a fake gateway.

use super::*;
use crate::load::Verdict;
use crate::load::fake_gateway::{Behaviour, End, FakeGateway};

fn pace(rate: f64, tasks: u64) -> Pace {
    Pace {
        rate,
        tasks,
        batch: None,
    }
}

fn batches(rate: f64, tasks: u64, batch: u64) -> Pace {
    Pace {
        batch: Some(batch),
        ..pace(rate, tasks)
    }
}

#[tokio::test]
async fn every_task_is_submitted_when_it_is_due_and_measured() {
    let fake = FakeGateway::start(Behaviour::default()).await;
    let report = open_loop(fake.config(4), pace(1_000.0, 200)).await.unwrap();
    let figures = &report.figures;
    assert_eq!((figures.completed, figures.failed()), (200, 0));
    assert_eq!(fake.submitted(), 200);
    let counts = [&figures.latency, &figures.service, &report.own_lateness].map(Times::count);
    assert_eq!(counts, [200; 3]);
    // The last one was due after 199 ms, and nothing ends before it is due.
    assert!(report.seconds >= 0.199, "{}", report.seconds);
    assert!(report.tasks_per_second() <= 1_006.0);
    assert!(figures.service.ms(1.0) <= figures.latency.ms(1.0));
    assert!(report.processor_seconds > 0.0);
}

/// The trap of every load generator: while the server stands still, a closed loop submits nothing,
/// and so only as many tasks as there are connections see the stall.
#[tokio::test]
async fn a_stall_shows_in_all_tasks_that_were_due_meanwhile() {
    const STALL: Duration = Duration::from_millis(200);
    let fake = FakeGateway::start(Behaviour {
        stall: Some((100, STALL)),
        ..Behaviour::default()
    })
    .await;
    let report = open_loop(fake.config(4), pace(1_000.0, 400)).await.unwrap();
    assert_eq!(report.figures.completed, 400);
    // A quarter of all tasks was due in the first half of the stall, and got nothing before its end.
    let half = STALL.as_secs_f64() * 1e3 / 2.0;
    let latency = &report.figures.latency;
    assert!(latency.ms(0.76) >= half, "p76 is {} ms", latency.ms(0.76));
    assert!(latency.ms(1.0) >= 1.9 * half);
    // They had no connection, and were not blamed on the generator alone.
    assert!(report.submissions_that_waited >= 90);
    assert!(report.waited.ms(0.8) > half / 4.0);
    assert_ne!(Verdict::of(&report), Verdict::Platform);
}

#[tokio::test]
async fn what_goes_wrong_is_counted_by_kind_and_does_not_end_the_run() {
    let fake = FakeGateway::start(Behaviour {
        end: |number| match number % 5 {
            0 => End::Right,
            1 => End::Wrong,
            2 => End::Failed,
            3 => End::Refused,
            _ => End::HangUp,
        },
        ..Behaviour::default()
    })
    .await;
    let report = open_loop(fake.config(3), pace(2_000.0, 100)).await.unwrap();
    let figures = &report.figures;
    assert_eq!((figures.completed, figures.failed()), (20, 80));
    let errors: Vec<(String, u64)> = figures
        .errors
        .iter()
        .map(|(trouble, count)| (trouble.to_string(), *count))
        .collect();
    let expected = ["connection_broken", "refused_429", "failed", "wrong_result"];
    assert_eq!(errors, expected.map(|kind| (kind.to_owned(), 20)));
    assert_eq!(figures.latency.count(), 20);
}

#[tokio::test]
async fn tasks_that_never_end_are_given_up_and_keep_their_age() {
    let fake = FakeGateway::start(Behaviour {
        end: |number| if number == 0 { End::Never } else { End::Right },
        ..Behaviour::default()
    })
    .await;
    let patience = Duration::from_millis(150);
    let config = Config {
        patience,
        ..fake.config(1)
    };
    // There is one connection, which the first task keeps until nobody waits any longer.
    let report = open_loop(config, pace(100.0, 3)).await.unwrap();
    let figures = &report.figures;
    assert_eq!(figures.tasks(), 3);
    assert!(figures.errors[&Trouble::Unfinished] >= 1);
    assert_eq!(figures.latency.count(), 3);
    assert!(figures.latency.ms(1.0) >= 149.0);
}

#[tokio::test]
async fn what_is_never_submitted_is_counted_too() {
    let fake = FakeGateway::start(Behaviour {
        end: |_| End::Never,
        ..Behaviour::default()
    })
    .await;
    let config = Config {
        patience: Duration::from_millis(50),
        ..fake.config(1)
    };
    let report = open_loop(config, pace(1_000.0, 40)).await.unwrap();
    let figures = &report.figures;
    assert_eq!((figures.completed, figures.failed()), (0, 40));
    assert!(figures.errors[&Trouble::NeverSubmitted] > 0);
    assert_eq!(figures.open_ended(), 40);
}

#[tokio::test]
async fn batches_are_due_at_the_rate_of_their_tasks() {
    let fake = FakeGateway::start(Behaviour::default()).await;
    let report = open_loop(fake.config(2), batches(1_000.0, 95, 10))
        .await
        .unwrap();
    assert_eq!((report.figures.completed, report.figures.failed()), (95, 0));
    assert_eq!(fake.submitted(), 95 + 1, "with the one that was a trial");
    assert_eq!(report.own_lateness.count(), 10);
    assert!(report.seconds >= 0.09);
    assert!(fake.requests() > 2 * 10, "results are asked for again");
}

#[tokio::test]
async fn a_batch_may_succeed_in_part() {
    let fake = FakeGateway::start(Behaviour {
        end: |number| match number % 3 {
            0 => End::Right,
            1 => End::Refused,
            _ => End::Failed,
        },
        ..Behaviour::default()
    })
    .await;
    let report = open_loop(fake.config(2), batches(2_000.0, 60, 6))
        .await
        .unwrap();
    assert_eq!(report.figures.completed, 20);
    assert_eq!(report.figures.errors[&Trouble::Refused(404)], 20);
    assert_eq!(report.figures.errors[&Trouble::Failed], 20);
}

#[tokio::test]
async fn a_gateway_without_batches_is_told_before_the_run() {
    let fake = FakeGateway::start(Behaviour {
        batches: false,
        ..Behaviour::default()
    })
    .await;
    let error = open_loop(fake.config(2), batches(100.0, 10, 5)).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("this gateway has no batch endpoint"),
        "{error}"
    );
    assert_eq!(fake.requests(), 1);
}

#[tokio::test]
async fn a_closed_loop_of_batches_does_all_tasks() {
    let fake = FakeGateway::start(Behaviour::default()).await;
    let config = Config {
        tasks: 103,
        ..fake.config(3)
    };
    let report = crate::load::closed_batches(config, 20).await.unwrap();
    assert_eq!((report.completed, report.failed), (103, 0));
    assert_eq!(fake.submitted(), 103 + 1);
    assert!(report.latency_ms(1.0) <= report.seconds * 1e3 * 1.001);
}
