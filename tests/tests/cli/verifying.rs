//! Verifying: what holds, what is refuted, what nobody can tell.

use candor_tests::cli::{Person, Ran, flip_last_byte, write_release};
use candor_tests::{TestLog, TestPublisher};
use serde_json::json;

/// A log with a release, and an auditor who has its folder and its bundle.
pub(super) struct Scene {
    pub(super) log: TestLog,
    pub(super) lab: Person,
    pub(super) auditor: Person,
}

impl Scene {
    pub(super) fn new() -> Self {
        let log = TestLog::start();
        let lab = Person::registered(&log, "example-lab");
        write_release(&lab.home.join("tiny"));
        lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
            .expect_code(0);
        let auditor = Person::new(&log, "auditor");
        write_release(&auditor.home.join("tiny"));
        auditor.write("tiny.candor", lab.read("tiny-1.0.0.candor"));
        Self { log, lab, auditor }
    }

    pub(super) fn auditor(&self, line: &str) -> Ran {
        self.auditor.candor(&self.log, line)
    }

    /// Publishes a withdrawal by `author` of the whole release.
    pub(super) fn withdraw_release(&self) {
        let shown = self.auditor("show example-lab/tiny@1.0.0 --json").json();
        let withdrawal = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{
                "name": "example-lab/tiny@1.0.0",
                "digest": { "sha256": shown["records"][0]["statement"] },
            }],
            "predicateType": "urn:candor:withdrawal:v1",
            "predicate": {
                "author": "example-lab",
                "scope": "release",
                "reason": "error",
                "explanation": "The weights are those of another run.",
                "replacement": "example-lab/tiny@1.0.1",
            },
        });
        self.lab.write_json("withdrawal.json", &withdrawal);
        self.lab
            .candor(&self.log, "publish withdrawal.json")
            .expect_code(0);
    }
}

