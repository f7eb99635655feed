//! Against the program of the `OpenSSF` itself: what one signs the other verifies, and what one refuses the other refuses,
//! but for what the crate's documentation lists. Set `CANDOR_MODEL_SIGNING` to a `model_signing` 1.1.1 (`pip install
//! model-signing==1.1.1 pyOpenSSL`); without it nothing is tested here.

#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use candor_core::Sha256;
use candor_oms::{
    Bundle, PublicKey, Roots, SignedFile, Signer, SigningKey, Statement, Trust, compare,
};
use common::{
    Authority, Spec, YEAR, at, bundle_over, p256_key, p384_key, p521_key, pem, spki, with_root,
};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};
use tempfile::TempDir;

const FILES: [(&str, &str); 6] = [
    ("a/x", "1"),
    ("a-b", "2"),
    ("a.txt", "3"),
    ("empty", ""),
    ("ä \"b\"\n😀.bin", "4"),
    ("z/.hidden", "5"),
];

/// A model in a folder, and room for keys and signatures beside it.
struct Place {
    program: PathBuf,
    folder: TempDir,
}

impl Place {
    /// None if there is no program to test against.
    fn new() -> Option<Self> {
        let Some(program) = std::env::var_os("CANDOR_MODEL_SIGNING") else {
            println!("skipped: CANDOR_MODEL_SIGNING does not name a model_signing");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self {
            program: program.into(),
            folder,
        };
        for (name, content) in FILES {
            place.write(&format!("model/{name}"), content);
        }
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        let parent = path.parent().expect("inside the folder");
        fs::create_dir_all(parent).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    /// Runs it; what it prints is the error, if it refuses.
    fn run(&self, words: &[&str], options: &[(&str, &Path)]) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(words).arg(self.path("model"));
        for (option, path) in options {
            command.arg(option).arg(path);
        }
        let output = command.output().expect("the program runs");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn verify_key(&self, signature: &Path, key: &PublicKey) -> Result<(), String> {
        let key = self.write("key.pub", &key.to_pem());
        let options = [("--signature", signature), ("--public_key", &key)];
        self.run(&["verify", "key"], &options)
    }

    /// The files of the model as they are now.
    fn found(&self) -> Vec<(String, Sha256)> {
        let model = self.path("model");
        let mut found = Vec::new();
        let mut folders = vec![model.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&model).expect("below the model");
                let sha256 = Sha256::of(fs::read(&path).expect("a file"));
                found.push((name.to_str().expect("UTF-8").to_owned(), sha256));
            }
        }
        found
    }

    /// Verifies and compares, as a caller of the crate does.
    fn ours(&self, signature: &Path, trust: &Trust) -> Result<(), String> {
        let bytes = fs::read(signature).expect("a file");
        let bundle = Bundle::parse(&bytes).map_err(|e| e.to_string())?;
        let verified = bundle.verify(trust).map_err(|e| e.to_string())?;
        let found = self.found();
        let found = found.iter().map(|(name, sha256)| (name.as_str(), *sha256));
        let name = signature.strip_prefix(self.path("model")).ok();
        let comparison = compare(verified.statement(), found, name.and_then(Path::to_str));
        if comparison.is_same() {
            Ok(())
        } else {
            Err(format!("{comparison:?}"))
        }
    }

    fn statement(&self) -> Statement {
        let file = |(name, sha256): (String, Sha256)| SignedFile {
            name: name.parse().expect("a name"),
            sha256,
        };
        let files = self.found().into_iter().map(file).collect();
        let ignored = "model.sig".parse().expect("a name");
        Statement::new("model", files, [ignored]).expect("a statement")
    }
}

/// Valid for long, so that the test is.
fn long(spec: Spec) -> Spec {
    Spec {
        to: common::NOW + 50 * YEAR,
        ..spec
    }
}

