//! A model: its releases, and what its newest one is.

use std::collections::{BTreeMap, HashMap};

use askama::Template;
use axum::extract::State;
use candor_core::record::ModelName;

use super::release::{Card, card_of, draw_lineage};
use super::shown::{ListedRelease, in_path, value};
use super::{Frame, Html, Page};
use crate::calendar::{seconds_of, today};
use crate::catalogue::Catalogue;
use crate::catalogue::questions::{ApiVersion, ApiVersionFilter, Evaluation, EvaluationFilter};
use crate::drawing::{Panel, PlotPoint, Span, plot, timeline};
use crate::http::Shared;
use crate::http::answer::{PathOf, QueryOf, cut_page, missing, parse};
use crate::http::pages::lists::ModelsParameters;
use crate::storage::StorageError;

/// How many releases a page lists.
const RELEASES: u32 = 50;

/// How many plots a page has, and how many values one has.
const PLOTS: u32 = 6;
const VALUES: u32 = 500;

/// How many API versions a timeline has.
const API_VERSIONS: u32 = 40;

#[derive(Template)]
#[template(path = "model.html")]
struct ModelPage {
    frame: Frame,
    name: String,
    publisher: String,
    path: String,
    total: i64,
    newest: ListedRelease,
    releases: Vec<ListedRelease>,
    next: Option<String>,
    card: Option<Card>,
    lineage: Option<String>,
    plots: Plots,
    plots_are_cut: bool,
    plotted_max: u32,
    /// What answered behind it, or as it.
    timeline: Option<String>,
    api_versions: Vec<ShownApiVersion>,
}

/// Plots, and who is what in them.
#[derive(Default)]
pub(super) struct Plots {
    pub(super) drawings: Vec<String>,
    pub(super) authors: Vec<String>,
}

/// What answered, in words.
pub(super) struct ShownApiVersion {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) model_id: String,
    pub(super) behind: Option<(String, String)>,
    pub(super) from: String,
    pub(super) until: String,
    pub(super) provider: String,
    pub(super) endpoint: String,
    /// The API version that it says to take the place of, and where that is shown.
    pub(super) replaces: Option<(String, String)>,
    /// What its clients get besides, as its record says: on its own page.
    pub(super) settings: Vec<(&'static str, String)>,
}

/// `GET /models/{publisher}/{model}`
pub(super) async fn model(
    State(log): Shared,
    PathOf((publisher, model)): PathOf<(String, String)>,
    QueryOf(parameters): QueryOf<ModelsParameters>,
) -> Page {
    let name: ModelName = parse("model", &format!("{publisher}/{model}"))?;
    let catalogue = log.catalogue().await?;
    let text = name.to_string();
    let found = catalogue.model(&text).await?;
    let found = found.ok_or_else(|| {
        missing(
            &format!("model {name}"),
            "search for it, or list all at /models",
        )
    })?;
    let mut releases = catalogue
        .releases_of(&text, parameters.before(), RELEASES + 1)
        .await?;
    let more = cut_page(&mut releases, RELEASES);
    let next = releases
        .last()
        .filter(|_| more)
        .map(|last| format!("/models/{name}?before={}", last.id));
    let newest = if let Some(newest) = releases.first().filter(|it| it.id == found.newest) {
        newest.clone()
    } else {
        let newest = catalogue.releases_of(&text, None, 1).await?;
        let none = || StorageError::damaged("a model without a release");
        newest.into_iter().next().ok_or_else(none)?
    };
    let card = card_of(&log, &newest).await?;
    let lineage = draw_lineage(&catalogue, &newest.name).await?;
    let (plots, plots_are_cut) = plots(&catalogue, &text).await?;
    let api_versions = api_versions(&catalogue, &text).await?;
    Ok(Html::of(&ModelPage {
        frame: Frame::of(&log)
            .await
            .with_feed(format!("/models/{name}/feed.atom")),
        publisher: name.publisher().to_string(),
        path: format!("/models/{name}"),
        total: found.releases,
        newest: ListedRelease::of(&newest),
        releases: releases.iter().map(ListedRelease::of).collect(),
        next,
        card,
        lineage,
        plots,
        plots_are_cut,
        plotted_max: VALUES,
        timeline: draw_timeline(&api_versions),
        api_versions: api_versions.into_iter().map(ShownApiVersion::of).collect(),
        name: text,
    }))
}

/// The API versions that this model answers behind, or is.
async fn api_versions(catalogue: &Catalogue, model: &str) -> Result<Vec<ApiVersion>, StorageError> {
    let behind = ApiVersionFilter {
        behind_model: Some(model.to_owned()),
        ..ApiVersionFilter::default()
    };
    let own = ApiVersionFilter {
        model: Some(model.to_owned()),
        ..ApiVersionFilter::default()
    };
    let mut found = catalogue.api_versions(&behind, None, API_VERSIONS).await?;
    let own = catalogue.api_versions(&own, None, API_VERSIONS).await?;
    found.extend(own);
    found.sort_by_key(|it| (seconds_of(&it.valid_from), it.record));
    found.dedup_by_key(|it| it.record);
    found.truncate(API_VERSIONS as usize);
    Ok(found)
}

impl ShownApiVersion {
    pub(super) fn of(it: ApiVersion) -> Self {
        let short = |time: &str| time.replace('T', " ").replace('Z', " UTC");
        let linked = |name: String| {
            let path = format!("/releases/{}", in_path(&name));
            (name, path)
        };
        Self {
            provider: it.provider,
            endpoint: it.endpoint,
            replaces: it.replaces.map(linked),
            settings: Vec::new(),
            path: format!("/releases/{}", in_path(&it.name)),
            name: it.name,
            model_id: it.model_id,
            behind: it.behind.map(linked),
            from: short(&it.valid_from),
            until: it
                .valid_until
                .as_deref()
                .map_or_else(|| "no end is known".to_owned(), short),
        }
    }
}

