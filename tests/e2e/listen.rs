//! The commands that follow events: `listen`, and `events list`, `show` and `tail`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    ADMIN_KEY, Output, Postrider, Process, Receiver, Reply, Request, Verifier, free_port,
    is_signed_by, new_secret, text, wait_or_tell, wait_until,
};

/// A command that goes on until it is told to end.
struct Running {
    process: Process,
    /// Where its person's configuration is.
    config: TempDir,
}

impl Running {
    async fn start(server: &Postrider, args: &[&str]) -> Self {
        let config = tempfile::tempdir().expect("a folder");
        Self::start_in(server, args, config).await
    }

    /// Connected: what is published from now on it gets.
    async fn start_in(server: &Postrider, args: &[&str], config: TempDir) -> Self {
        let env = env(server, config.path());
        let process = Process::start(args.iter().map(ToString::to_string).collect(), env);
        let running = Self { process, config };
        running.says("Ctrl-C ends").await;
        running
    }

    async fn says(&self, words: &str) {
        wait_or_tell(&format!("it says {words:?}"), async || {
            let log = self.process.log();
            if log.contains(words) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// Ends it as a person does, and returns what it said.
    async fn ctrl_c(mut self) -> (String, TempDir) {
        self.process.signal("INT");
        let status = wait_until("it ends", async || self.process.ended()).await;
        assert_eq!(status.code(), Some(0), "{}", self.process.log());
        // What it said last may still be under way.
        wait_until("its last words are there", async || {
            (self.process.log().trim_end().ends_with('.')).then_some(())
        })
        .await;
        (self.process.log(), self.config)
    }

    /// The secret that it shows.
    fn secret(&self) -> String {
        let log = self.process.log();
        let secret = log.split_whitespace().find(|word| word.starts_with("whsec_"));
        secret.unwrap_or_else(|| panic!("no secret in {log}")).to_owned()
    }
}

fn env(server: &Postrider, config: &Path) -> Vec<(String, String)> {
    let config = config.to_str().expect("a path in UTF-8").to_owned();
    [
        ("POSTRIDER_URL", server.url("")),
        ("POSTRIDER_KEY", ADMIN_KEY.to_owned()),
        ("XDG_CONFIG_HOME", config),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn names(request: &Request) -> BTreeSet<String> {
    request.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// A body that who re-encodes it breaks.
fn data() -> Value {
    json!({ "total": 50.75, "note": "héllo 📦", "empty": {} })
}

async fn verified_by(verifier: Verifier, secret: &str, more: &[&str]) {
    let server = Postrider::start().await;
    let url = verifier.url("/hook");
    let args = [&["listen", "--forward-to", &url, "--secret", secret], more].concat();
    let listen = Running::start(&server, &args).await;
    let event = server.publish("order.paid", data()).await;
    listen.says(&format!("{event}  → 200 in ")).await;
    let (said, _) = listen.ctrl_c().await;
    assert!(said.contains("1 event came: 1 answered with 2xx, 0 failed."), "{said}");
}

#[tokio::test]
async fn standardwebhooks_for_python_verifies_what_listen_posts() {
    let secret = new_secret("the shop's own");
    verified_by(Verifier::python("standard.py", 0, &[&secret]), &secret, &[]).await;
}

#[tokio::test]
async fn standardwebhooks_for_node_verifies_what_listen_posts() {
    let secret = new_secret("the shop's own");
    let verifier = Verifier::node("standard.mjs", 0, &[&secret]);
    verified_by(verifier, &secret, &["--payload-format", "raw"]).await;
}

#[tokio::test]
async fn what_a_receiver_does_not_believe_is_shown_with_its_words() {
    let server = Postrider::start().await;
    let verifier = Verifier::python("standard.py", 0, &[&new_secret("another")]);
    let listen = Running::start(&server, &["listen", "--forward-to", &verifier.url("/")]).await;
    let event = server.publish("order.paid", data()).await;
    listen.says(&format!("{event}  → 400 in ")).await;
    let (said, _) = listen.ctrl_c().await;
    assert!(said.contains("No matching signature"), "{said}");
    assert!(said.contains("1 event came: 0 answered with 2xx, 1 failed."), "{said}");
}

#[tokio::test]
async fn listen_posts_the_very_request_that_a_webhook_gets() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let secret = new_secret("shared by both");
    for format in ["standard", "raw", "event"] {
        let (hook, local) = (format!("/hook/{format}"), format!("/local/{format}?x=1"));
        let more = json!({ "secret": secret, "payload_format": format });
        let webhook = server.register(&receiver.url(&hook), more).await;
        let url = receiver.url(&local);
        let args =
            ["listen", "--forward-to", &url, "--secret", &secret, "--payload-format", format];
        let listen = Running::start(&server, &args).await;
        let body = format!(
            r#"{{"type":"order.paid","id":"e-{format}","data":{{ "n":1.0,
	"n":1e2, "h":"\u00e9" }}}}"#
        );
        server.post_text("/v1/events", &body).await.is(202);
        let by_webhook = receiver.wait_for(&hook, 1).await.remove(0);
        let by_listen = receiver.wait_for(&format!("/local/{format}"), 1).await.remove(0);
        assert_eq!(by_listen.target, local);
        assert_eq!((&by_listen.method, &by_listen.body), (&by_webhook.method, &by_webhook.body));
        assert_eq!(names(&by_listen), names(&by_webhook));
        for header in ["content-type", "user-agent", "webhook-id", "accept-encoding", "accept"] {
            assert_eq!(by_listen.header(header), by_webhook.header(header), "{header}");
        }
        assert!(is_signed_by(&by_listen, &secret) && is_signed_by(&by_webhook, &secret));
        listen.ctrl_c().await;
        let id = text(&webhook, "id");
        server.delete(&format!("/v1/webhooks/{id}")).await.is(204);
    }
    assert!(server.walk("/v1/webhooks").await.is_empty(), "listen registers nothing");
}

#[tokio::test]
async fn the_secret_is_the_same_at_every_start_and_its_owners_alone() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/a");
    let args = ["listen", "--forward-to", &url];
    let first = Running::start(&server, &args).await;
    let secret = first.secret();
    server.publish("a", json!(1)).await;
    assert!(is_signed_by(&receiver.wait_for("/a", 1).await[0], &secret));
    let (_, config) = first.ctrl_c().await;

