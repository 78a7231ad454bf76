//! The adapters against the real thing: Python processes, databases, sockets.

mod python_pool;
