//! A hand-over of inputs that takes one when it is woken, and is woken once by two.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mpcsfaas_transport_real::drive::INPUT_BACKLOG;
use tokio::sync::{Notify, mpsc};

/// The same inputs, handed over badly.
pub(crate) fn drowsy<I: Send + 'static>(mut inputs: mpsc::Receiver<I>) -> mpsc::Receiver<I> {
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let woken = Arc::new(Notify::new());
    let (filled, wakes) = (Arc::clone(&queue), Arc::clone(&woken));
    tokio::spawn(async move {
        while let Some(input) = inputs.recv().await {
            let mut queue = filled.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push_back(input);
            // Nobody is woken who does not sleep just now.
            wakes.notify_waiters();
        }
    });
    let (handed_on, handed) = mpsc::channel(INPUT_BACKLOG);
    tokio::spawn(async move {
        loop {
            woken.notified().await;
            let first = {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.pop_front()
            };
            if let Some(input) = first
                && handed_on.send(input).await.is_err()
            {
                return;
            }
        }
    });
    handed
}
