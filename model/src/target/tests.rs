use super::*;
use proptest::prelude::*;

fn code(text: &str) -> &'static str {
    TargetUrl::parse(text).map_or_else(|e| e.code, |_| "ok")
}

#[test]
fn urls_that_cannot_be_targets_are_refused_by_name() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("A23", "url_invalid", &["https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/"]),
        // `db` would be refused as a single label too; the port is seen first.
        ("A39", "port", &["https://db:5432/"]),
        ("A40", "url_invalid", &["https://1.1.1.1.1/", "https://256.256.256.256/"]),
        ("A40", "url_invalid", &["https://999999999999/", "https://foo.127.1/"]),
        ("B18", "url_invalid", &["https://xn--/", "https://xn--a/", "https://\u{200d}.com/"]),
        ("C01", "scheme", &["ftp://example.com/", "file:///etc/passwd", "ws://example.com/"]),
        ("C01", "scheme", &["gopher://127.0.0.1:6379/_SET", "javascript:alert(1)", "data:,a"]),
        ("C01", "scheme", &["unix:/var/run/docker.sock", "http+unix://%2fvar", "httpss://a.b/"]),
        ("C01", "scheme", &["", "example.com/hook", "//example.com/", "example.com:8080/a"]),
        ("C03", "userinfo", &["https://user:pass@example.com/", "https://user@example.com/"]),
        ("C03", "userinfo", &["https://@example.com/", "https://:@example.com/", "https://a@b@c/"]),
        ("C07", "port", &["https://example.com:0/", "https://example.com:65536/"]),
        ("C07", "port", &["https://example.com:99999/", "https://example.com:-1/"]),
        ("C07", "port", &["https://example.com:abc/", "https://[::1]:80:80/"]),
        ("C07", "port", &["https://example.com:00000/", "https://example.com:4294967739/"]),
        ("C10", "fragment", &["https://example.com/#frag", "https://evil.com#@example.com/"]),
        ("C10", "fragment", &["https://example.com/#", "https://example.com/?a=1#b"]),
        ("C11", "url_invalid", &[" https://example.com/", "https://example.com/ "]),
        ("C11", "url_invalid", &["https://exa\tmple.com/", "https://example.com/\r\na: b"]),
        (
            "C11",
            "url_invalid",
            &["https://example.com/\0", "https://example.com/a b", "ht\ntps://a.b/"],
        ),
        ("C13", "url_invalid", &["https://example.com%00.evil.com/", "https://ex%61mple.com/"]),
        ("C16", "url_invalid", &["https://exa\u{202e}mple.com/", "https://exa\u{200b}mple.com/"]),
        ("C16", "url_invalid", &["https://exa\u{ad}mple.com/", "https://exa\u{fe0f}mple.com/"]),
        (
            "two readings",
            "url_invalid",
            &["https:example.com", "https:/example.com", "https:///a.b/"],
        ),
        (
            "two readings",
            "url_invalid",
            &["https:\\\\example.com/", "https://evil.com\\@example.com/"],
        ),
        ("no name", "url_invalid", &["https://", "https://:443/", "https://./", "https://?a"]),
        (
            "no name",
            "url_invalid",
            &["https://a..b/", "https://.a.b/", "https://a.b../", "https://a*b.c/"],
        ),
        (
            "brackets",
            "url_invalid",
            &["https://[::1]a/", "https://[::1", "https://[v1.a]/", "https://a]:80/"],
        ),
    ];
    for (row, expected, urls) in rows {
        for url in *urls {
            assert_eq!(code(url), *expected, "{row} {url:?}");
        }
    }
}

#[test]
fn c08_ports_of_other_services_are_closed() {
    for port in [1, 22, 25, 53, 110, 143, 1023, 3306, 5432, 6379, 9200, 11211, 27017] {
        assert_eq!(code(&format!("https://example.com:{port}/")), "port", "{port}");
    }
    for port in [80, 443, 1024, 3000, 8080, 8443, 65535] {
        assert_eq!(code(&format!("http://example.com:{port}/")), "ok", "{port}");
    }
}

