//! The checkers.
use mpcsfaas_transport_sim::history::{End, Seen};
use mpcsfaas_transport_sim::plan::Plan;
use std::time::Duration;

/// Setting.
#[derive(Debug)]
pub struct Setting;
impl Setting {
    /// of
    pub fn of(_plan: &Plan) -> Setting {
        Setting
    }
}
/// Judges one promise.
pub trait Checker {
    /// Which.
    fn promise(&self) -> &'static str;
    /// Looks.
    fn observe(&mut self, seen: &Seen) -> Result<(), String>;
    /// Ends.
    fn finish(&mut self, _end: &End) -> Result<(), String> {
        Ok(())
    }
    /// Premises.
    fn premises(&self) -> u64;
}
struct P1;
impl Checker for P1 {
    fn promise(&self) -> &'static str {
        "P1"
    }
    fn observe(&mut self, _: &Seen) -> Result<(), String> {
        Ok(())
    }
    fn finish(&mut self, end: &End) -> Result<(), String> {
        let _ = Duration::ZERO;
        if end.waits.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", end.waits))
        }
    }
    fn premises(&self) -> u64 {
        1
    }
}
struct P6;
impl Checker for P6 {
    fn promise(&self) -> &'static str {
        "P6"
    }
    fn observe(&mut self, _: &Seen) -> Result<(), String> {
        Ok(())
    }
    fn finish(&mut self, end: &End) -> Result<(), String> {
        if end.outside.is_empty() {
            Ok(())
        } else {
            Err(format!("{:?}", end.outside))
        }
    }
    fn premises(&self) -> u64 {
        1
    }
}
/// All.
pub fn all(_setting: &Setting) -> Vec<Box<dyn Checker>> {
    vec![Box::new(P1), Box::new(P6)]
}
