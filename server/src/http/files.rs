//! `GET /api/v1/files/{digest}`: which releases hold a file.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{Fields, PathOf, QueryOf, cut_page, json_items, next_page, page_items, parse};
use super::digest::Digest;
use super::problem::Problem;
use super::releases::number;
use crate::catalogue::questions::{FileHolder, FilePlace};

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FileParameters {
    /// From where the page before ended.
    after: Option<String>,
    /// How many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// Only these fields of each item, with commas between.
    #[param(example = "release,path")]
    fields: Option<String>,
}

/// A release that lists the file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FileItem {
    release: String,
    /// Where the file is in the release's folder.
    path: String,
    /// Its size in bytes, where that was published.
    size: Option<u64>,
    /// How the digest was made.
    #[schema(example = "sha256")]
    algorithm: String,
    /// The `weights` record whose manifest lists it.
    index: u64,
    /// The withdrawal that the release falls with.
    withdrawn_by: Option<u64>,
}

/// A page of releases that list a file.
#[derive(Serialize, ToSchema)]
struct FilesAnswer {
    /// In the order in which they said so.
    releases: Vec<FileItem>,
    /// Where the next page is; none on the last.
    next: Option<String>,
}

impl From<FileHolder> for FileItem {
    fn from(it: FileHolder) -> Self {
        Self {
            release: it.release,
            path: it.path,
            size: it.size.map(number),
            algorithm: it.algorithm,
            index: number(it.place.record),
            withdrawn_by: it.fallen_by.map(number),
        }
    }
}

/// Finds the releases that list a file with this digest. None is an empty list.
#[utoipa::path(
    get, path = "/api/v1/files/{digest}", operation_id = "find_file", tag = "search",
    params(("digest" = String, Path, description = "A digest of the file in hexadecimal: SHA-256, or what else a manifest lists"), FileParameters),
    responses((status = 200, description = "A page of releases, in the order in which they said so", body = FilesAnswer))
)]
pub(super) async fn find(
    State(log): Shared,
    PathOf(digest): PathOf<String>,
    QueryOf(parameters): QueryOf<FileParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = Fields::of::<FileItem>(parameters.fields.as_deref())?;
    let limit = page_items(parameters.limit)?;
    let bytes = parse::<Digest>("digest", &digest)?.into_bytes();
    let after = parameters.after.as_deref().map(place).transpose()?;
    let catalogue = log.catalogue().await?;
    let mut found = catalogue.holders(&bytes, after, limit + 1).await?;
    let more = cut_page(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| {
        let parameters = [
            (
                "after",
                Some(format!("{}.{}", last.place.record, last.place.n)),
            ),
            ("fields", parameters.fields),
            ("limit", Some(limit.to_string())),
        ];
        next_page(&format!("/api/v1/files/{digest}"), &parameters)
    });
    let answer = FilesAnswer {
        releases: found.into_iter().map(FileItem::from).collect(),
        next,
    };
    Ok(json_items(
        &headers,
        answer.next.as_deref(),
        &answer,
        "releases",
        &fields,
    ))
}

fn place(after: &str) -> Result<FilePlace, Problem> {
    let rule = "it is taken from the address of the next page as it is";
    let place = after.split_once('.').and_then(|(record, n)| {
        Some(FilePlace {
            record: record.parse().ok()?,
            n: n.parse().ok()?,
        })
    });
    place.ok_or_else(|| Problem::parameter("after", rule))
}
