//! `candor` reads a log that is files alone: candor-server is stopped, and what answers knows nothing of logs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use candor_tests::cli::{Person, Ran, flip_last_byte, write_release};
use candor_tests::plain_files::PlainFiles;

use super::world::{World, wait_for_checkpoint};

/// A log with a release that was withdrawn and one that was not, and somebody who has the folder of the second.
struct Scene {
    world: World,
    auditor: Person,
}

impl Scene {
    fn new() -> Self {
        let world = World::start();
        let lab = Person::registered(&world.log, "example-lab");
        write_release(&lab.home.join("tiny"));
        for line in [
            "release tiny --as example-lab/tiny@0.9.0",
            "withdraw example-lab/tiny@0.9.0 --reason error --explanation Wrong. --yes",
            "release tiny --as example-lab/tiny@1.0.0",
        ] {
            lab.candor(&world.log, line).expect_code(0);
        }
        wait_for_checkpoint(&world.log, &world.folder);
        let auditor = Person::new(&world.log, "auditor");
        write_release(&auditor.home.join("tiny"));
        Self { world, auditor }
    }

    fn ask(&self, line: &str, url: &str) -> Ran {
        let line = format!("{line} --log {url}");
        self.auditor.candor(&self.world.log, &line)
    }

    /// Stops the server, and serves its folder.
    fn stop(&mut self) -> PlainFiles {
        assert!(self.world.log.stop().success());
        PlainFiles::serve(&self.world.folder)
    }
}

/// What can be asked of a log.
const QUESTIONS: [&str; 17] = [
    "checkpoint",
    "verify tiny --as example-lab/tiny@1.0.0",
    "verify tiny --as example-lab/tiny@0.9.0",
    "verify tiny",
    "verify example-lab/tiny@1.0.0",
    "verify 3",
    "show example-lab/tiny@1.0.0",
    "show example-lab/tiny@0.9.0",
    "show example-lab/tiny",
    "show 1",
    "list",
    "list --limit 2",
    "list --kind weights --about example-lab/tiny@0.9.0",
    "list publishers",
    "list models",
    "publisher show example-lab",
    "log",
];

const LISTS_ARE_NOT_CHECKED: &str = "whether the log's lists leave records out";

#[test]
fn a_folder_behind_a_plain_file_server_answers_as_the_log_did() {
    let mut scene = Scene::new();
    let server = scene.world.log.url().to_owned();
    let answers = QUESTIONS.map(|line| scene.ask(line, &server));
    let record = scene.ask("show 3 --json", &server).json();
    let by_digest = format!("show {}", record["statement"].as_str().expect("a digest"));
    let shown = scene.ask(&by_digest, &server);
    let files = scene.stop();
    let folder = format!("file://{}", scene.world.folder.display());
    for url in [files.url(), &folder] {
        for (line, answer) in QUESTIONS.iter().zip(&answers) {
            let ran = scene.ask(line, url);
            assert_eq!(ran.code, answer.code, "{line}: {ran:?}");
            let words = |ran: &Ran| ran.stdout.replace(url, &server);
            if line.starts_with("verify") {
                // What a server lists, nobody can prove to be all.
                assert!(words(answer).contains(LISTS_ARE_NOT_CHECKED), "{line}");
                assert!(!words(&ran).contains(LISTS_ARE_NOT_CHECKED), "{line}");
                assert!(
                    words(&ran).contains("entries of the log were read"),
                    "{line}"
                );
            } else {
                assert_eq!(words(&ran), words(answer), "{line}");
            }
        }
        assert_eq!(scene.ask(&by_digest, url).stdout, shown.stdout);
    }
    // Everything that a list leaves out is found out, so what is not there is not there.
    scene
        .ask("verify example-lab/other@1.0.0", files.url())
        .expect_code(3);
    scene
        .ask("proof 3 --out third.tlog-proof", files.url())
        .expect_code(0);
}

#[test]
fn a_folder_in_which_one_byte_was_changed_is_refuted() {
    let mut scene = Scene::new();
    let files = scene.stop();
    let bundle = fs::read_dir(scene.world.folder.join("tile/entries/000.p"));
    let bundles = bundle.expect("there are partial ones");
    let width = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u16>().ok();
    let newest = bundles
        .map(|it| it.expect("an entry").path())
        .max_by_key(width)
        .expect("there is one");
    flip_last_byte(&newest);
    let verify = "verify tiny --as example-lab/tiny@1.0.0";
    scene
        .ask(verify, files.url())
        .expect_error(1, "are not those of the tree that the log signed");
    flip_last_byte(&newest);
    scene.ask(verify, files.url()).expect_code(0);
    let attachments = fs::read_dir(scene.world.folder.join("api/v1/attachments"));
    for attachment in attachments.expect("there are some") {
        flip_last_byte(&attachment.expect("an entry").path());
    }
    scene.ask(verify, files.url()).expect_error(3, "attachment");
}

#[test]
fn what_is_no_log_is_named_and_not_waited_for() {
    let scene = Scene::new();
    let folder = scene.auditor.home.join("no-log");
    fs::create_dir(&folder).expect("a folder");
    let url = format!("file://{}", folder.display());
    let verify = "verify example-lab/tiny@1.0.0";
    scene
        .ask(verify, &url)
        .expect_error(3, "no-log/checkpoint is not there");
    let pipe = Command::new("mkfifo")
        .arg(folder.join("checkpoint"))
        .status();
    assert!(pipe.expect("mkfifo runs").success());
    scene.ask(verify, &url).expect_error(3, "it is no file");
}

#[test]
fn nothing_is_published_to_a_folder() {
    let mut scene = Scene::new();
    let files = scene.stop();
    let lab = Person::with_key(&scene.world.log, "example-lab");
    let folder = format!("file://{}", scene.world.folder.display());
    for url in [files.url(), &folder] {
        for line in [
            "release tiny --as example-lab/tiny@2.0.0",
            "publisher register example-lab",
            "withdraw example-lab/tiny@1.0.0 --reason error --explanation Wrong. --yes",
        ] {
            lab.candor(&scene.world.log, &format!("{line} --log {url}"))
                .expect_error(2, "is a read-only copy of the log");
        }
    }
}
