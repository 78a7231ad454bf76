//! Signals: the first SIGTERM or Ctrl-C asks to drain, a second ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The exit code of a process that was told twice, as a shell reports SIGINT.
const ABORTED: i32 = 130;

/// Becomes true when the process should drain.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Listens for signals from now on.
///
/// # Errors
/// The system refuses to deliver signals.
pub fn listen() -> std::io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (asked, seen) = watch::channel(false);
    tokio::spawn(async move {
        let mut told = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if told {
                tracing::warn!("told twice; ending at once");
                std::process::exit(ABORTED);
            }
            told = true;
            tracing::info!("draining; once more to end at once");
            let _ = asked.send(true);
        }
    });
    Ok(Shutdown(seen))
}

/// Ends this process at once when standard input ends. A parent that was killed cannot say so, but
/// its end of the pipe closes. What this process has started notices in the same way.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        tracing::warn!("the parent is gone");
        std::process::exit(1);
    });
}

impl Shutdown {
    /// Waits until the process should drain.
    pub async fn asked(mut self) {
        // The sender lives as long as the process.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}
