//! The database is another one than it was: an old copy, or cut short. The server never goes on from less than anybody saw.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use candor_tests::counts::{report, rounds};
use candor_tests::history::{LogReader, replay};
use candor_tests::program;

use super::world::{World, text};

fn server(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program("candor-server"))
        .args(arguments)
        .output()
        .expect("it runs");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    (output.status.code(), format!("{out}{err}"))
}

fn remove_database(data: &Path) {
    for file in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = fs::remove_file(data.join(file));
    }
}

#[test]
fn an_old_copy_is_refused_and_goes_on_with_what_the_static_part_has() {
    let mut world = World::start();
    let data = world.log.data();
    let rounds = rounds(2, 20);
    for round in 0..rounds {
        let copy = world.disk.join(format!("copy-{round}"));
        world.start_well();
        let load = world.load();
        world.pause(50..=300);
        // While it is written to.
        let (code, said) = server(&["backup", "--data", text(&data), "--to", text(&copy)]);
        assert_eq!(code, Some(0), "{said}");
        world.pause(50..=300);
        let seen = load.kill(&mut world.log);
        world.history.absorb(&seen);
        remove_database(&data);
        fs::copy(copy.join("log.db"), data.join("log.db")).expect("it is copied");
        let refused = world.log.refusal(&[]);
        assert!(refused.contains("it was set back"), "{refused}");
        remove_database(&data);
        let restore = ["restore", "--data", text(&data), "--from", text(&copy)];
        let (code, said) = server(&restore);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("would fork the log"), "{said}");
        let place = world.static_part();
        // Its checkpoint may be a moment behind: what a tree needs is there before that.
        let (code, said) = server(&[&restore[..], &["--entries-from", text(&place)]].concat());
        assert_eq!(code, Some(0), "{said}");
        world.check();
        fs::remove_dir_all(&copy).expect("it is removed");
    }
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    report("old backup restored", rounds, &world.history, verified);
}

/// A file system that lost the end of a file. Each time, the whole of it is put back afterwards.
#[test]
fn a_database_that_is_cut_short_is_never_taken_for_the_log() {
    let mut world = World::start();
    let data = world.log.data();
    let rounds = rounds(6, 30);
    let (mut refused, mut whole) = (0, 0);
    for round in 0..rounds {
        world.start_well();
        let load = world.load();
        world.pause(50..=200);
        let seen = load.kill(&mut world.log);
        world.history.absorb(&seen);
        let kept = world.disk.join("kept");
        candor_tests::cli::copy_folder(&data, &kept);
        let file = data.join(if round % 2 == 0 {
            "log.db"
        } else {
            "log.db-wal"
        });
        let length = fs::metadata(&file).expect("it is there").len();
        let left = world.random.within(&(0..=length.saturating_sub(1)));
        let cut = OpenOptions::new()
            .write(true)
            .open(&file)
            .expect("it opens");
        cut.set_len(left).expect("it is cut");
        let (code, said) = server(&["serve", "--listen", "192.0.2.1:1", "--data", text(&data)]);
        assert_eq!(code, Some(2), "{said}");
        if said.contains("the setting listen") {
            // It came as far as to its address: then all that anybody saw is there.
            whole += 1;
            world.check();
        } else {
            refused += 1;
        }
        fs::remove_dir_all(&data).expect("it is removed");
        fs::rename(&kept, &data).expect("it is put back");
        world.check();
    }
    assert!(refused > 0, "nothing that was cut off was missed");
    world.start_well();
    let verified = replay(&LogReader::new(&world.log));
    let fault =
        format!("database cut short: {refused} refused, {whole} nothing needed was missing");
    report(&fault, rounds, &world.history, verified);
}
