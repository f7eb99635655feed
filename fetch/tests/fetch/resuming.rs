//! Going on from what is there, with servers that have something else by then.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use candor_fetch::{Fault, FetchError, How};

use crate::server::{Content, Reply, Server};
use crate::world::{CHUNK, CHUNK_LENGTH, NAME, World};

fn content() -> Content {
    Content::new(3 * CHUNK + 777)
}

#[test]
fn what_is_there_is_checked_and_only_the_rest_is_asked_for() {
    let content = content();
    let world = World::one(&content);
    world.leave(&content, 2 * CHUNK + 99);
    assert_eq!(world.part().1.len() as u64, 2 * CHUNK, "whole chunks only");
    let server = Server::good(&content);
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: 2 * CHUNK });
    assert_eq!(outcome.files[0].received, CHUNK + 777);
    assert_eq!(server.asked()[0].from, Some(2 * CHUNK));
    world.check(NAME, &content);
}

#[test]
fn without_a_chunk_list_every_byte_is_gone_on_from() {
    let content = content();
    let world = World::one(&content).without_chunks();
    world.leave(&content, CHUNK + 99);
    let server = Server::good(&content);
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: CHUNK + 99 });
    world.check(NAME, &content);
}

#[test]
fn a_wrong_chunk_that_is_there_is_dropped_with_all_behind_it() {
    let content = content();
    let world = World::one(&content);
    world.leave(&content, 3 * CHUNK);
    let (path, mut bytes) = world.part();
    bytes[CHUNK_LENGTH + 5] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let server = Server::good(&content);
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: CHUNK });
    world.check(NAME, &content);
}

#[test]
fn what_is_there_and_too_long_is_dropped() {
    for world in [
        World::one(&content()),
        World::one(&content()).without_chunks(),
    ] {
        world.leave(&content(), CHUNK);
        let (path, _) = world.part();
        fs::write(&path, vec![0; 4 * CHUNK_LENGTH]).expect("written");
        let outcome = world.fetch(&[&Server::good(&content())]).expect("fetched");
        assert_eq!(outcome.files[0].how, How::Fetched);
        world.check(NAME, &content());
    }
}

#[test]
fn without_a_chunk_list_a_wrong_beginning_is_nobodys_lie_and_fetched_again() {
    let content = content();
    let world = World::one(&content).without_chunks();
    world.leave(&content.flipped(3), CHUNK);
    let server = Server::good(&content);
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Fetched);
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    let froms: Vec<_> = server.asked().iter().map(|it| it.from).collect();
    assert_eq!(froms, [Some(CHUNK), None]);
    world.check(NAME, &content);
}

/// One mirror breaks off and the other goes on, and one of them lies: nobody knows which. Then each must do it alone.
#[test]
fn without_a_chunk_list_the_liar_of_two_is_found() {
    let content = content();
    let world = World::one(&content).without_chunks();
    let liar = Server::new({
        let content = content.flipped(3);
        move |asked| {
            let reply = Reply::good(asked, &content);
            if asked.nth == 0 {
                reply.cut(CHUNK + 9)
            } else {
                reply
            }
        }
    });
    let good = Server::good(&content);
    let outcome = world.fetch(&[&liar, &good]).expect("fetched");
    world.check(NAME, &content);
    for fault in &outcome.faults {
        assert_eq!(fault.source.to_string(), liar.url);
    }
    // Where both break off, each goes on where the other did, and never has a file of its own: until it must be.
    let cuts = |content: Content, behind: u64| {
        Server::new(move |asked| Reply::good(asked, &content).cut(behind))
    };
    let world = World::one(&content).without_chunks();
    let liar = content.flipped(3).flipped(content.size - 3);
    let (liar, good) = (cuts(liar, 2 * CHUNK), cuts(content.clone(), 2 * CHUNK));
    world.fetch(&[&liar, &good]).expect("fetched");
    world.check(NAME, &content);
    let froms = |server: &Server| server.asked().iter().map(|it| it.from).collect::<Vec<_>>();
    assert_eq!(froms(&liar), [None]);
    assert_eq!(froms(&good), [Some(2 * CHUNK), None, Some(2 * CHUNK)]);
    // And where nobody has it, it ends.
    let world = World::one(&content).without_chunks();
    let error = world.error(&[
        &cuts(content.flipped(3), CHUNK / 2),
        &cuts(content.flipped(9), CHUNK / 2),
    ]);
    assert!(matches!(error, FetchError::NoMirror { .. }));
    world.check_absent(NAME);
}

