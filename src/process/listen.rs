//! The port of the API.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use socket2::SockRef;

use crate::failure::Failure;

/// Connections that may wait to be accepted: beyond it the system tries them again after a second.
const WAITING_MAX: i32 = 1_024;

/// Before anything else is touched, so that a second server on the port changes nothing.
pub fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(address).map_err(|e| refused(address, &e))?;
    // Again, since the standard library lets few of them wait.
    SockRef::from(&listener).listen(WAITING_MAX).map_err(|e| refused(address, &e))?;
    // With port 0 the system has chosen one.
    let address = listener.local_addr().map_err(|e| refused(address, &e))?;
    Ok((listener, address))
}

/// Says why, and what to change.
pub fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::AddrInUse => Failure::failed(format!(
            "another process listens on {address}: stop it, or choose another port with --listen."
        )),
        ErrorKind::PermissionDenied => Failure::failed(format!(
            "listening on {address} is not permitted: ports below 1024 belong to root; choose \
             another with --listen."
        )),
        _ => Failure::failed(format!(
            "listening on {address} is not possible: {error}; choose another with --listen."
        )),
    }
}
