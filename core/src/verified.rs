//! The mark of a value that passed its check.

use std::ops::Deref;

/// A value that passed its check.
///
/// Only this crate can make one: there is no public constructor, no `From` and no `Deserialize`. Code
/// that shows, stores or acts on what a log says takes `Verified<_>`, so a skipped check does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// States that `value` passed its check. Callers sit directly behind that check.
    pub(crate) fn attest(value: T) -> Self {
        Self(value)
    }

    /// The value, without the mark.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
