//! Signing secrets: rotated without a gap, shown only to who may see them.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Options, Output, Postrider, Receiver, Request, free_port, is_signed_by, new_secret, text,
};

async fn next_request(server: &Postrider, receiver: &Receiver) -> Request {
    let before = receiver.requests("/a").len();
    server.publish("a", json!(before)).await;
    receiver.wait_for("/a", before + 1).await.remove(before)
}

#[tokio::test]
async fn after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let (old, path) =
        (text(&webhook, "secret"), format!("/v1/webhooks/{}/secret", text(&webhook, "id")));
    assert!(is_signed_by(&next_request(&server, &receiver).await, &old));

    let rotated = server.post(&format!("{path}/rotate"), json!({})).await.is(200);
    let new = text(&rotated, "secret");
    assert_ne!(new, old);
    let during = next_request(&server, &receiver).await;
    assert!(is_signed_by(&during, &old) && is_signed_by(&during, &new));
    // Elixir's library looks at the last one only, so the old secret has to come last.
    let count = during.header("webhook-signature").split(' ').count();
    assert_eq!(count, 2);
    let secrets = server.get(&path).await.is(200)["secrets"].clone();
    assert_eq!((&secrets[0]["secret"], &secrets[0]["expires_at"]), (&json!(new), &json!(null)));
    assert_eq!(secrets[1]["secret"], old.as_str());
    assert_eq!(secrets[1]["expires_at"], rotated["previous_expires_at"]);

    server.step(Duration::from_secs(23 * 3_600)).await;
    let late = next_request(&server, &receiver).await;
    assert!(is_signed_by(&late, &old) && is_signed_by(&late, &new));
    server.step(Duration::from_secs(3_700)).await;
    let after = next_request(&server, &receiver).await;
    assert!(is_signed_by(&after, &new) && !is_signed_by(&after, &old));
    assert_eq!(after.header("webhook-signature").split(' ').count(), 1);
    let secrets = server.get(&path).await.is(200)["secrets"].clone();
    assert_eq!(secrets.as_array().map(Vec::len), Some(1), "{secrets}");
}

#[tokio::test]
async fn a_rotation_may_bring_its_own_secret_but_not_a_bad_one() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}/secret/rotate", text(&webhook, "id"));
    let own = new_secret("from a vault");
    let rotated = server.post(&path, json!({ "secret": own })).await.is(200);
    assert_eq!(rotated["secret"], own.as_str());
    assert!(is_signed_by(&next_request(&server, &receiver).await, &own));
    for bad in [json!("whsec_c2hvcnQ="), json!("plain"), json!(7)] {
        assert_eq!(server.post(&path, json!({ "secret": bad })).await.status, 422, "{bad}");
    }
    for _ in 0..6 {
        server.post(&path, json!({})).await;
    }
    let request = next_request(&server, &receiver).await;
    assert!(request.header("webhook-signature").split(' ').count() <= 4);
}

#[tokio::test]
async fn secrets_survive_a_restart_and_are_not_in_the_files_in_plain_text() {
    let mut server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let secret = new_secret("very secret bytes here!!");
    let more = json!({ "secret": secret, "headers": { "authorization": "Bearer hush-hush" } });
    server.register(&receiver.url("/a"), more).await;
    server.restart().await;
    let request = next_request(&server, &receiver).await;
    assert!(is_signed_by(&request, &secret));
    assert_eq!(request.header("authorization"), "Bearer hush-hush");

    server.stop().await;
    let plain = [&secret["whsec_".len()..], "very secret bytes here!!", "hush-hush"];
    for entry in std::fs::read_dir(server.data_dir()).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            let bytes = std::fs::read(entry.path()).expect("readable");
            for needle in plain {
                let found = bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
                assert!(!found, "{needle} is in {:?}", entry.file_name());
            }
        }
    }
    for needle in plain {
        assert!(!server.log().contains(needle), "{needle} was logged");
    }
}

