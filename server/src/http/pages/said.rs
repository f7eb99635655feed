//! What a record says, by its kind: rows and at most one table. The statement itself stands below it, and is what counts.

use candor_core::Sha256;
use candor_core::record::kinds::{
    ApiVersion, Behind, Evaluation, ModelCard, Outcome, Publisher, Relation, Scope, Strength,
    SystemPrompt, TrainingConfig, Undisclosed, Unnamed, Weights, Withdrawal,
};
use candor_core::record::{
    DigestSet, Predicate, ReleaseName, Statement, UnsafeText, check_plain_text,
};
use serde_json::{Map, Value};

use super::release::{ShownFile, files_of};
use super::shown::{self, in_path, kind_name, shortened};
use crate::http::Log;
use crate::http::problem::Problem;
use crate::http::records::find;

/// How many rows a table has, and how many settings are spelled out.
const ROWS: usize = 50;
const SETTINGS: usize = 60;

/// How many files are shown.
const FILES: usize = 25;

/// How much of a text is shown: the statement has all of it.
const CHARS: usize = 600;

/// How many of a list are named.
const NAMED: usize = 32;

/// What a record says.
#[derive(Default)]
pub(super) struct Said {
    pub(super) rows: Vec<Row>,
    pub(super) table: Option<Table>,
    /// What to look out for.
    pub(super) notes: Vec<String>,
}

/// A name, and what there is to say.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) text: String,
    /// Where that is shown.
    pub(super) path: Option<String>,
    /// Whether it is a digest, an address or another thing that is copied.
    pub(super) is_code: bool,
}

pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// How many rows are not shown.
    pub(super) more: usize,
}

impl Said {
    /// Puts a statement into words.
    pub(super) async fn of(log: &Log, statement: &Statement) -> Result<Self, Problem> {
        let mut said = Self::default();
        match &statement.predicate {
            Predicate::Publisher(it) => said.publisher(log, it).await?,
            Predicate::ModelCard(it) => said.model_card(it),
            Predicate::Weights(it) => said.weights(log, it).await?,
            Predicate::TrainingConfig(it) => said.training_config(it),
            Predicate::ApiVersion(it) => said.api_version(it),
            Predicate::Evaluation(it) => said.evaluation(log, it).await?,
            Predicate::Withdrawal(it) => {
                said.withdrawal(log, it, statement.subject.sha256).await?;
            }
        }
        Ok(said)
    }

    fn add(&mut self, name: &str, text: impl AsRef<str>) -> &mut Row {
        self.rows.push(Row {
            name: shortened(name, 80),
            text: shortened(text.as_ref(), CHARS),
            path: None,
            is_code: false,
        });
        self.rows.last_mut().expect("it was just added")
    }

