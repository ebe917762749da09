use super::*;
use proptest::prelude::*;

fn policy(allow: &[&str]) -> Policy {
    let allow = allow.iter().map(|net| net.parse().expect("a network")).collect();
    Policy { allow, ..Policy::default() }
}

fn registration(policy: &Policy, url: &str) -> &'static str {
    let url = TargetUrl::parse(url).expect(url);
    policy.check_registration(&url).map_or_else(|e| e.code, |()| "ok")
}

#[test]
fn forbidden_hosts_are_refused_however_they_are_spelled() {
    let rows = [
        ("A01", "127.0.0.1"),
        ("A02", "127.1"),
        ("A03", "2130706433"),
        ("A04", "0x7f000001"),
        ("A06", "0177.0.0.1"),
        ("A07", "017700000001"),
        ("A08", "127.0.0.1."),
        ("A10", "127。0。0。1"),
        ("A11", "0 0.0.0.0 0.1.2.3"),
        ("A13", "[::1] [::]"),
        ("A14", "[::ffff:127.0.0.1] [::127.0.0.1] [::ffff:0:127.0.0.1]"),
        ("A15", "[::ffff:7f00:1] [0:0:0:0:0:ffff:a9fe:a9fe]"),
        ("A18", "[64:ff9b::a9fe:a9fe] [64:ff9b::808:808]"),
        ("A19", "[64:ff9b:1::a9fe:a9fe]"),
        ("A20", "[2002:7f00:1::1] [2002:a9fe:a9fe::1]"),
        ("A22", "[fe80::1] [fe80::a9fe:a9fe]"),
        ("A24", "[fec0::1]"),
        ("A25", "[fc00::1] [fd00:ec2::254]"),
        ("A26", "[ff02::1]"),
        ("A28", "10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1"),
        ("A30", "100.64.0.1 100.127.255.254 100.100.100.200"),
        ("A32", "169.254.169.254 0xa9fea9fe"),
        ("A33", "168.63.129.16 [::ffff:168.63.129.16]"),
        ("A35", "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255"),
        ("A35", "192.88.99.1 192.0.0.192 192.31.196.1 192.52.193.1 192.175.48.1"),
        ("A36", "224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255"),
        ("v6", "[2001:db8::1] [2001::1] [2001:20::1] [2001:1ff::1] [3fff::1]"),
        ("v6", "[2620:4f:8000::1] [100::1] [5f00::1] [4000::1] [1fff::1]"),
        ("A37", "localhost LOCALHOST. a.localhost"),
        ("A38", "metadata.google.internal kubernetes.default.svc host.docker.internal"),
        ("A38", "x.local x.internal a.svc.cluster.local x.home.arpa"),
        ("A39", "redis redis. db:15432"),
    ];
    let closed = Policy::default();
    for (row, hosts) in rows {
        for host in hosts.split(' ') {
            assert_eq!(
                registration(&closed, &format!("https://{host}/")),
                "host_forbidden",
                "{row} {host}"
            );
        }
    }
}

#[test]
fn hosts_just_outside_are_accepted() {
    let rows = [
        ("A29", "172.15.255.255 172.32.0.1"),
        ("A31", "100.63.255.254 100.128.0.1"),
        ("A33", "168.63.129.15 168.63.129.17"),
        ("v4", "1.0.0.1 9.255.255.255 11.0.0.1 126.255.255.255 128.0.0.1"),
        ("v4", "169.253.255.255 169.255.0.1 192.0.1.1 192.167.255.255 192.169.0.1"),
        ("v4", "198.17.255.255 198.20.0.1 223.255.255.255 8.8.8.8"),
        ("v6", "[2606:4700::1111] [2001:200::1] [2003::1] [3ffe::1] [2001:db9::1]"),
        ("A38", "example.com internal.example.com local.com xlocalhost.com"),
    ];
    let closed = Policy::default();
    for (row, hosts) in rows {
        for host in hosts.split(' ') {
            assert_eq!(registration(&closed, &format!("https://{host}/")), "ok", "{row} {host}");
        }
    }
}

#[test]
fn c02_plain_http_is_closed_unless_it_or_the_network_is_open() {
    let closed = Policy::default();
    let http = Policy { http: true, ..Policy::default() };
    let lan = policy(&["10.1.0.0/16"]);
    // Columns: everything closed, http open, one private network open.
    let rows = [
        ("http://example.com/", ["scheme", "ok", "ok"]),
        ("http://8.8.8.8/", ["scheme", "ok", "scheme"]),
        ("http://10.1.2.3/", ["host_forbidden", "host_forbidden", "ok"]),
        ("http://10.2.2.3/", ["host_forbidden", "host_forbidden", "host_forbidden"]),
        ("https://10.1.2.3/", ["host_forbidden", "host_forbidden", "ok"]),
        ("https://example.com/", ["ok", "ok", "ok"]),
        ("http://redis/", ["host_forbidden", "host_forbidden", "ok"]),
        ("https://localhost/", ["host_forbidden", "host_forbidden", "host_forbidden"]),
    ];
    for (url, expected) in rows {
        let found = [&closed, &http, &lan].map(|p| registration(p, url));
        assert_eq!(found, expected, "{url}");
    }
    let ip: IpAddr = "8.8.8.8".parse().expect("an address");
    assert!(!closed.allows(ip, false) && http.allows(ip, false) && !lan.allows(ip, false));
}

