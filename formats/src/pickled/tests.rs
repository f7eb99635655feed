//! Files of pickles, as `PyTorch` wrote them in the early days, and joblib does.

use super::*;
use crate::pickle::tests::{call, dict, int, text, tuple, whole};
use crate::pytorch::read;
use crate::pytorch::tests::{file, imports, ints};
use crate::zip::tests::torch_archive;

mod joblib;

#[test]
fn pickles_that_are_not_followed_are_said_with_what_they_import_before() {
    let two_pickles = [
        ("m/a.pkl", b"(".as_slice()),
        ("m/b.pickle", b"cos\nsystem\nR"),
        ("m/data.pkl", b"\x80\x02cnt\nsystem\n."),
        ("m/version", b"3"),
    ];
    let evil = |pickle: &[u8]| [pickle, b"cos\nsystem\n."].concat();
    for (bytes, words, expected) in [
        (b"\x80\x02N".to_vec(), "byte 3 of its pickle", vec![]),
        (
            b"cos\nsystem\nR".to_vec(),
            "byte 11 of its pickle: it needs 2 values where there are fewer",
            vec!["os.system"],
        ),
        (
            MAGIC.to_vec(),
            "byte 15 of its pickle: an operation would end at byte 16",
            vec![],
        ),
        (
            [MAGIC.to_vec(), b"\xff".to_vec()].concat(),
            "byte 15 of its pickle: 0xff",
            vec![],
        ),
        (file(b"\x80\x02N"), "byte 3 of its pickle", vec![]),
        (file(b"N.N."), "byte 2 of its pickle: it ends here", vec![]),
        // Of several pickles, each is followed.
        (
            torch_archive(&two_pickles),
            "byte 1 of its pickle",
            vec!["nt.system", "os.system"],
        ),
        // Python goes on where we don't, and where we can't know.
        (
            evil(&b"(".repeat(1_000_001)),
            "not followed behind byte 1000000: more than 1000000 marks",
            vec![],
        ),
        (
            evil(b"Np18446744073709551616\n0"),
            "a number of more than 64 bits",
            vec![],
        ),
        (
            evil(b"\x95\x02\0\0\0\0\0\0\0Np1\n0"),
            "its frame ends",
            vec![],
        ),
        (
            b"N0\x80\x07N.".to_vec(),
            "byte 2 of its pickle: it is of protocol 7",
            vec![],
        ),
    ] {
        let contents = read(&bytes.as_slice()).expect("read");
        let said = contents.not_followed.as_deref().unwrap_or_default();
        assert!(said.contains(words), "{words:?}: {said}");
        assert_eq!(imports(&contents), expected, "{words}");
    }
    // What begins as bzip2's files do may be a pickle, which begins with bytes.
    let bytes = [
        b"BZh\0\0".as_slice(),
        vec![0; 0x685a].as_slice(),
        b"cos\nsystem\n.",
    ]
    .concat();
    assert_eq!(
        imports(&read(&bytes.as_slice()).expect("read")),
        ["os.system"]
    );
    let compressed = read(&b"\x78\x9c\x03\x00".as_slice()).expect("read");
    assert!(
        compressed.unlisted[0]
            .why
            .contains("compressed (zlib), and what a pickle in it would import is not checked")
    );
}

#[test]
fn legacy_files_are_known_however_their_number_is_written() {
    let number = &MAGIC[4..14];
    for magic in [
        MAGIC.to_vec(),
        [b"\x80\x04\x95\x0d\0\0\0\0\0\0\0\x8a\x0a", number, b"."].concat(),
        [b"\x8b\x0a\0\0\0", number, b"."].concat(),
        [b"\x8a\x0c", number, b"\0\0."].concat(),
        b"L119547037146038801333356L\n.".to_vec(),
        b"I119547037146038801333356\n.".to_vec(),
    ] {
        let rest = [
            whole(&int(1001)),
            whole(b"}"),
            whole(b"cx\ny\n"),
            whole(b"]"),
            vec![0xff; 9],
        ];
        let contents = read(&[magic, rest.concat()].concat().as_slice()).expect("read");
        assert!(
            contents.unlisted[0].why.contains("before PyTorch 1.6"),
            "{contents:?}"
        );
        assert_eq!(imports(&contents), ["x.y"]);
    }
}

/// An archive of tar.
fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let members = files
        .iter()
        .map(|(name, data)| member(name, data, |header| header[156] = b'0'));
    [members.collect::<Vec<_>>().concat(), vec![0; 1024]].concat()
}

