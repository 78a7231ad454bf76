//! Is the model of ZMQ true? Scripts, played on the model and on what it models: the `zeromq` crate
//! and libzmq over loopback. What they show is `docs/ZMQ.md`.

mod crate_sockets;
mod python;
mod script;
mod scripts;
mod sockets;
mod words;

use self::crate_sockets::ZeromqCrate;
use self::python::Libzmq;
use self::sockets::Mixed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show() {
    for script in scripts::all() {
        let req = script.name.starts_with("req");
        println!("## {}", script.name);
        let begun = std::time::Instant::now();
        if !req {
            let mut ours = ZeromqCrate::default();
            println!("A: {} {:?}", script.play(&mut ours).await, begun.elapsed());
        }
        let mut theirs = Libzmq::start().await;
        println!("B: {} {:?}", script.play(&mut theirs).await, begun.elapsed());
        let mut mixed = Mixed {
            router: ZeromqCrate::default(),
            peers: Libzmq::start().await,
        };
        println!("C: {} {:?}", script.play(&mut mixed).await, begun.elapsed());
    }
}
