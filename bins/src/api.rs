//! Asking a gateway: where it is, a keep-alive connection to it, and what can go wrong.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::TcpStream;

/// Why a gateway could not be asked.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The URL is not `http://HOST[:PORT]`.
    #[error("`{0}` is not a URL such as http://127.0.0.1:8000")]
    Url(String),
    /// No connection.
    #[error("no connection to {target}")]
    Connect {
        /// Where to.
        target: Target,
        /// Why.
        source: std::io::Error,
    },
    /// The gateway closed the connection or did not speak HTTP.
    #[error("the HTTP connection failed")]
    Http(#[from] hyper::Error),
    /// An identifier of the gateway's cannot stand in a path.
    #[error("the request cannot be built")]
    Request(#[from] hyper::http::Error),
    /// The body of a success was not what the API says.
    #[error("an answer is not the JSON that the API documents")]
    Body(#[from] serde_json::Error),
    /// There was no answer in time.
    #[error("{target} did not answer within {} s", .limit.as_secs())]
    TimedOut {
        /// Who was asked.
        target: Target,
        /// The bound.
        limit: Duration,
    },
}

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`.
    authority: String,
}

impl Target {
    /// The gateway at `http://HOST[:PORT]`; the port is 80 if none is given.
    ///
    /// # Errors
    /// [`ApiError::Url`] for anything else, `https` included.
    pub fn from_url(url: &str) -> Result<Target, ApiError> {
        let wrong = || ApiError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        if uri.scheme_str() != Some("http") || uri.path() != "/" {
            return Err(wrong());
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Target {
            authority: format!("{}:{port}", authority.host()),
        })
    }

    /// The gateway at a port of this machine.
    pub fn on_loopback(port: u16) -> Target {
        Target {
            authority: format!("127.0.0.1:{port}"),
        }
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The host's name or address; an IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        let host_port = self.authority.rsplit_once(':');
        host_port.map_or(&self.authority, |(host, _)| host)
    }

    /// Asks once, on a connection of its own, for at most `limit`.
    ///
    /// # Errors
    /// See [`ApiError`]. An answer other than 2xx is a [`Refusal`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        limit: Duration,
    ) -> Result<Result<T, Refusal>, ApiError> {
        let asked = async {
            let mut connection = Connection::connect(self).await?;
            connection.ask(method, path, Bytes::new()).await
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(ApiError::TimedOut {
                target: self.clone(),
                limit,
            }),
        }
    }
}

/// The URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// An answer other than 2xx.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, whatever it is.
    pub body: String,
}

/// The gateway's own words, or what somebody in between sent instead.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[derive(Deserialize)]
        struct Detail {
            detail: String,
        }
        match serde_json::from_str::<Detail>(&self.body) {
            Ok(Detail { detail }) => write!(f, "{}: {detail}", self.status),
            Err(_) => write!(f, "{} {}", self.status, self.body),
        }
    }
}

/// One keep-alive connection. It is driven by whoever asks, not by a task of its own, which would
/// cost two wake-ups for each request.
pub struct Connection {
    host: HeaderValue,
    requests: SendRequest<Full<Bytes>>,
    /// `None` once the gateway has closed it.
    open: Option<Http1>,
}

type Http1 = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

impl Connection {
    /// Connects, for as long as the system tries.
    ///
    /// # Errors
    /// Nobody listens there, or the URL's host cannot be found.
    pub async fn connect(target: &Target) -> Result<Connection, ApiError> {
        let refused = |source| ApiError::Connect {
            target: target.clone(),
            source,
        };
        let stream = TcpStream::connect(&target.authority)
            .await
            .map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (requests, open) = http1::handshake(TokioIo::new(stream)).await?;
        let host = HeaderValue::from_str(&target.authority).map_err(hyper::http::Error::from)?;
        Ok(Connection {
            host,
            requests,
            open: Some(open),
        })
    }

    /// One request and its whole answer.
    ///
    /// # Errors
    /// See [`ApiError`]. An answer other than 2xx is a [`Refusal`].
    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Result<T, Refusal>, ApiError> {
        let uri = path.parse::<Uri>().map_err(hyper::http::Error::from)?;
        let (status, body) = self.exchange(method, uri, body).await?;
        if status.is_success() {
            Ok(Ok(serde_json::from_slice(&body)?))
        } else {
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Err(Refusal { status, body }))
        }
    }

    /// One request and its whole answer as it came, whatever its status: for whoever has a path at
    /// hand that costs nothing to make, or wants to read the body in place.
    ///
    /// # Errors
    /// [`ApiError::Http`]. The connection is of no more use then, nor when this was given up.
    pub async fn exchange(
        &mut self,
        method: Method,
        uri: Uri,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let requests = &mut self.requests;
        let whole = async move {
            requests.ready().await?;
            let answer = requests.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        tokio::select! {
            biased;
            answered = whole => Ok(answered?),
            never = drive(&mut self.open) => match never {},
        }
    }

    /// Waits until the gateway closes the connection, which it does with one that nobody uses. May
    /// be given up.
    pub async fn closed(&mut self) {
        if let Some(open) = &mut self.open {
            let _whyever = open.await;
            self.open = None;
        }
    }
}

/// Moves bytes for as long as it is polled. It never ends: that the connection has, the request
/// that waits on it is told by hyper.
async fn drive(connection: &mut Option<Http1>) -> Infallible {
    if let Some(open) = connection {
        let _told_to_the_request = open.await;
        *connection = None;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_urls_are_targets() {
        let authority = |url| Target::from_url(url).map(|target| target.authority).ok();
        assert_eq!(
            authority("http://127.0.0.1:8000").unwrap(),
            "127.0.0.1:8000"
        );
        assert_eq!(authority("http://localhost/").unwrap(), "localhost:80");
        for url in ["127.0.0.1:8000", "https://localhost", "http://h/path", ""] {
            assert_eq!(authority(url), None, "{url}");
        }
    }

    #[test]
    fn a_target_knows_its_host_and_url() {
        let target = Target::from_url("http://[::1]:8000/").unwrap();
        assert_eq!(
            (target.host(), target.to_string().as_str()),
            ("[::1]", "http://[::1]:8000")
        );
        assert_eq!(
            Target::on_loopback(80),
            Target::from_url("http://127.0.0.1").unwrap()
        );
    }

    #[test]
    fn a_refusal_is_told_in_the_gateways_words() {
        let told = |body: &str| {
            let status = StatusCode::NOT_FOUND;
            let body = body.to_owned();
            Refusal { status, body }.to_string()
        };
        assert_eq!(told(r#"{"detail": "no task"}"#), "404 Not Found: no task");
        assert_eq!(told("<html>"), "404 Not Found <html>");
    }

    #[tokio::test]
    async fn a_gateway_that_says_nothing_is_not_waited_for() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::on_loopback(silent.local_addr().unwrap().port());
        let limit = Duration::from_millis(20);
        let asked = target.ask::<()>(Method::GET, "/", limit).await;
        assert!(matches!(asked, Err(ApiError::TimedOut { .. })), "{asked:?}");
    }
}
