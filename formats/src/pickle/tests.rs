//! Pickles in the making, and those that are refused.

use super::*;

/// A text, as protocol 2 has it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short").to_le_bytes();
    [b"X", length.as_slice(), text.as_bytes()].concat()
}

pub(crate) fn int(number: i64) -> Vec<u8> {
    [b"\x8a\x08".as_slice(), &number.to_le_bytes()].concat()
}

pub(crate) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

pub(crate) fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items
        .iter()
        .flat_map(|(key, value)| [text(key), value.clone()]);
    [b"}(".to_vec(), items.flatten().collect(), b"u".to_vec()].concat()
}

pub(crate) fn call(module: &str, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    let function = format!("c{module}\n{name}\n").into_bytes();
    [function, tuple(arguments), b"R".to_vec()].concat()
}

pub(crate) fn whole(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

fn imported(pickle: &[u8]) -> Vec<String> {
    let mut imports = BTreeSet::new();
    walk_to_end(&pickle, 0, Wanted::Values, &mut imports).expect("followed");
    let mut flat = BTreeSet::new();
    walk_to_end(&pickle, 0, Wanted::Imports, &mut flat).expect("followed");
    assert_eq!(flat, imports);
    imports.into_iter().collect()
}

/// Why a pickle is not followed, and what it imports before.
fn refusal(pickle: &[u8]) -> String {
    let mut imports = BTreeSet::new();
    let refused = walk_to_end(&pickle, 0, Wanted::Values, &mut imports);
    let refused = refused.expect_err("it is refused").to_string();
    let imports: Vec<_> = imports.into_iter().collect();
    format!("{refused}; {}", imports.join(" "))
}

#[test]
fn values_are_put_together_as_in_python() {
    for pickle in [
        // One dictionary, by the operations of protocols 0, 1, 2 and 4: {"k": (1, -2), 3: [(), "v"]}
        b"(dS'k'\n(I1\nL-2L\ntsI3\n(l(taVv\nas.".as_slice(),
        b"}(U\x01k(K\x01J\xfe\xff\xff\xfftK\x03]()U\x01veu.",
        b"\x80\x02}q\x00(X\x01\x00\x00\x00kq\x01M\x01\x00\x8a\x01\xfe\x86q\x02K\x03]q\x03()h\x010h\x01eu.",
        b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01k\x94K\x01\x8b\x01\x00\x00\x00\xfe\x86\x94K\x03]\x94()\x8c\x01v\x94eu.",
    ] {
        let found = walk_to_end(&pickle, 0, Wanted::Values, &mut BTreeSet::new()).expect("followed");
        let dict = found.object(found.root).expect("a dictionary");
        let [(k, pair), (number, list)] = dict.entries[..] else {
            panic!("two entries: {dict:?}");
        };
        assert_eq!((found.text(k), number), (Some("k"), Value::Int(3)));
        assert_eq!(found.tuple(pair), Some([Value::Int(1), Value::Int(-2)].as_slice()));
        let list = found.object(list).expect("a list");
        let [(Value::Int(0), empty), (Value::Int(1), letter)] = list.entries[..] else {
            panic!("two items: {list:?}");
        };
        assert_eq!(found.tuple(empty), Some([].as_slice()));
        assert!(matches!(found.text(letter), Some("v" | "k")));
        assert_eq!(found.end, pickle.len() as u64);
    }
}

