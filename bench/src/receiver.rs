//! The receiver: answers 200 to every webhook and counts what came, on one thread.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::Result;
use crate::control::{answer, commands};
use crate::event;
use crate::ledger::{Begin, Ledger, Receipt};
use crate::wire::{Connection, Message};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// Connections that may wait to be accepted. Thousands come at once when as many webhooks hang, and
/// what the kernel drops it tries again after seconds.
pub const CONNECTING_MAX: u32 = 4_096;
const POLL: Duration = Duration::from_millis(5);

#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// Answered with [`Listening`].
    Listen,
    /// Forgets the last run. Answered with `true`.
    Begin(Begin),
    /// Waits for that many deliveries. Answered with whether they came before `limit`, or before
    /// nothing came for `stall`.
    Wait { deliveries: u64, stall: Duration, limit: Duration },
    /// Answered with a [`crate::ledger::Report`].
    Report { published: Vec<u64> },
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Listening {
    pub port: u16,
}

type Shared = Rc<RefCell<Ledger>>;

pub async fn run() -> Result<()> {
    let nothing = Begin { run: 0, paths: 0, hang: None, unwatched: None };
    let ledger: Shared = Rc::new(RefCell::new(Ledger::new(nothing)));
    LocalSet::new().run_until(obey(ledger)).await
}

async fn obey(ledger: Shared) -> Result<()> {
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen => answer(&listen(ledger.clone()).await?)?,
            Command::Begin(begin) => {
                *ledger.borrow_mut() = Ledger::new(begin);
                answer(&true)?;
            }
            Command::Wait { deliveries, stall, limit } => {
                answer(&wait(&ledger, deliveries, stall, limit).await)?;
            }
            Command::Report { published } => answer(&ledger.borrow_mut().report(&published))?,
        }
    }
    Ok(())
}

async fn listen(ledger: Shared) -> Result<Listening> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(CONNECTING_MAX)?;
    let port = listener.local_addr()?.port();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(serve(stream, ledger.clone()));
        }
    });
    Ok(Listening { port })
}

/// One connection, until it is closed or breaks.
async fn serve(stream: TcpStream, ledger: Shared) {
    let Ok(mut connection) = Connection::new(stream) else {
        return;
    };
    while let Ok(Some(request)) = connection.next().await {
        let answered = ledger.borrow_mut().note(&receipt(&request));
        if !answered {
            return connection.closed().await;
        }
        if connection.write(OK).await.is_err() {
            return;
        }
    }
}

fn receipt(request: &Message<'_>) -> Receipt {
    let path = request.path().strip_prefix(b"/h/");
    Receipt {
        path: path
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok()),
        event: request.header(b"webhook-id").and_then(event::parse_id),
        sent_at: event::parse_at(request.body),
        received_at: event::now_micros(),
    }
}

async fn wait(ledger: &Shared, deliveries: u64, stall: Duration, limit: Duration) -> bool {
    let begun = Instant::now();
    let mut last = (ledger.borrow().deliveries(), begun);
    loop {
        let now = ledger.borrow().deliveries();
        if now >= deliveries {
            return true;
        }
        if now > last.0 {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > stall || begun.elapsed() > limit {
            return false;
        }
        sleep(POLL).await;
    }
}
