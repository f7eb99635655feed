//! What is in the target folder already.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use candor_fetch::{FetchError, How, Obstacle, WORK_FOLDER};

use crate::server::{Content, Reply, Server};
use crate::world::{CHUNK, NAME, World};

#[test]
fn another_file_of_that_name_is_refused_and_stays() {
    let content = Content::new(1000);
    let server = Server::good(&content);
    for there in [vec![1; 1000], vec![1; 999], Vec::new()] {
        let world = World::one(&content);
        fs::write(world.path(NAME), &there).expect("written");
        let error = world.error(&[&server]);
        assert!(matches!(error, FetchError::Differs { .. }));
        assert_eq!(fs::read(world.path(NAME)).expect("read"), there);
        let world = world.replacing();
        let outcome = world.fetch(&[&server]).expect("fetched");
        assert_eq!(outcome.files[0].how, How::Fetched);
        world.check(NAME, &content);
    }
}

/// Not after hours: a file of another size is seen before anything is asked.
#[test]
fn a_file_of_another_size_is_refused_before_the_others_are_fetched() {
    let (large, small) = (Content::new(1000), Content::new(10));
    let world = World::of(&[("large", &large), ("small", &small)]).connections(1);
    fs::write(world.path("small"), "mine").expect("written");
    let server = Server::good(&large);
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::Differs { .. }), "{error}");
    assert!(server.asked().is_empty());
}

/// A disk on which upper and lower case are the same is told by the lock, which is there under both names.
#[test]
fn names_that_are_one_on_this_disk_are_refused() {
    let content = Content::new(10);
    let world = World::of(&[("README", &content), ("readme", &content)]);
    let server = Server::good(&content);
    fs::create_dir(world.path(WORK_FOLDER)).expect("a folder");
    let work = world.path(WORK_FOLDER);
    fs::write(work.join("lock"), "").expect("written");
    fs::hard_link(work.join("lock"), work.join("LOCK")).expect("a second name");
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::OneName { .. }), "{error}");
    assert!(server.asked().is_empty());
    fs::remove_dir_all(&work).expect("removed");
    world.fetch(&[&server]).expect("two files");
}

#[test]
fn a_file_that_can_not_be_fetched_is_not_replaced() {
    let content = Content::new(1000);
    let world = World::one(&content).replacing();
    fs::write(world.path(NAME), "mine").expect("written");
    let _ = world.error(&[&Server::good(&content.flipped(1))]);
    assert_eq!(fs::read(world.path(NAME)).expect("read"), b"mine");
}

/// Somebody writes a file of that name while it is fetched.
#[test]
fn a_file_that_comes_meanwhile_stays() {
    let content = Content::new(1000);
    let world = World::one(&content);
    let path = world.path(NAME);
    let server = Server::new({
        let content = content.clone();
        move |asked| {
            fs::write(&path, "mine").expect("written");
            Reply::good(asked, &content)
        }
    });
    let error = world.error(&[&server]);
    assert!(
        matches!(
            error,
            FetchError::InTheWay {
                what: Obstacle::File,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read(world.path(NAME)).expect("read"), b"mine");
}

/// Puts something into the way.
type Make<'a> = &'a dyn Fn(&World);

#[test]
fn links_folders_and_pipes_in_the_way_are_refused() {
    let content = Content::new(10);
    let server = Server::good(&content);
    let outside = tempfile::tempdir().expect("a folder");
    let file = outside.path().join("x");
    fs::write(&file, content.bytes()).expect("written");
    let cases: [(Obstacle, Make<'_>); 6] = [
        (Obstacle::Link, &|world| {
            symlink(outside.path(), world.path("d")).expect("a link");
        }),
        (Obstacle::Link, &|world| {
            fs::create_dir(world.path("d")).expect("a folder");
            symlink(&file, world.path("d/x")).expect("a link");
        }),
        (Obstacle::Link, &|world| {
            fs::create_dir(world.path("d")).expect("a folder");
            symlink("nowhere", world.path("d/x")).expect("a link");
        }),
        (Obstacle::Folder, &|world| {
            fs::create_dir_all(world.path("d/x/y")).expect("folders");
        }),
        (Obstacle::File, &|world| {
            fs::write(world.path("d"), "").expect("a file");
        }),
        (Obstacle::Special, &|world| {
            fs::create_dir(world.path("d")).expect("a folder");
            let path = world.path("d/x");
            let fifo = std::process::Command::new("mkfifo").arg(path).status();
            assert!(fifo.expect("mkfifo runs").success());
        }),
    ];
    for (expected, make) in cases {
        for replace in [false, true] {
            let mut world = World::of(&[("d/x", &content)]);
            world.options.replace = replace;
            make(&world);
            let error = world.error(&[&server]);
            match error {
                FetchError::InTheWay { what, .. } => assert_eq!(what, expected),
                other => panic!("{other}"),
            }
            assert!(!world.path(WORK_FOLDER).exists());
        }
    }
    assert!(server.asked().is_empty());
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 1);
}

/// A link that comes while the file is fetched does not lead it out of the folder either.
#[test]
fn a_link_that_comes_meanwhile_is_not_followed() {
    let content = Content::new(10);
    let outside = tempfile::tempdir().expect("a folder");
    let world = World::of(&[("d/x", &content)]);
    let server = Server::new({
        let (content, link) = (content.clone(), world.path("d"));
        let outside = outside.path().to_owned();
        move |asked| {
            let _ = fs::remove_dir(&link);
            symlink(&outside, &link).expect("a link");
            Reply::good(asked, &content)
        }
    });
    let error = world.error(&[&server]);
    assert!(
        matches!(
            error,
            FetchError::InTheWay {
                what: Obstacle::Link,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
}

#[test]
fn links_in_the_work_folder_are_not_followed() {
    let content = Content::new(2 * CHUNK);
    let outside = tempfile::tempdir().expect("a folder");
    let victim = outside.path().join("victim");
    fs::write(&victim, "mine").expect("written");
    let server = Server::good(&content);
    let world = World::one(&content);
    symlink(outside.path(), world.path(WORK_FOLDER)).expect("a link");
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::Target { .. }), "{error}");
    let world = World::one(&content);
    world.leave(&content, CHUNK);
    let (part, _) = world.part();
    fs::remove_file(&part).expect("removed");
    symlink(&victim, &part).expect("a link");
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::Disk { .. }), "{error}");
    assert_eq!(fs::read(&victim).expect("read"), b"mine");
}

#[test]
fn two_fetches_into_one_folder_are_one_too_many() {
    let content = Content::new(10);
    let world = World::one(&content);
    let (sender, arrived) = std::sync::mpsc::channel();
    let (go, waits) = std::sync::mpsc::channel::<()>();
    let waits = std::sync::Mutex::new(waits);
    let slow = Server::new({
        let content = content.clone();
        move |asked| {
            sender.send(()).expect("somebody waits");
            waits.lock().expect("no panic").recv().expect("a word");
            Reply::good(asked, &content)
        }
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| world.fetch(&[&slow]));
        arrived.recv().expect("asked");
        let error = world.error(&[&slow]);
        assert!(matches!(error, FetchError::Busy { .. }), "{error}");
        go.send(()).expect("it waits");
        first.join().expect("no panic").expect("fetched");
    });
    world.check(NAME, &content);
    world.fetch(&[&slow]).expect("nobody holds it any more");
}

