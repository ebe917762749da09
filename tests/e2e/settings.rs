//! A start with wrong settings stops with one sentence and exit code 2.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::harness::{ADMIN_KEY, Options, Output, Postrider, free_port, wait_until};

/// Tries to serve from an empty folder, and fails the test if it gets far.
fn refused(args: &[&str], env: &[(&str, &str)], named: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let data_dir = data.path().join("data");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut all = vec!["serve", "--data-dir", data_dir.to_str().expect("UTF-8")];
    if !args.contains(&"--listen") {
        all.extend(["--listen", &listen]);
    }
    all.extend(args);
    let output = Output::alone(&all, env);
    assert_eq!(output.code, Some(2), "{args:?} {env:?}: {output:?}");
    assert!(output.stderr.contains(named), "{named}: {output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    assert!(!data_dir.join("postrider.db").exists(), "{args:?} {env:?} got as far as the store");
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    std::fs::write(file.path(), content).expect("writable");
    file
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn wrong_settings_stop_the_start_and_are_named() {
    refused(&["--listen", "nowhere"], &[], "listen");
    refused(&[], &[("POSTRIDER_ADMIN_KEY", "short")], "POSTRIDER_ADMIN_KEY");
    refused(&[], &[("POSTRIDER_MASTER_KEY", "abc")], "POSTRIDER_MASTER_KEY");
    refused(&[], &[("POSTRIDER_EGRESS_ALLOW", "10.0.0.0/99")], "POSTRIDER_EGRESS_ALLOW");
    refused(&[], &[("POSTRIDER_ENGINE_SLOTS", "0")], "POSTRIDER_ENGINE_SLOTS");
    refused(&[], &[("POSTRIDER_DATABASE_URL", "postgres://db/x")], "POSTRIDER_DATABASE_URL");
    refused(&[], &[("POSTRIDER_REDIS_URL", "redis://db/")], "POSTRIDER_REDIS_URL");
    refused(&["--dev", "--listen", "0.0.0.0:8123"], &[], "--dev");
    refused(&["--no-such-flag"], &[], "--no-such-flag");
    refused(&["--config", "/nowhere/at/all.toml"], &[], "/nowhere/at/all.toml");
}

#[test]
fn secrets_are_not_taken_from_the_command_line_nor_repeated_in_errors() {
    let given = "a-secret-that-nobody-should-see-0123456789";
    let data = tempfile::tempdir().expect("a temporary folder");
    let args = ["serve", "--data-dir", path(data.path()), "--admin-key", given];
    let output = Output::alone(&args, &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(!output.stderr.contains(given), "{output:?}");
    let output = Output::alone(&["serve"], &[("POSTRIDER_MASTER_KEY", given)]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(!output.stderr.contains(given), "{output:?}");
}

#[test]
fn an_unknown_key_in_the_settings_file_is_named() {
    let misspelt = file("listne = \"127.0.0.1:8123\"\n");
    refused(&["--config", path(misspelt.path())], &[], "listne");
    let nested = file("[engine]\nslotz = 5\n");
    refused(&["--config", path(nested.path())], &[], "slotz");
    let broken = file("listen = \n");
    refused(&["--config", path(broken.path())], &[], path(broken.path()));
    let mistyped = file("[engine]\nslots = \"many\"\n");
    refused(&["--config", path(mistyped.path())], &[], "slots");
}

#[test]
fn a_secret_in_the_settings_file_is_one_text() {
    for value in [format!("[\"{ADMIN_KEY}\"]"), "12345678901234567".to_owned(), "true".to_owned()] {
        for key in ["admin_key", "admin_key_file", "master_key"] {
            let list = file(&format!("{key} = {value}\n"));
            refused(&["--config", path(list.path())], &[], &format!("`{key}`"));
        }
    }
}

#[tokio::test]
async fn secrets_can_come_from_files_and_the_master_key_is_made_for_its_owner_alone() {
    let key = file(&format!("{ADMIN_KEY}\n"));
    let options = Options::default().on_a_data_directory();
    let options = options.env("POSTRIDER_ADMIN_KEY_FILE", path(key.path()));
    let server = Postrider::with(options.env("POSTRIDER_ADMIN_KEY", "")).await;
    server.publish("a", json!(1)).await;
    let master = std::fs::metadata(server.data_dir().join("master.key")).expect("made");
    assert_eq!(master.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn without_dev_a_generated_key_is_printed_once() {
    let mut server =
        Postrider::with(Options::default().without_dev().env("POSTRIDER_ADMIN_KEY", "")).await;
    let printed = |log: &str| {
        let keys: Vec<String> = log
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .filter(|word| word.starts_with("prk_") && word.len() == 47)
            .map(str::to_owned)
            .collect();
        keys
    };
    // The banner with the key is printed once a start. Each of its two ways out is read by itself.
    let served = async |server: &Postrider, starts: usize| {
        wait_until("it says that it serves", async || {
            let log = server.log();
            let all = ["serving", " is at http://"].map(|said| log.matches(said).count());
            (all == [starts; 2]).then_some(())
        })
        .await;
    };
    served(&server, 1).await;
    let keys = printed(&server.log());
    assert_eq!(keys.len(), 1, "{}", server.log());
    server.with_key(&keys[0]).get("/v1/keys").await.is(200);
    server.restart().await;
    served(&server, 2).await;
    assert_eq!(printed(&server.log()), keys, "it is not printed again");
    server.with_key(&keys[0]).get("/v1/keys").await.is(200);
}
