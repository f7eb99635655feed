//! What each kind of record says, in words.

use candor_core::bundle::LoggedRecord;
use candor_core::record::kinds::{
    ApiVersion, Attachment, Behind, Evaluation, ModelCard, Outcome, Parent, Publisher, Relation,
    Scope, Strength, SystemPrompt, TrainingConfig, Unnamed, Weights, Withdrawal,
};
use candor_core::record::{DigestSet, Predicate, Statement};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::{results, short};
use crate::cli::text::{Text, Tone, algorithms, bytes, counted, grouped, one_line, table};

/// How many settings of a training config are spelled out.
const SETTINGS_MAX: usize = 40;

/// How much of one setting's value is shown.
const SETTING_CHARS_MAX: usize = 60;

/// All that a record says.
///
/// `records` are those among which a withdrawal finds what it withdraws.
pub(super) fn lines(statement: &Statement, records: &[LoggedRecord]) -> Vec<Text> {
    let mut fields = Fields::new();
    match &statement.predicate {
        Predicate::Publisher(it) => publisher(it, &mut fields),
        Predicate::ModelCard(it) => model_card(it, &mut fields),
        Predicate::Weights(it) => weights(it, &mut fields),
        Predicate::TrainingConfig(it) => training_config(it, &mut fields),
        Predicate::ApiVersion(it) => api_version(it, &mut fields),
        Predicate::Evaluation(it) => evaluation(it, &mut fields),
        Predicate::Withdrawal(it) => withdrawal(it, statement, records, &mut fields),
    }
    fields.into_lines()
}

/// The gist of a record, for one line.
pub(super) fn gist(predicate: &Predicate) -> String {
    match predicate {
        Predicate::Publisher(it) => {
            format!(
                "{}, {}",
                it.display_name,
                counted(it.keys.len() as u64, "key", "keys")
            )
        }
        Predicate::ModelCard(it) => it
            .license
            .clone()
            .unwrap_or_else(|| it.document.name.clone()),
        Predicate::Weights(it) => format!(
            "{}{}",
            size(it),
            if is_weak(it) { ", WEAK digests" } else { "" }
        ),
        Predicate::TrainingConfig(it) => it.framework.as_ref().map_or_else(
            || it.document.name.clone(),
            |framework| framework.name.clone(),
        ),
        Predicate::ApiVersion(it) => format!("{} since {}", it.model_id, it.valid_from),
        Predicate::Evaluation(it) => format!(
            "{}, {}, {}",
            it.harness.name,
            counted(it.results.len() as u64, "value", "values"),
            it.outcome.name()
        ),
        Predicate::Withdrawal(it) => format!("{}: {}", it.reason.name(), it.explanation),
    }
}

fn publisher(it: &Publisher, fields: &mut Fields) {
    fields.row("Name", &it.display_name);
    fields.maybe("Page", it.url.as_ref());
    fields.maybe("Contact", it.contact.as_ref());
    for key in &it.keys {
        fields.row("Key", &key.keyid().to_string());
    }
    fields.maybe("Follows", it.previous.map(|digest| digest.to_string()));
}

fn model_card(it: &ModelCard, fields: &mut Fields) {
    let also: Vec<String> = [&it.license_name, &it.license_link]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let license = it.license.as_ref().map(|license| match also.as_slice() {
        [] => license.clone(),
        also => format!("{license} ({})", also.join(", ")),
    });
    fields.maybe("License", license);
    fields.maybe("Task", it.pipeline_tag.as_ref());
    fields.maybe("Library", it.library_name.as_ref());
    fields.list("Languages", &it.languages);
    fields.list("Tags", &it.tags);
    fields.list("Data sets", &it.datasets);
    for base in &it.base_models {
        let relation = base
            .relation
            .as_ref()
            .map(|relation| format!(" ({relation})"));
        fields.row(
            "Made from",
            &format!("{}{}", base.name, relation.unwrap_or_default()),
        );
    }
    fields.maybe("Intended use", it.intended_use.as_ref());
    fields.maybe("Limitations", it.limitations.as_ref());
    fields.maybe("Evaluation", it.evaluation_summary.as_ref());
    fields.row("Card", &attachment(&it.document));
    fields.block(results::card(&it.results));
}

