//! The original's push mode: its gateway, its dispatcher and its workers.

use mpcsfaas_core::time::Instant;
use mpcsfaas_transport_sim::guest::Guest;
use mpcsfaas_transport_sim::{Cast, Place};

use super::Setting;
use crate::seed_model::{DispatcherConfig, Gateway, PushDispatcher, PushWorker, WorkerConfig};

/// All processes but the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Push {
    dispatcher: DispatcherConfig,
    worker: WorkerConfig,
}

impl Push {
    pub(super) fn new(setting: &Setting) -> Push {
        Push {
            dispatcher: DispatcherConfig {
                timeout: setting.timeout,
                goodbye: setting.goodbye,
                ..DispatcherConfig::default()
            },
            worker: WorkerConfig {
                goodbye: setting.goodbye,
                ..WorkerConfig::default()
            },
        }
    }
}

impl Cast for Push {
    fn guest(&self, place: Place, now: Instant, life: u64) -> Option<Box<dyn Guest>> {
        match place {
            Place::Client => Some(Box::new(Gateway::new(now))),
            Place::Store => None,
            Place::Dispatcher(_) => Some(Box::new(PushDispatcher::new(now, self.dispatcher))),
            Place::Worker(_) => {
                let name = format!("{place}.{life}");
                Some(Box::new(PushWorker::new(now, name, self.worker)))
            }
        }
    }
}
