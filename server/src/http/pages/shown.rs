//! What several pages show in one way: names with their links, times, sizes, and records with their verdicts.

use std::fmt::Write as _;

use candor_core::record::Kind;
use candor_core::record::kinds::Withdrawal;

use crate::calendar::rfc3339_of_ms;
use crate::catalogue::Release;
use crate::storage::RecordRow;

/// How a name stands in a path. A plus sign means itself there, but some servers and proxies read it as a space.
pub(super) fn in_path(name: &str) -> String {
    name.replace('+', "%2B")
}

/// Text between tags, where nothing but `&`, `<` and `>` needs to be written otherwise. JSON is full of quotes, each of
/// which would take five bytes.
pub(super) struct BetweenTags(pub(super) String);

impl std::fmt::Display for BetweenTags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A time for people, to the second.
pub(super) fn time(ms: Option<i64>) -> Option<String> {
    let text = rfc3339_of_ms(ms?)?;
    Some(text.replace('T', " ").replace('Z', " UTC"))
}

/// Bytes for people, in the units that disks are sold in.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    let mut unit = 0;
    let mut size = bytes as f64 / 1_000.0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1_000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A count for people: 66 billion parameters are 66.0 B.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
pub(super) fn count(number: u64) -> String {
    const UNITS: [(&str, u64); 3] = [
        ("T", 1_000_000_000_000),
        ("B", 1_000_000_000),
        ("M", 1_000_000),
    ];
    for (unit, size) in UNITS {
        if number >= size {
            return format!("{:.1} {unit}", number as f64 / size as f64);
        }
    }
    number.to_string()
}

/// `1 release`, `2 releases`.
pub(super) fn counted(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A measured value, with as many digits as it is known to.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is from 0 to 6"
)]
pub(super) fn value(value: f64, error: Option<f64>) -> String {
    match error {
        Some(error) if error > 0.0 && error < 1e6 => {
            let digits = (1.0 - error.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.digits$} ± {error:.digits$}")
        }
        Some(error) => format!("{} ± {error}", short(value)),
        None => short(value),
    }
}

fn short(value: f64) -> String {
    if value.abs() >= 1e6 || (value != 0.0 && value.abs() < 1e-4) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a kind of record is called in a sentence.
pub(in crate::http) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Publisher => "publisher",
        Kind::ModelCard => "model card",
        Kind::Weights => "weights",
        Kind::TrainingConfig => "training config",
        Kind::ApiVersion => "API version",
        Kind::Evaluation => "evaluation",
        Kind::Withdrawal => "withdrawal",
    }
}

/// Why something was withdrawn.
pub(super) struct ShownWithdrawal {
    pub(super) reason: &'static str,
    pub(super) explanation: String,
    /// What to use instead, and where it is shown.
    pub(super) replacement: Option<(String, String)>,
}

impl ShownWithdrawal {
    pub(super) fn of(it: &Withdrawal) -> Self {
        Self {
            reason: it.reason.name(),
            explanation: shortened(&it.explanation, EXPLANATION_CHARS_MAX),
            replacement: it.replacement.as_ref().map(|name| {
                let name = name.to_string();
                let path = format!("/releases/{}", in_path(&name));
                (name, path)
            }),
        }
    }
}

/// How much of an explanation stands in a notice: its record has all of it.
const EXPLANATION_CHARS_MAX: usize = 400;

/// The first characters of a text, and a sign that there are more.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A record in a list.
pub(super) struct Listed {
    pub(super) index: u64,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    /// Where its subject is shown.
    pub(super) subject_path: String,
    pub(super) publisher: String,
    pub(super) withdrawn_by: Option<u64>,
    /// When the server took it, for people.
    pub(super) accepted: Option<String>,
    pub(super) statement: String,
}

impl Listed {
    pub(super) fn of(row: &RecordRow) -> Self {
        let list = match row.kind {
            Kind::Publisher => "publishers",
            Kind::ModelCard
            | Kind::Weights
            | Kind::TrainingConfig
            | Kind::ApiVersion
            | Kind::Evaluation
            | Kind::Withdrawal => "releases",
        };
        Self {
            index: row.index.get(),
            kind: kind_name(row.kind),
            subject: row.subject.clone(),
            subject_path: format!("/{list}/{}", in_path(&row.subject)),
            publisher: row.publisher.to_string(),
            withdrawn_by: row.withdrawn_by.map(candor_core::merkle::LeafIndex::get),
            accepted: time(row.accepted_ms),
            statement: row.statement.to_string(),
        }
    }
}

/// A release in a list.
pub(super) struct ListedRelease {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) model: String,
    pub(super) version: String,
    pub(super) publisher: String,
    pub(super) kinds: String,
    pub(super) licence: Option<String>,
    pub(super) task: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) bytes: Option<String>,
    pub(super) parameters: Option<String>,
    pub(super) evaluations: i64,
    pub(super) fallen_by: Option<i64>,
    pub(super) logged: Option<String>,
}

impl ListedRelease {
    pub(super) fn of(release: &Release) -> Self {
        let kinds: Vec<&str> = release.kinds().into_iter().map(kind_name).collect();
        let number = |it: i64| u64::try_from(it).unwrap_or_default();
        Self {
            path: format!("/releases/{}", in_path(&release.name)),
            version: release
                .name
                .split_once('@')
                .map(|(_, version)| version.to_owned())
                .unwrap_or_default(),
            name: release.name.clone(),
            model: release.model.clone(),
            publisher: release.publisher.clone(),
            kinds: kinds.join(", "),
            licence: release.licence.clone(),
            task: release.task.clone(),
            summary: release.summary.clone(),
            bytes: release.bytes.map(number).map(bytes),
            parameters: release.parameters.map(number).map(count),
            evaluations: release.evaluations,
            fallen_by: release.fallen_by,
            logged: time(release.accepted_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (999_950, "1.0 MB"),
            (350_000_000_000, "350.0 GB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(count(66_000_000_000), "66.0 B");
        assert_eq!(count(812), "812");
        for (measured, error, text) in [
            (0.379_002_5, Some(0.006_758), "0.3790 ± 0.0068"),
            (26.021, Some(0.941_9), "26.02 ± 0.94"),
            (0.5, None, "0.5"),
            (1e-9, None, "1.000e-9"),
            (0.5, Some(0.0), "0.5 ± 0"),
        ] {
            assert_eq!(value(measured, error), text);
        }
    }
}
