//! Operations, drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use mpcsfaas_core::id::{Attempt, Incarnation, TaskId, WorkerId, WorkerKey};
use mpcsfaas_core::store::Op;
use mpcsfaas_core::store::op::{
    Adoption, Claim, Commit, EndReason, Mode, Placement, Report, Requeue, Submission,
};

use crate::draw::Draw;

impl Draw<'_> {
    pub(super) fn pause(&mut self) -> Duration {
        match self.number(0, 31) {
            0..24 => Duration::ZERO,
            millis @ 24..28 => Duration::from_millis(millis),
            28 => Duration::from_secs(3),
            29 => Duration::from_millis(9_999),
            30 => Duration::from_secs(10),
            _ => Duration::from_secs(60),
        }
    }

    fn dispatcher(&mut self) -> Incarnation {
        Incarnation {
            boot: self.number(1, 2),
            epoch: u32::from(self.rarely(4)),
        }
    }

    fn worker_key(&mut self) -> WorkerKey {
        match self.flag() {
            true => WorkerKey::Native(WorkerId(self.number(1, 2))),
            false => WorkerKey::Legacy("json".to_owned()),
        }
    }

    fn attempt(&mut self) -> Attempt {
        self.number(0, 4) as Attempt
    }

    fn seat(&mut self) -> u64 {
        self.number(0, 4)
    }

    fn tasks(&mut self) -> Vec<TaskId> {
        self.list(3, Draw::task)
    }

    pub(super) fn op(&mut self, numbers: &mut BTreeMap<Incarnation, u64>) -> Op {
        match self.index(24) {
            0..4 => Op::Submit(self.list(3, Draw::submission)),
            4..6 => Op::OpenLease {
                incarnation: self.dispatcher(),
            },
            6..11 => Op::Claim(self.claim(numbers)),
            11..14 => Op::Commit(self.list(3, Draw::commit)),
            14..17 => Op::Requeue(self.list(3, Draw::requeue)),
            17..19 => Op::Adopt {
                incarnation: self.dispatcher(),
                tasks: self.list(3, Draw::adoption),
            },
            19 => Op::Renew {
                incarnation: self.dispatcher(),
                report: self.report(),
                placed: self.list(2, Draw::placement),
            },
            20 => Op::Reap,
            21 => Op::Release {
                incarnation: self.dispatcher(),
            },
            22 => Op::Cancel { task: self.task() },
            _ => self.rare_op(),
        }
    }

    fn rare_op(&mut self) -> Op {
        match self.index(6) {
            0 => Op::PutFunction {
                id: self.function_id(),
                function: self.function(),
            },
            1 => Op::GetFunction {
                id: self.function_id(),
            },
            2 => Op::Read(self.tasks()),
            3 => Op::Inspect { task: self.task() },
            4 => Op::Overview,
            _ => Op::Expire,
        }
    }

    fn submission(&mut self) -> Submission {
        Submission {
            task: self.task(),
            function: self.function_id(),
            params: self.bytes(2),
            options: self.options(),
        }
    }

    /// Mostly the dispatcher's next claim, else a repeat or an older one.
    fn claim(&mut self, numbers: &mut BTreeMap<Incarnation, u64>) -> Claim {
        let incarnation = self.dispatcher();
        let last = numbers.entry(incarnation).or_default();
        let number = match self.index(8) {
            0..6 => *last + 1,
            6 => *last,
            _ => last.saturating_sub(1),
        };
        *last = number.max(*last);
        Claim {
            incarnation,
            number,
            max: self.number(0, 4) as u32,
            suspects: self.number(0, 3) as u32,
            places: self.number(0, 5) as u32,
            except: if self.rarely(4) {
                self.tasks()
            } else {
                Vec::new()
            },
        }
    }

    fn commit(&mut self) -> Commit {
        Commit {
            task: self.task(),
            attempt: self.attempt(),
            worker: self.flag().then(|| self.worker_key()),
            outcome: self.outcome(),
        }
    }

    fn requeue(&mut self) -> Requeue {
        Requeue {
            task: self.task(),
            attempt: self.attempt(),
            owner: self.dispatcher(),
            seat: self.seat(),
            worker: self.flag().then(|| self.worker_key()),
            reason: self.one_of(&EndReason::ALL),
        }
    }

    fn adoption(&mut self) -> Adoption {
        Adoption {
            task: self.task(),
            attempt: self.attempt(),
            session: self.seat(),
            worker: self.worker_key(),
        }
    }

    fn placement(&mut self) -> Placement {
        Placement {
            task: self.task(),
            attempt: self.attempt(),
            worker: self.worker_key(),
        }
    }

    fn report(&mut self) -> Report {
        Report {
            mode: self.one_of(&[Mode::Local, Mode::Pull, Mode::Push]),
            workers: self.edge32(),
            processes: self.edge32(),
            held: self.edge32(),
            free: self.edge32(),
            draining: self.flag(),
        }
    }
}