#[test]
fn a_server_that_ignores_range_is_skipped_through_with_every_chunk_checked() {
    let content = content();
    let world = World::one(&content);
    world.leave(&content, 2 * CHUNK);
    let server = Server::new({
        let content = content.clone();
        move |_| Reply::whole(&content)
    });
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: 2 * CHUNK });
    assert_eq!(outcome.files[0].received, content.size);
    world.check(NAME, &content);
    // Wrong in what is there already: found at once, and what is there stays.
    let world = World::one(&content);
    world.leave(&content, 2 * CHUNK);
    let server = Server::new({
        let content = content.flipped(0);
        move |_| Reply::whole(&content)
    });
    let error = world.error(&[&server]);
    let FetchError::NoMirror { kept, mirrors, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(kept, 2 * CHUNK);
    assert_eq!(mirrors[0].fault, Fault::Chunk { range: 0..CHUNK });
}

#[test]
fn without_a_chunk_list_a_server_that_ignores_range_begins_anew() {
    let content = content();
    let world = World::one(&content).without_chunks();
    world.leave(&content.flipped(1), CHUNK);
    let server = Server::new({
        let content = content.clone();
        move |_| Reply::whole(&content)
    });
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Fetched);
    assert_eq!(server.asked().len(), 1);
    world.check(NAME, &content);
}

/// Neither ends if progress is what was sent, and not how far it led.
#[test]
fn a_server_that_always_begins_anew_and_breaks_off_is_left() {
    let content = content();
    for world in [World::one(&content), World::one(&content).without_chunks()] {
        let server = Server::new({
            let content = content.clone();
            move |_| Reply::whole(&content).cut(2 * CHUNK + 5)
        });
        let error = world.error(&[&server]);
        assert!(matches!(error, FetchError::NoMirror { .. }));
        assert!(server.asked().len() < 10);
        world.check_absent(NAME);
    }
}

