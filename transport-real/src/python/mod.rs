//! The Python children of a worker: processes and pipes.
