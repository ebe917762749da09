//! An authority of a test's own, and what it certifies for servers on this machine.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::servers::run;

pub struct Certificates(TempDir);

impl Certificates {
    pub fn new() -> Self {
        let certificates = Self(tempfile::tempdir().expect("a temporary folder"));
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
        std::fs::write(certificates.path("names"), names).expect("it is written");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for said in [
            format!("req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"),
            format!("req {key} -subj /CN=server -keyout server.key -out server.csr"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem"
                .to_owned(),
        ] {
            let mut openssl = Command::new("openssl");
            run(openssl.args(said.split_whitespace()).current_dir(certificates.0.path()));
        }
        certificates
    }

    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
