//! Messages of the native format, drawn.

use std::sync::Arc;

use mpcsfaas_core::id::Incarnation;
use mpcsfaas_core::wire::message::{Finished, Flow, Hello, Run, ToDispatcher, ToWorker};

use crate::draw::Draw;

impl Draw<'_> {
    /// What a worker may say.
    pub(crate) fn worker_says(&mut self) -> ToDispatcher {
        match self.index(9) {
            0..3 => ToDispatcher::Hello(self.hello()),
            3 => ToDispatcher::Beat {
                last: self.edge(),
                credit: self.edge32(),
            },
            4 => ToDispatcher::Pull {
                credit: self.edge32(),
            },
            5 | 6 => ToDispatcher::Finished(self.list(3, |draw| Finished {
                task: draw.task_ref(),
                outcome: draw.outcome(),
            })),
            7 => ToDispatcher::Returned {
                tasks: self.task_refs(),
                missing: self.list(2, Draw::function_id),
            },
            _ => ToDispatcher::Goodbye {
                returned: self.task_refs(),
            },
        }
    }

    pub(crate) fn hello(&mut self) -> Hello {
        Hello {
            flow: self.one_of(&[Flow::Push, Flow::Pull]),
            processes: self.edge32(),
            credit: self.edge32(),
            versions: self.versions(),
            running: self.task_refs(),
            finished: self.task_refs(),
            draining: self.rarely(8),
        }
    }

    /// What a dispatcher may say.
    pub(crate) fn dispatcher_says(&mut self) -> ToWorker {
        match self.index(10) {
            0 => ToWorker::Welcome {
                dispatcher: Incarnation {
                    boot: self.edge(),
                    epoch: self.edge32(),
                },
                beat: self.span(),
                timeout: self.span(),
            },
            1..4 => ToWorker::Run(self.list(3, Draw::run)),
            4 => ToWorker::Function {
                id: self.function_id(),
                function: Arc::new(self.function()),
            },
            5 => ToWorker::Ack(self.task_refs()),
            6 => ToWorker::Drop(self.task_refs()),
            7 => ToWorker::SayHello,
            8 => ToWorker::Beat { last: self.edge() },
            _ => ToWorker::Drain,
        }
    }

    pub(crate) fn run(&mut self) -> Run {
        Run {
            task: self.task_ref(),
            function: self.function_id(),
            params: self.bytes(3),
            options: self.options(),
        }
    }
}
