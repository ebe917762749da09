//! The real binary, real subscribers, real time (or a stepped clock): what the design promises,
//! seen from outside. Read `harness` first, then the features in the order an event meets them.

mod harness;

mod quickstart;

mod contract;
mod dashboard;
mod garbage;
mod keys;
mod listen;
mod lists;
mod publish;
mod refusals;
mod register;
mod session;
mod sockets;
mod spelling;
mod stream;
mod looking;
mod stream_deliveries;
mod statistics;
mod tenants;
mod webhooks;

mod attempts;
mod bounds;
mod certificates;
mod egress;
mod hostile;
mod names;
mod payload;
mod secrets;
mod secrets_everywhere;
mod verifiers;

mod age;
mod by_hand;
mod bulk;
mod isolation;
mod pause;
mod size;

mod crash;
mod faults;
mod power;
mod processes;
mod tls;
mod log;
mod operate;
mod telemetry;
mod monitoring;
mod settings;

mod browser;

mod cli_docs;
mod cli_doctor;
mod cli_hostile;
mod cli_receive;
mod cli_verbs;
mod cli_verify;