    fn maybe(&mut self, name: &str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.add(name, text);
        }
    }

    fn code(&mut self, name: &str, text: impl AsRef<str>) {
        self.add(name, text).is_code = true;
    }

    fn list(&mut self, name: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        let named = items.iter().take(NAMED).map(String::as_str);
        let mut text = named.collect::<Vec<_>>().join(", ");
        if items.len() > NAMED {
            text = format!("{text} and {} more", items.len() - NAMED);
        }
        self.add(name, text);
    }

    fn release(&mut self, name: &str, release: &ReleaseName) {
        let text = release.to_string();
        self.add(name, &text).path = Some(format!("/releases/{}", in_path(&text)));
    }

    /// A record that another one names by its statement digest.
    async fn record(&mut self, log: &Log, name: &str, digest: Sha256) -> Result<(), Problem> {
        let Some(found) = find(log, &digest.to_string()).await? else {
            self.code(name, format!("{digest}, which is not in this log"));
            return Ok(());
        };
        let row = found.row;
        let text = format!(
            "entry {}: {} of {}, by {}",
            row.index,
            kind_name(row.kind),
            row.subject,
            row.publisher
        );
        self.add(name, text).path = Some(format!("/records/{}", row.index));
        Ok(())
    }

    fn table(&mut self, name: &'static str, head: &[&'static str], rows: Vec<Vec<String>>) {
        let more = rows.len().saturating_sub(ROWS);
        self.table_of(name, head, rows.into_iter().take(ROWS).collect(), more);
    }

    fn table_of(
        &mut self,
        name: &'static str,
        head: &[&'static str],
        rows: Vec<Vec<String>>,
        more: usize,
    ) {
        if !rows.is_empty() {
            self.table = Some(Table {
                name,
                head: head.to_vec(),
                rows,
                more,
            });
        }
    }

    async fn publisher(&mut self, log: &Log, it: &Publisher) -> Result<(), Problem> {
        self.add("Name", &it.display_name);
        self.maybe("Home page", it.url.as_ref());
        self.maybe("Contact", it.contact.as_ref());
        for key in it.keys.iter().take(NAMED) {
            self.code("Key that counts", key.keyid().to_string());
        }
        let Some(previous) = it.previous else {
            self.add("What it does", "registers the publisher");
            return Ok(());
        };
        self.record(log, "Takes the place of", previous).await
    }

    fn model_card(&mut self, it: &ModelCard) {
        self.maybe("Licence", it.license.as_ref());
        self.maybe("Licence's name", it.license_name.as_ref());
        self.maybe("Licence's text", it.license_link.as_ref());
        self.maybe("Task", it.pipeline_tag.as_ref());
        self.maybe("Library", it.library_name.as_ref());
        self.list("Languages", &it.languages);
        self.list("Tags", &it.tags);
        self.list("Data sets", &it.datasets);
        let bases = it.base_models.iter().map(|base| match &base.relation {
            Some(relation) => format!("{} ({relation})", base.name),
            None => base.name.clone(),
        });
        self.list("Made from", &bases.collect::<Vec<_>>());
        self.maybe("Intended use", it.intended_use.as_ref());
        self.maybe("Limitations", it.limitations.as_ref());
        self.maybe("Evaluation", it.evaluation_summary.as_ref());
        let mut rows = Vec::new();
        for result in &it.results {
            let dataset = &result.dataset;
            let on = dataset.name.as_ref().unwrap_or(&dataset.dataset_type);
            rows.extend(result.metrics.iter().map(|metric| {
                let name = metric.name.as_ref().unwrap_or(&metric.metric_type);
                vec![cell(on), cell(name), cell(&plain(&metric.value))]
            }));
        }
        self.table("What its makers measured", &["On", "Metric", "Value"], rows);
    }

    async fn weights(&mut self, log: &Log, it: &Weights) -> Result<(), Problem> {
        self.add("Files", it.files.to_string());
        let size = it.bytes.map(shown::bytes);
        self.add("Size", size.as_deref().unwrap_or("not published"));
        self.maybe("Format", it.format.as_ref());
        self.maybe("Parameters", it.parameters.map(shown::count));
        let algorithms = it.algorithms.iter().map(ToString::to_string);
        self.list("Digests of every file", &algorithms.collect::<Vec<_>>());
        self.code("Merkle root", it.root.to_string());
        if it.strength == Strength::Weak {
            self.notes.push(
                "Only weak digests of these files were published (MD5, SHA-1 or git's): a file with the right digest \
                 may have been made to have it."
                    .to_owned(),
            );
        }
        if let Some(source) = &it.source {
            if let Some(uri) = &source.uri {
                self.code("Where its digests are from", uri);
            }
            self.maybe("About that", source.note.as_ref());
            self.digests("Published there as", source.digest.as_ref());
        }
        if let Some(tensors) = &it.tensors {
            self.add("Tensors", tensors.count.to_string());
            self.code("Root over the tensors", tensors.root.to_string());
        }
        if let Some(chunks) = &it.chunks {
            self.code("Root over the chunks", chunks.root.to_string());
        }
        for parent in it.parents.iter().take(NAMED) {
            self.release(relation_words(parent.relation), &parent.release);
        }
        let (_, files) = files_of(log, it, 0, FILES).await?;
        let total = usize::try_from(it.files).unwrap_or(usize::MAX);
        let more = total.saturating_sub(files.len());
        let row = |it: ShownFile| {
            let size = it.size.unwrap_or_else(|| "not published".to_owned());
            vec![it.path, size, format!("{}:{}", it.algorithm, it.digest)]
        };
        let rows = files.into_iter().map(row).collect();
        self.table_of("Files", &["Path", "Size", "Digest"], rows, more);
        Ok(())
    }

    fn training_config(&mut self, it: &TrainingConfig) {
        if let Some(framework) = &it.framework {
            let version = framework.version.as_deref().unwrap_or_default();
            self.add("Framework", format!("{} {version}", framework.name));
        }
        if let Some(code) = &it.code {
            self.code("Code", &code.uri);
            self.digests("Commit", code.digest.as_ref());
        }
        let data = it.data.iter().map(|it| match it.tokens {
            Some(tokens) => format!("{}, {} tokens", it.name, shown::count(tokens)),
            None => it.name.clone(),
        });
        self.list("Data", &data.collect::<Vec<_>>());
        if let Some(hardware) = &it.hardware {
            let count = hardware.count.map(|it| format!("{it} ×"));
            let nodes = hardware.nodes.map(|it| match it {
                1 => "in 1 machine".to_owned(),
                it => format!("in {it} machines"),
            });
            let accelerator = hardware.accelerator.clone();
            let parts = [count, accelerator, nodes, hardware.note.clone()];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            self.add("Hardware", parts.join(" "));
        }
        if let Some(duration) = &it.duration {
            self.maybe("Started", duration.started.as_ref());
            self.maybe("Finished", duration.finished.as_ref());
            self.maybe("Hours", duration.wall_hours.map(|it| it.to_string()));
            let hours = duration.accelerator_hours;
            self.maybe("Accelerator hours", hours.map(|it| it.to_string()));
        }
        for parent in it.parents.iter().take(NAMED) {
            self.release(relation_words(parent.relation), &parent.release);
        }
        let checkpoints = it.checkpoints.iter().map(|it| it.name.clone());
        self.list("Checkpoints kept", &checkpoints.collect::<Vec<_>>());
        self.settings(&it.hyperparameters);
    }

    fn api_version(&mut self, it: &ApiVersion) {
        self.add("Provider", &it.provider);
        for (name, text) in settings_of_api(it) {
            self.add(name, text);
        }
        match &it.behind {
            Behind::Undisclosed(Undisclosed::Undisclosed) => {
                self.add("What answers", "its provider does not disclose it");
            }
            Behind::Release(it) => self.release("What answers", &it.release),
        }
        self.add("From", &it.valid_from);
        let until = it.valid_until.as_deref();
        self.add("Until", until.unwrap_or("no end is known"));
        if let Some(replaces) = &it.replaces {
            self.release("Takes the place of", replaces);
        }
    }

    async fn evaluation(&mut self, log: &Log, it: &Evaluation) -> Result<(), Problem> {
        let outcome = match it.outcome {
            Outcome::Reported => "reports values of its own",
            Outcome::Reproduced => "tried what was claimed, and found it",
            Outcome::FailedToReproduce => "tried what was claimed, and did not find it",
        };
        self.add("Outcome", outcome);
        if let Some(answers) = it.answers {
            self.record(log, "What was claimed", answers).await?;
        }
        if it.outcome == Outcome::FailedToReproduce {
            let author = &it.author;
            let note = format!("{author} says that it tried, and did not find what was claimed.");
            self.notes.push(note);
        }
        let version = it.harness.version.as_deref().unwrap_or_default();
        self.add("Harness", format!("{} {version}", it.harness.name));
        if let Some(uri) = &it.harness.uri {
            self.code("Where that is", uri);
        }
        self.digests("Commit", it.harness.digest.as_ref());
        self.maybe("When it ran", it.date.as_ref());
        if let Some(config) = &it.config {
            // In one row under a name of ours: their own could be those of other rows.
            self.maybe("Settings of the harness", spelled_out(&config.parameters));
        }
        let rows = it.results.iter().map(|it| {
            let count = |it: Option<u64>| it.map(|it| it.to_string()).unwrap_or_default();
            vec![
                cell(&it.task),
                cell(&it.metric),
                shown::value(it.value, it.standard_error),
                count(it.samples),
                count(it.few_shot),
            ]
        });
        let head = ["Task", "Metric", "Value", "Samples", "Shots"];
        self.table(
            "Values, with standard errors",
            &head,
            rows.collect::<Vec<_>>(),
        );
        Ok(())
    }

    async fn withdrawal(
        &mut self,
        log: &Log,
        it: &Withdrawal,
        withdrawn: Sha256,
    ) -> Result<(), Problem> {
        let scope = match it.scope {
            Scope::Record => "one record",
            Scope::Release => "the release, with all that its author signed about it",
        };
        self.add("Takes back", scope);
        self.record(log, "Which record", withdrawn).await?;
        self.add("Reason", it.reason.name());
        self.add("In its author's words", &it.explanation);
        if let Some(replacement) = &it.replacement {
            self.release("Use instead", replacement);
        }
        Ok(())
    }

    fn digests(&mut self, name: &str, set: Option<&DigestSet>) {
        for (algorithm, digest) in set.into_iter().flat_map(DigestSet::iter) {
            self.code(name, format!("{algorithm}:{digest}"));
        }
    }

    fn settings(&mut self, settings: &Map<String, Value>) {
        let rows = flat(settings);
        let more = rows.len().saturating_sub(SETTINGS);
        let rows = rows.into_iter().take(SETTINGS);
        let rows = rows.map(|(name, value)| vec![name, value]).collect();
        self.table_of("Settings", &["Setting", "Value"], rows, more);
    }
}

