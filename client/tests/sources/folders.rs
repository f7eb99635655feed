//! Reading a folder: what is listed, left out and refused.

use std::fs;
use std::path::Path;

use candor_client::folder::{
    FolderError, FolderFiles, FoundFiles, hash_folder, hash_listed, list_folder,
};
use candor_client::hashing::{FileError, Look, OpenFile, Options};
use candor_client::sources::checksums;
use candor_core::Sha256;
use candor_core::weights::{Comparison, FilePath, Manifest};

use super::{bundle_of, folder, release};

/// Reads a folder that is to be the release.
fn hashed(folder: &Path) -> Result<FolderFiles<()>, FolderError> {
    let nothing = |_: &FilePath, _: &OpenFile| Ok(Look::default());
    hash_folder(folder, &release(), Options::default(), nothing, &mut |_| {})
}

/// Reads a folder to hold it against a manifest of the release.
fn held(folder: &Path, manifest: &Manifest) -> Result<FoundFiles, FolderError> {
    hash_listed(
        folder,
        &release(),
        manifest,
        Options::default(),
        &mut |_| {},
    )
}

fn folder_error(folder: &Path) -> FolderError {
    let error = hashed(folder).expect_err("refused");
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn a_folder_is_listed_by_path_with_empty_files_and_what_was_left_out() {
    let bundle = bundle_of(&release());
    let older = bundle_of(&"meta-ai/other@1.0.0".parse().expect("a name"));
    let folder = folder(&[
        ("b.txt", b"b"),
        ("a/z", b""),
        ("a.b", b"dot sorts before slash"),
        (".git/HEAD", b"ref"),
        (".gitattributes", b"x"),
        ("opt.candor", &bundle),
        ("older.candor", &older),
        ("other.candor", b"{}"),
        ("a/inner.candor", b"kept"),
        ("a/.git/HEAD", b"kept"),
    ]);
    fs::create_dir(folder.path().join("empty")).expect("made");
    let mut steps = Vec::new();
    let found = hash_folder(
        folder.path(),
        &release(),
        Options::default(),
        |_, _| Ok(Look::<()>::default()),
        &mut |progress| {
            steps.push((
                progress.file.to_string(),
                progress.bytes,
                progress.bytes_total,
            ));
        },
    )
    .expect("a release");
    let paths: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            ".gitattributes",
            "a.b",
            "a/.git/HEAD",
            "a/inner.candor",
            "a/z",
            "b.txt",
            "older.candor",
            "other.candor",
        ]
    );
    assert_eq!(found.ignored, [".git", "opt.candor"]);
    assert_eq!(found.files[4].size, Some(0));
    assert_eq!(found.files[4].digest.to_sha256(), Some(Sha256::of("")));
    assert_eq!(found.files[5].digest.to_sha256(), Some(Sha256::of("b")));
    assert_eq!(steps.first().expect("a step").1, 0);
    let bytes = 34 + older.len() as u64;
    let (_, read, total) = steps.last().expect("a step");
    assert_eq!((*read, *total), (bytes, bytes));
    let listed = list_folder(folder.path(), &release())
        .expect("a release")
        .files;
    let sized: Vec<_> = found
        .files
        .iter()
        .map(|f| (f.path.clone(), f.size.expect("known")))
        .collect();
    assert_eq!(listed, sized);
}

#[test]
fn a_folder_without_files_is_refused() {
    let empty = folder(&[]);
    fs::create_dir(empty.path().join("inner")).expect("made");
    assert!(matches!(
        folder_error(empty.path()),
        FolderError::Empty { .. }
    ));
    let bundle = bundle_of(&release());
    let only_hidden = folder(&[(".git/HEAD", b"ref"), ("x.candor", &bundle)]);
    assert!(matches!(
        folder_error(only_hidden.path()),
        FolderError::Empty { .. }
    ));
    let file = folder(&[("a", b"a")]);
    assert!(matches!(
        folder_error(&file.path().join("a")),
        FolderError::NotAFolder { .. }
    ));
    assert!(matches!(
        folder_error(&file.path().join("b")),
        FolderError::Io { .. }
    ));
}

