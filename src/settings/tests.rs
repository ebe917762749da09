use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args as _, Command, FromArgMatches as _};

use super::*;
use crate::failure::{Exit, Failure};

/// What [`read`] makes of a command line, an environment and a file.
fn read_from(flags: &[&str], env: &[(&str, &str)], file: &str) -> Result<Settings, Failure> {
    let command = Flags::augment_args(Command::new("test").no_binary_name(true));
    let matches = command.try_get_matches_from(flags).expect("a command line");
    let flags = Flags::from_arg_matches(&matches).expect("flags");
    let env: BTreeMap<_, _> = env.iter().copied().collect();
    let path = written(file);
    let read = read(&flags, Some(&path), &|name| env.get(name).map(|v| (*v).to_owned()));
    std::fs::remove_file(path).expect("removed");
    read.map(|(settings, _)| settings)
}

/// A new file under the target directory with that text.
fn written(text: &str) -> PathBuf {
    let name = store::world::new_uid(store::world::Clock::system().now());
    let path = std::env::temp_dir().join(format!("postrider-settings-{name:?}.toml"));
    std::fs::write(&path, text).expect("written");
    path
}

fn refusal(flags: &[&str], env: &[(&str, &str)], file: &str) -> String {
    let failure = match read_from(flags, env, file) {
        Ok(settings) => settings.check().expect_err("refused"),
        Err(failure) => failure,
    };
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.sentence.ends_with('.'), "{}", failure.sentence);
    failure.sentence
}

#[test]
fn nothing_set_means_the_documented_defaults() {
    let settings = read_from(&[], &[], "").expect("defaults");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.server.data_dir, PathBuf::from("./postrider-data"));
    assert_eq!((settings.limits.event_bytes, settings.limits.batch_events), (262_144, 1_000));
    assert_eq!((settings.engine.slots, settings.engine.lane_cap), (1_024, 10_000));
    assert!(settings.engine.shutdown_grace() > model::webhook::TIMEOUT_MAX);
    assert_eq!(settings.engine.lane_cap, store::LANE_CAP_DEFAULT);
    assert!(settings.egress.allow.is_empty() && !settings.egress.http);
    assert!(settings.check().is_ok() && settings.check_dev().is_ok());
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let file = "listen = '127.0.0.1:1'\n[engine]\nslots = 1\nthreads = 1\n[log]\nlevel = 'debug'";
    let env = [("POSTRIDER_LISTEN", "127.0.0.1:2"), ("POSTRIDER_ENGINE_SLOTS", "2")];
    let settings = read_from(&["--listen", "127.0.0.1:3"], &env, file).expect("settings");
    assert_eq!(settings.server.listen.port(), 3);
    assert_eq!((settings.engine.slots, settings.engine.threads), (2, Some(1)));
    assert_eq!((settings.engine.lane_cap, settings.log.level.as_str()), (10_000, "debug"));
}

#[test]
fn lists_and_truths_are_read_from_every_source() {
    let nets = |settings: Settings| {
        settings.egress.allow.iter().map(|n| n.to_string()).collect::<Vec<_>>()
    };
    let expected = ["10.1.0.0/16", "fd00::/8"];
    let file = "[egress]\nallow = ['10.1.0.0/16', 'fd00::/8']\nhttp = true";
    assert_eq!(nets(read_from(&[], &[], file).expect("file")), expected);
    let env =
        [("POSTRIDER_EGRESS_ALLOW", "10.1.0.0/16, fd00::/8"), ("POSTRIDER_EGRESS_HTTP", "true")];
    assert_eq!(nets(read_from(&[], &env, "").expect("env")), expected);
    let flags = ["--egress-allow=10.1.0.0/16,fd00::/8", "--egress-http"];
    assert_eq!(nets(read_from(&flags, &[], "").expect("flags")), expected);
    for (flags, env, file) in [(&[][..], &[][..], file), (&[], &env, ""), (&flags, &[], "")] {
        assert!(read_from(flags, env, file).expect("settings").egress.http);
    }
    assert!(!read_from(&["--egress-http=false"], &env, "").expect("settings").egress.http);
}

#[test]
fn name_servers_have_the_usual_port_unless_they_are_given_another() {
    let env = [("POSTRIDER_EGRESS_DNS_SERVERS", "10.0.0.2, fd00::2, 10.0.0.3:5353, [fd00::3]:54")];
    let servers = read_from(&[], &env, "").expect("settings").egress.dns_servers;
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.2:53", "[fd00::2]:53", "10.0.0.3:5353", "[fd00::3]:54"]);
    let sentence = refusal(&[], &[("POSTRIDER_EGRESS_DNS_SERVERS", "dns.example.com")], "");
    assert!(sentence.contains("such as 10.0.0.2"), "{sentence}");
}

#[test]
fn an_unknown_key_stops_the_start_and_is_named() {
    for (file, key) in [
        ("lisen = 'x'", "`lisen`"),
        ("[engine]\nslot = 1", "`engine.slot`"),
        ("[what]\na.b = 1", "`what.a.b`"),
        ("listen_file = 'x'", "`listen_file`"),
    ] {
        assert!(refusal(&[], &[], file).contains(key), "{file}");
    }
}

