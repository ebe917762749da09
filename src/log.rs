//! Where log lines go and which: stderr, as text or JSON. Our own crates log at the given level,
//! everything below them at `warn` at most, unless an exception names it.
//!
//! `docs/telemetry.md` lists every line; a test holds it and the sources together.

mod last_words;
mod level;
mod lines;
mod sink;

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry, reload};

pub use last_words::{Flushed, end, last_words};
pub use level::Levels;
pub use lines::own_line;
pub use sink::Drops;

use crate::settings::{Log, LogFormat};

/// The crates of this workspace, by the names their log lines carry.
const OURS: [&str; 5] = ["postrider", "api", "worker", "store", "model"];
/// The libraries below them that log something.
const OTHERS: [&str; 17] = [
    "actix_codec",
    "actix_http",
    "actix_router",
    "actix_server",
    "actix_web",
    "deadpool_postgres",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "hyper_util",
    "mio",
    "redis",
    "refinery_core",
    "reqwest",
    "rustls",
    "tokio_postgres",
];

/// What is to be known of the log while it is written.
pub struct Started {
    pub levels: Arc<Levels>,
    pub drops: Drops,
}

/// Starts logging; once in a process. From then on a panic is a line like any other.
pub fn start(settings: &Log) -> Started {
    // Settings were checked; a filter that cannot be read falls back to the default.
    let filter = filter(&settings.level).unwrap_or_default();
    let (filter, handle) = reload::Layer::new(filter);
    let colours = settings.format == LogFormat::Text
        && std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none();
    let (writer, drops) = last_words::open(settings.format, colours);
    let lines = fmt::layer().with_writer(writer);
    match settings.format {
        LogFormat::Text => registry().with(lines.with_ansi(colours).with_filter(filter)).init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            registry().with(lines.with_span_list(false).with_filter(filter)).init();
        }
    }
    Started { levels: Arc::new(Levels::new(handle, settings.level.clone())), drops }
}

/// Checks the text of the setting `log.level`.
pub fn check(level: &str) -> Result<String, String> {
    filter(level).map(|_| level.to_owned())
}

fn filter(level: &str) -> Result<Targets, String> {
    let wrong =
        || "not error, warn, info, debug, trace or off, alone or as target=level".to_owned();
    let given: Targets = level.parse().map_err(|_| wrong())?;
    // A word that is no level would be read as a target to trace, and none as `error`: nobody
    // means that.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    if !level.split(',').all(|part| part.contains('=') || is_level(part)) {
        return Err(wrong());
    }
    // Of a misspelt name nothing would ever be heard.
    for (target, _) in &given {
        let name = target.split("::").next().unwrap_or_default();
        if !OURS.contains(&name) && !OTHERS.contains(&name) {
            let (ours, others) = (OURS.join(", "), OTHERS.join(", "));
            return Err(format!(
                "{name:?} is no part that logs; there are {ours}, and of libraries {others}"
            ));
        }
    }
    let ours = given.default_level().unwrap_or(LevelFilter::INFO);
    let others = ours.min(LevelFilter::from_level(Level::WARN));
    let targets = Targets::new().with_default(others);
    // What a client sends that is not HTTP is its own affair: it is answered, not logged.
    let targets = targets.with_target("actix_http", LevelFilter::OFF);
    Ok(targets.with_targets(OURS.map(|name| (name, ours))).with_targets(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(filter: &str, target: &str, level: Level) -> bool {
        super::filter(filter).expect("a filter").would_enable(target, &level)
    }

    #[test]
    fn dependencies_are_heard_from_warn_on_whatever_our_own_level() {
        for (level, ours) in [("info", Level::INFO), ("debug", Level::DEBUG)] {
            assert!(logs(level, "worker::deliver", ours) && logs(level, "postrider", ours));
            assert!(logs(level, "actix_server", Level::WARN));
            assert!(
                !logs(level, "actix_server", Level::INFO) && !logs(level, "hyper", Level::INFO)
            );
        }
        assert!(!logs("error", "hyper", Level::WARN) && !logs("off", "worker", Level::ERROR));
    }

    #[test]
    fn an_exception_goes_before_the_level() {
        assert!(logs("warn,worker=trace,hyper=debug", "worker::send", Level::TRACE));
        assert!(logs("warn,worker=trace,hyper=debug", "hyper", Level::DEBUG));
        assert!(!logs("warn,worker=trace,hyper=debug", "api", Level::INFO));
        assert!(logs("worker=debug", "api", Level::INFO));
    }

    #[test]
    fn other_words_are_no_filter() {
        for text in ["verbose", "", "worker=loud", "info,,", "INFO worker", "info,wroker=debug"] {
            assert!(check(text).is_err(), "{text:?}");
        }
    }
}
