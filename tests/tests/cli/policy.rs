//! `candor verify --policy`: a gate that passes what holds and is as somebody asks, and nothing else.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use candor_core::Sha256;
use candor_tests::cli::{Person, Ran, write_release};
use candor_tests::{TestLog, TestPublisher};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::verifying::Scene;

/// `os.system("id")`, as a pickle.
const PICKLE: &[u8] = b"\x80\x02cos\nsystem\nq\0X\x02\0\0\0idq\x01\x85q\x02Rq\x03.";

/// A witness whose secret key is so many times one byte.
struct Witness(&'static str, u8);

const W1: Witness = Witness("witness.example.com/w1", 1);
const W2: Witness = Witness("witness.example.net/w2", 2);

impl Witness {
    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.1; 32])
    }

    /// C2SP `signed-note`: four bytes that tell the key, by its name, type and bytes.
    fn key_id(&self) -> [u8; 4] {
        let key = self.key().verifying_key();
        let hash = Sha256::of([self.0.as_bytes(), b"\n\x04", key.as_bytes()].concat());
        *hash.as_bytes().first_chunk().expect("32 bytes")
    }

    fn vkey(&self) -> String {
        let key = [&[4], self.key().verifying_key().as_bytes().as_slice()].concat();
        let id = hex::encode(self.key_id());
        format!("{}+{id}+{}", self.0, BASE64_STANDARD.encode(key))
    }

    /// C2SP `tlog-cosignature`: the line that it puts below a note.
    fn cosign(&self, note: &str, time: u64) -> String {
        let (text, _) = note.rsplit_once("\n\n").expect("a note");
        let message = format!("cosignature/v1\ntime {time}\n{text}\n");
        let signature = self.key().sign(message.as_bytes()).to_bytes();
        let bytes = [&self.key_id(), time.to_be_bytes().as_slice(), &signature].concat();
        format!("\u{2014} {} {}\n", self.0, BASE64_STANDARD.encode(bytes))
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

/// A day ago, and so on.
fn days_ago(days: u64) -> u64 {
    now() - Duration::from_secs(days * 86_400).as_secs()
}

/// The example of docs/policy.md.
fn example() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    rest.split_once("```").expect("its end").0.to_owned()
}

impl Scene {
    /// Verifies `what` by a policy that says `text`.
    fn by(&self, text: &str, what: &str) -> Ran {
        self.auditor.write("candor.toml", text);
        self.auditor(&format!("verify {what} --policy candor.toml"))
    }

    /// Puts these lines below the checkpoint of the auditor's bundle.
    fn put_below(&self, lines: impl Fn(&str) -> Vec<String>) {
        let bundle = self.lab.read("tiny-1.0.0.candor");
        let mut bundle: Value = serde_json::from_slice(&bundle).expect("bundles are JSON");
        let checkpoint = bundle["checkpoint"].as_str().expect("text").to_owned();
        bundle["checkpoint"] = (checkpoint.clone() + &lines(&checkpoint).concat()).into();
        self.auditor.write_json("tiny.candor", &bundle);
    }
}

const FOLDER: &str = "tiny --bundle tiny.candor --as example-lab/tiny@1.0.0";

#[test]
fn what_is_as_the_documentations_example_asks_passes_with_nobody_to_ask() {
    let mut scene = Scene::new();
    scene.log.kill();
    scene.put_below(|note| vec![W1.cosign(note, now()), W2.cosign(note, days_ago(29))]);
    let passed = scene.by(&example(), FOLDER);
    insta::assert_snapshot!(passed.transcript());
    assert_eq!(passed.code, 0);
    let json = scene
        .by(&example(), &format!("{FOLDER} --json"))
        .expect_code(0)
        .json();
    let policy = &json["policy"];
    assert_eq!(policy["file"], "candor.toml");
    assert_eq!(policy["rules"], policy["kept"]);
    assert_eq!(policy["rules"].as_array().map(Vec::len), Some(6));
    assert_eq!(policy["cosignedBy"][1]["name"], W2.0);
    assert_eq!(json["findings"], json!([]));
    // The same without the second witness, and without the folder.
    scene.put_below(|note| vec![W1.cosign(note, now())]);
    scene
        .by(&example(), FOLDER)
        .expect_error(3, "1 of the 2 witnesses that it takes");
    scene
        .by(&example(), "tiny.candor")
        .expect_error(3, "none of them is one by its name");
}

