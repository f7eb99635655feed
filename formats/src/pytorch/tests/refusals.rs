//! What is refused, and with which words.

use super::*;

/// Each file is refused with these words.
fn check(refused: &[(Vec<u8>, &str)]) {
    for (file, words) in refused {
        let said = read(&file.as_slice()).expect_err("refused").to_string();
        assert!(said.contains(words), "{words:?}: {said}");
    }
}

#[test]
fn files_in_no_form_of_torch_are_refused() {
    let with = |files: &[(&str, &[u8])]| torch_archive(files);
    check(&[
        (Vec::new(), "does not begin as a PyTorch file"),
        (vec![0; 99], "does not begin as a PyTorch file"),
        (
            b"config = 1\nother = 2\n".to_vec(),
            "does not begin as a PyTorch file",
        ),
        (b"N.and more".to_vec(), "does not begin as a PyTorch file"),
        (
            b"\x80\x06N.".to_vec(),
            "it is of version 6 of pickles, and what is known here is 0 to 5",
        ),
        (b"PK\x03\x04".to_vec(), "its zip archive: of the 22 bytes"),
        (
            with(&[("data.pkl", b"N.")]),
            "its first file is in no folder",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("n/version", b"3")]),
            "\"n/version\" is not in the folder \"m\"",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("mm/version", b"3")]),
            "\"mm/version\" is not in the folder \"m\"",
        ),
        (with(&[("m/data.pkl", b"N.")]), "it has no file version"),
        (
            with(&[("m/data.pkl", b"N."), ("m/version", b"11\n")]),
            "of version \"11\\n\" of PyTorch",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("m/.data/version", b"0")]),
            "of version \"0\" of PyTorch",
        ),
        (
            with(&[("m/data.pkl", b"N."), ("m/version", &[b'1'; 65])]),
            "at most 64 are read",
        ),
    ]);
}

#[test]
fn tensors_that_do_not_fit_their_data_are_refused() {
    let pickle = |value: &[u8]| {
        file(&whole(
            &[b"}".to_vec(), text("w"), value.to_vec(), b"s".to_vec()].concat(),
        ))
    };
    let good = || tensor(0, &[6], &[1]);
    assert!(read(&pickle(&good()).as_slice()).is_ok());
    let in_storage = |class: &str, key: &str, length| {
        pickle(&rebuilt(&parts(storage(class, key, length), 0, &[1], &[1])))
    };
    let two_types = tuple(&[
        good(),
        rebuilt(&parts(storage("IntStorage", "0", 6), 0, &[6], &[1])),
    ]);
    check(&[
        (
            in_storage("FloatStorage", "1", 6),
            "tensor \"w\": its data \"data/1\" is not in the archive",
        ),
        (
            in_storage("FloatStorage", "../version", 6),
            "\"data/../version\" is not in the archive",
        ),
        (
            in_storage("FloatStorage", "0", 7),
            "\"data/0\" has 24 bytes, and should be 7 elements of type float32",
        ),
        (
            in_storage("DoubleStorage", "0", 6),
            "should be 6 elements of type float64",
        ),
        (in_storage("FloatStorage", "0", -6), "should be -6 elements"),
        (
            in_storage("DoubleStorage", "0", i64::MAX),
            "should be 9223372036854775807 elements",
        ),
        (
            pickle(&two_types),
            "is said to be of type float32 and of type int32",
        ),
        (
            pickle(&tensor(0, &[7], &[1])),
            "behind the 24 bytes of its data \"data/0\"",
        ),
        (
            pickle(&tensor(1, &[6], &[1])),
            "from element 1 on would end behind",
        ),
        (
            pickle(&tensor(7, &[0], &[1])),
            "from element 7 on would end behind",
        ),
        (
            pickle(&tensor(-1, &[6], &[1])),
            "from element -1 on would end behind",
        ),
        (pickle(&tensor(i64::MAX, &[1], &[1])), "would end behind"),
        (
            pickle(&tensor(0, &[2], &[6])),
            "by steps of [6] from element 0 on would end behind",
        ),
        (pickle(&tensor(0, &[5], &[i64::MAX])), "would end behind"),
        (
            pickle(&tensor(0, &[1 << 62, 1 << 62], &[1 << 62, 1])),
            "would end behind",
        ),
        (
            pickle(&tensor(0, &[-1], &[1])),
            "a length or step of [-1] is negative",
        ),
        (
            pickle(&tensor(5, &[2], &[-1])),
            "a length or step of [-1] is negative",
        ),
        (
            pickle(&tensor(0, &[6], &[6, 1])),
            "shape [6] with steps [6, 1]",
        ),
        (pickle(&tensor(0, &[1; 65], &[1; 65])), "65 dimensions"),
    ]);
}
