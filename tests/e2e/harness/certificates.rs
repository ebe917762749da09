//! An authority of a test's own, and what it certifies for servers on this machine, well or badly.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::servers::run;

pub struct Certificates(TempDir);

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Certified {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flaw {
    None,
    Expired,
    NotYetValid,
    SelfSigned,
    Sha1,
}

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

    /// A certificate for these names, such as `DNS:a.test,IP:127.0.0.1`.
    pub fn certified(&self, names: &str, flaw: Flaw) -> Certified {
        let name = names.replace([':', ',', '.'], "-") + &format!("-{flaw:?}");
        let file = |end: &str| format!("{name}.{end}");
        let (key, request, out) = (file("key"), file("csr"), file("pem"));
        std::fs::write(self.path(&file("ext")), format!("subjectAltName={names}\n"))
            .expect("it is written");
        std::fs::write(self.path("ca.cnf"), CA_SETTINGS).expect("it is written");
        std::fs::write(self.path("index.txt"), "").expect("it is written");
        std::fs::write(self.path("serial"), "01\n").expect("it is written");
        let (from, until) = match flaw {
            Flaw::Expired => ("20200101000000Z", "20210101000000Z"),
            Flaw::NotYetValid => ("20900101000000Z", "20910101000000Z"),
            Flaw::None | Flaw::SelfSigned | Flaw::Sha1 => ("20200101000000Z", "20900101000000Z"),
        };
        let signed_by = if flaw == Flaw::SelfSigned {
            format!("-selfsign -keyfile {key}")
        } else {
            "-cert ca.pem -keyfile ca.key".to_owned()
        };
        let digest = if flaw == Flaw::Sha1 { "sha1" } else { "sha256" };
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for said in [
            format!("req {new_key} -subj /CN=server -keyout {key} -out {request}"),
            format!(
                "ca -batch -notext -config ca.cnf {signed_by} -md {digest} -startdate {from} \
                 -enddate {until} -in {request} -out {out} -extfile {}",
                file("ext")
            ),
        ] {
            let mut openssl = Command::new("openssl");
            run(openssl.args(said.split_whitespace()).current_dir(self.0.path()));
        }
        Certified { certificate: self.path(&out), key: self.path(&key) }
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

/// What `openssl ca` cannot do without.
const CA_SETTINGS: &str = "[ca]
default_ca = a
[a]
database = index.txt
serial = serial
new_certs_dir = .
unique_subject = no
policy = any
[any]
commonName = supplied
";