/// What each policy makes of what is to be verified: the exit code, and words of it.
#[track_caller]
fn expect_each(scene: &Scene, rows: &[(&str, &str, i32, &str)]) {
    for (text, what, code, words) in rows {
        let ran = scene.by(text, what);
        assert_eq!(ran.code, *code, "{text}{}", ran.transcript());
        let ran = ran.expect_words(words);
        if *code == 0 {
            ran.expect_words("it is as the policy candor.toml asks, by 1 rule");
        } else {
            let holds = ran.stdout.contains("as the policy");
            assert!(!holds, "{}", ran.transcript());
        }
    }
}

const ON_LINE: &str = "example-lab/tiny@1.0.0";

#[test]
fn rules_about_publishers_and_records_have_a_release_that_they_refuse() {
    let scene = Scene::new();
    let key = TestPublisher::new("example-lab").public_key().keyid();
    let other = TestPublisher::new("somebody").public_key().keyid();
    let pinned = |keyid: Sha256| {
        format!("[publishers]\naccepted = [{{ name = \"example-lab\", keys = [\"{keyid}\"] }}]\n")
    };
    let (pinned, pinned_other) = (pinned(key), pinned(other));
    let rows = [
        (
            "[publishers]\naccepted = [\"example-lab\"]\n",
            FOLDER,
            0,
            "publishers.accepted",
        ),
        (
            "[publishers]\naccepted = [\"meta-ai\"]\n",
            FOLDER,
            1,
            "policy publishers.accepted: example-lab is not among",
        ),
        (pinned.as_str(), FOLDER, 0, "publishers.accepted"),
        (
            pinned_other.as_str(),
            FOLDER,
            1,
            "which is not among those that are accepted of example-lab",
        ),
        (
            "[records]\nrequired = [\"model-card\"]\n",
            ON_LINE,
            0,
            "records.required",
        ),
        (
            "[records]\nrequired = [\"api-version\"]\n",
            ON_LINE,
            3,
            "policy records.required: there is no api-version record",
        ),
    ];
    expect_each(&scene, &rows);
    // What does not hold by itself does not with any policy.
    let accepted = "[publishers]\naccepted = [\"example-lab\"]\n";
    scene.auditor.write("tiny/config.json", "{}");
    scene
        .by(accepted, FOLDER)
        .expect_error(1, "changed: config.json");
    scene.withdraw_release();
    scene
        .by(accepted, ON_LINE)
        .expect_error(1, "is withdrawn by entry 4");
}

#[test]
fn rules_about_files_licences_and_witnesses_have_a_release_that_they_refuse() {
    let scene = Scene::new();
    let witnesses = format!("[witnesses]\nquorum = 1\nkeys = [\"{}\"]\n", W1.vkey());
    let rows = [
        (
            "[weights]\npickle = \"refuse-by-name\"\n",
            "tiny.candor",
            0,
            "weights.pickle",
        ),
        (
            "[weights]\npickle = \"refuse\"\n",
            FOLDER,
            0,
            "weights.pickle",
        ),
        (
            "[weights]\npickle = \"refuse\"\n",
            "tiny.candor",
            3,
            "without the files",
        ),
        (
            "[weights]\npickle = \"refuse\"\n",
            ON_LINE,
            3,
            "without the files",
        ),
        (
            "[weights]\nformats = [\"safetensors\"]\n",
            FOLDER,
            0,
            "weights.formats",
        ),
        (
            "[weights]\nformats = [\"gguf\"]\n",
            FOLDER,
            1,
            "policy weights.formats: model.safetensors: by its name",
        ),
        (
            "[license]\naccepted = [\"Apache-2.0\"]\n",
            FOLDER,
            0,
            "license.accepted",
        ),
        (
            "[license]\naccepted = [\"mit\"]\n",
            FOLDER,
            1,
            "is \"apache-2.0\", which is not among those that are accepted",
        ),
        (
            witnesses.as_str(),
            ON_LINE,
            3,
            "0 of the 1 witnesses that it takes cosigned the checkpoint of 4 entries",
        ),
    ];
    expect_each(&scene, &rows);
}

