//! A folder: what is in it, when, and what happens when it and the database are not of one mind.

use std::fs;
use std::time::{Duration, Instant};

use candor_tests::cli::{copy_folder, flip_last_byte};
use candor_tests::{TestLog, TestPublisher, http};

use super::world::{
    World, assert_complete, files_in, grow, names, size_of, text, wait_for_checkpoint,
};

#[test]
fn what_is_published_is_in_the_folder_as_the_server_serves_it() {
    let mut world = World::start();
    let empty = wait_for_checkpoint(&world.log, &world.folder);
    assert_eq!(size_of(&empty).get(), 0);
    let checkpoint = world.grow("first", 600);
    assert_complete(&world.log, &world.folder);
    let metrics = world.log.get("/metrics").text();
    assert!(!metrics.contains("\ncandor_publish_tiles_seconds_count 0\n"));
    assert!(metrics.contains("\ncandor_static_part_failures_total 0\n"));
    // Partial tiles that belong to smaller trees stay as long as there is no full one.
    until(|| {
        let files = files_in(&world.folder);
        let replaced: Vec<_> = files
            .iter()
            .filter(|it| is_beside_full(it, &files))
            .collect();
        replaced.is_empty()
    });
    let needed = names(size_of(&checkpoint));
    let files = files_in(&world.folder);
    assert!(needed.iter().all(|name| files.contains(name)), "{files:?}");
    assert!(world.log.stop().success());
    assert_eq!(
        fs::read_to_string(world.folder.join("checkpoint")).expect("text"),
        checkpoint
    );
}

/// Whether `name` is a partial tile or bundle of which `files` have the full one.
fn is_beside_full(name: &str, files: &[String]) -> bool {
    name.split_once(".p/")
        .is_some_and(|(full, _)| files.iter().any(|it| it == full))
}

#[track_caller]
fn until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn attachments_are_where_clients_look_for_them() {
    let world = World::start();
    let lab = TestPublisher::new("example-lab");
    let card = b"# A card\n".as_slice();
    let records = serde_json::to_vec(&[lab.register(), lab.model_card("tiny", "1.0.0", card)]);
    let (content_type, body) = http::multipart(&records.expect("JSON"), &[card]);
    world.log.post(content_type, &body).expect_status(201);
    // It is there before anybody is answered.
    let name = format!("api/v1/attachments/{}", candor_core::Sha256::of(card));
    assert_eq!(
        fs::read(world.folder.join(name)).expect("it is there"),
        card
    );
}

#[test]
fn a_folder_that_was_emptied_or_never_filled_is_filled_at_the_next_start() {
    let mut world = World::start();
    world.grow("first", 700);
    let lab = TestPublisher::new("example-lab");
    let card = b"# A card\n".as_slice();
    let records = serde_json::to_vec(&[lab.register(), lab.model_card("tiny", "1.0.0", card)]);
    let (content_type, body) = http::multipart(&records.expect("JSON"), &[card]);
    world.log.post(content_type, &body).expect_status(201);
    world.log.stop();
    let before = files_in(&world.folder);
    fs::remove_dir_all(&world.folder).expect("it goes away");
    let refusal = world.log.refusal(&["--static-part", text(&world.folder)]);
    assert!(refusal.contains("is the folder mounted?"), "{refusal}");
    fs::create_dir(&world.folder).expect("a folder");
    world.log.restart();
    assert_complete(&world.log, &world.folder);
    // Without the partial tiles of trees that nobody is shown any more.
    let after = files_in(&world.folder);
    assert!(after.iter().all(|name| before.contains(name)), "{after:?}");
    assert!(after.iter().any(|name| name.contains("attachments")));
}

#[test]
fn a_start_writes_what_a_crash_left_out() {
    let mut world = World::start();
    world.grow("first", 300);
    let back_then = world.log.scratch().join("back-then");
    // While nobody writes there.
    world.log.stop();
    copy_folder(&world.folder, &back_then);
    world.log.restart();
    world.grow("second", 500);
    world.log.kill();
    // Tiles of the larger tree may be there without its checkpoint, or nothing of it.
    fs::copy(
        back_then.join("checkpoint"),
        world.folder.join("checkpoint"),
    )
    .expect("copied");
    world.log.restart();
    assert_complete(&world.log, &world.folder);
    world.log.kill();
    fs::remove_dir_all(&world.folder).expect("it goes away");
    copy_folder(&back_then, &world.folder);
    world.log.restart();
    assert_complete(&world.log, &world.folder);
    world.grow("third", 10);
    assert_complete(&world.log, &world.folder);
}

/// Also where what the server keeps beside its database was set back with it.
#[test]
fn a_database_that_was_set_back_is_found_by_what_others_have_read() {
    let mut world = World::start();
    world.grow("first", 20);
    world.log.stop();
    let (data, back_then) = (world.log.data(), world.log.scratch().join("back-then"));
    copy_folder(&data, &back_then);
    world.log.restart();
    world.grow("second", 20);
    world.log.stop();
    fs::remove_dir_all(&data).expect("it goes away");
    copy_folder(&back_then, &data);
    let refusal = world.log.refusal(&["--static-part", text(&world.folder)]);
    assert!(refusal.contains("the database was set back"), "{refusal}");
    // Where it grew again meanwhile, without the folder, it is another history.
    let mut alone = TestLog::start_at(&data, world.log.key().clone());
    grow(&alone, "other", 60);
    alone.stop();
    let refusal = world.log.refusal(&["--static-part", text(&world.folder)]);
    assert!(refusal.contains("going on would fork the log"), "{refusal}");
}

#[test]
fn the_static_part_of_another_log_is_left_alone() {
    let world = World::start();
    let checkpoint = world.grow("first", 3);
    let other = {
        let mut other = TestLog::start();
        other.stop();
        other
    };
    let refusal = other.refusal(&["--static-part", text(&world.folder)]);
    assert!(refusal.contains("none of this log"), "{refusal}");
    let shown = fs::read_to_string(world.folder.join("checkpoint"));
    assert_eq!(shown.expect("text"), checkpoint);
}

#[test]
fn what_was_damaged_or_lost_is_written_anew_while_the_log_runs() {
    let world = World::start();
    world.grow("first", 300);
    flip_last_byte(&world.folder.join("tile/entries/000"));
    fs::remove_file(world.folder.join("tile/0/000")).expect("it is there");
    let left_over = world.folder.join("tile/0/000.p");
    // The server removes partial tiles itself, behind the answers to those who publish.
    let is_empty = || fs::read_dir(&left_over).is_ok_and(|mut files| files.next().is_none());
    until(|| !left_over.exists() || is_empty());
    fs::create_dir_all(&left_over).expect("a folder");
    fs::write(left_over.join("7"), "left over").expect("a file");
    let write = ["static-part", "write", "--static-part", text(&world.folder)];
    let output = world.log.server_command(&write);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains(
            "1 were missing and 1 were damaged and are written, 1 that full tiles replaced"
        ),
        "{said}"
    );
    assert_complete(&world.log, &world.folder);
    assert!(!left_over.exists());
    let again = world.log.server_command(&write);
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.contains("0 were missing and 0 were damaged"), "{said}");
}
