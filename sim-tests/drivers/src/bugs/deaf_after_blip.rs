//! A driver between a dispatcher and its store that listens to one connection: when that has ended
//! it passes requests on as before, and never tells that there is another.

use mpcsfaas_transport_real::store::{Link, Request, StoreHandle, StoreOwner, channel};

/// A handle that goes deaf when `store` has been away.
pub(crate) fn deaf(store: StoreHandle) -> StoreHandle {
    let (handle, owner) = channel();
    let StoreOwner {
        mut requests,
        notices,
        link,
    } = owner;
    let (mut told, mut rung) = (store.link(), store.notices());
    tokio::spawn(async move {
        while told.changed().await.is_ok() {
            let now = told.borrow_and_update().clone();
            let is_over = now != Link::Up;
            link.send_replace(now);
            if is_over {
                break;
            }
        }
        std::future::pending::<()>().await;
    });
    tokio::spawn(async move {
        while let Ok(notice) = rung.recv().await {
            let _ = notices.send(notice);
        }
    });
    tokio::spawn(async move {
        while let Some(Request { op, answer }) = requests.recv().await {
            let store = store.clone();
            tokio::spawn(async move {
                let _ = answer.send(store.call(op).await);
            });
        }
    });
    handle
}
