//! What is around it: open files, the way out, and a server that runs already.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use model::egress::Policy;
use model::target::TargetUrl;
use serde_json::Value;

use super::{Doctor, Report};
use crate::process::files;
use crate::settings::Settings;

/// A server on this machine answers at once.
const SERVER_TIMEOUT: Duration = Duration::from_secs(3);
/// An answer that takes longer is felt in every delivery to a new host.
const DNS_SLOW: Duration = Duration::from_millis(500);
const PROXIES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

pub(super) fn look_at_files(settings: &Settings, report: &mut Report) {
    const SUBJECT: &str = "open files";
    let Ok((_, hard)) = rlimit::Resource::NOFILE.get() else { return };
    let wanted = files::wanted(settings.engine.slots, settings.services.database_connections);
    if hard < wanted {
        report.warning(
            SUBJECT,
            format!(
                "{hard} at most, and {} deliveries at once need {wanted}",
                settings.engine.slots
            ),
            "raise the hard limit (LimitNOFILE= of systemd, ulimits of a container), or lower \
             POSTRIDER_ENGINE_SLOTS",
        );
    } else {
        report.ok(SUBJECT, format!("up to {hard}; Postrider raises its own limit to that"));
    }
}

pub(super) async fn look_at_egress(doctor: &Doctor, settings: &Settings, report: &mut Report) {
    look_at_policy(doctor, settings, report);
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let proxies: Vec<_> = PROXIES.iter().copied().filter(set).collect();
    if !proxies.is_empty() {
        report.warning(
            "proxy",
            format!("{} is set, and deliveries go past it", proxies.join(" and ")),
            "nothing to do if they get out directly (--egress tries it); if they have to use a proxy, \
             they do not arrive",
        );
    }
    match worker::probe::resolver(&settings.egress.dns_servers).await {
        Ok(took) if took > DNS_SLOW => report.warning(
            "DNS",
            format!("the resolver took {} ms to answer", took.as_millis()),
            "use one that is near, or one with a cache",
        ),
        Ok(took) => {
            report.ok("DNS", format!("the resolver answers within {} ms", took.as_millis() + 1))
        }
        Err(e) => report.warning(
            "DNS",
            format!("the resolver does not answer: {e}"),
            "check /etc/resolv.conf and the network: webhooks with a host name cannot be delivered",
        ),
    }
    if let Some(url) = doctor.egress.as_deref().and_then(|url| TargetUrl::parse(url).ok()) {
        let shown = url.redacted();
        let dns_servers = settings.egress.dns_servers.clone();
        match worker::probe::reach(&url, policy(doctor, settings), dns_servers).await {
            Ok((status, took)) => {
                report.ok("egress", format!("{shown} answers {status} in {} ms", took.as_millis()));
            }
            Err(e) if e.contains("name does not exist") => report.problem(
                "egress",
                format!("{shown} is not reached: {e}"),
                "check the name, and egress.dns_servers (POSTRIDER_EGRESS_DNS_SERVERS)",
            ),
            Err(e) => report.problem(
                "egress",
                format!("{shown} is not reached: {e}"),
                "check the firewall, the certificate authorities of this machine, and \
                 POSTRIDER_EGRESS_ALLOW for private addresses",
            ),
        }
    }
}

fn look_at_policy(doctor: &Doctor, settings: &Settings, report: &mut Report) {
    const SUBJECT: &str = "egress";
    let Policy { allow, http, .. } = policy(doctor, settings);
    let networks: Vec<_> = allow.iter().map(ToString::to_string).collect();
    if allow.iter().any(|network| network.prefix_len() == 0) {
        report.warning(
            SUBJECT,
            format!(
                "every address is open ({}): webhooks may point into this network",
                networks.join(", ")
            ),
            "name the networks that are meant in POSTRIDER_EGRESS_ALLOW, such as 10.1.0.0/16",
        );
    } else if networks.is_empty() {
        report.ok(SUBJECT, "public addresses only");
    } else {
        report.ok(SUBJECT, format!("public addresses, and {}", networks.join(", ")));
    }
    if http && !doctor.dev {
        report.warning(
            SUBJECT,
            "plain http is open to every address: payloads can be read on the way",
            "leave out POSTRIDER_EGRESS_HTTP; networks of POSTRIDER_EGRESS_ALLOW take http anyway",
        );
    }
}

fn policy(doctor: &Doctor, settings: &Settings) -> Policy {
    crate::process::egress(settings, doctor.dev, None, Vec::new())
}

/// A server at the address that is configured.
pub(super) async fn look_at_server(settings: &Settings, report: &mut Report) {
    const SUBJECT: &str = "server";
    let address = dialled(settings.server.listen);
    let client = reqwest::Client::builder().timeout(SERVER_TIMEOUT).no_proxy().build();
    let client = match client {
        Ok(client) => client,
        Err(e) => {
            let said = format!("no HTTP client can be made: {e}");
            return report.problem(SUBJECT, said, "install the package ca-certificates");
        }
    };
    let get = async |path: &str| -> Result<Value, reqwest::Error> {
        client.get(format!("http://{address}{path}")).send().await?.json().await
    };
    let readiness = match get("/readyz").await {
        Ok(readiness) => readiness,
        Err(e) if e.is_connect() => {
            return report.ok(SUBJECT, format!("none runs at {address}, and the port is free"));
        }
        Err(_) => Value::Null,
    };
    let Some(status) = readiness["status"].as_str() else {
        let said = format!("what listens at {address} is not Postrider");
        return report.problem(SUBJECT, said, "choose another port with POSTRIDER_LISTEN");
    };
    let described = get("/openapi.json").await.unwrap_or_default();
    let version = described["info"]["version"].as_str().unwrap_or("unknown").to_owned();
    let bad = readiness["checks"].as_object().into_iter().flatten();
    let bad = bad.filter(|(_, check)| check["status"] != "ok");
    let bad =
        bad.map(|(name, check)| format!("{name} {}", check["status"].as_str().unwrap_or("?")));
    let bad = bad.collect::<Vec<_>>().join(", ");
    let said = format!("version {version} runs at {address} and is {status}");
    match status {
        "ok" => report.ok(SUBJECT, said),
        "degraded" => {
            report.warning(SUBJECT, format!("{said}: {bad}"), "mend that; its log says more")
        }
        _ => report.problem(SUBJECT, format!("{said}: {bad}"), "its log says why"),
    }
    let own = env!("CARGO_PKG_VERSION");
    if version != own && version != "unknown" {
        let said = format!("version {version} runs there, and this is {own}");
        report.warning(SUBJECT, said, "restart it after an upgrade");
    }
}

/// An address that stands for all of this machine's is reached at one of them.
fn dialled(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
