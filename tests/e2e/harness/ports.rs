//! Ports to listen on that are known beforehand: a server must come back on its port after a
//! crash, and nobody may listen on the port of a refused connection.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which systems give out ports for connections, so that none of the many
/// connections of a test run can take a port between looking and listening.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// Ports a process tries in a row: processes of one run begin in different places.
const STRIDE: u32 = 13;

/// A port of 127.0.0.1 on which nobody listens.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(STRIDE);
    loop {
        let n = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + n % COUNT).expect("below 30,000");
        // Closed to webhooks by the target grammar.
        if port != 11_211
            && port != 27_017
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return port;
        }
    }
}
