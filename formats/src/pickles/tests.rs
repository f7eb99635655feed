//! What is found, and what is not, in the bytes that a loader may be given.

use super::*;
use crate::zip::tests::{archive, deflated, item};

fn found(bytes: &[u8]) -> Pickles {
    pickles(&bytes).expect("bytes in memory can be read")
}

/// An array with this type.
fn npy(descr: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}");
    let header = format!("{header:117}\n");
    [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), data].concat()
}

/// A safetensors file without tensors whose header has so many bytes.
fn safetensors(header: usize) -> Vec<u8> {
    let text = format!("{{{}}}", " ".repeat(header - 2));
    [&(header as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// `os.system("id")`, in protocol 0.
const CALL: &[u8] = b"cos\nsystem\n(S'id'\ntR.";

#[test]
fn a_pickle_is_found_whatever_is_around_it() {
    let objects = npy("'|O'", b"N.");
    for (what, bytes) in [
        ("protocol 0", CALL.to_vec()),
        ("with data behind it", [CALL, &[0; 100]].concat()),
        ("without imports", b"(lp0\nI1\na.".to_vec()),
        ("protocol 4", b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.".to_vec()),
        (
            "of the first protocols, damaged behind its call",
            b"cos\nsystem\n(S'id'\ntR\xff".to_vec(),
        ),
        (
            "that goes on in a protocol to come",
            b"cos\nsystem\n(S'id'\ntR\x80\x06.".to_vec(),
        ),
        ("cut", b"\x80\x04\x95\x02\0\0\0\0\0\0\0".to_vec()),
        (
            "damaged behind its call",
            b"\x80\x02cos\nsystem\n(X\x02\0\0\0idtR\xff".to_vec(),
        ),
        ("an array of objects", objects.clone()),
        (
            "in an archive, by its name",
            archive(&[item("a/data.pkl", b"")]),
        ),
        (
            "in an archive",
            archive(&[item("a/readme", b"text"), item("b", CALL)]),
        ),
        ("compressed in an archive", archive(&[deflated("b", CALL)])),
        ("behind another one", [b"N.", CALL].concat()),
        (
            "as of old, in protocol 0",
            [b"L119547037146038801333356L\n.I1001\n.", CALL, b"\xff"].concat(),
        ),
        (
            "with arrays of joblib's",
            [
                &b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b"[..],
                &[0xff; 4],
                CALL,
            ]
            .concat(),
        ),
        (
            "an array of objects behind another one",
            [npy("'<f4'", &[0; 4]), objects.clone()].concat(),
        ),
        (
            "behind an array whose elements have no name",
            [npy("'<U2'", &[0; 8]), CALL.to_vec()].concat(),
        ),
        ("a row of small ones", b"N.".repeat(100)),
        (
            "objects in an archive",
            archive(&[deflated("b.npy", &objects)]),
        ),
    ] {
        assert!(matches!(found(&bytes), Pickles::Found(_)), "{what}");
    }
}

#[test]
fn what_is_no_pickle_is_not_taken_for_one() {
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"cat\ndog\nfish\n".to_vec()),
        ("a card", b"---\nlicense: mit\n---\n# Tiny\n".to_vec()),
        ("JSON", b"{\"model_type\":\"tiny\"}\n".to_vec()),
        ("an array", npy("'<f4'", &[0; 4])),
        ("two arrays", npy("'<f4'", &[0; 4]).repeat(2)),
        (
            "an array with data behind it",
            [npy("'>f4'", &[0; 4]), vec![0xff; 9]].concat(),
        ),
        ("an array of text, compressed", {
            let array = [npy("'<U50000'", &[]), vec![0; 200_000]].concat();
            archive(&[deflated("a.npy", &array)])
        }),
        (
            "long text, compressed",
            archive(&[deflated("b", &b"The first. ".repeat(9_000))]),
        ),
        (
            "data that begins with extensions",
            b"\x82\x05)R\xff\xff\xff".to_vec(),
        ),
        ("text with a name in it", b"cat\ndog\n)".to_vec()),
        ("two values, and other data", b"N.N.\xff".to_vec()),
        (
            "an archive",
            archive(&[item("a.npy", &npy("'<f4'", &[0; 4])), item("b", b"text")]),
        ),
        ("an empty archive", archive(&[])),
        ("GGUF", [&b"GGUF\x03\0\0\0"[..], &[0; 16]].concat()),
        (
            "text that begins as zlib",
            b"x^2 + y^2 = z^2, as everybody knows\n".to_vec(),
        ),
    ] {
        assert_eq!(found(&bytes), Pickles::None, "{what}");
    }
    // Each of these begins as a pickle of a protocol, or as something compressed.
    for header in [
        640, 896, 1_152, 1_408, 376, 24_184, 40_056, 55_928, 35_615, 559_903, 93,
    ] {
        assert_eq!(found(&safetensors(header)), Pickles::None, "{header}");
    }
}

#[test]
fn what_is_not_looked_into_is_said() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let frames = [&b"\x95\x0a\0\0\0\0\0\0\0\x95\x14\0\0\0\0\0\0\0"[..], CALL].concat();
    let text = vec![b'a'; 80_000];
    let deep = [&b"(S'"[..], &text, b"'\n0", CALL].concat();
    let calls = b"cx\ny\n(S'z'\ntR\xff".to_vec();
    let v7 = crate::pickled::tests::member("pickle", b"", |_| {});
    let nested = archive(&[item("inner.zip", &archive(&[item("data.pkl", CALL)]))]);
    let cut = archive(&[item("data.pkl", CALL)]);
    for (bytes, words) in [
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab".to_vec(), "gzip"),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "an archive"),
        (tar, "tar"),
        (v7, "tar"),
        (
            calls.clone(),
            "it calls what it imports, and breaks off at byte 13",
        ),
        (calls[..calls.len() - 1].to_vec(), "breaks off"),
        (
            archive(&[deflated("a", &deep)]),
            "may go on as a pickle behind",
        ),
        (
            npy("[('a', '<f4')]", &[0; 4]),
            "how long its array at byte 0 is is not known",
        ),
        (frames, "it begins as a pickle may"),
        (nested, "\"inner.zip\": it is a zip archive itself"),
        (
            cut[..cut.len() - 1].to_vec(),
            "begins as a zip archive does",
        ),
        (b"\x93NUMPY\x09\0".to_vec(), "begins as a NumPy file does"),
    ] {
        match found(&bytes) {
            Pickles::Unclear(why) => assert!(why.contains(words), "{words:?}: {why}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn what_an_archive_inflates_to_has_an_end() {
    let data = [&b"B\xe8\xfd\0\0"[..], &vec![0; 65_000], b"\xff"].concat();
    let entries = |count: u32| {
        let items: Vec<_> = (0..count)
            .map(|n| deflated(&n.to_string(), &data))
            .collect();
        found(&archive(&items))
    };
    // Each could be a pickle, to its end.
    assert_eq!(entries(10), Pickles::None);
    match entries(1_100) {
        Pickles::Unclear(why) => assert!(why.contains("than is inflated here"), "{why}"),
        other => panic!("{other:?}"),
    }
}
