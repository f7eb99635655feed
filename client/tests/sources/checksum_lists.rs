//! Lists of checksums that others published.

use std::path::Path;

use candor_client::sources::{SourceError, SourceKind, checksums, detect};
use candor_core::Sha256;
use candor_core::record::kinds::{Source, Strength, Weights};
use candor_core::record::{Algorithm, Predicate};
use candor_core::weights::Manifest;

use super::{one, release, shared};

fn sums(file: &str, contents: &str) -> Result<(Weights, Manifest, Vec<String>), SourceError> {
    let source = Source {
        uri: Some("https://example.org/sums".to_owned()),
        note: None,
        digest: None,
    };
    let drafts = checksums::draft(file, contents.as_bytes(), &release(), Some(source))?;
    let (draft, warnings) = one(drafts);
    let manifest = Manifest::parse(&draft.attachments[0].bytes).expect("a manifest");
    match draft.predicate {
        Predicate::Weights(weights) => Ok((weights, manifest, warnings)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_of_every_usual_form_are_read() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let upper = md5.to_uppercase();
    for (file, contents) in [
        ("MD5SUMS", format!("{md5}  a.pt\n{md5} *b c.pt\n")),
        (
            "x.md5",
            format!("# made by hand\n\n{upper}  ./a.pt\r\n{md5}  b c.pt\r\n"),
        ),
        ("x.txt", format!("MD5 (a.pt) = {md5}\nMD5 (b c.pt) = {md5}")),
        (
            "x.csv",
            format!("shard,md5sum\na.pt,{md5}\n\"b c.pt\",{md5}\n"),
        ),
        (
            "x.csv",
            format!("\u{feff}MD5, Size ,FileName\n{md5},0,a.pt\n{upper},0,b c.pt\n"),
        ),
        (
            "x.csv",
            format!("path,checksum\na.pt,{md5}\nb c.pt,{md5}\n"),
        ),
    ] {
        assert_eq!(
            detect(Path::new(file), contents.as_bytes()).expect(file),
            SourceKind::Checksums
        );
        let (weights, manifest, warnings) = sums(file, &contents).expect(&contents);
        let paths: Vec<_> = manifest
            .files()
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(paths, ["a.pt", "b c.pt"]);
        assert_eq!(manifest.files()[0].digest.by(Algorithm::Md5), Some(md5));
        assert_eq!(
            (weights.strength, weights.format.as_deref()),
            (Strength::Weak, Some("pytorch"))
        );
        assert_eq!(
            weights.source.expect("given").uri.as_deref(),
            Some("https://example.org/sums")
        );
        assert!(warnings[0].contains("md5 is weak"), "{warnings:?}");
        assert!(
            warnings[1].contains("same digest: a.pt, b c.pt"),
            "{warnings:?}"
        );
    }
    let (weights, _, _) = sums("SHA1SUMS", &format!("{sha1}  a.bin\n")).expect("a list");
    assert_eq!(
        (weights.algorithms, weights.strength),
        (vec![Algorithm::Sha1], Strength::Weak)
    );
}

#[test]
fn the_label_of_a_line_says_which_algorithm_it_is() {
    let digest = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let (weights, ..) = sums("x.txt", &format!("SHA1 (w.bin) = {digest}\n")).expect("known");
    assert_eq!(weights.algorithms, [Algorithm::Sha1]);
    for unknown in ["RMD160", "RIPEMD-160", "sha0"] {
        let list = format!("{unknown} (w.bin) = {digest}\n");
        assert_eq!(
            detect(Path::new("x.txt"), list.as_bytes()).expect("a list, if of something else"),
            SourceKind::Checksums
        );
        let error = sums("x.txt", &list).expect_err(unknown).to_string();
        assert!(error.contains("no digest algorithm"), "{error}");
    }
    // SHA-512 and BLAKE2b have digests of one length, and SHA-256 and BLAKE3.
    for (label, algorithm, length) in [
        ("SHA2-512", "sha512", 128),
        ("BLAKE2b", "blake2b", 128),
        ("BLAKE3", "blake3", 64),
    ] {
        let list = format!("{label} (w.bin) = {}\n", "0".repeat(length));
        let (weights, ..) = sums("x.txt", &list).expect("a list");
        assert_eq!(weights.algorithms[0].name(), algorithm);
    }
}

#[test]
fn strong_digests_are_strong_with_and_without_sizes() {
    let sha256 = Sha256::of("").to_string();
    let (weights, _, warnings) =
        sums("SHA256SUMS", &format!("{sha256}  a.gguf\n")).expect("a list");
    assert_eq!((weights.strength, weights.bytes), (Strength::Strong, None));
    assert_eq!(warnings, [""; 0]);
    let (weights, _, warnings) =
        sums("x.csv", &format!("path,size,sha256\na.gguf,0,{sha256}\n")).expect("sizes");
    assert_eq!(
        (weights.strength, weights.bytes),
        (Strength::Strong, Some(0))
    );
    assert_eq!(
        (weights.format.as_deref(), warnings.len()),
        (Some("gguf"), 0)
    );
}

#[test]
fn lines_that_are_no_checksums_are_named() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    for (contents, part) in [
        (format!("{md5}  a\nnonsense\n"), "line 2: \"nonsense\""),
        (format!("{md5}  ../a\n"), "line 1: the path \"../a\""),
        (format!("{md5}  /a\n"), "absolute"),
        (format!("{md5}  a\n{md5}  a\n"), "a is listed twice"),
        (
            format!("{md5}  a\n{md5}  a/b\n"),
            "other files are listed inside it",
        ),
        (
            format!("file,md5\na,{md5},x\n"),
            "line 2: it has 3 columns, and the header 2",
        ),
        (format!("file,md5\na,{}\n", &md5[1..]), "line 2"),
        (format!("file,size,md5\na,-1,{md5}\n"), "\"-1\" is no size"),
        (
            "file,checksum\na,abc\n".to_owned(),
            "the length of no digest",
        ),
        (
            "RMD160 (w.bin) = da39a3ee5e6b4b0d3255bfef95601890afd80709\n".to_owned(),
            "line 1: \"RMD160\" is no digest algorithm that Candor knows",
        ),
        (
            format!("MD5 (a) = {md5}\nSHA1 (b) = {md5}\n"),
            "is no sha1 digest",
        ),
        ("file,md5\n\"a,1\n".to_owned(), "a quote is not closed"),
        ("file,md5\n".to_owned(), "this one lists 0"),
        (String::new(), "this one lists 0"),
    ] {
        let error = sums("sums.csv", &contents)
            .expect_err(&contents)
            .to_string();
        assert!(
            error.starts_with("sums.csv: ") && error.contains(part),
            "{error}"
        );
    }
}

#[test]
fn what_was_published_of_opt_175b_is_992_weak_digests() {
    let Some(contents) = shared("opt/opt175b_md5sum_shards.csv") else {
        return;
    };
    let file = "opt175b_md5sum_shards.csv";
    assert_eq!(
        detect(Path::new(file), &contents).expect("known"),
        SourceKind::Checksums
    );
    let text = str::from_utf8(&contents).expect("text");
    let (weights, manifest, warnings) = sums(file, text).expect("a list");
    assert_eq!((weights.files, manifest.files().len()), (992, 992));
    assert_eq!((weights.bytes, weights.strength), (None, Strength::Weak));
    assert_eq!(weights.algorithms, [Algorithm::Md5]);
    assert_eq!(weights.format.as_deref(), Some("pytorch"));
    assert!(warnings[0].contains("md5 is weak"), "{warnings:?}");
    let first = manifest
        .files()
        .iter()
        .find(|f| f.path.as_str() == "checkpoint_last-model_part-0-shard0.pt");
    assert_eq!(
        first.expect("listed").digest.by(Algorithm::Md5),
        Some("4119001fb6b8dc665f85167db429f9ac")
    );
    let of_66b = shared("opt/opt66b_md5sum_shards.csv").expect("beside the other");
    let (_, _, warnings) = sums("66b.csv", str::from_utf8(&of_66b).expect("text")).expect("a list");
    assert!(
        warnings[1].contains("reshard-model_part-5.pt, reshard-model_part-6.pt"),
        "{warnings:?}"
    );
}
