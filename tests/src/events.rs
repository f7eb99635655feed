//! Somebody who follows a log by its events, as a browser's `EventSource` does.

use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use serde_json::Value;

/// How long a whole stream may take in a test.
const PATIENCE: Duration = Duration::from_mins(2);

/// An event, or a comment.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A record, and its ID.
    Record(String, Value),
    /// The size up to which all was looked at, and its ID.
    Size(String, u64),
    /// After how many milliseconds to come back.
    Retry(u64),
    /// Somebody is there.
    Comment,
}

/// An open stream.
pub struct Events {
    lines: std::io::Lines<BufReader<Box<dyn Read + Send>>>,
    /// `name: value` of each header.
    pub headers: Vec<(String, String)>,
    /// The last ID that was received, as it is sent when the stream is opened again.
    pub last_id: Option<String>,
}

impl Events {
    /// Opens a stream, which must be there. `path` is `/api/v1/events` with its parameters.
    pub fn open(url: &str, path: &str, last_id: Option<&str>) -> Self {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut request = agent.get(format!("{url}{path}"));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.call().expect("the server answers");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let headers = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        let headers = headers.collect();
        let body: Box<dyn Read + Send> = Box::new(response.into_body().into_reader());
        Self {
            lines: BufReader::with_capacity(1, body).lines(),
            headers,
            last_id: last_id.map(str::to_owned),
        }
    }

    /// The next event; none when the stream has ended in order.
    pub fn next_event(&mut self) -> Option<Event> {
        let (mut id, mut event, mut data, mut retry) = (None, None, None, None);
        let mut is_comment = false;
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                // Cut off.
                Err(error) => panic!("the stream broke: {error}"),
            };
            if line.is_empty() {
                break;
            }
            let (field, value) = line.split_once(':').expect("field: value");
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            let known = match field {
                "id" => id.replace(value),
                "event" => event.replace(value),
                "data" => data.replace(value),
                "retry" => retry.replace(value),
                "" => {
                    is_comment = true;
                    None
                }
                other => panic!("{other}: {value}"),
            };
            assert_eq!(known, None, "{line}: there twice");
        }
        if let Some(id) = &id {
            self.last_id = Some(id.clone());
        }
        let data = data.map(|data: String| serde_json::from_str::<Value>(&data).expect("JSON"));
        Some(match (event.as_deref(), id, data, retry) {
            (Some("record"), Some(id), Some(data), None) => Event::Record(id, data),
            (Some("size"), Some(id), Some(data), None) => {
                Event::Size(id, data["size"].as_u64().expect("a size"))
            }
            (None, None, None, Some(retry)) => Event::Retry(retry.parse().expect("a number")),
            (None, None, None, None) if is_comment => Event::Comment,
            other => panic!("{other:?}"),
        })
    }

    /// The next record, past all else; none when the stream has ended.
    pub fn record(&mut self) -> Option<Value> {
        loop {
            if let Event::Record(id, data) = self.next_event()? {
                assert_eq!(id, data["index"].to_string());
                return Some(data);
            }
        }
    }

    /// The indexes of the next `count` records.
    pub fn indexes(&mut self, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let record = self.record().expect("it goes on");
                record["index"].as_u64().expect("an index")
            })
            .collect()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}