#[test]
fn every_way_to_import_is_seen() {
    for (pickle, imports) in [
        (b"cos\nsystem\n(S'true'\ntR.".as_slice(), "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"(cos\nsystem\nS'true'\no.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93)\x81.", "os.system"),
        // Without saying a protocol, by texts of old ones, and by what was remembered.
        (b"U\x02osVsystem\n\x93.", "os.system"),
        (
            b"S'os'\np7\n0\x8c\x06system\x940g7\nh\x01\x93.",
            "os.system",
        ),
        // Taken from the stack, or left there.
        (b"cos\nsystem\n0N.", "os.system"),
        (b"cos\nsystem\nN.", "os.system"),
        (b"((cos\nsystem\n11N.", "os.system"),
        (b"cos\nsystem\n(0.", "os.system"),
        (
            b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93.",
            "os.path.exists",
        ),
        (b"cos\r\nsystem\n.", "os\r.system"),
        (b"c\xc3\xa9\n\xc3\xa9\n.", "é.é"),
        // By escapes, and behind numbers that no pickler writes.
        (b"S'o\\x73'\nVsyst\\u0065m\n\x93.", "os.system"),
        (b"Np+1\n0I0x1f\n0L0001L\n0g1_\n0cos\nsystem\n.", "os.system"),
        // Computed: by a call, and no text at all.
        (b"cx\ny\n)RU\x06system\x93.", "(computed).system x.y"),
        (b"U\x02osK\x05\x93.", "os.(computed)"),
        (b"\x82\x05.", "(extension).5"),
        (b"\x83\x05\x01.", "(extension).261"),
        (b"\x84\x05\x00\x01\x00.", "(extension).65541"),
        (b"cb\na\nca\nb\ncb\na\nttttt", ""),
    ] {
        if imports.is_empty() {
            assert!(refusal(pickle).ends_with("; a.b b.a"));
        } else {
            assert_eq!(imported(pickle).join(" "), imports);
        }
    }
    let long = [
        b"X\x88\x13\x00\x00".to_vec(),
        vec![b'o'; 5000],
        b"U\x06system\x93.".to_vec(),
    ];
    assert_eq!(imported(&long.concat()), ["(computed).system"]);
}

#[test]
fn what_cannot_be_followed_is_refused_with_the_place() {
    let repeated = |bytes: &[u8], times| bytes.repeat(times);
    for (pickle, words) in [
        (
            b"".to_vec(),
            "byte 0 of its pickle: an operation would end at byte 1, and the file has 0",
        ),
        (
            b"N".to_vec(),
            "byte 1 of its pickle: an operation would end",
        ),
        (
            b"N.N".to_vec(),
            "byte 2 of its pickle: it ends here, and there are 3 bytes",
        ),
        (
            b"\x80\x06N.".to_vec(),
            "byte 0 of its pickle: it is of protocol 6, where 5 is the last known",
        ),
        (b"\x80\x0aN.".to_vec(), "there is no protocol 10"),
        (
            b"N\x00.".to_vec(),
            "byte 1 of its pickle: 0x00 is no operation",
        ),
        (b".".to_vec(), "it needs a value where there is none"),
        (b"0N.".to_vec(), "goes back to a mark where there is none"),
        (b"N(.".to_vec(), "it needs a value where there is none"),
        (
            b"N(q\x00".to_vec(),
            "byte 2 of its pickle: it needs a value",
        ),
        (
            b"NNR(R.".to_vec(),
            "it needs 2 values where there are fewer",
        ),
        (b"t.".to_vec(), "goes back to a mark"),
        (b"(o.".to_vec(), "an object without a class"),
        (b"}(NNNu.".to_vec(), "a key without a value"),
        (b"(Nd.".to_vec(), "a key without a value"),
        (
            b"h\x07.".to_vec(),
            "it recalls 7, which it did not remember",
        ),
        (b"j\xff\xff\xff\xff.".to_vec(), "it recalls 4294967295"),
        (b"Np-1\n.".to_vec(), "by no number"),
        (
            b"Np99999999999999999999\n.".to_vec(),
            "is not followed behind byte 1: what it remembers, or recalls, is by a number of more than 64 bits",
        ),
        (b"Np\n.".to_vec(), "by no number"),
        // The end of the file is the last byte of a name to Python, or so it seems to it.
        (
            b"cos\nsystem".to_vec(),
            "would end at byte 11, and the file has 10; os.syste",
        ),
        (b"cos".to_vec(), "; o."),
        (
            b"c\xff\nx\n.".to_vec(),
            "an import by a name that is not UTF-8; ",
        ),
        (b"\x8b\xff\xff\xff\xff.".to_vec(), "a negative length"),
        (b"T\xff\xff\xff\xff.".to_vec(), "a negative length"),
        (
            b"X\xff\xff\xff\xff.".to_vec(),
            "would end at byte 4294967300, and the file has 6",
        ),
        (
            [b"\x8e".to_vec(), vec![0xff; 8]].concat(),
            "would end at byte 18446744073709551615",
        ),
        // What one of Python's unpicklers forgets, the other one reads.
        (
            b"\x95\x03\0\0\0\0\0\0\0cos\nsystem\n.".to_vec(),
            "not followed behind byte 9: its frame ends at byte 12, and no operation does there; os.system",
        ),
        (
            b"\x95\x03\0\0\0\0\0\0\0N.N".to_vec(),
            "its frame ends at byte 12",
        ),
        (
            b"\x95\x0b\0\0\0\0\0\0\0\x95\x09\0\0\0\0\0\0\0N.".to_vec(),
            "a frame reaches out of another one",
        ),
        (b"S'x".to_vec(), "would end at byte 4, and the file has 3"),
        // However deep, and however many.
        (
            repeated(b"(", 1_000_001),
            "more than 1000000 marks on the stack",
        ),
        (
            repeated(b"N", 1_000_001),
            "more than 1000000 values on the stack",
        ),
    ] {
        let said = refusal(&pickle);
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

#[test]
fn a_name_that_is_too_long_is_an_import_all_the_same() {
    let long = [
        b"cos\npath.".to_vec(),
        b"os.path.".repeat(200),
        b"os.system\n.".to_vec(),
    ];
    let [name] = &imported(&long.concat())[..] else {
        panic!("one import");
    };
    assert!(name.starts_with("os.path.os.path") && name.ends_with('…'));
}

#[test]
fn the_names_of_imports_are_read_again_only_so_often() {
    let pickle = |length: usize, times: usize| {
        let text = [b"V", "a".repeat(length).as_bytes(), b"\n"].concat();
        let texts = [&text[..], b"q\x00", &text, b"q\x010"].concat();
        [texts, b"h\x00h\x01\x930".repeat(times), b".".to_vec()].concat()
    };
    let walked = |pickle: Vec<u8>| {
        let mut imports = BTreeSet::new();
        let walked = walk(&pickle.as_slice(), 0, Wanted::Imports, &mut imports);
        assert_eq!(imports.len(), 1);
        walked.map(drop)
    };
    walked(pickle(30, 20_000)).expect("followed");
    let stopped = walked(pickle(1_000, 20_000)).expect_err("not followed");
    let words = "the names of what it imports take more than 64 MiB to read";
    assert!(stopped.to_string().contains(words), "{stopped}");
}

#[test]
fn the_memory_for_values_has_an_end() {
    for (once, again, times) in [
        (b"N".as_slice(), b"\x85".as_slice(), 3_000_000),
        (b"cx\ny\n", b"2)R0", 1_600_000),
    ] {
        let pickle = [once, again.repeat(times).as_slice(), b"N."].concat();
        let mut imports = BTreeSet::new();
        let walked = walk(&pickle.as_slice(), 0, Wanted::Values, &mut imports);
        let said = match walked {
            Ok(pickle) => panic!("{again:?}: {} values", pickle.nodes.len()),
            Err(stopped) => stopped.to_string(),
        };
        let words = "its values take more than 256 MiB";
        assert!(said.contains(words), "{again:?}: {said}");
        // Where only imports are looked for, nothing of it is kept.
        let walked = walk(&pickle.as_slice(), 0, Wanted::Imports, &mut imports);
        assert!(walked.is_ok(), "{again:?}");
    }
}

#[test]
fn what_is_deep_or_in_itself_takes_no_stack_of_ours() {
    for operations in [b"\x85".as_slice(), b"]0\x85", b"(2t"] {
        let deep = [b"N".to_vec(), operations.repeat(1_000_000), b".".to_vec()].concat();
        let found = walk(&deep.as_slice(), 0, Wanted::Values, &mut BTreeSet::new());
        drop(found);
    }
    let ring = b"]q\x00h\x00a.".as_slice();
    let found = walk_to_end(&ring, 0, Wanted::Values, &mut BTreeSet::new()).expect("followed");
    let list = found.object(found.root).expect("a list");
    assert_eq!(list.entries, [(Value::Int(0), found.root)]);
}
