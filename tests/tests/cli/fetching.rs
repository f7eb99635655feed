//! `candor fetch`: a release's files, from mirrors that are good, that lie, that break off, and that are not there.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use candor_tests::TestLog;
use candor_tests::cli::{Person, Ran, copy_folder, write_release};
use candor_tests::mirror::{Mirror, Question, Reply};
use serde_json::json;

mod gate;
mod large;

/// A chunk.
const CHUNK: u64 = 8 << 20;

/// A file of more than one chunk.
const LARGE: &str = "model.dat";

/// How many bytes it has: two chunks and a half.
const LARGE_BYTES: u64 = 20 << 20;

/// A log with a release, the folder that it was made of, and somebody who wants it.
struct Scene {
    log: TestLog,
    lab: Person,
    reader: Person,
}

impl Scene {
    fn new() -> Self {
        let log = TestLog::start();
        let lab = Person::registered(&log, "example-lab");
        let folder = lab.home.join("tiny");
        write_release(&folder);
        fs::write(folder.join(LARGE), large()).expect("written");
        lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
            .expect_code(0);
        let reader = Person::new(&log, "reader");
        reader.write("tiny.candor", lab.read("tiny-1.0.0.candor"));
        Self { log, lab, reader }
    }

    /// The release's own folder.
    fn folder(&self) -> PathBuf {
        self.lab.home.join("tiny")
    }

    /// A mirror with habits about the large file.
    fn mirror(&self, habits: impl Fn(&Question, &mut Reply) + Send + Sync + 'static) -> Mirror {
        Mirror::with(&self.folder(), move |question, reply| {
            if question.path == LARGE {
                habits(question, reply);
            }
        })
    }

    /// Fetches by the bundle. Nobody is tried again, so that no test waits.
    fn fetch(&self, mirrors: &[&Mirror], flags: &str) -> Ran {
        let sources = mirrors.iter().map(|it| format!(" --from {}", it.url()));
        let sources: String = sources.collect();
        self.reader.candor(
            &self.log,
            &format!("fetch tiny.candor -o got --retries 0{sources} {flags}"),
        )
    }

    fn got(&self, name: &str) -> PathBuf {
        self.reader.home.join("got").join(name)
    }

    /// Asserts that the whole release is there, and nothing else.
    fn assert_fetched(&self) {
        self.reader
            .candor(
                &self.log,
                "verify got --bundle tiny.candor --strict --reread",
            )
            .expect_code(0);
    }
}

fn large() -> Vec<u8> {
    let bytes = (0..LARGE_BYTES).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]);
    bytes.collect()
}

/// What was written, with `[mirror N]` for the addresses of this run.
fn transcript(ran: &Ran, mirrors: &[&Mirror]) -> String {
    let mut text = ran.transcript();
    for (n, mirror) in mirrors.iter().enumerate() {
        text = text.replace(mirror.url(), &format!("[mirror {}]/", n + 1));
    }
    text
}

/// The unfinished files in a folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join(".candor-fetch")) else {
        return Vec::new();
    };
    let paths = entries.map(|it| it.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "part"))
        .collect()
}

#[test]
fn a_release_is_fetched_by_name_and_by_bundle_and_then_verifies() {
    let mut scene = Scene::new();
    let mirror = Mirror::good(&scene.folder());
    let url = mirror.url().to_owned();
    let run = |scene: &Scene, line: String| scene.reader.candor(&scene.log, &line);
    let fetched = run(&scene, format!("fetch example-lab/tiny@1.0.0 --from {url}"));
    let fetched = fetched.expect_code(0);
    insta::assert_snapshot!(transcript(&fetched, &[&mirror]));
    run(
        &scene,
        "verify tiny-1.0.0 --as example-lab/tiny@1.0.0 --strict".to_owned(),
    )
    .expect_code(0);

    // By the bundle, nobody but the mirror is asked.
    scene.log.kill();
    let by_bundle = format!("fetch tiny.candor --as example-lab/tiny@1.0.0 -o got --from {url}");
    let json = run(&scene, format!("{by_bundle} --json"))
        .expect_code(0)
        .json();
    assert_eq!(json["verdict"], "holds");
    assert_eq!(json["faults"], json!([]));
    let files = json["files"].as_array().expect("files");
    assert_eq!(files.len(), 6);
    assert!(files.iter().all(|it| it["how"] == "fetched"), "{json}");
    scene.assert_fetched();

    // Once more: all is there, and no file is asked for.
    let asked = mirror.asked().len();
    run(&scene, by_bundle)
        .expect_code(0)
        .expect_words("6 files there already");
    assert_eq!(mirror.asked().len(), asked);
    run(&scene, format!("fetch example-lab/tiny@1.0.0 --from {url}")).expect_error(3, "[log]");
}

