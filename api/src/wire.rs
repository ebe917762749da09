//! The connection under actix-web's HTTP. What it leaves unbounded is bounded here: the head of a
//! second request, a body that nobody reads, an answer that the client does not take. And where it
//! refuses bytes without a word, a problem is sent.

mod wordless;

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use store::world::Stopwatch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::{KEEP_ALIVE, REQUEST_TIMEOUT};

/// How long a connection may be silent: a little longer than actix-web lets it, who asks nicely.
const SILENCE_MAX: Duration = Duration::from_secs(KEEP_ALIVE.as_secs() + 10);
/// What a client may send without a request in it, such as the rest of a body that was refused,
/// until it has only [`FLOOD_TIMEOUT`]: more than the largest head and what is read ahead.
const UNREAD_BYTES_MAX: usize = 256 * 1024;
/// Enough for a client to see its answer before the connection is cut.
const FLOOD_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a client may leave what is written to it untaken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection.
pub struct Wire<S> {
    io: S,
    turn: Rc<Turn>,
    /// Since when it takes nothing more.
    blocked: Option<Stopwatch>,
    alarm: Option<Alarm>,
    instead: Option<Instead>,
}

/// Whose turn it is on a connection. [`Wire`] sees the bytes, and `observe` the requests in them.
pub struct Turn {
    /// A request is with its handler, who has bounds of its own.
    with_us: Cell<bool>,
    /// Since the last answer, or the last bytes of it.
    silent: Cell<Stopwatch>,
    /// Since the first byte after that.
    heard: Cell<Option<Stopwatch>>,
    heard_bytes: Cell<usize>,
}

/// Wakes the connection when its time may be over.
struct Alarm {
    rings: Pin<Box<Sleep>>,
    set: Stopwatch,
    after: Duration,
}

/// What is being written instead of so many bytes that were given.
struct Instead {
    left: Bytes,
    given: usize,
}

impl<S> Wire<S> {
    pub fn new(io: S) -> Self {
        let turn = Turn {
            with_us: Cell::new(false),
            silent: Cell::new(Stopwatch::start()),
            heard: Cell::new(None),
            heard_bytes: Cell::new(0),
        };
        Self { io, turn: Rc::new(turn), blocked: None, alarm: None, instead: None }
    }

    pub fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
    }

    /// Fails once the client's time is over, and until then sees to it that this is asked again.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let to_write = self.blocked.map(|since| WRITE_TIMEOUT.saturating_sub(since.elapsed()));
        let Some(left) = [self.turn.left(), to_write].into_iter().flatten().min() else {
            return Ok(());
        };
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // One that rings too early is set anew when it does: most connections have spoken by then.
        let set = self.alarm.as_mut().filter(|alarm| alarm.left() <= left);
        if set.is_none_or(|alarm| alarm.rings.as_mut().poll(cx).is_ready()) {
            let alarm = self.alarm.insert(Alarm::after(left));
            let _: Poll<()> = alarm.rings.as_mut().poll(cx);
        }
        Ok(())
    }
}

impl Turn {
    /// The head of a request is complete.
    pub fn ours(&self) {
        self.with_us.set(true);
    }

    /// It is answered; its body may still have to be written.
    pub fn theirs(&self) {
        self.with_us.set(false);
        self.written();
        self.heard.set(None);
        self.heard_bytes.set(0);
    }

    fn written(&self) {
        self.silent.set(Stopwatch::start());
    }

    fn hear(&self, bytes: usize) {
        if bytes > 0 && !self.with_us.get() {
            self.heard.set(self.heard.get().or_else(|| Some(Stopwatch::start())));
            self.heard_bytes.set(self.heard_bytes.get().saturating_add(bytes));
        }
    }

    /// The time that the client has left, if it is its turn.
    fn left(&self) -> Option<Duration> {
        if self.with_us.get() {
            return None;
        }
        let flood = self.heard_bytes.get() > UNREAD_BYTES_MAX;
        let timeout = if flood { FLOOD_TIMEOUT } else { REQUEST_TIMEOUT };
        let silence = SILENCE_MAX.saturating_sub(self.silent.get().elapsed());
        let request = self.heard.get().map(|since| timeout.saturating_sub(since.elapsed()));
        Some(request.map_or(silence, |request| request.min(silence)))
    }
}

impl Alarm {
    fn after(after: Duration) -> Self {
        Self { rings: Box::pin(sleep(after)), set: Stopwatch::start(), after }
    }

    fn left(&self) -> Duration {
        self.after.saturating_sub(self.set.elapsed())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut wire.io).poll_read(cx, buf)?;
        wire.turn.hear(buf.filled().len() - before);
        // Who never stops sending is never waited for.
        wire.check(cx)?;
        read.map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if wire.instead.is_none()
            && let Some((at, answer)) = wordless::find(buf)
        {
            if at > 0 {
                return wire.write(cx, &buf[..at]);
            }
            wire.instead = Some(Instead { left: answer, given: buf.len() });
        }
        let Some(mut instead) = wire.instead.take() else {
            return wire.write(cx, buf);
        };
        while !instead.left.is_empty() {
            match wire.write(cx, &instead.left)? {
                Poll::Ready(0) => return Poll::Ready(Ok(0)),
                Poll::Ready(n) => instead.left.advance(n),
                Poll::Pending => {
                    wire.instead = Some(instead);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(instead.given.min(buf.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(Pin::new(&mut wire.io).poll_flush(cx))?;
        // After an answer nothing is read until the client sends something.
        Poll::Ready(wire.check(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    fn write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf)?;
        match written {
            Poll::Ready(n) if n == buf.len() => {
                self.blocked = None;
                self.turn.written();
            }
            Poll::Ready(_) => self.turn.written(),
            Poll::Pending => {
                self.blocked = self.blocked.or_else(|| Some(Stopwatch::start()));
                self.check(cx)?;
            }
        }
        written.map(Ok)
    }
}
