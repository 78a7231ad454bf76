//! What the figures cannot say, and why.

use super::super::course::counted;
use super::super::outcome::Study;
use super::super::plan::{Pacing, Scaling};

/// Fewer tasks than this in a run, and its 99th percentile is its slowest task.
const FOR_A_P99: u32 = 100;

/// All that applies to this study.
pub(super) fn limitations(study: &Study) -> Vec<String> {
    let mut limits = vec![one_machine(study)];
    limits.extend(incomplete(study));
    limits.extend(software(study));
    limits.push(format!(
        "{} of each setting: the brackets are the least and the most of them, and no confidence \
         interval.",
        counted(study.setting.rounds, "round")
    ));
    limits.extend(few_tasks(study));
    limits.extend(pacing(study));
    limits.push(
        "Computation was measured in one Python before any platform was there; on a platform many \
         share the processors, so a part of what counts as communication may be waiting for one."
            .to_owned(),
    );
    if study.setting.store == super::super::EMBEDDED {
        limits.push(
            "On the embedded store gateway, store and dispatcher are one process, and what was \
             accepted is on disk before it is answered; on Redis they are apart."
                .to_owned(),
        );
    }
    limits
}

fn one_machine(study: &Study) -> String {
    let most = study.setting.workers.last().copied().unwrap_or(1);
    let processes = most.saturating_mul(study.setting.processes);
    let on = match study.machine.processors {
        Some(processors) => format!(
            " on {}",
            counted(u32::try_from(processors).unwrap_or(u32::MAX), "processor")
        ),
        None => String::new(),
    };
    format!(
        "One machine: client, gateway, store, dispatcher and workers share it, up to {}{on}. \
         Scaling over machines was not measured.",
        counted_processes(processes)
    )
}

fn counted_processes(count: u32) -> String {
    match count {
        1 => "1 Python process".to_owned(),
        count => format!("{count} Python processes"),
    }
}

fn incomplete(study: &Study) -> Option<String> {
    (!study.complete).then(|| "Not all that was asked for was measured.".to_owned())
}

fn software(study: &Study) -> Option<String> {
    (!study.versions.optimised).then(|| {
        "The program was built without optimisation: an optimised one is faster.".to_owned()
    })
}

fn few_tasks(study: &Study) -> Option<String> {
    let fewest = study.cells.iter().map(|cell| cell.tasks).min()?;
    (fewest < FOR_A_P99).then(|| {
        format!(
            "Runs have {fewest} tasks and more: in one of fewer than {FOR_A_P99} tasks the 99th \
             percentile is the slowest task."
        )
    })
}

fn pacing(study: &Study) -> Vec<String> {
    match study.setting.pacing {
        Pacing::Original => original(study),
        Pacing::Open => vec![
            "Open pacing: if submits are fewer than the platform could do, throughput is the rate \
             of submission, and says nothing of what is possible."
                .to_owned(),
        ],
        Pacing::Burst => vec![
            "Bursts: a task's latency has all in it that was accepted before it, so it grows with \
             the number of tasks, and so does what counts as communication."
                .to_owned(),
        ],
    }
}

fn original(study: &Study) -> Vec<String> {
    let mut limits = vec![
        "Original pacing: the client sees an end when it polls, up to 0.1 s late, and not before \
         its last submit; its pauses are a part of completion and throughput. The store's clock, \
         in milliseconds, has neither."
            .to_owned(),
        "The published figures were measured on another machine, and it is not known here with how \
         many workers each was, nor from when latency was taken."
            .to_owned(),
    ];
    if study.setting.scalings.contains(&Scaling::Weak) {
        limits.push(
            "The client's pauses grow with the number of tasks, so the efficiency of weak scaling \
             is that of client and platform together."
                .to_owned(),
        );
    }
    limits
}
