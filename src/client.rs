//! What the client commands share: the server they speak to, the key they show it, and what its
//! answers mean for the person at the terminal.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::given::small_file;
use crate::settings::Secret;

/// The longest a person waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Of what has no end.
const FOR_EVER: Duration = Duration::from_secs(1 << 32);
/// The largest page the API gives.
const PAGE_MAX: usize = 200;
/// The longest answer that is taken, in bytes: more than the largest event there can be.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which server, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct Connection {
    /// The server to speak to
    #[arg(
        long,
        value_name = "URL",
        env = "POSTRIDER_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    pub url: String,

    /// Data directory of a server on this machine: the key in its dev.key is used if POSTRIDER_KEY
    /// is not set and the URL is one of this machine
    #[arg(
        long,
        value_name = "DIR",
        env = "POSTRIDER_DATA_DIR",
        default_value = crate::settings::DATA_DIR_DEFAULT
    )]
    pub data_dir: PathBuf,
}

/// One server, spoken to with one key.
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: Secret,
}

impl Client {
    /// # Errors
    /// When the URL is none, or there is no key to show.
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        let url = server_url(&connection.url)?;
        let key = key(connection, &url)?;
        let mut builder = reqwest::Client::builder();
        // A proxy would read the key on its way, and has no part in what stays on this machine.
        if url.scheme() == "http" || is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let http = builder
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| Failure::failed(format!("no HTTP client can be made: {e}.")))?;
        Ok(Self { http, url: connection.url.trim_end_matches('/').to_owned(), key })
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, query, None).await
    }

    /// The answer as it came: it is JSON, but what is in it is not read.
    pub async fn get_text(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Failure> {
        let response = self.open(path, query, None).await?;
        let status = response.status();
        let bytes = tokio::time::timeout(TIMEOUT, self.bytes(response)).await;
        let bytes = bytes.map_err(|_| self.silent())??;
        serde_json::from_slice::<&RawValue>(&bytes).map_err(|_| self.another(status))?;
        String::from_utf8(bytes).map_err(|_| self.another(status))
    }

    /// For what must stay as it was written, such as published data.
    pub async fn get_as<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Posts a body that is JSON already, byte for byte.
    pub async fn post(&self, path: &str, body: String) -> Result<Value, Failure> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: String) -> Result<Value, Failure> {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, &[], None).await
    }

    /// Opens what has no end. Its head comes in time or never.
    pub async fn open(
        &self,
        path: &str,
        query: &[(&str, &str)],
        header: Option<(&str, &str)>,
    ) -> Result<reqwest::Response, Failure> {
        let mut request = self.http.get(format!("{}{path}", self.url)).timeout(FOR_EVER);
        request = request.bearer_auth(self.key.expose()).query(query);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let head = tokio::time::timeout(TIMEOUT, request.send()).await;
        let response = head.map_err(|_| self.silent())?.map_err(|e| self.unanswered(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = tokio::time::timeout(TIMEOUT, self.bytes(response)).await;
        let bytes = bytes.map_err(|_| self.silent())??;
        Err(refused(status, &serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// The server that is spoken to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One page of a list, which has to be one.
    pub async fn page(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let page = self.get(path, query).await?;
        if page["data"].is_array() { Ok(page) } else { Err(self.another(StatusCode::OK)) }
    }

    /// The first `limit` items of a list, page by page, in the form of one page.
    pub async fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Value, Failure> {
        let (mut data, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page_limit = (limit - data.len()).min(PAGE_MAX).to_string();
            let mut query = [query, &[("limit", page_limit.as_str())]].concat();
            if let Some(cursor) = cursor.as_str() {
                query.push(("cursor", cursor));
            }
            let mut page = self.page(path, &query).await?;
            let items = page["data"].as_array_mut().map(std::mem::take).unwrap_or_default();
            cursor = page["next_cursor"].take();
            // A page may be empty and not the last: it says how far was looked.
            let last = cursor.is_null();
            data.extend(items);
            if last || data.len() >= limit {
                return Ok(json!({ "data": data, "next_cursor": cursor }));
            }
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<T, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.bearer_auth(self.key.expose()).query(query);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(|e| self.unanswered(&e))?;
        let status = response.status();
        let bytes = self.bytes(response).await?;
        let bytes = if bytes.is_empty() { b"null".as_slice() } else { &bytes };
        let other = |_| self.another(status);
        if status.is_success() {
            serde_json::from_slice(bytes).map_err(other)
        } else {
            Err(refused(status, &serde_json::from_slice(bytes).map_err(other)?))
        }
    }

    /// The whole of an answer, up to what is taken.
    async fn bytes(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unanswered(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                let mib = ANSWER_BYTES_MAX / 1024 / 1024;
                return Err(Failure::failed(format!(
                    "the answer of {} is longer than {mib} MiB and is not read: ask for less, with \
                     --limit.",
                    self.url
                )));
            }
        }
        Ok(bytes)
    }

    /// Something else listens there.
    pub fn another(&self, status: StatusCode) -> Failure {
        Failure::failed(format!(
            "{} answers {status} with something that Postrider does not say: is it Postrider? --url \
             or POSTRIDER_URL says which server to speak to.",
            self.url
        ))
    }

    fn silent(&self) -> Failure {
        let (url, seconds) = (&self.url, TIMEOUT.as_secs());
        Failure::failed(format!("{url} did not answer within {seconds} s; look at its log."))
    }

    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let url = &self.url;
        if error.is_builder() {
            Failure::usage(not_a_url(url))
        } else if error.is_connect() {
            Failure::failed(format!(
                "no server answers at {url}: start one with `postrider serve --dev`, or name \
                 another with --url or POSTRIDER_URL."
            ))
        } else if error.is_timeout() {
            self.silent()
        } else {
            let why = plain(&error.to_string());
            Failure::failed(format!("the answer of {url} was cut off; try again: {why}."))
        }
    }
}

/// Runs one client command to its end.
pub fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::failed(format!("no runtime can be started: {e}.")))?.block_on(work)
}

/// Where a server is. What may hold a password is refused without being repeated.
pub fn server_url(text: &str) -> Result<Url, Failure> {
    let has_user = |url: &Url| !url.username().is_empty() || url.password().is_some();
    let is_server = |url: &Url| {
        let is_http = ["http", "https"].contains(&url.scheme()) && url.has_host();
        is_http && url.query().is_none() && url.fragment().is_none()
    };
    match Url::parse(text) {
        Ok(url) if is_server(&url) && !has_user(&url) => Ok(url),
        _ if text.contains('@') => Err(Failure::usage(
            "--url or POSTRIDER_URL has a user or a password in it, which Postrider does not take: \
             leave them out and set POSTRIDER_KEY.",
        )),
        _ => Err(Failure::usage(not_a_url(text))),
    }
}

fn not_a_url(text: &str) -> String {
    format!(
        "--url or POSTRIDER_URL is {text:?}, which is not a server's URL such as \
         http://127.0.0.1:8080."
    )
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let host = host.trim_end_matches('.');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// `POSTRIDER_KEY`, else the key that `serve --dev` left in the data directory, which is shown to
/// servers of this machine alone.
fn key(connection: &Connection, url: &Url) -> Result<Secret, Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (text, from) = match (set("POSTRIDER_KEY"), set("POSTRIDER_KEY_FILE")) {
        (Some(key), _) => (Ok(key), "POSTRIDER_KEY".into()),
        (None, Some(file)) => (small_file(file.as_ref()), file),
        (None, None) if !is_loopback(url) => {
            return Err(Failure::new(
                Exit::Auth,
                format!(
                    "no key to show to {}: set POSTRIDER_KEY (a dev.key is shown to a server of this \
                     machine alone).",
                    connection.url
                ),
            ));
        }
        (None, None) => {
            let file = connection.data_dir.join("dev.key");
            (small_file(&file), file.display().to_string())
        }
    };
    match text {
        Ok(key) if key.trim().bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(key.trim().to_owned().into())
        }
        Ok(_) => Err(Failure::new(Exit::Auth, format!("what {from} holds is not a key."))),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Failure::new(
            Exit::Auth,
            format!(
                "no key to show to {}: set POSTRIDER_KEY to the admin key that `postrider serve` \
                 printed at its first start; for a server with --dev name its data directory with \
                 --data-dir (there is no {from}).",
                connection.url
            ),
        )),
        Err(e) => Err(Failure::new(Exit::Auth, format!("the key in {from} cannot be read: {e}."))),
    }
}

