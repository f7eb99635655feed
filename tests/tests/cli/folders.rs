//! Folders that can't be a release as they are: each is refused by a name, and nothing of it goes anywhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use candor_tests::TestLog;
use candor_tests::cli::{Person, set_mode, write_release};

use super::verifying::Scene;

/// What makes a folder no release, and the words that say so.
type Case = (&'static str, fn(&Path), &'static str);

const CASES: [Case; 9] = [
    (
        "a link out of the folder",
        |folder| symlink("/etc/passwd", folder.join("tokenizer/l")).expect("linked"),
        "tokenizer/l",
    ),
    (
        "a loop",
        |folder| symlink("..", folder.join("tokenizer/l")).expect("linked"),
        "tokenizer/l",
    ),
    (
        "a pipe",
        |folder| {
            let made = Command::new("mkfifo").arg(folder.join("p")).status();
            assert!(made.expect("mkfifo runs").success());
        },
        "neither a file nor a folder",
    ),
    (
        "a socket",
        |folder| drop(UnixListener::bind(folder.join("s")).expect("bound")),
        "neither a file nor a folder",
    ),
    (
        "a name that is not UTF-8",
        |folder| fs::write(folder.join(OsStr::from_bytes(b"caf\xe9")), "").expect("written"),
        "caf\u{fffd}",
    ),
    (
        "a name that hides another",
        |folder| fs::write(folder.join("a\u{202e}b"), "").expect("written"),
        "can't be shown as it is",
    ),
    (
        "a backslash",
        |folder| fs::write(folder.join("a\\b"), "").expect("written"),
        "has a backslash",
    ),
    (
        "a name that other disks write in another way",
        |folder| fs::write(folder.join("e\u{301}"), "").expect("written"),
        "can't be shown as it is",
    ),
    (
        "names that differ by case",
        |folder| fs::write(folder.join("CONFIG.json"), "").expect("written"),
        "CONFIG.json",
    ),
];

#[test]
fn what_can_not_travel_is_no_release_and_nothing_is_half_done() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    for (n, (name, spoil, words)) in CASES.into_iter().enumerate() {
        let folder = format!("tiny-{n}");
        write_release(&lab.home.join(&folder));
        spoil(&lab.home.join(&folder));
        let release = format!("release {folder} --as example-lab/tiny@1.0.{n}");
        let ran = lab.candor(&log, &release).expect_error(2, words);
        assert!(ran.stderr.contains(&folder), "{name}: {}", ran.transcript());
        assert!(
            !lab.home.join(format!("tiny-1.0.{n}.candor")).exists(),
            "{name}"
        );
    }
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn what_can_not_travel_is_no_part_of_a_release_that_is_verified() {
    let scene = Scene::new();
    for (n, (name, spoil, _)) in CASES.into_iter().enumerate() {
        let folder = format!("tiny-{n}");
        write_release(&scene.auditor.home.join(&folder));
        spoil(&scene.auditor.home.join(&folder));
        let ran = scene.auditor(&format!("verify {folder} --bundle tiny.candor"));
        assert_eq!(ran.code, 1, "{name}: {}", ran.transcript());
        assert!(
            ran.stderr.contains("not listed: "),
            "{name}: {}",
            ran.transcript()
        );
    }
}

#[test]
fn a_hard_link_is_a_file() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    let outside = lab.write("outside.txt", "x");
    fs::hard_link(outside, lab.home.join("tiny/inside.txt")).expect("linked");
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    // A copy has no links, and is the release.
    candor_tests::cli::copy_folder(&lab.home.join("tiny"), &lab.home.join("copy"));
    lab.candor(&log, "verify copy --bundle tiny-1.0.0.candor")
        .expect_code(0);
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_nothing_is_half_done() {
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    write_release(&lab.home.join("tiny"));
    set_mode(&lab.home.join("tiny/config.json"), 0o000);
    // Whoever may do all may read all: without these two rights, root is one among others.
    let is_root = fs::read(lab.home.join("tiny/config.json")).is_ok();
    let mut command = log.candor();
    if is_root {
        let mut without = Command::new("setpriv");
        without
            .arg("--bounding-set=-dac_override,-dac_read_search")
            .arg(command.get_program());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => without.env(name, value),
                None => without.env_remove(name),
            };
        }
        command = without;
    }
    let output = command
        .args(["release", "tiny", "--as", "example-lab/tiny@1.0.0"])
        .env("HOME", &lab.home)
        .current_dir(&lab.home)
        .output()
        .expect("candor runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("tiny/config.json: Permission denied"),
        "{said}"
    );
    assert!(
        said.contains("hint: check that it is there and that you may read it"),
        "{said}"
    );
    assert!(!lab.home.join("tiny-1.0.0.candor").exists());
    assert_eq!(log.get("/api/v1/log").json()["size"], 1);
}

#[test]
fn a_file_of_a_tebibyte_is_refuted_by_its_size_and_given_up_when_asked() {
    let scene = Scene::new();
    let folder = scene.auditor.home.join("tiny");
    let file = File::options().write(true).open(folder.join("config.json"));
    let file = file.expect("there");
    file.set_len(1 << 40).expect("1 TiB of nothing");
    // To read it would take an hour.
    scene
        .auditor("verify tiny --bundle tiny.candor")
        .expect_error(
            1,
            "changed: config.json (1099511627776 bytes instead of 22)",
        );

    // Whoever releases it waits, or stops it.
    let (lab, log) = (&scene.lab, &scene.log);
    let endless = lab.home.join("tiny/endless.dat");
    let file = File::create(&endless).expect("made");
    file.set_len(1 << 40).expect("1 TiB of nothing");
    let size = log.get("/api/v1/log").json()["size"].clone();
    let mut command = log.candor();
    let mut candor = command
        .args(["release", "tiny", "--as", "example-lab/tiny@2.0.0"])
        .env("HOME", &lab.home)
        .current_dir(&lab.home)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("candor runs");
    let open = format!("/proc/{}/fd", candor.id());
    let is_reading = || {
        let files = fs::read_dir(&open).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|file| file == endless)
    };
    while !is_reading() {
        assert!(
            candor.try_wait().expect("asked").is_none(),
            "it ended by itself"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    // What Ctrl-C sends is ignored by what a shell has started in the background.
    let stop = Command::new("kill")
        .args(["-TERM", &candor.id().to_string()])
        .status();
    assert!(stop.expect("kill runs").success());
    assert!(!candor.wait().expect("it ends").success());
    let left: Vec<_> = fs::read_dir(&lab.home)
        .expect("there")
        .map(|it| it.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().contains("2.0.0"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(log.get("/api/v1/log").json()["size"], size);
}
