//! `postrider receive`: a receiver on this machine that shows what it gets, says whether it is genuine,
//! and answers as it is told.

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use clap::Args;
use model::signature::TOLERANCE_S;
use model::signature::diagnose::{Diagnosis, Request, diagnose};
use model::time::Timestamp;
use model::webhook::is_sensitive_header;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::world::{self, Clock};

use crate::client::plain;
use crate::failure::Failure;
use crate::given::{self, SecretArgs};
use crate::output::{say, say_json};
use crate::settings::Secret;

/// The largest body it takes: more than any event has unless its limit was raised.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How much of a body is shown to a person.
const BODY_SHOWN_MAX: usize = 16 * 1024;
/// Connections at once. The server's parser takes 96 headers of a request, and refuses more.
const CONNECTIONS_MAX: usize = 256;
/// Longer than any sender waits.
const DELAY_MAX: Duration = Duration::from_secs(120);
/// Characters of a signature that are shown, enough to compare two.
const SIGNATURE_SHOWN: usize = 12;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  Show what comes, and whether it is genuine
    POSTRIDER_SECRET=whsec_… postrider receive
  Register it at a server on this machine that was started with --dev
    postrider webhooks register http://127.0.0.1:3000/hook
  Be slow and fail every other time, to see retries
    postrider receive --delay 3s --fail-rate 50
  Keep requests, and judge one later
    postrider receive --json > requests.ndjson
    tail -1 requests.ndjson | postrider verify --secret-file secret.txt --request - --at signed

See also: postrider verify, postrider sign, postrider webhooks register.")]
pub struct Receive {
    /// Port to listen on
    #[arg(long, short, default_value = "3000", value_parser = port)]
    port: u16,

    /// Address to listen on; other machines reach only another one than this machine's own
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,

    /// Status to answer with
    #[arg(long, default_value = "200", value_parser = status)]
    status: StatusCode,

    /// How long to wait before answering, such as 500ms or 3s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = delay)]
    delay: Duration,

    /// Percentage of requests to answer 500 instead
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "0",
        value_parser = given::whole(0, 100)
    )]
    fail_rate: u64,

    #[command(flatten)]
    secret: SecretArgs,

    /// End after so many requests
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    /// Print a JSON object a line, with signatures in full
    #[arg(long)]
    json: bool,
}

/// 0 lets the system choose one.
fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a whole number from 1 to 65535".into())
}

fn status(text: &str) -> Result<StatusCode, String> {
    let code = text.parse().ok().filter(|code| (200..=599).contains(code));
    code.and_then(|code: u16| StatusCode::from_u16(code).ok())
        .ok_or_else(|| "a status is a number from 200 to 599".into())
}

fn delay(text: &str) -> Result<Duration, String> {
    match given::duration(text)? {
        delay if delay <= DELAY_MAX => Ok(delay),
        _ => Err("up to 120 s".into()),
    }
}

/// What every request is met with.
struct Receiver {
    status: StatusCode,
    delay: Duration,
    fail_rate: u64,
    secret: Option<Secret>,
    json: bool,
    /// Whether a person looks: then bodies are laid out.
    is_terminal: bool,
    clock: Clock,
    /// Told of each request once it is answered.
    answered: tokio::sync::mpsc::UnboundedSender<()>,
}

pub fn run(receive: &Receive) -> Result<(), Failure> {
    let secret = receive.secret.read()?;
    secret.as_ref().map(given::checked).transpose()?;
    let address = SocketAddr::new(receive.address, receive.port);
    let listener = TcpListener::bind(address).map_err(|e| refused(address, &e))?;
    let address = listener.local_addr().map_err(|e| refused(address, &e))?;
    let (answered, told) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Arc::new(Receiver {
        status: receive.status,
        delay: receive.delay,
        fail_rate: receive.fail_rate,
        secret,
        json: receive.json,
        is_terminal: std::io::stdout().is_terminal(),
        clock: Clock::system(),
        answered,
    });
    eprintln!("Listening on http://{address}; Ctrl-C ends it.");
    if receiver.secret.is_none() {
        eprintln!("No secret is given (POSTRIDER_SECRET, --secret-file): nothing is verified.");
    }
    actix_web::rt::System::new()
        .block_on(serve(receiver, listener, receive.count, told))
        .map_err(|e| Failure::failed(format!("receiving ended: {e}.")))
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::failed(format!(
        "listening on {address} is not possible: {error}; choose another port with --port."
    ))
}

