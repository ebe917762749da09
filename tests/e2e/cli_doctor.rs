//! `postrider doctor`: a set-up is looked at, and nothing about it changes.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::servers::Server;
use crate::harness::{ADMIN_KEY, MASTER_KEY, Options, Output, Postrider, free_port};

/// What was found, by subject and words, after checking that the exit code goes with it.
#[track_caller]
fn findings(output: &Output) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&output.stdout).expect("--json prints JSON");
    let failed = report["problems"] != 0;
    assert_eq!(output.code, Some(i32::from(failed)), "{output:?}");
    let findings = report["findings"].as_array().expect("a list").iter();
    let field = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    findings
        .map(|found| {
            let said = format!(
                "{}: {} → {}",
                field(found, "subject"),
                field(found, "said"),
                field(found, "remedy")
            );
            (field(found, "state"), said)
        })
        .collect()
}

#[track_caller]
fn has(found: &[(String, String)], state: &str, words: &str) {
    let is = |(s, said): &(String, String)| s == state && said.contains(words);
    assert!(found.iter().any(is), "{state} {words}: {found:#?}");
}

fn of_state<'a>(found: &'a [(String, String)], state: &str) -> Vec<&'a str> {
    found.iter().filter(|(s, _)| s == state).map(|(_, said)| said.as_str()).collect()
}

/// Every file, with all that a change would change.
fn state_of(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let files = entries.map(|entry| {
        let about = entry.metadata().expect("a file");
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, (about.len(), about.mtime(), about.mtime_nsec()))
    });
    files.collect()
}

#[tokio::test]
async fn an_embedded_server_is_fine_while_it_runs_and_after_and_nothing_is_touched() {
    let mut server = Postrider::with(Options::default().on_a_data_directory()).await;
    server.register("https://a.example/", json!({})).await;
    let dir = server.data_dir().to_str().expect("UTF-8").to_owned();
    let listen = server.url("").replace("http://", "");
    let doctor =
        || Output::alone(&["doctor", "--json", "--data-dir", &dir, "--listen", &listen], &[]);
    let running = findings(&doctor());
    assert_eq!(of_state(&running, "problem"), Vec::<&str>::new());
    has(&running, "ok", "database: whole");
    has(&running, "ok", "has it open, which is fine");
    has(&running, "ok", "and is ok");
    has(&running, "ok", "admin key: 1 in the database");

    server.stop().await;
    let before = state_of(server.data_dir());
    let stopped = findings(&doctor());
    assert_eq!(state_of(server.data_dir()), before);
    assert_eq!(of_state(&stopped, "problem"), Vec::<&str>::new());
    has(&stopped, "ok", "no process has it open");
    has(&stopped, "ok", "none runs at");

    // What is wrong is said, each with what to do.
    let master = server.data_dir().join("master.key");
    let opened = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&master, opened).expect("ours");
    has(&findings(&doctor()), "problem", "others can read");
    let aside = server.data_dir().join("aside");
    std::fs::rename(&master, &aside).expect("ours");
    has(&findings(&doctor()), "problem", "is missing, and the secrets of 1 webhook need it");
    std::fs::write(&master, "ab".repeat(32)).expect("ours");
    let another = "is not the key that encrypted the secrets of 1 webhook → put back the file";
    has(&findings(&doctor()), "problem", another);
    std::fs::rename(&aside, &master).expect("ours");
    let others = "ab".repeat(32);
    let args = ["doctor", "--json", "--data-dir", &dir, "--listen", &listen];
    let given = findings(&Output::alone(&args, &[("POSTRIDER_MASTER_KEY", &others)]));
    has(&given, "problem", "POSTRIDER_MASTER_KEY is not the key that encrypted the secrets of 1");
    let own = std::fs::read_to_string(&master).expect("ours");
    let ring = format!("{others},{}", own.trim());
    let given = findings(&Output::alone(&args, &[("POSTRIDER_MASTER_KEY", &ring)]));
    assert_eq!(of_state(&given, "problem"), Vec::<&str>::new());
    let database = server.data_dir().join("postrider.db");
    let mut bytes = std::fs::read(&database).expect("ours");
    let whole = bytes.clone();
    bytes[4096..8192].fill(0x55);
    std::fs::write(&database, &bytes).expect("ours");
    has(&findings(&doctor()), "problem", "damaged");
    std::fs::write(&database, &whole).expect("ours");
    server.start_again().await;
}

