//! `GET /api/v1/events`: what is logged, as it is logged (server-sent events, WHATWG HTML, "Server-sent events").
//!
//! ```text
//! retry: 2000                                       first of all: after how many ms to come back
//!
//! id: 4711                                          the record's index
//! event: record
//! data: {"index":4711,"statement":…}                as in `GET /api/v1/records`
//!
//! id: 4799                                          the last index that was looked at: nothing up to it is left
//! event: size
//! data: {"size":4800}
//!
//! :                                                 a comment, where nothing else was said for 15 s
//! ```
//!
//! Always: what is sent is in a released tree, in the order of the log, each record once. An ID says that everything up to
//! it was sent, as far as it was asked for; so whoever comes back with it (`Last-Event-ID`), to whichever server, misses
//! nothing and gets nothing twice. Nobody is sent more than they take: what a listener has not read is read from the log
//! again when it does.
//!
//! Not here: which records there are (`feed`), and what one listener has been sent (`listener`).

mod feed;
mod listener;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::Shared;
use super::answer::{QueryOf, parse};
use super::asker::Asker;
use super::problem::{Name, Problem};
use crate::metrics::Metrics;
use crate::rates::Client;
use crate::storage::RecordFilter;

use feed::Feed;
use listener::Listener;

/// After how many seconds those are to come again for whom there is no place.
const NO_PLACE_SECONDS: u64 = 15;

/// What a browser's `EventSource` sends when it comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Proxies such as nginx gather answers, unless they are told that this one has no end.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

/// One address gets a tenth of all places, so that nobody takes them all; and these in any case.
const OF_ADDRESS: (usize, usize) = (10, 8);

/// What all listeners share.
pub struct Events {
    feed: Feed,
    listeners: Arc<Mutex<Listeners>>,
    listeners_max: usize,
    stop: watch::Receiver<bool>,
}

/// Who listens.
#[derive(Default)]
struct Listeners {
    count: usize,
    of_address: HashMap<Client, usize>,
}

/// A listener's place, until it is dropped.
struct Place {
    client: Client,
    listeners: Arc<Mutex<Listeners>>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// For so many listeners at a time, all of whom are let go when `stop` turns true.
    pub fn new(listeners_max: usize, stop: watch::Receiver<bool>) -> Self {
        Self {
            feed: Feed::new(),
            listeners: Arc::default(),
            listeners_max,
            stop,
        }
    }

