//! What users read.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use candor_fetch::{Fault, FetchError, MirrorFault, Obstacle};

use crate::world::{CHUNK, NAME};

#[test]
fn messages_about_mirrors() {
    let table = [
        (
            Fault::Unreachable {
                reason: "io: Connection refused".to_owned(),
            },
            "no answer: io: Connection refused",
        ),
        (
            Fault::Redirects {
                count: 10,
                to: "a.example".to_owned(),
            },
            "it redirected 10 times, the last time to \"a.example\", and sent no file",
        ),
        (
            Fault::Location {
                location: "ftp://x/".to_owned(),
            },
            "it redirects to \"ftp://x/\", which is no address",
        ),
        (
            Fault::Downgrade {
                to: "a.example".to_owned(),
            },
            "it redirects from https to http, to \"a.example\", where anybody on the way can read along",
        ),
        (
            Fault::Missing { status: Some(404) },
            "it has no such file (HTTP status 404)",
        ),
        (Fault::Missing { status: None }, "it has no such file"),
        (
            Fault::Status {
                status: 403,
                retry_after: None,
            },
            "it answered with HTTP status 403",
        ),
        (
            Fault::Encoded {
                encoding: "br".to_owned(),
            },
            "it sends the file in the content encoding \"br\", and was asked for it as it is",
        ),
        (
            Fault::NoLength,
            "it does not say how many bytes it sends (no Content-Length), or sends them compressed",
        ),
        (
            Fault::Size {
                found: 5,
                expected: 7,
            },
            "its file has 5 bytes, and the release's 7",
        ),
        (
            Fault::Range {
                asked: 8,
                said: "bytes 0-9/10".to_owned(),
            },
            "it was asked for the bytes from 8 on, and its Content-Range is \"bytes 0-9/10\"",
        ),
    ];
    for (fault, expected) in table {
        assert_eq!(fault.to_string(), expected);
    }
}

#[test]
fn messages_about_what_mirrors_send() {
    let table = [
        (
            Fault::Changed,
            "its file changed while it was fetched: it has another ETag now",
        ),
        (
            Fault::Cut {
                at: 9,
                reason: "Peer disconnected".to_owned(),
            },
            "it broke off at byte 9: Peer disconnected",
        ),
        (
            Fault::Stalled {
                at: 9,
                waited: Duration::from_secs(30),
            },
            "it stood still at byte 9, for 30 s",
        ),
        (
            Fault::Chunk {
                range: CHUNK..2 * CHUNK,
            },
            "it sent wrong bytes: those from 8388608 to 16777215 (chunk 1) have not the leaf hash that the release's chunk list has",
        ),
        (
            Fault::Digest {
                algorithm: "sha256",
                found: "00".to_owned(),
                expected: "ff".to_owned(),
            },
            "it sent wrong bytes: their sha256 is 00, and the release's ff",
        ),
        (
            Fault::Unreadable {
                reason: "it is not a file".to_owned(),
            },
            "it can't be read: it is not a file",
        ),
    ];
    for (fault, expected) in table {
        assert_eq!(fault.to_string(), expected);
    }
}

#[test]
fn messages() {
    let file = || NAME.parse().expect("a path");
    let path = || PathBuf::from("llama");
    let mirror = |source: &str, fault| MirrorFault {
        source: source.parse().expect("a source"),
        file: file(),
        fault,
    };
    let table = [
        (
            FetchError::Target {
                path: path(),
                error: ErrorKind::PermissionDenied.into(),
            },
            "the folder llama: permission denied",
        ),
        (
            FetchError::Busy { path: path() },
            "another fetch into llama is going on",
        ),
        (
            FetchError::OneName {
                path: path(),
                a: "README".to_owned(),
                b: "readme".to_owned(),
            },
            "README and readme are one name in llama, where upper and lower case are the same",
        ),
        (
            FetchError::InTheWay {
                file: file(),
                at: "w".to_owned(),
                what: Obstacle::Link,
            },
            "model.safetensors: a symbolic link, which is not followed, is in its place (w)",
        ),
        (
            FetchError::Differs {
                file: file(),
                difference: "it has 5 bytes, and the release's 7".to_owned(),
            },
            "model.safetensors is there, and is another file than the release's: it has 5 bytes, and the release's 7",
        ),
        (
            FetchError::NoRoom {
                path: path(),
                needed: 9,
                available: 8,
            },
            "llama has room for 8 bytes, and 9 are still to be fetched",
        ),
        (
            FetchError::Disk {
                file: file(),
                doing: "writing",
                at: 5,
                error: ErrorKind::StorageFull.into(),
            },
            "model.safetensors: writing failed at byte 5: no storage space",
        ),
        (
            FetchError::NoMirror {
                file: file(),
                kept: 5,
                mirrors: vec![
                    mirror("https://a.example", Fault::Missing { status: Some(404) }),
                    mirror("file:///mnt", Fault::Changed),
                ],
            },
            "model.safetensors can't be fetched:\n  https://a.example/: it has no such file (HTTP status 404)\n  file:///mnt: its file changed while it was fetched: it has another ETag now",
        ),
        (
            FetchError::Contradiction {
                file: file(),
                contradiction: "it has 0 bytes, and its digest is not that of 0 bytes",
            },
            "model.safetensors: no bytes can be right, since it has 0 bytes, and its digest is not that of 0 bytes",
        ),
        (
            FetchError::Threads(Error::from(ErrorKind::WouldBlock)),
            "no threads to fetch with: operation would block",
        ),
    ];
    for (error, expected) in table {
        assert_eq!(error.to_string(), expected);
        println!("{error}\n    {}", error.hint());
        assert!(!error.hint().is_empty());
    }
}
