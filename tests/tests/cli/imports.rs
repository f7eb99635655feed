//! What others published about a model's bits, as records: pointers, lists of a hub, manifests of OCI artifacts.

use std::fs;

use candor_core::Sha256;
use candor_tests::TestLog;
use candor_tests::cli::{Person, Ran, copy_folder, write_release};
use serde_json::{Value, json};

/// `printf 'hello\n' | git hash-object --stdin`
const HELLO_BLOB: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

const COMMIT: &str = "11c5a3d5811f50298f278a704980280950aedb10";

struct Scene {
    log: TestLog,
    lab: Person,
}

impl Scene {
    fn new() -> Self {
        let log = TestLog::start();
        let lab = Person::registered(&log, "example-lab");
        Self { log, lab }
    }

    fn run(&self, line: &str) -> Ran {
        self.lab.candor(&self.log, line)
    }

    /// What the one weights record of a release says.
    fn weights(&self, release: &str) -> Value {
        let shown = self
            .run(&format!("show {release} --json"))
            .expect_code(0)
            .json();
        let records = shown["records"].as_array().expect("records").clone();
        let weights = records.into_iter().find(|it| it["kind"] == "weights");
        weights.expect("weights")["statementJson"]["predicate"].clone()
    }
}

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::of(bytes.as_ref()).to_string()
}

