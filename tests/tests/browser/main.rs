//! The registry's pages in a real browser. `CANDOR_BROWSER` names a folder in which npm has put playwright-core and
//! axe-core.

mod folders;
mod histories;
mod running;

use std::path::Path;

use candor_tests::TestLog;
use candor_tests::cli::Person;
use candor_tests::demo;
use candor_tests::everything::Everything;
use candor_tests::pages::PAGES;
use folders::Folders;
use histories::Histories;
use running::{Script, modules, target};

#[test]
fn every_page_is_accessible_fits_its_window_and_asks_nobody_else() {
    let Some(modules) = modules() else { return };
    let log = TestLog::start();
    Everything::publish(&log);
    let said = Script::new("pages.mjs", &modules)
        .arg(log.url())
        .args(PAGES.map(|(path, ..)| path))
        .run();
    assert_eq!(said, format!("looked at {} pages\n", PAGES.len()));
}

#[test]
fn a_mark_fails_when_the_server_lies_and_says_about_what() {
    let Some(modules) = modules() else { return };
    let histories = Histories::make();
    let other = TestLog::start();
    let said = Script::new("lies.mjs", &modules)
        .args([&histories.early, &histories.ours, &histories.theirs].map(TestLog::url))
        .arg(other.url())
        .arg(other.key().to_string())
        .run();
    assert_eq!(said, "told 39 stories\n");
}

#[test]
fn files_and_folders_are_told_by_their_digests_and_never_sent() {
    let Some(modules) = modules() else { return };
    let log = TestLog::start();
    let lab = Person::registered(&log, "example-lab");
    let released = Folders::write(&lab);
    lab.candor(&log, "release tiny --as example-lab/tiny@1.0.0")
        .expect_code(0);
    let other = TestLog::start();
    let said = Script::new("drops.mjs", &modules)
        .arg(log.url())
        .args([log.key(), other.key()].map(ToString::to_string))
        .arg("example-lab/tiny@1.0.0")
        .args([released.folder, released.changed, released.empty])
        .run();
    assert_eq!(said, "dropped everything\n");
}

#[test]
fn somebody_new_is_answered_within_three_clicks() {
    let Some(modules) = modules() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let flags = demo::flags_of_what_is_there();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (log, _) = demo::start(&folder.path().join("log"), &flags);
    let file = candor_tests::real_model().map(|model| model.join("model.safetensors"));
    let questions = 5 + usize::from(file.is_some());
    let said = Script::new("clicks.mjs", &modules)
        .arg(log.url())
        .args(file)
        .run();
    assert_eq!(said, format!("answered {questions} questions\n"));
}

#[test]
fn every_page_looks_as_it_did() {
    let Some(modules) = modules() else { return };
    let log = TestLog::start();
    Everything::publish(&log);
    let said = Script::new("screenshots.mjs", &modules)
        .arg(log.url())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/screenshots"))
        .arg(target().join("screenshots"))
        .args(PAGES.map(|(path, ..)| path))
        .run();
    assert_eq!(said, format!("looked at {} pages in 3 ways\n", PAGES.len()));
}
