//! `candor release --parent`: the releases that another is made from, looked up in the log.
//!
//! Always: what is named was proven to be in the log, and signed by those who had to. The log checks it again, and nobody
//! who reads it relies on that.

use candor_core::record::kinds::{ParentRecord, Strength};
use candor_core::record::lineage::{PARENTS_MAX, check_list};
use candor_core::record::{Kind, Predicate, ReleaseName};

use crate::bundle_maker::{BundleMakerError, Reach, Wanted, make_bundle};
use crate::cli::Session;
use crate::cli::args::ParentArg;
use crate::cli::error::CliError;
use crate::cli::page;
use crate::lineage::Lineage;
use crate::log_client::LogClient;
use crate::memory::Memory;

/// The records by which parents are named, the best first.
const KINDS: [Kind; 3] = [Kind::Weights, Kind::ApiVersion, Kind::ModelCard];

/// What is said of the parents of one release.
#[derive(Clone, Copy)]
pub(super) struct Parents<'a> {
    /// The release that is made from them.
    pub(super) release: &'a ReleaseName,
    /// As they were typed.
    pub(super) named: &'a [ParentArg],
    /// Whether they may have been withdrawn.
    pub(super) allow_withdrawn: bool,
}

/// Finds their records, in the order of the log: whatever order they are typed in, they make the same record.
pub(super) fn find(
    parents: Parents<'_>,
    (client, memory): (&LogClient, &Memory),
    session: &mut Session,
) -> Result<Vec<ParentRecord>, CliError> {
    if parents.named.len() > PARENTS_MAX {
        return Err(CliError::Usage {
            what: format!(
                "{} parents are named, and a release has at most {PARENTS_MAX}",
                parents.named.len()
            ),
            hint: "name those that it was made from directly; these have parents of their own"
                .to_owned(),
        });
    }
    let mut found = Vec::with_capacity(parents.named.len());
    for named in parents.named {
        found.push(find_one(
            named,
            parents.allow_withdrawn,
            (client, memory),
            session,
        )?);
    }
    found.sort_by_key(|parent| (parent.index, parent.relation));
    check_list(parents.release, &found).map_err(|error| CliError::Usage {
        what: error.to_string(),
        hint: "name each parent once, with `--parent RELATION:RELEASE`".to_owned(),
    })?;
    Ok(found)
}

fn find_one(
    named: &ParentArg,
    allow_withdrawn: bool,
    (client, memory): (&LogClient, &Memory),
    session: &mut Session,
) -> Result<ParentRecord, CliError> {
    let ParentArg { relation, release } = named;
    let made = match make_bundle(
        client,
        memory,
        &Wanted::lineage(release, Reach::OF_A_BUNDLE),
    ) {
        Err(BundleMakerError::NoSuchRelease(_)) => return Err(unknown(named)),
        made => made?,
    };
    let lineage = Lineage::of(&made.verified, Some(&made.ancestors), usize::MAX);
    if let Some(it) = lineage.nodes[0].known.and_then(|it| it.withdrawn) {
        let words = format!("the parent {release} is {}", page::withdrawn_words(&it));
        if !allow_withdrawn {
            return Err(CliError::Usage {
                what: words,
                hint: "make the release from another one; or say with `--allow-withdrawn` that this is what it was made from: everybody who verifies it is told"
                    .to_owned(),
            });
        }
        session.printer.warning(words);
    }
    for words in page::lineage::withdrawn_ancestors(&lineage) {
        session.printer.warning(format!("{release}: {words}"));
    }
    let records = page::records_about(release, &made.verified.records);
    let of_kind = |kind| {
        let mut records = records.iter();
        records.find(|logged| logged.record.statement().kind() == kind)
    };
    let logged = KINDS
        .into_iter()
        .find_map(of_kind)
        .ok_or_else(|| unknown(named))?;
    let statement = logged.record.statement();
    if let Predicate::Weights(weights) = &statement.predicate
        && weights.strength == Strength::Weak
    {
        session.printer.warning(format!(
            "the parent {release} has only weak digests: which files it is, they don't say for sure"
        ));
    }
    Ok(ParentRecord {
        relation: *relation,
        release: release.clone(),
        index: logged.index,
        statement: statement.digest,
    })
}

fn unknown(named: &ParentArg) -> CliError {
    CliError::CouldNotTell {
        what: format!(
            "the log has no weights, API version or card of {} by {}, so it can't be named as a parent",
            named.release,
            named.release.publisher()
        ),
        context: Vec::new(),
        hint: "check the name; a parent is published first, and in the same log".to_owned(),
    }
}
