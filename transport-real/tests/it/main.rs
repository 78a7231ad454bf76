//! The adapters on the real thing, one module a topic.

mod embedded;
mod guard;
mod http;
mod python_pool;
mod redis_server;
mod redis_trouble;
mod store_differential;
mod wait;
mod zmq_agreement;
