//! Subscribers over TLS: what is certified gets its deliveries, and who is not is told why in words.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::certificates::{Certificates, Certified, Flaw};
use crate::harness::dns::{NameServer, Said};
use crate::harness::{Options, Postrider, Receiver, free_port, text, wait_until};

/// As in production, but for the authority that it trusts, and that this machine is open.
async fn server(certificates: &Certificates, dns: &NameServer) -> Postrider {
    let authority = certificates.authority();
    let options = Options::default()
        .without_dev()
        .env("SSL_CERT_FILE", authority.to_str().expect("a path in UTF-8"))
        .env("POSTRIDER_EGRESS_ALLOW", "127.0.0.0/8")
        .env("POSTRIDER_EGRESS_DNS_SERVERS", &dns.address());
    Postrider::with(options).await
}

/// Registers every URL, publishes one event, and returns the first attempt of each.
async fn first_attempts(server: &Postrider, urls: &[String]) -> Vec<Value> {
    let mut ids = Vec::new();
    for url in urls {
        let webhook = server.register(url, json!({ "timeout_ms": 15_000 })).await;
        ids.push(text(&webhook, "id"));
    }
    let event = server.publish("a", json!(1)).await;
    let mut attempts = Vec::new();
    for (id, url) in ids.iter().zip(urls) {
        let what = format!("{url} is tried");
        let attempt = wait_until(&what, async || {
            let query = format!("event_id={event}&webhook_id={id}");
            let delivery = server.deliveries(&query).await.into_iter().next()?;
            let path = format!("/v1/deliveries/{}", text(&delivery, "id"));
            server.get(&path).await.is(200)["attempts"].get(0).cloned()
        });
        attempts.push(attempt.await);
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certified_subscriber_gets_its_deliveries_by_name_and_by_address() {
    let (certificates, dns) = (Certificates::new(), NameServer::start().await);
    dns.script("good.test", 60, [Said::addresses(&["127.0.0.1"])]);
    let certified = certificates.certified("DNS:good.test,IP:127.0.0.1", Flaw::None);
    let receiver = Receiver::over_tls(&certified).await;
    let server = server(&certificates, &dns).await;
    let by_name = format!("https://good.test:{}/name", receiver.port());
    let attempts = first_attempts(&server, &[by_name, receiver.url("/address")]).await;
    for attempt in &attempts {
        assert_eq!(attempt["status"], 200, "{attempt}");
        assert!(attempt["timings"]["connect_ms"].is_number(), "{attempt}");
    }
    for n in 0..3 {
        let event = server.publish("a", json!(n)).await;
        wait_until("both have it", async || {
            let all = server.deliveries(&format!("event_id={event}&status=delivered")).await;
            (all.len() == 2).then_some(())
        })
        .await;
    }
    assert_eq!(receiver.connections(), 2, "a connection is used again");
    let port = receiver.port();
    assert_eq!(receiver.requests("/name")[0].header("host"), format!("good.test:{port}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_tls_is_named() {
    let (certificates, dns) = (Certificates::new(), NameServer::start().await);
    let mut rows = Vec::new();
    let mut receivers = Vec::new();
    for (names, flaw, words) in [
        ("DNS:expired.test", Flaw::Expired, "has expired"),
        ("DNS:future.test", Flaw::NotYetValid, "not valid yet"),
        ("DNS:self.test", Flaw::SelfSigned, "self-signed"),
        ("DNS:sha1.test", Flaw::Sha1, "SHA-1"),
        ("DNS:another.test", Flaw::None, "is for another host"),
    ] {
        let receiver = Receiver::over_tls(&certificates.certified(names, flaw)).await;
        let host = match flaw {
            Flaw::None => "wrong.test",
            _ => names.trim_start_matches("DNS:"),
        };
        rows.push((format!("https://{host}:{}/a", receiver.port()), "tls", words));
        receivers.push(receiver);
    }
    let unnamed = Receiver::over_tls(&certificates.certified("DNS:some.test", Flaw::None)).await;
    rows.push((unnamed.url("/a"), "tls", "is for another host"));
    receivers.push(unnamed);
    let old = OldServer::start(&certificates.certified("DNS:old.test", Flaw::None));
    old.is_listening().await;
    rows.push((format!("https://old.test:{}/a", old.port), "tls", "needs TLS 1.2 or 1.3"));
    for (how, class, words) in [
        (Handshake::Never, "connect_timeout", "handshake did not end within 5000 ms"),
        (Handshake::Drips, "connect_timeout", "handshake did not end within 5000 ms"),
        (Handshake::PlainHttp, "tls", "does not speak TLS"),
        (Handshake::Garbage, "tls", "does not speak TLS"),
        (Handshake::Closes, "tls", "broke during the TLS handshake"),
    ] {
        rows.push((format!("https://hand.test:{}/a", shakes(how).await), class, words));
    }
    for name in ["expired", "future", "self", "sha1", "wrong", "old", "hand"] {
        dns.script(&format!("{name}.test"), 60, [Said::addresses(&["127.0.0.1"])]);
    }
    let server = server(&certificates, &dns).await;
    let urls: Vec<_> = rows.iter().map(|(url, _, _)| url.clone()).collect();
    for (attempt, (url, class, words)) in first_attempts(&server, &urls).await.iter().zip(rows) {
        assert_eq!(attempt["error"]["class"], class, "{url}: {attempt}");
        let detail = text(&attempt["error"], "detail");
        assert!(detail.contains(words), "{url}: {detail}");
        let took = attempt["timings"]["total_ms"].as_f64().expect("milliseconds");
        assert!(took < 10_000.0, "{url}: {took} ms");
    }
    for receiver in receivers {
        assert!(receiver.all().is_empty(), "a request went out");
    }
}

/// A server that speaks TLS 1.1 and nothing newer.
struct OldServer {
    process: Child,
    port: u16,
}

impl OldServer {
    fn start(certified: &Certified) -> Self {
        let port = free_port();
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-cert")
            .arg(&certified.certificate)
            .arg("-key")
            .arg(&certified.key)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self { process: process.expect("openssl is installed"), port }
    }

    async fn is_listening(&self) {
        wait_until("the old server listens", async || {
            TcpStream::connect(("127.0.0.1", self.port)).await.ok()
        })
        .await;
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        // Err: it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug, Clone, Copy)]
enum Handshake {
    Never,
    /// A record of the largest size, byte by byte.
    Drips,
    /// What a web server says on its port for plain http.
    PlainHttp,
    Garbage,
    Closes,
}

/// Shakes hands in that way with everybody; returns its port.
async fn shakes(how: Handshake) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if stream.read(&mut [0; 4_096]).await.ok()? == 0 {
                    return None;
                }
                match how {
                    Handshake::Never => while stream.read(&mut [0; 4_096]).await.ok()? > 0 {},
                    Handshake::Drips => {
                        stream.write_all(&[22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc]).await.ok()?;
                        while stream.write_all(&[3]).await.is_ok() {
                            crate::harness::let_pass(std::time::Duration::from_millis(50)).await;
                        }
                    }
                    Handshake::PlainHttp => {
                        let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(answer).await.ok()?;
                    }
                    Handshake::Garbage => {
                        stream.write_all(b"220 mail.example ESMTP\r\n").await.ok()?;
                    }
                    Handshake::Closes => {}
                }
                Some(())
            });
        }
    });
    port
}
