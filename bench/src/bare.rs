//! Bare handlers: what HTTP takes by itself, in a process of its own, with no log behind it.
//!
//! To a GET it answers at once. Of a POST it reads the records strictly and verifies their signatures, as every log has
//! to before it believes a word, and stores nothing.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use candor_core::record::{PublicKey, parse_strict};
use clap::Args;
use ed25519_dalek::VerifyingKey;
use hyper::body::Bytes;

use crate::ceiling::check;
use crate::workload::{Workload, cores};

/// What it answers.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// How many bytes each answer has
    bytes: usize,
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores())
        .enable_all()
        .build()?;
    runtime.block_on(serve(options.bytes))
}

async fn serve(bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b'x'; bytes]);
    let answer = move || {
        let octets = HeaderValue::from_static("application/octet-stream");
        ([(header::CONTENT_TYPE, octets)], body.clone()).into_response()
    };
    let keys = Arc::new(keys());
    let read = answer.clone();
    let publish = move |records: Bytes| async move {
        let records = parse_strict(&records).expect("canonical JSON");
        for envelope in records.as_array().expect("a list") {
            let keyid = envelope["signatures"][0]["keyid"].as_str();
            check(envelope, &keys[keyid.expect("a key ID")]);
        }
        answer()
    };
    let router = Router::new()
        .fallback(get(move || async move { read() }).post(publish))
        .layer(DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// The publishers' keys by their IDs.
fn keys() -> HashMap<String, VerifyingKey> {
    let workload = Workload::new("bare");
    let keys = workload.publishers().iter().map(|publisher| {
        let key = publisher.key.verifying_key();
        let keyid = PublicKey::new(key).expect("a good key").keyid();
        (keyid.to_string(), key)
    });
    keys.collect()
}