#[test]
fn a_wrong_value_is_named_as_the_operator_wrote_it() {
    for (file, words) in [
        ("[engine]\nslots = 'many'", ["`engine.slots`", "\"many\""]),
        ("[engine]\nslots = 0", ["`engine.slots`", "0 is not in 1..=65536"]),
        ("listen = 'nowhere'", ["`listen`", "such as 127.0.0.1:8080"]),
        ("[egress]\nallow = ['10.0.0.0/33']", ["`egress.allow`", "10.0.0.0/33"]),
        ("[log]\nformat = 'xml'", ["`log.format`", "text or json"]),
        ("listen = ", ["is not TOML", "line 1"]),
    ] {
        let sentence = refusal(&[], &[], file);
        assert!(words.iter().all(|word| sentence.contains(word)), "{file}: {sentence}");
    }
    let sentence = refusal(&[], &[("POSTRIDER_LOG", "loud")], "");
    assert!(sentence.starts_with("POSTRIDER_LOG has the value \"loud\""), "{sentence}");
}

#[test]
fn a_secret_comes_from_the_environment_or_a_file_and_is_never_shown() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let path = written(&format!("{KEY}\n"));
    let path_text = path.to_str().expect("UTF-8");
    let in_file = format!("admin_key_file = {path_text:?}");
    for (env, file) in [
        (&[("POSTRIDER_ADMIN_KEY", KEY)][..], ""),
        (&[("POSTRIDER_ADMIN_KEY_FILE", path_text)], ""),
        (&[], &format!("admin_key = '{KEY}'")),
        (&[], &in_file),
    ] {
        let settings = read_from(&[], env, file).expect("settings");
        let key = settings.keys.admin_key.clone().expect("set");
        assert_eq!(key.expose(), KEY, "{env:?} {file}");
        assert!(!format!("{settings:?}").contains(KEY) && settings.check().is_ok());
    }
    let both = [("POSTRIDER_ADMIN_KEY", KEY), ("POSTRIDER_ADMIN_KEY_FILE", path_text)];
    assert!(refusal(&[], &both, "").contains("both set"));
    assert!(refusal(&["--admin-key", KEY], &[], "").contains("POSTRIDER_ADMIN_KEY_FILE"));
    assert!(refusal(&[], &[("POSTRIDER_ADMIN_KEY_FILE", "/no/such")], "").contains("/no/such"));
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn settings_that_cannot_run_together_are_refused_with_the_one_to_change() {
    for (env, words) in [
        (("POSTRIDER_ADMIN_KEY", "short"), "32 or more characters"),
        (("POSTRIDER_DATABASE_URL", "postgres://localhost"), "POSTRIDER_REDIS_URL is not"),
        (("POSTRIDER_REDIS_URL", "redis://localhost"), "POSTRIDER_DATABASE_URL is not"),
        (("POSTRIDER_LIMITS_BATCH_BYTES", "2048"), "limits.batch_bytes"),
    ] {
        let sentence = refusal(&[], &[env], "");
        assert!(sentence.contains(words) && !sentence.contains("postgres://"), "{sentence}");
    }
    let services =
        [("POSTRIDER_DATABASE_URL", "postgres://db/x"), ("POSTRIDER_REDIS_URL", "redis://r")];
    assert!(refusal(&[], &services, "").contains("POSTRIDER_MASTER_KEY"));
    let master = ("POSTRIDER_MASTER_KEY", "00".repeat(32));
    let fleet = [services[0], services[1], (master.0, &master.1)];
    let fleet = read_from(&[], &fleet, "").expect("settings");
    assert!(fleet.check().is_ok() && fleet.check_member().is_ok());
    let alone = read_from(&[], &[], "").expect("settings");
    assert!(alone.check().is_ok() && alone.check_member().is_err());
    let open = read_from(&["--listen", "0.0.0.0:80"], &[], "").expect("settings");
    assert!(open.check().is_ok() && open.check_dev().is_err());
}

#[test]
fn the_committed_defaults_are_current_and_mean_the_defaults() {
    let committed = include_str!("../../config.default.toml");
    assert!(
        committed == defaults(),
        "config.default.toml is not current: run `make config.default.toml`"
    );
    let (as_file, as_nothing) = (read_from(&[], &[], committed), read_from(&[], &[], ""));
    assert_eq!(format!("{as_file:?}"), format!("{as_nothing:?}"));
}

#[test]
fn what_is_shown_names_the_source_and_hides_secrets() {
    let env = |name: &str| match name {
        "POSTRIDER_REDIS_URL" => Some("redis://:hunter2@localhost".to_owned()),
        "POSTRIDER_ENGINE_SLOTS" => Some("7".to_owned()),
        _ => None,
    };
    let (_, effective) = read(&Flags::default(), None, &env).expect("settings");
    let (text, json) = (as_toml(&effective), as_json(&effective));
    assert!(text.contains("slots = 7  # from POSTRIDER_ENGINE_SLOTS"), "{text}");
    assert!(text.contains("redis_url = \"***\"  # from POSTRIDER_REDIS_URL"), "{text}");
    assert!(!text.contains("hunter2") && !json.to_string().contains("hunter2"));
    let slots =
        json["settings"].as_array().and_then(|s| s.iter().find(|s| s["key"] == "engine.slots"));
    let slots = slots.expect("listed");
    assert_eq!((&slots["value"], &slots["source"]), (&7.into(), &"POSTRIDER_ENGINE_SLOTS".into()));
}
