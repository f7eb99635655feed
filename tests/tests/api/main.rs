//! The HTTP API with real records in the log: what each path answers, and that the log's own files prove it.
//!
//! Not here: publishing (`publishing`), and what is refused (`bad_input`).

mod catalogue;
mod dashboards;
mod http;
mod openapi;
mod operations;
mod pages;
mod registry;
mod static_log;
mod views;
mod world;