async fn serve(
    receiver: Arc<Receiver>,
    listener: TcpListener,
    count: Option<usize>,
    mut told: tokio::sync::mpsc::UnboundedReceiver<()>,
) -> std::io::Result<()> {
    let data = Data::from(receiver);
    let app = move || App::new().app_data(data.clone()).default_service(web::to(answer));
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(1)
        .listen(listener)?
        .run();
    let handle = server.handle();
    if let Some(count) = count {
        actix_web::rt::spawn(async move {
            for _ in 0..count {
                told.recv().await;
            }
            handle.stop(true).await;
        });
    }
    server.await
}

async fn answer(receiver: Data<Receiver>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let now = receiver.clock.now();
    let body = match payload.to_bytes_limited(BODY_BYTES_MAX).await {
        Ok(Ok(body)) => body,
        // Broken off.
        Ok(Err(_)) => return HttpResponse::BadRequest().finish(),
        Err(_) => {
            eprintln!("A body of more than {BODY_BYTES_MAX} bytes was refused with 413.");
            return HttpResponse::PayloadTooLarge().finish();
        }
    };
    let fails = world::roll() * 100.0 < receiver.fail_rate as f64;
    let status = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { receiver.status };
    let got = Got::new(&receiver, &request, body, status, now);
    if receiver.json {
        say_json(got.as_json());
    } else {
        say(got.as_text(receiver.is_terminal));
    }
    tokio::time::sleep(receiver.delay).await;
    // Nobody waits to be told if there is no --count.
    let _ = receiver.answered.send(());
    HttpResponse::build(status).finish()
}

/// A request as it was received.
struct Got {
    at: Timestamp,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    status: StatusCode,
    /// None if there is no secret to verify with.
    diagnosis: Option<Diagnosis>,
}

impl Got {
    fn new(
        receiver: &Receiver,
        request: &HttpRequest,
        body: Bytes,
        status: StatusCode,
        at: Timestamp,
    ) -> Self {
        let header = |(name, value): (
            &actix_web::http::header::HeaderName,
            &actix_web::http::header::HeaderValue,
        )| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let mut headers: Vec<_> = request.headers().iter().map(header).collect();
        // Their order is gone by now; one that stays the same reads better.
        headers.sort();
        let diagnosis = receiver.secret.as_ref().map(|secret| {
            let request = Request { headers: &headers, body: &body };
            diagnose(request, secret.expose(), TOLERANCE_S, at)
        });
        Self {
            at,
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers,
            body,
            status,
            diagnosis,
        }
    }

    fn as_json(&self) -> Value {
        use base64::Engine as _;
        let reason = self.diagnosis.as_ref().and_then(|diagnosis| diagnosis.reasons.first());
        let mut line = json!({
            "at": self.at.to_string(),
            "method": self.method,
            "target": self.target,
            "headers": self.headers,
            "verified": self.diagnosis.as_ref().map(Diagnosis::is_ok),
            "code": reason.map(|reason| reason.code),
            "reason": reason.map(|reason| &reason.message),
            "answered": self.status.as_u16(),
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) => line["body"] = text.into(),
            Err(_) => {
                line["body_base64"] = base64::prelude::BASE64_STANDARD.encode(&self.body).into();
            }
        }
        line
    }

    fn as_text(&self, is_terminal: bool) -> String {
        let verdict = match &self.diagnosis {
            None => "not checked".to_owned(),
            Some(diagnosis) => match diagnosis.reasons.first() {
                None => "verified".to_owned(),
                Some(reason) => format!("not verified ({}): {}", reason.code, reason.message),
            },
        };
        let status = self.status.as_u16();
        let mut lines = vec![plain(&format!(
            "{} {} {} → {status}, {verdict}",
            self.at, self.method, self.target
        ))];
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| plain(&format!("  {name}: {}", shown(name, value)))),
        );
        let body = &self.body[..self.body.len().min(BODY_SHOWN_MAX)];
        let text = String::from_utf8_lossy(body);
        let laid_out = if is_terminal { pretty(&text) } else { None };
        for line in laid_out.as_deref().unwrap_or(&text).lines() {
            lines.push(format!("  {}", plain(line)));
        }
        if self.body.len() > BODY_SHOWN_MAX {
            lines.push(format!("  … {} bytes in all", self.body.len()));
        }
        lines.join("\n")
    }
}

/// Only for the eye, so numbers may be written in another way.
fn pretty(text: &str) -> Option<String> {
    // Not parsed if it is no JSON, or as a whole too deep.
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    serde_json::to_string_pretty(&value).ok()
}

/// A header, without what would let somebody who looks on send the request again.
fn shown(name: &str, value: &str) -> String {
    if is_sensitive_header(name) && value.len() > SIGNATURE_SHOWN {
        format!("{}…", value.chars().take(SIGNATURE_SHOWN).collect::<String>())
    } else {
        value.to_owned()
    }
}
