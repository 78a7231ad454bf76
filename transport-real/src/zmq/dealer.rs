//! The worker's end: one DEALER for each session, under an identity of its own.

use std::time::Duration;

use futures_util::StreamExt;
use mpcsfaas_core::id::{Session, WorkerId};
use mpcsfaas_core::timing::FRAME_LIMIT;
use mpcsfaas_core::wire::message::FromWorker;
use mpcsfaas_core::wire::native;
use mpcsfaas_core::worker::Input;
use tokio::sync::mpsc;
use zeromq::{
    DealerSocket, Socket, SocketEvent, SocketOptions, SocketRecv, SocketSend, ZmqError, ZmqMessage,
    ZmqResult,
};

use crate::work::Dial;

/// How long a connection may take. The machine gives up by itself when it hears nothing; this only
/// ends the attempt.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Dials a dispatcher's ROUTER.
#[derive(Clone, Debug)]
pub struct DealerDial {
    worker: WorkerId,
    endpoint: String,
}

impl DealerDial {
    /// Dials `endpoint`, such as `tcp://localhost:5555`, as this worker.
    pub fn new(worker: WorkerId, endpoint: impl Into<String>) -> DealerDial {
        DealerDial {
            worker,
            endpoint: endpoint.into(),
        }
    }
}

impl Dial for DealerDial {
    fn dial(
        &mut self,
        session: Session,
        inputs: mpsc::Sender<Input>,
    ) -> mpsc::UnboundedSender<FromWorker> {
        let (messages, outgoing) = mpsc::unbounded_channel();
        // Nobody can be there first under a name that nobody can guess.
        let identity = format!("{}.{session}.{:016x}", self.worker, rand::random::<u64>());
        let endpoint = self.endpoint.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(&identity, &endpoint, &inputs, outgoing).await {
                tracing::debug!(%error, %endpoint, session, "the connection ended");
            }
            let _ = inputs.send(Input::ConnectionClosed { session }).await;
        });
        messages
    }
}

/// Owns the socket of one session until either side ends it.
async fn serve(
    identity: &str,
    endpoint: &str,
    inputs: &mpsc::Sender<Input>,
    mut outgoing: mpsc::UnboundedReceiver<FromWorker>,
) -> ZmqResult<()> {
    let mut options = SocketOptions::default();
    options
        .peer_identity(identity.parse()?)
        .connect_timeout(CONNECT_LIMIT);
    let mut socket = DealerSocket::with_options(options);
    let mut events = socket.monitor();
    socket.connect(endpoint).await?;
    let (mut sender, mut receiver) = socket.split();
    loop {
        tokio::select! {
            message = receiver.recv() => {
                if let Some(input) = read(message?)
                    && inputs.send(input).await.is_err()
                {
                    return Ok(());
                }
            }
            event = events.next() => {
                if matches!(event, Some(SocketEvent::Disconnected(_)) | None) {
                    return Err(ZmqError::Other("the dispatcher closed the connection"));
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else { return Ok(()) };
                sender.send(ZmqMessage::from(native::encode(&message))).await?;
            }
        }
    }
}

fn read(message: ZmqMessage) -> Option<Input> {
    let body = message.get(0).filter(|body| body.len() <= FRAME_LIMIT)?;
    match native::decode(body) {
        Ok(message) => Some(Input::MessageReceived(message)),
        Err(error) => {
            tracing::warn!(%error, "the dispatcher sent what is no message");
            None
        }
    }
}
