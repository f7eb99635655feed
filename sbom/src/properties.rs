//! `candor:…`: what neither format has a field for. The crate's documentation lists the names.

use candor_core::bundle::{LoggedRecord, Withdrawn};
use candor_core::record::kinds::{Attachment, ModelCard, Strength, TrainingConfig, Weights};
use candor_core::record::{Algorithm, DigestSet};
use candor_core::weights::ManifestFile;

use crate::FILES_LISTED_MAX;
use crate::ancestors::Parent;
use crate::facts::{digest_words, values};
use crate::reference::is_reference;
use crate::release::Release;

/// A name and a value. A name can be there more than once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Properties in the making.
#[derive(Default)]
pub(crate) struct Properties(Vec<Property>);

impl Properties {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "digests and numbers are passed as they are, and a reference at each call would say nothing"
    )]
    pub(crate) fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push(Property {
            name: format!("candor:{name}"),
            value: value.to_string(),
        });
    }

    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(crate) fn done(self) -> Vec<Property> {
        self.0
    }
}

/// All that a release has.
pub(crate) fn of_release(release: &Release<'_>) -> Vec<Property> {
    let mut it = Properties::new();
    it.add("release", release.name);
    it.add("publisher", release.name.publisher());
    for key in release.keys() {
        it.add("publisher:key", format!("sha256:{key}"));
    }
    let head = &release.checkpoint.head;
    it.add("log:origin", &release.checkpoint.origin);
    it.add("log:size", head.size);
    it.add("log:root", head.root);
    withdrawals(release, &mut it);
    if let Some(weights) = release.weights {
        of_weights(weights, &mut it);
        it.maybe("files:not-listed", files_not_listed(release));
    }
    if let Some(card) = release.card {
        of_card(card, &mut it);
    }
    if let Some(config) = release.config {
        of_training(config, &mut it);
    }
    for value in values(release) {
        it.add("metric", value.to_json());
    }
    it.done()
}

/// The files that a document lists one by one.
pub(crate) fn listed_files<'a>(release: &Release<'a>) -> &'a [ManifestFile] {
    let files = release.manifest.map_or(&[][..], |it| it.files());
    if files.len() > FILES_LISTED_MAX {
        return &[];
    }
    files
}

/// Why the files of the release are not listed, if they aren't.
pub(crate) fn files_not_listed(release: &Release<'_>) -> Option<String> {
    let weights = release.weights?;
    let (files, manifest) = (weights.files, weights.manifest.digest.sha256);
    match release.manifest {
        None => Some(format!(
            "{files} files: the bundle did not have the manifest with the SHA-256 {manifest}, which lists them"
        )),
        Some(it) if it.files().len() > FILES_LISTED_MAX => Some(format!(
            "{files} files, and up to {FILES_LISTED_MAX} are listed one by one: the manifest with the SHA-256 {manifest} lists them"
        )),
        Some(_) => None,
    }
}

/// Those of a file; `has_name` says which algorithms the format has a name for.
pub(crate) fn of_file(file: &ManifestFile, has_name: fn(Algorithm) -> bool) -> Vec<Property> {
    let mut it = Properties::new();
    it.maybe("file:size", file.size);
    if !file.digest.is_strong() {
        it.add("file:strength", "weak");
    }
    for (algorithm, digest) in file.digest.iter() {
        if !has_name(algorithm) {
            it.add(&format!("digest:{algorithm}"), digest);
        }
    }
    it.done()
}

/// Those of a parent; how it was made from that, the formats have different places for.
pub(crate) fn of_parent(parent: &Parent<'_>, it: &mut Properties) {
    let statement = parent.statement.map(|it| format!("sha256:{it}"));
    it.maybe("parent:statement", statement);
    if let Some(withdrawn) = &parent.withdrawn {
        of_withdrawn("parent:withdrawn", withdrawn, it);
    }
}

/// `withdrawn by entry 12 (security): …`.
pub(crate) fn withdrawn_words(withdrawn: &Withdrawn<'_>) -> String {
    let it = withdrawn.withdrawal;
    let instead = it.replacement.as_ref();
    let instead = instead.map(|release| format!(" Use {release} instead."));
    format!(
        "withdrawn by entry {} ({}): {}{}",
        withdrawn.by,
        it.reason.name(),
        it.explanation,
        instead.unwrap_or_default()
    )
}

/// `weights record, entry 8 of log.example.org/candor, statement …, signed by meta-ai (key …)`; and its withdrawal, where the
/// document has nothing else of the record.
pub(crate) fn record_words(release: &Release<'_>, logged: &LoggedRecord) -> String {
    let statement = logged.record.statement();
    let keys: Vec<_> = logged
        .record
        .signed_by()
        .iter()
        .map(|key| format!("sha256:{}", key.keyid()))
        .collect();
    let withdrawn = release.withdrawal_of(logged);
    let withdrawn = withdrawn.map(|it| format!("; {}", withdrawn_words(&it)));
    format!(
        "{} record, entry {} of {}, statement sha256:{}, signed by {} (key {}){}",
        statement.kind(),
        logged.index,
        release.checkpoint.origin,
        statement.digest,
        statement.publisher(),
        keys.join(", "),
        withdrawn.unwrap_or_default()
    )
}

