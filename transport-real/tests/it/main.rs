//! The integration tests of the adapters, one module a topic.

mod redis_server;
mod store_differential;
