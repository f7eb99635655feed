//! Archives in the making, and those that are refused.

use miniz_oxide::deflate::compress_to_vec;

use super::*;

/// An entry in the making, which is stored with its sizes before it.
#[derive(Clone)]
pub(crate) struct Item {
    name: Vec<u8>,
    data: Vec<u8>,
    bytes: u32,
    method: u16,
    flags: u16,
    /// The extra fields in both headers.
    extras: [Vec<u8>; 2],
}

pub(crate) fn item(name: &str, data: &[u8]) -> Item {
    Item {
        name: name.into(),
        data: data.into(),
        bytes: u32::try_from(data.len()).expect("small"),
        method: STORED,
        flags: 0,
        extras: [Vec::new(), Vec::new()],
    }
}

pub(crate) fn deflated(name: &str, data: &[u8]) -> Item {
    Item {
        data: compress_to_vec(data, 6),
        method: DEFLATED,
        ..item(name, data)
    }
}

/// As Python's `zipfile` writes them.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for item in items {
        let at = u32::try_from(file.len()).expect("small");
        let sizes = [
            0,
            u32::try_from(item.data.len()).expect("small"),
            item.bytes,
        ];
        file.extend(local(item, sizes));
        file.extend(&item.data);
        list.extend(central(item, sizes, at));
    }
    end(file, &list, items.len(), false)
}

/// As `PyTorch`'s writer does: each entry at a multiple of 64, its sizes behind it, and with both ends.
pub(crate) fn torch_archive(items: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut list) = (Vec::new(), Vec::new());
    for (name, data) in items {
        let mut item = item(name, data);
        item.flags = FLAG_SIZES_BEHIND | FLAG_UTF8;
        let at = file.len();
        let padding = (at + 34 + name.len()).next_multiple_of(64) - (at + 34 + name.len());
        let length = u16::try_from(padding).expect("small").to_le_bytes();
        item.extras[0] = [b"FB".as_slice(), &length, &vec![b'Z'; padding]].concat();
        file.extend(local(&item, [0; 3]));
        file.extend(&item.data);
        let sizes = [7, item.bytes, item.bytes];
        if item.bytes > 0 {
            file.extend(SIZES_MAGIC);
            file.extend(sizes.map(u32::to_le_bytes).as_flattened());
        }
        list.extend(central(&item, sizes, u32::try_from(at).expect("small")));
    }
    end(file, &list, items.len(), true)
}

fn local(item: &Item, sizes: [u32; 3]) -> Vec<u8> {
    let mut file = ENTRY_MAGIC.to_vec();
    file.extend(u16s(&[20, item.flags, item.method, 0, 0]));
    file.extend(sizes.map(u32::to_le_bytes).as_flattened());
    file.extend(u16s(&[length(&item.name), length(&item.extras[0])]));
    [file, item.name.clone(), item.extras[0].clone()].concat()
}

fn central(item: &Item, sizes: [u32; 3], at: u32) -> Vec<u8> {
    let mut list = CENTRAL_MAGIC.to_vec();
    list.extend(u16s(&[20, 20, item.flags, item.method, 0, 0]));
    list.extend(sizes.map(u32::to_le_bytes).as_flattened());
    list.extend(u16s(&[length(&item.name), length(&item.extras[1])]));
    list.extend([0; 10]);
    list.extend(at.to_le_bytes());
    [list, item.name.clone(), item.extras[1].clone()].concat()
}

fn end(mut file: Vec<u8>, list: &[u8], count: usize, is_wide: bool) -> Vec<u8> {
    let at = file.len() as u64;
    file.extend(list);
    let (count, length) = (count as u64, list.len() as u64);
    if is_wide {
        let end = file.len() as u64;
        file.extend(WIDE_END_MAGIC);
        file.extend(44_u64.to_le_bytes());
        file.extend([0; 12]);
        file.extend(
            [count, count, length, at]
                .map(u64::to_le_bytes)
                .as_flattened(),
        );
        file.extend(WIDE_PLACE_MAGIC);
        file.extend([0; 4]);
        file.extend(end.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
    }
    file.extend(END_MAGIC);
    let count = u16::try_from(count).expect("few");
    file.extend(u16s(&[0, 0, count, count]));
    let numbers = [length, at].map(|number| u32::try_from(number).expect("small"));
    file.extend(numbers.map(u32::to_le_bytes).as_flattened());
    file.extend([0; 2]);
    file
}

fn u16s(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
}

fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).expect("short")
}

