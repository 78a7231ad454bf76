//! The store machine on an embedded durable database.
