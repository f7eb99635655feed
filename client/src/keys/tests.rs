use super::*;

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_key_reads_back_as_it_was_written() {
    for passphrase in [None, Some("correct horse")] {
        let dir = dir();
        let path = dir.path().join("new/key.pem");
        let key = SecretKey::generate().expect("random");
        key.write_new(&path, passphrase).expect("written");
        let pem = KeyPem::read(&path).expect("readable");
        assert_eq!(pem.is_encrypted(), passphrase.is_some());
        let back = pem.open(passphrase).expect("it opens");
        assert_eq!(back.public(), key.public());
        assert!(matches!(
            key.write_new(&path, passphrase),
            Err(KeyError::Exists { .. })
        ));
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = dir();
    let path = dir.path().join("key.pem");
    SecretKey::generate()
        .expect("random")
        .write_new(&path, None)
        .expect("written");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    for loose in [0o640, 0o604, 0o644, 0o660, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).expect("set");
        let error = KeyPem::read(&path).expect_err("too open");
        assert!(matches!(error, KeyError::ReadableByOthers { mode, .. } if mode == loose));
        assert_eq!(error.hint(), format!("chmod 600 {}", path.display()));
    }
}

#[test]
fn a_wrong_passphrase_is_told_from_a_missing_one() {
    let dir = dir();
    let path = dir.path().join("key.pem");
    let key = SecretKey::generate().expect("random");
    key.write_new(&path, Some("right")).expect("written");
    let pem = KeyPem::read(&path).expect("readable");
    assert!(matches!(
        pem.open(Some("wrong")),
        Err(KeyError::WrongPassphrase { .. })
    ));
    assert!(matches!(
        pem.open(None),
        Err(KeyError::PassphraseMissing { .. })
    ));
    assert!(matches!(
        key.write_new(&dir.path().join("other"), Some("")),
        Err(KeyError::EmptyPassphrase)
    ));
}

#[test]
fn what_is_no_key_is_refused() {
    let other_kind = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let broken =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n????\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for text in ["", "key", other_kind, broken] {
        let pem = KeyPem::from_variable("CANDOR_KEY", text.to_owned());
        let error = pem.open(Some("passphrase")).expect_err(text);
        assert!(
            matches!(error, KeyError::NoKey { .. }),
            "{text:?}: {error:?}"
        );
    }
    let dir = dir();
    let path = dir.path().join("key.pem");
    assert!(matches!(KeyPem::read(&path), Err(KeyError::Missing { .. })));
}

#[test]
fn a_key_made_by_openssl_is_taken() {
    // openssl genpkey -algorithm ed25519; RFC 8410 section 10.3 has this one.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let key = KeyPem::from_variable("CANDOR_KEY", pem.to_owned())
        .open(None)
        .expect("a key");
    assert_eq!(
        key.public().to_base64_der(),
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    );
}

#[test]
fn secrets_are_not_in_debug_output() {
    let key = SecretKey::generate().expect("random");
    let pem = key.to_pem(None).expect("text");
    let shown = format!(
        "{key:?} {:?}",
        KeyPem::from_variable("CANDOR_KEY", (*pem).clone())
    );
    let secret = pem.lines().nth(1).expect("the key itself");
    assert!(
        !shown.contains(secret) && shown.contains("secret"),
        "{shown}"
    );
}
