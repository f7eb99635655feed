//! JSON objects that leave out what is not there.

use serde_json::{Map, Value};

/// An object in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Nothing, if there is no value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Nothing, if the list is empty.
    pub(crate) fn list(self, name: &str, values: Vec<Value>) -> Self {
        if values.is_empty() {
            return self;
        }
        self.with(name, values)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, if the object is empty.
    pub(crate) fn part(self, name: &str, part: Object) -> Self {
        if part.is_empty() {
            return self;
        }
        self.with(name, part)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}