/// A file with these bytes from `at` on instead; from its end, if that is negative.
pub(crate) fn patched(mut file: Vec<u8>, at: isize, bytes: &[u8]) -> Vec<u8> {
    let at = if at < 0 {
        file.len() - at.unsigned_abs()
    } else {
        at.unsigned_abs()
    };
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn found(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let entries = entries(&file, Names::Paths).expect("read");
    let read = |entry: &Entry| (entry.name.clone(), content(&file, entry, 99).expect("read"));
    entries.iter().map(read).collect()
}

#[test]
fn entries_are_found_in_each_form() {
    let files = [("a/x", b"one".as_slice()), ("a/y", b""), ("a/z", b"three")];
    let want = files.map(|(name, data)| (name.to_owned(), data.to_vec()));
    assert_eq!(found(&torch_archive(&files)), want);
    let [x, y, z] = files;
    let folder = item("a/", b"");
    let items = [folder, item(x.0, x.1), item(y.0, y.1), deflated(z.0, z.1)];
    assert_eq!(found(&archive(&items)), want);
    assert_eq!(found(&archive(&[])), []);

    let wide = [1, 0, 16, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let mut item = item("wide", b"abc");
    item.extras = [wide.to_vec(), wide.to_vec()];
    // Both sizes, in the local header and in the list, are in the zip64 field.
    let file = archive(&[item]);
    let list = isize::try_from(file.len()).expect("small") - 22 - 70;
    let file = patched(patched(file, 18, &[0xff; 8]), list + 20, &[0xff; 8]);
    assert_eq!(found(&file), [("wide".to_owned(), b"abc".to_vec())]);
    let other = patched(file, 41, &[4]);
    assert!(refusal(&other).contains("has other sizes than in the list"));
}

#[test]
fn data_is_inflated_to_what_it_says_and_no_further() {
    let bomb = deflated("bomb", &vec![0; 1 << 20]);
    let read = |item: &Item, max| {
        let file = archive(std::slice::from_ref(item));
        let entries = entries(&file.as_slice(), Names::Paths).expect("read");
        content(&file.as_slice(), &entries[0], max).map_err(|error| error.to_string())
    };
    assert_eq!(read(&bomb, 1 << 20).map(|data| data.len()), Ok(1 << 20));
    for (item, words) in [
        (bomb.clone(), "1048576 bytes, where at most 2000 are read"),
        (
            Item {
                bytes: 98,
                ..bomb.clone()
            },
            "does not inflate to the 98 bytes",
        ),
        (
            Item {
                bytes: 99,
                ..deflated("a", b"a")
            },
            "says 99 bytes, and inflates to 1",
        ),
        (
            Item {
                data: Vec::new(),
                ..deflated("a", b"a")
            },
            "does not inflate to the 1 bytes",
        ),
        (
            item("a", &[0; 2001]),
            "2001 bytes, where at most 2000 are read",
        ),
    ] {
        let said = read(&item, 2000).expect_err("refused");
        assert!(said.contains(words), "{words:?}: {said}");
    }
    let file = archive(&[bomb]);
    let entries = entries(&file.as_slice(), Names::Paths).expect("read");
    let head = head(&file.as_slice(), &entries[0], 99).expect("read");
    assert_eq!(head, [0; 99]);
}

fn refusal(file: &[u8]) -> String {
    entries(&file, Names::Paths)
        .expect_err("it is refused")
        .to_string()
}

#[test]
fn names_that_leave_the_folder_or_read_in_two_ways_are_refused() {
    for name in ["a", "a/b.c", "a..b/c", "日本"] {
        let mut item = item(name, b"");
        item.flags = FLAG_UTF8;
        assert_eq!(found(&archive(&[item]))[0].0, name);
    }
    for (names, words) in [
        (["../a", "b"], "leads out of the folder"),
        (["a/../b", "b"], "leads out of the folder"),
        (["a/./b", "b"], "no path of names"),
        (["a//b", "b"], "no path of names"),
        (["/a", "b"], "no path of names"),
        (["", "b"], "no path of names"),
        (["/", "b"], "no path of names"),
        (["c:a", "b"], "begins with a drive"),
        (["a\\b", "b"], "has a backslash"),
        (["a\0", "b"], "has a control character"),
        (["a\n", "b"], "has a control character"),
        (["é", "b"], "not in ASCII"),
        (["b", "b"], "two entries \"b\""),
    ] {
        let said = refusal(&archive(&names.map(|name| item(name, b""))));
        assert!(said.contains(words), "{words:?}: {said}");
    }
    // Arrays may be called so, but for what leads out of a folder, by whichever sign there is for that.
    for name in [
        "W:0.npy", "/a.npy", "x//y.npy", "a\\b.npy", "./a.npy", ".npy",
    ] {
        let file = archive(&[item(name, b"")]);
        let entries = entries(&file.as_slice(), Names::Arrays).expect("read");
        assert_eq!(entries[0].name, name);
    }
    for name in ["../a", "a/../../b", "..\\a", "a\\..\\b", "a/..\\b", ".."] {
        let refused = entries(&archive(&[item(name, b"")]).as_slice(), Names::Arrays);
        let said = refused.expect_err("refused").to_string();
        assert!(said.contains("leads out of the folder"), "{name}: {said}");
    }
    let mut latin1 = item("a", b"");
    latin1.name = vec![0xe9];
    assert!(refusal(&archive(&[latin1])).contains("utf-8"));
    assert!(refusal(&archive(&[item(&"a".repeat(1025), b"")])).contains("1025 bytes in a"));
}

/// Each file is refused with these words.
fn check(refused: &[(Vec<u8>, &str)]) {
    for (file, words) in refused {
        let said = refusal(file);
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

/// Two entries, at the bytes 0 and 34; the list is from byte 68 on, each entry 47 bytes, and the end at 162.
fn good() -> Vec<u8> {
    let file = archive(&[item("a", b"one"), item("b", b"two")]);
    assert_eq!((file.len(), found(&file).len()), (184, 2));
    file
}

#[test]
fn an_end_that_does_not_fit_is_refused() {
    let torch = || torch_archive(&[("a", b"one"), ("b", b"two")]);
    check(&[
        (Vec::new(), "of the 22 bytes that end it, the file has 0"),
        (
            good()[..183].to_vec(),
            "does not end with the file at byte 183",
        ),
        (
            [good(), vec![0]].concat(),
            "does not end with the file at byte 185",
        ),
        (patched(good(), -2, &[1]), "a comment"),
        (patched(good(), -18, &[1]), "several disks"),
        (patched(good(), -16, &[1]), "several disks"),
        (patched(good(), -14, &[1]), "several disks"),
        (
            patched(good(), -14, &[3, 0, 3]),
            "3 entries can't be listed in 94 bytes",
        ),
        (
            patched(good(), -14, &[1, 0, 1]),
            "behind its 1 entries there are 47 bytes",
        ),
        (
            patched(good(), -14, &[0xff; 4]),
            "65535 entries can't be listed",
        ),
        (
            patched(good(), -10, &[0xff; 8]),
            "4294967295 bytes from byte 4294967295 on, should end at byte 162",
        ),
        (
            patched(good(), -10, &[93]),
            "93 bytes from byte 68 on, should end at byte 162",
        ),
        (
            [vec![0], good()].concat(),
            "94 bytes from byte 68 on, should end at byte 163",
        ),
        (patched(torch(), -26, &[2]), "several disks"),
        (
            patched(torch(), -34, &[1]),
            "zip64 end is said to be at byte",
        ),
        (
            patched(torch(), -34, &[0xff; 8]),
            "is said to be at byte 18446744073709551615",
        ),
        (patched(torch(), -98, &[0]), "there is no zip64 end"),
        (patched(torch(), -94, &[45]), "there is no zip64 end"),
        (patched(torch(), -66, &[3]), "do not agree"),
        (
            patched(patched(torch(), -74, &[0xff; 16]), -14, &[0xff; 4]),
            "18446744073709551615 entries can't be listed",
        ),
    ]);
}

#[test]
fn a_list_and_entries_that_do_not_agree_are_refused() {
    let torch = torch_archive(&[("a", b"one"), ("b", b"two")]);
    check(&[
        (
            patched(good(), 68, &[0]),
            "at byte 68: does not begin as one",
        ),
        (
            patched(good(), 115 + 28, &[2]),
            "at byte 115: would reach behind the list",
        ),
        (patched(good(), 68 + 32, &[47]), "at byte 68: has a comment"),
        (
            patched(good(), 68 + 34, &[1]),
            "at byte 68: is on another disk",
        ),
        (
            patched(good(), 68 + 42, &[1]),
            "the 1 bytes from byte 0 on belong to no entry",
        ),
        (
            patched(good(), 68 + 42, &[0xff; 4]),
            "numbers that its zip64 field does not have",
        ),
        (
            patched(good(), 115 + 42, &[0]),
            "the data of the entry \"a\" ends at byte 34, and something else begins at byte 0",
        ),
        (
            patched(good(), 115 + 42, &[33]),
            "the data of the entry \"a\" ends at byte 34",
        ),
        (
            patched(good(), 68 + 24, &[4]),
            "4 bytes, of which 3 are stored",
        ),
        (
            patched(good(), 68 + 20, &[2, 0, 0, 0, 2]),
            "has other sizes than in the list",
        ),
        (
            patched(good(), 18, &[2]),
            "has other sizes than in the list",
        ),
        (
            patched(good(), 14, &[2]),
            "has other sizes than in the list",
        ),
        (
            patched(good(), 0, &[0]),
            "\"a\" at byte 0: does not begin as one",
        ),
        (
            patched(good(), 30, b"c"),
            "another name there than in the list",
        ),
        (patched(good(), 6, &[2]), "other flags or another method"),
        (patched(good(), 8, &[8]), "other flags or another method"),
        (
            patched(
                patched(good(), 115 + 20, &[4, 0, 0, 0, 4]),
                34 + 18,
                &[4, 0, 0, 0, 4],
            ),
            "reach behind byte 68",
        ),
        (
            patched(torch, 67 + 4, &[8]),
            "the 16 bytes from byte 67 on belong to no entry",
        ),
    ]);
}

#[test]
fn what_only_some_readers_understand_is_refused() {
    let with = |change: fn(&mut Item)| {
        let mut item = item("a", b"one");
        change(&mut item);
        archive(&[item])
    };
    check(&[
        (with(|it| it.flags = 1), "flags 0x0001: it is encrypted"),
        (with(|it| it.flags = 1 << 6), "flags 0x0040"),
        (with(|it| it.flags = 1 << 13), "flags 0x2000"),
        (with(|it| it.method = 12), "compressed by method 12"),
        (with(|it| it.name = b"a/".to_vec()), "a folder with data"),
        (
            with(|it| it.extras[1] = vec![0x75, 0x70, 0, 0]),
            "has a second name",
        ),
        (
            with(|it| it.extras[0] = vec![0x75, 0x70, 0, 0]),
            "has a second name",
        ),
        (
            with(|it| it.extras[0] = vec![9, 9, 1, 0]),
            "an extra field without end",
        ),
        (
            with(|it| it.extras[1] = vec![9]),
            "an extra field without end",
        ),
        (
            with(|it| it.extras[1] = [1, 0, 0, 0].repeat(2)),
            "two zip64 fields",
        ),
        (
            with(|it| it.extras[1] = [vec![1, 0, 8, 0], vec![0; 8]].concat()),
            "with other numbers than",
        ),
    ]);
}
