//! The API does what its document says, for every role and every tenant. What is asked follows from
//! the document as it is served, so an operation that is added is covered by being in it.

mod document;

mod roles;
mod schemathesis;
mod strangers;
