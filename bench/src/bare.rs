//! Bare handlers: what HTTP takes by itself, in a process of its own, with no log behind it.
//!
//! To a GET it answers at once. Of a POST it reads the records strictly and verifies their signatures, as every log has
//! to before it believes a word, and stores nothing. With `--like`, it answers as a server did: the same headers, and bytes.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use candor_core::record::{PublicKey, parse_strict};
use clap::Args;
use ed25519_dalek::VerifyingKey;
use hyper::body::Bytes;

use crate::ceiling::check;
use crate::http::HEADERS_MAX;
use crate::workload::{Workload, cores};

/// What it answers.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many bytes each answer has
    bytes: usize,
    /// A file with a whole answer, head and body, to give in its place
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores())
        .enable_all()
        .build()?;
    let (headers, body) = if let Some(file) = &options.like {
        answer_in(&fs::read(file)?)?
    } else {
        let octets = HeaderValue::from_static("application/octet-stream");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, octets)]);
        (headers, Bytes::from(vec![b'x'; options.bytes]))
    };
    runtime.block_on(serve(headers, body))
}

/// The headers and the body of a whole answer, without what the server says by itself of each.
fn answer_in(whole: &[u8]) -> anyhow::Result<(HeaderMap, Bytes)> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut lines);
    let httparse::Status::Complete(before_body) = head.parse(whole)? else {
        anyhow::bail!("it has no end of its head");
    };
    let mut headers = HeaderMap::new();
    for line in head.headers.iter() {
        let name: HeaderName = line.name.parse().context("a header's name")?;
        let of_each = [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::DATE,
        ];
        if !of_each.contains(&name) {
            headers.insert(name, HeaderValue::from_bytes(line.value)?);
        }
    }
    Ok((headers, Bytes::copy_from_slice(&whole[before_body..])))
}

async fn serve(headers: HeaderMap, body: Bytes) -> anyhow::Result<()> {
    let answer = move || (headers.clone(), body.clone()).into_response();
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
