//! The store on Redis: one atomic script per operation.
