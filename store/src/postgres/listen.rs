//! Hearing of webhooks that other processes changed.

use std::future::poll_fn;
use std::time::Duration;

use model::id::{Uid, WebhookId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Error};
use uuid::Uuid;

use super::connect::{Server, Wire};

/// Changes that wait to be taken note of; beyond it the server keeps them.
const WAITING_MAX: usize = 1_024;
/// Before connecting again.
const PAUSE: Duration = Duration::from_secs(1);

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Webhook(WebhookId),
    /// The connection was lost for a while: any webhook may have changed.
    Any,
}

/// Changes of webhooks, as they come.
pub struct Changes(mpsc::Receiver<Change>);

impl Changes {
    /// The next change, whoever made it. None once the runtime shuts down.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }
}

/// From when this returns nothing is missed, or it is said that something may have been.
pub(super) async fn listen(server: Server) -> Result<Changes, Error> {
    let (heard, changes) = mpsc::channel(WAITING_MAX);
    let listener = Listener { server, heard };
    let ear = listener.connect().await?;
    tokio::spawn(listener.run(ear));
    Ok(Changes(changes))
}

struct Listener {
    server: Server,
    heard: mpsc::Sender<Change>,
}

/// A connection that hears for as long as its client lives.
struct Ear {
    _client: Client,
    hearing: JoinHandle<()>,
}

impl Listener {
    async fn run(self, mut ear: Ear) {
        loop {
            tokio::select! {
                _ = &mut ear.hearing => {}
                () = self.heard.closed() => return ear.hearing.abort(),
            }
            tracing::warn!("changes of webhooks are not heard: the database connection broke");
            ear = loop {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = self.heard.closed() => return,
                }
                if let Ok(ear) = self.connect().await {
                    break ear;
                }
            };
            if self.heard.send(Change::Any).await.is_err() {
                return ear.hearing.abort();
            }
        }
    }

    async fn connect(&self) -> Result<Ear, Error> {
        let (client, wire) = self.server.open().await?;
        let hearing = tokio::spawn(hear(wire, self.heard.clone()));
        client.batch_execute("LISTEN postrider_webhooks").await?;
        Ok(Ear { _client: client, hearing })
    }
}

async fn hear(mut wire: Wire, heard: mpsc::Sender<Change>) {
    while let Some(Ok(message)) = poll_fn(|context| wire.poll_message(context)).await {
        if let AsyncMessage::Notification(said) = message {
            let id = Uuid::try_parse(said.payload());
            let change =
                id.map_or(Change::Any, |id| Change::Webhook(WebhookId(Uid(id.into_bytes()))));
            if heard.send(change).await.is_err() {
                return;
            }
        }
    }
}
