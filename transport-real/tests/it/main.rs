//! Integration tests of the adapters, one module a topic.

mod http;
