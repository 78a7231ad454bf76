//! libzmq's sockets: those of `peers.py`, in a process of their own.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::sockets::{Burst, Caller, Drained, Kind, ROUTER, Sockets, Who};
use super::words::{Frames, Word};

/// More than any command takes that `peers.py` bounds itself.
const PATIENCE: Duration = Duration::from_secs(90);

/// A Python process with pyzmq.
#[derive(Debug)]
pub(super) struct Libzmq {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

#[derive(Deserialize)]
struct Answer {
    word: Option<String>,
    frames: Option<Frames>,
    taken: Option<usize>,
}

impl Libzmq {
    pub(super) async fn start() -> Libzmq {
        const REMEDY: &str = "set MPCSFAAS_TEST_PYTHON to a Python that has pyzmq; \
                              `cargo xtask test` makes one and does so, and \
                              `cargo xtask test python-env` prints where it is";
        let python = std::env::var_os("MPCSFAAS_TEST_PYTHON").expect(REMEDY);
        let pyzmq = Command::new(&python)
            .args(["-c", "import zmq"])
            .output()
            .await;
        assert!(
            pyzmq.is_ok_and(|output| output.status.success()),
            "{} cannot import zmq: {REMEDY}",
            python.display()
        );
        let mut process = Command::new(&python)
            .args(["-c", include_str!("peers.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect(REMEDY);
        let commands = process.stdin.take().expect("it is piped");
        let answers = process.stdout.take().expect("it is piped");
        Libzmq {
            _process: process,
            commands,
            answers: BufReader::new(answers).lines(),
        }
    }

    async fn ask<A: for<'a> Deserialize<'a>>(&mut self, command: Value) -> A {
        let line = format!("{command}\n");
        let asked = self.commands.write_all(line.as_bytes()).await;
        asked.expect("peers.py runs; its error is above");
        let answer = tokio::time::timeout(PATIENCE, self.answers.next_line())
            .await
            .unwrap_or_else(|_| panic!("peers.py is silent after {command}"));
        let answer = answer.ok().flatten();
        let answer = answer.unwrap_or_else(|| panic!("peers.py ended at {command}"));
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("peers.py answered {answer}"))
    }

    async fn word(&mut self, command: Value) -> Word {
        let answer: Answer = self.ask(command).await;
        match (answer.frames, answer.word, answer.taken) {
            (Some(frames), ..) => Word::Heard(frames),
            (None, Some(word), Some(taken)) => Word::Filled(taken, Box::new(Word::read(&word))),
            (None, Some(word), None) => Word::read(&word),
            (None, None, _) => panic!("peers.py answered nothing"),
        }
    }
}

impl Sockets for Libzmq {
    async fn bind(&mut self, endpoint: &str) {
        self.word(json!({"do": "bind", "who": ROUTER, "endpoint": endpoint}))
            .await;
    }

    async fn connect(&mut self, caller: Caller, endpoint: &str) -> Word {
        let kind = match caller.kind {
            Kind::Dealer => "DEALER",
            Kind::Req => "REQ",
        };
        self.word(json!({
            "do": "connect", "who": caller.who, "kind": kind, "identity": caller.identity,
            "endpoint": endpoint, "somebody": caller.somebody,
        }))
        .await
    }

    async fn send(&mut self, who: Who, frames: &Frames, limit: Duration) -> Word {
        let stuck = millis(limit);
        self.word(json!({"do": "send", "who": who, "frames": frames, "stuck": stuck}))
            .await
    }

    async fn fill(&mut self, who: Who, burst: Burst) -> Word {
        self.word(json!({
            "do": "fill", "who": who, "to": burst.to, "size": burst.size, "limit": burst.limit,
            "stuck": millis(burst.stuck),
        }))
        .await
    }

    async fn receive(&mut self, who: Who, limit: Duration) -> Word {
        let limit = millis(limit);
        self.word(json!({"do": "receive", "who": who, "limit": limit}))
            .await
    }

    async fn drain(&mut self, who: Who, want: usize, limit: Duration) -> Drained {
        let (bound, limit) = (who == ROUTER, millis(limit));
        self.ask(json!({"do": "drain", "who": who, "bound": bound, "want": want, "limit": limit}))
            .await
    }

    async fn notice(&mut self, who: Who, of: Option<&'static str>, limit: Duration) -> Word {
        let limit = millis(limit);
        self.word(json!({"do": "end_noticed", "who": who, "of": of, "limit": limit}))
            .await
    }

    async fn let_in(&mut self) -> Word {
        self.word(json!({"do": "let_in", "who": ROUTER})).await
    }

    async fn close(&mut self, who: Who, linger: bool) {
        self.word(json!({"do": "close", "who": who, "linger": linger}))
            .await;
    }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}
