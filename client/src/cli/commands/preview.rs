//! What would be published, for `--dry-run`: nothing is signed, and nothing of it leaves this machine.

use candor_core::record::{Predicate, Statement};
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::text::{Text, Tone, bytes};

/// A line for each record, and one for each document that it names.
pub(super) fn print(statements: &[Statement], session: &mut Session) {
    let out = &mut session.printer;
    for statement in statements {
        let what = format!("{:<15}  ", statement.kind().name());
        let of = format!("  sha256 {}", statement.subject.sha256);
        out.line(
            Text::of(Tone::Warning, "would publish  ")
                .plain(what)
                .with(Tone::Strong, statement.subject.name.to_string())
                .with(Tone::Dim, of),
        );
        if let Predicate::Weights(weights) = &statement.predicate {
            for parent in &weights.parents {
                let (relation, release) = (parent.relation.name(), &parent.release);
                let words = format!(
                    "               {relation} {release}, entry {}",
                    parent.index
                );
                out.line(Text::of(Tone::Dim, words));
            }
        }
        for document in statement.predicate.attachments() {
            let (name, size) = (&document.name, bytes(document.size));
            let digest = document.digest.sha256;
            out.line(Text::of(
                Tone::Dim,
                format!("               with {name}, {size}, sha256 {digest}"),
            ));
        }
    }
    out.note("dry run: nothing was signed or sent");
    out.note(Text::of(Tone::Dim, "not checked  ").plain(
        "whether the log takes it: who may publish there, and what it has of the release already",
    ));
}

/// The same as JSON, with the statements as they would be signed.
pub(super) fn rows(statements: &[Statement]) -> Vec<Value> {
    let row = |statement: &Statement| {
        json!({
            "kind": statement.kind(),
            "subject": { "name": statement.subject.name.to_string(), "sha256": statement.subject.sha256 },
            "statement": statement.digest,
            "statementJson": statement.json(),
            "attachments": statement.predicate.attachments(),
        })
    };
    statements.iter().map(row).collect()
}
