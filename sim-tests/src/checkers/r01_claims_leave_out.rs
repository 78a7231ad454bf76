//! R1: a claim takes nothing whose adoption or commit its dispatcher has under way.

use std::collections::{BTreeMap, BTreeSet};

use mpcsfaas_core::id::{Incarnation, TaskId};
use mpcsfaas_core::store::RequestId;
use mpcsfaas_core::store::op::CLAIMS_KEPT;
use mpcsfaas_core::task::Status;
use mpcsfaas_core::wire::message::TaskRef;
use mpcsfaas_transport_sim::history::{Ask, Row, Seen, What};
use mpcsfaas_transport_sim::place::Place;

use super::Checker;
use super::each::Each;

/// Remembers what was under way when each claim was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimsLeaveOut {
    dispatchers: Each<Requests>,
    /// What was under way when a claim was first asked for, by owner and number: of as many claims
    /// as may be under way at once.
    claims: BTreeMap<Incarnation, BTreeMap<u64, BTreeSet<RequestId>>>,
    /// What the claim that is being carried out may not take.
    barred: Option<(Incarnation, BTreeSet<TaskId>)>,
    /// What workers gave back: nobody holds it, and it may be claimed although it was adopted.
    handed_back: BTreeSet<TaskRef>,
    premises: u64,
}

/// What one dispatcher's adoptions and commits are about, until they are answered. It forgets with
/// each lease what it asked for under the last.
#[derive(Clone, Debug, Default)]
struct Requests {
    owner: Option<Incarnation>,
    last: RequestId,
    under_way: BTreeMap<RequestId, Vec<TaskRef>>,
}

impl ClaimsLeaveOut {
    fn ask(&mut self, index: usize, request: RequestId, ask: &Ask) {
        let requests = self.dispatchers.of(index);
        match ask {
            Ask::Lease(owner) if requests.owner != Some(*owner) => {
                requests.owner = Some(*owner);
                requests.under_way.clear();
            }
            // One that is only repeated may be of another lease.
            Ask::Adopt { .. } | Ask::Commit(_) if request > requests.last => {
                requests.last = request;
                requests.under_way.insert(request, ask.attempts().collect());
            }
            Ask::Claim { owner, number } => {
                let claims = self.claims.entry(*owner).or_default();
                let last = claims.keys().next_back();
                if last.is_none_or(|last| last < number) {
                    claims.insert(*number, requests.under_way.keys().copied().collect());
                    // Nobody asks again for one that is so far behind.
                    claims.retain(|kept, _| kept + CLAIMS_KEPT > *number);
                }
            }
            _ => {}
        }
    }

    /// What was answered meanwhile may be in the queue for good reason.
    fn serve(&mut self, index: usize, ask: &Ask) {
        self.barred = None;
        if let Ask::Claim { owner, number } = ask
            && let Some(claims) = self.claims.get(owner)
            && let Some(then) = claims.get(number)
        {
            let now = &self.dispatchers.of(index).under_way;
            let still = now.iter().filter(|(id, _)| then.contains(id));
            let held = still
                .flat_map(|(_, tasks)| tasks)
                .filter(|task| !self.handed_back.contains(task));
            self.barred = Some((*owner, held.map(|key| key.task).collect()));
        }
    }

    fn see_row(&mut self, row: &Row) -> Result<(), String> {
        let Some((owner, barred)) = &self.barred else {
            return Ok(());
        };
        if row.status != Status::Running || row.owner != Some(*owner) {
            return Ok(());
        }
        self.premises += 1;
        match barred.contains(&row.task) {
            true => Err(format!(
                "{owner} has claimed {}, which it was adopting or committing",
                row.task
            )),
            false => Ok(()),
        }
    }
}

impl Checker for ClaimsLeaveOut {
    fn promise(&self) -> &'static str {
        "R1"
    }

    fn observe(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.what {
            What::Asked {
                by: Place::Dispatcher(index),
                request,
                ask,
            } => self.ask(*index, *request, ask),
            What::Told {
                by: Place::Dispatcher(index),
                request,
            } => {
                self.dispatchers.of(*index).under_way.remove(request);
            }
            What::Arrived(Place::Dispatcher(index)) => {
                *self.dispatchers.of(*index) = Requests::default();
            }
            What::Served {
                of: Place::Dispatcher(index),
                ask,
            } => self.serve(*index, ask),
            What::HandedBack { tasks, .. } => self.handed_back.extend(tasks),
            What::Row(row) => return self.see_row(row),
            _ => {}
        }
        Ok(())
    }

    fn premises(&self) -> u64 {
        self.premises
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::*;

    fn claim() -> Ask {
        numbered(3)
    }

    fn numbered(number: u64) -> Ask {
        let owner = owner(1);
        Ask::Claim { owner, number }
    }

    /// D0 commits the first attempt of task 7, and then claims.
    fn committing() -> History {
        History::new()
            .row(queued(attempt(7, 1)))
            .asked(1, Ask::Commit(vec![attempt(7, 1)]))
    }

    fn judge(history: History) -> Result<u64, String> {
        let history = history.served(claim()).row(running(attempt(7, 2)));
        history.judge(&mut ClaimsLeaveOut::default())
    }

    #[test]
    fn what_is_being_committed_stays_where_it_is() {
        let verdict = judge(committing().asked(2, claim()));
        assert_broken(verdict, &[&task(7).to_string(), "committing"]);
    }

    #[test]
    fn a_commit_that_was_answered_bars_nothing() {
        let (by, request) = (D0, 1);
        let told = committing().see(What::Told { by, request });
        assert_eq!(judge(told.asked(2, claim())), Ok(1));
    }

    #[test]
    fn what_its_worker_hands_back_may_be_claimed() {
        let (by, tasks) = (W0, vec![attempt(7, 1)]);
        let history = committing().see(What::HandedBack { by, tasks });
        assert_eq!(judge(history.asked(2, claim())), Ok(1));
    }

    #[test]
    fn each_of_several_claims_leaves_out_what_it_knew_of() {
        let history = || committing().asked(2, claim()).asked(3, numbered(4));
        assert_broken(judge(history()), &["committing"]);
        let (by, request) = (D0, 1);
        let told = history().see(What::Told { by, request });
        assert_eq!(judge(told.asked(4, numbered(5))), Ok(1));
    }

    #[test]
    fn an_older_claim_that_arrives_last_is_judged_by_what_it_knew() {
        let history = committing().asked(2, claim()).asked(3, numbered(4));
        let newer = history.served(numbered(4)).row(running(attempt(8, 1)));
        assert_broken(judge(newer), &["committing"]);
    }

    #[test]
    fn a_claim_cannot_know_what_is_asked_for_later() {
        let history = History::new().asked(1, claim());
        assert_eq!(
            judge(history.asked(2, Ask::Commit(vec![attempt(7, 1)]))),
            Ok(1)
        );
    }
}