/// Root is refused nothing, so another user looks.
#[tokio::test]
async fn of_a_directory_that_it_cannot_read_it_says_nothing_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("data");
    std::fs::create_dir(&path).expect("ours");
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode(folder.path(), 0o755);
    let is_root = std::fs::metadata(&path).expect("ours").uid() == 0;
    mode(&path, if is_root { 0o700 } else { 0o000 });
    let binary = folder.path().join("postrider");
    std::fs::copy(env!("CARGO_BIN_EXE_postrider"), &binary).expect("there is room");
    let mut command = std::process::Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(&binary).args(["doctor", "--json", "--data-dir"]).arg(&path);
    command.args(["--listen", &format!("127.0.0.1:{}", free_port())]).current_dir("/");
    let output = command.output().expect("it starts");
    mode(&path, 0o700);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("database, master key, admin key: not looked at"), "{output:?}");
    assert!(said.contains("run this as its owner"), "{said}");
    assert!(!said.contains("first start"), "{said}");
}

/// A process that is killed leaves a log that only the next start works into the database.
#[tokio::test]
async fn a_database_that_was_not_closed_is_read_without_being_changed() {
    let mut server = Postrider::with(Options::default().on_a_data_directory()).await;
    server.register("https://a.example/", json!({})).await;
    server.kill_9();
    let dir = server.data_dir().to_str().expect("UTF-8").to_owned();
    let contents = |name: &str| std::fs::read(server.data_dir().join(name)).expect("there");
    let before = ["postrider.db", "postrider.db-wal"].map(contents);
    let listen = format!("127.0.0.1:{}", free_port());
    let args = ["doctor", "--json", "--data-dir", &dir, "--listen", &listen];
    let found = findings(&Output::alone(&args, &[]));
    assert_eq!(of_state(&found, "problem"), Vec::<&str>::new());
    assert_eq!(["postrider.db", "postrider.db-wal"].map(contents), before);
    server.start_again().await;
}

#[test]
fn settings_that_would_stop_a_start_or_have_no_effect_are_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("data");
    let dir = dir.to_str().expect("UTF-8");
    let listen = format!("127.0.0.1:{}", free_port());
    let doctor = |args: &[&str], env: &[(&str, &str)]| {
        let fixed = ["doctor", "--json", "--data-dir", dir, "--listen", &listen];
        findings(&Output::alone(&[&fixed[..], args].concat(), env))
    };
    let fine = doctor(&[], &[("POSTRIDER_LISTNE", "x"), ("HTTPS_PROXY", "http://p:1")]);
    has(&fine, "warning", "POSTRIDER_LISTNE");
    has(&fine, "warning", "HTTPS_PROXY");
    has(&fine, "ok", "is made at the first start");
    assert_eq!(of_state(&fine, "problem"), Vec::<&str>::new());
    has(
        &doctor(&["--role", "worker"], &[]),
        "problem",
        "POSTRIDER_DATABASE_URL and POSTRIDER_REDIS_URL",
    );
    has(&doctor(&[], &[("POSTRIDER_ENGINE_SLOTS", "0")]), "problem", "POSTRIDER_ENGINE_SLOTS");
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "listne = \"x\"\n").expect("writable");
    has(&doctor(&["--config", file.to_str().expect("UTF-8")], &[]), "problem", "listne");
    has(&doctor(&["--engine-lease-ms", "29999"], &[]), "warning", "less than the longest attempt");
    has(&doctor(&["--egress-allow", "0.0.0.0/0"], &[]), "warning", "every address is open");
    let closed = format!("http://127.0.0.1:{}/", free_port());
    has(&doctor(&["--egress", &closed], &[]), "problem", "is not reached");
    assert!(!folder.path().join("data").exists(), "it made the data directory");
}