fn weights(it: &Weights, fields: &mut Fields) {
    fields.row("Files", &size(it));
    let names = algorithms(&it.algorithms);
    if is_weak(it) {
        let only = match it.algorithms.as_slice() {
            [] => "of some files only git's (SHA-1)".to_owned(),
            _ => format!("only {names}"),
        };
        let words = format!(
            "{only}, which is WEAK: other files can be made to have the same digests, so a match is a hint and no proof."
        );
        fields.toned_row("Digests", Tone::Warning, &words);
    } else {
        fields.row("Digests", &names);
    }
    fields.row("Merkle root", &it.root.to_string());
    fields.maybe("Format", it.format.as_ref());
    fields.maybe("Parameters", it.parameters.map(grouped));
    if let Some(source) = &it.source {
        fields.maybe("Source", source.uri.as_ref());
        let published_as = source.digest.as_ref().map(|digest| {
            let digests = digest.iter();
            let digests = digests.map(|(algorithm, digest)| format!("{algorithm} {digest}"));
            digests.collect::<Vec<_>>().join(", ")
        });
        fields.maybe("Published as", published_as);
        fields.maybe("Note", source.note.as_ref());
    }
    fields.row("Manifest", &attachment(&it.manifest));
    if let Some(chunks) = &it.chunks {
        fields.row("Chunks", &attachment(&chunks.list));
        fields.row("Chunks root", &chunks.root.to_string());
    }
    if let Some(tensors) = &it.tensors {
        fields.row("Tensors", &grouped(tensors.count));
        fields.row("Tensor list", &attachment(&tensors.list));
        fields.row("Tensors root", &tensors.root.to_string());
    }
    for parent in &it.parents {
        let digest = parent.statement.to_string();
        let (made, release) = (relation_words(parent.relation), &parent.release);
        let words = format!(
            "{made} {release} (entry {}, record {})",
            parent.index,
            short(&digest)
        );
        fields.row("Parent", &words);
    }
}

