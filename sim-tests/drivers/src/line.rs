//! Connections of madsim's network that carry whole messages, through the gates.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mpcsfaas_transport_real::zmq::socket::Frames;
use mpcsfaas_transport_sim::Place;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::world::World;

/// The port on which dispatchers and the store listen. madsim gives the lower ones to clients.
const PORT: u16 = 5_555;

/// The first pause before another attempt to connect where nobody listens; it doubles.
const AGAIN: Duration = Duration::from_millis(50);

/// The address of a place.
pub(crate) fn address_of(place: Place) -> IpAddr {
    let [kind, index] = match place {
        Place::Client => [0, 0],
        Place::Store => [1, 0],
        Place::Dispatcher(index) => [2, index],
        Place::Worker(index) => [3, index],
    }
    .map(|number| u8::try_from(number).unwrap_or(u8::MAX));
    IpAddr::V4(Ipv4Addr::new(10, 0, kind, index + 1))
}

fn place_of(address: SocketAddr) -> Option<Place> {
    let IpAddr::V4(address) = address.ip() else {
        return None;
    };
    let [_, _, kind, number] = address.octets();
    let index = usize::from(number.checked_sub(1)?);
    match kind {
        0 => Some(Place::Client),
        1 => Some(Place::Store),
        2 => Some(Place::Dispatcher(index)),
        3 => Some(Place::Worker(index)),
        _ => None,
    }
}

/// A place where others connect to.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    here: Place,
    world: World,
}

impl Listener {
    pub(crate) async fn bind(world: &World, here: Place) -> io::Result<Listener> {
        Ok(Listener {
            listener: TcpListener::bind((address_of(here), PORT)).await?,
            here,
            world: world.clone(),
        })
    }

    /// The next that connects.
    pub(crate) async fn accept(&self) -> io::Result<(Place, Line)> {
        loop {
            let (stream, from) = self.listener.accept().await?;
            if let Some(there) = place_of(from) {
                return Ok((there, Line::new(stream, self.here, there, &self.world)));
            }
        }
    }
}

/// Connects to a place that listens.
pub(crate) async fn connect_once(world: &World, here: Place, there: Place) -> io::Result<Line> {
    world.watch.dials(here);
    let stream = TcpStream::connect((address_of(there), PORT)).await?;
    Ok(Line::new(stream, here, there, world))
}

/// Connects to the first of these that listens and can be reached; tries again and again.
pub(crate) async fn connect(world: &World, here: Place, there: &[Place]) -> (Place, Line) {
    let mut pause = AGAIN;
    loop {
        for place in there.iter().copied() {
            if !world.gates.is_open(here, place) {
                continue;
            }
            if let Ok(line) = connect_once(world, here, place).await {
                return (place, line);
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sender: LineSender,
    pub(crate) receiver: LineReceiver,
}

#[derive(Debug)]
pub(crate) struct LineSender(WriteHalf<TcpStream>);

/// Ends with the connection. Dropping it ends the connection.
#[derive(Debug)]
pub(crate) struct LineReceiver {
    messages: mpsc::UnboundedReceiver<Frames>,
    reader: JoinHandle<()>,
}

impl Line {
    fn new(stream: TcpStream, here: Place, there: Place, world: &World) -> Line {
        let (mut read, write) = tokio::io::split(stream);
        let (arrived, messages) = mpsc::unbounded_channel();
        let gates = world.gates.clone();
        let cut = gates.clone();
        let reading = async move {
            while let Ok(frames) = read_frames(&mut read).await {
                gates.pass(there, here).await;
                if arrived.send(frames).is_err() {
                    return;
                }
            }
            // That it is over has to travel, too.
            gates.pass(there, here).await;
        };
        let reader = tokio::spawn(async move {
            tokio::select! {
                biased;
                () = cut.cut_off(here, there) => {}
                () = reading => {}
            }
        });
        Line {
            sender: LineSender(write),
            receiver: LineReceiver { messages, reader },
        }
    }
}

impl LineReceiver {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Frames> {
        self.messages.recv().await
    }
}

impl Drop for LineReceiver {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl LineSender {
    pub(crate) async fn send(&mut self, frames: &Frames) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        bytes.put_u32(frames.len() as u32);
        for frame in frames {
            bytes.put_u32(frame.len() as u32);
            bytes.put_slice(frame);
        }
        self.0.write_all(&bytes).await?;
        self.0.flush().await
    }
}

async fn read_frames(from: &mut ReadHalf<TcpStream>) -> io::Result<Frames> {
    let count = from.read_u32().await?;
    let mut frames = Vec::new();
    for _ in 0..count {
        let mut frame = vec![0; from.read_u32().await? as usize];
        from.read_exact(&mut frame).await?;
        frames.push(Bytes::from(frame));
    }
    Ok(frames)
}
