//! A connection in lock-step that tells answers apart by their order: when a request is given up its
//! answer stays in the line, and is taken for that of the next request.

use std::sync::Arc;
use std::time::Duration;

use mpcsfaas_core::store::{Op, Reply};
use mpcsfaas_transport_real::store::connection::{Connection, Home, Unanswered};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use crate::home::{Notices, SimConnection, SimHome, StoreTrouble};

/// How long an answer is waited for. Long enough for any answer in a calm world, and much
/// shorter than a connection may be silent.
const PATIENCE: Duration = Duration::from_millis(80);

/// A store whose connections mix answers up.
#[derive(Clone, Debug)]
pub(crate) struct MixedUpHome(pub(crate) SimHome);

/// Such a connection.
#[derive(Clone, Debug)]
pub(crate) struct MixedUp {
    connection: SimConnection,
    answered: mpsc::UnboundedSender<Reply>,
    /// Who may ask, and where the answers come.
    turn: Arc<Mutex<mpsc::UnboundedReceiver<Reply>>>,
}

impl Home for MixedUpHome {
    type Connection = MixedUp;
    type Notices = Notices;

    async fn connect(&self) -> Result<(MixedUp, Notices), StoreTrouble> {
        let (connection, notices) = self.0.connect().await?;
        let (answered, answers) = mpsc::unbounded_channel();
        let mixed_up = MixedUp {
            connection,
            answered,
            turn: Arc::new(Mutex::new(answers)),
        };
        Ok((mixed_up, notices))
    }

    fn closed(&self) -> StoreTrouble {
        self.0.closed()
    }
}

impl Connection for MixedUp {
    type Trouble = StoreTrouble;

    async fn ask(self, op: Op) -> Result<Reply, Unanswered<StoreTrouble>> {
        let mut answers = self.turn.lock().await;
        let (connection, answered) = (self.connection.clone(), self.answered.clone());
        tokio::spawn(async move {
            if let Ok(reply) = connection.ask_patiently(op).await {
                let _ = answered.send(reply);
            }
        });
        match timeout(PATIENCE, answers.recv()).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(Unanswered::Lost(StoreTrouble::Lost)),
            Err(_) => Err(Unanswered::Late(StoreTrouble::Silent)),
        }
    }

    async fn ping(self) -> Result<(), Unanswered<StoreTrouble>> {
        self.connection.ping().await
    }
}
