//! `candor prove-file`, `prove-chunk`, `verify-file` and `verify-chunk`: a part of a release, without the rest of it.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::PathBuf;

use candor_tests::TestLog;
use candor_tests::cli::{Person, Ran, flip_last_byte};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;
const CHUNK: usize = 8 * MIB;

/// The bytes of the large file: 20 MiB and a few.
fn large() -> Vec<u8> {
    (0..20 * MIB + 5)
        .map(|n| (n / 4096 * 7).to_le_bytes()[0])
        .collect()
}

/// A log with two releases, and who has made them; the server is gone.
struct Scene {
    log: TestLog,
    lab: Person,
    file: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let mut log = TestLog::start();
        let lab = Person::registered(&log, "example-lab");
        let mut bytes = large();
        for version in ["1.0.0", "1.0.1"] {
            lab.write("large/model.bin", &bytes);
            lab.write("large/README.md", "---\nlicense: mit\n---\n");
            lab.write("large/tokenizer/vocab.txt", "a\nb\n");
            lab.candor(
                &log,
                &format!("release large --as example-lab/large@{version}"),
            )
            .expect_code(0);
            bytes[CHUNK] ^= 1;
        }
        let file = lab.write("large/model.bin", large());
        log.kill();
        Self { log, lab, file }
    }

    fn run(&self, line: &str) -> Ran {
        self.lab.candor(&self.log, line)
    }

    /// What is said of something that holds, in one line.
    fn holds(&self, line: &str) -> String {
        let ran = self.run(line).expect_code(0);
        let words: Vec<_> = ran.stdout.split_whitespace().collect();
        words.join(" ")
    }
}

#[test]
fn a_file_is_proven_and_verified_with_nobody_to_ask() {
    let scene = Scene::new();
    let proven = scene
        .run("prove-file large-1.0.0.candor tokenizer/vocab.txt README.md -o two.json")
        .expect_code(0);
    insta::assert_snapshot!(proven.transcript());
    let verify = "verify-file large --proof two.json";
    insta::assert_snapshot!(scene.run(verify).expect_code(0).transcript());
    let json = scene.run(&format!("{verify} --json")).expect_code(0).json();
    assert_eq!(json["verdict"], "holds");

    // No other file is looked at, and none of another size is read.
    let vocab = scene.lab.home.join("large/tokenizer/vocab.txt");
    fs::remove_file(&scene.file).expect("there");
    scene.run(verify).expect_code(0);
    flip_last_byte(&vocab);
    scene
        .run(verify)
        .expect_error(1, "changed: tokenizer/vocab.txt (sha256 ");
    let endless = File::create(&vocab).expect("made");
    endless.set_len(1 << 40).expect("1 TiB");
    scene.run(verify).expect_error(
        1,
        "changed: tokenizer/vocab.txt (1099511627776 bytes instead of 4)",
    );
    fs::remove_file(&vocab).expect("there");
    symlink(scene.lab.write("outside.txt", "a\nb\n"), &vocab).expect("linked");
    scene
        .run(verify)
        .expect_error(1, "missing: tokenizer/vocab.txt");

    // One file may have any name.
    scene
        .run("prove-file large-1.0.0.candor tokenizer/vocab.txt -o one.json")
        .expect_code(0);
    let said = scene.holds("verify-file outside.txt --proof one.json");
    assert!(
        said.contains("its name and place: the release has it as tokenizer/vocab.txt"),
        "{said}"
    );
    scene
        .run("verify-file outside.txt --proof two.json")
        .expect_error(2, "is a proof of 2 files");
    scene
        .run("verify-file large/README.md --proof one.json")
        .expect_error(1, "changed: tokenizer/vocab.txt");
    scene
        .run("verify-file nowhere --proof one.json")
        .expect_error(2, "nowhere");
    scene
        .run("prove-file large-1.0.0.candor vocab.txt")
        .expect_error(2, "the release has no file vocab.txt")
        .expect_words("it has 3 files: README.md, model.bin, tokenizer/vocab.txt");
}