/// What an API answers with, as its provider says, in words: what its pages show, too.
pub(super) fn settings_of_api(it: &ApiVersion) -> Vec<(&'static str, String)> {
    let mut said = vec![("Endpoint", shortened(&it.endpoint, CHARS))];
    let model_id = shortened(&it.model_id, CHARS);
    said.push((
        "Model, as clients name it",
        match it.alias {
            Some(true) => format!("{model_id}, which may be pointed at something else later"),
            Some(false) => format!("{model_id}, which is not pointed at anything else later"),
            None => model_id,
        },
    ));
    if let Some(Value::Object(decoding)) =
        (it.decoding.as_ref()).and_then(|it| serde_json::to_value(it).ok())
    {
        let settings = spelled_out(&decoding);
        said.extend(settings.map(|it| ("Settings, if the client names none", it)));
    }
    if let Some(prompt) = &it.system_prompt {
        let words = match prompt {
            SystemPrompt::Unnamed(Unnamed::None) => "there is none".to_owned(),
            SystemPrompt::Unnamed(Unnamed::Undisclosed) => "not disclosed".to_owned(),
            SystemPrompt::Named { digest } => {
                format!("the text with the SHA-256 {}", digest.sha256)
            }
        };
        said.push(("System prompt", words));
    }
    if let Some(tokens) = it.context_length {
        said.push(("Context", format!("{tokens} tokens")));
    }
    said
}

