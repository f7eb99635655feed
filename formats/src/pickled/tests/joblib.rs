//! joblib's pickles: as it writes them, and as it would read others.

use super::*;

const WRAPPED: &[u8] = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n";
const EVIL: &[u8] = b"cos\nsystem\n0";
/// What there is to see where an array takes this for its data, and is none.
const SWALLOWED: &[u8] = b"cnt\nsystem\n0";

fn flag(value: bool) -> Vec<u8> {
    vec![if value { 0x88 } else { 0x89 }]
}

/// A type, told these bytes and flags.
fn dtype(code: &str, bytes: i64, flags: i64) -> Vec<u8> {
    let made = call("numpy", "dtype", &[text(code), flag(false), flag(true)]);
    let nothing = b"N".to_vec();
    let state = tuple(&[
        int(3),
        text("<"),
        nothing.clone(),
        nothing.clone(),
        nothing,
        int(bytes),
        int(-1),
        int(flags),
    ]);
    [made, state, b"b".to_vec()].concat()
}

/// What a wrapper is told of an array of 2 times 3.
fn fields(dtype: Vec<u8>, aligned: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("subclass", b"cnumpy\nndarray\n".to_vec()),
        ("shape", ints(&[2, 3])),
        ("order", text("C")),
        ("dtype", dtype),
        ("allow_mmap", flag(false)),
        ("numpy_array_alignment_bytes", aligned.to_vec()),
    ]
}

fn wrapper(dtype: Vec<u8>, aligned: &[u8]) -> Vec<u8> {
    [WRAPPED, b")\x81", &dict(&fields(dtype, aligned)), b"b"].concat()
}

fn pickle(wrapper: &[u8], data: &[u8]) -> Vec<u8> {
    [b"\x80\x02](", wrapper, data, EVIL, b"e."].concat()
}

fn contents(pickle: &[u8]) -> Contents {
    let contents = read(&pickle).expect("read");
    assert!(contents.unlisted[0].why.contains("joblib"), "{contents:?}");
    contents
}

#[test]
fn arrays_between_the_operations_are_passed() {
    let reconstructed = [
        b"ccopy_reg\n_reconstructor\n(".as_slice(),
        WRAPPED,
        b"c__builtin__\nobject\nNtR",
        &dict(&fields(dtype("i2", -1, 0), b"N")),
        b"b",
    ];
    let old = fields(dtype("f4", -1, 0), b"N")[..5].to_vec();
    for file in [
        // None is the alignment of old versions, which say nothing of it.
        pickle(&wrapper(dtype("f4", -1, 0), b"N"), &[0xff; 24]),
        pickle(
            &[WRAPPED, b")\x81", &dict(&old), b"b"].concat(),
            &[0xff; 24],
        ),
        pickle(&wrapper(dtype("S5", 5, 0), b"N"), &[0xff; 30]),
        pickle(&wrapper(dtype("U2", 8, 8), b"N"), &[0xff; 48]),
        pickle(&reconstructed.concat(), &[0xff; 12]),
        pickle(
            &wrapper(dtype("i8", -1, 0), b"K\x10"),
            &[&[3][..], &[0xff; 3 + 48]].concat(),
        ),
        pickle(&wrapper(dtype("O8", -1, 63), b"N"), &whole(b"](NN]e")),
    ] {
        let contents = contents(&file);
        assert_eq!(
            (imports(&contents), contents.not_followed.clone()),
            (vec!["os.system"], None)
        );
    }
    // From protocol 4 on, its frame ends where the array begins.
    let told = wrapper(dtype("f4", -1, 0), b"N");
    let length = (told.len() as u64).to_le_bytes();
    let framed = [&b"\x95"[..], &length, &told].concat();
    let framed = contents(&pickle(&framed, &[0xff; 24]));
    assert_eq!(
        (imports(&framed), framed.not_followed.clone()),
        (vec!["os.system"], None)
    );
    // What joblib passes, Python runs.
    let hidden = [b"cnt\nsystem\n".repeat(11), vec![b'N'; 11]].concat();
    let hidden = pickle(&wrapper(dtype("S22", 22, 0), b"N"), &hidden);
    assert_eq!(imports(&contents(&hidden)), ["nt.system", "os.system"]);
    // Of objects in an array, too, the imports are said.
    let nested = pickle(&wrapper(dtype("O8", -1, 63), b"N"), &whole(b"cx\ny\n"));
    assert_eq!(imports(&contents(&nested)), ["os.system", "x.y"]);
}

