//! What stands between nodes: links that are shut for a while, and connections that are cut.
//!
//! madsim can clog a link by itself, but asks again whether it is open after up to ten seconds; so
//! nobody could say when a trouble is over. Here a message that has arrived waits at the gate until
//! it opens, and comes in then, in its order.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mpcsfaas_transport_sim::Place;
use tokio::sync::Notify;

/// All links. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Gates {
    state: Arc<Mutex<State>>,
    /// Not a `watch`, which wakes its receivers in an order that it draws from the real thread.
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// How many troubles shut a link: from, to.
    shut: BTreeMap<(Place, Place), u32>,
    /// How many troubles let nobody but those in who ask nothing.
    turned_away: BTreeMap<Place, u32>,
    /// How often the connections of a pair were cut.
    cuts: BTreeMap<(Place, Place), u64>,
}

impl Gates {
    pub(crate) fn new() -> Gates {
        Gates {
            state: Arc::default(),
            changed: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shuts a link once more.
    pub(crate) fn shut(&self, from: Place, to: Place) {
        *self.state().shut.entry((from, to)).or_default() += 1;
    }

    /// Opens a link that was shut once.
    pub(crate) fn open(&self, from: Place, to: Place) {
        if let Some(shut) = self.state().shut.get_mut(&(from, to)) {
            *shut = shut.saturating_sub(1);
        }
        self.changed.notify_waiters();
    }

    /// Lets a place connect to the store, and ends the connection at its first request.
    pub(crate) fn turn_away(&self, place: Place) {
        *self.state().turned_away.entry(place).or_default() += 1;
    }

    /// Takes that back once.
    pub(crate) fn let_in(&self, place: Place) {
        if let Some(times) = self.state().turned_away.get_mut(&place) {
            *times = times.saturating_sub(1);
        }
    }

    /// Whether a place's requests end its connection.
    pub(crate) fn is_turned_away(&self, place: Place) -> bool {
        let times = self.state().turned_away.get(&place).copied();
        times.is_some_and(|times| times > 0)
    }

    /// Opens all.
    pub(crate) fn open_all(&self) {
        self.state().shut.clear();
        self.state().turned_away.clear();
        self.changed.notify_waiters();
    }

    /// Whether something can come from one to the other now.
    pub(crate) fn is_open(&self, from: Place, to: Place) -> bool {
        self.state()
            .shut
            .get(&(from, to))
            .is_none_or(|shut| *shut == 0)
    }

    /// Waits until something can come from one to the other.
    pub(crate) async fn pass(&self, from: Place, to: Place) {
        self.until(|| self.is_open(from, to)).await;
    }

    async fn until(&self, happened: impl Fn() -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if happened() {
                return;
            }
            changed.await;
        }
    }

    /// Ends every connection between the two.
    pub(crate) fn cut(&self, one: Place, other: Place) {
        *self.state().cuts.entry(pair(one, other)).or_default() += 1;
        self.changed.notify_waiters();
    }

    /// Waits until connections between the two are cut.
    pub(crate) async fn cut_off(&self, one: Place, other: Place) {
        let cuts = || self.state().cuts.get(&pair(one, other)).copied();
        let before = cuts();
        self.until(|| cuts() != before).await;
    }
}

fn pair(one: Place, other: Place) -> (Place, Place) {
    (one.min(other), one.max(other))
}
