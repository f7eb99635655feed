//! `candor withdraw`: takes back a release, or one record, for good.
//!
//! Always: who withdraws sees before what it is, and that it can't be undone. What was withdrawn already is left
//! as it is.

use candor_core::Sha256;
use candor_core::bundle::{LoggedRecord, Withdrawn, is_carried_by, release_withdrawn, withdrawn};
use candor_core::merkle::LeafIndex;
use candor_core::record::kinds::{Scope, Withdrawal};
use candor_core::record::{Kind, Predicate, PublisherName, ReleaseName, Statement, SubjectName};
use serde_json::json;

use super::{publish, show};
use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::args::{self, WithdrawArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::records::Parts;
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, page};
use crate::log_client::LogClient;
use crate::sources::Draft;

/// What is to be withdrawn.
struct Meant {
    /// For a sentence.
    words: String,
    /// What becomes of the release.
    effect: &'static str,
    release: ReleaseName,
    author: PublisherName,
    scope: Scope,
    /// The statement digest of the record, or of one of those.
    statement: Sha256,
    /// The entry that withdrew it already.
    by: Option<LeafIndex>,
}

/// Runs it.
pub fn run(args: &WithdrawArgs, session: &mut Session) -> Result<Exit, CliError> {
    let client = session.settings.client()?.for_writing();
    let meant = find(&args.target, &client, session)?;
    if let Some(by) = meant.by {
        let words = format!("  {}, by entry {by}", meant.words);
        let out = &mut session.printer;
        out.line(Text::of(Tone::Good, "withdrawn already").plain(words));
        out.json(&json!({ "release": meant.release, "withdrawnBy": by, "records": [] }));
        return Ok(Exit::Holds);
    }
    let parts = Parts::from(draft(args, &meant));
    let statements = parts.statements()?;
    let memory = session.settings.memory()?;
    publish::warn_of_unknown((&client, &memory), &statements, session)?;
    let key = session.settings.secret_key()?;
    if !args.yes {
        confirm(&meant, session)?;
    }
    let ready = parts.sign(|| Ok(key))?;
    let published = crate::publish::publish(&client, &memory, &ready.records, &ready.attachments)?;
    publish::print(&published, session);
    let out = &mut session.printer;
    out.line(Text::of(Tone::Good, "withdrawn ").plain(&meant.words));
    out.json(&json!({
        "release": meant.release,
        "withdrawnBy": published.first().map(|it| it.index),
        "records": publish::rows(&published),
    }));
    Ok(Exit::Holds)
}

fn draft(args: &WithdrawArgs, meant: &Meant) -> Draft {
    Draft {
        subject: SubjectName::Release(meant.release.clone()),
        sha256: meant.statement,
        predicate: Predicate::Withdrawal(Withdrawal {
            author: meant.author.clone(),
            scope: meant.scope,
            reason: args.reason,
            explanation: args.explanation.clone(),
            replacement: args.replacement.clone(),
            annotations: serde_json::Map::new(),
        }),
        attachments: Vec::new(),
    }
}

fn confirm(meant: &Meant, session: &mut Session) -> Result<(), CliError> {
    let (what, effect) = (&meant.words, meant.effect);
    let Some(answer) = session.settings.answer() else {
        return Err(CliError::Usage {
            what: format!(
                "withdrawing {what} can't be undone, and nobody is at a terminal to confirm it"
            ),
            hint: "look at it with `candor show`, and say `--yes` if it is meant".to_owned(),
        });
    };
    session.printer.warning(format!(
        "this withdraws {what}, and can't be undone: {effect}"
    ));
    session.printer.question("Type yes to withdraw it: ");
    if answer().is_some_and(|answer| answer.trim() == "yes") {
        return Ok(());
    }
    Err(CliError::Usage {
        what: "nothing was withdrawn".to_owned(),
        hint: "type yes if it is meant".to_owned(),
    })
}

fn find(target: &str, client: &LogClient, session: &Session) -> Result<Meant, CliError> {
    if let Ok(release) = target.parse::<ReleaseName>() {
        return find_release(release, client, session);
    }
    let (index, asked) = if let Ok(index) = args::index(target) {
        (LeafIndex::new(index), None)
    } else if let Ok(digest) = target.parse::<Sha256>() {
        session.settings.memory()?.fetch(client)?;
        (client.record_by_statement(digest)?.index, Some(digest))
    } else {
        return Err(CliError::Usage {
            what: format!("{target:?} is no release, entry or statement digest"),
            hint: "write a release as publisher/model@version, an entry as a number".to_owned(),
        });
    };
    let (logged, _) = show::look_up(client, index, asked, session)?;
    find_record(&logged, client, session)
}

fn find_release(
    release: ReleaseName,
    client: &LogClient,
    session: &Session,
) -> Result<Meant, CliError> {
    let made = make_bundle(client, &session.settings.memory()?, &Wanted::own(&release))?;
    let records = page::records_about(&release, &made.verified.records);
    let author = release.publisher().clone();
    let own = |statement: &&Statement| {
        *statement.publisher() == author && statement.kind() != Kind::Withdrawal
    };
    let statements = records.iter().map(|logged| logged.record.statement());
    let own: Vec<_> = statements.filter(own).collect();
    let Some(first) = own.first() else {
        return Err(CliError::Usage {
            what: format!("{author} has no record about {release} that could be withdrawn"),
            hint: "withdraw one record of your own by its index; `candor show` lists them"
                .to_owned(),
        });
    };
    let count = counted(own.len() as u64, "record", "records");
    Ok(Meant {
        words: format!("{release}, with {count} by {author}"),
        effect: "who verifies the release is told not to use it, and nothing is added to it any more",
        statement: first.digest,
        by: release_withdrawn(&release, &records).map(|it| it.by),
        scope: Scope::Release,
        author,
        release,
    })
}

fn find_record(
    logged: &LoggedRecord,
    client: &LogClient,
    session: &Session,
) -> Result<Meant, CliError> {
    let (index, statement) = (logged.index, logged.record.statement());
    let kind = statement.kind();
    let release = match statement.release() {
        Some(release) if kind != Kind::Withdrawal => release,
        Some(_) => return Err(CliError::Usage {
            what: format!("entry {index} is a withdrawal, and what was withdrawn stays so"),
            hint: "publish it again under another version".to_owned(),
        }),
        None => return Err(CliError::Usage {
            what: format!("entry {index} says which keys a publisher has, and can't be withdrawn"),
            hint: "`candor publisher rotate` takes keys off the list, `candor publisher update` changes the rest".to_owned(),
        }),
    };
    let author = statement.publisher().clone();
    let wanted = Wanted::own(release).with([author.clone()]);
    let made = make_bundle(client, &session.settings.memory()?, &wanted)?;
    let by = |it: Withdrawn<'_>| it.by;
    Ok(Meant {
        words: format!("entry {index}, the {kind} record of {release} by {author}"),
        effect: if is_carried_by(logged, &made.verified.records) {
            "the release falls with it, so who verifies the release is told not to use it"
        } else {
            "the release stands without it"
        },
        release: release.clone(),
        statement: statement.digest,
        scope: Scope::Record,
        by: withdrawn(logged, &made.verified.records).map(by),
        author,
    })
}
