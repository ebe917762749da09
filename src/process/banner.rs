//! What a person reads when the server is up: where it is, which key, what to try next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::bootstrap::First;
use super::demo;
use crate::log::own_line;
use crate::output::say;
use crate::settings::{DATA_DIR_DEFAULT, LogFormat, Secret, Settings};
use crate::shell::quoted;

const PORT_DEFAULT: u16 = 8080;
/// How long the start waits for whoever reads it: a terminal may be stopped.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shown once, as the keys: a link to the dashboard, if there is one.
pub fn print(
    first: &First,
    link: Option<Secret>,
    settings: &Settings,
    dev: bool,
    address: SocketAddr,
) {
    let link = link.as_ref();
    let text = match settings.log.format {
        LogFormat::Text => text(first, link, &settings.server.data_dir, dev, address, &program()),
        LogFormat::Json => json(first, link, address),
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
fn json(first: &First, link: Option<&Secret>, address: SocketAddr) -> String {
    let mut fields = vec![
        ("server.url", format!("http://{address}").into()),
        ("server.version", env!("CARGO_PKG_VERSION").into()),
    ];
    fields.extend(first.shown_key.as_ref().map(|key| ("admin.key", key.expose().into())));
    fields.extend(link.map(|link| ("dashboard.link", link.expose().into())));
    own_line(LogFormat::Json, "INFO", "the server is up", &fields).trim_end().to_owned()
}

fn text(
    first: &First,
    link: Option<&Secret>,
    data_dir: &Path,
    dev: bool,
    address: SocketAddr,
    program: &str,
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines = vec![format!("Postrider {version} is at http://{address}")];
    if let Some(key) = &first.shown_key {
        lines.push(format!("  admin key   {}  (shown this once: keep it)", key.expose()));
    }
    if let Some(link) = link {
        lines.push(format!("  dashboard   {}  (opens once, within an hour)", link.expose()));
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

/// Where a browser on this machine finds the dashboard. An address that stands for all of a machine's is
/// none to go to.
pub fn dashboard(address: SocketAddr, path: &str) -> Secret {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}{path}", SocketAddr::new(ip, address.port())).into()
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
        let first = First { is_first_dev: true, ..First::default() };
        let address = address.parse().expect("an address");
        text(&first, None, Path::new(data_dir), true, address, program)
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
        let shown = |first: &First| text(first, None, Path::new("d"), false, address, "postrider");
        let new = First { shown_key: Some("prk_new".to_owned().into()), ..First::default() };
        assert!(shown(&new).contains("prk_new"));
        assert!(json(&new, None, address).contains("\"admin.key\":\"prk_new\""));
        let known = First::default();
        assert_eq!(shown(&known).lines().count(), 1);
        assert!(!json(&known, None, address).contains("admin.key"));
    }

    #[test]
    fn a_link_leads_to_an_address_that_a_browser_can_go_to() {
        for (address, at) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/x#y"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080/x#y"),
            ("[::]:80", "http://[::1]:80/x#y"),
            ("10.1.2.3:80", "http://10.1.2.3:80/x#y"),
        ] {
            let address = address.parse().expect("an address");
            let link = dashboard(address, "/x#y");
            assert_eq!(link.expose(), at);
            let first = First::default();
            let line = format!("\n  dashboard   {at}  (opens once, within an hour)");
            let shown = text(&first, Some(&link), Path::new("d"), false, address, "postrider");
            assert!(shown.ends_with(&line), "{shown}");
            let field = format!("\"dashboard.link\":\"{at}\"");
            assert!(json(&first, Some(&link), address).contains(&field));
        }
    }
}
