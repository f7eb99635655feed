//! Problem documents (RFC 9457): how a log says that it refuses something, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the types of a log's problems begin with.
const TYPE_PREFIX: &str = "urn:candor:problem:";

/// The most bytes of a problem document that are read: a sentence or two, and what is wrong with a statement.
pub const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// The most violations that are shown one by one.
const VIOLATIONS_SHOWN_MAX: usize = 20;

/// A log's reason for not doing what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which problem: `urn:candor:problem:NAME`, or `about:blank`.
    #[serde(rename = "type", default)]
    pub problem_type: String,
    /// In a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where in the statement: a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which of several records, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// Where a statement is not as its schema says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// One place where a statement is not as its schema says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// A JSON pointer into the statement.
    #[serde(default)]
    pub pointer: String,
    /// The schema's keyword.
    #[serde(default)]
    pub rule: String,
    /// In words.
    #[serde(default)]
    pub message: String,
}

impl Problem {
    /// Reads a problem document; `None` if the body is none.
    pub fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let body = (body.len() <= PROBLEM_BYTES_MAX).then_some(body)?;
        let mut problem: Self = serde_json::from_slice(body).ok()?;
        // The status line counts, whatever the document repeats.
        problem.status = status;
        Some(problem)
    }

    /// NAME of `urn:candor:problem:NAME`; empty for other types.
    pub fn name(&self) -> &str {
        self.problem_type
            .strip_prefix(TYPE_PREFIX)
            .unwrap_or_default()
    }

    /// Whether the log says by it that there is no such thing. Other answers of status 404 come from elsewhere.
    pub fn is_absence(&self) -> bool {
        self.status == 404 && self.name() == "not-found"
    }

    /// What the log says to do next.
    pub fn hint_words(&self) -> String {
        match &self.hint {
            Some(hint) => format!("the log says: {hint}"),
            None => "the log says no more: try again later, or ask its operator".to_owned(),
        }
    }

    /// Further lines: which record, and each violation.
    pub fn context(&self) -> Vec<String> {
        let record = self
            .record
            .map(|n| format!("record {} of those that were sent", n + 1));
        let pointer = self.pointer.as_ref().filter(|_| self.violations.is_empty());
        let pointer = pointer.map(|pointer| format!("at {pointer}"));
        let more = self.violations.len().saturating_sub(VIOLATIONS_SHOWN_MAX);
        let more = (more > 0).then(|| format!("and {more} more"));
        let shown = self.violations.iter().take(VIOLATIONS_SHOWN_MAX);
        let violations = shown.map(|violation| {
            let at = match violation.pointer.as_str() {
                "" => "/",
                pointer => pointer,
            };
            format!("{at}: {}", violation.message)
        });
        record
            .into_iter()
            .chain(pointer)
            .chain(violations)
            .chain(more)
            .collect()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.detail, self.title.as_str()) {
            // Nothing that a log says may be taken for a finding of this program.
            (Some(detail), _) => write!(f, "the log says: {detail}"),
            (None, "") => write!(f, "the log refuses this with status {}", self.status),
            (None, title) => write!(f, "the log says: {title}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_where_and_what() {
        let body = br#"{"type":"urn:candor:problem:schema","title":"Not as its schema says",
            "status":200,"detail":"the statement is not as its schema says","record":1,"pointer":"/predicate",
            "violations":[{"pointer":"/predicate/results/0/value","rule":"type","message":"\"x\" is no number"}]}"#;
        let problem = Problem::parse(422, body).expect("it is one");
        assert_eq!(problem.name(), "schema");
        assert_eq!(problem.status, 422);
        assert_eq!(
            problem.to_string(),
            "the log says: the statement is not as its schema says"
        );
        assert_eq!(
            problem.context(),
            [
                "record 2 of those that were sent",
                "/predicate/results/0/value: \"x\" is no number"
            ]
        );
        assert_eq!(Problem::parse(502, b"<html>Bad Gateway</html>"), None);
    }

    #[test]
    fn a_problem_without_end_is_not_read_and_not_shown_whole() {
        let body = |violations: usize| {
            let violations = vec![r#"{"pointer":"/a","message":"no"}"#; violations].join(",");
            format!(r#"{{"title":"No","violations":[{violations}]}}"#)
        };
        let problem = Problem::parse(422, body(1_000).as_bytes()).expect("it is one");
        let shown = problem.context();
        assert_eq!(shown.len(), VIOLATIONS_SHOWN_MAX + 1);
        assert_eq!(shown[VIOLATIONS_SHOWN_MAX], "and 980 more");
        assert_eq!(Problem::parse(422, body(10_000).as_bytes()), None);
    }

    #[test]
    fn only_a_log_says_that_something_is_not_there() {
        let absence = |status, name: &str| {
            let body = format!(r#"{{"type":"{name}","title":"Not here"}}"#);
            Problem::parse(status, body.as_bytes())
                .expect("it is one")
                .is_absence()
        };
        assert!(absence(404, "urn:candor:problem:not-found"));
        assert!(!absence(404, "about:blank"));
        assert!(!absence(410, "urn:candor:problem:not-found"));
    }
}