    let folder = config.path().join("postrider/listen");
    let files: Vec<_> = std::fs::read_dir(&folder).expect("a folder").collect();
    assert_eq!(files.len(), 1);
    let file = files[0].as_ref().expect("a file").path();
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode();
    assert_eq!((mode(&file) & 0o777, mode(&folder) & 0o777), (0o600, 0o700));

    let again = Running::start_in(&server, &args, config).await;
    assert_eq!(again.secret(), secret);
    let (_, config) = again.ctrl_c().await;
    let of_tenant = [&args[..], &["--tenant", "acme"]].concat();
    let other = Running::start_in(&server, &of_tenant, config).await;
    assert_ne!(other.secret(), secret);
    other.ctrl_c().await;
}

#[tokio::test]
async fn listen_outlives_the_server_and_neither_misses_nor_repeats() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let url = receiver.url("/a");
    let listen = Running::start(&server, &["listen", "--forward-to", &url]).await;
    let mut published = Vec::new();
    for round in 0..3 {
        for n in 0..5 {
            published.push(server.publish("a", json!([round, n])).await);
        }
        if round == 1 {
            server.restart().await;
        } else {
            server.kill_9();
            server.start_again().await;
        }
        for n in 5..10 {
            published.push(server.publish("a", json!([round, n])).await);
        }
    }
    receiver.wait_for("/a", published.len()).await;
    let last = server.publish("last", json!(1)).await;
    listen.says(&last).await;
    published.push(last);
    let posted: Vec<_> =
        receiver.requests("/a").iter().map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!(posted, published);
    let (said, _) = listen.ctrl_c().await;
    assert!(said.contains("No connection") && said.contains("Connected again."), "{said}");
    assert!(said.contains("31 events came: 31 answered with 2xx"), "{said}");
}

