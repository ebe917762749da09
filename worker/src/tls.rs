//! What is wrong with a subscriber's TLS, in words for who runs it. The library's own follow in
//! brackets, for who wants to look it up.

use std::io;

use rustls::pki_types::{IpAddr, ServerName};
use rustls::{AlertDescription, CertificateError, Error};

#[derive(Debug, thiserror::Error)]
#[error("{words} ({cause})")]
pub(crate) struct Tls {
    words: &'static str,
    cause: io::Error,
}

impl Tls {
    pub(crate) fn new(cause: io::Error) -> Self {
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref());
        let words = inner.map_or("the connection broke during the TLS handshake", words);
        Self { words, cause }
    }
}

/// The name that a certificate has to be for: the URL's host, also where that is an address.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Tls> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<std::net::IpAddr>() {
        return Ok(ServerName::IpAddress(IpAddr::from(ip)));
    }
    ServerName::try_from(bare.to_owned()).map_err(|e| Tls {
        words: "no certificate can be for a host of that name",
        cause: io::Error::other(e),
    })
}

fn words(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(certificate) => certificate_words(certificate),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => {
            "the subscriber speaks no TLS version and cipher that are safe; it needs TLS 1.2 or 1.3"
        }
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => {
            "the subscriber does not speak TLS on that port"
        }
        Error::AlertReceived(_) => "the subscriber broke off the TLS handshake",
        Error::NoCertificatesPresented => "the subscriber shows no certificate",
        _ => "the TLS handshake failed",
    }
}

fn certificate_words(error: &CertificateError) -> &'static str {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "the subscriber's certificate has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the subscriber's certificate is not valid yet"
        }
        E::Revoked => "the subscriber's certificate was revoked",
        E::UnknownIssuer => {
            "nobody who is trusted here signed the subscriber's certificate: it is self-signed, or \
             the certificates between it and its authority are not sent along"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the subscriber's certificate is for another host"
        }
        E::BadSignature => "the signature of the subscriber's certificate is wrong",
        E::BadEncoding => "the subscriber's certificate cannot be read",
        E::Other(_) => "the subscriber's certificate is not one for servers",
        error if format!("{error:?}").starts_with("UnsupportedSignatureAlgorithm") => {
            "the subscriber's certificate is signed in a way that is no longer safe, such as SHA-1"
        }
        _ => "the subscriber's certificate is not accepted",
    }
}
