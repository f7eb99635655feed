//! `candor fetch` with a policy: before anybody is asked for a file, and when the files are here.

use std::fs;

use candor_tests::mirror::Mirror;

use super::Scene;

#[test]
fn a_policy_is_asked_before_any_mirror() {
    let scene = Scene::new();
    let mirror = Mirror::good(&scene.folder());
    let fetch = |policy: &str| {
        scene.reader.write("policy.toml", policy);
        scene.fetch(&[&mirror], "--policy policy.toml")
    };
    let other = "[publishers]\naccepted = [\"other-lab\"]\n";
    fetch(other)
        .expect_error(1, "policy publishers.accepted: example-lab")
        .expect_words("nobody was asked for files");
    // Open rules are no better: offline, nobody knows of a witness.
    let cosigned = "[witnesses]\nquorum = 1\nmax_age = \"1 day\"\nkeys = [\"witness.example.com/w1+04758baf+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\"]\n";
    let refused = fetch(cosigned);
    assert_ne!(refused.code, 0, "{}", refused.transcript());
    refused.expect_words("nobody was asked for files");
    assert_eq!(mirror.asked(), []);
    assert!(!scene.got("model.safetensors").exists());
    // From where the files are to be, none is taken.
    fs::create_dir(scene.got("")).expect("made");
    fs::write(scene.got("candor.toml"), other).expect("written");
    scene
        .fetch(&[&mirror], "--policy got/candor.toml")
        .expect_error(2, "which it is to judge");
    fs::remove_file(scene.got("candor.toml")).expect("removed");

    let passes = "[publishers]\naccepted = [\"example-lab\"]\n[weights]\npickle = \"refuse\"\n";
    fetch(passes)
        .expect_code(0)
        .expect_words("as the policy policy.toml asks, by 2 rules");
    scene.assert_fetched();
}

#[test]
fn what_the_files_hold_is_judged_when_they_are_here() {
    let scene = Scene::new();
    // What `pickle.dumps(print)` writes, by protocol 2, under a name that says nothing.
    let pickle = b"\x80\x02c__builtin__\nprint\nq\x00.";
    fs::write(scene.folder().join("notes.dat"), pickle).expect("written");
    scene
        .lab
        .candor(&scene.log, "release tiny --as example-lab/tiny@2")
        .expect_code(0);
    let mirror = Mirror::good(&scene.folder());
    scene
        .reader
        .write("policy.toml", "[weights]\npickle = \"refuse\"\n");
    let fetch = format!(
        "fetch example-lab/tiny@2 -o got --policy policy.toml --from {}",
        mirror.url()
    );
    let refused = scene.reader.candor(&scene.log, &fetch);
    refused.expect_error(1, "policy weights.pickle: notes.dat: it is a pickle");
    // The release's files are whole all the same; the next command finds them, and refuses again.
    scene
        .reader
        .candor(&scene.log, &fetch)
        .expect_error(1, "notes.dat: it is a pickle");
}
