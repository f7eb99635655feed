//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html>.
//!
//! What speaks against a target, leaves it open or is worth knowing is a result. What was checked, and what was not, is a
//! notification of the run: as results, they would be alerts that come again with every run.
//!
//! A result's place is a URI reference to the file as the folder was typed, so that a folder of the repository is found
//! there; of a folder that was typed otherwise, relative to that folder. There are no times, and no paths of the machine.

use std::fmt::Write as _;
use std::path::{Component, Path};

use serde_json::{Value, json};

use super::rule::{Rule, Weight};
use super::{Outcome, Verification};
use crate::cli::exit::Exit;
use crate::cli::text::{harmless, harmless_json};

/// What such a file begins with.
pub(super) const HEAD: &str = concat!(
    "{\n  \"$schema\": ",
    "\"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json\",\n"
);

/// Where the files are that a URI reference is relative to: the checkout, or the folder that was verified.
const SOURCE_ROOT: &str = "%SRCROOT%";
const FOLDER: &str = "FOLDER";

/// The file's text.
pub(super) fn write(verification: &Verification) -> String {
    let of_run = |rule: Rule| matches!(rule.weight(), Weight::Holds | Weight::Open);
    let results = verification.outcomes.iter();
    let results: Vec<_> = results
        .filter(|it| !of_run(it.rule))
        .map(|it| result(it, verification))
        .collect();
    let notifications = verification.outcomes.iter();
    let notifications: Vec<_> = notifications
        .filter(|it| of_run(it.rule))
        .map(notification)
        .collect();
    let (of_run, of_results): (Vec<_>, Vec<_>) = Rule::ALL.into_iter().partition(|it| of_run(*it));
    let descriptors = |rules: Vec<Rule>| rules.into_iter().map(descriptor).collect::<Vec<_>>();
    let run = json!({
        "tool": { "driver": {
            "name": "candor",
            "version": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": descriptors(of_results),
            "notifications": descriptors(of_run),
        } },
        "invocations": [{
            "executionSuccessful": ran_to_its_end(verification),
            "exitCode": verification.exit.code(),
            "exitCodeDescription": verification.exit.verdict(),
            "toolExecutionNotifications": notifications,
        }],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": { "target": harmless(&verification.target) },
    });
    let run = serde_json::to_string_pretty(&run).expect("a value is JSON");
    let run = run.replace('\n', "\n    ");
    harmless_json(&format!(
        "{HEAD}  \"version\": \"2.1.0\",\n  \"runs\": [\n    {run}\n  ]\n}}\n"
    ))
}

/// Whether there is a verdict on the target, and not an error alone.
fn ran_to_its_end(verification: &Verification) -> bool {
    let is_error = |it: &Outcome| it.rule == Rule::Error;
    verification.exit != Exit::BadInput && !verification.outcomes.iter().any(is_error)
}

fn id(rule: Rule) -> String {
    format!("candor/{}", rule.name())
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": id(rule),
        "shortDescription": { "text": rule.words() },
        "defaultConfiguration": { "level": level(rule) },
    })
}

fn level(rule: Rule) -> &'static str {
    match rule.weight() {
        Weight::Refutes => "error",
        Weight::LeavesOpen => "warning",
        Weight::Note | Weight::Open => "note",
        Weight::Holds => "none",
    }
}

fn result(outcome: &Outcome, verification: &Verification) -> Value {
    let (uri, base) = place(outcome.path.as_deref(), &verification.typed);
    json!({
        "ruleId": id(outcome.rule),
        "level": level(outcome.rule),
        "message": { "text": harmless(&outcome.words) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri, "uriBaseId": base } },
            "logicalLocations": [{ "fullyQualifiedName": harmless(&verification.target), "kind": "resource" }],
        }],
    })
}

fn notification(outcome: &Outcome) -> Value {
    json!({
        "descriptor": { "id": id(outcome.rule) },
        "level": level(outcome.rule),
        "message": { "text": harmless(&outcome.words) },
    })
}

/// Where an outcome about the file at `path` is, or one about all of it; and what that is relative to.
fn place(path: Option<&str>, typed: &str) -> (String, &'static str) {
    let mut parts = Vec::new();
    let mut is_below = true;
    for component in Path::new(typed).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => is_below = false,
        }
    }
    let base = if is_below { SOURCE_ROOT } else { FOLDER };
    if !is_below {
        // Its last name is all that is said of where it is, and only where nothing else is.
        let last = parts.pop();
        parts.clear();
        parts.extend(last.filter(|_| path.is_none()));
    }
    parts.extend(
        path.iter()
            .flat_map(|path| path.split('/'))
            .map(str::to_owned),
    );
    let parts: Vec<_> = parts.iter().map(|part| percent_encoded(part)).collect();
    // Readers want a place, and an empty one is none.
    let uri = if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    };
    (uri, base)
}

/// A segment of a path in a URI (RFC 3986, section 3.3): what is not unreserved is encoded, so that no name has a
/// meaning.
fn percent_encoded(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes any text");
        }
    }
    encoded
}
