//! A fetch that is killed, and one that finds the disk full: both in a process of their own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use candor_fetch::{FetchError, How};

use crate::server::{Content, Reply, Server};
use crate::world::{CHUNK, CHUNK_LENGTH, NAME, World};

/// Where the process fetches from and to.
const URL: &str = "CANDOR_TEST_FETCH_URL";
const TARGET: &str = "CANDOR_TEST_FETCH_TARGET";

/// What the process says before what went wrong.
const FAILED: &str = "fetching failed: ";

fn content() -> Content {
    Content::new(6 * CHUNK)
}

/// The release, into a folder that is not the world's own.
fn fetch_into(target: &Path, url: &str) -> Result<candor_fetch::Outcome, candor_fetch::Stopped> {
    let world = World::one(&content());
    let plan = candor_fetch::Plan::new(
        &world.manifest,
        world.chunks.as_ref(),
        vec![url.parse().expect("a source")],
        target.to_owned(),
    );
    let agent = ureq::Agent::new_with_defaults();
    candor_fetch::fetch(&plan.expect("a plan"), &agent, &world.options, &mut |_| {})
}

/// Not a test of its own: what the process does that the others start.
#[test]
fn a_process_that_fetches() {
    let (Ok(url), Some(target)) = (env::var(URL), env::var_os(TARGET)) else {
        return;
    };
    if let Err(stopped) = fetch_into(Path::new(&target), &url) {
        println!("{FAILED}{}\n{}", stopped.error, stopped.error.hint());
    }
}

/// Starts that process, behind what `shell` says.
fn start(shell: &str, url: &str, target: &Path) -> Child {
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{shell} exec \"$0\" --exact killed::a_process_that_fetches --nocapture"
        ))
        .arg(env::current_exe().expect("this program"))
        .env(URL, url)
        .env(TARGET, target)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("sh runs")
}

#[test]
fn a_killed_fetch_leaves_nothing_that_looks_whole_and_is_resumed() {
    let content = content();
    let world = World::one(&content);
    let slow = Server::new({
        let content = content.clone();
        move |asked| {
            let mut reply = Reply::good(asked, &content);
            reply.delay = Duration::from_millis(2);
            reply
        }
    });
    let mut froms = Vec::new();
    for kill in 1..=3_u64 {
        let mut child = start("", &slow.url, world.target.path());
        let begin = Instant::now();
        let there = || {
            world
                .parts()
                .first()
                .map_or(0, |it| fs::metadata(it).map_or(0, |it| it.len()))
        };
        while there() < kill * CHUNK {
            assert!(
                begin.elapsed() < Duration::from_mins(1),
                "{} bytes",
                there()
            );
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("over");
        world.check_absent(NAME);
        froms.push(slow.asked().last().expect("asked").from);
    }
    println!("asked from {froms:?}");
    assert!(froms[2] >= Some(2 * CHUNK), "{froms:?}");
    let outcome = world.fetch(&[&Server::good(&content)]).expect("fetched");
    assert!(matches!(outcome.files[0].how, How::Resumed { from } if from >= 3 * CHUNK));
    world.check(NAME, &content);
}

/// The system lets no file grow beyond 20 MiB, as a full disk would not.
#[test]
fn a_full_disk_is_told_and_what_is_there_is_kept() {
    let content = content();
    let world = World::one(&content);
    let server = Server::good(&content);
    // In blocks of 512 bytes (POSIX). A signal comes too, which has to be ignored.
    let child = start(
        "trap '' XFSZ; ulimit -f 40960;",
        &server.url,
        world.target.path(),
    );
    let output = child.wait_with_output().expect("over");
    let text = String::from_utf8(output.stdout).expect("text");
    println!("{text}");
    assert!(text.contains(&format!(
        "{FAILED}{NAME}: writing failed at byte {}",
        2 * CHUNK
    )));
    assert!(text.contains("make room"), "{text}");
    world.check_absent(NAME);
    assert!(world.part().1 == content.bytes()[..2 * CHUNK_LENGTH]);
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: 2 * CHUNK });
    world.check(NAME, &content);
}

/// A disk of 20 MiB, where this user may make one: what is too large is refused before, and a disk that fills up meanwhile
/// stops it.
#[test]
fn a_disk_that_fills_up_meanwhile_is_told() {
    let content = content();
    let disk = tempfile::tempdir().expect("a folder");
    let path = disk.path().display();
    // The disk is seen by that process alone, so it says what is left there. 60 MiB are enough when it is asked, and another
    // file takes 40 of them when the first chunk is there.
    let shell = format!(
        "mount -t tmpfs -o size=60m none '{path}' || exit 77; \
         (while ! find '{path}/.candor-fetch' -name '*.part' -size +8000k 2>/dev/null | grep -q .; do sleep 0.01; done; \
          head -c 41943040 /dev/zero >'{path}/other') & \
         \"$0\" --exact killed::a_process_that_fetches --nocapture; wait; ls -R -a '{path}'; exit 0;"
    );
    let slow = Server::new({
        let content = content.clone();
        move |asked| {
            let mut reply = Reply::good(asked, &content);
            reply.delay = Duration::from_millis(3);
            reply
        }
    });
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &shell])
        .arg(env::current_exe().expect("this program"))
        .env(URL, &slow.url)
        .env(TARGET, disk.path())
        .output();
    let Some(output) = output.ok().filter(|it| it.status.success()) else {
        println!("not tried: this user may not mount");
        return;
    };
    let text = String::from_utf8(output.stdout).expect("text");
    println!("{text}");
    assert!(
        text.contains(&format!("{FAILED}{NAME}: writing failed at byte")),
        "{text}"
    );
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains(".part"), "{text}");
    assert!(!text.lines().any(|line| line == NAME), "{text}");
}

#[test]
fn the_error_of_a_full_disk_says_how_to_go_on() {
    let error = FetchError::Disk {
        file: NAME.parse().expect("a path"),
        doing: "writing",
        at: CHUNK,
        error: std::io::ErrorKind::StorageFull.into(),
    };
    println!("{error}\n    {}", error.hint());
    assert!(error.hint().contains("8388608 bytes"));
}
