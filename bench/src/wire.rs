//! The least of HTTP/1.1 that publisher, receiver and control need: keep-alive, `Content-Length`, no
//! chunks. Written by hand so that measuring costs little beside what is measured: both cores of a
//! small machine are shared.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest message; a longer one is an error.
const MESSAGE_BYTES_MAX: usize = 512 * 1_024;
const BUFFER_BYTES: usize = 8 * 1_024;

/// One side of a kept-alive connection: messages in, bytes out.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The part of the buffer that is read and not yet given out.
    start: usize,
    end: usize,
}

/// A request or a response. It lives in the connection's buffer.
pub struct Message<'a> {
    head: &'a [u8],
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::new(TcpStream::connect(address).await?)
    }

    pub fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next message; `None` when the other side closed between two.
    pub async fn next(&mut self) -> Result<Option<Message<'_>>> {
        let (head, total) = loop {
            if let Some(frame) = frame(&self.buffer[self.start..self.end])? {
                break frame;
            }
            if !self.read().await? {
                return match self.start == self.end {
                    true => Ok(None),
                    false => Err(ErrorKind::UnexpectedEof.into()),
                };
            }
        };
        let message = &self.buffer[self.start..self.start + total];
        self.start += total;
        let (head, body) = message.split_at(head);
        Ok(Some(Message { head, body }))
    }

    /// The answer to what was just written.
    pub async fn answer(&mut self) -> Result<Message<'_>> {
        self.next().await?.ok_or_else(|| Error::other("the server closed the connection"))
    }

    /// One request with its JSON answer (`null` if it has none): for set-up, not for load.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<(u16, Value)> {
        let (host, length) = (self.stream.peer_addr()?, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.write(request.as_bytes()).await?;
        let answer = self.answer().await?;
        let json = serde_json::from_slice(answer.body).unwrap_or_default();
        Ok((answer.status(), json))
    }

    /// Waits until the other side closes, reading nothing out of what it sends meanwhile.
    pub async fn closed(&mut self) {
        let mut sink = [0; 1_024];
        while matches!(self.stream.read(&mut sink).await, Ok(1..)) {}
    }

    async fn read(&mut self) -> Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                if self.end >= MESSAGE_BYTES_MAX {
                    return Err(Error::new(ErrorKind::InvalidData, "a message too long"));
                }
                self.buffer.resize(self.end * 2, 0);
            }
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += read;
        Ok(read > 0)
    }
}

impl Message<'_> {
    /// The status of a response.
    pub fn status(&self) -> u16 {
        let code = self.head.get(9..12).unwrap_or_default();
        code.iter().fold(0, |status, byte| status * 10 + u16::from(byte.wrapping_sub(b'0')))
    }

    /// The path of a request.
    pub fn path(&self) -> &[u8] {
        let mut words = self.head.splitn(3, |byte| *byte == b' ');
        words.nth(1).unwrap_or_default()
    }

    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        header(self.head, name)
    }
}

/// Lengths of head and whole message, once both are in.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(blank) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = blank + 4;
    if header(&bytes[..head], b"transfer-encoding").is_some() {
        return Err(Error::new(ErrorKind::InvalidData, "a chunked message"));
    }
    let length = match header(&bytes[..head], b"content-length") {
        None => 0,
        Some(value) => std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|length| *length <= MESSAGE_BYTES_MAX)
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "a bad content-length"))?,
    };
    Ok((bytes.len() >= head + length).then_some((head, head + length)))
}

fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let value = line.get(name.len()..)?.strip_prefix(b":")?;
        line[..name.len()].eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

/// The same on a connection of its own.
pub async fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    key: &str,
    body: &str,
) -> Result<(u16, Value)> {
    Connection::open(address).await?.ask(method, path, key, body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_length_says() {
        let bytes = b"POST /h/3 HTTP/1.1\r\nContent-Length: 2\r\nwebhook-id:  b001 \r\n\r\nokPOST";
        let (head, total) = frame(bytes).expect("valid").expect("whole");
        assert_eq!(&bytes[head..total], b"ok");
        let message = Message { head: &bytes[..head], body: &bytes[head..total] };
        assert_eq!(message.path(), b"/h/3");
        assert_eq!(message.header(b"webhook-id"), Some(&b"b001"[..]));
    }

    #[test]
    fn half_a_message_waits_and_a_chunked_one_is_refused() {
        let half = b"HTTP/1.1 202 Accepted\r\ncontent-length: 5\r\n\r\nhel";
        assert!(frame(half).expect("valid").is_none());
        assert_eq!(Message { head: half, body: b"" }.status(), 202);
        assert!(frame(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