fn pointer(contents: &[u8]) -> String {
    let (sha256, size) = (sha256(contents), contents.len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n")
}

#[test]
fn a_checkout_of_pointers_is_released_when_asked_and_holds_where_the_files_are() {
    let scene = Scene::new();
    let (whole, clone) = (scene.lab.home.join("whole"), scene.lab.home.join("clone"));
    write_release(&whole);
    copy_folder(&whole, &clone);
    let weights = fs::read(whole.join("model.safetensors")).expect("weights");
    fs::write(clone.join("model.safetensors"), pointer(&weights)).expect("written");
    scene.lab.write("clone/.git/HEAD", "ref: refs/heads/main\n");
    scene.lab.write(
        "clone/.git/packed-refs",
        format!("{COMMIT} refs/heads/main\n"),
    );

    let release = "release clone --as example-lab/tiny@1.0.0";
    let refused = scene.run(release).expect_code(2);
    insta::assert_snapshot!(refused.transcript(), @"
    $ candor release clone --as example-lab/tiny@1.0.0
    --- stderr, exit 2
    error: 1 of the 5 files in clone are Git LFS pointers, and not the files that these stand for: model.safetensors
    hint: fetch the files (`git lfs pull`); or `--from-pointers` lists them by the digests in their pointers, and the record says so
    ");
    scene.run("show example-lab/tiny@1.0.0").expect_code(3);
    let uri = "--source-uri https://huggingface.co/example-lab/tiny";
    scene
        .run(&format!("{release} --from-pointers {uri}"))
        .expect_code(0);
    let shown = scene.run("show example-lab/tiny@1.0.0").expect_code(0);
    for words in [
        "huggingface.co/example-lab/tiny",
        COMMIT,
        "1 of 5 files are listed by the digests",
    ] {
        assert!(
            shown.stdout.contains(words),
            "{words}: {}",
            shown.transcript()
        );
    }
    let weights = scene.weights("example-lab/tiny@1.0.0");
    assert_eq!(weights["strength"], "strong");
    assert_eq!(weights["source"]["digest"], json!({ "gitCommit": COMMIT }));

    // The files themselves hold, and the pointer is told for what it is.
    let bundle = "--bundle tiny-1.0.0.candor";
    scene.run(&format!("verify whole {bundle}")).expect_code(0);
    scene
        .run(&format!("verify clone {bundle}"))
        .expect_error(1, "it is a Git LFS pointer to the listed file");
    scene
        .lab
        .write("clone/model.safetensors", pointer(b"other"));
    let other = scene
        .run(&format!("verify clone {bundle} --json"))
        .expect_code(1)
        .json();
    let detail = other["findings"][0]["detail"].to_string();
    assert!(
        detail.contains("it is a Git LFS pointer to another file"),
        "{other}"
    );
    // A file that is no more than as small as a pointer is said to be nothing else.
    scene.lab.write("clone/model.safetensors", "hello\n");
    let other = scene.run(&format!("verify clone {bundle}")).expect_code(1);
    assert!(
        !other.transcript().contains("LFS"),
        "{}",
        other.transcript()
    );
    scene
        .run("release whole --as example-lab/tiny@1.0.1 --from-pointers")
        .expect_error(2, "none of the files");
}

#[test]
fn a_list_of_the_hub_says_how_weak_it_is_and_no_folder_passes_by_it() {
    let scene = Scene::new();
    let small = json!({ "rfilename": "config.json", "size": 6, "blobId": HELLO_BLOB });
    let large = json!({
        "rfilename": "model.bin", "size": 7, "blobId": COMMIT,
        "lfs": { "sha256": sha256("weights"), "size": 7, "pointerSize": 133 },
    });
    for (name, siblings) in [("mixed", json!([small, large])), ("small", json!([small]))] {
        let info = json!({ "id": "example-lab/tiny", "sha": COMMIT, "siblings": siblings });
        scene.lab.write_json("info.json", &info);
        let (release, out) = (format!("example-lab/{name}@1"), format!("{name}.candor"));
        scene
            .run(&format!(
                "publish info.json --kind weights --as {release} --out {out}"
            ))
            .expect_code(0)
            .expect_words("which is weak");
        let weights = scene.weights(&release);
        assert_eq!(
            (&weights["strength"], &weights["algorithms"]),
            (&"weak".into(), &json!([]))
        );
        assert_eq!(weights["source"]["digest"], json!({ "gitCommit": COMMIT }));
        scene
            .run(&format!("show {release}"))
            .expect_code(0)
            .expect_words("WEAK");

        scene.lab.write(&format!("{name}/config.json"), "hello\n");
        if name == "mixed" {
            scene.lab.write("mixed/model.bin", "weights");
        }
        // Twice: what is remembered of the files makes no difference.
        let verify = format!("verify {name} --bundle {out}");
        for _ in 0..2 {
            scene.run(&verify).expect_error(
                3,
                "1 file has the digests that are listed, by git blob alone",
            );
        }
        let said = scene.run(&format!("{verify} --json")).expect_code(3).json();
        assert_eq!(said["verdict"], "could-not-tell");
        scene.lab.write(&format!("{name}/config.json"), "hallo\n");
        scene
            .run(&verify)
            .expect_error(1, "changed: config.json (gitBlob");
    }
}

#[test]
fn an_oci_artifact_holds_by_its_blobs_or_by_its_files_and_by_no_others() {
    let scene = Scene::new();
    let blob = |kind: &str, bytes: &[u8]| {
        json!({
            "mediaType": format!("application/vnd.cncf.model.{kind}"),
            "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len(),
        })
    };
    let manifest = |layers: Value| {
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": "application/vnd.cncf.model.manifest.v1+json",
            "config": blob("config.v1+json", b"{}"),
            "layers": layers,
        })
        .to_string()
    };
    let archives = manifest(json!([blob("weight.v1.tar", b"an archive")]));
    scene.lab.write("saved", &archives);
    scene
        .run("publish saved --as example-lab/packed@1 --out packed.candor")
        .expect_code(0)
        .expect_words("not which files are in them");
    let blobs: [&[u8]; 3] = [archives.as_bytes(), b"{}", b"an archive"];
    for bytes in blobs {
        scene
            .lab
            .write(&format!("layout/blobs/sha256/{}", sha256(bytes)), bytes);
    }
    let verify = "verify layout/blobs --bundle packed.candor";
    scene.run(verify).expect_code(0);
    let source = &scene.weights("example-lab/packed@1")["source"];
    assert_eq!(source["digest"], json!({ "sha256": sha256(&archives) }));
    scene.lab.write(
        &format!("layout/blobs/sha256/{}", sha256("an archive")),
        "an Archive",
    );
    scene.run(verify).expect_error(1, "changed: sha256/");

    let mut file = blob("weight.v1.raw", b"weights");
    file["annotations"] = json!({ "org.cncf.model.filepath": "a/model.gguf" });
    scene.lab.write("manifest.json", manifest(json!([file])));
    scene
        .run("publish manifest.json --as example-lab/raw@1 --out raw.candor")
        .expect_code(0);
    scene.lab.write("unpacked/a/model.gguf", "weights");
    scene
        .run("verify unpacked --bundle raw.candor")
        .expect_code(0);
    scene.lab.write("unpacked/a/model.gguf", "Weights");
    scene
        .run("verify unpacked --bundle raw.candor")
        .expect_error(1, "changed: a/model.gguf");
}

#[test]
fn what_is_no_list_is_refused_before_anything_is_sent() {
    let scene = Scene::new();
    let index = json!({ "schemaVersion": 2, "manifests": [{ "digest": "sha256:00" }] });
    let image = json!({
        "schemaVersion": 2, "layers": [],
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:00", "size": 2 },
    });
    let leaves = json!([{ "type": "file", "path": "../../key.pem", "size": 1, "oid": COMMIT }]);
    for (contents, words) in [
        (index.to_string(), "names several OCI manifests"),
        (image.to_string(), "/config/mediaType: "),
        (leaves.to_string(), "/0/path: "),
        (
            "[{\"type\":\"file\",\"type\":\"file\"}]".to_owned(),
            "list.json: ",
        ),
        ("{\"schemaVersion\":2,".to_owned(), "list.json: "),
    ] {
        scene.lab.write("list.json", contents);
        let publish = "publish list.json --kind weights --as example-lab/none@1";
        scene.run(publish).expect_error(2, words);
    }
    scene.run("show example-lab/none@1").expect_code(3);
}