#[test]
fn a_release_verifies_offline_with_the_server_gone() {
    let mut scene = Scene::new();
    scene.log.kill();
    let verified = scene.auditor("verify tiny --bundle tiny.candor");
    insta::assert_snapshot!(verified.transcript(), @"
    $ candor verify tiny --bundle tiny.candor
    holds  tiny as example-lab/tiny@1.0.0
      checked      3 records of example-lab/tiny@1.0.0 are in the log, at entries 1, 2, 3, and signed by
                   those who had to
                   5 files, 663 bytes, are those of the weights record (entry 1)
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 1), model-card (entry 2), training-config (entry 3)
      logged       as entries 1, 2, 3: the log's order; no time is proven
      checkpoint   example.org/candor-test, 4 entries, root lyUGIfDuAHQe/8N5VPDpotPNH0xh2KQFkBYnojoOy9w=
      not checked  whether anything was withdrawn, or a key taken off its list: whoever made the bundle may
                   have left it out, and it has nothing that came after the checkpoint's 4 entries; `candor
                   verify example-lab/tiny@1.0.0` asks the log
                   whether example-lab/tiny@1.0.0 is the release that you want: name that with `--as`
                   whether this is the history that others see: no checkpoint of this log was seen here
                   before
    --- stderr, exit 0
    ");
    scene.auditor("verify tiny.candor").expect_code(0);
    scene.auditor("verify tiny.candor --offline").expect_code(0);
    let mut offline = scene.log.candor_offline();
    let output = offline
        .args(["verify", "tiny", "--bundle", "tiny.candor", "--offline"])
        .current_dir(&scene.auditor.home)
        .output()
        .expect("candor runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_folder_that_differs_is_refuted_file_by_file() {
    let mut scene = Scene::new();
    let folder = scene.auditor.home.join("tiny");
    let online = scene.auditor("verify tiny --as example-lab/tiny@1.0.0");
    online.expect_code(0);
    scene.log.kill();
    let verify = "verify tiny --bundle tiny.candor";
    flip_last_byte(&folder.join("model.safetensors"));
    let changed = scene.auditor(verify);
    insta::assert_snapshot!(changed.transcript(), @"
    $ candor verify tiny --bundle tiny.candor
    refuted  tiny as example-lab/tiny@1.0.0
      checked      3 records of example-lab/tiny@1.0.0 are in the log, at entries 1, 2, 3, and signed by
                   those who had to
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 1), model-card (entry 2), training-config (entry 3)
      logged       as entries 1, 2, 3: the log's order; no time is proven
      checkpoint   example.org/candor-test, 4 entries, root lyUGIfDuAHQe/8N5VPDpotPNH0xh2KQFkBYnojoOy9w=
      not checked  whether anything was withdrawn, or a key taken off its list: whoever made the bundle may
                   have left it out, and it has nothing that came after the checkpoint's 4 entries; `candor
                   verify example-lab/tiny@1.0.0` asks the log
                   whether example-lab/tiny@1.0.0 is the release that you want: name that with `--as`
    --- stderr, exit 1
    error: tiny as example-lab/tiny@1.0.0 does not hold
      changed: model.safetensors (sha256 8328e6e3c09e… instead of 28cc7968ccdf…)
    hint: don't use it; fetch it again from its publisher, and verify that
    ");
    assert_eq!(changed.code, 1);
    flip_last_byte(&folder.join("model.safetensors"));

    scene.auditor.write("tiny/tokenizer/extra.txt", "extra");
    scene
        .auditor(verify)
        .expect_error(1, "not listed: tokenizer/extra.txt");
    std::fs::remove_file(folder.join("tokenizer/extra.txt")).expect("the file goes");

    std::fs::remove_file(folder.join("config.json")).expect("the file goes");
    scene
        .auditor(verify)
        .expect_error(1, "missing: config.json");
    let json = scene
        .auditor(&format!("{verify} --json"))
        .expect_code(1)
        .json();
    assert_eq!(json["verdict"], "refuted");
    assert_eq!(
        json["findings"],
        json!([{ "finding": "missing", "path": "config.json" }])
    );

    // A link in a file's place, of the right content, is not the file.
    std::os::unix::fs::symlink("../tiny-config.json", folder.join("config.json")).expect("a link");
    scene
        .auditor
        .write("tiny-config.json", "{\"model_type\":\"tiny\"}\n");
    scene
        .auditor(verify)
        .expect_error(1, "changed: config.json (a symbolic link");

    write_release(&scene.auditor.home.join("again"));
    scene
        .auditor("verify again --bundle tiny.candor")
        .expect_code(0);
}

#[test]
fn every_file_of_a_wholly_different_folder_is_named_but_not_without_end() {
    let scene = Scene::new();
    for n in 0..100 {
        scene.auditor.write(&format!("other/{n}.bin"), "x");
    }
    scene
        .auditor("verify other --bundle tiny.candor")
        .expect_error(1, "more; `--json` lists all");
    let json = scene
        .auditor("verify other --bundle tiny.candor --json")
        .expect_code(1)
        .json();
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(105));
}

#[test]
fn a_bundle_holds_only_for_its_own_log_and_its_own_tree() {
    let scene = Scene::new();
    let other = TestLog::start();
    let lab = Person::registered(&other, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.candor(&other, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    let bundle = |bytes: Vec<u8>| -> serde_json::Value {
        serde_json::from_slice(&bytes).expect("bundles are JSON")
    };
    scene
        .auditor
        .write("other.candor", lab.read("tiny-1.0.0.candor"));
    scene
        .auditor("verify other.candor")
        .expect_error(2, "other.candor")
        .expect_words("check that `--log-key` is the key of the log that this is from");
    let wrong_key = ["--log-key", &other.key().to_string()].join(" ");
    scene
        .auditor(&format!("verify tiny.candor {wrong_key}"))
        .expect_error(2, "is signed by");
    // By the right key, over another text.
    let mut forged = bundle(scene.lab.read("tiny-1.0.0.candor"));
    let checkpoint = forged["checkpoint"].as_str().expect("text");
    forged["checkpoint"] = checkpoint.replacen("\n4\n", "\n5\n", 1).into();
    scene.auditor.write_json("forged.candor", &forged);
    scene
        .auditor("verify forged.candor")
        .expect_error(1, "is not over this text")
        .expect_words("fetch it again from whoever published it");

    // Two entries later, the same records have other proofs in a larger tree.
    let more = ["2", "3"]
        .map(|version| TestPublisher::new("example-lab").api_version("tiny-api", version, ""));
    scene.log.publish(&more).expect_status(201);
    scene
        .lab
        .candor(
            &scene.log,
            "release tiny --as example-lab/tiny@1.0.0 --out later.candor",
        )
        .expect_code(0);
    let mut mixed = bundle(scene.lab.read("later.candor"));
    mixed["checkpoint"] = bundle(scene.lab.read("tiny-1.0.0.candor"))["checkpoint"].clone();
    assert!(mixed["checkpoint"].is_string());
    scene.auditor.write_json("mixed.candor", &mixed);
    scene
        .auditor("verify mixed.candor")
        .expect_error(1, "mixed.candor")
        .expect_words("fetch it again from whoever published it");
}

#[test]
fn every_damaged_bundle_is_refused() {
    let scene = Scene::new();
    let whole = scene.lab.read("tiny-1.0.0.candor");
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("garbage", vec![0xff; 1000]),
        ("other json", b"{}".to_vec()),
        ("twice", [whole.clone(), whole.clone()].concat()),
        (
            "nested",
            [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        ),
    ] {
        scene.auditor.write("bad.candor", bytes);
        let refused = scene.auditor("verify bad.candor");
        assert_eq!(refused.code, 2, "{name}: {}", refused.transcript());
        refused.expect_error(2, "bad.candor");
    }
    scene
        .auditor("verify nowhere.candor")
        .expect_error(2, "nowhere.candor");
    scene
        .auditor("verify tiny --bundle nowhere.candor")
        .expect_error(2, "nowhere.candor");
}

#[test]
fn no_byte_of_a_bundle_can_change_unnoticed() {
    let scene = Scene::new();
    let whole = scene.lab.read("tiny-1.0.0.candor");
    // Every byte takes minutes; these hit all parts, in other places whenever the bundle's length changes.
    let mut unnoticed = Vec::new();
    for n in 0..60 {
        let at = n * whole.len() / 60 + 7;
        let mut bytes = whole.clone();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        scene.auditor.write("bad.candor", &bytes);
        let refused = scene.auditor("verify tiny --bundle bad.candor");
        // Nobody reads an attachment's media type here: the record that names it has it, signed.
        let line = whole[..at]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |it| it + 1);
        let is_media_type = whole[line..]
            .trim_ascii_start()
            .starts_with(b"\"mediaType\"");
        if refused.code == 0 && !is_media_type {
            let around = &whole[at.saturating_sub(40)..whole.len().min(at + 40)];
            unnoticed.push((at, String::from_utf8_lossy(around).into_owned()));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn a_withdrawn_release_is_refuted_with_the_entry_that_says_so() {
    let scene = Scene::new();
    scene
        .auditor("verify example-lab/tiny@1.0.0")
        .expect_code(0);
    scene.withdraw_release();
    let refuted = scene.auditor("verify example-lab/tiny@1.0.0");
    insta::assert_snapshot!(refuted.transcript_without_times(), @"
    $ candor verify example-lab/tiny@1.0.0
    refuted  example-lab/tiny@1.0.0
      checked      4 records of example-lab/tiny@1.0.0 are in the log, at entries 1, 2, 3, 4, and signed by
                   those who had to
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 1), model-card (entry 2), training-config (entry 3), withdrawal (entry 4)
      logged       as entries 1, 2, 3, 4: accepted between [time] and
                   [time], as the log says, which nothing proves
      checkpoint   example.org/candor-test, 5 entries, root l9RAPMaShqJsKMHtXSW1tDeG/kc4LeKrnRgDlWHVamE=
      not checked  whether the log's lists leave records out: `candor log` walks through all entries
                   whether any copy of 5 files is as listed: `candor verify FOLDER --as
                   example-lab/tiny@1.0.0` reads one
    --- stderr, exit 1
    error: example-lab/tiny@1.0.0 is in the log, and was withdrawn
      example-lab/tiny@1.0.0 is withdrawn by entry 4 (error): The weights are those of another run. Use example-lab/tiny@1.0.1 instead.
    hint: don't use it; the withdrawal says why, and what to use instead
    ");
    assert_eq!(refuted.code, 1);
    scene
        .auditor("verify tiny --as example-lab/tiny@1.0.0")
        .expect_error(1, "withdrawn by entry 4 (error)");
    scene.auditor("verify 1").expect_error(1, "entry 4");
    // The old bundle knows nothing of it, and says so.
    scene
        .auditor("verify tiny --bundle tiny.candor")
        .expect_code(0)
        .expect_words("whether anything was withdrawn");
    let shown = scene.auditor("show example-lab/tiny@1.0.0").expect_code(0);
    insta::assert_snapshot!(shown.stdout, @"
    example-lab/tiny@1.0.0
    WITHDRAWN by entry 4 (error): The weights are those of another run. Use example-lab/tiny@1.0.1 instead.

    Weights  entry 1, signed by example-lab (key a0afb49898da)
      WITHDRAWN by entry 4
      Files            5 files, 663 bytes
      Digests          SHA-256
      Merkle root      176261a925b0d43e91017024cd72ac6d703ca839cfffa488b86af5ddf57480b3
      Format           safetensors
      Parameters       64
      Manifest         manifest.json, 668 bytes, sha256
                       96d79b7e50320aa1d16ed851636fb5ace9833adebef1b847c2c3d0028d5c79df
      Tensors          1
      Tensor list      tensors.json, 242 bytes, sha256
                       8edf4ba959ce5b724b10e2301fb3ed2b638c1a3f7fb5175ae4ab2d9d6c5b2829
      Tensors root     d908c9f7e4c8bf0da9c0562a3c76cb9957f6815144eb52802c189dbe6b77c964

    Model card  entry 2, signed by example-lab (key a0afb49898da)
      WITHDRAWN by entry 4
      License          apache-2.0
      Languages        en, de
      Tags             test
      Data sets        example/letters
      Made from        example-lab/tinier
      Intended use     Showing that a release can be published and verified.
      Limitations      It knows three letters.
      Card             README.md, 239 bytes, sha256
                       b394a13487bf08b54ff47a5ffedae16cb108118f2248d341fb200504f823b87b

    Training config  entry 3, signed by example-lab (key a0afb49898da)
      WITHDRAWN by entry 4
      Config           training_config.yml, 68 bytes, sha256
                       d26985f1634e7c19d58b332bd9327d44141277441017f080e2fd97e05d8d82a7
      Hyperparameters  4 settings
        learning_rate     0.0003
        optimizer         adamw
        seed              42
        train_batch_size  8

    Withdrawal  entry 4, signed by example-lab (key a0afb49898da)
      Withdraws        everything that its author signed about the release
      Reason           error
      Explanation      The weights are those of another run.
      Use instead      example-lab/tiny@1.0.1

    verified  against the checkpoint of example.org/candor-test with 5 entries, root l9RAPMaShqJsKMHtXSW1tDeG/kc4LeKrnRgDlWHVamE=
    ");
}

#[test]
fn files_that_only_weak_digests_name_are_left_open() {
    let scene = Scene::new();
    // MD5 of "hello\n".
    scene
        .lab
        .write("MD5SUMS", "b1946ac92492d2347c6235b4d2611184  model.bin\n");
    scene
        .lab
        .candor(
            &scene.log,
            "publish MD5SUMS --as example-lab/old@1 --out old.candor",
        )
        .expect_code(0)
        .expect_words("md5 is weak");
    scene
        .auditor
        .write("old.candor", scene.lab.read("old.candor"));
    scene.auditor.write("old/model.bin", "hello\n");
    let unclear = scene.auditor("verify old --bundle old.candor");
    insta::assert_snapshot!(unclear.transcript(), @"
    $ candor verify old --bundle old.candor
    unclear  old as example-lab/old@1
      checked      1 record of example-lab/old@1 is in the log, at entry 4, and signed by those who had to
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: weights
                   (entry 4)
      logged       as entry 4: the log's order; no time is proven
      remarks      the weights record (entry 4) has only digests by MD5, which are weak: a file that has them
                   may be another one
      checkpoint   example.org/candor-test, 5 entries, root opcU075/Ov0CehLkkAPjCGxAvf8NUu6pDk8YvaIzKJU=
      not checked  whether anything was withdrawn, or a key taken off its list: whoever made the bundle may
                   have left it out, and it has nothing that came after the checkpoint's 5 entries; `candor
                   verify example-lab/old@1` asks the log
                   whether example-lab/old@1 is the release that you want: name that with `--as`
                   whether this is the history that others see: no checkpoint of this log was seen here
                   before
    --- stderr, exit 3
    error: there is no telling whether old as example-lab/old@1 holds
      1 file has the digests that are listed, by MD5 alone: other files can be made to have the same ones
    hint: look for stronger evidence, such as SHA-256 digests from the publisher
    ");
    assert_eq!(unclear.code, 3);
    scene.auditor.write("old/model.bin", "hallo\n");
    scene
        .auditor("verify old --bundle old.candor")
        .expect_error(1, "changed: model.bin (md5");
    scene.auditor.write("old/model.bin", "hello\n");
    scene.auditor.write("old/other.bin", "hello\n");
    scene
        .auditor("verify old --bundle old.candor")
        .expect_error(1, "not listed: other.bin");
}

#[test]
fn a_log_out_of_reach_leaves_it_open() {
    let mut scene = Scene::new();
    scene.log.kill();
    let unclear = scene.auditor("verify example-lab/tiny@1.0.0");
    insta::assert_snapshot!(unclear.transcript(), @"
    $ candor verify example-lab/tiny@1.0.0
    --- stderr, exit 3
    error: no answer from [log]/checkpoint: io: Connection refused (os error 111)
    hint: check the address (`--log URL`) and the network; a `.candor` bundle verifies without either
    ");
    assert_eq!(unclear.code, 3);
    for command in [
        "show 1",
        "list",
        "log",
        "proof 1",
        "publisher show example-lab",
    ] {
        scene.auditor(command).expect_error(3, "[log]");
    }
    scene
        .auditor("verify example-lab/tiny@1.0.0 --offline")
        .expect_error(2, "can't be verified offline by itself");
}

#[test]
fn a_record_verifies_by_its_file_its_index_its_digest_and_its_proof() {
    let mut scene = Scene::new();
    scene
        .auditor("proof 2 -o card.tlog-proof --entry card.json")
        .expect_code(0);
    let by_index = scene.auditor("verify 2").expect_code(0);
    insta::assert_snapshot!(by_index.stdout, @"
    holds  entry 2
      checked      the model-card record of example-lab/tiny@1.0.0 is in the log, at entry 2, and signed by
                   those who had to
      signed by    example-lab, key a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b:
                   model-card (entry 2)
      logged       as entry 2: the log's order; no time is proven
      checkpoint   example.org/candor-test, 4 entries, root lyUGIfDuAHQe/8N5VPDpotPNH0xh2KQFkBYnojoOy9w=
      not checked  whether the log's lists leave records out: `candor log` walks through all entries
    ");
    let digest = scene.auditor("show 2 --json").json()["statement"].clone();
    let digest = digest.as_str().expect("a digest");
    scene.auditor(&format!("verify {digest}")).expect_code(0);
    scene.auditor("verify card.json").expect_code(0);
    scene.auditor("proof 3 -o other.tlog-proof").expect_code(0);
    let never = TestPublisher::new("example-lab").api_version("tiny-api", "9", "");
    scene.auditor.write_json("never.json", &never);
    scene
        .auditor("verify never.json")
        .expect_error(3, "no record with the statement digest");
    scene.auditor("verify 99").expect_error(2, "99");
    scene
        .auditor(&format!("verify {}", "f".repeat(64)))
        .expect_code(3);

    scene.log.kill();
    let offline = scene
        .auditor("verify card.json --proof card.tlog-proof")
        .expect_code(3);
    insta::assert_snapshot!(offline.transcript(), @"
    $ candor verify card.json --proof card.tlog-proof
    unclear  entry 2
      checked      the model-card record of example-lab/tiny@1.0.0 is in the log, at entry 2
      signed by    example-lab, as the record says, key
                   a0afb49898dad8121f4eff03a22d98f0ecefd0bde6a56118b12667d7fac19e7b: model-card (entry 2)
      logged       as entry 2: the log's order; no time is proven
      checkpoint   example.org/candor-test, 4 entries, root lyUGIfDuAHQe/8N5VPDpotPNH0xh2KQFkBYnojoOy9w=
      not checked  whether the record was withdrawn: `candor verify 2` asks the log
    --- stderr, exit 3
    error: there is no telling whether entry 2 holds
      the signature is not checked: a lone proof does not say which keys are example-lab's
    hint: verify a .candor bundle that holds the record, or ask the log: `candor verify 2`
    ");
    scene
        .auditor("verify card.tlog-proof --record card.json")
        .expect_code(3);
    scene
        .auditor("verify card.json --proof other.tlog-proof")
        .expect_error(1, "other.tlog-proof");
    scene
        .auditor("verify never.json --proof card.tlog-proof")
        .expect_error(1, "card.tlog-proof");
    scene
        .auditor("verify card.tlog-proof")
        .expect_error(2, "--record FILE");
    let proof = String::from_utf8(scene.auditor.read("card.tlog-proof")).expect("text");
    scene
        .auditor
        .write("cut.tlog-proof", &proof[..proof.len() / 2]);
    scene
        .auditor("verify cut.tlog-proof --record card.json")
        .expect_error(2, "cut.tlog-proof");
}

#[test]
fn a_bundle_is_of_the_release_that_the_user_wants() {
    let scene = Scene::new();
    for target in ["tiny --bundle tiny.candor", "tiny.candor"] {
        let verify = |name: &str| scene.auditor(&format!("verify {target} --as {name}"));
        verify("example-lab/tiny@1.0.0")
            .expect_code(0)
            .expect_words("as asked");
        verify("other-lab/tiny@1.0.0").expect_error(1, "is not other-lab/tiny@1.0.0");
    }
}

#[test]
fn flags_that_would_not_be_looked_at_are_refused() {
    let scene = Scene::new();
    for (line, words) in [
        ("verify tiny.candor --record x --proof x", "--proof"),
        ("verify tiny --bundle tiny.candor --proof x", "--proof"),
        ("verify 4 --as example-lab/tiny@1.0.0", "--as"),
        (
            "verify example-lab/tiny@1.0.0 --bundle tiny.candor",
            "--bundle",
        ),
    ] {
        scene.auditor(line).expect_error(2, words);
    }
}