#[test]
fn a_chunk_is_proven_and_found_in_whatever_is_there_of_its_file() {
    let scene = Scene::new();
    let proven = scene
        .run("prove-chunk large-1.0.0.candor model.bin --bytes 8388608-8388608 -o chunk.json")
        .expect_code(0);
    insta::assert_snapshot!(proven.transcript());
    let verify = "verify-chunk large/model.bin --proof chunk.json";
    insta::assert_snapshot!(scene.run(verify).expect_code(0).transcript());
    scene
        .run("verify-chunk large --proof chunk.json")
        .expect_code(0);

    // Any byte of the chunk counts, and no other one.
    let whole = large();
    let flipped = |at: usize| {
        let file = File::options()
            .write(true)
            .open(&scene.file)
            .expect("there");
        file.write_all_at(&[whole[at] ^ 1], at as u64)
            .expect("written");
        let ran = scene.run(verify);
        file.write_all_at(&whole[at..=at], at as u64)
            .expect("written");
        ran
    };
    for at in [0, CHUNK - 1, 2 * CHUNK, whole.len() - 1] {
        flipped(at).expect_code(0);
    }
    for at in [CHUNK, CHUNK + CHUNK / 2, 2 * CHUNK - 1] {
        flipped(at).expect_error(1, "changed: model.bin: chunk 1, bytes 8388608-16777215");
    }

    // Of another length it is not the file, and the chunk is the chunk.
    let file = File::options()
        .write(true)
        .open(&scene.file)
        .expect("there");
    for length in [2 * CHUNK, 2 * CHUNK + 1, whole.len() + 1] {
        file.set_len(length as u64).expect("set");
        let said = scene.holds(verify);
        let words = format!(
            "has {} bytes, and the release's model.bin has 20,971,525: it is not that file",
            grouped(length)
        );
        assert!(said.contains(&words), "{said}");
    }
    file.set_len(2 * CHUNK as u64 - 1).expect("set");
    scene
        .run(verify)
        .expect_error(1, "missing: model.bin: chunk 1, bytes 8388608-16777215");
}

/// As people write numbers.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let from = |at: usize| (digits.len() - at).is_multiple_of(3) && at > 0;
    let digit = |(at, digit): (usize, char)| {
        let comma = from(at).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(digit).collect()
}

#[test]
fn a_chunk_alone_is_told_by_its_size_or_by_where_it_belongs() {
    let scene = Scene::new();
    let whole = large();
    scene
        .run("prove-chunk large-1.0.0.candor model.bin --chunk 2 -o last.json")
        .expect_code(0);
    scene.lab.write("last.bin", &whole[2 * CHUNK..]);
    let verify = "verify-chunk last.bin --proof last.json";
    let said = scene.holds(verify);
    assert!(said.contains("from 16777216 on, by its size"), "{said}");
    scene.run(&format!("{verify} --at 16777216")).expect_code(0);
    scene
        .run(&format!("{verify} --at 16777215"))
        .expect_error(1, "missing: model.bin: chunk 2");
    scene
        .run(&format!("{verify} --at 18446744073709551615"))
        .expect_error(1, "missing: model.bin: chunk 2");
    flip_last_byte(&scene.lab.home.join("last.bin"));
    scene
        .run(verify)
        .expect_error(1, "changed: model.bin: chunk 2");
    scene
        .run("verify-chunk large --proof last.json --at 0")
        .expect_error(2, "large is a folder");

    // A run of chunks, from anywhere before them on.
    scene
        .run("prove-chunk large-1.0.0.candor model.bin --bytes 8388608- -o two.json")
        .expect_code(0)
        .expect_words("2 chunks of 3 of model.bin");
    scene.lab.write("two.bin", &whole[CHUNK..]);
    let said = scene.holds("verify-chunk two.bin --proof two.json");
    assert!(said.contains("from 8388608 on, by its size"), "{said}");
    scene.lab.write("more.bin", &whole[CHUNK - 10..]);
    scene
        .run("verify-chunk more.bin --proof two.json --at 8388598")
        .expect_code(0);
    scene
        .run("verify-chunk more.bin --proof two.json")
        .expect_error(1, "missing: model.bin: chunk 2");
}