#[test]
fn by_keys() {
    let Some(place) = Place::new() else { return };
    let (p256, p384, p521) = (p256_key(), p384_key(), p521_key());
    let keys = [
        ("P-256", p256.to_pkcs8_pem(LineEnding::LF)),
        (
            "P-256, SEC1",
            Ok(p256.to_sec1_pem(LineEnding::LF).expect("PEM")),
        ),
        ("P-384", p384.to_pkcs8_pem(LineEnding::LF)),
        ("P-521", p521.to_pkcs8_pem(LineEnding::LF)),
    ];
    for (name, private) in keys {
        let private = private.expect("PEM");
        let key = SigningKey::from_pem(&private, None).expect("a key");
        let trust = Trust::Key(key.public_key());

        let statement = place.statement();
        let json = Signer::with_key(key.clone()).sign(&statement).to_json();
        // Beside the model, and in it.
        for place_of_signature in ["ours.sig", "model/model.sig"] {
            let signature = place.write(place_of_signature, &json);
            place.verify_key(&signature, &key.public_key()).expect(name);
            place.ours(&signature, &trust).expect(name);
            fs::remove_file(signature).expect("it is there");
        }

        let private = place.write("key.pem", &private);
        let signature = place.path("theirs.sig");
        let options = [
            ("--signature", signature.as_path()),
            ("--private_key", &private),
        ];
        place.run(&["sign", "key"], &options).expect(name);
        place.ours(&signature, &trust).expect(name);
        let bytes = fs::read(&signature).expect("a file");
        let theirs = Bundle::parse(&bytes)
            .expect("a bundle")
            .verify(&trust)
            .expect(name);
        assert_eq!(theirs.statement().files(), statement.files());
        assert_eq!(theirs.statement().root_digest(), statement.root_digest());
    }
}

#[test]
fn by_certificates() {
    let Some(place) = Place::new() else { return };
    let root = Authority::root(&long(Spec::authority("Root")));
    let authority = root.authority(&long(Spec::authority("Authority")));
    let root_pem = place.write("root.pem", &root.pem());
    let trust = Trust::Roots {
        roots: Roots::from_pem(root.pem().as_bytes()).expect("a root"),
        at: at(common::NOW),
    };
    let (p256, p384, p521) = (p256_key(), p384_key(), p521_key());
    let keys = [
        (spki(&p256.public_key()), p256.to_pkcs8_pem(LineEnding::LF)),
        (spki(&p384.public_key()), p384.to_pkcs8_pem(LineEnding::LF)),
        (spki(&p521.public_key()), p521.to_pkcs8_pem(LineEnding::LF)),
    ];
    for (public, private) in keys {
        let private = private.expect("PEM");
        let key = SigningKey::from_pem(&private, None).expect("a key");
        let leaf = pem(&authority.issue(&long(Spec::signer("Signer")), public));
        let verify = ["verify", "certificate"];

        let chain = format!("{leaf}{}{}", authority.pem(), root.pem());
        let signer = Signer::with_certificate(key, chain.as_bytes()).expect("a chain");
        let signature = place.write("ours.sig", &signer.sign(&place.statement()).to_json());
        let options = [
            ("--signature", signature.as_path()),
            ("--certificate_chain", &root_pem),
        ];
        place.run(&verify, &options).expect("ours");
        place.ours(&signature, &trust).expect("ours");

        let private = place.write("key.pem", &private);
        let leaf = place.write("leaf.pem", &leaf);
        let issuers = place.write("issuers.pem", &authority.pem());
        let signature = place.path("theirs.sig");
        let options = [
            ("--signature", signature.as_path()),
            ("--private_key", &private),
            ("--signing_certificate", &leaf),
            ("--certificate_chain", &issuers),
        ];
        place
            .run(&["sign", "certificate"], &options)
            .expect("theirs");
        place.ours(&signature, &trust).expect("theirs");
        let now = Trust::Roots {
            roots: Roots::from_pem(root.pem().as_bytes()).expect("a root"),
            at: SystemTime::now(),
        };
        place.ours(&signature, &now).expect("theirs");

        // Another root of the same name, for both.
        let other = Authority::root(&long(Spec::authority("Root")));
        let other_pem = place.write("other.pem", &other.pem());
        let options = [
            ("--signature", signature.as_path()),
            ("--certificate_chain", &other_pem),
        ];
        place.run(&verify, &options).expect_err("another root");
        let trust = Trust::Roots {
            roots: Roots::from_pem(other.pem().as_bytes()).expect("a root"),
            at: at(common::NOW),
        };
        place.ours(&signature, &trust).expect_err("another root");
    }
}

