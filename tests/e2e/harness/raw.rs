//! Bytes as no client would send them, over a connection of their own.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::Client;
use super::wait::{let_pass, wait_until};

pub struct Raw {
    stream: TcpStream,
    heard: Vec<u8>,
}

/// An answer, as it came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub async fn connect(server: &Client) -> Self {
        let address = server.url("").replace("http://", "");
        // A server whose backlog is full makes one wait.
        let stream = wait_until("a connection", async || TcpStream::connect(&address).await.ok());
        Self { stream: stream.await, heard: Vec::new() }
    }

    /// Says this; whether it could be said.
    pub async fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Says something again and again, with pauses, until the server hangs up.
    pub async fn say_until_cut(&mut self, bytes: &[u8], every: std::time::Duration) {
        while self.say(bytes).await {
            let_pass(every).await;
        }
    }

    /// Listens until the server closes the connection, and returns its answers.
    pub async fn until_closed(mut self) -> Vec<RawAnswer> {
        let mut heard = Vec::new();
        // Err: it was reset, which also ends it.
        let _ = self.stream.read_to_end(&mut heard).await;
        self.heard.append(&mut heard);
        answers(&self.heard)
    }

    /// Listens until there are so many answers.
    pub async fn answers(&mut self, count: usize) -> Vec<RawAnswer> {
        loop {
            let answers = answers(&self.heard);
            if answers.len() >= count {
                return answers;
            }
            let read = self.stream.read_buf(&mut self.heard).await.expect("it is not reset");
            assert_ne!(read, 0, "closed after {answers:?}");
        }
    }
}

/// Cuts what was heard into answers; an interim one counts as one.
fn answers(mut heard: &[u8]) -> Vec<RawAnswer> {
    let mut answers = Vec::new();
    while let Some(end) = heard.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&heard[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let Some(body) = heard.get(end + 4..end + 4 + length) else { break };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer begins with {head}"));
        answers.push(RawAnswer { status, head, body: String::from_utf8_lossy(body).into_owned() });
        heard = &heard[end + 4 + length..];
    }
    answers
}

impl RawAnswer {
    /// Asserts that it is a problem with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let problem: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        assert_eq!(problem["code"], code, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
    }
}