#[cfg(unix)]
#[test]
fn links_are_refused_by_name_wherever_they_point() {
    use std::os::unix::fs::symlink;
    for (target, at) in [
        ("a.txt", "link"),
        ("inner", "link"),
        ("/etc/passwd", "inner/link"),
        ("gone", "x.candor"),
        ("..", "inner/link"),
        // Loops: to itself, and to the folder that it is in.
        ("link", "link"),
        ("../inner", "inner/link"),
    ] {
        let folder = folder(&[("a.txt", b"a"), ("inner/b.txt", b"b")]);
        symlink(target, folder.path().join(at)).expect("made");
        let error = folder_error(folder.path());
        assert!(matches!(error, FolderError::Link { .. }), "{error}");
        assert!(error.to_string().contains(at), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn sockets_and_names_that_can_not_be_listed_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let socket = folder(&[("a", b"a")]);
    let _bound = std::os::unix::net::UnixListener::bind(socket.path().join("s")).expect("bound");
    assert!(matches!(
        folder_error(socket.path()),
        FolderError::Special { .. }
    ));
    let pipe = folder(&[("inner/a", b"a")]);
    let made = std::process::Command::new("mkfifo")
        .arg(pipe.path().join("inner/p"))
        .status();
    assert!(made.expect("mkfifo runs").success());
    let error = folder_error(pipe.path());
    assert!(matches!(error, FolderError::Special { .. }), "{error}");
    assert!(error.to_string().contains("inner/p"), "{error}");
    let latin1 = folder(&[("a", b"a")]);
    fs::write(latin1.path().join(OsStr::from_bytes(b"caf\xe9")), b"x").expect("written");
    let error = folder_error(latin1.path());
    assert!(matches!(error, FolderError::NotUtf8 { .. }), "{error}");
    assert!(error.to_string().contains("caf\u{fffd}"), "{error}");
    for name in ["a\nb", "a\u{202e}b", "e\u{301}", "a\\b"] {
        let error = folder_error(folder(&[(name, b"x")]).path());
        assert!(matches!(error, FolderError::Name { .. }), "{error}");
    }
}

/// A hard link is no way out of the folder: it is a name of a file like any other, and what the name has are its bytes. That
/// another name has them too, here or elsewhere, shows nowhere in a copy.
#[cfg(unix)]
#[test]
fn hard_links_are_files() {
    let folder = folder(&[("a", b"a"), ("inner/b", b"b")]);
    let linked = fs::hard_link(folder.path().join("a"), folder.path().join("inner/c"));
    linked.expect("linked");
    let files = hashed(folder.path()).expect("a release").files;
    let found: Vec<_> = files.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(found, ["a", "inner/b", "inner/c"]);
    assert_eq!(files[0].digest, files[2].digest);
}

/// Which names there are is known before the first file is read, and much can happen until the last one.
#[cfg(unix)]
#[test]
fn a_folder_that_a_link_takes_the_place_of_is_not_read_through_it() {
    use std::os::unix::fs::symlink;
    // The largest file is read first.
    let large = vec![1; 1 << 20];
    for deep in ["inner", "inner/more", "inner/more/b"] {
        let folder = folder(&[("a", &large), ("inner/more/b", b"ours")]);
        let elsewhere = self::folder(&[("inner/more/b", b"evil")]);
        let swap = |path: &FilePath, _: &OpenFile| {
            if path.as_str() == "a" {
                let at = folder.path().join(deep);
                fs::rename(&at, folder.path().join("away")).expect("moved");
                symlink(elsewhere.path().join(deep), at).expect("linked");
            }
            Ok(Look::<()>::default())
        };
        let options = Options {
            threads: std::num::NonZeroUsize::new(1),
            ..Options::default()
        };
        let error = hash_folder(folder.path(), &release(), options, swap, &mut |_| {});
        let error = error.expect_err("a link");
        assert!(
            matches!(&error, FolderError::File(FileError::Changed { path }) if path.ends_with("inner/more/b")),
            "{deep}: {error}"
        );
    }
    // The folder itself may be one: whoever names it chose it.
    let folder = folder(&[("inner/b", b"ours")]);
    let link = self::folder(&[]);
    symlink(folder.path(), link.path().join("link")).expect("linked");
    hashed(&link.path().join("link")).expect("a release");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let contents = vec![1; 1 << 20];
    for (what, change) in [
        ("longer", vec![1; (1 << 20) + 1]),
        ("shorter", vec![1; 300_000]),
        ("other bytes", vec![2; 1 << 20]),
    ] {
        let folder = folder(&[("a", b"a"), ("b", &contents)]);
        // Some file systems keep times to the second only, and this file must look old.
        let old = fs::File::options()
            .append(true)
            .open(folder.path().join("b"))
            .expect("there");
        old.set_modified(std::time::UNIX_EPOCH).expect("set");
        let change_it = |path: &FilePath, _: &OpenFile| {
            if path.as_str() == "b" {
                fs::write(folder.path().join("b"), &change).expect("written");
            }
            Ok(Look::<()>::default())
        };
        let result = hash_folder(
            folder.path(),
            &release(),
            Options::default(),
            change_it,
            &mut |progress| {
                assert!(progress.bytes <= progress.bytes_total, "{progress:?}");
            },
        );
        let error = result.expect_err(what);
        assert!(
            matches!(&error, FolderError::File(FileError::Changed { path }) if path.ends_with("b")),
            "{what}: {error}"
        );
    }
}

#[test]
fn a_changed_added_or_removed_file_shows_against_the_manifest() {
    let folder = folder(&[("a", b"a"), ("b/c", b"c"), ("d", b"d")]);
    let files = hashed(folder.path()).expect("a release").files;
    let manifest = Manifest::new(files).expect("a manifest");
    let compare = || {
        let found = held(folder.path(), &manifest).expect("files").files;
        Comparison::new(&manifest, &found)
    };
    let bundle = bundle_of(&release());
    fs::write(folder.path().join("release.candor"), bundle).expect("written");
    assert!(compare().is_proven());
    fs::write(folder.path().join("release.candor"), b"{}").expect("written");
    assert_eq!(compare().extra[0].as_str(), "release.candor");
    fs::remove_file(folder.path().join("release.candor")).expect("removed");
    fs::write(folder.path().join("b/c"), b"C").expect("written");
    fs::write(folder.path().join("b/e"), b"new").expect("written");
    fs::remove_file(folder.path().join("d")).expect("removed");
    let comparison = compare();
    assert_eq!(comparison.changed[0].listed.path.as_str(), "b/c");
    assert_eq!(comparison.extra[0].as_str(), "b/e");
    assert_eq!(comparison.missing[0].as_str(), "d");
}

#[test]
fn a_manifest_that_lists_what_is_left_out_by_default_has_it_read() {
    let path = |path: &str| (path.to_owned(), "d41d8cd98f00b204e9800998ecf8427e");
    let lines: Vec<_> = [path("x.candor"), path(".git/HEAD"), path("a")]
        .map(|(path, md5)| format!("{md5}  {path}"))
        .into();
    let manifest = checksums::manifest("MD5SUMS", lines.join("\n").as_bytes()).expect("a list");
    let bundle = bundle_of(&release());
    let folder = folder(&[
        ("a", b""),
        ("x.candor", b""),
        (".git/HEAD", b""),
        ("y.candor", &bundle),
    ]);
    let found = held(folder.path(), &manifest).expect("files");
    assert_eq!(found.ignored, ["y.candor"]);
    let comparison = Comparison::new(&manifest, &found.files);
    assert_eq!(comparison.only_weakly_same.len(), 3);
    assert!(!comparison.is_refuted() && !comparison.is_proven());
}

#[cfg(unix)]
#[test]
fn what_no_manifest_can_list_is_found_beside_one() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder(&[("a", b"a"), ("b", b"b")]);
    let files = hashed(folder.path()).expect("a release");
    let manifest = Manifest::new(files.files).expect("a manifest");
    fs::remove_file(folder.path().join("b")).expect("removed");
    std::os::unix::fs::symlink("a", folder.path().join("b")).expect("made");
    fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9")), b"x").expect("written");
    fs::write(folder.path().join("x\\y"), b"x").expect("written");
    let found = held(folder.path(), &manifest).expect("read");
    let paths: Vec<_> = found.unlistable.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["b", "caf\u{fffd}", "x\\y"]);
    assert!(found.unlistable[0].what.contains("symbolic link"));
    assert_eq!(found.files.len(), 1);

    for name in [
        OsStr::new("a"),
        OsStr::new("b"),
        OsStr::from_bytes(b"caf\xe9"),
        OsStr::new("x\\y"),
    ] {
        fs::remove_file(folder.path().join(name)).expect("removed");
    }
    let found = held(folder.path(), &manifest).expect("read");
    assert!(found.files.is_empty() && found.unlistable.is_empty());
}

