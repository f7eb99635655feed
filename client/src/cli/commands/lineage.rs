//! `candor lineage`: a release's ancestors, and whether the log bears out what is said of them.
//!
//! ```text
//! release ──► bundle of its ancestors' records, from the log ──┐
//! bundle from a file ──────────────────────────────────────────┴─► Lineage ──► text, DOT, JSON
//! ```
//!
//! A withdrawal is shown wherever it reaches, and refutes no edge: what was withdrawn is still what the release was made
//! from.

use std::path::Path;

use candor_core::Verified;
use candor_core::bundle::VerifiedBundle;
use candor_core::record::ReleaseName;
use serde_json::json;

use crate::bundle_maker::{Ancestors, Reach, Wanted, make_bundle};
use crate::cli::args::{Format, LineageArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::page::lineage::{dot, drawing, edge_words, lineage_json};
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, files, page};
use crate::lineage::{Edge, Lineage, State};

/// The most edges that are told one by one as errors.
const ERRORS_MAX: usize = 20;

/// Runs it.
pub fn run(args: &LineageArgs, session: &mut Session) -> Result<Exit, CliError> {
    let is_other = matches!(args.format, Some(Format::Text | Format::Dot));
    if session.printer.is_json() && is_other {
        return Err(CliError::Usage {
            what: "`--json` and `--format` ask for different things".to_owned(),
            hint: "leave one of them out".to_owned(),
        });
    }
    let depth = args.depth.map_or(usize::MAX, usize::from);
    let (bundle, ancestors) = records(&args.target, depth, session)?;
    let lineage = Lineage::of(&bundle, ancestors.as_ref(), depth);
    let exit = exit(&lineage);
    let mut object = lineage_json(&lineage);
    object["verdict"] = json!(exit.verdict());
    object["exit"] = json!(exit.code());
    object["source"] = json!(if ancestors.is_some() { "log" } else { "bundle" });
    object["checkpoint"] = page::checkpoint_json(&bundle.checkpoint);
    session.printer.json(&object);
    if session.printer.is_json() {
        return Ok(exit);
    }
    if args.format == Some(Format::Dot) {
        for line in dot(&lineage).lines() {
            session.printer.line(line);
        }
    } else {
        for line in drawing(&lineage) {
            session.printer.line(line);
        }
        session.printer.blank();
        session.printer.line(counts(&lineage, &bundle));
    }
    if ancestors.is_none() {
        let words = format!(
            "whether anything was withdrawn is not known: whoever made the bundle may have left it out, and it has nothing that came after the checkpoint's {}; `candor lineage {}` asks the log",
            counted(bundle.checkpoint.head.size.get(), "entry", "entries"),
            bundle.release
        );
        session.printer.note(words);
    }
    match exit {
        Exit::Holds | Exit::BadInput => Ok(exit),
        Exit::Refuted => check(&lineage).map(|()| exit),
        Exit::CouldNotTell => {
            let mut context = errors(&lineage, |edge| matches!(edge.state, State::Open(_)));
            if lineage.is_cut {
                context.push(format!(
                    "there are more ancestors than the {} that are looked at",
                    lineage.nodes.len() - 1
                ));
            }
            Err(CliError::CouldNotTell {
                what: format!("there is no telling about all ancestors of {}", bundle.release),
                context,
                hint: "ask again later, or for an ancestor by itself; `candor log` walks through all entries, and shows what lists leave out"
                    .to_owned(),
            })
        }
    }
}

/// An error, if the log has something else than is named as a parent.
pub(super) fn check(lineage: &Lineage<'_>) -> Result<(), CliError> {
    let context = errors(lineage, |edge| matches!(edge.state, State::Refuted(_)));
    if context.is_empty() {
        return Ok(());
    }
    Err(CliError::Refuted {
        what: format!(
            "the log has something else than {} names as its ancestors",
            lineage.nodes[0].release
        ),
        context,
        hint: "the log should not have taken such a record: keep the output, and tell its operator and a witness"
            .to_owned(),
    })
}

/// The records that there are of a release and its ancestors, and what became of those that there are not, where the log
/// was asked.
fn records(
    target: &str,
    depth: usize,
    session: &Session,
) -> Result<(Verified<VerifiedBundle>, Option<Ancestors>), CliError> {
    let path = Path::new(target);
    match target.parse::<ReleaseName>() {
        Ok(_) if path.exists() => Err(CliError::Usage {
            what: format!(
                "{target:?} is a release's name, and there is a file or folder of that name"
            ),
            hint: format!(
                "write ./{target} for what is here; for what is in the log, run the command in another folder"
            ),
        }),
        Ok(release) => {
            let client = session.settings.client()?;
            let wanted = Wanted::lineage(
                &release,
                Reach {
                    depth,
                    ..Reach::FAR
                },
            );
            let made = make_bundle(&client, &session.settings.memory()?, &wanted)?;
            Ok((made.verified, Some(made.ancestors)))
        }
        Err(_) if !path.exists() => Err(CliError::Usage {
            what: format!("{target:?} is no release's name, and no file here"),
            hint: "write publisher/model@version, or the path of a .candor bundle".to_owned(),
        }),
        Err(_) => {
            let key = session.settings.log_key()?;
            let verified = files::read_bundle(path)?.verify(&key);
            let verified = verified.map_err(|error| CliError::Bundle {
                path: path.to_owned(),
                error: Box::new(error),
            })?;
            Ok((verified, None))
        }
    }
}

/// What the edges come to. What is named by name alone is shown as that, and leaves nothing open: it says no more.
fn exit(lineage: &Lineage<'_>) -> Exit {
    let any = |is: fn(&State) -> bool| lineage.edges.iter().any(|edge| is(&edge.state));
    if any(|state| matches!(state, State::Refuted(_))) {
        Exit::Refuted
    } else if lineage.is_cut || any(|state| matches!(state, State::Open(_))) {
        Exit::CouldNotTell
    } else {
        Exit::Holds
    }
}

/// `3 edges checked of 4, to 3 releases, against the checkpoint of example.org/candor with 12 entries`.
fn counts(lineage: &Lineage<'_>, bundle: &VerifiedBundle) -> Text {
    let against = page::tree_words(&bundle.checkpoint);
    if lineage.is_empty() {
        let words = format!("no parents are named, in the tree of {against}");
        return Text::of(Tone::Dim, words);
    }
    let checked = lineage.edges.iter();
    let checked = checked.filter(|edge| edge.state == State::Checked).count();
    let words = format!(
        "  {checked} of {}, to {}, against the checkpoint of {against}",
        counted(lineage.edges.len() as u64, "edge", "edges"),
        counted(lineage.nodes.len() as u64 - 1, "release", "releases")
    );
    Text::of(Tone::Good, "checked").with(Tone::Dim, words)
}

fn errors(lineage: &Lineage<'_>, is: fn(&Edge<'_>) -> bool) -> Vec<String> {
    let all: Vec<_> = lineage.edges.iter().filter(|edge| is(edge)).collect();
    let mut words: Vec<_> = all
        .iter()
        .take(ERRORS_MAX)
        .map(|edge| edge_words(lineage, edge))
        .collect();
    if let Some(more) = all.len().checked_sub(ERRORS_MAX).filter(|it| *it > 0) {
        words.push(format!(
            "and {more} more; `candor lineage --json` lists all"
        ));
    }
    words
}