#[test]
fn another_content_range_is_refused() {
    let size = content().size;
    let rest = size - CHUNK;
    for (range, length) in [
        (format!("bytes 0-{}/{size}", size - 1), rest),
        (format!("bytes 0-{}/{size}", rest - 1), rest),
        (format!("bytes {}-{}/{size}", CHUNK + 1, size - 1), rest - 1),
        (format!("bytes {CHUNK}-{size}/{size}"), rest),
        (format!("bytes {CHUNK}-{size}/{size}"), rest + 1),
        (format!("bytes {CHUNK}-{}/{size}", size - 2), rest),
        (format!("bytes {CHUNK}-{}/{size}", CHUNK - 1), 0),
        (format!("bytes {CHUNK}-18446744073709551615/{size}"), rest),
        ("bytes */*".to_owned(), rest),
        (String::new(), rest),
    ] {
        let content = content();
        let world = World::one(&content);
        world.leave(&content, CHUNK);
        let server = Server::new({
            let content = content.clone();
            move |asked| {
                let reply = Reply::good(asked, &content).length(length);
                reply.header("Content-Range", &range)
            }
        });
        let error = world.error(&[&server]);
        let FetchError::NoMirror {
            kept: CHUNK,
            mirrors,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert!(
            matches!(mirrors[0].fault, Fault::Range { .. }),
            "{}",
            mirrors[0]
        );
    }
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    let content = content();
    let world = World::one(&content);
    let server = Server::new({
        let content = content.clone();
        move |_| {
            let range = format!("bytes 0-{}/{}", content.size - 1, content.size);
            Reply {
                status: 206,
                ..Reply::whole(&content).header("Content-Range", &range)
            }
        }
    });
    let error = world.error(&[&server]);
    let FetchError::NoMirror { mirrors, .. } = error else {
        panic!("{error}")
    };
    assert!(matches!(mirrors[0].fault, Fault::Range { asked: 0, .. }));
}

#[test]
fn another_size_by_now_is_refused() {
    let content = content();
    let world = World::one(&content);
    world.leave(&content, CHUNK);
    for size in [CHUNK / 2, content.size - 1, content.size + 1] {
        let error = world.error(&[&Server::new(move |asked| {
            let other = Content::new(size);
            match Reply::good(asked, &other) {
                reply if reply.status == 416 => {
                    reply.header("Content-Range", &format!("bytes */{size}"))
                }
                reply => reply,
            }
        })]);
        let FetchError::NoMirror { mirrors, .. } = error else {
            panic!("{error}")
        };
        let expected = content.size;
        assert_eq!(
            mirrors[0].fault,
            Fault::Size {
                found: size,
                expected
            }
        );
    }
}

#[test]
fn a_part_of_the_range_is_taken_and_the_rest_asked_for_again() {
    let content = content();
    let world = World::one(&content);
    world.leave(&content, CHUNK);
    let server = Server::new({
        let content = content.clone();
        move |asked| {
            let from = asked.from.expect("a range");
            let end = (from + 2_000_000).min(content.size);
            let mut part = content.clone();
            part.size = end;
            let range = format!("bytes {from}-{}/{}", end - 1, content.size);
            Reply {
                start: from,
                ..Reply::new(206, &part)
            }
            .length(end - from)
            .header("Content-Range", &range)
        }
    });
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(
        outcome.files[0].received,
        content.size - CHUNK,
        "no byte twice"
    );
    world.check(NAME, &content);
}

/// Without a chunk list, the `ETag` of the beginning goes along, and another one begins anew.
#[test]
fn a_file_that_changes_meanwhile_is_begun_anew() {
    let content = content();
    for heeds_if_range in [true, false] {
        let world = World::one(&content).without_chunks();
        let server = Server::new({
            let (old, new) = (content.flipped(1), content.clone());
            move |asked| match asked.nth {
                0 => Reply::good(asked, &old)
                    .header("ETag", "\"old\"")
                    .cut(2 * CHUNK),
                _ if heeds_if_range && asked.if_range.as_deref() != Some("\"new\"") => {
                    Reply::whole(&new).header("ETag", "\"new\"")
                }
                _ => Reply::good(asked, &new).header("ETag", "\"new\""),
            }
        });
        let outcome = world.fetch(&[&server]).expect("fetched");
        assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
        let asked = server.asked();
        assert_eq!(asked[1].if_range.as_deref(), Some("\"old\""));
        assert_eq!(asked[1].from, Some(2 * CHUNK));
        let received = outcome.files[0].received;
        let expected = 2 * CHUNK + content.size;
        assert_eq!(received, expected, "not all of it a third time");
        world.check(NAME, &content);
    }
}

#[test]
fn a_weak_etag_is_not_sent_back_and_one_of_checked_chunks_need_not_be() {
    let content = content();
    for (world, etag) in [
        (World::one(&content).without_chunks(), "W/\"a\""),
        (World::one(&content), "\"a\""),
    ] {
        let server = Server::new({
            let content = content.clone();
            move |asked| {
                let reply = Reply::good(asked, &content).header("ETag", etag);
                if asked.nth == 0 {
                    reply.cut(CHUNK)
                } else {
                    reply
                }
            }
        });
        world.fetch(&[&server]).expect("fetched");
        assert_eq!(server.asked()[1].if_range, None);
        assert_eq!(server.asked()[1].from, Some(CHUNK));
    }
}

#[test]
fn a_server_that_breaks_off_again_and_again_gets_there() {
    let content = content();
    let world = World::one(&content);
    let server = Server::new({
        let content = content.clone();
        move |asked| Reply::good(asked, &content).cut(5_000_000)
    });
    let outcome = world.fetch(&[&server]).expect("fetched");
    assert_eq!(outcome.files[0].received, content.size, "no byte twice");
    world.check(NAME, &content);
}

/// Half a chunk from a mirror is not put together with the other half from another: a wrong one would be nobody's.
#[test]
fn a_wrong_chunk_is_all_of_one_mirror() {
    let content = content();
    let world = World::one(&content);
    let liar = Server::new({
        let content = content.flipped(3);
        move |asked| {
            let reply = Reply::good(asked, &content);
            if asked.nth == 0 {
                reply.cut(CHUNK / 2)
            } else {
                reply
            }
        }
    });
    let good = Server::good(&content);
    let outcome = world.fetch(&[&liar, &good]).expect("fetched");
    assert!(outcome.faults.is_empty());
    assert_eq!(good.asked()[0].from, None);
    world.check(NAME, &content);
}

#[test]
fn the_next_file_is_asked_of_whoever_did_not_fail() {
    let contents: Vec<Content> = (1..9).map(|n| Content::new(n * 100)).collect();
    let names: Vec<String> = (1..9).map(|n| format!("f{n}")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(&contents).collect();
    let world = World::of(&files).connections(1);
    let tries = std::sync::Arc::new(AtomicUsize::new(0));
    let bad = Server::new({
        let tries = std::sync::Arc::clone(&tries);
        move |_| {
            tries.fetch_add(1, Ordering::SeqCst);
            Reply::status(503)
        }
    });
    let good = Server::new(|asked| {
        let n: u64 = asked.path[2..].parse().expect("a number");
        Reply::good(asked, &Content::new(n * 100))
    });
    world.fetch(&[&bad, &good]).expect("fetched");
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}