#[test]
fn b17_c14_lengths_are_bounded() {
    let url = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
    assert_eq!(code(&url(URL_BYTES_MAX)), "ok");
    assert_eq!(code(&url(URL_BYTES_MAX + 1)), "url_too_long");
    assert_eq!(code(&url(1 << 20)), "url_too_long");
    // Grows past the limit only when it is normalised: each letter becomes six characters.
    assert_eq!(code(&format!("https://example.com/{}", "é".repeat(400))), "url_too_long");

    let label = "a".repeat(LABEL_BYTES_MAX);
    assert_eq!(code(&format!("https://{label}.com/")), "ok");
    assert_eq!(code(&format!("https://{label}a.com/")), "url_invalid");
    let name = [&label[..], &label, &label, &label[2..]].join(".");
    assert_eq!(code(&format!("https://{name}/")), "ok", "{}", name.len());
    assert_eq!(code(&format!("https://{name}a/")), "url_invalid", "{}", name.len() + 1);
}

#[test]
fn a_url_is_kept_in_its_normalised_form() {
    let rows = [
        ("A02", "https://127.1/", "https://127.0.0.1/"),
        ("A03", "https://2130706433/", "https://127.0.0.1/"),
        ("A08", "https://127.0.0.1./", "https://127.0.0.1/"),
        ("A10", "https://127。0。0。1/", "https://127.0.0.1/"),
        ("A29", "https://172.15.255.255", "https://172.15.255.255/"),
        ("A37", "https://LOCALHOST./", "https://localhost/"),
        ("B19", "https://faß.de/", "https://xn--fa-hia.de/"),
        ("B19", "https://ℯxample.com/", "https://example.com/"),
        ("C09", "https://example.com:/", "https://example.com/"),
        ("C09", "https://example.com:080/", "https://example.com:80/"),
        ("C09", "https://example.com:00443/", "https://example.com/"),
        ("case", "HTTPS://Example.COM/A", "https://example.com/A"),
        ("dot", "https://example.com.:8443/a/../b?c", "https://example.com:8443/b?c"),
        ("_", "https://a_b.example.com", "https://a_b.example.com/"),
    ];
    for (row, given, expected) in rows {
        let url = TargetUrl::parse(given).expect(given);
        assert_eq!(url.as_str(), expected, "{row}");
    }
}

#[test]
fn c18_values_in_a_query_are_shown_nowhere() {
    let rows = [
        ("https://a.example/x", "https://a.example/x"),
        ("https://a.example/?token=abc&x=1=2", "https://a.example/?token=***&x=***"),
        ("https://a.example/?abc", "https://a.example/?***"),
        ("https://a.example/?a=1?b", "https://a.example/?a=***"),
    ];
    for (given, expected) in rows {
        let url = TargetUrl::parse(given).expect(given);
        assert_eq!(url.redacted(), expected);
        assert_eq!(format!("{url:?}"), expected);
    }
}

#[test]
fn a_stored_url_is_read_by_the_same_grammar() {
    let url = TargetUrl::parse("https://example.com/?a=1").expect("valid");
    let json = serde_json::to_string(&url).expect("a string");
    assert_eq!(json, r#""https://example.com/?a=1""#);
    assert_eq!(serde_json::from_str::<TargetUrl>(&json).expect("the same"), url);
    for json in [r#""ftp://a.b/""#, r#"["https://a.b/"]"#, "null", "1", "{}"] {
        assert!(serde_json::from_str::<TargetUrl>(json).is_err(), "C17 {json}");
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_normalised_once_and_for_all(
        text in prop_oneof![
            ".{0,60}",
            "https?://[a-zA-Z0-9.:@%_ß。\\[\\]-]{1,30}(/.{0,20})?",
            "https?://[a-z0-9]{1,5}(\\.[a-z0-9]{1,5}){0,4}\\.?(:[0-9]{0,5})?(/\\PC{0,20})?",
        ]
    ) {
        if let Ok(url) = TargetUrl::parse(&text) {
            let again = TargetUrl::parse(url.as_str()).expect("a normalised URL is a URL");
            prop_assert_eq!(again.as_str(), url.as_str());
            let scheme = if url.is_https() { "https://" } else { "http://" };
            prop_assert!(url.as_str().starts_with(scheme));
            let _ = (url.host(), url.port(), url.redacted());
        }
    }
}
