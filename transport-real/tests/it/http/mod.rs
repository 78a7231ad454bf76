//! The gateway over a real TCP listener, with a store whose every step the test can see and play.

mod bad_input;
mod batches;
mod client;
mod connections;
mod inspect;
mod original;
mod shape;
mod store;
mod waiting;

use std::net::SocketAddr;
use std::time::Duration;

use mpcsfaas_core::mime_base64::encode_mime;
use mpcsfaas_core::store::Config;
use mpcsfaas_transport_real::http::{ConnectionLimits, HttpConfig, app, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::client::{Answer, Client};
use self::store::TestStore;

/// What no test takes unless something hangs.
const BOUND: Duration = Duration::from_secs(10);

/// A function by reference: `builtins.len`.
const FUNCTION: &[u8] = b"\x80\x03cbuiltins\nlen\nq\x00.";

/// Parameters: `((), {})`.
const PARAMS: &[u8] = b"\x80\x03)}q\x00\x86q\x01.";

/// A gateway, its store, and the way to shut it down.
struct TestEnv {
    address: SocketAddr,
    store: TestStore,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl TestEnv {
    async fn start() -> TestEnv {
        TestEnv::with(
            HttpConfig::default(),
            ConnectionLimits::default(),
            Config::default(),
        )
        .await
    }

    async fn with_http(config: HttpConfig) -> TestEnv {
        TestEnv::with(config, ConnectionLimits::default(), Config::default()).await
    }

    async fn with(http: HttpConfig, limits: ConnectionLimits, store: Config) -> TestEnv {
        let (handle, store) = TestStore::start(store);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let (shutdown, shut) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, app(handle, http), limits, async {
            let _ = shut.await;
        }));
        TestEnv {
            address,
            store,
            shutdown: Some(shutdown),
            serving,
        }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.connect().await.post(path, body).await
    }

    /// Registers a function and tells its id.
    async fn register(&self) -> String {
        let body = json!({ "name": "len", "payload": encode_mime(FUNCTION) });
        let answer = self.post("/register_function", &body).await;
        answer.ok()["function_id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    /// Submits a task and tells its id.
    async fn submit(&self, function: &str) -> String {
        let body = json!({ "function_id": function, "payload": encode_mime(PARAMS) });
        let answer = self.post("/execute_function", &body).await;
        answer.ok()["task_id"].as_str().expect("an id").to_owned()
    }

    /// Registers a function and submits a task of it.
    async fn task(&self) -> String {
        let function = self.register().await;
        self.submit(&function).await
    }

    /// Begins to shut down.
    fn shut_down(&mut self) {
        self.shutdown
            .take()
            .expect("not yet shut down")
            .send(())
            .expect("it serves");
    }
}

/// Waits for something that must happen soon.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, event)
        .await
        .expect("it happens in time")
}
