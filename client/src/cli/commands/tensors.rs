//! `candor prove-tensor`: some tensors of a release, with the hashes that lead to what its publisher signed.

use std::collections::BTreeSet;
use std::path::Path;

use candor_core::Verified;
use candor_core::bundle::{Bundle, TensorProof, VerifiedBundle};
use candor_core::record::ReleaseName;
use candor_core::weights::TensorList;
use serde_json::json;

use crate::bundle_maker::{Wanted, make_bundle};
use crate::cli::args::ProveTensorArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::text::{Text, Tone, counted};
use crate::cli::{Session, files};

/// How many names are told to whoever names one that is not there.
const NAMES_MAX: usize = 3;

/// A bundle, before and after its checks.
pub(super) type Checked = (Bundle, Verified<VerifiedBundle>);

/// Runs it.
pub fn prove(args: &ProveTensorArgs, session: &mut Session) -> Result<Exit, CliError> {
    if let Some(out) = &args.out {
        files::check_new(out)?;
    }
    let (bundle, verified) = bundle_of(&args.release, session)?;
    let (index, _) = verified
        .weights()
        .ok_or_else(|| without(&verified.release))?;
    let list = verified
        .tensor_lists
        .get(&index)
        .ok_or_else(|| without(&verified.release))?;
    let proof = list
        .prove(&indices(list, &args.names)?)
        .expect("each is the index of a tensor, once");
    let count = proof.tensors.len();
    let proof = TensorProof::new(bundle, proof);
    let text = proof.to_json();
    match &args.out {
        Some(file) => files::write(file, text.as_bytes())?,
        None => session.printer.verbatim_unless_json(text.as_bytes()),
    }
    let words = format!(
        "  {} of {}, of {}",
        counted(count as u64, "tensor", "tensors"),
        list.tensors().len(),
        verified.release
    );
    session
        .printer
        .note(Text::of(Tone::Good, "proven").plain(words));
    session.printer.json(&json!(proof));
    Ok(Exit::Holds)
}

/// The bundle that is meant: a file, or one of a release in the log.
pub(super) fn bundle_of(text: &str, session: &Session) -> Result<Checked, CliError> {
    let path = Path::new(text);
    match text.parse::<ReleaseName>() {
        Ok(release) if !path.exists() => {
            let client = session.settings.client()?;
            let made = make_bundle(&client, &session.settings.memory()?, &Wanted::own(&release))?;
            Ok((made.bundle, made.verified))
        }
        _ => {
            let bundle = files::read_bundle(path)?;
            let key = session.settings.log_key()?;
            let verified = bundle.verify(&key).map_err(|error| CliError::Bundle {
                path: path.to_owned(),
                error: Box::new(error),
            })?;
            Ok((bundle, verified))
        }
    }
}

/// The tensors of these names: each once, and all of a name that several have.
fn indices(list: &TensorList, names: &[String]) -> Result<Vec<usize>, CliError> {
    let mut indices = BTreeSet::new();
    for name in names {
        let before = indices.len();
        let all = list.tensors().iter().enumerate();
        indices.extend(
            all.filter(|(_, it)| it.tensor.name == *name)
                .map(|(at, _)| at),
        );
        let is_known = |at: &usize| list.tensors()[*at].tensor.name == *name;
        if indices.len() == before && !indices.iter().any(is_known) {
            let names: BTreeSet<_> = list.tensors().iter().map(|it| &it.tensor.name).collect();
            let some: Vec<_> = names
                .iter()
                .take(NAMES_MAX)
                .map(|name| name.as_str())
                .collect();
            return Err(CliError::Usage {
                what: format!("the release has no tensor {name:?}"),
                hint: format!(
                    "it has {}: {}{}",
                    counted(names.len() as u64, "name", "names"),
                    some.join(", "),
                    if names.len() > some.len() {
                        ", …"
                    } else {
                        ""
                    }
                ),
            });
        }
    }
    Ok(indices.into_iter().collect())
}

fn without(release: &ReleaseName) -> CliError {
    CliError::CouldNotTell {
        what: format!("there is no telling which tensors {release} has"),
        context: vec!["its weights record names none, or their list is not here".to_owned()],
        hint: format!(
            "ask its publisher for a release with tensors, which files in formats such as safetensors have; a bundle without the list: `candor prove-tensor {release} NAME` asks the log"
        ),
    }
}