#[tokio::test]
async fn a_post_that_fails_is_shown_counted_and_not_repeated() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let redirect = Reply::status(302).header("location", &receiver.url("/elsewhere"));
    receiver.script(
        "/a",
        [
            Reply::status(500).body("boom\u{1b}[2J"),
            redirect,
            Reply::close(),
            Reply::garbage(),
            Reply::endless(),
        ],
    );
    let url = receiver.url("/a");
    let listen = Running::start(&server, &["listen", "--forward-to", &url]).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(server.publish("a", json!(n)).await);
        listen.says(&format!("{}  → ", ids[n])).await;
    }
    let (said, _) = listen.ctrl_c().await;
    assert!(said.contains("500 in ") && said.contains(": boom [2J"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(said.contains("302 in ") && said.contains("redirects are not followed"), "{said}");
    assert!(said.contains("5 events came: 1 answered with 2xx, 4 failed."), "{said}");
    assert_eq!((receiver.requests("/a").len(), receiver.requests("/elsewhere").len()), (5, 0));

    let nobody = format!("127.0.0.1:{}", free_port());
    let listen = Running::start(&server, &["listen", "--forward-to", &nobody]).await;
    let event = server.publish("a", json!(1)).await;
    listen.says(&format!("{event}  → nobody answers there")).await;
    listen.ctrl_c().await;
}

#[tokio::test]
async fn events_are_chosen_and_printed_as_json() {
    let server = Postrider::start().await;
    let args = ["listen", "--events", "order.*", "--tenant", "acme", "--print-json"];
    let listen = Running::start(&server, &args).await;
    let tail = Running::start(&server, &["events", "tail", "--events", "order.*", "--json"]).await;
    let table = Running::start(&server, &["events", "tail"]).await;
    let mut ids = Vec::new();
    for (tenant, kind) in
        [("acme", "invoice.paid"), ("other", "order.paid"), ("acme", "order.paid")]
    {
        let body = format!(r#"{{"type":"{kind}","tenant":"{tenant}","data":[1.0,"#) + "\r\n2]}";
        ids.push(text(&server.post_text("/v1/events", &body).await.is(202), "id"));
    }
    for (running, expected) in [(&listen, 1), (&tail, 2)] {
        running.says(&ids[2]).await;
        let log = running.process.log();
        let lines: Vec<_> = log.lines().filter(|line| line.starts_with('{')).collect();
        assert_eq!(lines.len(), expected, "{log}");
        let last: Value = serde_json::from_str(lines[expected - 1]).expect("a line of JSON");
        assert_eq!((&last["id"], &last["data"]), (&json!(ids[2]), &json!([1.0, 2])));
        assert!(lines[expected - 1].contains("[1.0,"), "{log}");
    }
    table.says(&ids[2]).await;
    let log = table.process.log();
    assert!(ids.iter().all(|id| log.contains(id)) && log.contains("invoice.paid"), "{log}");
    let (said, _) = listen.ctrl_c().await;
    assert!(said.contains("1 event came."), "{said}");
}

#[tokio::test]
async fn events_are_listed_and_shown_with_where_they_went() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let more = json!({ "event_types": ["order.*"] });
    let webhook = text(&server.register(&receiver.url("/a"), more).await, "id");
    let body = r#"{"type":"order.paid","id":"o-1","data":{"total":50.750}}"#;
    server.post_text("/v1/events", body).await.is(202);
    let delivery = text(&server.delivery_of("o-1").await, "id");
    wait_until("it is delivered", async || {
        let delivery = server.get(&format!("/v1/deliveries/{delivery}")).await.is(200);
        (delivery["status"] == "delivered").then_some(())
    })
    .await;
    let alone = server.publish("invoice.paid", json!(1)).await;

    let listed = server.run(&["events", "list"]).ok();
    assert!(listed.contains("o-1") && listed.contains(&alone), "{listed}");
    let listed = server.run(&["events", "list", "--type", "order.paid", "--json"]).ok();
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
    let until = ["events", "list", "--until", "2020-01-01T00:00:00Z"];
    assert_eq!(server.run(&until).ok(), "");

    let shown = server.run(&["events", "show", "o-1"]).ok();
    for words in ["order.paid", "{\"total\":50.750}", &webhook, "delivered", "200 in "] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let shown = server.run(&["events", "show", "o-1", "--json"]).ok();
    assert!(shown.contains("{\"total\":50.750}"), "{shown}");
    let nowhere = server.run(&["events", "show", &alone]);
    assert_eq!(nowhere.code, Some(0));
    assert!(nowhere.stderr.contains("It went nowhere"), "{nowhere:?}");
    let missing = server.run(&["events", "show", "no-such"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
    assert_eq!(server.run(&["events", "show", "a/../../keys"]).code, Some(2));
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_a_sentence() {
    let server = Postrider::start().await;
    for args in [
        &["listen", "--forward-to", "nowhere at all"][..],
        &["listen", "--forward-to", "ftp://a/"],
        &["listen", "--forward-to", "3000", "--secret", "whsec_x"],
        &["listen", "--events", "*.paid"],
        &["listen", "--tenant", "no spaces"],
        &["listen", "--payload-format", "xml"],
        &["events", "list", "--since", "yesterday"],
        &["events", "tail", "--events", ""],
    ] {
        let output = server.run(args);
        assert_eq!(output.code, Some(2), "{args:?} {output:?}");
    }
    let publisher = json!({ "name": "p", "role": "publisher" });
    let publisher = text(&server.post("/v1/keys", publisher).await.is(201), "key");
    for args in [&["listen"][..], &["events", "tail"]] {
        let output = server.run_with(args, &[("POSTRIDER_KEY", &publisher)]);
        assert_eq!(output.code, Some(4), "{args:?} {output:?}");
        let nowhere = format!("http://127.0.0.1:{}", free_port());
        let output =
            Output::alone(args, &[("POSTRIDER_URL", &nowhere), ("POSTRIDER_KEY", ADMIN_KEY)]);
        assert_eq!(output.code, Some(1), "{args:?} {output:?}");
        assert!(output.stderr.contains("no server answers at"), "{output:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_it() {
    let server = Postrider::start().await;
    let viewer = server.post("/v1/keys", json!({ "name": "v", "role": "viewer" })).await.is(201);
    let mut env = env(&server, Path::new("/nowhere"));
    env[1].1 = text(&viewer, "key");
    let mut tail = Process::start(vec!["events".into(), "tail".into()], env);
    wait_until("it listens", async || tail.log().contains("Ctrl-C ends").then_some(())).await;
    server.delete(&format!("/v1/keys/{}", text(&viewer, "id"))).await.is(204);
    let status = wait_until("it ends", async || tail.ended()).await;
    assert_eq!(status.code(), Some(4), "{}", tail.log());
}
