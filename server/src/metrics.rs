//! What the server counts, for Prometheus.
//!
//! A slow moment shows where it was slow, in the order of a record's way:
//!
//! ```text
//! verify ──► queue_wait ──► look_up ──► integrate ──► commit ──► publish_tiles ──► release
//! (a request)                (a batch)
//! ```

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::http::Name;

/// The server's metrics; one set per server, no globals.
pub struct Metrics {
    registry: Registry,
    /// Entries in the released tree.
    pub tree_size: Gauge,
    /// Submissions that wait for the sequencer. Set when it is asked for.
    pub queue_depth: Gauge,
    /// Bytes that can still be written where the log is. Set when it is asked for.
    pub storage_free_bytes: Gauge,
    /// Records that were given an index.
    pub records_logged: Counter,
    /// Requests that were refused, by the problem's name: those to publish, and those that found the server busy.
    pub refused: Family<Problem, Counter>,
    /// Entries in a batch.
    pub batch_entries: Histogram,
    /// Seconds that it takes to parse and verify the records of a request, with the wait for a core.
    pub verify_seconds: Histogram,
    /// Seconds that a submission waits for its batch to begin.
    pub queue_wait_seconds: Histogram,
    /// Seconds that it takes to look up what the log knows of a batch.
    pub look_up_seconds: Histogram,
    /// Seconds that it takes to place a batch and to grow the tree.
    pub integrate_seconds: Histogram,
    /// Seconds that a batch's transaction takes, whether it succeeds or fails.
    pub commit_seconds: Histogram,
    /// Seconds that one try takes to put a batch in the static part, whether it succeeds or fails.
    pub publish_tiles_seconds: Histogram,
    /// Seconds that it takes to sign the tree and to keep that on stable storage.
    pub release_seconds: Histogram,
    /// Entries in the tree whose checkpoint the static part shows.
    pub static_part_size: Gauge,
    /// What the static part was asked to do and did not.
    pub static_part_failures: Counter,
    /// Connections that read the database, by what they do. Set when it is asked for.
    pub readers: Family<Readers, Gauge>,
    /// Bytes of memory that find the log's entries, which grow with the log. Set when it is asked for.
    pub index_bytes: Gauge,
    /// Those who follow the log now.
    pub event_listeners: Gauge,
    /// Records that were sent to them.
    pub events_sent: Counter,
    /// Records that a webhook has taken.
    pub webhook_deliveries: Family<Hook, Counter>,
    /// Times that a webhook did not take one.
    pub webhook_failures: Family<Hook, Counter>,
    /// Records that a webhook has not been told of yet, or that were not looked at.
    pub webhook_behind: Family<Hook, Gauge>,
    /// Requests that were answered, by status.
    pub requests: Family<Status, Counter>,
    /// When the sequencer was last seen alive, in seconds since 1970.
    pub sequencer_alive_seconds: Gauge<f64, AtomicU64>,
}

/// The name of a problem, as in its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Problem {
    /// Such as `bad-signature`.
    pub problem: &'static str,
}

/// What connections to the database do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Readers {
    /// `busy` or `idle`.
    pub state: &'static str,
}

/// A webhook, by its name in the settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Hook {
    /// Such as `dashboard`.
    pub webhook: String,
}

