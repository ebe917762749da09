//! The egress guard's second place: what is dialled. Literal addresses and what names resolve to
//! are judged here, for the port and the scheme they are wanted for, and what was judged is handed
//! to the dialer as it is: nobody asks a second time. So a name that answers otherwise a moment
//! later gains nothing.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use model::egress::Policy;
use store::world::Stopwatch;

use crate::names::{Names, NotFound};
use crate::phases;
use crate::wire::is_out_of_files;

/// Why nothing was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Says nothing about which address: that is for who runs this, not for who registered it.
    #[error("the name resolves to an address that is not allowed")]
    Forbidden,
    /// Whether it is allowed could not be found out.
    #[error("no file is left to look at the address")]
    NoFile,
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// A name, or an address as URLs spell it.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) https: bool,
}

pub(crate) struct Guard {
    names: Names,
    policy: Arc<Policy>,
}

impl Guard {
    pub(crate) fn new(names: Names, policy: Arc<Policy>) -> Self {
        Self { names, policy }
    }

    /// The addresses to dial. A name with any forbidden address is refused whole: which of a mixed
    /// answer is dialled must not be the sender's luck.
    pub(crate) async fn vetted(&self, wanted: Wanted<'_>) -> Result<Vec<SocketAddr>, Refused> {
        let bare = wanted.host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => {
                let watch = Stopwatch::start();
                let found = self.names.addresses(wanted.host).await;
                phases::resolved(watch.elapsed());
                found?
            }
        };
        for ip in &found {
            if !self.allows(*ip, wanted)? {
                return Err(Refused::Forbidden);
            }
        }
        Ok(found.into_iter().map(|ip| SocketAddr::new(ip, wanted.port)).collect())
    }

    fn allows(&self, ip: IpAddr, wanted: Wanted<'_>) -> Result<bool, Refused> {
        if !self.policy.allows(ip, wanted.https) || self.policy.is_own(ip, wanted.port) {
            return Ok(false);
        }
        Ok(!self.policy.listens_everywhere(wanted.port) || !is_this_machine(ip)?)
    }
}

/// Whether an address is one of this machine's, whatever interface has it: then what is sent there
/// would come from there, too. The kernel is asked for a route; nothing is sent.
fn is_this_machine(ip: IpAddr) -> Result<bool, Refused> {
    let any: SocketAddr = match ip {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0; 16], 0).into(),
    };
    let source = UdpSocket::bind(any)
        .and_then(|socket| socket.connect((ip, 9)).and_then(|()| socket.local_addr()));
    match source {
        Ok(source) => Ok(source.ip() == ip),
        Err(e) if is_out_of_files(&e) => Err(Refused::NoFile),
        // There is no way to it.
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_known_by_the_way_to_it() {
        for (address, is_ours) in [("127.0.0.1", true), ("127.3.2.1", false), ("192.0.2.1", false)]
        {
            let ip = address.parse().expect("an address");
            // All of 127/8 is this machine, and is allowed or not as a network.
            assert_eq!(is_this_machine(ip), Ok(is_ours), "{address}");
        }
    }
}