#[test]
fn an_open_loopback_opens_localhost() {
    for net in ["127.0.0.0/8", "::1/128", "0.0.0.0/0"] {
        let dev = policy(&[net]);
        assert_eq!(registration(&dev, "http://localhost:3000/"), "ok", "{net}");
        assert_eq!(registration(&dev, "http://a.localhost:3000/"), "ok", "{net}");
    }
    assert_eq!(registration(&policy(&["127.0.0.0/8"]), "http://[::ffff:127.0.0.1]/"), "ok");
    assert_eq!(registration(&policy(&["::/0"]), "https://[::ffff:127.0.0.1]/"), "host_forbidden");
}

#[test]
fn a41_postrider_itself_is_no_target() {
    let own = |addr: &str| Policy {
        own: vec![addr.parse().expect("an address")],
        ..policy(&["127.0.0.0/8", "::1/128", "0.0.0.0/32"])
    };
    let rows = [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", "host_forbidden"),
        ("127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080/", "host_forbidden"),
        ("127.0.0.1:8080", "http://localhost:8080/", "host_forbidden"),
        ("127.0.0.1:8080", "http://0.0.0.0:8080/", "host_forbidden"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080/", "host_forbidden"),
        ("[::]:8080", "http://127.0.0.1:8080/", "host_forbidden"),
        ("203.0.114.9:443", "https://203.0.114.9/", "host_forbidden"),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/", "ok"),
        ("127.0.0.1:8080", "http://localhost:8081/", "ok"),
        ("0.0.0.0:8080", "https://8.8.8.8:8080/", "ok"),
    ];
    for (addr, url, expected) in rows {
        assert_eq!(registration(&own(addr), url), expected, "{addr} {url}");
        let target = TargetUrl::parse(url).expect(url);
        let literal = !url.contains("localhost");
        let before_an_attempt = own(addr).check_literal(&target).is_ok();
        assert!(!literal || before_an_attempt == (expected == "ok"), "{addr} {url}");
    }
}

#[test]
fn before_an_attempt_literal_addresses_are_judged_and_names_pass() {
    let check = |policy: &Policy, url: &str| {
        let url = TargetUrl::parse(url).expect(url);
        policy.check_literal(&url).map_or_else(|e| e.code, |()| "ok")
    };
    let closed = Policy::default();
    assert_eq!(check(&closed, "https://127.0.0.1/"), "host_forbidden");
    assert_eq!(check(&closed, "https://[::ffff:10.0.0.1]/"), "host_forbidden");
    assert_eq!(check(&closed, "http://8.8.8.8/"), "host_forbidden");
    assert_eq!(check(&closed, "https://8.8.8.8/"), "ok");
    assert_eq!(check(&closed, "http://localhost/"), "ok");
    assert_eq!(check(&policy(&["10.0.0.0/8"]), "http://10.0.0.1/"), "ok");
}

#[test]
fn a_refusal_says_which_setting_would_open_it() {
    for (url, setting) in [
        ("https://10.0.0.1/", "POSTRIDER_EGRESS_ALLOW"),
        ("https://redis/", "POSTRIDER_EGRESS_ALLOW"),
        ("https://localhost/", "POSTRIDER_EGRESS_ALLOW"),
        ("http://example.com/", "POSTRIDER_EGRESS_HTTP"),
    ] {
        let url = TargetUrl::parse(url).expect(url);
        let refusal = Policy::default().check_registration(&url).expect_err("closed");
        assert!(refusal.message.contains(setting), "{url:?} {refusal}");
    }
}

proptest! {
    #[test]
    fn an_address_and_its_mapped_form_are_judged_alike(bits: u32, https: bool, http: bool, net: u32, len in 0u8..=32) {
        let allow = IpNet::new(Ipv4Addr::from(net).into(), len).expect("a network");
        let plain = Ipv4Addr::from(bits);
        for allow in [vec![], vec![allow]] {
            let policy = Policy { allow, http, own: vec![] };
            let mapped = policy.allows(plain.to_ipv6_mapped().into(), https);
            prop_assert_eq!(policy.allows(plain.into(), https), mapped);
        }
    }

    #[test]
    fn outside_the_public_ipv6_networks_nothing_is_dialled(bits: u128) {
        let ip = Ipv6Addr::from(bits);
        prop_assume!(ip.to_ipv4_mapped().is_none());
        let dialled = Policy { http: true, ..Policy::default() }.allows(ip.into(), true);
        prop_assert!(!dialled || bits >> 125 == 1);
    }
}