/// Settings under their own names, inner ones as `optimizer.lr`.
fn flat(settings: &Map<String, Value>) -> Vec<(String, String)> {
    fn add(prefix: &str, value: &Value, rows: &mut Vec<(String, String)>) {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                for (name, value) in inner {
                    add(&format!("{prefix}.{name}"), value, rows);
                }
            }
            value => rows.push((cell(prefix), cell(&plain(value)))),
        }
    }
    let mut rows = Vec::new();
    for (name, value) in settings {
        add(name, value, &mut rows);
    }
    rows
}

/// Settings in one line; nothing if there are none.
fn spelled_out(settings: &Map<String, Value>) -> Option<String> {
    let rows = flat(settings);
    let named = rows.iter().take(NAMED);
    let mut named: Vec<String> = named.map(|(name, it)| format!("{name} {it}")).collect();
    if rows.len() > NAMED {
        named.push(format!("and {} more", rows.len() - NAMED));
    }
    (!rows.is_empty()).then(|| named.join(", "))
}

/// Text without its quotes, and everything else as JSON.
fn plain(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
}

/// A name or a value of somebody else's choice. Names of settings may be any text: what would reorder or hide the text
/// around it is shown as what it is.
fn cell(text: &str) -> String {
    let is_shown = |c: char| {
        !matches!(
            check_plain_text(c.encode_utf8(&mut [0; 4])),
            Err(UnsafeText::Control(_) | UnsafeText::Invisible(_))
        )
    };
    let mut shown = String::with_capacity(text.len());
    for c in shortened(text, 120).chars() {
        if is_shown(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

fn relation_words(relation: Relation) -> &'static str {
    match relation {
        Relation::FineTuneOf => "Fine-tuned from",
        Relation::QuantizedFrom => "Quantized from",
        Relation::MergedFrom => "Merged from",
        Relation::DistilledFrom => "Distilled from",
        Relation::AdapterFor => "Adapter for",
        Relation::ConvertedFrom => "Converted from",
    }
}