/// `README.md, text/markdown, 71 bytes`.
pub(crate) fn attachment_words(attachment: &Attachment) -> String {
    let Attachment {
        name,
        media_type,
        size,
        ..
    } = attachment;
    format!("{name}, {media_type}, {size} bytes")
}

fn withdrawals(release: &Release<'_>, it: &mut Properties) {
    if let Some(fallen) = &release.fallen {
        of_withdrawn("withdrawn", fallen, it);
    }
    for (logged, withdrawn) in &release.withdrawn {
        let statement = logged.record.statement();
        let words = format!(
            "entry {}, {} by {}: {}",
            logged.index,
            statement.kind(),
            statement.publisher(),
            withdrawn_words(withdrawn)
        );
        it.add("withdrawn:record", words);
    }
    for ancestor in release.withdrawn_ancestors() {
        let words = format!(
            "{}, {}: {}",
            ancestor.release,
            steps_words(ancestor.depth),
            withdrawn_words(&ancestor.withdrawn)
        );
        it.add("withdrawn:ancestor", words);
    }
}

/// That it was withdrawn, under `name`; by which entry and why, under names below that.
fn of_withdrawn(name: &str, withdrawn: &Withdrawn<'_>, it: &mut Properties) {
    let withdrawal = withdrawn.withdrawal;
    it.add(name, "true");
    it.add(&format!("{name}:by"), format!("entry {}", withdrawn.by));
    it.add(&format!("{name}:reason"), withdrawal.reason.name());
    it.add(&format!("{name}:explanation"), &withdrawal.explanation);
    it.maybe(
        &format!("{name}:replacement"),
        withdrawal.replacement.as_ref(),
    );
}

/// `a parent`; `an ancestor, 2 steps up`.
fn steps_words(depth: usize) -> String {
    match depth {
        1 => "a parent".to_owned(),
        depth => format!("an ancestor, {depth} steps up"),
    }
}

fn of_weights(weights: &Weights, it: &mut Properties) {
    let strength = match weights.strength {
        Strength::Strong => "strong",
        Strength::Weak => "weak",
    };
    it.add("weights:strength", strength);
    let algorithms: Vec<_> = weights.algorithms.iter().map(|it| it.name()).collect();
    it.add("weights:algorithms", algorithms.join(" "));
    it.add(
        "weights:manifest",
        format!("sha256:{}", weights.manifest.digest.sha256),
    );
    it.add("weights:root", weights.root);
    it.add("weights:files", weights.files);
    it.maybe("weights:bytes", weights.bytes);
    it.maybe("weights:format", weights.format.as_ref());
    it.maybe("weights:parameters", weights.parameters);
    if let Some(chunks) = &weights.chunks {
        it.add("weights:chunks:root", chunks.root);
    }
    if let Some(tensors) = &weights.tensors {
        it.add("weights:tensors", tensors.count);
        it.add("weights:tensors:root", tensors.root);
    }
    if let Some(source) = &weights.source {
        it.maybe("weights:source", source.uri.as_ref());
        it.maybe("weights:source:note", source.note.as_ref());
        for (algorithm, digest) in source.digest.iter().flat_map(DigestSet::iter) {
            it.add(&format!("weights:source:{algorithm}"), digest);
        }
    }
}

fn of_card(card: &ModelCard, it: &mut Properties) {
    it.maybe("card:license", card.license.as_ref());
    let link = card.license_link.as_ref();
    it.maybe("card:license:link", link.filter(|link| !is_reference(link)));
    it.maybe("card:library", card.library_name.as_ref());
    for language in &card.languages {
        it.add("card:language", language);
    }
    it.maybe("card:evaluation-summary", card.evaluation_summary.as_ref());
}

fn of_training(config: &TrainingConfig, it: &mut Properties) {
    let digest = config.code.as_ref().and_then(|code| code.digest.as_ref());
    it.maybe("training:code", config.code.as_ref().map(|code| &code.uri));
    it.maybe("training:code:digest", digest.map(digest_words));
    if let Some(hardware) = &config.hardware {
        it.maybe("training:accelerator", hardware.accelerator.as_ref());
        it.maybe("training:accelerators", hardware.count);
        it.maybe("training:nodes", hardware.nodes);
        it.maybe("training:hardware:note", hardware.note.as_ref());
    }
    if let Some(duration) = &config.duration {
        it.maybe("training:started", duration.started.as_ref());
        it.maybe("training:finished", duration.finished.as_ref());
        it.maybe("training:wall-hours", duration.wall_hours);
        it.maybe("training:accelerator-hours", duration.accelerator_hours);
    }
    for checkpoint in &config.checkpoints {
        let step = checkpoint.step.map(|step| format!(", step {step}"));
        let digest = checkpoint
            .digest
            .as_ref()
            .map(|it| format!(", {}", digest_words(it)));
        let parts: String = [step, digest].into_iter().flatten().collect();
        it.add("training:checkpoint", format!("{}{parts}", checkpoint.name));
    }
}
