//! How an element is marked whose release was withdrawn: a comment, a reference to the entry that says so, an annotation.

use candor_core::bundle::Withdrawn;
use candor_core::record::kinds::Reason;
use serde_json::Value;

use super::external_ref;
use super::graph::Graph;
use crate::made::Made;
use crate::object::Object;
use crate::properties::withdrawn_words;
use crate::reference::entry;
use crate::release::Release;

/// `WITHDRAWN: withdrawn by entry 12 (security): …`.
pub(super) fn marked(withdrawn: &Withdrawn<'_>) -> String {
    format!("WITHDRAWN: {}", withdrawn_words(withdrawn))
}

/// The entry that says so.
pub(super) fn advisory(release: &Release<'_>, withdrawn: &Withdrawn<'_>, made: &Made) -> Value {
    let kind = match withdrawn.withdrawal.reason {
        Reason::Security => "securityAdvisory",
        Reason::Superseded | Reason::Retired => "eolNotice",
        Reason::Legal | Reason::Error | Reason::Other => "other",
    };
    let origin = &release.checkpoint.origin;
    let at = entry(made.log.as_ref(), origin, withdrawn.by);
    external_ref(kind, &at, &withdrawn_words(withdrawn))
}

/// Says so of the element `subject`, in one called `id`.
pub(super) fn annotate(graph: &mut Graph, subject: &str, id: &str, withdrawn: &Withdrawn<'_>) {
    let annotation = Object::new()
        .with("annotationType", "other")
        .with("subject", subject)
        .with("statement", marked(withdrawn));
    graph.add("Annotation", id, annotation);
}
