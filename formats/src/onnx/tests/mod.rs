use std::cell::Cell;
use std::io;

use super::*;

mod refusals;

const FLOAT: u64 = 1;
const INT64: u64 = 7;
const STRING: u64 = 8;

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("7 bits"));
    bytes
}

fn tag(number: u64, kind: u64) -> Vec<u8> {
    varint(number << 3 | kind)
}

/// A field that is bytes: a text, a message, or packed numbers.
fn bytes(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [
        tag(number, 2),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

/// A field that is a varint.
fn int(number: u64, value: u64) -> Vec<u8> {
    [tag(number, 0), varint(value)].concat()
}

/// A tensor: dimensions, type, name, and what else it has.
fn tensor(name: &str, dims: &[u64], dtype: u64, rest: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|dim| int(1, *dim)).collect();
    [&dims[..], &int(2, dtype), &bytes(8, name), rest].concat()
}

fn raw(length: usize) -> Vec<u8> {
    bytes(9, vec![7; length])
}

/// The pairs of a tensor whose data is elsewhere, and that it is.
fn external(pairs: &[(&str, &str)]) -> Vec<u8> {
    let pair = |(key, value): &(&str, &str)| bytes(13, [bytes(1, key), bytes(2, value)].concat());
    let pairs: Vec<u8> = pairs.iter().flat_map(pair).collect();
    [pairs, int(14, 1)].concat()
}

fn node(output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes.iter().flat_map(|it| bytes(5, it)).collect();
    [bytes(2, output), bytes(4, "Op"), attributes].concat()
}

fn attribute(name: &str, value: &[u8]) -> Vec<u8> {
    [&bytes(1, name), value].concat()
}

fn model(graph: &[u8]) -> Vec<u8> {
    [int(1, 10), bytes(7, graph), bytes(8, int(2, 21))].concat()
}

/// A model with one initializer.
fn one(tensor: &[u8]) -> Vec<u8> {
    model(&bytes(5, tensor))
}

fn names(contents: &Contents) -> Vec<&str> {
    contents.tensors.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn initializers_are_read_with_the_place_of_their_data() {
    let graph = [
        bytes(5, tensor("w", &[2, 3], FLOAT, &raw(24))),
        bytes(2, "the graph"),
        bytes(5, tensor("scalar", &[], 10, &raw(2))),
        // Packed dimensions, and an odd number of elements of four bits.
        bytes(
            5,
            [
                bytes(1, [3, 5]),
                int(2, 22),
                bytes(9, [9; 8]),
                bytes(8, "q"),
            ]
            .concat(),
        ),
        bytes(5, tensor("floats", &[2], FLOAT, &bytes(4, [1; 8]))),
        bytes(5, tensor("doubles", &[1], 15, &bytes(10, [2; 16]))),
        bytes(5, tensor("none", &[0, 7], INT64, &raw(0))),
    ]
    .concat();
    let file = model(&graph);
    let contents = read(&file.as_slice()).expect("read");
    let found: Vec<_> = contents
        .tensors
        .iter()
        .map(|it| {
            let place = |at: u64| usize::try_from(at).expect("small");
            let range = place(it.range.start)..place(it.range.end);
            assert_eq!(it.file, None);
            (
                it.name.as_str(),
                it.dtype.as_str(),
                &it.shape[..],
                &file[range],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("w", "F32", &[2, 3][..], &[7; 24][..]),
            ("scalar", "F16", &[], &[7; 2]),
            ("q", "INT4", &[3, 5], &[9; 8]),
            ("floats", "F32", &[2], &[1; 8]),
            ("doubles", "C128", &[1], &[2; 16]),
            ("none", "I64", &[0, 7], &[]),
        ]
    );
    assert_eq!(contents.unlisted, []);
}

#[test]
fn tensors_are_found_wherever_they_can_be() {
    let scalar = |name: &str| tensor(name, &[], FLOAT, &raw(4));
    let sparse = |name: &str| {
        [
            bytes(1, tensor(name, &[2], FLOAT, &raw(8))),
            bytes(2, tensor("", &[2, 2], INT64, &raw(32))),
            bytes(3, [9, 9]),
        ]
        .concat()
    };
    let branch = |name: &str| {
        [
            bytes(
                1,
                node("y", &[attribute("value", &bytes(5, scalar("any")))]),
            ),
            bytes(5, scalar(name)),
        ]
        .concat()
    };
    let graph = [
        bytes(1, node("c", &[attribute("value", &bytes(5, scalar("")))])),
        bytes(
            1,
            node(
                "z",
                &[
                    attribute("then_branch", &bytes(6, branch("w"))),
                    // The name may come last.
                    [bytes(6, branch("w")), bytes(1, "else_branch")].concat(),
                ],
            ),
        ),
        // The first output may be left out, or all; the outputs may come last.
        bytes(
            1,
            [
                bytes(5, attribute("s", &bytes(22, sparse("any")))),
                bytes(2, ""),
                bytes(2, "h"),
            ]
            .concat(),
        ),
        bytes(
            1,
            node(
                "",
                &[
                    attribute(
                        "list",
                        &[bytes(10, scalar("")), bytes(10, scalar(""))].concat(),
                    ),
                    attribute("graphs", &bytes(11, bytes(5, scalar("w")))),
                    attribute("sparse", &bytes(23, sparse(""))),
                ],
            ),
        ),
        bytes(5, scalar("w")),
        bytes(15, sparse("table")),
    ]
    .concat();
    let function = [
        bytes(1, "gelu"),
        bytes(7, node("y", &[attribute("value", &bytes(5, scalar("")))])),
        bytes(11, attribute("bias", &bytes(5, scalar("")))),
        bytes(10, "my.ops"),
        bytes(13, "f16"),
    ]
    .concat();
    let training = [
        bytes(1, bytes(5, scalar("w"))),
        bytes(2, bytes(5, scalar("w"))),
    ]
    .concat();
    let file = [model(&graph), bytes(20, training), bytes(25, function)].concat();
    let contents = read(&file.as_slice()).expect("read");
    assert_eq!(
        names(&contents),
        [
            "c > value",
            "z > then_branch > y > value",
            "z > then_branch > w",
            "z > else_branch > y > value",
            "z > else_branch > w",
            "h > s > values",
            "h > s > indices",
            "node 3 > list > 0",
            "node 3 > list > 1",
            "node 3 > graphs > 0 > w",
            "node 3 > sparse > 0 > values",
            "node 3 > sparse > 0 > indices",
            "w",
            "table > values",
            "table > indices",
            "training 0 > initialization > w",
            "training 0 > algorithm > w",
            "function my.ops::gelu::f16 > y > value",
            "function my.ops::gelu::f16 > attribute_proto > bias",
        ]
    );
}

#[test]
fn data_may_be_in_another_file() {
    let at = |name: &str, dims: &[u64], pairs: &[(&str, &str)]| {
        bytes(5, tensor(name, dims, FLOAT, &external(pairs)))
    };
    let graph = [
        at(
            "b",
            &[2],
            &[
                ("location", "w.bin"),
                ("offset", "4096"),
                ("length", "8"),
                ("checksum", "0a"),
            ],
        ),
        at("a", &[3], &[("location", "w.bin")]),
        // The same bytes again, as those of another tensor and with another shape.
        at(
            "tied",
            &[1, 2],
            &[("offset", "4096"), ("location", "w.bin")],
        ),
        at("other", &[2], &[("location", "parts/w..0")]),
        at("none", &[0], &[("location", "w.bin"), ("length", "0")]),
        bytes(5, tensor("inside", &[1], FLOAT, &raw(4))),
    ]
    .concat();
    let file = model(&graph);
    let contents = read(&file.as_slice()).expect("read");
    let found: Vec<_> = contents
        .tensors
        .iter()
        .map(|it| (it.name.as_str(), it.file.as_deref(), it.range.clone()))
        .collect();
    assert_eq!(found[0].0, "inside");
    assert_eq!(
        found[1..],
        [
            ("other", Some("parts/w..0"), 0..8),
            ("none", Some("w.bin"), 0..0),
            ("a", Some("w.bin"), 0..12),
            ("b", Some("w.bin"), 4096..4104),
            ("tied", Some("w.bin"), 4096..4104),
        ]
    );
}

#[test]
fn tensors_without_a_range_are_not_lost() {
    let two = |name: &str, dtype: u64, data: &[u8]| bytes(5, tensor(name, &[2], dtype, data));
    let single = |float: u8| [tag(4, 5), vec![float; 4]].concat();
    let graph = [
        two("texts", STRING, &[bytes(6, "one"), bytes(6, "")].concat()),
        two("ids", INT64, &bytes(7, [1, 2])),
        two("halves", 10, &[int(5, 300), int(5, 1)].concat()),
        two("floats", FLOAT, &[single(1), single(2)].concat()),
        two(
            "doubles",
            11,
            &[1, 2].map(|it| [tag(10, 1), vec![it; 8]].concat()).concat(),
        ),
        two(
            "parts",
            FLOAT,
            &[bytes(4, [1; 4]), bytes(4, [2; 4])].concat(),
        ),
    ]
    .concat();
    let empty_text = tensor("", &[1], STRING, &bytes(6, ""));
    let constant = bytes(1, node("c", &[attribute("value", &bytes(5, empty_text))]));
    let file = model(&[graph, constant].concat());
    let contents = read(&file.as_slice()).expect("read");
    assert_eq!(contents.tensors, []);
    let found: Vec<_> = contents
        .unlisted
        .iter()
        .map(|it| (it.name.as_str(), it.why.as_str()))
        .collect();
    let varying =
        |field: &str| format!("its elements are in {field}, as numbers of varying length");
    let parts = "its elements are in float_data, in more than one part";
    assert_eq!(
        found,
        [
            ("texts", "its elements are texts"),
            ("ids", &varying("int64_data")),
            ("halves", &varying("int32_data")),
            ("floats", parts),
            (
                "doubles",
                "its elements are in double_data, in more than one part"
            ),
            ("parts", parts),
            ("c > value", "its elements are texts"),
        ]
    );
}

#[test]
fn names_may_stand_far_behind_what_they_name() {
    let many = tensor("", &[50_000], FLOAT, &raw(200_000));
    let value = [bytes(5, many), bytes(1, "value")].concat();
    let constant = [bytes(5, value), bytes(2, "c")].concat();
    let file = model(&bytes(1, constant));
    let contents = read(&file.as_slice()).expect("read");
    assert_eq!(names(&contents), ["c > value"]);
    let range = &contents.tensors[0].range;
    assert_eq!(range.end - range.start, 200_000);
}

/// A file with zeros in its middle that nobody has in memory, and how many bytes were asked for.
struct Large {
    start: Vec<u8>,
    zeros: u64,
    end: Vec<u8>,
    read: Cell<u64>,
}

impl Source for Large {
    fn bytes(&self) -> u64 {
        self.start.len() as u64 + self.zeros + self.end.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.set(self.read.get() + buffer.len() as u64);
        for (at, byte) in (offset..).zip(buffer) {
            let at_end = at.checked_sub(self.start.len() as u64 + self.zeros);
            *byte = match at_end {
                Some(at) => self.end[usize::try_from(at).expect("small")],
                None => *self
                    .start
                    .get(usize::try_from(at).expect("64 bits"))
                    .unwrap_or(&0),
            };
        }
        Ok(())
    }
}

#[test]
fn data_is_passed_over() {
    let zeros = 8 << 30;
    let end = bytes(5, tensor("behind", &[1], FLOAT, &raw(4)));
    let head = tensor(
        "w",
        &[zeros / 4],
        FLOAT,
        &[tag(9, 2), varint(zeros)].concat(),
    );
    let message = [tag(5, 2), varint(head.len() as u64 + zeros), head].concat();
    let graph = message.len() as u64 + zeros + end.len() as u64;
    let start = [tag(7, 2), varint(graph), message].concat();
    let file = Large {
        start,
        zeros,
        end,
        read: Cell::new(0),
    };
    let contents = read(&file).expect("read");
    assert_eq!(names(&contents), ["w", "behind"]);
    assert_eq!(
        contents.tensors[0].range.end,
        file.start.len() as u64 + zeros
    );
    assert!(file.read.get() < 1 << 20, "{}", file.read.get());
}
