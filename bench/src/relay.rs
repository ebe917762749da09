//! The relay: the yardstick for rate and CPU. It accepts the same requests as Postrider with the same
//! server, hands them to a bounded queue in memory, answers 202, and signs and POSTs them with the same
//! client from as many places. It stores nothing, decides nothing and forgets everything: no sender with
//! a store can be faster in this shape.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder};
use bytes::Bytes;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, mpsc};

use crate::Result;
use crate::control::{answer, commands};
use crate::receiver::Listening;
use crate::sender::{IN_FLIGHT, Sender};

/// Accepted and not yet sent; when it is full, publishers wait.
const QUEUE_MAX: usize = 1_024;

#[derive(Debug, Serialize, Deserialize)]
pub struct Serve {
    pub key: String,
    pub webhook: String,
}

#[derive(Deserialize)]
struct Publish<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    id: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

struct Accepted {
    kind: String,
    id: String,
    data: String,
}

struct Door {
    bearer: String,
    queue: mpsc::Sender<Accepted>,
}

/// Serves until its input ends.
pub async fn run() -> Result<()> {
    let mut commands = commands::<Serve>();
    let command = commands.recv().await.ok_or("no command")?;
    let (queue, accepted) = mpsc::channel(QUEUE_MAX);
    let accepted = Arc::new(Mutex::new(accepted));
    let sender = Sender::new()?;
    let webhook: Url = command.webhook.parse()?;
    for _ in 0..IN_FLIGHT {
        tokio::spawn(deliver(sender.clone(), webhook.clone(), accepted.clone()));
    }
    let door = Data::new(Door { bearer: format!("Bearer {}", command.key), queue });
    let server = HttpServer::new(move || {
        App::new().app_data(door.clone()).route("/v1/events", web::post().to(publish_event))
    })
    .bind(("127.0.0.1", 0))?;
    let port = server.addrs().first().ok_or("no address")?.port();
    let server = server.disable_signals().run();
    answer(&Listening { port })?;
    Ok(server.await?)
}

async fn publish_event(request: HttpRequest, body: Bytes, door: Data<Door>) -> impl Responder {
    let key = request.headers().get(AUTHORIZATION);
    if key.is_none_or(|key| key.as_bytes() != door.bearer.as_bytes()) {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(event) = serde_json::from_slice::<Publish>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let id = event.id.to_owned();
    let accepted =
        Accepted { kind: event.kind.to_owned(), id: id.clone(), data: event.data.get().to_owned() };
    if door.queue.send(accepted).await.is_err() {
        return HttpResponse::ServiceUnavailable().finish();
    }
    HttpResponse::Accepted().json(serde_json::json!({"id": id, "duplicate": false}))
}

/// One place on the wire. A delivery that fails is lost: the receiver's count shows it.
async fn deliver(sender: Sender, to: Url, accepted: Arc<Mutex<mpsc::Receiver<Accepted>>>) {
    loop {
        let next = accepted.lock().await.recv().await;
        let Some(Accepted { kind, id, data }) = next else {
            return;
        };
        if let Err(error) = sender.send(&to, &kind, &id, &data).await {
            eprintln!("the relay lost {id}: {error}");
        }
    }
}
