//! Folders as others left them: with Git LFS pointers in the place of files, as checkouts and as downloads.

use candor_client::hashing::Options;
use candor_client::sources::{ReleaseDrafts, ReleaseFolder, SourceError, release_drafts};
use candor_core::Sha256;
use candor_core::record::kinds::Source;
use candor_core::record::{Algorithm, Predicate};
use tempfile::TempDir;

use super::imports::{COMMIT, sha256};
use super::{folder, release};

const CARD: (&str, &[u8]) = ("README.md", b"---\nlicense: mit\n---\n");

fn pointer(contents: &str) -> String {
    let (sha256, size) = (sha256(contents), contents.len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

fn drafts_of(folder: &TempDir, from_pointers: bool) -> Result<ReleaseDrafts, SourceError> {
    let of = ReleaseFolder {
        folder: folder.path(),
        release: &release(),
        config: None,
        as_bytes: &[],
        from_pointers,
        source: None,
    };
    let drafts = release_drafts(of, Options::default(), &mut |_| {})?;
    for draft in &drafts.drafts {
        draft.check().expect("the log would take it");
    }
    Ok(drafts)
}

fn source_of(drafts: &ReleaseDrafts) -> Option<Source> {
    match &drafts.drafts[0].predicate {
        Predicate::Weights(weights) => weights.source.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pointers_are_no_release_unless_they_are_asked_for() {
    let weights = "weights ".repeat(2_000_000);
    let folder = folder(&[
        CARD,
        ("model.safetensors", pointer(&weights).as_bytes()),
        ("a/model.bin", pointer("others").as_bytes()),
    ]);
    let error = drafts_of(&folder, false).expect_err("pointers");
    assert!(matches!(&error, SourceError::Pointers { pointers, of: 3, .. } if pointers.len() == 2));
    let drafts = drafts_of(&folder, true).expect("asked for");
    let file = drafts
        .manifest
        .file(&"model.safetensors".parse().expect("a path"));
    let file = file.expect("listed");
    assert_eq!(file.size, Some(weights.len() as u64));
    assert_eq!(file.digest.to_sha256(), Some(Sha256::of(&weights)));
    let card = drafts.manifest.file(&"README.md".parse().expect("a path"));
    assert_eq!(
        card.expect("listed").digest.to_sha256(),
        Some(Sha256::of(CARD.1))
    );
    let source = source_of(&drafts).expect("where the digests come from");
    assert!(
        source
            .note
            .expect("a note")
            .starts_with("2 of 3 files are listed by the digests in their Git LFS pointers")
    );
    assert!(
        !drafts.warnings.iter().any(|it| it.contains("LFS")),
        "{:?}",
        drafts.warnings
    );
}

#[test]
fn what_begins_as_a_pointer_and_is_none_is_no_release_either() {
    let whole = pointer("x");
    for (text, words) in [
        (
            whole.replace("size 1", "size one"),
            "line 3: \"one\" is no size",
        ),
        (format!("{whole}ext-0 sha256:0\n"), "line 4"),
        (
            format!("{whole}{}", "x".repeat(2000)),
            "less than 1024 bytes",
        ),
    ] {
        for from_pointers in [false, true] {
            let folder = folder(&[CARD, ("m.bin", text.as_bytes())]);
            let error = drafts_of(&folder, from_pointers).expect_err(words);
            assert!(matches!(error, SourceError::Pointer { .. }), "{error}");
            let said = error.to_string();
            assert!(
                said.starts_with("m.bin: ") && said.contains(words),
                "{said}"
            );
        }
    }
    let folder = folder(&[CARD, ("m.bin", b"weights")]);
    let error = drafts_of(&folder, true).expect_err("no pointers");
    assert!(matches!(error, SourceError::NoPointers { .. }), "{error}");
}

#[test]
fn the_commit_of_a_checkout_is_named_and_said_not_to_be_compared() {
    let head = format!("{COMMIT}\n");
    let checkout = folder(&[CARD, ("m.bin", b"weights"), (".git/HEAD", head.as_bytes())]);
    let drafts = drafts_of(&checkout, false).expect("a release");
    let Source { digest, note, uri } = source_of(&drafts).expect("a source");
    assert_eq!(
        digest.expect("a commit").by(Algorithm::GitCommit),
        Some(COMMIT)
    );
    assert!(
        note.expect("a note")
            .contains("its files were not compared")
    );
    assert_eq!(uri, None);
    // A commit is no digest that a folder could be held against.
    let Predicate::Weights(weights) = &drafts.drafts[0].predicate else {
        panic!("weights come first");
    };
    assert_eq!(weights.algorithms, [Algorithm::Sha256]);

    let broken = folder(&[
        CARD,
        ("m.bin", b"weights"),
        (".git/HEAD", b"ref: refs/heads/main\n"),
    ]);
    let drafts = drafts_of(&broken, false).expect("a release");
    assert_eq!(source_of(&drafts), None);
    assert!(
        drafts
            .warnings
            .iter()
            .any(|it| it.contains("the record names no commit"))
    );
    assert_eq!(
        source_of(&drafts_of(&folder(&[CARD]), false).expect("a release")),
        None
    );
}

#[test]
fn a_download_names_its_commit_only_if_all_files_are_as_downloaded() {
    let note = |etag: &str| format!("{COMMIT}\n{etag}\n1712656091.123\n");
    let notes = ".cache/huggingface/download";
    let (weights, card) = (
        format!("{notes}/m.bin.metadata"),
        format!("{notes}/README.md.metadata"),
    );
    let of = |etag: &str, head: &str| {
        let folder = folder(&[
            CARD,
            ("m.bin", b"weights"),
            (&weights, note(etag).as_bytes()),
            // `printf -- '---\nlicense: mit\n---\n' | git hash-object --stdin`
            (
                &card,
                note("32897cd3e640101ba184f8c4ccd896981de3804a").as_bytes(),
            ),
            (".git/HEAD", head.as_bytes()),
        ]);
        let drafts = drafts_of(&folder, false).expect("a release");
        (source_of(&drafts), drafts.warnings.join("\n"))
    };
    let commit = |source: &Option<Source>| source.as_ref().and_then(|it| it.digest.clone());
    let (source, warnings) = of(&sha256("weights"), COMMIT);
    assert!(
        commit(&source).is_some() && !warnings.contains("download"),
        "{source:?} {warnings}"
    );
    assert!(
        source
            .and_then(|it| it.note)
            .expect("a note")
            .contains("2 of 2 files are as")
    );
    let (source, warnings) = of(&sha256("other"), "");
    assert!(
        commit(&source).is_none() && warnings.contains("m.bin is not as downloaded"),
        "{warnings}"
    );
    let (source, warnings) = of(&sha256("weights"), &"2".repeat(40));
    assert!(
        commit(&source).is_none() && warnings.contains("name two commits"),
        "{warnings}"
    );
}
