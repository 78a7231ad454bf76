//! What must hold between two operations.

use super::Store;
use crate::task::Status;

impl Store {
    /// Every row is in exactly the list that its state says, and no list names another.
    pub(super) fn check_lists(&self) -> Result<(), String> {
        let mut queued = 0;
        let mut running = 0;
        let mut ended = 0;
        for (id, row) in &self.tasks {
            let owner = row.holder.as_ref().map(|holder| holder.dispatcher);
            match row.status {
                Status::Queued => {
                    queued += 1;
                    let (right, wrong) = match row.is_suspect() {
                        true => (&self.suspects, &self.ready),
                        false => (&self.ready, &self.suspects),
                    };
                    if right.get(&row.seq) != Some(id) || wrong.contains_key(&row.seq) {
                        return Err(format!("{id} is QUEUED and not in its queue"));
                    }
                    if owner.is_some() {
                        return Err(format!("{id} is QUEUED and has an owner"));
                    }
                }
                Status::Running => {
                    running += 1;
                    let Some(owner) = owner else {
                        return Err(format!("{id} is RUNNING and has no owner"));
                    };
                    if !self
                        .owned
                        .get(&owner)
                        .is_some_and(|tasks| tasks.contains(id))
                    {
                        return Err(format!("{id} is RUNNING and {owner} does not list it"));
                    }
                }
                Status::Completed | Status::Failed => {
                    ended += 1;
                    if row.outcome.as_ref().map(|o| o.status()) != Some(row.status) {
                        return Err(format!("{id} ended without the outcome of its state"));
                    }
                }
            }
        }
        let listed: usize = self.owned.values().map(|tasks| tasks.len()).sum();
        if queued != self.ready.len() + self.suspects.len() {
            return Err("a queue lists a task that is not QUEUED".to_owned());
        }
        if running != listed {
            return Err("an owner lists a task that is not RUNNING".to_owned());
        }
        if ended != self.expiry.len() {
            return Err("an ended task has no expiry, or a live one has".to_owned());
        }
        Ok(())
    }
}
