//! The end of the log: a thread that writes lines to stderr, so that whoever logs never waits for
//! whoever reads. What does not fit in between is dropped, counted, and said to be missing.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use tracing_appender::non_blocking::ErrorCounter;

use super::lines::own_line;
use crate::settings::LogFormat;

/// Bytes of one write: so many reach a pipe that several processes share in one piece.
const WRITE_BYTES_MAX: usize = 4_096;
/// How long a reader is left alone that takes nothing and does not want to be waited for.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Lines that were lost. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Drops(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Those that found no room.
    full: OnceLock<ErrorCounter>,
    /// Those that could not be written.
    unwritten: AtomicU64,
}

impl Drops {
    pub fn watch(&self, full: ErrorCounter) {
        // Err: it is watched already.
        let _ = self.0.full.set(full);
    }

    pub fn count(&self) -> u64 {
        let full = self.0.full.get().map_or(0, ErrorCounter::dropped_lines);
        full as u64 + self.0.unwritten.load(Ordering::Relaxed)
    }
}

impl Collector for Drops {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let counter = ConstCounter::new(self.count());
        let metric = encoder.encode_descriptor(
            "postrider_log_lines_dropped",
            "Log lines that were lost because nobody read them in time",
            None,
            counter.metric_type(),
        )?;
        counter.encode(metric)
    }
}

/// Writes whole lines, several at once while more are waiting.
pub struct Sink<W> {
    to: W,
    format: LogFormat,
    /// Whether our own lines are coloured.
    colours: bool,
    drops: Drops,
    /// Drops that were said, and those before the present time of dropping.
    said: u64,
    before: u64,
    is_dropping: bool,
    /// Lines to be written, and how many they are.
    waiting: Vec<u8>,
    count: u64,
}

impl<W: Write> Sink<W> {
    pub fn new(to: W, format: LogFormat, colours: bool, drops: Drops) -> Self {
        let (said, before, count) = (0, 0, 0);
        let waiting = Vec::with_capacity(WRITE_BYTES_MAX);
        Self { to, format, colours, drops, said, before, is_dropping: false, waiting, count }
    }

    fn take(&mut self, line: &[u8]) {
        if self.waiting.len() + line.len() > WRITE_BYTES_MAX {
            self.write_out();
        }
        self.waiting.extend_from_slice(line);
    }

    fn write_out(&mut self) {
        let count = std::mem::take(&mut self.count);
        if write_all(&mut self.to, &self.waiting).is_err() {
            self.drops.0.unwritten.fetch_add(count, Ordering::Relaxed);
        }
        self.waiting.clear();
    }

    /// Says that lines are missing as soon as somebody reads again.
    fn say_that_it_drops(&mut self) {
        let count = self.drops.count();
        if count == self.said {
            return;
        }
        if !self.is_dropping {
            let fields = [("log.lines_dropped", (count - self.before).into())];
            let line =
                own_line(self.format, "WARN", "log lines are dropped: nobody reads them", &fields);
            self.take(line.as_bytes());
        }
        (self.said, self.is_dropping) = (count, true);
    }
}

impl<W: Write> Write for Sink<W> {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say_that_it_drops();
        let clean = match self.format {
            LogFormat::Text => escaped(line, self.colours),
            LogFormat::Json => Cow::Borrowed(line),
        };
        self.take(&clean);
        self.count += 1;
        Ok(line.len())
    }

    /// Called when no more lines are waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.say_that_it_drops();
        self.write_out();
        if self.is_dropping {
            let fields = [("log.lines_dropped", (self.said - self.before).into())];
            let line = own_line(self.format, "WARN", "log lines are no longer dropped", &fields);
            self.take(line.as_bytes());
            self.write_out();
            (self.before, self.is_dropping) = (self.said, false);
        }
        Ok(())
    }
}