#[test]
fn both_refuse_a_changed_model() {
    let Some(place) = Place::new() else { return };
    let key = SigningKey::from(p256_key());
    let trust = Trust::Key(key.public_key());
    let signer = Signer::with_key(key.clone());
    let signature = place.write("ours.sig", &signer.sign(&place.statement()).to_json());
    let changes: [(&str, &dyn Fn(), bool); 6] = [
        (
            "another file's content",
            &|| drop(place.write("model/a/x", "2")),
            false,
        ),
        (
            "a file more",
            &|| drop(place.write("model/more", "")),
            false,
        ),
        (
            "a file less",
            &|| fs::remove_file(place.path("model/a.txt")).expect("there"),
            false,
        ),
        (
            "another name",
            &|| fs::rename(place.path("model/a-b"), place.path("model/a-c")).expect("there"),
            false,
        ),
        (
            "git's files",
            &|| drop(place.write("model/.git/config", "")),
            true,
        ),
        (
            "git's files below",
            &|| drop(place.write("model/a/.gitignore", "")),
            false,
        ),
    ];
    for (name, change, is_same) in changes {
        change();
        let theirs = place.verify_key(&signature, &key.public_key());
        let ours = place.ours(&signature, &trust);
        println!("{name}: theirs {theirs:?}, ours {ours:?}");
        assert_eq!(theirs.is_ok(), is_same, "{name}: {theirs:?}");
        assert_eq!(ours.is_ok(), is_same, "{name}: {ours:?}");
        fs::remove_dir_all(place.path("model")).expect("there");
        for (name, content) in FILES {
            place.write(&format!("model/{name}"), content);
        }
    }
}

type Change<'a> = &'a dyn Fn(&mut Value);

/// Changes to a bundle that is good, and whether the other program takes them. This crate takes none.
fn bundle_changes() -> [(&'static str, Change<'static>, bool); 9] {
    [
        ("a field more", &|b| b["extra"] = 1.into(), false),
        (
            "another release",
            &|b| b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.3".into(),
            false,
        ),
        (
            "another type",
            &|b| b["dsseEnvelope"]["payloadType"] = "application/json".into(),
            false,
        ),
        (
            "no signature",
            &|b| b["dsseEnvelope"]["signatures"] = json!([]),
            false,
        ),
        (
            "no material",
            &|b| b["verificationMaterial"] = json!({}),
            false,
        ),
        (
            "another hint",
            &|b| b["verificationMaterial"]["publicKey"]["hint"] = "00".repeat(32).into(),
            false,
        ),
        (
            "another payload",
            &|b| b["dsseEnvelope"]["payload"] = "e30=".into(),
            false,
        ),
        (
            "a second signature",
            &|b| {
                let signatures = b["dsseEnvelope"]["signatures"].as_array_mut();
                signatures
                    .expect("a list")
                    .push(json!({"sig": "AAAA", "keyid": ""}));
            },
            true,
        ),
        (
            "line breaks in base64",
            &|b| {
                let payload = b["dsseEnvelope"]["payload"].as_str().expect("a text");
                b["dsseEnvelope"]["payload"] =
                    format!("{}\n{}", &payload[..64], &payload[64..]).into();
            },
            true,
        ),
    ]
}

