//! The writer of the log, and what is said as a process ends: everything that was logged is written
//! before it does, unless nobody reads.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::lines::own_line;
use super::sink::{Drops, Sink};
use crate::settings::LogFormat;

/// Lines that may wait to be written: a few MiB.
const LINES_MAX: usize = 8_192;
/// How long an end waits for whoever reads; a little longer than the writer itself.
const END_PATIENCE: Duration = Duration::from_millis(1_500);

/// The log of this process, once it was started.
static LOG: Mutex<Option<Open>> = Mutex::new(None);

struct Open {
    writer: NonBlocking,
    guard: WorkerGuard,
    format: LogFormat,
}

/// Starts the thread that writes to stderr.
pub fn open(format: LogFormat, colours: bool) -> (NonBlocking, Drops) {
    let drops = Drops::default();
    let sink = Sink::new(std::io::stderr(), format, colours, drops.clone());
    let builder = NonBlockingBuilder::default().lossy(true).thread_name("log");
    let (writer, guard) = builder.buffered_lines_limit(LINES_MAX).finish(sink);
    drops.watch(writer.error_counter());
    let open = Open { writer: writer.clone(), guard, format };
    *LOG.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    let panics = Mutex::new(writer.clone());
    std::panic::set_hook(Box::new(move |info| {
        let mut panics = panics.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer drops what does not fit and never fails.
        let _ = panics.write_all(panicked(format, info).as_bytes());
    }));
    (writer, drops)
}

fn panicked(format: LogFormat, info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("it does not say why");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => Value::from(backtrace.to_string()),
        _ => Value::Null,
    };
    let fields = [
        ("panic.message", message.into()),
        ("panic.location", location.into()),
        ("panic.backtrace", backtrace),
        ("thread.name", thread.into()),
    ];
    own_line(format, "ERROR", "a thread panicked", &fields)
}

/// Says why the process ends, whatever the level. False if there is no log to say it in.
pub fn last_words(sentence: &str) -> bool {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(log) = &mut *log else { return false };
    let line = match log.format {
        LogFormat::Text => format!("postrider: {sentence}\n"),
        LogFormat::Json => {
            own_line(log.format, "ERROR", "the process failed", &[("error", sentence.into())])
        }
    };
    log.writer.write_all(line.as_bytes()).is_ok()
}

/// Waits until everything was written, but not for a reader who does not read.
pub fn end() {
    let Some(log) = LOG.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let (ended, end) = mpsc::channel();
    // Apart, because it may have something to say itself, to somebody who does not read.
    let ending = thread::Builder::new().name("log end".into()).spawn(move || {
        drop(log.guard);
        // Err: nobody waits any more.
        let _ = ended.send(());
    });
    if ending.is_ok() {
        // Err: the process ends without them.
        let _ = end.recv_timeout(END_PATIENCE);
    }
}

/// Ends the log with the scope that holds it, also when it is left by a panic.
pub struct Flushed;

impl Drop for Flushed {
    fn drop(&mut self) {
        end();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::settings::Log;

    /// Set in the process that panics, which is this test again.
    const FORMAT: &str = "POSTRIDER_TEST_PANICS_AS";
    const LINES: usize = 1_000;

    #[test]
    fn a_panic_is_a_line_like_any_other_and_all_is_written_before_the_end() {
        match std::env::var(FORMAT).as_deref() {
            Ok("json") => panic_in(LogFormat::Json),
            Ok(_) => panic_in(LogFormat::Text),
            Err(_) => {
                for line in what_is_said_by("json").lines() {
                    let line: Value = serde_json::from_str(line).expect("a line is JSON");
                    assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
                }
                assert!(what_is_said_by("text").contains("\"on purpose\\nforged\""));
            }
        }
    }

    fn panic_in(format: LogFormat) {
        super::super::start(&Log { level: "debug".into(), format });
        let _flushed = Flushed;
        for _ in 0..LINES {
            tracing::debug!(target: "postrider", "a line of many");
        }
        let hostile = "gone\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J";
        tracing::info!(target: "postrider", error = %hostile, "a failure");
        let other = thread::Builder::new().name("other".into());
        let other = other.spawn(|| panic!("on purpose\nforged")).expect("a thread");
        other.join().expect_err("it panics");
        panic!("the last of all");
    }

    fn what_is_said_by(format: &str) -> String {
        let name = "log::last_words::tests::a_panic_is_a_line_like_any_other_and_all_is_written_before_the_end";
        let mut again = Command::new(std::env::current_exe().expect("a path"));
        again
            .args(["--exact", name, "--nocapture"])
            .env(FORMAT, format)
            .env_remove("RUST_BACKTRACE");
        let output = again.output().expect("it starts");
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(said.matches("a line of many").count(), LINES, "{said}");
        assert!(!said.contains('\u{1b}') && !said.contains("\n2026-01-01"), "{said}");
        let panics: Vec<_> = said.lines().filter(|line| line.contains("panicked")).collect();
        assert_eq!(panics.len(), 2, "{panics:?}");
        assert!(panics[0].contains("other") && panics[0].contains("last_words.rs"), "{panics:?}");
        assert!(panics[1].contains("the last of all"), "{panics:?}");
        said
    }
}