#[test]
fn what_a_release_does_not_have_is_not_proven_of_it() {
    let scene = Scene::new();
    for (line, words) in [
        (
            "model.bin --chunk 3",
            "20,971,525 bytes in 3 chunks, and no chunk 3",
        ),
        (
            "model.bin --bytes 20971524-20971525",
            "and no bytes 20971524-20971525",
        ),
        (
            "model.bin --bytes 20971525-",
            "and no bytes 20971525-20971524",
        ),
        (
            "model.bin --bytes 5-4",
            "the last byte comes before the first",
        ),
        ("model.bin --bytes 5", "write FIRST-LAST"),
        ("model.bin", "--bytes"),
        (
            "README.md --chunk 0",
            "README.md has 21 bytes, and is one chunk",
        ),
        ("nowhere --chunk 0", "the release has no file nowhere"),
        ("../x --chunk 0", "could lead out"),
    ] {
        let prove = format!("prove-chunk large-1.0.0.candor {line} -o none.json");
        scene.run(&prove).expect_code(2).expect_words(words);
        assert!(!scene.lab.home.join("none.json").exists(), "{line}");
    }
    // The other release has another chunk 1, and the same chunk 0 with other hashes beside it.
    for (chunk, code) in [(0, 0), (1, 1)] {
        let prove =
            format!("prove-chunk large-1.0.1.candor model.bin --chunk {chunk} -o {chunk}.json");
        scene.run(&prove).expect_code(0);
        scene
            .run(&format!("verify-chunk large --proof {chunk}.json"))
            .expect_code(code);
    }
    scene
        .run("prove-file large-1.0.1.candor model.bin -o other.json")
        .expect_code(0);
    scene
        .run("verify-file large --proof other.json")
        .expect_error(1, "changed: model.bin");
}

#[test]
fn a_proof_that_was_changed_is_refuted() {
    let scene = Scene::new();
    let read =
        |name: &str| -> Value { serde_json::from_slice(&scene.lab.read(name)).expect("JSON") };
    for (name, of) in [("1.0.0", "a"), ("1.0.1", "b")] {
        for line in [
            format!("prove-file large-{name}.candor model.bin -o {of}-file.json"),
            format!("prove-chunk large-{name}.candor model.bin --chunk 1 -o {of}-chunk.json"),
        ] {
            scene.run(&line).expect_code(0);
        }
    }
    let refuted = |kind: &str, exit: i32, words: &str, alter: &dyn Fn(&mut Value)| {
        let mut proof = read(&format!("a-{kind}.json"));
        alter(&mut proof);
        scene.lab.write_json("altered.json", &proof);
        scene
            .run(&format!("verify-{kind} large --proof altered.json"))
            .expect_error(exit, words);
    };
    for (kind, words) in [
        ("file", "the files of the proof do not lead to the root"),
        ("chunk", "the chunks of the proof do not lead to the root"),
    ] {
        // That of another release, with the records of this one.
        let other = read(&format!("b-{kind}.json"))["parts"].clone();
        refuted(kind, 1, words, &|it| it["parts"] = other.clone());
        refuted(kind, 1, words, &|it| it["parts"]["hashes"] = json!([]));
        refuted(kind, 2, "unknown field", &|it| {
            it["parts"]["more"] = json!(1);
        });
        refuted(kind, 1, "the entry is not at index", &|it| {
            it["bundle"]["records"][1]["proof"][0] =
                json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        });
    }
    refuted("file", 1, "do not lead to the root", &|it| {
        it["parts"]["files"][0]["file"]["path"] = json!("other.bin");
    });
    refuted("file", 2, "could lead out", &|it| {
        it["parts"]["files"][0]["file"]["path"] = json!("../model.bin");
    });
    refuted("chunk", 1, "do not lead to the root", &|it| {
        it["parts"]["file"]["bytes"] = json!(20_971_524);
    });
    refuted("chunk", 1, "do not lead to the root", &|it| {
        it["parts"]["siblings"] =
            json!([{ "left": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }]);
    });
    for (verb, proof, words) in [
        ("file", "a-chunk", "is a proof of chunks"),
        ("chunk", "a-file", "is a proof of files"),
        ("tensor", "a-file", "is a proof of files"),
    ] {
        scene
            .run(&format!("verify-{verb} large --proof {proof}.json"))
            .expect_error(2, words);
    }
}