#[tokio::test]
async fn a_fleet_that_is_not_ready_is_told_what_it_lacks_and_then_that_it_is() {
    let (postgres, redis) = (Server::postgres().await, Server::redis().await);
    let listen = format!("127.0.0.1:{}", free_port());
    let password =
        ("POSTRIDER_DATABASE_URL", postgres.url().replace("postgres@", "postgres:hunter2@"));
    let redis_url = redis.url();
    let env = [
        (password.0, password.1.as_str()),
        ("POSTRIDER_REDIS_URL", redis_url.as_str()),
        ("POSTRIDER_MASTER_KEY", MASTER_KEY),
    ];
    let doctor = |args: &[&str]| {
        let output =
            Output::alone(&[&["doctor", "--json", "--listen", &listen], args].concat(), &env);
        let said = format!("{output:?}");
        assert!(!said.contains("hunter2") && !said.contains(MASTER_KEY), "{said}");
        findings(&output)
    };
    redis.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let keys = redis.tell(&["DBSIZE"]);
    let found = doctor(&[]);
    has(
        &found,
        "problem",
        "tables: they are not up to date (not there): api and worker wait for that → run `postrider migrate`",
    );
    has(&found, "problem", "maxmemory-policy is allkeys-lru");
    has(&found, "ok", "PostgreSQL: 127.0.0.1");
    has(&found, "ok", "Redis: reached as standalone, version 7");
    has(&found, "ok", "durability: fsync is on, synchronous_commit is on");
    has(&found, "ok", "clock: this machine's and that of Redis");
    has(&found, "ok", "clock: this machine's and that of PostgreSQL");
    assert_eq!(of_state(&found, "problem").len(), 2, "{found:#?}");
    assert_eq!(redis.tell(&["DBSIZE"]), keys, "it wrote to Redis");
    has(&doctor(&["--role", "serve"]), "ok", "`postrider serve` brings them up to date");
    let many = doctor(&["--services-database-connections", "500"]);
    has(&many, "problem", "connections: 500 for each process");

    redis.tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let migrated = Output::alone(&["migrate"], &env[..1]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    let found = doctor(&[]);
    assert_eq!(of_state(&found, "problem"), Vec::<&str>::new());
    has(&found, "ok", "up to date (of version");
    has(&found, "ok", "queue: there is none yet");
}

#[tokio::test]
async fn a_fleet_with_another_master_key_than_the_one_that_encrypted_is_told() {
    let options = Options::default().without_dev().env("POSTRIDER_ADMIN_KEY", ADMIN_KEY);
    let (postgres, redis) = (Server::postgres().await, Server::redis().await);
    let (database, queue) = (postgres.url(), redis.url());
    let services =
        [("POSTRIDER_DATABASE_URL", database.as_str()), ("POSTRIDER_REDIS_URL", queue.as_str())];
    let listen = format!("127.0.0.1:{}", free_port());
    let with = |key: &str| {
        let env = [&services[..], &[("POSTRIDER_MASTER_KEY", key)]].concat();
        findings(&Output::alone(&["doctor", "--json", "--listen", &listen], &env))
    };
    let options = options.env(services[0].0, services[0].1).env(services[1].0, services[1].1);
    let server = Postrider::with(options.env("POSTRIDER_MASTER_KEY", MASTER_KEY)).await;
    has(&with(&"ab".repeat(32)), "ok", "master key: given (1 key)");
    server.register("https://a.example/", json!({})).await;
    let another = "POSTRIDER_MASTER_KEY is not the key that encrypted the secrets of 1 webhook →";
    has(&with(&"ab".repeat(32)), "problem", another);
    assert_eq!(of_state(&with(MASTER_KEY), "problem"), Vec::<&str>::new());
}

#[tokio::test]
async fn services_that_are_not_there_are_a_problem_and_said_without_their_passwords() {
    let port = free_port();
    let database = format!("postgres://someone:hunter2@127.0.0.1:{port}/x");
    let redis = format!("redis://:hunter2@127.0.0.1:{port}");
    let env = [
        ("POSTRIDER_DATABASE_URL", database.as_str()),
        ("POSTRIDER_REDIS_URL", redis.as_str()),
        ("POSTRIDER_MASTER_KEY", MASTER_KEY),
    ];
    let listen = format!("127.0.0.1:{}", free_port());
    let output = Output::alone(&["doctor", "--json", "--listen", &listen], &env);
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
    let found = findings(&output);
    has(&found, "problem", "PostgreSQL: the database 127.0.0.1");
    has(&found, "problem", &format!("Redis: Redis cannot be reached at 127.0.0.1:{port}: "));
    has(&found, "problem", "refused");
    assert!(!format!("{found:?}").contains("a moment ago"), "{found:?}");
}
