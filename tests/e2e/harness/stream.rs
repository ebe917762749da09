//! A client of the stream, which reads Server-Sent Events as their specification says.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::client::{Client, text};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came in one block.
#[derive(Debug, Clone)]
pub struct Message {
    pub name: String,
    pub data: String,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The id of the event in it.
    pub fn event_id(&self) -> String {
        assert_eq!(self.name, "event", "{self:?}");
        text(&self.json(), "id")
    }
}

pub struct Stream {
    response: reqwest::Response,
    buffer: Vec<u8>,
    /// Of the last message, or of a block without one.
    pub last_id: String,
}

impl Stream {
    /// Open, and past its first bytes: what is accepted from now on is in it.
    pub async fn open(client: &Client, query: &str) -> Self {
        Self::open_with(client, query, &[]).await
    }

    /// From where another was.
    pub async fn after(client: &Client, query: &str, id: &str) -> Self {
        Self::open_with(client, query, &[("last-event-id", id)]).await
    }

    async fn open_with(client: &Client, query: &str, headers: &[(&str, &str)]) -> Self {
        let response = client.open(&format!("/v1/stream{query}"), headers).await;
        assert_eq!(response.status(), 200, "{query}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, buffer: Vec::new(), last_id: String::new() };
        let hello = stream.block().await.expect("a first block");
        assert!(hello.contains("retry: "), "{hello}");
        stream
    }

    /// The next message; none once the stream is over, however it ended.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.block().await?;
            let mut message = Message { name: "message".into(), data: String::new() };
            let mut lines = 0;
            for line in block.split('\n') {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => message.name = value.to_owned(),
                    "data" => {
                        if lines > 0 {
                            message.data.push('\n');
                        }
                        message.data.push_str(value);
                        lines += 1;
                    }
                    "" | "id" | "retry" => {}
                    other => panic!("{other:?} in {block:?}"),
                }
            }
            if lines > 0 {
                return Some(message);
            }
        }
    }

    /// The ids of so many events.
    pub async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let message = self.next().await.unwrap_or_else(|| panic!("it ended after {ids:?}"));
            ids.push(message.event_id());
        }
        ids
    }

    /// Takes each of these, once and nothing else, in whatever order.
    pub async fn takes_exactly(&mut self, mut missing: HashSet<String>) {
        let all = missing.len();
        while !missing.is_empty() {
            let message = self.next().await;
            let message =
                message.unwrap_or_else(|| panic!("it ended, {} of {all} missing", missing.len()));
            let id = message.event_id();
            assert!(missing.remove(&id), "{id} came twice or from nowhere");
        }
    }

    /// What stands before the next empty line.
    async fn block(&mut self) -> Option<String> {
        let mut looked = 0;
        loop {
            let rest = &self.buffer[looked..];
            if let Some(at) = rest.windows(2).position(|two| two == b"\n\n") {
                let after = self.buffer.split_off(looked + at + 2);
                let mut block = std::mem::replace(&mut self.buffer, after);
                block.truncate(looked + at);
                let block = String::from_utf8(block).expect("UTF-8");
                assert!(!block.contains('\r'), "{block:?}");
                if let Some(id) = block.split('\n').find_map(|line| line.strip_prefix("id: ")) {
                    self.last_id = id.to_owned();
                }
                return Some(block);
            }
            looked = self.buffer.len().saturating_sub(1);
            let read = timeout(PATIENCE, self.response.chunk()).await;
            let chunk = read.expect("the stream says something in time").ok().flatten()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}