/// Each has joblib read data, or operations, where they don't seem to be.
#[test]
fn where_the_data_is_is_known_or_it_is_said_that_it_is_not() {
    let told = |state: Vec<u8>| [WRAPPED, b")\x81", &state, b"b"].concat();
    let state = |dtype: Vec<u8>| dict(&fields(dtype, b"N"));
    let good = || dtype("f4", -1, 0);
    let with = |field: &'static str, value: Vec<u8>| {
        let mut fields = fields(good(), b"N");
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        told(dict(&fields))
    };
    let identity = |value: &[u8]| {
        let object = call("numpy", "dtype", &[text("O8")]);
        call(
            "numpy._core.multiarray",
            "scalar",
            &[object, value.to_vec()],
        )
    };
    let made = [WRAPPED, b")\x81"].concat();
    for (what, wrapper) in [
        (
            "a state of slots",
            told([b"N", &state(good())[..], b"\x86"].concat()),
        ),
        ("a type of another length", told(state(dtype("S1", 10, 0)))),
        (
            "a type that is one of objects",
            told(state(dtype("f4", -1, 63))),
        ),
        ("objects that are none", told(state(dtype("O8", -1, 0)))),
        ("an unknown type", told(state(dtype("V8", 8, 0)))),
        (
            "an alignment that is true",
            with("numpy_array_alignment_bytes", flag(true)),
        ),
        ("a length that is none", with("shape", tuple(&[flag(true)]))),
        (
            "another attribute",
            with("read", b"cnumpy\nndarray\n".to_vec()),
        ),
        (
            "mapping of what it does not say",
            with("allow_mmap", b"N".to_vec()),
        ),
        ("a type told by way of another call", {
            let kept = [call("numpy", "dtype", &[text("S1")]), b"q\x070".to_vec()].concat();
            let again = [identity(b"h\x07"), ints(&[3]), b"b0".to_vec()].concat();
            [kept, again, told(state(b"h\x07".to_vec()))].concat()
        }),
        (
            "one by way of another call",
            [identity(&made), state(good()), b"b".to_vec()].concat(),
        ),
        ("one that is kept", {
            [
                &made[..],
                b"q\x07",
                &state(good()),
                b"b",
                &[0xff; 24],
                b"0h\x07}b",
            ]
            .concat()
        }),
        (
            "one that is there twice",
            [&made[..], b"2", &state(good()), b"b"].concat(),
        ),
        (
            "one told twice",
            [&wrapper(good(), b"N")[..], &[0xff; 24], b"}b"].concat(),
        ),
        (
            "a class that is computed",
            [identity(WRAPPED), b")\x81}b".to_vec()].concat(),
        ),
        ("the class, as an argument", {
            let class = [
                WRAPPED.to_vec(),
                b"c__builtin__\nobject\n".to_vec(),
                ints(&[]),
            ];
            call("copy_reg", "_reconstructor", &class)
        }),
        (
            "the class, changed",
            [WRAPPED, &dict(&[("order", text("F"))]), b"b"].concat(),
        ),
    ] {
        check_not_followed(what, &wrapper);
    }
}

/// The data of an array is a text to `pickle.load`, in which operations are.
fn check_not_followed(what: &str, wrapper: &[u8]) {
    let length = u32::try_from(SWALLOWED.len()).expect("short");
    let pickle = [
        b"\x80\x02](",
        wrapper,
        b"B",
        &length.to_le_bytes(),
        SWALLOWED,
        b"e.",
    ];
    let contents = contents(&pickle.concat());
    assert!(contents.not_followed.is_some(), "{what}: {contents:?}");
}

#[test]
fn an_array_within_a_frame_is_not_followed() {
    let in_frame = wrapper(dtype("f4", -1, 0), b"N");
    let length = (in_frame.len() as u64 + 60).to_le_bytes();
    let framed = [&b"\x95"[..], &length, &in_frame, &[b'N'; 60]];
    check_not_followed("within a frame", &framed.concat());
}

#[test]
fn what_gives_back_what_it_is_given_is_said_beside_arrays() {
    let file = |name: &str| {
        let import = format!("c{name}\n0").into_bytes();
        let file = [
            b"\x80\x02](",
            &import[..],
            &wrapper(dtype("i2", -1, 0), b"N"),
            &[0; 12],
            b"e.",
        ];
        file.concat()
    };
    for name in [
        "torch.jit._pickle\nrestore_type_tag",
        "torch._tensor\n_rebuild_from_type_v2",
    ] {
        let found = contents(&file(name));
        assert_eq!(imports(&found), [name.replace('\n', ".")]);
    }
    let found = contents(&file("collections\nOrderedDict"));
    assert_eq!(
        (imports(&found), found.not_followed.clone()),
        (vec![], None)
    );
}
