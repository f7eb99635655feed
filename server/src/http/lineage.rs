//! `GET /api/v1/lineage/…`: what a release was made from, and what was made from it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use candor_core::record::ReleaseName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::answer::{PathOf, QueryOf, json, missing, parse};
use super::problem::Problem;
use super::releases::{ReleaseFacts, number};
use crate::catalogue::questions::{
    Direction, Edge, LINEAGE_DEPTH_MAX, Lineage, LineageLimit, Node,
};

/// How many releases of a lineage are shown unless more are asked for.
pub(super) const RELEASES: u32 = 100;

/// The most that can be asked for.
const RELEASES_MAX: u32 = 500;

/// How much of a lineage.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LineageParameters {
    /// `ancestors`, `descendants` or `both`.
    #[param(example = "both")]
    direction: Option<String>,
    /// How many edges away.
    #[param(minimum = 1, maximum = 64, default = 64)]
    depth: Option<u32>,
    /// How many releases.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// A part of the graph of releases. Each edge is what its child's publisher says; the records prove that it was said.
#[derive(Serialize, ToSchema)]
struct LineageAnswer {
    /// The release that was asked about.
    release: String,
    /// By distance and name.
    releases: Vec<LineageRelease>,
    edges: Vec<EdgeAnswer>,
    /// Whether there is more, which the limits left out.
    truncated: bool,
}

/// A release of a lineage.
#[derive(Serialize, ToSchema)]
struct LineageRelease {
    name: String,
    /// How many edges away it is: below 0 towards ancestors.
    distance: i32,
    /// What the log has of it; null where it is only named.
    facts: Option<ReleaseFacts>,
}

/// That one release was made from another.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EdgeAnswer {
    child: String,
    parent: String,
    #[schema(example = "fine-tune-of")]
    relation: String,
    /// The child's record that says so.
    index: u64,
    /// The parent's record that it names; null where it names the release alone.
    parent_index: Option<u64>,
    /// The withdrawal that the child's record fell to.
    withdrawn_by: Option<u64>,
}

impl LineageParameters {
    fn direction(&self) -> Result<Direction, Problem> {
        match self.direction.as_deref() {
            None | Some("both") => Ok(Direction::Both),
            Some("ancestors") => Ok(Direction::Ancestors),
            Some("descendants") => Ok(Direction::Descendants),
            Some(_) => Err(Problem::parameter(
                "direction",
                "it is ancestors, descendants or both",
            )),
        }
    }

    fn limit(&self) -> Result<LineageLimit, Problem> {
        let depth = match self.depth.unwrap_or(LINEAGE_DEPTH_MAX) {
            depth @ 1..=LINEAGE_DEPTH_MAX => depth,
            depth => {
                let rule = format!("{depth} is not from 1 to {LINEAGE_DEPTH_MAX}");
                return Err(Problem::parameter("depth", &rule));
            }
        };
        match self.limit.unwrap_or(RELEASES) {
            limit @ 1..=RELEASES_MAX => Ok(LineageLimit {
                depth,
                releases: limit as usize,
            }),
            limit => {
                let rule = format!("{limit} is not from 1 to {RELEASES_MAX}");
                Err(Problem::parameter("limit", &rule))
            }
        }
    }
}

impl LineageAnswer {
    fn of(release: String, lineage: Lineage) -> Self {
        let node = |node: Node| LineageRelease {
            name: node.name,
            distance: node.distance,
            facts: node.release.as_ref().map(ReleaseFacts::of),
        };
        let edge = |edge: Edge| EdgeAnswer {
            child: edge.child,
            parent: edge.parent,
            relation: edge.relation,
            index: number(edge.record),
            parent_index: edge.parent_record.map(number),
            withdrawn_by: edge.withdrawn_by.map(number),
        };
        Self {
            release,
            releases: lineage.nodes.into_iter().map(node).collect(),
            edges: lineage.edges.into_iter().map(edge).collect(),
            truncated: lineage.is_cut,
        }
    }
}

/// Shows what a release was made from, and what was made from it, as far as the log says.
#[utoipa::path(
    get, path = "/api/v1/lineage/{publisher}/{release}", operation_id = "show_lineage", tag = "registry",
    params(("publisher" = String, Path, example = "meta-ai"), ("release" = String, Path, example = "opt-125m@1.0.0"), LineageParameters),
    responses(
        (status = 200, description = "The part of the graph around the release", body = LineageAnswer),
        (status = 404, description = "No such release, and none that names it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn lineage(
    State(log): Shared,
    PathOf((publisher, release)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<LineageParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name: ReleaseName = parse("release", &format!("{publisher}/{release}"))?;
    let (direction, limit) = (parameters.direction()?, parameters.limit()?);
    let catalogue = log.catalogue().await?;
    let lineage = catalogue
        .lineage(&name.to_string(), direction, limit)
        .await?;
    if lineage.edges.is_empty() && lineage.nodes.iter().all(|node| node.release.is_none()) {
        let hint = format!("list the releases at /api/v1/models/{}", name.model());
        return Err(missing(&format!("release {name}"), &hint));
    }
    Ok(json(
        &headers,
        &LineageAnswer::of(name.to_string(), lineage),
    ))
}
