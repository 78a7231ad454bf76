//! The adapters on the real thing, one module a topic.

mod embedded;
