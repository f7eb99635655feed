//! A file of gigabytes: found wrong within a chunk, and in memory that does not grow with it.

use std::fs;
use std::time::Instant;

use candor_fetch::{Fault, FetchError};

use crate::server::{Content, Server};
use crate::world::{CHUNK, NAME, World};

/// Fetches zeros, one bit of which is another in what the server sends.
fn stops_within_a_chunk(size: u64, flip: u64) {
    let content = Content::zeros(size);
    let world = World::one(&content);
    let server = Server::good(&content.flipped(flip));
    let before = peak_memory();
    let begin = Instant::now();
    let stopped = world.fetch(&[&server]).expect_err("a wrong bit");
    println!("after {:?}: {}", begin.elapsed(), stopped.error);
    let chunk = flip / CHUNK;
    let FetchError::NoMirror { kept, mirrors, .. } = &stopped.error else {
        panic!("{}", stopped.error)
    };
    assert_eq!(*kept, chunk * CHUNK);
    let range = chunk * CHUNK..(chunk + 1) * CHUNK;
    assert_eq!(mirrors[0].fault, Fault::Chunk { range });
    let text = stopped.error.to_string();
    assert!(text.contains(NAME) && text.contains(&server.url), "{text}");
    assert!(text.contains(&format!("(chunk {chunk})")), "{text}");
    world.check_absent(NAME);
    let part = fs::metadata(&world.parts()[0]).expect("a part");
    assert_eq!(part.len(), chunk * CHUNK, "nothing wrong was written");
    if let Some((before, after)) = before.zip(peak_memory()) {
        let grown = after - before;
        println!("memory grew by {grown} KiB");
        assert!(grown < 200 * 1024, "{grown} KiB");
    }
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_flipped_bit_is_found_within_its_chunk() {
    stops_within_a_chunk(64 << 20, 50_000_000);
}

#[test]
#[ignore = "4 GiB: half a minute, and 3 GB of disk"]
fn a_flipped_bit_in_byte_3_000_000_000_is_found_within_its_chunk() {
    stops_within_a_chunk(4 << 30, 3_000_000_000);
}