fn training_config(it: &TrainingConfig, fields: &mut Fields) {
    if let Some(framework) = &it.framework {
        let parts = [
            Some(&framework.name),
            framework.version.as_ref(),
            framework.uri.as_ref(),
        ];
        fields.row(
            "Framework",
            &parts
                .into_iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    if let Some(code) = &it.code {
        fields.row(
            "Code",
            &format!("{}{}", code.uri, digests(code.digest.as_ref())),
        );
    }
    for data in &it.data {
        let tokens = data.tokens.map(|n| format!(", {} tokens", grouped(n)));
        let samples = data.samples.map(|n| format!(", {} samples", grouped(n)));
        let uri = data.uri.as_ref().map(|uri| format!(", {uri}"));
        let note = data.note.as_ref().map(|note| format!(". {note}"));
        let parts: String = [uri, tokens, samples, note].into_iter().flatten().collect();
        fields.row(
            "Data",
            &format!("{}{parts}{}", data.name, digests(data.digest.as_ref())),
        );
    }
    if let Some(hardware) = &it.hardware {
        let count = hardware.count.map(|n| format!("{} ×", grouped(n)));
        let nodes = hardware
            .nodes
            .map(|n| format!("in {}", counted(n, "machine", "machines")));
        let parts = [
            count,
            hardware.accelerator.clone(),
            nodes,
            hardware.note.clone(),
        ];
        fields.row(
            "Hardware",
            &parts.into_iter().flatten().collect::<Vec<_>>().join(" "),
        );
    }
    if let Some(duration) = &it.duration {
        let from = duration.started.as_ref().map(|time| format!("from {time}"));
        let to = duration.finished.as_ref().map(|time| format!("to {time}"));
        let wall = duration.wall_hours.map(|hours| format!("{hours} hours"));
        let all = duration
            .accelerator_hours
            .map(|hours| format!("{hours} accelerator hours"));
        fields.row(
            "Duration",
            &[from, to, wall, all]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    for parent in &it.parents {
        fields.row("Parent", &parent_words(parent));
    }
    if !it.checkpoints.is_empty() {
        let names: Vec<String> = it
            .checkpoints
            .iter()
            .map(|checkpoint| checkpoint.name.clone())
            .collect();
        fields.list("Checkpoints", &names);
    }
    fields.row("Config", &attachment(&it.document));
    settings("Hyperparameters", &it.hyperparameters, fields);
}

fn relation_words(relation: Relation) -> &'static str {
    match relation {
        Relation::FineTuneOf => "fine-tuned from",
        Relation::QuantizedFrom => "quantized from",
        Relation::MergedFrom => "merged from",
        Relation::DistilledFrom => "distilled from",
        Relation::AdapterFor => "adapter for",
        Relation::ConvertedFrom => "converted from",
    }
}

fn parent_words(parent: &Parent) -> String {
    let relation = relation_words(parent.relation);
    let record = parent
        .statement
        .map(|digest| format!(" (record {})", short(&digest.to_string())));
    format!(
        "{relation} {}{}",
        parent.release,
        record.unwrap_or_default()
    )
}

fn api_version(it: &ApiVersion, fields: &mut Fields) {
    fields.row("Provider", &it.provider);
    fields.row("Endpoint", &it.endpoint);
    let alias = if it.alias == Some(true) {
        ", which may be pointed at something else later"
    } else {
        ""
    };
    fields.row("Model id", &format!("{}{alias}", it.model_id));
    match &it.behind {
        Behind::Undisclosed(_) => fields.toned_row("Answered by", Tone::Warning, "undisclosed"),
        Behind::Release(behind) => {
            let record = behind
                .statement
                .map(|digest| format!(" (record {})", short(&digest.to_string())));
            fields.row(
                "Answered by",
                &format!("{}{}", behind.release, record.unwrap_or_default()),
            );
        }
    }
    match &it.system_prompt {
        None => {}
        Some(SystemPrompt::Unnamed(Unnamed::None)) => fields.row("System prompt", "none"),
        Some(SystemPrompt::Unnamed(Unnamed::Undisclosed)) => {
            fields.row("System prompt", "undisclosed");
        }
        Some(SystemPrompt::Named { digest }) => {
            fields.row("System prompt", &format!("sha256 {}", digest.sha256));
        }
    }
    fields.maybe(
        "Context length",
        it.context_length.map(|n| format!("{} tokens", grouped(n))),
    );
    fields.row("Valid from", &it.valid_from);
    fields.row(
        "Valid until",
        it.valid_until.as_deref().unwrap_or("no end known"),
    );
    fields.maybe("Replaces", it.replaces.as_ref().map(ToString::to_string));
    if let Some(Value::Object(decoding)) = it
        .decoding
        .as_ref()
        .and_then(|it| serde_json::to_value(it).ok())
    {
        settings("Defaults", &decoding, fields);
    }
}

fn evaluation(it: &Evaluation, fields: &mut Fields) {
    let parts = [
        Some(&it.harness.name),
        it.harness.version.as_ref(),
        it.harness.uri.as_ref(),
    ];
    let harness = parts
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    fields.row(
        "Harness",
        &format!("{harness}{}", digests(it.harness.digest.as_ref())),
    );
    let answered = it
        .answers
        .map(|digest| format!(" the claims of record {}", short(&digest.to_string())));
    let (tone, outcome) = match it.outcome {
        Outcome::Reported => (Tone::Plain, "reports values of its own"),
        Outcome::Reproduced => (Tone::Good, "reproduced"),
        Outcome::FailedToReproduce => (Tone::Bad, "failed to reproduce"),
    };
    fields.toned_row(
        "Outcome",
        tone,
        &format!("{outcome}{}", answered.unwrap_or_default()),
    );
    fields.maybe("Date", it.date.as_ref());
    if let Some(config) = &it.config {
        settings("Setup", &config.parameters, fields);
    }
    fields.maybe("Raw results", it.raw_results.as_ref().map(attachment));
    fields.block(results::evaluation(&it.results));
}

fn withdrawal(
    it: &Withdrawal,
    statement: &Statement,
    records: &[LoggedRecord],
    fields: &mut Fields,
) {
    let named = statement.subject.sha256;
    let found = records
        .iter()
        .find(|logged| logged.record.statement().digest == named);
    let scope = match (it.scope, found) {
        (Scope::Record, Some(logged)) => {
            let kind = logged.record.statement().kind();
            format!("entry {}, {kind}", logged.index)
        }
        (Scope::Record, None) => format!("one record, with the statement digest {named}"),
        (Scope::Release, _) => "everything that its author signed about the release".to_owned(),
    };
    fields.row("Withdraws", &scope);
    fields.row("Reason", it.reason.name());
    fields.row("Explanation", &it.explanation);
    fields.maybe(
        "Use instead",
        it.replacement.as_ref().map(ToString::to_string),
    );
}

fn is_weak(it: &Weights) -> bool {
    it.strength == Strength::Weak
}

fn size(it: &Weights) -> String {
    let files = counted(it.files, "file", "files");
    it.bytes.map_or_else(
        || format!("{files}, sizes unknown"),
        |total| format!("{files}, {}", bytes(total)),
    )
}

fn attachment(it: &Attachment) -> String {
    format!(
        "{}, {}, sha256 {}",
        it.name,
        bytes(it.size),
        it.digest.sha256
    )
}

fn digests(set: Option<&DigestSet>) -> String {
    let words = set
        .into_iter()
        .flat_map(DigestSet::iter)
        .map(|(algorithm, digest)| format!(", {algorithm} {digest}"));
    words.collect()
}

/// Settings under their own names, inner ones as `optimizer.params.lr`.
fn settings(name: &str, settings: &Map<String, Value>, fields: &mut Fields) {
    fn flatten(prefix: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                for (name, value) in inner {
                    flatten(&format!("{prefix}.{name}"), value, rows);
                }
            }
            // Names are as free as values, and as hostile.
            value => {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                rows.push(vec![
                    one_line(prefix, SETTING_CHARS_MAX),
                    one_line(&text, SETTING_CHARS_MAX),
                ]);
            }
        }
    }
    let mut rows = Vec::new();
    for (name, value) in settings {
        flatten(name, value, &mut rows);
    }
    if rows.is_empty() {
        return;
    }
    let more = rows.len().saturating_sub(SETTINGS_MAX);
    rows.truncate(SETTINGS_MAX);
    fields.row(
        name,
        &counted((rows.len() + more) as u64, "setting", "settings"),
    );
    fields.block(table(&rows));
    if more > 0 {
        fields.block([format!("… and {more} more; `--json` shows all")]);
    }
}