/// A file of an archive, whose header is changed before its sum is put into it.
pub(crate) fn member(name: &str, data: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    change(&mut header);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut member = [&header, data].concat();
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

#[test]
fn where_programs_read_archives_of_tar_differently_it_is_said() {
    let evil = whole(b"cos\nsystem\n");
    let kind = |kind: u8| move |header: &mut [u8]| header[156] = kind;
    let hidden = member("storages", &evil, kind(b'0'));
    for (what, first) in [
        ("of a kind to come", member("storages", &evil, kind(b'Z'))),
        ("a sparse one", member("storages", &evil, kind(b'S'))),
        ("in a folder", member("d", &hidden, kind(b'5'))),
        ("in an old folder", member("d/", &hidden, kind(0))),
        ("a link", member("storages", b"", kind(b'2'))),
        ("a long name", member("x", b"storages\0", kind(b'L'))),
        ("fields", member("x", b"13 size=4096\n", kind(b'x'))),
    ] {
        let archive = [
            first,
            member("pickle", &whole(b"N"), kind(0)),
            vec![0; 1024],
        ]
        .concat();
        let contents = read(&archive.as_slice()).expect("read");
        let why = contents.not_followed.unwrap_or_default();
        assert!(why.contains("something else than a file"), "{what}: {why}");
    }
    let unknown = read(&member("x", &evil, kind(b'Z')).as_slice()).expect("read");
    assert_eq!(imports(&unknown), ["os.system"]);
    // One number for one reader, and another for the other.
    let size = member("pickle", &whole(b"N"), |header| {
        header[156] = b'0';
        header[124..136].copy_from_slice(b"0000000\x000004");
    });
    let contents = read(&size.as_slice()).expect("read");
    assert!(contents.not_followed.is_some(), "{contents:?}");
    // Python takes the sum of bytes with a sign, too.
    let mut signed = member("pickle", &evil, |header| {
        header[156] = b'0';
        header[400..512].fill(0xff);
    });
    let sum = |header: &[u8]| -> i32 {
        let spaces = header.iter().enumerate().map(|(at, byte)| match at {
            148..156 => 32,
            _ => i32::from(byte.cast_signed()),
        });
        spaces.sum()
    };
    let said = format!("{:06o}\0 ", sum(&signed[..512]));
    signed[148..156].copy_from_slice(said.as_bytes());
    let contents = read(&signed.as_slice()).expect("read");
    assert_eq!(imports(&contents), ["os.system"]);
}

#[test]
fn data_that_begins_with_numbers_of_extensions_is_not_taken_for_a_pickle() {
    for (bytes, is_one) in [
        (b"\x82\x05)\xff\xff\xff\xff\xff".to_vec(), false),
        (b"\x82\x05)R\xff".to_vec(), false),
        (b"\x82\x05.".to_vec(), true),
        (
            [&b"\x82\x05)R"[..], &[b'0', b'N'].repeat(20), b"\xff"].concat(),
            true,
        ),
        (b"cx\ny\n)\xff".to_vec(), true),
    ] {
        assert_eq!(read(&bytes.as_slice()).is_ok(), is_one, "{bytes:x?}");
    }
}

#[test]
fn imports_are_said_of_archives_of_tar() {
    let storage = [
        whole(&int(1)),
        whole(&tuple(&[
            int(7),
            text("cpu"),
            b"ctorch\nFloatStorage\n".to_vec(),
        ])),
        2_u64.to_le_bytes().to_vec(),
        vec![0xff; 8],
        whole(b"]"),
    ];
    let tensor = |class: &[u8]| {
        let args = whole(&tuple(&[int(8), int(7), class.to_vec()]));
        [
            whole(&int(1)),
            args,
            vec![1, 0, 0, 0, 0, 0, 0, 0],
            vec![0; 24],
        ]
        .concat()
    };
    let files = |class: &[u8], pickle: Vec<u8>| {
        tar(&[
            ("storages", storage.concat()),
            ("tensors", tensor(class)),
            ("pickle", pickle),
            ("sys_info", whole(b"}")),
        ])
    };
    let good = read(&files(b"ctorch\nFloatTensor\n", whole(b"}")).as_slice()).expect("read");
    assert!(good.unlisted[0].why.contains("before PyTorch 0.1.10"));
    assert_eq!((imports(&good), good.not_followed.clone()), (vec![], None));
    let evil = read(&files(b"cos\nsystem\n", whole(b"cnt\nsystem\n")).as_slice()).expect("read");
    assert_eq!(imports(&evil), ["nt.system", "os.system"]);
    let both = read(&tar(&[("cos\nsystem\n.", whole(b"N"))]).as_slice()).expect("read");
    assert_eq!(imports(&both), ["os.system"]);
    let cut = files(b"ctorch\nFloatTensor\n", whole(b"}"));
    let cut = read(&&cut[..540])
        .expect("read")
        .not_followed
        .expect("it is cut");
    assert!(cut.contains("no header of a file"), "{cut}");
}