/// The same for statements, which are signed with their change.
fn statement_changes() -> [(&'static str, Change<'static>, bool); 17] {
    [
        ("another statement", &|s| s["_type"] = "x".into(), false),
        (
            "another predicate",
            &|s| s["predicateType"] = "x".into(),
            false,
        ),
        ("no subject", &|s| s["subject"] = json!([]), false),
        (
            "another root",
            &|s| s["subject"][0]["digest"]["sha256"] = "00".repeat(32).into(),
            false,
        ),
        (
            "another method",
            &|s| s["predicate"]["serialization"]["method"] = "file".into(),
            false,
        ),
        (
            "null ignored",
            &|s| s["predicate"]["serialization"]["ignore_paths"] = Value::Null,
            false,
        ),
        (
            "no list of files",
            &|s| {
                drop(
                    s["predicate"]
                        .as_object_mut()
                        .map(|p| p.remove("resources")),
                );
            },
            false,
        ),
        (
            "another hash",
            &|s| s["predicate"]["resources"][0]["algorithm"] = "md5".into(),
            false,
        ),
        (
            "a way out",
            &|s| s["predicate"]["resources"][0]["name"] = "../x".into(),
            false,
        ),
        (
            "a signed file ignored",
            &|s| s["predicate"]["serialization"]["ignore_paths"] = json!(["a"]),
            false,
        ),
        ("a field more", &|s| s["extra"] = 1.into(), true),
        (
            "another hash_type",
            &|s| s["predicate"]["serialization"]["hash_type"] = "md5".into(),
            true,
        ),
        (
            "a digest in upper case",
            &|s| {
                let digest = s["predicate"]["resources"][0]["digest"]
                    .as_str()
                    .expect("a text");
                s["predicate"]["resources"][0]["digest"] = digest.to_uppercase().into();
            },
            true,
        ),
        (
            "a file twice",
            &|s| {
                let files = s["predicate"]["resources"].as_array_mut().expect("a list");
                files.insert(0, files[0].clone());
                *s = with_root(s.take());
            },
            true,
        ),
        (
            "another order",
            &|s| {
                s["predicate"]["resources"]
                    .as_array_mut()
                    .expect("a list")
                    .reverse();
                *s = with_root(s.take());
            },
            true,
        ),
        (
            "another spelling",
            &|s| s["predicate"]["resources"][0]["name"] = "./a/x".into(),
            true,
        ),
        (
            "nothing signed, all ignored",
            &|s| {
                s["predicate"]["resources"] = json!([]);
                s["predicate"]["serialization"]["ignore_paths"] = json!(["."]);
                *s = with_root(s.take());
            },
            true,
        ),
    ]
}

#[test]
fn what_they_refuse_we_refuse() {
    let Some(place) = Place::new() else { return };
    let key = p256_key();
    let signing = SigningKey::from(key.clone());
    let statement = {
        let bundle = Signer::with_key(signing.clone()).sign(&place.statement());
        let json: Value = serde_json::from_str(&bundle.to_json()).expect("JSON");
        let payload = json["dsseEnvelope"]["payload"].as_str().expect("a text");
        let payload = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, payload);
        serde_json::from_slice::<Value>(&payload.expect("base64")).expect("JSON")
    };
    let bundle_of = |statement: &Value| bundle_over(statement.to_string().as_bytes(), &key);
    let bundles = bundle_changes().into_iter().map(|(name, change, theirs)| {
        let mut bundle = bundle_of(&statement);
        change(&mut bundle);
        (name, bundle, theirs)
    });
    let statements = statement_changes()
        .into_iter()
        .map(|(name, change, theirs)| {
            let mut statement = statement.clone();
            change(&mut statement);
            (name, bundle_of(&statement), theirs)
        });
    for (name, bundle, takes) in bundles.chain(statements) {
        let signature = place.write("changed.sig", &bundle.to_string());
        let theirs = place.verify_key(&signature, &signing.public_key());
        let ours = place.ours(&signature, &Trust::Key(signing.public_key()));
        println!("{name}: theirs {theirs:?}, ours {ours:?}");
        assert_eq!(theirs.is_ok(), takes, "{name}: {theirs:?}");
        ours.expect_err(name);
    }
    let good = place.write("good.sig", &bundle_of(&statement).to_string());
    place
        .verify_key(&good, &signing.public_key())
        .expect("good");
    place
        .ours(&good, &Trust::Key(signing.public_key()))
        .expect("good");
}
