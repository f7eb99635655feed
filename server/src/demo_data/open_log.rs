//! A log that takes records without a door: what a request's body goes through, and no socket.

use std::sync::Arc;

use tokio::sync::watch;

use super::DemoDataError;
use super::lab::Signed;
use crate::accept::{Again, Parsed, Registration, accept};
use crate::limits::Limits;
use crate::plan::{Placed, Submission};
use crate::recent::Recent;
use crate::releases::Released;
use crate::sequencer::Sequencer;
use crate::storage::Storage;

/// A log with a sequencer that runs.
pub struct OpenLog {
    storage: Arc<dyn Storage>,
    recent: Arc<Recent>,
    sequencer: Sequencer,
    limits: Limits,
}

/// Records that were accepted, and wait for their places.
pub(super) struct Accepted {
    what: String,
    submission: Submission,
}

impl OpenLog {
    /// The log in `storage`, which `sequencer` writes to.
    pub fn new(storage: Arc<dyn Storage>, recent: Arc<Recent>, sequencer: Sequencer) -> Self {
        Self {
            storage,
            recent,
            sequencer,
            limits: Limits::new(),
        }
    }

    /// Each tree as it is released, beginning with the newest.
    pub fn releases(&self) -> watch::Receiver<Arc<Released>> {
        self.sequencer.releases()
    }

    /// Publishes records together: all of them or none. `what` names them in errors.
    pub(super) async fn publish(
        &self,
        what: String,
        records: Vec<Signed>,
    ) -> Result<Vec<Placed>, DemoDataError> {
        let accepted = self.accept(what, records).await?;
        self.place(accepted).await
    }

    /// Takes records as they come in a request: JSON, schema, keys, signatures, documents.
    pub(super) async fn accept(
        &self,
        what: String,
        records: Vec<Signed>,
    ) -> Result<Accepted, DemoDataError> {
        let body = body_of(&records);
        let submission = self.accept_body(&body, records).await;
        match submission {
            Ok(submission) => Ok(Accepted { what, submission }),
            Err(error) => Err(DemoDataError::NotAccepted { what, error }),
        }
    }

    async fn accept_body(
        &self,
        body: &[u8],
        records: Vec<Signed>,
    ) -> Result<Submission, crate::accept::AcceptError> {
        let storage = self.storage.as_ref();
        let parse = || Parsed::parse(body);
        let parsed = self.limits.compute(body.len(), parse).await?;
        // Publishers of a demonstration are admitted by nobody: the log that is made for it has no others.
        let registration = Registration::Open;
        let mut accepted = accept(
            parsed,
            storage,
            &self.recent,
            &registration,
            &self.limits,
            Again::IsFoundLater,
        )
        .await?;
        let mut attachments = Vec::new();
        let documents = records.into_iter().flat_map(|record| record.documents);
        for (n, document) in documents.enumerate() {
            attachments.extend(accepted.attach(n + 1, document)?);
        }
        let ready = accepted.ready(attachments, storage, &self.limits).await?;
        Ok(ready.submission)
    }

    /// Gives accepted records their places, in the order in which this is called.
    pub(super) async fn place(&self, accepted: Accepted) -> Result<Vec<Placed>, DemoDataError> {
        let Accepted { what, submission } = accepted;
        self.sequencer
            .submit(submission, Vec::new())
            .await
            .map_err(|error| DemoDataError::NotPublished { what, error })
    }
}

/// The body of a request that publishes `records`.
fn body_of(records: &[Signed]) -> Vec<u8> {
    let envelopes: Vec<_> = records
        .iter()
        .map(|record| record.envelope.to_canonical_json())
        .collect();
    let mut body = vec![b'['];
    body.extend(envelopes.join(&b','));
    body.push(b']');
    body
}
