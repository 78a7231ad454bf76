//! The integration tests of the adapters, one module a topic.

mod redis_server;
mod redis_trouble;
mod store_differential;
