//! A small HTTP client that shows what is on the wire: one connection, kept alive.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::soon;

pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

/// A response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Client {
        let stream = soon(TcpStream::connect(address)).await.expect("it listens");
        Client {
            stream: BufReader::new(stream),
        }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let json = ("content-type", "application/json");
        self.request("POST", path, &[json], body.to_string().as_bytes())
            .await
    }

    /// Sends a request with a body of known length and reads the answer.
    pub(super) async fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(head.as_bytes()).await;
        self.send(body).await;
        self.answer().await
    }

    /// Sends bytes as they are.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes))
            .await
            .expect("it is sent");
    }

    /// As `send`, to a server that may have closed the connection.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) {
        let _ = soon(self.stream.write_all(bytes)).await;
    }

    /// Reads one response.
    pub(super) async fn answer(&mut self) -> Answer {
        let status_line = self.line().await;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer {
            status: status.unwrap_or_else(|| panic!("not a status line: {status_line:?}")),
            headers,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |v| v.parse().expect("a length"));
        answer.body.resize(length, 0);
        soon(self.stream.read_exact(&mut answer.body))
            .await
            .expect("the whole body");
        answer
    }

    /// Waits until the server closes the connection, and tells what it sent before.
    pub(super) async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset closes it just as well.
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        // Answers that are waited for may take as long as the test allows them.
        soon(self.stream.read_line(&mut line))
            .await
            .expect("a line");
        line.trim_end().to_owned()
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", self.body.escape_ascii()))
    }

    /// The body of a success.
    pub(super) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body.escape_ascii());
        self.json()
    }

    /// The sentence of a refusal.
    pub(super) fn detail(&self) -> String {
        self.json()["detail"]
            .as_str()
            .expect("a sentence")
            .to_owned()
    }
}
