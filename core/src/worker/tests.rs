//! The worker's rules, one test a sentence.
