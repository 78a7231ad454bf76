//! The gateway: HTTP routes over the store.
