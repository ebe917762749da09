//! Which addresses may be dialled. [`Policy::allows`] is the guard: it judges every address that a
//! name resolves to and every literal one, before each attempt. What is said at registration is
//! advice, so that a mistake is seen at once; a name may resolve to anything later.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

use crate::Invalid;
use crate::target::TargetUrl;

/// What the operator opened. The default is closed: `https` to public addresses only.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Networks that may be dialled although they are private or reserved.
    pub allow: Vec<IpNet>,
    /// Plain `http` to every permitted address; otherwise only to those inside `allow`.
    pub http: bool,
    /// Where this process itself listens, and its database and queue: never a target, even inside
    /// `allow`.
    pub own: Vec<SocketAddr>,
}

impl Policy {
    /// What can be said about a URL before anything is resolved.
    ///
    /// # Errors
    /// `host_forbidden` for an address or name that will not be dialled, `scheme` for plain `http`
    /// that is not open. The message names the setting that would open it.
    pub fn check_registration(&self, url: &TargetUrl) -> Result<(), Invalid> {
        let http_open = match target(url) {
            Target::Address(ip) => {
                self.check_address(ip, url.port())?;
                self.opens(ip)
            }
            Target::Name(name) => {
                self.check_name(name, url.port())?;
                // A name may resolve into an open network: its addresses are judged one by one.
                !self.allow.is_empty()
            }
        };
        if url.is_https() || self.http || http_open {
            Ok(())
        } else {
            Err(Invalid::new("scheme", HTTP_CLOSED))
        }
    }

    /// What must hold before each attempt for a URL whose host is an address: no resolver is asked
    /// for it, so nothing else would judge it. Names pass; their addresses are judged as resolved.
    ///
    /// # Errors
    /// `host_forbidden` for an address that may not be dialled in this way.
    pub fn check_literal(&self, url: &TargetUrl) -> Result<(), Invalid> {
        let Target::Address(ip) = target(url) else {
            return Ok(());
        };
        self.check_address(ip, url.port())?;
        if self.allows(ip, url.is_https()) { Ok(()) } else { Err(forbidden(HTTP_CLOSED)) }
    }

    /// May this address be dialled? An IPv4 address in IPv6 clothes (`::ffff:0:0/96`) is judged as
    /// the IPv4 address it reaches.
    pub fn allows(&self, ip: IpAddr, https: bool) -> bool {
        let opened = self.opens(ip);
        (opened || is_public(ip)) && (opened || https || self.http)
    }

    /// Is this where this process itself listens, or its database or queue? A webhook there would send
    /// us our own requests, or them what they take for commands.
    pub fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let ip = ip.to_canonical();
        self.own.iter().any(|own| {
            let own_ip = own.ip().to_canonical();
            // An unspecified address listens on all of ours, and dialling one reaches loopback.
            let same = ip == own_ip
                || own_ip.is_unspecified() && (ip.is_loopback() || ip.is_unspecified())
                || ip.is_unspecified() && own_ip.is_loopback();
            same && own.port() == port
        })
    }

    /// Does this process listen on that port of every address that its machine has? Which those are
    /// is not a matter of policy.
    pub fn listens_everywhere(&self, port: u16) -> bool {
        self.own.iter().any(|own| own.ip().is_unspecified() && own.port() == port)
    }

    fn opens(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allow.iter().any(|net| net.contains(&ip))
    }

    fn check_address(&self, ip: IpAddr, port: u16) -> Result<(), Invalid> {
        if self.is_own(ip, port) {
            return Err(forbidden(OWN));
        }
        if self.opens(ip) || is_public(ip) {
            return Ok(());
        }
        Err(forbidden(
            "the URL's address is private or reserved; an operator can open its network with \
             POSTRIDER_EGRESS_ALLOW",
        ))
    }

    fn check_name(&self, name: &str, port: u16) -> Result<(), Invalid> {
        if is_localhost(name) {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            if loopback.iter().any(|ip| self.is_own(*ip, port)) {
                return Err(forbidden(OWN));
            }
            if !loopback.iter().any(|ip| self.opens(*ip)) {
                return Err(forbidden(
                    "the URL names this machine; an operator can open it with \
                     POSTRIDER_EGRESS_ALLOW=127.0.0.1/32,::1/128 (or start with --dev)",
                ));
            }
        } else if is_internal(name) && self.allow.is_empty() {
            return Err(forbidden(
                "the URL's host is a name of internal networks; an operator can open the network \
                 it resolves to with POSTRIDER_EGRESS_ALLOW",
            ));
        }
        Ok(())
    }
}

const OWN: &str = "the URL points at Postrider itself; register the receiver's address instead";
const HTTP_CLOSED: &str = "plain http is closed for this target; use https, or an operator can \
                           open http with POSTRIDER_EGRESS_HTTP (or, for the networks of its own \
                           receivers, with POSTRIDER_EGRESS_ALLOW)";

fn forbidden(message: &'static str) -> Invalid {
    Invalid::new("host_forbidden", message)
}

enum Target<'a> {
    Address(IpAddr),
    Name(&'a str),
}

fn target(url: &TargetUrl) -> Target<'_> {
    match url.host() {
        Host::Ipv4(ip) => Target::Address(ip.into()),
        Host::Ipv6(ip) => Target::Address(ip.into()),
        Host::Domain(name) => Target::Name(name),
    }
}

/// RFC 6761 section 6.3.
fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Names that only an internal resolver answers: single labels (which a search domain completes)
/// and suffixes that are not delegated in the public tree, metadata services among them.
fn is_internal(name: &str) -> bool {
    const SUFFIXES: [&str; 10] = [
        ".local",
        ".localdomain",
        ".internal",
        ".svc",
        ".lan",
        ".home",
        ".corp",
        ".intranet",
        ".private",
        ".home.arpa",
    ];
    !name.contains('.') || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// IPv4 by what is refused, IPv6 by what is allowed: only `2000::/3` is given out to the public,
/// so that forms nobody thought of (NAT64, IPv4-compatible, site-local) are refused unseen.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => !CLOSED_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => PUBLIC_V6.contains(&ip) && !CLOSED_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// Special-purpose IPv4 networks (IANA registry, RFC 6890), and one public address.
const CLOSED_V4: [Ipv4Net; 19] = [
    v4([0, 0, 0, 0], 8),        // "this network"; Linux connects 0.0.0.0 to loopback
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // carrier-grade NAT; Alibaba's metadata
    v4([127, 0, 0, 0], 8),      // loopback
    v4([169, 254, 0, 0], 16),   // link-local; metadata services
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 31, 196, 0], 24),  // AS112
    v4([192, 52, 193, 0], 24),  // AMT
    v4([192, 88, 99, 0], 24),   // 6to4 relays
    v4([192, 168, 0, 0], 16),   // private
    v4([192, 175, 48, 0], 24),  // AS112
    v4([198, 18, 0, 0], 15),    // benchmarking
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved; broadcast
    v4([168, 63, 129, 16], 32), // Azure's host agent: public by number, internal by use
];

const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0], 3);
const CLOSED_V6: [Ipv6Net; 5] = [
    v6([0x2001, 0, 0], 23), // protocol assignments: Teredo, ORCHID, benchmarking
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16), // 6to4: carries an IPv4 address
    v6([0x2620, 0x4f, 0x8000], 48), // AS112
    v6([0x3fff, 0, 0], 20), // documentation
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b, c]: [u16; 3], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

#[cfg(test)]
mod tests;
