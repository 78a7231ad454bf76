//! The dispatcher's rules, one test a sentence.
