//! What a person reads when the server is up: where it is, which key, what to try next.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::bootstrap::First;
use super::demo;
use crate::log::own_line;
use crate::output::say;
use crate::settings::{DATA_DIR_DEFAULT, LogFormat, Settings};
use crate::shell::quoted;

const PORT_DEFAULT: u16 = 8080;
/// How long the start waits for whoever reads it: a terminal may be stopped.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn print(first: &First, settings: &Settings, dev: bool, address: SocketAddr) {
    let text = match settings.log.format {
        LogFormat::Text => text(first, &settings.server.data_dir, dev, address, &program()),
        LogFormat::Json => json(first, address),
    };
    let (said, printed) = mpsc::channel();
    let printing = thread::Builder::new().name("banner".into()).spawn(move || {
        say(text);
        // Err: nobody waits any more.
        let _ = said.send(());
    });
    if printing.is_ok() {
        // Err: it is printed once somebody reads.
        let _ = printed.recv_timeout(PATIENCE);
    }
}

/// For programs: one line in the shape of those of the log.
fn json(first: &First, address: SocketAddr) -> String {
    let mut fields = vec![
        ("server.url", format!("http://{address}").into()),
        ("server.version", env!("CARGO_PKG_VERSION").into()),
    ];
    fields.extend(first.shown_key.as_ref().map(|key| ("admin.key", key.expose().into())));
    own_line(LogFormat::Json, "INFO", "the server is up", &fields).trim_end().to_owned()
}

fn text(first: &First, data_dir: &Path, dev: bool, address: SocketAddr, program: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = vec![format!("Postrider {version} is at http://{address}")];
    if let Some(key) = &first.shown_key {
        lines.push(format!("  admin key   {}  (shown this once: keep it)", key.expose()));
    }
    if dev {
        let flags = flags(data_dir, address);
        lines.push(format!("  admin key   in {}", data_dir.join("dev.key").display()));
        lines.push(format!("  demo inbox  {}  (gets every order.*)", demo::inbox(address)));
        lines.push("Try it, in another terminal:".into());
        lines.push(format!("  {program} send order.paid '{{\"total\": 50.75}}'{flags}"));
        lines.push(format!("  curl {}", demo::inbox(address)));
    }
    lines.join("\n")
}

/// The path by which this program was started, so that a command can be copied as it stands.
fn program() -> String {
    quoted(&std::env::args().next().unwrap_or_else(|| "postrider".into()))
}

/// What the command line has to be told about a server that is not where it looks for one.
fn flags(data_dir: &Path, address: SocketAddr) -> String {
    let mut flags = String::new();
    if address != SocketAddr::from(([127, 0, 0, 1], PORT_DEFAULT)) {
        flags.push_str(&format!(" --url http://{address}"));
    }
    if data_dir != Path::new(DATA_DIR_DEFAULT) {
        flags.push_str(&format!(" --data-dir {}", quoted(&data_dir.to_string_lossy())));
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dev(data_dir: &str, address: &str, program: &str) -> String {
        let first = First { shown_key: None, is_first_dev: true };
        let address = address.parse().expect("an address");
        text(&first, Path::new(data_dir), true, address, program)
    }

    #[test]
    fn the_next_command_can_be_copied_wherever_the_server_is() {
        let plain = dev(DATA_DIR_DEFAULT, "127.0.0.1:8080", "target/debug/postrider");
        assert!(
            plain.contains("\n  target/debug/postrider send order.paid '{\"total\": 50.75}'\n"),
            "{plain}"
        );
        let moved = dev("/tmp/a b", "127.0.0.1:9", "./postrider");
        let expected = "'{\"total\": 50.75}' --url http://127.0.0.1:9 --data-dir '/tmp/a b'\n";
        assert!(moved.contains(expected), "{moved}");
    }

    #[test]
    fn a_new_admin_key_is_shown_and_no_other() {
        let address = "127.0.0.1:8080".parse().expect("an address");
        let shown = |first: &First| text(first, Path::new("d"), false, address, "postrider");
        let new = First { shown_key: Some("prk_new".to_owned().into()), is_first_dev: false };
        assert!(shown(&new).contains("prk_new"));
        assert!(json(&new, address).contains("\"admin.key\":\"prk_new\""));
        let known = First { shown_key: None, is_first_dev: false };
        assert_eq!(shown(&known).lines().count(), 1);
        assert!(!json(&known, address).contains("admin.key"));
    }
}