#[test]
fn broken_rules_are_findings_by_name() {
    let scene = Scene::new();
    let text = "[publishers]\naccepted = [\"meta-ai\"]\n\n\
        [weights]\npickle = \"refuse\"\nformats = [\"gguf\"]\n";
    let refused = scene.by(text, FOLDER);
    insta::assert_snapshot!(refused.transcript());
    assert_eq!(refused.code, 1);
    let json = scene
        .by(text, &format!("{FOLDER} --json"))
        .expect_code(1)
        .json();
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(findings[0]["finding"], "policy");
    assert_eq!(findings[0]["rule"], "publishers.accepted");
    assert_eq!(findings[0]["path"], Value::Null);
    assert_eq!(findings[1]["rule"], "weights.formats");
    assert_eq!(findings[1]["path"], "model.safetensors");
    assert_eq!(json["policy"]["kept"], json!(["weights.pickle"]));
}

/// A lab that publishes folders with a bundle beside each.
struct Lab(TestLog, Person);

impl Lab {
    fn new() -> Self {
        let log = TestLog::start();
        let lab = Person::registered(&log, "example-lab");
        Self(log, lab)
    }

    /// Publishes a release whose folder has this file, too, taken as bytes.
    fn release(&self, name: &str, file: &str, bytes: &[u8]) -> String {
        let Self(log, lab) = self;
        write_release(&lab.home.join(name));
        lab.write(&format!("{name}/{file}"), bytes);
        let line = format!("release {name} --as example-lab/{name}@1.0.0 --as-bytes {file}");
        lab.candor(log, &line).expect_code(0);
        format!("{name} --bundle {name}-1.0.0.candor")
    }

    fn by(&self, text: &str, what: &str) -> Ran {
        let Self(log, lab) = self;
        lab.write("policy.toml", text);
        lab.candor(log, &format!("verify {what} --policy policy.toml"))
    }
}

#[test]
fn a_pickle_is_refused_under_any_name() {
    let lab = Lab::new();
    let (content, by_name) = (
        "[weights]\npickle = \"refuse\"\n",
        "[weights]\npickle = \"refuse-by-name\"\n",
    );
    let hidden = lab.release("hidden", "model.safetensors", PICKLE);
    let Lab(log, person) = &lab;
    person
        .candor(log, &format!("verify {hidden}"))
        .expect_code(0);
    for text in [content, by_name] {
        lab.by(text, &hidden).expect_error(
            1,
            "policy weights.pickle: model.safetensors: it is a pickle",
        );
        // Digests that are known from another time take nothing away from what is looked at.
        lab.by(text, &hidden).expect_error(1, "it is a pickle");
    }
    lab.by("[weights]\nformats = [\"safetensors\"]\n", &hidden)
        .expect_error(1, "it is not in the format that its name says");
    // Without the folder: no telling, and nothing by its name.
    lab.by(content, "hidden-1.0.0.candor")
        .expect_error(3, "without the files");
    lab.by(by_name, "hidden-1.0.0.candor")
        .expect_code(0)
        .expect_words("whether a file is a pickle whose name is not that of one");

    let named = lab.release("named", "pytorch_model.bin", PICKLE);
    lab.by(by_name, "named-1.0.0.candor").expect_error(
        1,
        "policy weights.pickle: pytorch_model.bin: it is a pickle by its name",
    );
    lab.by(content, "named-1.0.0.candor")
        .expect_error(3, "by its name, pytorch_model.bin is one");
    lab.by(content, &named).expect_error(
        1,
        "policy weights.pickle: pytorch_model.bin: it is a pickle",
    );
    // Called like one, and none.
    let called = lab.release("called", "tokenizer.bin", b"no pickle");
    lab.by(content, &called).expect_code(0);
    lab.by(by_name, &called)
        .expect_error(1, "tokenizer.bin: it is a pickle by its name");
    let packed = lab.release(
        "packed",
        "model.tar.gz",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03rest",
    );
    lab.by(content, &packed).expect_error(
        3,
        "whether model.tar.gz has a pickle in it: it is compressed (gzip)",
    );
}