/// Waits for a reader also if others made it one that nobody waits for.
fn write_all(to: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// A line in which no value can pretend to be another line or speak to the terminal. Colours are
/// ours: the formatter takes them out of values.
fn escaped(line: &[u8], colours: bool) -> Cow<'_, [u8]> {
    let (body, end) = match line.strip_suffix(b"\n") {
        Some(body) => (body, "\n"),
        None => (line, ""),
    };
    // The first byte of every such character that is not ASCII.
    let is_suspect = |b: &u8| *b < 0x20 || matches!(*b, 0x7f | 0xc2 | 0xe2);
    if !body.iter().any(is_suspect) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len() + 16);
    for c in String::from_utf8_lossy(body).chars() {
        match c {
            '\u{1b}' if colours => clean.push(c),
            // The last two end a line for some who read it, those before them turn it round.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
                clean.extend(c.escape_unicode());
            }
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean.push_str(end);
    Cow::Owned(clean.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_forges_a_line() {
        let line =
            "INFO it is so error=gone\nERROR forged\r\u{1b}[31m\u{85}\u{2028}\u{202e}x\t\u{7f}\n";
        let expected = "INFO it is so error=gone\\nERROR forged\\r\\u{1b}[31m\\u{85}\\u{2028}\\u{202e}x\\t\\u{7f}\n";
        let written = |format| {
            let mut out = Vec::new();
            let mut sink = Sink::new(&mut out, format, false, Drops::default());
            sink.write_all(line.as_bytes()).and_then(|()| sink.flush()).expect("no failure");
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(LogFormat::Text), expected);
        assert_eq!(written(LogFormat::Json), line, "it is escaped already");
        for line in ["INFO plain\n", "INFO größer — 好\n", ""] {
            assert_eq!(escaped(line.as_bytes(), false), line.as_bytes());
        }
        let coloured = "\u{1b}[32m INFO\u{1b}[0m a\tb\n";
        let clean = escaped(coloured.as_bytes(), true);
        assert_eq!(String::from_utf8_lossy(&clean), "\u{1b}[32m INFO\u{1b}[0m a\\tb\n");
    }

    /// Takes a little at a time, and now and then nothing.
    #[derive(Default)]
    struct Slow {
        written: Vec<u8>,
        calls: usize,
    }

    impl Write for &mut Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(ErrorKind::WouldBlock.into()),
                1 => Err(ErrorKind::Interrupted.into()),
                _ => {
                    self.written.extend_from_slice(&bytes[..bytes.len().min(7)]);
                    Ok(bytes.len().min(7))
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_whole_and_in_order_however_little_a_reader_takes() {
        let mut slow = Slow::default();
        let mut sink = Sink::new(&mut slow, LogFormat::Text, false, Drops::default());
        sink.write_all(b"INFO one\n").expect("no failure");
        sink.write_all(b"INFO two\n").expect("no failure");
        sink.flush().expect("no failure");
        assert_eq!(slow.written, b"INFO one\nINFO two\n");
    }

    #[test]
    fn what_was_lost_is_said_once_at_each_end() {
        let mut out = Vec::new();
        let drops = Drops::default();
        let lost = |n| drops.0.unwritten.fetch_add(n, Ordering::Relaxed);
        let mut sink = Sink::new(&mut out, LogFormat::Json, false, drops.clone());
        sink.write_all(b"1\n").expect("no failure");
        lost(5);
        sink.write_all(b"2\n").expect("no failure");
        lost(2);
        sink.write_all(b"3\n").expect("no failure");
        sink.flush().expect("no failure");
        sink.flush().expect("no failure");
        lost(4);
        sink.flush().expect("no failure");
        let short = |line: &str| match serde_json::from_str(line).expect("JSON") {
            serde_json::Value::Object(said) => {
                let is_over = said["message"].as_str().is_some_and(|m| m.contains("no longer"));
                format!("{} {}", if is_over { "ended" } else { "began" }, said["log.lines_dropped"])
            }
            number => number.to_string(),
        };
        let said: Vec<_> = String::from_utf8(out).expect("text").lines().map(short).collect();
        assert_eq!(said, ["1", "began 5", "2", "3", "ended 7", "began 4", "ended 4"]);
        assert_eq!(drops.count(), 11);
    }

    /// Nobody is there any more.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let drops = Drops::default();
        let mut sink = Sink::new(Gone, LogFormat::Text, false, drops.clone());
        for _ in 0..3 {
            sink.write_all(b"INFO a\n").expect("nobody is bothered");
        }
        sink.flush().expect("nobody is bothered");
        assert_eq!(drops.count(), 3);
    }
}
