//! The way to the server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::OpenError;

/// How long what was sent may stay unacknowledged, and a silent connection unprobed: then the
/// server counts as gone.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const PORT: u16 = 5432;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A process that stopped inside a transaction holds its locks for no longer.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// Where the server is and how it is spoken to.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Server {
    /// Reads a URL and what it says about TLS. Where TLS is used the server's certificate is
    /// verified by the system's authorities (or those of `SSL_CERT_FILE`), whatever the mode.
    pub(super) fn parse(url: &str, statement_timeout: Duration) -> Result<Self, OpenError> {
        let mut config: Config = verified(url).parse().map_err(|e| not_a_url(&e))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::Url("it names no host".into()));
        }
        if config.get_application_name().is_none() {
            config.application_name("postrider");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config
                .tcp_user_timeout(SILENCE_MAX)
                .keepalives_idle(SILENCE_MAX / 2)
                .keepalives_interval(SILENCE_MAX / 4)
                .keepalives_retries(2);
        }
        // Of several hosts, the one that takes writes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let given = config.get_options().unwrap_or_default().to_owned();
        config.options(format!("{given} {}", session(statement_timeout)).trim_start());
        let tls = tls(config.get_ssl_mode())?;
        Ok(Self { config, tls })
    }

    /// The same server, for what may be undone by a crash of it: a commit does not wait for the disk,
    /// and lasts with the next one that does.
    pub(super) fn relaxed(&self) -> Self {
        let mut relaxed = self.clone();
        let options = relaxed.config.get_options().unwrap_or_default();
        let options = format!("{options} -c synchronous_commit=off");
        relaxed.config.options(options);
        relaxed
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// A connection that works for as long as the client lives, on this runtime.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, wire) = self.config.connect(self.tls.clone()).await?;
        let wire = tokio::spawn(async move {
            if let Err(e) = wire.await {
                tracing::warn!(error = super::failure::text(&e), "a database connection broke");
            }
        });
        Ok((client, wire))
    }
}

/// Without the password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let ports: Vec<_> = self.config.get_ports().iter().map(u16::to_string).collect();
        write!(f, "{}", hosts.join(","))?;
        if !ports.is_empty() {
            write!(f, ":{}", ports.join(","))?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// The hosts that a URL names and their ports; none if it cannot be read. Sockets of this machine have
/// neither.
pub(super) fn places(url: &str) -> Vec<(String, u16)> {
    let Ok(config) = verified(url).parse::<Config>() else { return Vec::new() };
    // One port is that of all hosts.
    let ports = config.get_ports();
    let port = |n| ports.get(n).or(ports.first()).copied().unwrap_or(PORT);
    let names = config.get_hosts().iter().enumerate().filter_map(|(n, host)| match host {
        Host::Tcp(name) => Some((name.clone(), port(n))),
        Host::Unix(_) => None,
    });
    let addresses = config.get_hostaddrs().iter().enumerate();
    names.chain(addresses.map(|(n, address)| (address.to_string(), port(n)))).collect()
}

/// Other clients have modes that differ in what they verify. Here all is verified, so these mean
/// the same as `require`.
fn verified(url: &str) -> String {
    match url.split_once('?') {
        Some((place, options)) => {
            let options = options
                .split('&')
                .map(|option| match option {
                    "sslmode=verify-full" | "sslmode=verify-ca" => "sslmode=require",
                    other => other,
                })
                .collect::<Vec<_>>()
                .join("&");
            format!("{place}?{options}")
        }
        None => url.to_owned(),
    }
}

/// The parser's words may hold a part of a password that was not escaped; only those about the
/// value of an option do not.
fn not_a_url(error: &Error) -> OpenError {
    let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    OpenError::Url(if said.starts_with("invalid value for option") {
        said
    } else {
        "it is not of the form postgres://user:password@host:5432/database, with other characters \
         than letters and digits percent-encoded"
            .into()
    })
}

/// What every session is set to. Each statement finds its rows by an index; the planner, who knows
/// nothing yet of a partition of today, is not to think otherwise.
fn session(statement_timeout: Duration) -> String {
    let settings = [
        ("synchronous_commit", "on".to_owned()),
        // Planning a statement over many partitions anew costs more than it takes to run; which of
        // them it needs is found out when it is run.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("statement_timeout", statement_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.as_millis().to_string()),
        ("work_mem", "16MB".into()),
        ("enable_seqscan", "off".into()),
        ("enable_hashjoin", "off".into()),
        ("enable_mergejoin", "off".into()),
        ("max_parallel_workers_per_gather", "0".into()),
        ("jit", "off".into()),
    ];
    let settings = settings.map(|(name, value)| format!("-c {name}={value}"));
    settings.join(" ")
}

fn tls(mode: SslMode) -> Result<MakeRustlsConnect, OpenError> {
    let mut roots = rustls::RootCertStore::empty();
    if mode != SslMode::Disable {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() && mode == SslMode::Require {
            return Err(OpenError::NoAuthorities);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
