//! Jobs that have nothing to do with each other, on many threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does all of them and answers in their order. `done` is told of each that is over.
pub(super) fn each<J: Sync, A: Send>(
    jobs: &[J],
    threads: NonZeroUsize,
    work: impl Fn(&J) -> A + Sync,
    mut done: impl FnMut(),
) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let mut answers = Vec::new();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.get().min(jobs.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    if sender.send((index, work(job))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for answer in receiver {
            answers.push(answer);
            done();
        }
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