#[test]
fn what_an_unfinished_fetch_of_another_version_left_goes_when_all_is_done() {
    let old = Content::new(3 * CHUNK);
    let new = old.flipped(1);
    let world = World::one(&old);
    world.leave(&old, 2 * CHUNK);
    let other = World {
        manifest: World::one(&new).manifest,
        chunks: World::one(&new).chunks,
        ..world
    };
    let outcome = other.fetch(&[&Server::good(&new)]).expect("fetched");
    assert_eq!(
        outcome.files[0].how,
        How::Fetched,
        "another digest, another beginning"
    );
    other.check(NAME, &new);
}

#[test]
fn too_large_a_release_is_refused_before_anything_is_asked() {
    let content = Content::new(1 << 50);
    let file = candor_core::weights::ManifestFile {
        path: NAME.parse().expect("a path"),
        size: Some(content.size),
        digest: candor_core::record::DigestSet::sha256(candor_core::Sha256::of("")),
    };
    let mut world = World::one(&Content::new(1));
    world.manifest = candor_core::weights::Manifest::new(vec![file]).expect("a manifest");
    let server = Server::new(|_| Reply::status(404));
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::NoRoom { .. }), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn a_folder_that_can_not_be_one_is_named() {
    let content = Content::new(1);
    let mut world = World::one(&content);
    fs::write(world.path("file"), "").expect("written");
    let server = Server::good(&content);
    let plan = candor_fetch::Plan::new(
        &world.manifest,
        None,
        vec![server.url.parse().expect("a source")],
        world.path("file"),
    );
    let agent = ureq::Agent::new_with_defaults();
    let stopped = candor_fetch::fetch(&plan.expect("a plan"), &agent, &world.options, &mut |_| {});
    let error = stopped.expect_err("a file").error;
    println!("{error}\n    {}", error.hint());
    assert!(matches!(error, FetchError::Target { .. }));
    // A name that no disk takes.
    let long = "x".repeat(300);
    world = World::of(&[(&long, &content)]);
    let error = world.error(&[&server]);
    assert!(matches!(error, FetchError::Disk { .. }), "{error}");
}

#[test]
fn a_manifest_that_contradicts_its_chunk_list_is_nobodys_lie() {
    let content = Content::new(2 * CHUNK);
    let mut world = World::one(&content);
    world.manifest = World::one(&content.flipped(1)).manifest;
    let stopped = world
        .fetch(&[&Server::good(&content)])
        .expect_err("an error");
    println!("{}\n    {}", stopped.error, stopped.error.hint());
    assert!(matches!(stopped.error, FetchError::Contradiction { .. }));
    assert!(stopped.outcome.faults.is_empty());
    world.check_absent(NAME);
    assert!(world.parts().is_empty());
}

#[test]
fn a_new_file_may_be_read_by_whom_the_umask_says() {
    let content = Content::new(1);
    let world = World::one(&content);
    fs::write(world.path("other"), "").expect("written");
    world.fetch(&[&Server::good(&content)]).expect("fetched");
    let mode = |name| fs::metadata(world.path(name)).expect("there").mode();
    assert_eq!(mode(NAME), mode("other"));
}