#[tokio::test]
async fn without_the_key_that_encrypted_its_secrets_a_server_does_not_start() {
    let mut server = Postrider::with(Options::default().on_a_data_directory()).await;
    server.register("https://a.example/", json!({})).await;
    server.stop().await;
    let data_dir = server.data_dir().to_str().expect("a path in UTF-8").to_owned();
    let listen = format!("127.0.0.1:{}", free_port());
    let args = ["serve", "--listen", &listen, "--data-dir", &data_dir];
    let other = "ab".repeat(32);
    let refused = Output::alone(&args, &[("POSTRIDER_MASTER_KEY", &other)]);
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("POSTRIDER_MASTER_KEY"), "{refused:?}");
    assert!(!refused.stderr.contains(&other), "{refused:?}");

    let (path, aside) = (server.data_dir().join("master.key"), server.data_dir().join("aside"));
    std::fs::rename(&path, &aside).expect("it was made at the first start");
    std::fs::write(&path, &other).expect("writable");
    let refused = Output::alone(&args, &[]);
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("master.key is not the key that"), "{refused:?}");
    assert!(!refused.stderr.contains("POSTRIDER_MASTER_KEY"), "{refused:?}");
    std::fs::remove_file(&path).expect("ours");
    let refused = Output::alone(&args, &[]);
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("master.key"), "{refused:?}");
    std::fs::rename(&aside, &path).expect("put back");
    server.start_again().await;
}

#[tokio::test]
async fn a_dozen_rotations_in_a_row_leave_a_few_signatures_each_in_its_form() {
    let server = Postrider::start().await;
    let receiver = Receiver::start().await;
    let webhook = server.register(&receiver.url("/a"), json!({})).await;
    let path = format!("/v1/webhooks/{}/secret", text(&webhook, "id"));
    let mut all = vec![text(&webhook, "secret")];
    for _ in 0..12 {
        let rotated = server.post(&format!("{path}/rotate"), json!({})).await.is(200);
        all.push(text(&rotated, "secret"));
    }
    let request = next_request(&server, &receiver).await;
    let signatures: Vec<&str> = request.header("webhook-signature").split(' ').collect();
    let shown = server.get(&path).await.is(200)["secrets"].as_array().map(Vec::len);
    assert_eq!(Some(signatures.len()), shown);
    assert!((2..=4).contains(&signatures.len()), "{signatures:?}");
    for signature in &signatures {
        let encoded = signature.strip_prefix("v1,").expect("one scheme");
        let alphabet = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        assert!(encoded.len() == 44 && encoded.chars().all(alphabet), "{signature}");
    }
    let signing = all.iter().filter(|secret| is_signed_by(&request, secret)).count();
    assert_eq!(signing, signatures.len());
    assert!(is_signed_by(&request, &all[12]) && !is_signed_by(&request, &all[0]));
    let timestamp = request.header("webhook-timestamp");
    assert!(timestamp.len() == 10 && timestamp.bytes().all(|b| b.is_ascii_digit()), "{timestamp}");
}

#[tokio::test]
async fn what_only_looks_like_a_secret_is_refused_and_never_repeated() {
    let server = Postrider::start().await;
    let webhook = server.register("https://kept.example/", json!({})).await;
    let rotate = format!("/v1/webhooks/{}/secret/rotate", text(&webhook, "id"));
    let good = new_secret("a good one");
    for bad in [
        "",
        " ",
        "whsec_",
        "whsec_%",
        "whsec_c2hvcnQ=",
        &new_secret("a")[6..],
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        "hwsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ",
        &format!("{good} "),
        &format!("whsec_{}", "A".repeat(100)),
        &format!("whsec_{}", "A".repeat(30)),
    ] {
        let body = json!({ "webhook_url": "https://a.example/", "secret": bad });
        let refusals = [
            server.post("/v1/webhooks/register", body).await.refused(422, "secret_invalid"),
            server.post(&rotate, json!({ "secret": bad })).await.refused(422, "secret_invalid"),
        ];
        for problem in refusals {
            let encoded = bad.split_once('_').map_or("", |(_, encoded)| encoded).trim();
            assert!(encoded.len() < 9 || !problem.to_string().contains(encoded), "{problem}");
        }
    }
    assert_eq!(server.walk("/v1/webhooks").await.len(), 1);
}

/// The start looks at one, to see whether the master key is the right one.
#[tokio::test]
async fn a_webhook_that_cannot_be_read_keeps_no_server_from_starting() {
    let mut server = Postrider::with(Options::default().on_a_data_directory()).await;
    let receiver = Receiver::start().await;
    server.register(&receiver.url("/a"), json!({})).await;
    server.may_complain();
    server.stop().await;
    server.change_store("UPDATE webhooks SET config = '{'");
    server.start_again().await;
    assert!(server.log().contains("a webhook cannot be read"), "{}", server.log());
    assert_eq!(server.get("/v1/events").await.status, 200);
}
