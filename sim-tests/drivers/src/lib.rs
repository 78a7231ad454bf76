//! The async drivers of `transport-real` over madsim's clock and network.
#![cfg(madsim)]

pub mod bugs;
mod children;
mod client;
mod gate;
mod home;
pub mod knobs;
mod line;
mod pipe;
mod process;
pub mod run;
mod sockets;
mod storm;
mod trouble;
mod watch;
mod watched;
mod world;