#[test]
fn a_mirror_that_flips_a_bit_is_named_and_another_serves_the_rest() {
    let scene = Scene::new();
    let liar = scene.mirror(|_, reply| reply.flip = Some(9_000_000));
    let good = Mirror::good(&scene.folder());
    let fetched = scene
        .fetch(&[&liar, &good], "--connections 1")
        .expect_code(0);
    insta::assert_snapshot!(transcript(&fetched, &[&liar, &good]));
    scene.assert_fetched();
    // The first chunk was right, whoever sent it.
    let asked = good.asked();
    let of_large = asked.iter().find(|it| it.path == LARGE);
    assert_eq!(of_large.expect("it was asked").from, CHUNK);

    fs::remove_dir_all(scene.got("")).expect("it goes");
    let json = scene.fetch(&[&liar, &good], "--json").expect_code(0).json();
    let fault = &json["faults"][0];
    assert_eq!(fault["source"], liar.url());
    assert_eq!(fault["file"], LARGE);
    assert_eq!(fault["fault"], "wrong-chunk");
    assert_eq!(fault["isLie"], true);
    assert_eq!(fault["chunk"], 1);
    assert_eq!(fault["firstByte"], CHUNK);
    assert_eq!(fault["lastByte"], 2 * CHUNK - 1);
}

#[test]
fn where_all_mirrors_lie_it_is_refuted_and_no_file_of_that_name_is_there() {
    let scene = Scene::new();
    let first = scene.mirror(|_, reply| reply.flip = Some(0));
    let second = scene.mirror(|_, reply| reply.flip = Some(LARGE_BYTES - 1));
    let refuted = scene
        .fetch(&[&first, &second], "--connections 1")
        .expect_error(1, "model.dat can't be fetched");
    insta::assert_snapshot!(transcript(&refuted, &[&first, &second]));
    assert!(!scene.got(LARGE).exists());
    // What the second sent before its lie was right, and is kept; without it, all is to be fetched again.
    fs::remove_dir_all(scene.got("")).expect("it goes");
    let json = scene.fetch(&[&first], "--json").expect_code(1).json();
    assert_eq!(json["verdict"], "refuted");
    assert_eq!(json["error"]["faults"][0]["chunk"], 0);
    // One that may have the right bytes, and does not answer, leaves it open.
    let line = format!(
        "fetch tiny.candor -o got --retries 0 --from {} --from http://127.0.0.1:1/",
        first.url()
    );
    scene
        .reader
        .candor(&scene.log, &line)
        .expect_error(3, "model.dat can't be fetched");
    assert!(!scene.got(LARGE).exists());
    // A small file has no chunks, and is held against its digest.
    fs::remove_dir_all(scene.got("")).expect("it goes");
    let small = Mirror::with(&scene.folder(), |question, reply| {
        if question.path == "README.md" {
            reply.flip = Some(3);
        }
    });
    scene
        .fetch(&[&small], "")
        .expect_error(1, "it sent wrong bytes: their sha256 is");
    assert!(!scene.got("README.md").exists());
}

#[test]
fn what_broke_off_goes_on_where_it_was() {
    let scene = Scene::new();
    let broken = scene.mirror(|_, reply| reply.cut = Some(CHUNK + 500_000));
    // The largest file comes first, so that no other one is half there when it ends.
    scene
        .fetch(&[&broken], "--connections 1")
        .expect_error(3, "it broke off at byte 8888608")
        .expect_words("the 8388608 bytes that are there (in .candor-fetch) are checked and kept");
    assert!(!scene.got(LARGE).exists());
    assert_eq!(parts(&scene.got("")).len(), 1);
    let verify = "verify got --bundle tiny.candor";
    scene
        .reader
        .candor(&scene.log, verify)
        .expect_error(1, "missing: model.dat")
        .expect_words("what is in .candor-fetch, which a release never lists");

    let good = Mirror::good(&scene.folder());
    let json = scene.fetch(&[&good], "--json").expect_code(0).json();
    let files = json["files"].as_array().expect("files");
    let of_large = files.iter().find(|it| it["path"] == LARGE);
    let of_large = of_large.expect("it is there");
    assert_eq!(of_large["how"], "resumed");
    assert_eq!(of_large["from"], CHUNK);
    assert_eq!(of_large["bytesReceived"], LARGE_BYTES - CHUNK);
    scene.assert_fetched();
}

