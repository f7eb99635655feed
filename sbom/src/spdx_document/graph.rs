//! The list of elements, and what all of them have.

use serde_json::{Value, json};

use crate::identity::Uuid;
use crate::made::Made;
use crate::object::Object;
use crate::release::Release;

const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
const SPEC_VERSION: &str = "3.0.1";
const CREATION_INFO: &str = "_:creation-info";

/// For what nobody asserts: the licence of which nothing is known.
pub(super) const NO_ASSERTION_LICENSE: &str =
    "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense";

/// Elements in the making.
pub(super) struct Graph {
    base: String,
    elements: Vec<Value>,
    ids: Vec<String>,
    relationships: usize,
}

impl Graph {
    pub(super) fn new(release: &Release<'_>, made: &Made) -> Self {
        let serial = Uuid::of_document(release, "spdx-3.0.1", made);
        let mut graph = Self {
            base: format!("urn:uuid:{serial}#"),
            elements: Vec::new(),
            ids: Vec::new(),
            relationships: 0,
        };
        let name = format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let tool = graph.add("SoftwareAgent", "tool", Object::new().with("name", name));
        graph.elements.push(json!({
            "type": "CreationInfo",
            "@id": CREATION_INFO,
            "specVersion": SPEC_VERSION,
            "created": made.time.as_str(),
            "createdBy": [tool],
        }));
        graph
    }

    /// Adds an element, and says what it is called. `id` is its own in the document.
    pub(super) fn add(&mut self, kind: &str, id: &str, element: Object) -> String {
        let id = format!("{}{id}", self.base);
        let element = element
            .with("type", kind)
            .with("spdxId", id.as_str())
            .with("creationInfo", CREATION_INFO);
        self.elements.push(element.into());
        self.ids.push(id.clone());
        id
    }

    /// Adds a relationship, unless it leads nowhere.
    pub(super) fn relate(&mut self, from: &str, kind: &str, to: &[String], comment: Option<&str>) {
        if to.is_empty() {
            return;
        }
        self.relationships += 1;
        let id = format!("relationship-{}", self.relationships);
        let relationship = Object::new()
            .with("from", from)
            .with("relationshipType", kind)
            .with("to", to)
            .maybe("comment", comment);
        self.add("Relationship", &id, relationship);
    }

    /// Puts the collections around the elements.
    pub(super) fn into_document(mut self, name: &str, profiles: &[&str], model: &str) -> Value {
        let collection = |root: &str, elements: &[String]| {
            Object::new()
                .with("name", name)
                .with("profileConformance", profiles)
                .with("rootElement", json!([root]))
                .with("element", elements)
        };
        let sbom = self.add("software_Sbom", "sbom", collection(model, &self.ids));
        self.add("SpdxDocument", "document", collection(&sbom, &self.ids));
        json!({ "@context": CONTEXT, "@graph": self.elements })
    }
}
