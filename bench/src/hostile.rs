//! Subscribers that mean harm, in a process of their own so that what they burn is nobody else's, and
//! what one tenant's thousand of them cost another.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, sleep};

use crate::Result;
use crate::control::{Role, answer, commands};
use crate::fairness::{
    Attack, HANGING as MANY, HANGING_PACE as PACE, OTHER, TIMEOUT, WATCHED, attack, register,
    target,
};
use crate::measure::memory;
use crate::receiver::{CONNECTING_MAX, Listening};
use crate::run::{Bench, Load};
use crate::scenarios::{Settings, tell};
use crate::services::Services;
use crate::target::Target;

const LISTEN_LIMIT: Duration = Duration::from_secs(10);
/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(200);

/// What they do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Hang,
    Drip,
    Informational,
    EndlessBody,
    Reset,
    Garbage,
    EndlessHandshake,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Hang,
        Kind::Drip,
        Kind::Informational,
        Kind::EndlessBody,
        Kind::Reset,
        Kind::Garbage,
        Kind::EndlessHandshake,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Hang => "hang",
            Kind::Drip => "drip",
            Kind::Informational => "flood with 1xx",
            Kind::EndlessBody => "never end",
            Kind::Reset => "reset",
            Kind::Garbage => "talk nonsense",
            Kind::EndlessHandshake => "shake no hands",
        }
    }

    fn scheme(self) -> &'static str {
        if self == Kind::EndlessHandshake { "https" } else { "http" }
    }
}

/// A thousand of one kind beside the watched tenant.
#[derive(Debug, Serialize)]
pub struct Hostile {
    pub mode: &'static str,
    pub kind: Kind,
    pub attack: Attack,
    /// The most memory that the process which delivers ever had, before and after.
    pub alone_mib: f64,
    pub attacked_mib: f64,
}

/// The embedded mode, and a fleet if there are servers for it.
pub async fn hostile(bench: &mut Bench, settings: &Settings) -> Result<Vec<Hostile>> {
    let mut all = Vec::new();
    let services = Services::given();
    for services in [None].into_iter().chain(services.as_ref().map(Some)) {
        for kind in Kind::ALL {
            all.push(beside(bench, settings, services, kind).await?);
        }
    }
    Ok(all)
}

async fn beside(
    bench: &mut Bench,
    settings: &Settings,
    services: Option<&Services>,
    kind: Kind,
) -> Result<Hostile> {
    let mode = if services.is_some() { "fleet" } else { "embedded" };
    let target = target(settings, services).await?;
    register(bench, &target, WATCHED, 0..1).await?;
    let mut role = Role::start("hostile")?;
    let Listening { port } = role.ask(&kind, LISTEN_LIMIT).await?;
    for n in 0..MANY {
        let url = format!("{}://127.0.0.1:{port}/h/{n}", kind.scheme());
        target.register_for(json!({ "tenant": OTHER }), &url, TIMEOUT).await?;
    }
    let delivering = delivering(&target);
    let other = Load::paced(1, settings.time, PACE);
    let mut alone_mib = 0.0;
    let attack = attack(bench, settings, &target, other, || {
        alone_mib = memory(delivering)?.peak_mib;
        Ok(())
    })
    .await?;
    let attacked_mib = memory(delivering)?.peak_mib;
    tell(&format!("{mode}: alone"), &attack.alone);
    tell(&format!("{mode}: another's {}", kind.name()), &attack.attacked);
    eprintln!("{mode}: at most {alone_mib:.0} MiB, then {attacked_mib:.0}");
    // Nobody waits for what hangs.
    drop((target, role));
    Ok(Hostile { mode, kind, attack, alone_mib, attacked_mib })
}

/// The process that delivers.
fn delivering(target: &Target) -> u32 {
    let watched = target.watched();
    watched.iter().find(|process| process.what == "worker").map_or(target.pid, |worker| worker.pid)
}

/// The role: each command is a kind, and is answered with a [`Listening`].
pub async fn run() -> Result<()> {
    let mut commands = commands();
    while let Some(kind) = commands.recv().await {
        answer(&listen(kind)?)?;
    }
    Ok(())
}

fn listen(kind: Kind) -> Result<Listening> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(CONNECTING_MAX)?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // None: the other side gave up, which is what it is to do.
            tokio::spawn(harm(stream, kind));
        }
    });
    Ok(Listening { port })
}

async fn harm(mut stream: TcpStream, kind: Kind) -> Option<()> {
    let mut request = [0; 8 * 1_024];
    if stream.read(&mut request).await.ok()? == 0 {
        return None;
    }
    match kind {
        Kind::Hang | Kind::EndlessHandshake => while stream.read(&mut request).await.ok()? > 0 {},
        Kind::Drip => {
            for byte in b"HTTP/1.1 200 OK\r\n".iter().chain(b"x-slow: y\r\n".iter().cycle()) {
                stream.write_all(&[*byte]).await.ok()?;
                sleep(DRIP).await;
            }
        }
        Kind::Informational => {
            let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
            forever(&mut stream, &flood).await?;
        }
        Kind::EndlessBody => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n";
            stream.write_all(head).await.ok()?;
            forever(&mut stream, &[b'x'; 64 * 1_024]).await?;
        }
        Kind::Reset => stream.set_zero_linger().ok()?,
        Kind::Garbage => stream.write_all(b"220 mail.example ESMTP\r\n\r\n").await.ok()?,
    }
    Some(())
}

async fn forever(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    loop {
        stream.write_all(bytes).await.ok()?;
    }
}