#[test]
fn other_bytes_than_before_are_caught_when_it_goes_on() {
    let scene = Scene::new();
    // Good up to where it breaks off; from there on, a file of somebody else's.
    let changed = scene.mirror(|question, reply| match question.from {
        0 => reply.cut = Some(CHUNK + 1),
        _ => reply.flip = Some(2 * CHUNK + 7),
    });
    let changed = [&changed];
    scene
        .fetch(&changed, "--connections 1")
        .expect_error(3, "it broke off");
    scene
        .fetch(&changed, "--connections 1")
        .expect_error(1, "those from 16777216 to 20971519 (chunk 2)");
    assert!(!scene.got(LARGE).exists());
    // What somebody writes into an unfinished file is not believed either.
    let part = parts(&scene.got("")).remove(0);
    let mut bytes = fs::read(&part).expect("there");
    bytes[3] ^= 1;
    fs::write(&part, bytes).expect("written");
    let good = Mirror::good(&scene.folder());
    scene.fetch(&[&good], "").expect_code(0);
    scene.assert_fetched();
}

#[test]
fn an_interrupted_fetch_is_resumed() {
    let scene = Scene::new();
    let slow = scene.mirror(|_, reply| reply.stall = Some(CHUNK + 1));
    let mut command = scene.log.candor();
    let mut fetching = command
        .args(["fetch", "tiny.candor", "-o", "got", "--from", slow.url()])
        .env("HOME", &scene.reader.home)
        .current_dir(&scene.reader.home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("candor runs");
    let begun = Instant::now();
    let has_a_chunk = || {
        let lengths = parts(&scene.got(""));
        let mut lengths = lengths.iter().filter_map(|it| fs::metadata(it).ok());
        lengths.any(|it| it.len() >= CHUNK)
    };
    while !has_a_chunk() {
        assert!(begun.elapsed() < Duration::from_mins(2), "nothing comes");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = fetching.id().to_string();
    // What Ctrl-C sends is ignored by what a shell has started in the background.
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.expect("kill runs").success());
    let status = fetching.wait().expect("it ends");
    assert_eq!(status.signal(), Some(15), "{status}");
    assert!(!scene.got(LARGE).exists());

    let good = Mirror::good(&scene.folder());
    scene
        .fetch(&[&good], "")
        .expect_code(0)
        .expect_words("model.dat from byte 8388608");
    scene.assert_fetched();
}

#[test]
fn a_mirror_that_is_out_of_reach_or_lacks_a_file_leaves_it_open() {
    let scene = Scene::new();
    scene
        .reader
        .candor(
            &scene.log,
            "fetch tiny.candor --retries 0 --from http://127.0.0.1:1/",
        )
        .expect_error(3, "http://127.0.0.1:1/: no answer");
    let half = scene.lab.home.join("half");
    copy_folder(&scene.folder(), &half);
    fs::remove_file(half.join("config.json")).expect("there");
    let lacking = Mirror::good(&half);
    scene
        .fetch(&[&lacking], "")
        .expect_error(3, "config.json can't be fetched")
        .expect_words("it has no such file (HTTP status 404)")
        .expect_words("5 of 6 files are there");
    // Two that lack something have all together.
    fs::remove_file(scene.folder().join("README.md")).expect("there");
    let other = Mirror::good(&scene.folder());
    scene
        .fetch(&[&lacking, &other], "")
        .expect_code(0)
        .expect_words("is given up: it has no such file");
    scene.assert_fetched();
}

#[test]
fn a_mirror_that_says_another_length_than_it_sends_gets_nothing_past() {
    let scene = Scene::new();
    let shorter = scene.mirror(|_, reply| reply.length = LARGE_BYTES - 1);
    scene
        .fetch(&[&shorter], "")
        .expect_error(3, "its file has 20971519 bytes, and the release's 20971520");
    let longer = scene.mirror(|_, reply| reply.length = LARGE_BYTES + 1);
    scene
        .fetch(&[&longer], "")
        .expect_error(3, "its file has 20971521 bytes, and the release's 20971520");
    // It says what it should, and sends less.
    let cut = scene.mirror(|_, reply| reply.cut = Some(LARGE_BYTES - 1));
    scene.fetch(&[&cut], "").expect_error(3, "it broke off");
    // Or more: that is never looked at.
    assert!(!scene.got(LARGE).exists());
    let more = scene.mirror(|_, reply| reply.surplus = b"HTTP/1.1 200 OK\r\n".to_vec());
    scene.fetch(&[&more], "").expect_code(0);
    scene.assert_fetched();
}

#[test]
fn what_a_mirror_says_reaches_no_terminal_as_it_is() {
    let scene = Scene::new();
    let hostile = scene.mirror(|_, reply| {
        reply
            .headers
            .push(b"Content-Encoding: gz\x9b31m\xe2\x80\xae\tip".to_vec());
    });
    // `Person::candor` asserts that all is plain.
    scene
        .fetch(&[&hostile], "")
        .expect_error(3, "it sends the file in the content encoding");
}

#[test]
fn a_withdrawn_release_is_refused_before_any_mirror_is_asked() {
    let scene = Scene::new();
    let mirror = Mirror::good(&scene.folder());
    let by_name = format!(
        "fetch example-lab/tiny@1.0.0 -o got --from {}",
        mirror.url()
    );
    let withdraw = "withdraw example-lab/tiny@1.0.0 --reason error --explanation Wrong --yes";
    scene.lab.candor(&scene.log, withdraw).expect_code(0);
    let refused = scene
        .reader
        .candor(&scene.log, &by_name)
        .expect_error(1, "was withdrawn")
        .expect_words("nothing was fetched, and nobody was asked for files");
    assert!(refused.stderr.contains("don't use it"));
    assert_eq!(mirror.asked(), []);
    assert!(!scene.got("").exists());
    // An old bundle does not know of it, and says so; one that is of another release is refused.
    let by_bundle = |name: &str| scene.fetch(&[&mirror], &format!("--as {name}"));
    by_bundle("example-lab/tiny@2").expect_error(1, "is not example-lab/tiny@2");
    assert_eq!(mirror.asked(), []);
    by_bundle("example-lab/tiny@1.0.0")
        .expect_code(0)
        .expect_words("whether anything was withdrawn");
}

#[test]
fn a_release_that_nothing_strong_is_known_of_is_not_fetched() {
    let scene = Scene::new();
    let sums = "d41d8cd98f00b204e9800998ecf8427e  model.bin\n";
    scene.lab.write("md5sums.txt", sums);
    let publish = "publish md5sums.txt --as example-lab/old@1 \
                   --source-uri https://huggingface.co/example-lab/old";
    scene.lab.candor(&scene.log, publish).expect_code(0);
    let mirror = Mirror::good(&scene.folder());
    let fetch = format!("fetch example-lab/old@1 --from {}", mirror.url());
    scene
        .reader
        .candor(&scene.log, &fetch)
        .expect_error(3, "model.bin has no strong digest in the manifest");
    assert_eq!(mirror.asked(), []);
    // Where nobody is named, the record's word is told, and nobody is asked by it.
    scene
        .reader
        .candor(&scene.log, "fetch example-lab/old@1")
        .expect_error(
            2,
            "its digests are from \"https://huggingface.co/example-lab/old\"",
        )
        .expect_words("`--from-record` asks where the record says");

    scene
        .lab
        .candor(
            &scene.log,
            "publish tiny/README.md --as example-lab/card-only@1",
        )
        .expect_code(0);
    let fetch = format!("fetch example-lab/card-only@1 --from {}", mirror.url());
    scene
        .reader
        .candor(&scene.log, &fetch)
        .expect_error(3, "has no weights record");
    assert_eq!(mirror.asked(), []);
}

#[test]
fn sources_are_named_in_words_or_in_a_list_and_wrong_ones_are_told_before_anybody_is_asked() {
    let mut scene = Scene::new();
    scene.log.kill();
    let mirror = Mirror::good(&scene.folder());
    let run = |line: &str| scene.reader.candor(&scene.log, line);
    run("fetch tiny.candor").expect_error(2, "no source is named");
    run("fetch tiny.candor --from-record").expect_error(2, "names no place");
    for (source, words) in [
        ("mirror.example.org/x", "is not an address to fetch from"),
        ("hf://a/b/c", "is not a repository's name"),
        ("https://me:secret@a.example/", "a user name or a password"),
    ] {
        // The log is gone: it is not even asked.
        let line = format!("fetch example-lab/tiny@1.0.0 --from {source}");
        let refused = run(&line).expect_error(2, words);
        assert!(
            !refused.stderr.contains("secret"),
            "{}",
            refused.transcript()
        );
    }
    scene
        .reader
        .write("bad.txt", "# ours\nmirror.example.org\n");
    run("fetch tiny.candor --mirrors bad.txt").expect_error(2, "bad.txt in line 2:");
    scene.reader.write("none.txt", "# none yet\n");
    run("fetch tiny.candor --mirrors none.txt").expect_error(2, "no source is named");
    run("fetch tiny.candor --mirrors nowhere.txt").expect_error(2, "nowhere.txt");
    run(&format!("fetch nowhere --from {}", mirror.url())).expect_error(2, "is no bundle here");
    run(&format!(
        "fetch README --as example-lab/tiny@1.0.0 --from {}",
        mirror.url()
    ))
    .expect_error(2, "is no bundle here");
    run(&format!(
        "fetch example-lab/tiny@1.0.0 --as example-lab/tiny@1.0.0 --from {}",
        mirror.url()
    ))
    .expect_error(2, "`--as` has nothing to do with");
    let unknown_roots = scene.reader.candor_with(
        &scene.log,
        &["fetch", "tiny.candor", "--from", "https://127.0.0.1:1/"],
        &[("SSL_CERT_FILE", "nowhere.pem")],
    );
    unknown_roots.expect_error(2, "SSL_CERT_FILE names nowhere.pem");
    assert_eq!(mirror.asked(), []);

    let list = format!(
        "# a disk first\nfile:///nowhere\n{}  # ours\n",
        mirror.url()
    );
    scene.reader.write("mirrors.txt", list);
    run("fetch tiny.candor --mirrors mirrors.txt -o got")
        .expect_code(0)
        .expect_words("file:///nowhere was given up for 6 files")
        .expect_words("and 1 more");
    scene.assert_fetched();
}

#[test]
fn what_is_in_the_folder_is_neither_overwritten_nor_followed() {
    let scene = Scene::new();
    let mirror = Mirror::good(&scene.folder());
    scene.reader.write("got/README.md", "mine");
    scene.reader.write("got/notes.txt", "mine too");
    scene
        .fetch(&[&mirror], "")
        .expect_error(2, "README.md is there, and is another file")
        .expect_words("`--replace`");
    assert_eq!(mirror.asked(), []);
    assert_eq!(scene.reader.read("got/README.md"), b"mine");
    scene
        .fetch(&[&mirror], "--replace")
        .expect_code(0)
        .expect_words("what is in the folder beside the release: notes.txt");
    fs::remove_file(scene.got("notes.txt")).expect("there");
    scene.assert_fetched();

    fs::remove_dir_all(scene.got("tokenizer")).expect("there");
    let elsewhere = scene.reader.home.join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    std::os::unix::fs::symlink(&elsewhere, scene.got("tokenizer")).expect("linked");
    scene
        .fetch(&[&mirror], "--replace")
        .expect_error(2, "a symbolic link, which is not followed");
    assert!(fs::read_dir(&elsewhere).expect("there").next().is_none());

    scene.reader.write("file", "x");
    scene
        .reader
        .candor(
            &scene.log,
            &format!("fetch tiny.candor -o file --from {}", mirror.url()),
        )
        .expect_error(2, "the folder file:");
}

#[test]
fn a_folder_of_unfinished_files_is_no_part_of_a_release() {
    let scene = Scene::new();
    let mirror = Mirror::good(&scene.folder());
    scene.fetch(&[&mirror], "").expect_code(0);
    scene.reader.write("got/.candor-fetch/x.part", "x");
    let verify = |flags: &str| {
        let line = format!("verify got --bundle tiny.candor {flags}");
        scene.reader.candor(&scene.log, &line)
    };
    verify("")
        .expect_code(0)
        .expect_words("what is in .candor-fetch, which a release never lists");
    verify("--strict").expect_error(1, "not listed: .candor-fetch");
    // A file of that name is one like any other.
    fs::remove_dir_all(scene.got(".candor-fetch")).expect("there");
    scene.reader.write("got/.candor-fetch", "x");
    verify("").expect_error(1, "not listed: .candor-fetch");
    // It is not released either.
    scene.lab.write("tiny/.candor-fetch/x.part", "x");
    scene
        .lab
        .candor(
            &scene.log,
            "release tiny --as example-lab/tiny@2 --dry-run --json",
        )
        .expect_code(0);
    scene
        .lab
        .candor(&scene.log, "diff tiny example-lab/tiny@1.0.0")
        .expect_code(0);
}