#[test]
fn files_whose_size_settles_it_are_not_read() {
    let folder = folder(&[("a", b"a"), ("b", b"b")]);
    let files = hashed(folder.path()).expect("a release");
    let manifest = Manifest::new(files.files).expect("a manifest");
    // Two sparse files, whose sizes together are more than 64 bits hold; to hash them would take ages.
    let endless = i64::MAX as u64 - 4095;
    for name in ["b", "c", "d"] {
        let file = fs::File::create(folder.path().join(name)).expect("made");
        if file.set_len(endless).is_err() {
            // Not every file system takes files of this size.
            file.set_len(1 << 42).expect("4 TiB");
        }
    }
    let mut bytes_total = 0;
    let found = hash_listed(
        folder.path(),
        &release(),
        &manifest,
        Options::default(),
        &mut |progress| {
            bytes_total = progress.bytes_total;
        },
    )
    .expect("files");
    assert_eq!(bytes_total, 1);
    let comparison = Comparison::new(&manifest, &found.files);
    assert_eq!(comparison.same, 1);
    assert_eq!(comparison.changed.len(), 1);
    assert_eq!(comparison.extra.len(), 2);
}

#[test]
fn names_that_are_one_on_other_disks_are_refused() {
    for (first, second) in [("README.md", "readme.md"), ("Unet/a", "unet/b"), ("É", "é")] {
        let folder = folder(&[(first, b"1"), (second, b"2")]);
        if fs::read_dir(folder.path()).expect("there").count() < 2 {
            // On such a disk there is only one of them.
            continue;
        }
        let error = folder_error(folder.path());
        assert!(
            matches!(error, FolderError::Case { .. }),
            "{first}: {error}"
        );
    }
    hashed(folder(&[("a/b", b"1"), ("a/c", b"2"), ("b", b"3")]).path()).expect("a release");
    // As macOS and others write é: no name in a release may be so, with or without its twin.
    for name in ["e\u{301}.txt", "e\u{301}/a"] {
        let folder = folder(&[("\u{e9}.txt", b"1"), (name, b"2")]);
        let error = folder_error(folder.path());
        assert!(matches!(error, FolderError::Name { .. }), "{error}");
        assert!(error.to_string().contains("e\u{301}"), "{error}");
    }
}

