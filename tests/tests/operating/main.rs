//! What operators set up around a log: TLS, doors, limits, log lines, and keys that are elsewhere.

mod doors;
mod rates;
mod requests;
mod signing;
mod tls;
mod traces;
