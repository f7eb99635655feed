//! `candor oms`: signatures as the `OpenSSF` writes them, without any log.

use std::fs;
use std::process::Command;

use candor_tests::TestLog;
use candor_tests::cli::{Person, flip_last_byte, write_release};

/// Runs `openssl` in the person's folder.
fn openssl(person: &Person, line: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(line.split(' ')).current_dir(&person.home);
    let ran = openssl.output().expect("openssl runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "openssl {line}: {said}");
}

/// Somebody with a folder and an EC key.
fn signer(log: &TestLog) -> Person {
    let lab = Person::registered(log, "example-lab");
    write_release(&lab.home.join("tiny"));
    openssl(&lab, "ecparam -genkey -name prime256v1 -noout -out ec.pem");
    openssl(&lab, "ec -in ec.pem -pubout -out public.pem");
    lab
}

#[test]
fn a_folder_is_signed_and_verified() {
    let log = TestLog::start();
    let lab = signer(&log);
    let sign = "oms sign tiny --private-key ec.pem";
    let verify = "oms verify tiny --public-key public.pem";
    lab.candor(&log, sign)
        .expect_code(0)
        .expect_words("5 files of tiny");
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words("names 5 files of \"tiny\"")
        .expect_words("the folder has these files, and no others");
    lab.candor(&log, sign).expect_error(2, "is there already");

    // A signature beside the folder has it all signed, but for what a release never lists.
    let elsewhere = "--signature elsewhere.sig";
    fs::remove_file(lab.home.join("tiny/model.sig")).expect("there");
    fs::create_dir(lab.home.join("tiny/.git")).expect("made");
    fs::write(lab.home.join("tiny/.git/HEAD"), "ref").expect("written");
    lab.candor(&log, &format!("{sign} {elsewhere}"))
        .expect_code(0);
    lab.candor(&log, &format!("{verify} {elsewhere}"))
        .expect_code(0)
        .expect_words("what is in .git, which such signatures leave out");

    let file = lab.home.join("tiny/model.safetensors");
    flip_last_byte(&file);
    lab.candor(&log, &format!("{verify} {elsewhere}"))
        .expect_error(1, "changed: model.safetensors");
    flip_last_byte(&file);
    lab.write("tiny/extra.txt", "x");
    lab.candor(&log, &format!("{verify} {elsewhere}"))
        .expect_error(1, "not listed: extra.txt");
    fs::remove_file(lab.home.join("tiny/extra.txt")).expect("there");
    fs::remove_file(lab.home.join("tiny/config.json")).expect("there");
    lab.candor(&log, &format!("{verify} {elsewhere}"))
        .expect_error(1, "missing: config.json");
}

#[test]
fn a_signature_by_somebody_else_is_refuted() {
    let log = TestLog::start();
    let lab = signer(&log);
    lab.candor(&log, "oms sign tiny --private-key ec.pem")
        .expect_code(0);
    openssl(
        &lab,
        "ecparam -genkey -name secp384r1 -noout -out other.pem",
    );
    openssl(&lab, "ec -in other.pem -pubout -out other-public.pem");
    lab.candor(&log, "oms verify tiny --public-key other-public.pem")
        .expect_error(1, "the key that you trust is");
    lab.candor(&log, "oms verify tiny --public-key ec.pem")
        .expect_error(2, "ec.pem");
    lab.candor(&log, "oms verify tiny --public-key tiny/README.md")
        .expect_error(2, "README.md");
    lab.candor(&log, "oms verify tiny")
        .expect_code(2)
        .expect_words("--public-key");
    lab.write("tiny/model.sig", "{}");
    lab.candor(&log, "oms verify tiny --public-key public.pem")
        .expect_error(2, "model.sig");
    // Publishers' keys are Ed25519, which OMS does not know.
    openssl(&lab, "genpkey -algorithm ed25519 -out ed25519.pem");
    lab.candor(
        &log,
        "oms sign tiny --private-key ed25519.pem --signature x.sig",
    )
    .expect_error(2, "ed25519.pem");
    assert!(!lab.home.join("x.sig").exists());
}

#[test]
fn a_certificate_counts_by_its_root_while_it_is_valid() {
    let log = TestLog::start();
    let lab = signer(&log);
    lab.write(
        "leaf.cnf",
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    );
    openssl(
        &lab,
        "ecparam -genkey -name prime256v1 -noout -out root.key",
    );
    openssl(
        &lab,
        "req -x509 -new -key root.key -days 30 -subj /CN=Example-Root -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign -out root.pem",
    );
    openssl(
        &lab,
        "req -new -key ec.pem -subj /CN=Example-Signer -out leaf.csr",
    );
    openssl(
        &lab,
        "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -days 10 -extfile leaf.cnf -out leaf.pem",
    );
    lab.candor(
        &log,
        "oms sign tiny --private-key ec.pem --certificates leaf.pem",
    )
    .expect_code(0);
    let verify = "oms verify tiny --roots root.pem";
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words("CN=Example-Signer");
    lab.candor(&log, &format!("{verify} --at 2001-01-01T00:00:00Z"))
        .expect_code(1);
    lab.candor(&log, "oms verify tiny --roots leaf.pem")
        .expect_code(2);
    lab.candor(&log, "oms verify tiny --public-key public.pem")
        .expect_error(
            2,
            "the model is signed by a certificate, and you trust a key",
        );
    openssl(
        &lab,
        "req -x509 -new -key root.key -days 30 -subj /CN=Another-Root -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out other.pem",
    );
    lab.candor(&log, "oms verify tiny --roots other.pem")
        .expect_code(1);
}

#[test]
fn what_is_left_out_of_a_signature_is_left_out_when_it_is_verified() {
    let log = TestLog::start();
    let lab = signer(&log);
    let sign = "oms sign tiny --private-key ec.pem --signature tiny.sig";
    let verify = "oms verify tiny --public-key public.pem --signature tiny.sig";
    let signature = lab.home.join("tiny.sig");

    // A folder of git's name holds any files, and git's own file of that name is no part of a model.
    lab.write("tiny/.gitignore/pickle.bin", "x");
    lab.candor(&log, sign).expect_error(
        2,
        "the file \".gitignore/pickle.bin\" is listed, and \".gitignore\" is to be ignored",
    );
    assert!(!signature.exists());
    fs::remove_dir_all(lab.home.join("tiny/.gitignore")).expect("there");
    lab.write("tiny/.gitignore", "*.log");
    lab.candor(&log, sign)
        .expect_code(0)
        .expect_words("5 files of tiny")
        .expect_words("left out: .gitignore");
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words("what is in .gitignore, which such signatures leave out");

    // What is not signed is refused, if the signature does not say that it was left out.
    lab.write("tiny/.candor-fetch/lock", "");
    lab.candor(&log, verify)
        .expect_error(1, "not listed: .candor-fetch/lock");
    fs::remove_file(&signature).expect("there");
    lab.candor(&log, sign)
        .expect_code(0)
        .expect_words("5 files of tiny")
        .expect_words("left out: .candor-fetch, .gitignore");
    lab.write("tiny/.candor-fetch/model.part", "half");
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words("what is in .candor-fetch, .gitignore, which such signatures leave out");
    fs::remove_dir_all(lab.home.join("tiny/.candor-fetch")).expect("there");
    lab.candor(&log, verify).expect_code(0);
}

#[test]
fn a_folder_is_signed_first_and_released_then() {
    let log = TestLog::start();
    let lab = signer(&log);
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    let sign = "oms sign tiny --private-key ec.pem";
    lab.candor(&log, &format!("{sign} --signature beside.sig"))
        .expect_code(0);
    lab.candor(&log, "verify tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    let elsewhere = lab.candor(&log, &format!("{sign} --signature again.sig"));
    assert!(!elsewhere.transcript().contains("sign first"));

    lab.candor(&log, sign)
        .expect_code(0)
        .expect_words("sign first and release then, or keep the signature elsewhere");
    let late = lab
        .candor(&log, "verify tiny --as example-lab/tiny@1.0.0")
        .expect_error(
            1,
            "not listed: model.sig (an OMS signature, which is not part of the release)",
        )
        .expect_words("hint: move the signature out of the folder");
    assert!(!late.transcript().contains("don't use it"));
    // Another file is another matter, whatever its name.
    lab.write("tiny/other.sig", "x");
    lab.candor(&log, "verify tiny --as example-lab/tiny@1.0.0")
        .expect_error(1, "not listed: other.sig\n")
        .expect_words("hint: don't use it");
    fs::remove_file(lab.home.join("tiny/other.sig")).expect("there");

    lab.candor(
        &log,
        "release tiny --as example-lab/tiny@1.1.0 --out tiny.candor",
    )
    .expect_code(0);
    lab.candor(&log, "verify tiny --as example-lab/tiny@1.1.0")
        .expect_code(0);
    let verify = "oms verify tiny --public-key public.pem";
    lab.candor(&log, verify).expect_code(0);
    let bundle = lab.read("tiny.candor");
    lab.write("tiny/tiny.candor", bundle);
    lab.candor(&log, verify)
        .expect_error(
            1,
            "not listed: tiny.candor (a bundle of a Candor log, which is not signed)",
        )
        .expect_words("hint: keep the bundle outside of the folder");
    lab.write("tiny/tiny.candor", "x");
    lab.candor(&log, verify)
        .expect_error(1, "not listed: tiny.candor\n")
        .expect_words("hint: don't use it");
}

#[test]
fn what_is_no_private_key_is_told_in_whole_sentences() {
    let log = TestLog::start();
    let lab = signer(&log);
    lab.write(
        "broken.pem",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
    );
    lab.write("binary.pem", [0xff; 40]);
    for (file, words, hint) in [
        (
            "public.pem",
            "the text holds no private key in PEM form",
            "hint: name the file with the private key of the signer; `openssl ecparam",
        ),
        (
            "broken.pem",
            "the private key can't be read: ",
            "hint: get the file again from where it comes from",
        ),
        (
            "binary.pem",
            "is no key in PEM form, which is text",
            "hint: name the file with the private key, as `openssl ecparam",
        ),
    ] {
        let said = lab
            .candor(&log, &format!("oms sign tiny --private-key {file}"))
            .expect_error(2, words)
            .expect_words(hint);
        assert!(!said.transcript().contains("[a private key]"), "{file}");
    }
    lab.candor(&log, "oms sign tiny --private-key ec.pem")
        .expect_code(0);
}
