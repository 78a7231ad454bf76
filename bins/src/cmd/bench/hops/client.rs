//! A client of one task at a time, as the Python client is one: it sends the task and the question
//! for its result in one breath, over a connection that is kept alive, before either is answered.

use std::io;

use mpcsfaas_core::id::TaskId;
use mpcsfaas_core::mime_base64;
use mpcsfaas_transport_real::clock::monotonic_nanos;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::trail::Seen;
use crate::api::Target;

/// `time.monotonic_ns`, pickled by reference: a no-op that says when it was called, by the clock that
/// all processes of the machine share.
pub(super) const FUNCTION: &str = "gASVGQAAAAAAAACMBHRpbWWUjAxtb25vdG9uaWNfbnOUk5Qu\n";

/// `((), {})`, pickled.
const PARAMS: &str = "gASVBgAAAAAAAAApfZSGlC4=\\n";

/// The longest that a task is waited for, in seconds.
const WAIT_S: u32 = 30;

/// The longest answer, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// Why a task was not done.
#[derive(Debug, Error)]
pub enum TaskError {
    /// The connection.
    #[error("the connection to the gateway failed: {0}")]
    Connection(#[from] io::Error),
    /// Another answer than the API's.
    #[error("the gateway answered {0:?}")]
    Answer(String),
    /// It did not end well.
    #[error("a task ended as {0}")]
    Ended(String),
    /// Not in time.
    #[error("a task did not end within {WAIT_S} s")]
    Late,
    /// The result is no time.
    #[error("a task gave another result than a time")]
    Result,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    target: Target,
    function_id: String,
}

#[derive(Deserialize)]
struct Submitted {
    tasks: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    status: Option<u16>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Ended>,
}

#[derive(Deserialize)]
struct Ended {
    status: String,
    result: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(super) async fn connect(target: &Target, function_id: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(target.authority()).await?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream: BufReader::new(stream),
            target: target.clone(),
            function_id: function_id.to_owned(),
        })
    }

    /// Lets one task through. Its time begins now.
    ///
    /// # Errors
    /// See [`TaskError`]. The connection is of no more use then.
    pub(super) async fn task(&mut self) -> Result<Seen, TaskError> {
        let task = TaskId(rand::random());
        let begun = monotonic_nanos();
        let Client {
            function_id,
            target,
            ..
        } = self;
        let submit = format!(
            r#"{{"tasks":[{{"task_id":"{task}","function_id":"{function_id}","payload":"{PARAMS}"}}]}}"#
        );
        let question = format!(r#"{{"task_ids":["{task}"],"wait":{WAIT_S}}}"#);
        let both = [
            request(target, "/v1/tasks:batch", &submit),
            request(target, "/v1/results", &question),
        ];
        self.stream.write_all(both.concat().as_bytes()).await?;
        let submitted: Submitted = self.answer().await?;
        if let Some(status) = submitted.tasks.first().and_then(|item| item.status) {
            return Err(TaskError::Answer(status.to_string()));
        }
        let ended: Results = self.answer().await?;
        let got = monotonic_nanos();
        let ended = ended.results.into_iter().next().ok_or(TaskError::Late)?;
        if ended.status != "COMPLETED" {
            return Err(TaskError::Ended(ended.status));
        }
        let result = mime_base64::decode_lenient(ended.result.as_bytes());
        let called = result.ok().and_then(|pickled| integer(&pickled));
        Ok(Seen {
            task,
            begun,
            called: called.ok_or(TaskError::Result)?,
            got,
        })
    }

    /// Reads one answer of HTTP/1.1, of which only what this platform sends is understood.
    async fn answer<T: DeserializeOwned>(&mut self) -> Result<T, TaskError> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < ANSWER_LIMIT {
            if self.stream.read_until(b'\n', &mut head).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        let head = String::from_utf8_lossy(&head);
        let strange = |text: &str| TaskError::Answer(text.lines().next().unwrap_or("").to_owned());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.filter(|length| *length <= ANSWER_LIMIT);
        let mut body = vec![0; length.ok_or_else(|| strange(&head))?];
        self.stream.read_exact(&mut body).await?;
        match head.starts_with("HTTP/1.1 200") {
            true => serde_json::from_slice(&body).map_err(|_| strange(&head)),
            false => Err(TaskError::Answer(
                String::from_utf8_lossy(&body).into_owned(),
            )),
        }
    }
}

fn request(target: &Target, path: &str, body: &str) -> String {
    let (host, length) = (target.authority(), body.len());
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The integer that a pickle of protocol 4 holds, if it is one of 3 to 8 bytes and not negative: the
/// opcodes BININT and LONG1.
fn integer(pickled: &[u8]) -> Option<u64> {
    let body = pickled.strip_prefix(&[0x80, 4])?;
    let body = match body.split_first()? {
        (0x95, framed) => framed.get(8..)?,
        _ => body,
    };
    let (opcode, rest) = body.split_first()?;
    let (digits, end) = match opcode {
        b'J' => rest.split_at_checked(4)?,
        0x8a => {
            let (length, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(*length))?
        }
        _ => return None,
    };
    let negative = digits.last().is_none_or(|last| *last >= 0x80);
    if end != b"." || negative || digits.len() > 8 {
        return None;
    }
    let mut value = [0; 8];
    value[..digits.len()].copy_from_slice(digits);
    Some(u64::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_says_of_the_time_is_understood() {
        // pickle.dumps(n, 4)
        let of_an_hour =
            b"\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00\x8a\x06\xfc\xa8\\K\xe0\x03.";
        assert_eq!(integer(of_an_hour), Some(4_261_871_921_404));
        assert_eq!(integer(b"\x80\x04J\x00\x00\x00\x01."), Some(1 << 24));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let cases: [&[u8]; 7] = [
            b"",
            b"\x80\x04N.",
            b"\x80\x04J\x00\x00",
            b"\x80\x04J\xff\xff\xff\xff.",
            b"\x80\x04\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.",
            b"\x80\x04\x8a\x00.",
            b"\x80\x04J\x00\x00\x00\x01N.",
        ];
        for case in cases {
            assert_eq!(integer(case), None, "{case:?}");
        }
    }
}
