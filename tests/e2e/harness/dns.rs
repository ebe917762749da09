//! A name server of a test's own, over UDP and TCP, that answers each name as it was told: in turn,
//! with anything, or not at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::ports::free_port;

/// The largest answer over UDP, in bytes; what is longer is cut and asked for over TCP.
const UDP_MAX: usize = 1_200;
/// Aliases that are followed for who asks, as servers do; a loop ends here.
const ALIASES_MAX: usize = 10;

/// What a name is answered with.
#[derive(Debug, Clone)]
pub enum Said {
    Addresses(Vec<IpAddr>),
    Alias(&'static str),
    Code(ResponseCode),
    /// Something that is no answer.
    Garbage,
    Nothing,
}

impl Said {
    pub fn addresses(texts: &[&str]) -> Self {
        Self::Addresses(texts.iter().map(|text| text.parse().expect("an address")).collect())
    }
}

/// Listens for as long as its test runs.
pub struct NameServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What a name is answered with the first time, the second, and from the last on. With the time
    /// to live.
    scripts: HashMap<String, (u32, Vec<Said>)>,
    /// How often it was asked for a name's addresses of each family.
    asked: HashMap<(String, RecordType), usize>,
}

impl NameServer {
    pub async fn start() -> Self {
        let port = free_port();
        let udp = UdpSocket::bind(("127.0.0.1", port)).await.expect("a free port");
        let tcp = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let state = Arc::<Mutex<State>>::default();
        tokio::spawn(answer_datagrams(udp, Arc::clone(&state)));
        tokio::spawn(answer_connections(tcp, Arc::clone(&state)));
        Self { port, state }
    }

    /// For `POSTRIDER_EGRESS_DNS_SERVERS`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Each question for `name` is answered with the next of these, then always with the last.
    pub fn script(&self, name: &str, ttl: u32, said: impl IntoIterator<Item = Said>) {
        let script = (ttl, said.into_iter().collect());
        self.lock().scripts.insert(format!("{name}."), script);
    }

    /// How often it was asked for the IPv4 addresses of a name.
    pub fn asked(&self, name: &str) -> usize {
        let question = (format!("{name}."), RecordType::A);
        self.lock().asked.get(&question).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

async fn answer_datagrams(socket: UdpSocket, state: Arc<Mutex<State>>) {
    let mut datagram = [0; 4_096];
    while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
        if let Some(answer) = answer(&datagram[..length], &state, Some(UDP_MAX)) {
            // Err: who asked is gone.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn answer_connections(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_connection(stream, Arc::clone(&state)));
    }
}

async fn answer_connection(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    loop {
        let length = stream.read_u16().await.ok()?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await.ok()?;
        if let Some(answer) = answer(&question, &state, None) {
            stream.write_u16(answer.len().try_into().expect("below 64 KiB")).await.ok()?;
            stream.write_all(&answer).await.ok()?;
        }
    }
}

fn answer(question: &[u8], state: &Mutex<State>, at_most: Option<usize>) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).expect("a question");
    let query = question.queries.first().expect("a question").clone();
    let (name, kind) = (query.name().to_string(), query.query_type());
    let (ttl, said) = state.lock().expect("nobody panics with it").next(&name, kind);
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let (mut name, mut said) = (query.name().clone(), said);
    for _ in 0..ALIASES_MAX {
        match said {
            Said::Nothing => return None,
            Said::Garbage => return Some(b"220 mail.example ESMTP\r\n".to_vec()),
            Said::Code(code) => answer.metadata.response_code = code,
            Said::Addresses(addresses) => {
                let of_kind =
                    addresses.into_iter().filter(|ip| ip.is_ipv4() == (kind == RecordType::A));
                answer
                    .add_answers(of_kind.map(|ip| Record::from_rdata(name.clone(), ttl, data(ip))));
            }
            Said::Alias(of) => {
                let of = Name::from_ascii(format!("{of}.")).expect("a name");
                let alias = RData::CNAME(CNAME(of.clone()));
                answer.add_answer(Record::from_rdata(name, ttl, alias));
                said = state.lock().expect("nobody panics with it").next(&of.to_string(), kind).1;
                name = of;
                continue;
            }
        }
        break;
    }
    let bytes = answer.to_vec().expect("a message");
    if at_most.is_none_or(|most| bytes.len() <= most) {
        return Some(bytes);
    }
    Some(answer.truncate().to_vec().expect("a message"))
}

fn data(ip: IpAddr) -> RData {
    match ip {
        IpAddr::V4(ip) => RData::A(ip.into()),
        IpAddr::V6(ip) => RData::AAAA(ip.into()),
    }
}

impl State {
    fn next(&mut self, name: &str, kind: RecordType) -> (u32, Said) {
        let asked = self.asked.entry((name.to_owned(), kind)).or_default();
        let n = *asked;
        *asked += 1;
        let Some((ttl, said)) = self.scripts.get(name) else {
            return (0, Said::Code(ResponseCode::NXDomain));
        };
        (*ttl, said.get(n).or(said.last()).cloned().expect("something is said"))
    }
}
