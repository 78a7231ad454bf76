//! Messages between dispatcher and worker, and how they look as bytes.

pub mod json;
pub mod message;