/// What a problem (RFC 9457) means for who asked.
fn refused(status: StatusCode, problem: &Value) -> Failure {
    let detail = problem["detail"].as_str().or(problem["title"].as_str());
    let detail = detail.unwrap_or("the server refused").trim_end_matches('.');
    let code = problem["code"].as_str().unwrap_or(status.as_str()).to_owned();
    let (exit, advice) = match status.as_u16() {
        401 => (Exit::Auth, "; check POSTRIDER_KEY, or the dev.key of --data-dir"),
        403 => (Exit::Auth, "; set POSTRIDER_KEY to a key whose role allows it"),
        404 => (Exit::NotFound, ""),
        400 | 413 | 415 | 422 => (Exit::Usage, ""),
        503 => (Exit::Failed, "; try again"),
        _ => (Exit::Failed, ""),
    };
    Failure::new(exit, format!("{} ({}){advice}.", plain(detail), plain(&code)))
}

/// A text of the server's, without what would move a terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect()
}

/// What moves a cursor, breaks a line, or turns the direction in which a line is read.
pub fn is_unseen(c: char) -> bool {
    let turns = ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_exit_code_and_keeps_the_servers_words() {
        for (status, exit) in [
            (400, Exit::Usage),
            (401, Exit::Auth),
            (403, Exit::Auth),
            (404, Exit::NotFound),
            (409, Exit::Failed),
            (413, Exit::Usage),
            (422, Exit::Usage),
            (500, Exit::Failed),
            (503, Exit::Failed),
        ] {
            let problem = json!({ "code": "some_code", "detail": "It is so.\u{1b}[2J" });
            let failure = refused(StatusCode::from_u16(status).expect("a status"), &problem);
            assert_eq!(failure.exit, exit, "{status}");
            assert!(failure.sentence.starts_with("It is so"), "{}", failure.sentence);
            assert!(failure.sentence.contains("(some_code)"), "{}", failure.sentence);
            assert!(!failure.sentence.contains('\u{1b}'));
        }
    }

    #[test]
    fn a_text_for_a_terminal_neither_moves_its_cursor_nor_turns_its_lines() {
        let text = "a\u{1b}b\u{7f}c\u{9b}d\u{202e}e\u{2066}f\u{2028}g\u{2029}h";
        assert_eq!(plain(text), "a b c d e f g h");
        assert_eq!(plain("é 日本 \u{5d0}"), "é 日本 \u{5d0}");
    }

    #[test]
    fn a_server_is_an_http_url_without_user_password_and_query() {
        for text in ["http://127.0.0.1:8080", "https://a.example/postrider/", "http://[::1]:1"] {
            assert!(server_url(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "nonsense",
            "ftp://a",
            "http://",
            "http://a?b",
            "http://a#b",
            "http://u:hunter2@a",
            "http://hunter2@a",
            "u:hunter2@a",
            "http://u:hunter2@a:99999",
        ] {
            let failure = server_url(text).expect_err(text);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.sentence.contains("--url or POSTRIDER_URL"), "{}", failure.sentence);
            assert!(!failure.sentence.contains("hunter2"), "{}", failure.sentence);
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        let is = |text: &str| is_loopback(&Url::parse(text).expect(text));
        for text in [
            "http://localhost:1",
            "http://a.localhost",
            "http://127.9.9.9",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "https://LOCALHOST./",
        ] {
            assert!(is(text), "{text}");
        }
        for text in [
            "http://a.example",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://[::2]",
        ] {
            assert!(!is(text), "{text}");
        }
    }
}
