//! Ports to listen on that are known beforehand: a server must come back on its port after a
//! crash, and nobody may listen on the port of a refused connection.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which systems give out ports for connections, so that none of the many
/// connections of a test run can take a port between looking and listening.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// Ports a process tries in a row: processes of one run begin in different places.
const STRIDE: u32 = 13;

/// Locks of the ports that this process was given, for as long as it lives: whoever is to listen on one
/// may not do so yet.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 on which nobody listens, and which no other test is given.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(STRIDE);
    loop {
        let n = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + n % COUNT).expect("below 30,000");
        // Closed to webhooks by the target grammar.
        if port != 11_211
            && port != 27_017
            && is_ours(port)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return port;
        }
    }
}

fn is_ours(port: u16) -> bool {
    let folder = std::env::temp_dir().join("postrider-test-ports");
    std::fs::create_dir_all(&folder).expect("a folder for temporary files");
    let file = File::create(folder.join(port.to_string())).expect("a file there");
    let is_ours = file.try_lock().is_ok();
    if is_ours {
        HELD.lock().expect("no test panics with it").push(file);
    }
    is_ours
}
