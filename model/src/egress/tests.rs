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

/// What must never be dialled, written down again from the registries and not taken from the code
/// under test: network and bits.
const FORBIDDEN: [(&str, u32); 18] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("127.0.0.0", 8),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.31.196.0", 24),
    ("192.52.193.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("192.175.48.0", 24),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 3),
    ("168.63.129.16", 32),
];

fn is_forbidden(ip: Ipv4Addr) -> bool {
    FORBIDDEN.iter().any(|(net, bits)| {
        let net: Ipv4Addr = net.parse().expect("an address");
        (ip.to_bits() ^ net.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
    })
}

fn a_forbidden_address() -> impl Strategy<Value = Ipv4Addr> {
    (prop::sample::select(&FORBIDDEN[..]), any::<u32>()).prop_map(|((net, bits), random)| {
        let net: Ipv4Addr = net.parse().expect("an address");
        let free = u32::MAX.checked_shr(bits).unwrap_or(0);
        Ipv4Addr::from(net.to_bits() | random & free)
    })
}

/// A number as inet_aton reads it: decimal, octal or hexadecimal, with zeros before it.
fn number(value: u32, base: u8, zeros: usize, upper: bool) -> String {
    let zeros = "0".repeat(zeros);
    match base {
        0 => value.to_string(),
        1 => format!("0{zeros}{value:o}"),
        _ if upper => format!("0X{zeros}{value:X}"),
        _ => format!("0x{zeros}{value:x}"),
    }
}

/// The address in one of the ways that some reader takes it for what it is.
fn spelled(
    ip: Ipv4Addr,
    parts: usize,
    bases: [u8; 4],
    zeros: usize,
    upper: bool,
    width: u8,
) -> String {
    let octets = ip.octets();
    let bits = ip.to_bits();
    let last = bits & u32::MAX.checked_shr(8 * (parts as u32 - 1)).unwrap_or(0);
    let mut numbers: Vec<u32> = octets[..parts - 1].iter().map(|o| u32::from(*o)).collect();
    numbers.push(last);
    let texts = numbers.iter().zip(bases).map(|(n, base)| number(*n, base, zeros, upper));
    let text = texts.collect::<Vec<_>>().join(".");
    match width {
        0 => text,
        1 => text + ".",
        2 => text.replace('.', "\u{3002}"),
        3 => text.replace('.', "\u{ff0e}"),
        4 => text.replace('.', "\u{ff61}"),
        _ => text
            .chars()
            .map(|c| {
                if c.is_ascii_digit() {
                    char::from_u32(c as u32 + 0xfee0).expect("a digit")
                } else {
                    c
                }
            })
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_spelling_of_a_forbidden_address_is_registered(
        ip in a_forbidden_address(),
        parts in 1usize..=4,
        bases in prop::array::uniform4(0u8..3),
        zeros in 0usize..3,
        upper: bool,
        width in 0u8..6,
    ) {
        prop_assert!(is_forbidden(ip));
        let host = spelled(ip, parts, bases, zeros, upper, width);
        for policy in [Policy::default(), Policy { http: true, ..Policy::default() }] {
            prop_assert_eq!(registration(&policy, &format!("https://{host}/")), "host_forbidden", "{}", host);
            prop_assert_eq!(registration(&policy, &format!("https://{host}:8443/a?b")), "host_forbidden", "{}", host);
        }
    }

    #[test]
    fn no_ipv6_form_that_carries_an_ipv4_address_is_registered(ip in a_forbidden_address(), low: u32, upper: bool, full: bool) {
        let [a, b] = [ip.to_bits() >> 16, ip.to_bits() & 0xffff];
        let forms = [
            format!("::ffff:{ip}"),
            format!("::ffff:{a:x}:{b:x}"),
            format!("0:0:0:0:0:ffff:{a:04x}:{b:04x}"),
            format!("::{ip}"),
            format!("::ffff:0:{ip}"),
            format!("64:ff9b::{ip}"),
            format!("64:ff9b:1::{a:x}:{b:x}"),
            format!("2002:{a:x}:{b:x}::{:x}", low & 0xffff),
            format!("2001:0:{a:x}:{b:x}:0:0:{:x}:{:x}", low >> 16, low & 0xffff),
            format!("fe80::5efe:{ip}"),
        ];
        for form in forms {
            let form = if full && !form.contains('.') {
                let ip: Ipv6Addr = form.parse().expect("an address");
                ip.segments().map(|s| format!("{s:04x}")).join(":")
            } else {
                form
            };
            let form = if upper { form.to_uppercase() } else { form };
            let url = format!("https://[{form}]/");
            prop_assert_eq!(registration(&Policy::default(), &url), "host_forbidden", "{}", url);
        }
    }

    #[test]
    fn any_other_address_is_registered_in_every_spelling_and_kept_in_one(
        bits: u32,
        parts in 1usize..=4,
        bases in prop::array::uniform4(0u8..3),
        zeros in 0usize..3,
        upper: bool,
        width in 0u8..6,
    ) {
        let ip = Ipv4Addr::from(bits);
        let url = format!("https://{}/", spelled(ip, parts, bases, zeros, upper, width));
        let kept = TargetUrl::parse(&url).expect("an address");
        prop_assert_eq!(kept.as_str(), format!("https://{ip}/"), "{}", url);
        let expected = if is_forbidden(ip) { "host_forbidden" } else { "ok" };
        prop_assert_eq!(registration(&Policy::default(), &url), expected, "{}", url);
        prop_assert_eq!(Policy::default().allows(ip.into(), true), expected == "ok");
    }

    #[test]
    fn whatever_is_registered_is_no_address_that_std_calls_special(
        host in prop_oneof![
            "[0-9a-fxX]{1,10}(\\.[0-9a-fxX]{1,8}){0,4}\\.?",
            "\\[[0-9a-fA-F:.]{2,39}\\]",
            "\\[::[fF]{0,4}:?[0-9.]{1,15}\\]",
        ],
    ) {
        let Ok(url) = TargetUrl::parse(&format!("https://{host}/")) else { return Ok(()) };
        if Policy::default().check_registration(&url).is_err() {
            return Ok(());
        }
        match url.host() {
            Host::Ipv4(ip) => prop_assert!(
                !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()
                    || ip.is_broadcast() || ip.is_documentation() || ip.is_multicast() || is_forbidden(ip)),
                "{} {}", host, ip
            ),
            Host::Ipv6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => prop_assert!(!is_forbidden(ip), "{} {}", host, ip),
                None => prop_assert!(ip.segments()[0] >> 13 == 1, "{} {}", host, ip),
            },
            Host::Domain(name) => prop_assert!(name.parse::<IpAddr>().is_err(), "{}", name),
        }
    }
}