/// An HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Status {
    /// Such as 200.
    pub status: u16,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("candor"),
            tree_size: Gauge::default(),
            queue_depth: Gauge::default(),
            storage_free_bytes: Gauge::default(),
            records_logged: Counter::default(),
            refused: Family::default(),
            batch_entries: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
            verify_seconds: seconds(),
            queue_wait_seconds: seconds(),
            look_up_seconds: seconds(),
            integrate_seconds: seconds(),
            commit_seconds: seconds(),
            publish_tiles_seconds: seconds(),
            release_seconds: seconds(),
            static_part_size: Gauge::default(),
            static_part_failures: Counter::default(),
            readers: Family::default(),
            index_bytes: Gauge::default(),
            event_listeners: Gauge::default(),
            events_sent: Counter::default(),
            webhook_deliveries: Family::default(),
            webhook_failures: Family::default(),
            webhook_behind: Family::default(),
            requests: Family::default(),
            sequencer_alive_seconds: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "tree_size",
            "Entries in the released tree",
            metrics.tree_size.clone(),
        );
        registry.register(
            "queue_depth",
            "Submissions that wait for the sequencer",
            metrics.queue_depth.clone(),
        );
        registry.register_with_unit(
            "storage_free",
            "Room where the log is",
            Unit::Bytes,
            metrics.storage_free_bytes.clone(),
        );
        registry.register(
            "records_logged",
            "Records that were given an index",
            metrics.records_logged.clone(),
        );
        registry.register(
            "refused",
            "Requests to publish that were refused, and others that found the server busy",
            metrics.refused.clone(),
        );
        registry.register(
            "batch_entries",
            "Entries in a batch",
            metrics.batch_entries.clone(),
        );
        registry.register(
            "static_part_size",
            "Entries in the tree whose checkpoint the static part shows",
            metrics.static_part_size.clone(),
        );
        registry.register(
            "static_part_failures",
            "What the static part was asked to do and did not",
            metrics.static_part_failures.clone(),
        );
        registry.register(
            "readers",
            "Connections that read the database",
            metrics.readers.clone(),
        );
        registry.register_with_unit(
            "index",
            "Memory that finds the log's entries, which grows with the log",
            Unit::Bytes,
            metrics.index_bytes.clone(),
        );
        registry.register(
            "requests",
            "Requests that were answered",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "sequencer_alive",
            "When the sequencer was last seen alive, since 1970",
            Unit::Seconds,
            metrics.sequencer_alive_seconds.clone(),
        );
        metrics.register_steps();
        metrics.register_listeners();
        metrics
    }

    /// Who is told of what is logged.
    fn register_listeners(&mut self) {
        self.registry.register(
            "event_listeners",
            "Those who follow the log by /api/v1/events",
            self.event_listeners.clone(),
        );
        self.registry.register(
            "events_sent",
            "Records that were sent to them",
            self.events_sent.clone(),
        );
        self.registry.register(
            "webhook_deliveries",
            "Records that a webhook has taken",
            self.webhook_deliveries.clone(),
        );
        self.registry.register(
            "webhook_failures",
            "Times that a webhook did not take a record",
            self.webhook_failures.clone(),
        );
        self.registry.register(
            "webhook_behind",
            "Records of the released tree that a webhook has not been told of yet",
            self.webhook_behind.clone(),
        );
    }

    /// The times of a record's way, in its order.
    fn register_steps(&mut self) {
        for (name, help, histogram) in [
            (
                "verify",
                "Time to parse and verify the records of a request",
                &self.verify_seconds,
            ),
            (
                "queue_wait",
                "Time that a submission waits for its batch",
                &self.queue_wait_seconds,
            ),
            (
                "look_up",
                "Time to look up what the log knows of a batch",
                &self.look_up_seconds,
            ),
            (
                "integrate",
                "Time to place a batch and to grow the tree",
                &self.integrate_seconds,
            ),
            (
                "commit",
                "Time that a batch's transaction takes",
                &self.commit_seconds,
            ),
            (
                "publish_tiles",
                "Time to put a batch in the static part",
                &self.publish_tiles_seconds,
            ),
            (
                "release",
                "Time to sign the tree and to keep that on stable storage",
                &self.release_seconds,
            ),
        ] {
            self.registry
                .register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }

    /// Counts a request that was refused.
    pub fn count_refusal(&self, name: Name) {
        let label = Problem {
            problem: name.as_str(),
        };
        self.refused.get_or_create(&label).inc();
    }

    /// In the `OpenMetrics` text format.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("a String takes any text");
        out
    }
}

/// From a quarter of a millisecond to eight seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// A size as the signed integer that gauges hold.
pub fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