    fn place(&self, client: Client, metrics: &Arc<Metrics>) -> Result<Place, Problem> {
        let mut listeners = locked(&self.listeners);
        let of_address = listeners.of_address.get(&client).copied().unwrap_or(0);
        let (part, at_least) = OF_ADDRESS;
        let of_address_max = (self.listeners_max / part).max(at_least);
        if listeners.count >= self.listeners_max {
            let detail = format!("{} listeners are here already", self.listeners_max);
            return Err(Problem::new(Name::Overloaded, detail)
                .hint("come back in a while, or ask /api/v1/records now and then")
                .retry_after(NO_PLACE_SECONDS));
        }
        if of_address >= of_address_max {
            let detail = format!("{of_address} listeners are here from this address already");
            return Err(Problem::new(Name::TooManyRequests, detail)
                .hint("let one listener tell the others, or ask /api/v1/records now and then")
                .retry_after(NO_PLACE_SECONDS));
        }
        listeners.count += 1;
        listeners.of_address.insert(client, of_address + 1);
        metrics.event_listeners.inc();
        Ok(Place {
            client,
            listeners: Arc::clone(&self.listeners),
            metrics: Arc::clone(metrics),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listeners = locked(&self.listeners);
        listeners.count -= 1;
        let left = listeners.of_address.get(&self.client).map(|it| it - 1);
        match left {
            Some(left @ 1..) => listeners.of_address.insert(self.client, left),
            _ => listeners.of_address.remove(&self.client),
        };
        self.metrics.event_listeners.dec();
    }
}

/// Counts are whole after each change, so a panic elsewhere leaves nothing half done.
fn locked(listeners: &Mutex<Listeners>) -> std::sync::MutexGuard<'_, Listeners> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From where on, and which.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsParameters {
    /// Everything behind this index, -1 for everything; if left out, what is logged from now on. The header
    /// `Last-Event-ID` comes before it.
    #[param(value_type = Option<i64>, minimum = -1)]
    after: Option<String>,
    /// Only records of this kind.
    kind: Option<String>,
    /// Only records signed by this publisher.
    publisher: Option<String>,
}

/// Sends records as they are logged, as server-sent events.
///
/// Each event `record` has the record's index as its ID and an item of `GET /api/v1/records` as its data. An event `size`
/// has as its ID the last index that was looked at, and as its data the size of the tree up to there: `{"size":4800}`. It
/// comes where records were left out by the filter, and first of all where no index was given to begin behind. Whoever
/// comes back with the ID of the last event, in the header `Last-Event-ID` or as `after`, gets all that came since, each
/// record once, from whichever server of the log. Where nothing else is to be said, a comment comes every 15 seconds. A
/// listener that reads nothing for 30 seconds is let go.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "follow_records", tag = "records",
    params(
        ("Last-Event-ID" = Option<i64>, Header, description = "The ID of the last event that was received, as browsers send it"),
        EventsParameters
    ),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (
            status = 429, description = "So many listen from this address that there is no further place for it: come back after the time in the header retry-after",
            body = Problem, content_type = "application/problem+json"
        ),
        (
            status = 503, description = "So many listen already that there is no place, or the server is stopping: come back after the time in the header retry-after",
            body = Problem, content_type = "application/problem+json"
        ),
    )
)]
pub(super) async fn events(
    State(log): Shared,
    QueryOf(parameters): QueryOf<EventsParameters>,
    Extension(asker): Extension<Asker>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = match headers.get(LAST_EVENT_ID) {
        Some(id) => Some(("last-event-id", id.to_str().unwrap_or("\u{fffd}"))),
        None => parameters.after.as_deref().map(|after| ("after", after)),
    };
    let next = after.map(|(name, text)| behind(name, text)).transpose()?;
    let filter = RecordFilter {
        kind: parameters
            .kind
            .as_deref()
            .map(|kind| parse("kind", kind))
            .transpose()?,
        publisher: parameters
            .publisher
            .as_deref()
            .map(|name| parse("publisher", name))
            .transpose()?,
        subject: None,
    };
    let place = log.events.place(asker.client, &log.metrics)?;
    // What any server has released is to come, also where this one has not heard of it yet.
    let size = log.sequencer.newest().await.head.size;
    let listener = Listener::new(log, place, filter, size, next);
    let events = stream::unfold(listener, async |mut listener: Listener| {
        let said = listener.next().await?;
        Some((said, listener))
    });
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        UNBUFFERED,
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// The index behind one that a client names, as it stands in an event's ID.
fn behind(name: &str, text: &str) -> Result<u64, Problem> {
    if text == "-1" {
        return Ok(0);
    }
    let index: Option<u64> = text.parse().ok();
    index
        // As it is written: no leading zeros, no sign.
        .filter(|index| index.to_string() == text)
        .and_then(|index| index.checked_add(1))
        .ok_or_else(|| Problem::parameter(name, "write the index of a record, or -1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_index_as_it_is_written() {
        for (text, next) in [("-1", 0), ("0", 1), ("41", 42)] {
            assert_eq!(behind("after", text).expect("an index"), next);
        }
        for wrong in [
            "",
            "-2",
            "+1",
            "01",
            "1.0",
            " 1",
            "x",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            let problem = behind("after", wrong).expect_err(wrong);
            assert_eq!(problem.name(), Name::BadParameter);
        }
    }
}