#[test]
fn a_card_that_names_no_licence_is_refused() {
    let lab = Lab::new();
    let card = b"---\nlanguage: en\n---\n# Tiny\n";
    let silent = lab.release("silent", "README.md", card);
    lab.by("[license]\naccepted = [\"apache-2.0\"]\n", &silent)
        .expect_error(1, "names no licence");
    let named = b"---\nlicense: other\nlicense_name: letters-1\n---\n# Tiny\n";
    let other = lab.release("other", "README.md", named);
    lab.by("[license]\naccepted = [\"other:Letters-1\"]\n", &other)
        .expect_code(0);
    lab.by("[license]\naccepted = [\"other:letters-2\"]\n", &other)
        .expect_error(1, "is \"other:letters-1\"");
}

#[test]
fn a_pinned_key_counts_for_what_it_signed_and_its_successor_only_where_it_is_pinned() {
    let scene = Scene::new();
    let Scene { log, lab, .. } = &scene;
    let old = TestPublisher::new("example-lab")
        .public_key()
        .keyid()
        .to_string();
    lab.candor(log, "keygen --no-passphrase --out new.pem")
        .expect_code(0);
    lab.candor(log, "publisher rotate example-lab --new-key new.pem")
        .expect_code(0);
    write_release(&lab.home.join("next"));
    lab.candor(
        log,
        "release next --as example-lab/tiny@2.0.0 --key new.pem",
    )
    .expect_code(0);
    let pinned = |keys: &[&str]| {
        format!("[publishers]\naccepted = [{{ name = \"example-lab\", keys = {keys:?} }}]\n")
    };
    let retired = pinned(&[&old]);
    scene
        .by(&retired, "example-lab/tiny@1.0.0")
        .expect_code(0)
        .expect_words("the key counts no longer since");
    let refused = scene
        .by(&retired, "example-lab/tiny@2.0.0 --json")
        .expect_code(1)
        .json();
    assert_eq!(refused["findings"].as_array().map(Vec::len), Some(3));
    let new = refused["signedBy"][0]["keyid"]
        .as_str()
        .expect("a key")
        .to_owned();
    scene
        .by(&pinned(&[&old, &new]), "example-lab/tiny@2.0.0")
        .expect_code(0);
    scene
        .by(&pinned(&[&new]), "example-lab/tiny@1.0.0")
        .expect_error(1, "is signed with the key");
}

#[test]
fn only_cosignatures_of_the_policys_witnesses_over_this_checkpoint_count() {
    let mut scene = Scene::new();
    scene.log.kill();
    let asks = |quorum: usize, more: &str| {
        let keys = [W1.vkey(), W2.vkey()];
        format!("[witnesses]\nquorum = {quorum}\nkeys = {keys:?}\n{more}\n")
    };
    let two = asks(2, "");
    scene.put_below(|note| vec![W1.cosign(note, now()), W2.cosign(note, now())]);
    scene.by(&two, "tiny.candor").expect_code(0);
    scene.auditor("verify tiny.candor").expect_code(0);
    // One of them twice, and somebody else.
    scene.put_below(|note| {
        vec![
            W1.cosign(note, now()),
            W1.cosign(note, now() - 1),
            Witness("witness.example.org/w3", 3).cosign(note, now()),
        ]
    });
    scene
        .by(&two, "tiny.candor")
        .expect_error(3, "1 of the 2 witnesses");
    scene.by(&asks(1, ""), "tiny.candor").expect_code(0);
    // Under the name and key ID of the second, over another tree; and there is no telling, whoever else signed.
    scene.put_below(|note| {
        let other = note.replacen("\n4\n", "\n5\n", 1);
        vec![W1.cosign(note, now()), W2.cosign(&other, now())]
    });
    let refused = "the cosignature of witness.example.net/w2";
    scene.by(&two, "tiny.candor").expect_error(3, refused);
    scene
        .by(&asks(1, ""), "tiny.candor")
        .expect_error(3, refused);
    // Too old, and from tomorrow.
    let fresh = asks(2, "max_age = \"2 days\"");
    for (time, code) in [(days_ago(1), 0), (days_ago(3), 3), (now() + 86_400, 3)] {
        scene.put_below(|note| vec![W1.cosign(note, now()), W2.cosign(note, time)]);
        let ran = scene.by(&fresh, "tiny.candor");
        assert_eq!(ran.code, code, "{}", ran.transcript());
        if code == 3 {
            ran.expect_words("cosigned the checkpoint of 4 entries in the last 2days; ");
        }
        scene.by(&two, "tiny.candor").expect_code(0);
    }
}

