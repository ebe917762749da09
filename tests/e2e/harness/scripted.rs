//! A subscriber that does with a connection what no server does: a list of steps, the same for every
//! connection, byte for byte.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(50);
/// Connections that may wait to be accepted: all of a test's come at once.
const CONNECTING_MAX: u32 = 4_096;

#[derive(Debug, Clone)]
pub enum Step {
    /// Reads the head of a request and none of its body.
    Head,
    /// Reads a request.
    Request,
    Send(Vec<u8>),
    /// Sends this again and again, as fast as it goes.
    Forever(Vec<u8>),
    /// Sends this byte by byte, again and again.
    Drip(Vec<u8>),
    Pause(Duration),
    /// Says nothing until the other side gives up.
    Hang,
    /// Breaks the connection, instead of closing it as at the end of the steps.
    Reset,
}

pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

/// Listens on a port of 127.0.0.1 for as long as its test runs.
pub struct Scripted {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    connections: usize,
    open: usize,
    heads: Vec<String>,
}

impl Scripted {
    pub async fn start(steps: Vec<Step>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let listener = socket.listen(CONNECTING_MAX).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count(&shared, 1);
                let (steps, shared) = (steps.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    // None: the other side closed it.
                    let _ = take(stream, steps, &shared).await;
                    count(&shared, -1);
                });
            }
        });
        Self { port, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Connections there were.
    pub fn connections(&self) -> usize {
        self.state.lock().expect("nobody panics with it").connections
    }

    /// Connections there are.
    pub fn open(&self) -> usize {
        self.state.lock().expect("nobody panics with it").open
    }

    /// The heads of the requests that were read, in order.
    pub fn heads(&self) -> Vec<String> {
        self.state.lock().expect("nobody panics with it").heads.clone()
    }
}

fn count(state: &Mutex<State>, by: isize) {
    let mut state = state.lock().expect("nobody panics with it");
    state.open = state.open.saturating_add_signed(by);
    state.connections += usize::from(by > 0);
}

async fn take(mut stream: TcpStream, steps: Vec<Step>, state: &Mutex<State>) -> Option<()> {
    for step in steps {
        match step {
            Step::Head => drop(head(&mut stream, state).await?),
            Step::Request => {
                let (head, mut body) = head(&mut stream, state).await?;
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                    })
                    .unwrap_or(0);
                while body < length {
                    let read = stream.read(&mut vec![0; length - body]).await.ok()?;
                    body += if read == 0 { return None } else { read };
                }
            }
            Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Step::Forever(bytes) => loop {
                stream.write_all(&bytes).await.ok()?;
            },
            Step::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    stream.write_all(&[*byte]).await.ok()?;
                    tokio::time::sleep(DRIP).await;
                }
            }
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Hang => while stream.read(&mut [0; 4_096]).await.ok()? > 0 {},
            Step::Reset => {
                stream.set_zero_linger().ok()?;
                return None;
            }
        }
    }
    Some(())
}

/// The head of a request, and how much of its body was read with it.
async fn head(stream: &mut TcpStream, state: &Mutex<State>) -> Option<(String, usize)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    state.lock().expect("nobody panics with it").heads.push(head.clone());
    Some((head, read.len() - end))
}
