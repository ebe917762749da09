//! The command line before servers, data and variables that mean it no good.

use serde_json::{Value, json};

use crate::harness::scripted::{Scripted, Step, send};
use crate::harness::{Output, Postrider, Receiver};

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// What runs against it answers while the command waits.
fn asked(args: &[&str], server: &Scripted) -> Output {
    let url = server.url("");
    let url = url.trim_end_matches('/');
    Output::alone(args, &[("POSTRIDER_URL", url), ("POSTRIDER_KEY", "k".repeat(32).as_str())])
}

async fn answering(body: &str) -> Scripted {
    let length = body.len();
    let answer = format!("{JSON}content-length: {length}\r\n\r\n{body}");
    Scripted::start(vec![Step::Request, send(answer)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_fits_into_no_value_is_published_and_shown_as_it_is() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let long = "9".repeat(100_000);
    for data in ["1e999999", r#""\ud800""#, deep.as_str(), long.as_str()] {
        let name = &data[..data.len().min(20)];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("data.json");
        std::fs::write(&file, data).expect("writable");
        let sent = server.run(&["send", "a", &format!("@{}", file.display())]);
        assert!(!sent.stderr.contains("cannot be seen"), "{name}: {sent:?}");
        let printed = sent.ok();
        assert!(printed.contains("delivered (200 in"), "{name}: {printed}");
        let id = printed.lines().next().unwrap_or_default();
        let shown = server.run(&["events", "show", id]).ok();
        assert!(shown.contains(&format!("data         {data}\n")), "{name}");
        assert!(shown.contains("delivered"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_sent_through_a_proxy_to_this_machine() {
    let server = Postrider::start().await;
    let proxy = Receiver::start().await;
    let url = proxy.url("/");
    let key = ("POSTRIDER_KEY", crate::harness::ADMIN_KEY);
    let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, url.as_str()));
    server.run_with(&["webhooks", "list"], &[&[key], &proxies[..]].concat()).ok();
    let elsewhere = ["webhooks", "list", "--url", "http://nowhere.invalid:1"];
    let output = Output::alone(&elsewhere, &[&[key], &proxies[..]].concat());
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(proxy.count(), 0, "{:?}", proxy.all());
}

#[test]
fn a_key_is_shown_to_whom_it_is_meant_for_and_a_password_to_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("dev.key"), "k".repeat(32)).expect("writable");
    let dir = folder.path().to_str().expect("UTF-8");
    let list = |url: &str| {
        let env = [("HOME", dir), ("XDG_CONFIG_HOME", dir)];
        Output::alone(&["webhooks", "list", "--url", url, "--data-dir", dir], &env)
    };
    let other = list("http://192.0.2.1:1");
    assert_eq!(other.code, Some(4), "{other:?}");
    assert!(other.stderr.contains("of this machine alone"), "{other:?}");
    let closed = format!("http://localhost:{}", crate::harness::free_port());
    assert_eq!(list(&closed).code, Some(1));
    for url in ["http://someone:hunter2@127.0.0.1:1", "ftp://127.0.0.1"] {
        let refused = list(url);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("--url or POSTRIDER_URL"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
    let url = [("POSTRIDER_URL", "http://u:hunter2@127.0.0.1:1")];
    for help in [&["webhooks", "list", "--help"][..], &["healthcheck", "--help"]] {
        assert!(!Output::alone(help, &url).ok().contains("hunter2"));
    }
    let listen = ["listen", "--forward-to", "1", "--url", "http://u:hunter2@127.0.0.1:1"];
    let refused = Output::alone(&listen, &[("HOME", dir), ("POSTRIDER_KEY", "k")]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let names = std::fs::read_dir(dir).expect("ours").flatten().map(|entry| entry.file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["dev.key"]);

    let large = folder.path().join("large");
    std::fs::write(&large, "k".repeat(64 * 1024 + 1)).expect("writable");
    let large = large.to_str().expect("UTF-8");
    let key = Output::alone(&["webhooks", "list"], &[("POSTRIDER_KEY_FILE", large)]);
    assert_eq!(key.code, Some(4), "{key:?}");
    assert!(key.stderr.contains("larger than 64 KiB"), "{key:?}");
    let secret = Output::alone(&["sign", "--body", "{}", "--secret-file", large], &[]);
    assert_eq!(secret.code, Some(2), "{secret:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_and_one_of_another_shape_are_refused() {
    let endless = format!("{JSON}transfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let steps = vec![Step::Request, send(endless), Step::Forever(chunk)];
    let server = Scripted::start(steps).await;
    for args in [&["webhooks", "list"][..], &["events", "show", "evt_1"]] {
        let output = asked(args, &server);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains("longer than 64 MiB"), "{output:?}");
    }
    for body in ["{}", "[]", "null", "1", r#"{"data":{}}"#, r#"{"data":"x"}"#] {
        let server = answering(body).await;
        for args in [&["webhooks", "list"][..], &["events", "list"], &["keys", "list"]] {
            let output = asked(args, &server);
            assert_eq!(output.code, Some(1), "{body} {output:?}");
            assert!(output.stderr.contains("is it Postrider?"), "{body} {output:?}");
        }
    }
    let server = answering("<html>\u{1b}[2J").await;
    let output = asked(&["events", "show", "evt_1", "--json"], &server);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_server_says_moves_a_terminal() {
    let id = format!("wh_{}", "0".repeat(26));
    let hostile = json!({ "id": id, "description": "a\u{9b}2Jb\u{7f}c\u{202e}d" });
    let server = answering(&hostile.to_string()).await;
    let shown = asked(&["webhooks", "show", &id], &server).ok();
    assert!(!shown.contains(['\u{9b}', '\u{7f}', '\u{202e}']), "{shown:?}");
    assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), hostile);
    // Into a file or another program it goes as it is.
    let piped = asked(&["webhooks", "show", &id, "--json"], &server).ok();
    assert!(piped.contains('\u{9b}'), "{piped:?}");

    let event = json!({
        "id": "evt\u{1b}[2J", "uid": format!("evt_{}", "0".repeat(26)), "tenant": "default",
        "type": "a", "timestamp": "2026-08-22T10:00:00Z", "accepted_at": "2026-08-22T10:00:00Z",
        "data": 1, "data_base64": null,
    });
    let stream = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: event\ndata: {event}\n\n"
    );
    let server = Scripted::start(vec![Step::Request, send(stream), Step::Hang]).await;
    for args in [&["events", "tail"][..], &["listen"]] {
        let output = asked(args, &server);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains("sent an event that cannot be read"), "{output:?}");
        assert!(!format!("{}{}", output.stdout, output.stderr).contains('\u{1b}'), "{output:?}");
    }
}