#[test]
fn where_all_entries_were_read_what_is_missing_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().to_str().expect("plain").to_owned();
    let mut log = TestLog::start_with(&["--static-part", &place]);
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    log.stop();
    let verify = |text: &str| {
        lab.write("policy.toml", text);
        let line =
            format!("verify example-lab/tiny@1.0.0 --policy policy.toml --log file://{place}");
        lab.candor(&log, &line)
    };
    verify("[records]\nrequired = [\"weights\"]\n").expect_code(0);
    verify("[records]\nrequired = [\"evaluation\"]\n").expect_error(
        1,
        "there is no evaluation of example-lab/tiny@1.0.0 that stands",
    );
    // Who serves the files can have the checkpoint cosigned.
    let file = folder.path().join("checkpoint");
    let note = fs::read_to_string(&file).expect("there");
    let witnesses = format!("[witnesses]\nquorum = 1\nkeys = [\"{}\"]\n", W1.vkey());
    verify(&witnesses).expect_error(3, "0 of the 1 witnesses");
    fs::write(&file, note.clone() + &W1.cosign(&note, now())).expect("written");
    verify(&witnesses).expect_code(0);
}

#[test]
fn a_policy_comes_from_its_user_and_never_from_the_release() {
    let scene = Scene::new();
    let refuses = "[publishers]\naccepted = [\"meta-ai\"]\n";
    let accepts = "[publishers]\naccepted = [\"example-lab\"]\n";
    let run = |line: &str, variables: &[(&str, &str)]| {
        let arguments: Vec<_> = line.split_whitespace().collect();
        scene.auditor.candor_with(&scene.log, &arguments, variables)
    };
    let verify = format!("verify {FOLDER}");
    // One that lies here, or in the release, is not looked at.
    scene.auditor.write("candor.toml", refuses);
    run(&verify, &[]).expect_code(0);
    scene.auditor.write("tiny/candor.toml", accepts);
    run(&format!("{verify} --policy tiny/candor.toml"), &[])
        .expect_error(2, "whoever brought the folder may have brought it");
    run(&verify, &[("CANDOR_POLICY", "tiny/../tiny/candor.toml")])
        .expect_error(2, "whoever brought the folder may have brought it");
    fs::remove_file(scene.auditor.home.join("tiny/candor.toml")).expect("there");
    // The configuration's, the variable's, the flag's.
    scene.auditor.write(
        ".config/candor/config.toml",
        "[verify]\npolicy = \"mine.toml\"\n",
    );
    run(&verify, &[]).expect_error(2, "mine.toml");
    scene.auditor.write(".config/candor/mine.toml", refuses);
    run(&verify, &[]).expect_error(1, "policy publishers.accepted");
    scene.auditor.write("accepts.toml", accepts);
    let variable = [("CANDOR_POLICY", "accepts.toml")];
    run(&verify, &variable)
        .expect_code(0)
        .expect_words("as the policy accepts.toml asks");
    run(&format!("{verify} --policy candor.toml"), &variable)
        .expect_error(1, "policy publishers.accepted");
    // What it is not about.
    run("verify 1", &variable)
        .expect_code(0)
        .expect_words("the policy accepts.toml, which is about releases");
    run("verify 1 --policy accepts.toml", &[])
        .expect_error(2, "which `--policy` has nothing to do with");
    // What is none.
    for (text, words) in [
        ("", "is no policy: it asks nothing"),
        (
            "[publisher]\naccepted = []\n",
            "is no policy: line 1: unknown field `publisher`",
        ),
        (
            "\n\n[license]\naccepted = []\n",
            "is no policy: line 4: the list is empty",
        ),
    ] {
        scene.by(text, FOLDER).expect_error(2, words);
    }
    scene.auditor.write("candor.toml", b"\xff");
    run(&format!("{verify} --policy candor.toml"), &[]).expect_error(2, "it is not UTF-8");
    let long = format!("# {}\n{accepts}", "x".repeat(65_536));
    scene
        .by(&long, FOLDER)
        .expect_error(2, "has more than 65536 bytes");
    run(&format!("{verify} --policy nowhere.toml"), &[]).expect_error(2, "nowhere.toml");
}