/// Peak memory of this process, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("there");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.expect("a peak").trim().trim_end_matches(" kB");
    peak.parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a million files: a minute, and a million inodes"]
#[expect(clippy::print_stdout, reason = "what it took is the result")]
fn a_million_files_are_too_many_and_soon_known_to_be() {
    let folder = folder(&[("a", b"a")]);
    let files = hashed(folder.path()).expect("a release");
    let manifest = Manifest::new(files.files).expect("a manifest");
    for n in 0..1_000_000 {
        let at = folder.path().join(format!("{:03}", n / 1_000));
        if n % 1_000 == 0 {
            fs::create_dir(&at).expect("made");
        }
        fs::write(at.join(n.to_string()), []).expect("written");
    }
    let before = peak_kib();
    let begun = std::time::Instant::now();
    let error = folder_error(folder.path());
    assert!(matches!(error, FolderError::TooManyFiles { .. }), "{error}");
    let error = held(folder.path(), &manifest).expect_err("too many");
    assert!(matches!(error, FolderError::TooManyFiles { .. }), "{error}");
    let grown = peak_kib() - before;
    println!(
        "{} ms and {grown} KiB for both",
        begun.elapsed().as_millis()
    );
    assert!(grown < 128 << 10, "{grown} KiB");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "200,001 files: some seconds"]
fn as_many_files_as_a_manifest_lists_are_listed_and_one_more_is_too_many() {
    let folder = folder(&[("000/a", b"")]);
    for n in 1..200_000 {
        let at = folder.path().join(format!("{:03}", n / 1_000));
        if n % 1_000 == 0 {
            fs::create_dir(&at).expect("made");
        }
        fs::write(at.join(n.to_string()), []).expect("written");
    }
    let listing = list_folder(folder.path(), &release()).expect("as many as there may be");
    assert_eq!(listing.files.len(), 200_000);
    fs::write(folder.path().join("one more"), []).expect("written");
    let error = list_folder(folder.path(), &release()).expect_err("one more");
    assert!(matches!(error, FolderError::TooManyFiles { .. }), "{error}");
}