fn draw_timeline(versions: &[ApiVersion]) -> Option<String> {
    // A page that was made is kept for a day, so it shows no time but the day.
    let now = today() * 86_400;
    let spans: Vec<Span> = versions
        .iter()
        .filter_map(|it| {
            Some(Span {
                name: it.name.clone(),
                behind: it
                    .behind
                    .clone()
                    .unwrap_or_else(|| "undisclosed".to_owned()),
                path: format!("/releases/{}", in_path(&it.name)),
                from_s: seconds_of(&it.valid_from)?,
                until_s: it.valid_until.as_deref().and_then(seconds_of),
                is_withdrawn: it.withdrawn_by.is_some(),
            })
        })
        .collect();
    (!spans.is_empty()).then(|| timeline(&spans, now))
}

/// What was measured most often of a model's releases, as plots.
/// Whether there is more than is drawn, it says besides.
async fn plots(catalogue: &Catalogue, model: &str) -> Result<(Plots, bool), StorageError> {
    let mut is_cut = false;
    let mut panels: Vec<(String, Vec<Evaluation>)> = Vec::new();
    for (task, metric, _) in catalogue.measured_of_model(model, PLOTS).await? {
        let filter = EvaluationFilter {
            model: Some(model.to_owned()),
            task: Some(task.clone()),
            metric: Some(metric.clone()),
            ..EvaluationFilter::default()
        };
        let mut values = catalogue.evaluations(&filter, None, VALUES + 1).await?;
        is_cut |= cut_page(&mut values, VALUES);
        panels.push((format!("{task}: {metric}"), values));
    }
    Ok((draw_plots(&panels), is_cut))
}

/// Draws values, a panel for each list, a column for each release in the order of its version's number or of the log.
pub(super) fn draw_plots(panels: &[(String, Vec<Evaluation>)]) -> Plots {
    let mut authors: BTreeMap<&str, usize> = BTreeMap::new();
    for value in panels.iter().flat_map(|(_, values)| values) {
        *authors.entry(&value.author).or_default() += 1;
    }
    let authors: Vec<String> = authors.into_keys().map(str::to_owned).collect();
    let series: HashMap<&str, usize> = authors
        .iter()
        .enumerate()
        .map(|(n, it)| (it.as_str(), n))
        .collect();
    let draw = |(title, values): &(String, Vec<Evaluation>)| {
        let columns = columns_of(values);
        let points = values.iter().map(|it| PlotPoint {
            column: columns
                .iter()
                .position(|name| *name == it.release)
                .unwrap_or_default(),
            series: series[it.author.as_str()],
            value: it.value,
            error: it.standard_error,
            title: format!(
                "{} of {} by {}",
                value(it.value, it.standard_error),
                it.release,
                it.author
            ),
            path: format!("/records/{}", it.record),
        });
        let version = |name: &String| {
            name.split_once('@')
                .map_or(name.as_str(), |(_, it)| it)
                .to_owned()
        };
        plot(&Panel {
            title: title.clone(),
            points: points.collect(),
            columns: columns.iter().map(version).collect(),
        })
    };
    Plots {
        drawings: panels.iter().map(draw).collect(),
        authors,
    }
}

/// The releases that values are of: by the numbers in their versions where all have some (`step1000`, `1.10.0`), so that
/// training steps make a curve, and otherwise as they come.
fn columns_of(values: &[Evaluation]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for value in values {
        if !columns.contains(&value.release) {
            columns.push(value.release.clone());
        }
    }
    let numbers = |name: &str| {
        let (_, version) = name.split_once('@')?;
        let groups = version.split(|c: char| !c.is_ascii_digit());
        let groups = groups.filter(|it| !it.is_empty());
        let numbers = groups.map(|it| it.parse().ok());
        numbers
            .collect::<Option<Vec<u64>>>()
            .filter(|it| !it.is_empty())
    };
    if columns.iter().all(|name| numbers(name).is_some()) {
        columns.sort_by_key(|name| numbers(name));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_steps_stand_in_their_order() {
        let value = |release: &str| Evaluation {
            record: 0,
            n: 0,
            release: release.to_owned(),
            model: String::new(),
            author: String::new(),
            by_others: false,
            task: String::new(),
            metric: String::new(),
            value: 0.0,
            standard_error: None,
            samples: None,
            few_shot: None,
            harness: String::new(),
            harness_version: None,
            outcome: String::new(),
            date: None,
            accepted_ms: None,
            withdrawn_by: None,
        };
        let columns = |versions: &[&str]| {
            let values: Vec<_> = versions
                .iter()
                .map(|it| value(&format!("a/b@{it}")))
                .collect();
            columns_of(&values)
        };
        assert_eq!(
            columns(&["step33000", "step143000", "step1000", "step1000"]),
            ["a/b@step1000", "a/b@step33000", "a/b@step143000"]
        );
        assert_eq!(
            columns(&["1.0.0", "2.0.0", "1.10.0", "1.9.0"]),
            ["a/b@1.0.0", "a/b@1.9.0", "a/b@1.10.0", "a/b@2.0.0"]
        );
        assert_eq!(columns(&["new", "1.0.0"]), ["a/b@new", "a/b@1.0.0"]);
    }
}
