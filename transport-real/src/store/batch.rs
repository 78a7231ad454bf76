//! Requests that travel together: concurrent submits and reads become one script call each.
//!
//! Nothing waits for company. Only what is in the channel at the same moment is put together, and
//! each asker gets its own part of the answer.

use mpcsfaas_core::store::{Op, Reply};
use tokio::sync::oneshot;

use super::{Request, StoreAway};

/// At most so many submits travel in one call, so that no script runs for long.
const MOST_SUBMITS: usize = 512;

/// At most so many reads travel in one call: each may bring a large result.
const MOST_READS: usize = 32;

/// At most so many bytes of parameters are added to a call that has company already.
const MOST_BYTES: usize = 4 * 1024 * 1024;

type Answer = oneshot::Sender<Result<Reply, StoreAway>>;

/// One call for one or several askers.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) op: Op,
    pub(super) askers: Askers,
}

/// Who gets which part of an answer. One that no longer waits is passed over.
#[derive(Debug)]
pub(super) enum Askers {
    /// One gets the whole.
    One(Answer),
    /// Each gets so many items, in this order.
    Several(Vec<(usize, Answer)>),
}

impl Askers {
    pub(super) fn answer(self, result: Result<Reply, StoreAway>) {
        let parts = match self {
            Askers::One(asker) => {
                _ = asker.send(result);
                return;
            }
            Askers::Several(parts) => parts,
        };
        match result {
            Ok(Reply::Submitted(items)) => share(parts, items, Reply::Submitted),
            Ok(Reply::States(items)) => share(parts, items, Reply::States),
            other => {
                for (_, asker) in parts {
                    _ = asker.send(other.clone());
                }
            }
        }
    }

    fn join(&mut self, mine: usize, items: usize, asker: Answer) {
        match self {
            Askers::Several(parts) => parts.push((items, asker)),
            Askers::One(_) => {
                let several = Askers::Several(Vec::new());
                if let Askers::One(first) = std::mem::replace(self, several) {
                    self.join(0, mine, first);
                }
                self.join(mine, items, asker);
            }
        }
    }
}

fn share<T>(parts: Vec<(usize, Answer)>, items: Vec<T>, reply: impl Fn(Vec<T>) -> Reply) {
    let mut items = items.into_iter();
    for (count, asker) in parts {
        _ = asker.send(Ok(reply(items.by_ref().take(count).collect())));
    }
}

/// Puts requests together, in the order in which the first of each call came.
pub(super) fn coalesce(requests: impl IntoIterator<Item = Request>) -> Vec<Work> {
    let mut calls: Vec<Work> = Vec::new();
    let mut open = Open::default();
    for Request { op, answer } in requests {
        let slot = match &op {
            Op::Submit(_) => &mut open.submit,
            Op::Read(_) => &mut open.read,
            _ => {
                calls.push(Work {
                    op,
                    askers: Askers::One(answer),
                });
                continue;
            }
        };
        match slot.and_then(|at| calls.get_mut(at)) {
            Some(work) if has_room(&work.op, &op) => add(work, op, answer),
            _ => {
                *slot = Some(calls.len());
                calls.push(Work {
                    op,
                    askers: Askers::One(answer),
                });
            }
        }
    }
    calls
}

/// Where the call stands that more of a kind may join.
#[derive(Default)]
struct Open {
    submit: Option<usize>,
    read: Option<usize>,
}

fn has_room(to: &Op, op: &Op) -> bool {
    match (to, op) {
        (Op::Submit(all), Op::Submit(more)) => {
            let bytes: usize = all.iter().chain(more).map(|item| item.params.len()).sum();
            all.len() + more.len() <= MOST_SUBMITS && bytes <= MOST_BYTES
        }
        (Op::Read(all), Op::Read(more)) => all.len() + more.len() <= MOST_READS,
        _ => false,
    }
}

fn add(work: &mut Work, op: Op, asker: Answer) {
    let (mine, items) = match (&mut work.op, op) {
        (Op::Submit(all), Op::Submit(more)) => {
            let sizes = (all.len(), more.len());
            all.extend(more);
            sizes
        }
        (Op::Read(all), Op::Read(more)) => {
            let sizes = (all.len(), more.len());
            all.extend(more);
            sizes
        }
        _ => return,
    };
    work.askers.join(mine, items, asker);
}

#[cfg(test)]
mod tests {
    use mpcsfaas_core::id::TaskId;
    use mpcsfaas_core::store::op::TaskState;
    use mpcsfaas_core::task::Status;

    use super::*;

    fn request(op: Op) -> (Request, oneshot::Receiver<Result<Reply, StoreAway>>) {
        let (answer, answered) = oneshot::channel();
        (Request { op, answer }, answered)
    }

    fn read(tasks: &[u128]) -> Op {
        Op::Read(tasks.iter().map(|task| TaskId(*task)).collect())
    }

    #[test]
    fn each_asker_gets_its_own_part() {
        let (first, mut a) = request(read(&[1, 2]));
        let (between, _b) = request(Op::Reap);
        let (nothing, mut c) = request(read(&[]));
        let (last, mut d) = request(read(&[3]));
        let mut calls = coalesce([first, between, nothing, last]);
        assert_eq!(calls.len(), 2);
        let reads = calls.swap_remove(0);
        assert_eq!(reads.op, read(&[1, 2, 3]));
        let state = TaskState {
            status: Status::Queued,
            outcome: None,
        };
        let known = Some(state);
        reads
            .askers
            .answer(Ok(Reply::States(vec![None, known.clone(), known.clone()])));
        assert_eq!(
            a.try_recv(),
            Ok(Ok(Reply::States(vec![None, known.clone()])))
        );
        assert_eq!(c.try_recv(), Ok(Ok(Reply::States(vec![]))));
        assert_eq!(d.try_recv(), Ok(Ok(Reply::States(vec![known]))));
    }

    #[test]
    fn an_error_reaches_everybody() {
        let (first, mut a) = request(read(&[1]));
        let (second, mut b) = request(read(&[2]));
        let away = StoreAway("gone".to_owned());
        for work in coalesce([first, second]) {
            work.askers.answer(Err(away.clone()));
        }
        assert_eq!(a.try_recv(), Ok(Err(away.clone())));
        assert_eq!(b.try_recv(), Ok(Err(away)));
    }

    #[test]
    fn a_full_call_takes_no_more() {
        let many = (0..MOST_READS as u128).collect::<Vec<_>>();
        let (first, _a) = request(read(&many));
        let (second, _b) = request(read(&[9]));
        assert_eq!(coalesce([first, second]).len(), 2);
    }
}
