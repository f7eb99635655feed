//! What mirrors do, and what becomes of it.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use candor_fetch::{Fault, FetchError, How};

use crate::server::{Content, Reply, Server};
use crate::world::{CHUNK, CHUNK_LENGTH, NAME, World};

/// Two chunks and a little.
fn content() -> Content {
    Content::new(2 * CHUNK + 12_345)
}

fn faults(error: &FetchError) -> Vec<Fault> {
    match error {
        FetchError::NoMirror { mirrors, .. } => mirrors.iter().map(|it| it.fault.clone()).collect(),
        other => panic!("{other}"),
    }
}

/// What is wrong with a mirror that answers so, once and whenever it is asked again.
fn fault_of(reply: impl Fn(&Content) -> Reply + Send + Sync + 'static) -> Fault {
    let content = content();
    let world = World::one(&content);
    let server = Server::new({
        let content = content.clone();
        move |_| reply(&content)
    });
    let error = world.error(&[&server]);
    world.check_absent(NAME);
    // The twin: another mirror that has it.
    world
        .fetch(&[&server, &Server::good(&content)])
        .expect("fetched");
    world.check(NAME, &content);
    faults(&error).remove(0)
}

#[test]
fn files_in_folders_are_fetched_and_a_second_time_only_checked() {
    let (a, b, empty) = (content(), Content::new(77), Content::new(0));
    let world = World::of(&[
        ("w/1 a+b.bin", &a),
        ("w/x/config.json", &b),
        ("empty", &empty),
    ]);
    let server = Server::new({
        let (a, b) = (a.clone(), b.clone());
        move |asked| match asked.path.as_str() {
            "/w/1%20a%2Bb.bin" => Reply::good(asked, &a),
            "/w/x/config.json" => Reply::good(asked, &b),
            _ => Reply::status(404),
        }
    });
    let mut last = None;
    let agent = ureq::Agent::new_with_defaults();
    let plan = world.plan(&[&server.url]);
    let outcome = candor_fetch::fetch(&plan, &agent, &world.options, &mut |it| {
        last = Some((it.bytes, it.bytes_total));
    })
    .expect("fetched");
    assert_eq!(last, Some((a.size + 77, a.size + 77)));
    assert!(outcome.faults.is_empty());
    assert!(
        outcome
            .files
            .iter()
            .all(|it| it.how == How::Fetched && it.received == it.size)
    );
    assert!(
        server
            .asked()
            .iter()
            .all(|it| it.accept_encoding == "identity")
    );
    for (name, content) in [
        ("w/1 a+b.bin", &a),
        ("w/x/config.json", &b),
        ("empty", &empty),
    ] {
        world.check(name, content);
    }
    let asked = server.asked().len();
    assert_eq!(asked, 2, "nothing is asked for an empty file");
    let outcome = world.fetch(&[&server]).expect("checked");
    assert!(
        outcome
            .files
            .iter()
            .all(|it| it.how == How::AlreadyThere && it.received == 0)
    );
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn a_folder_of_this_machine_is_a_source_too() {
    let content = content();
    let world = World::one(&content);
    let disk = tempfile::tempdir().expect("a folder");
    std::fs::write(disk.path().join(NAME), content.flipped(CHUNK).bytes()).expect("written");
    let url = format!("file://{}", disk.path().display());
    let stopped = world.fetch_from(&[&url]).expect_err("a wrong byte");
    assert!(matches!(faults(&stopped.error)[0], Fault::Chunk { .. }));
    std::fs::write(disk.path().join(NAME), content.bytes()).expect("written");
    let outcome = world.fetch_from(&[&url]).expect("fetched");
    assert_eq!(outcome.files[0].how, How::Resumed { from: CHUNK });
    world.check(NAME, &content);
    let other = World::one(&Content::new(5));
    let stopped = other.fetch_from(&[&url]).expect_err("another size");
    assert!(matches!(
        faults(&stopped.error)[0],
        Fault::Size { expected: 5, .. }
    ));
    let stopped = other.fetch_from(&["file:///nowhere"]).expect_err("nothing");
    assert_eq!(faults(&stopped.error)[0], Fault::Missing { status: None });
}

#[test]
fn a_wrong_chunk_is_told_and_the_next_mirror_goes_on_from_it() {
    let content = content();
    let world = World::one(&content);
    let bad = Server::good(&content.flipped(CHUNK + 3));
    let good = Server::good(&content);
    let outcome = world.fetch(&[&bad, &good]).expect("fetched");
    world.check(NAME, &content);
    let [fault] = &outcome.faults[..] else {
        panic!("{:?}", outcome.faults)
    };
    assert!(fault.fault.is_lie());
    assert_eq!(fault.source.to_string(), bad.url);
    assert_eq!(fault.fault.range(), Some(CHUNK..2 * CHUNK));
    assert_eq!(bad.asked().len(), 1, "it is not asked again");
    let asked = good.asked();
    assert_eq!(
        asked.iter().map(|it| it.from).collect::<Vec<_>>(),
        [Some(CHUNK)]
    );
    // With nobody else: the right beginning is kept, and nothing wrong.
    let world = World::one(&content);
    let error = world.error(&[&bad]);
    let message = error.to_string();
    assert!(
        message.contains("bytes: those from 8388608 to 16777215 (chunk 1)"),
        "{message}"
    );
    assert!(matches!(error, FetchError::NoMirror { kept: CHUNK, .. }));
    world.check_absent(NAME);
    assert!(world.part().1 == content.bytes()[..CHUNK_LENGTH]);
}

#[test]
fn a_small_file_is_checked_before_a_byte_of_it_is_written() {
    let content = Content::new(1000);
    let world = World::one(&content);
    let error = world.error(&[&Server::good(&content.flipped(7))]);
    assert!(matches!(faults(&error)[0], Fault::Digest { .. }));
    assert!(world.parts().is_empty());
    assert!(!world.path(candor_fetch::WORK_FOLDER).exists());
}

#[test]
fn without_a_chunk_list_a_wrong_byte_is_found_at_the_end_and_nothing_of_it_kept() {
    let content = content();
    let world = World::one(&content).without_chunks();
    let bad = Server::good(&content.flipped(3));
    let error = world.error(&[&bad]);
    assert!(faults(&error)[0].is_lie());
    world.check_absent(NAME);
    assert!(world.parts().is_empty());
    let good = Server::good(&content);
    let outcome = world.fetch(&[&bad, &good]).expect("fetched");
    assert!(outcome.faults[0].fault.is_lie());
    assert_eq!(good.asked()[0].from, None);
    world.check(NAME, &content);
}

#[test]
fn a_file_that_is_on_one_mirror_only_comes_from_there() {
    let (a, b) = (Content::new(10), Content::new(20));
    let world = World::of(&[("a", &a), ("b", &b)]);
    let server = |name: &'static str, content: &Content| {
        let content = content.clone();
        Server::new(move |asked| {
            if asked.path == name {
                Reply::good(asked, &content)
            } else {
                Reply::status(404)
            }
        })
    };
    let outcome = world
        .fetch(&[&server("/a", &a), &server("/b", &b)])
        .expect("fetched");
    world.check("a", &a);
    world.check("b", &b);
    assert!(outcome.faults.iter().all(|it| !it.fault.is_lie()));
    let other = World::of(&[("c", &a)]);
    let error = other.error(&[&server("/a", &a), &server("/a", &a)]);
    assert_eq!(
        faults(&error),
        vec![Fault::Missing { status: Some(404) }; 2]
    );
}

#[test]
fn another_length_is_refused_before_a_byte_is_read() {
    let size = content().size;
    for length in [0, size - 1, size + 1] {
        let fault = fault_of(move |content| Reply::whole(content).length(length));
        assert_eq!(
            fault,
            Fault::Size {
                found: length,
                expected: size
            }
        );
    }
    let fault = fault_of(|content| Reply::new(200, content));
    assert_eq!(fault, Fault::NoLength);
}

#[test]
fn fewer_bytes_than_were_said_are_a_broken_connection() {
    let fault = fault_of(|content| Reply::whole(content).cut(1000));
    assert!(matches!(fault, Fault::Cut { at: 1000, .. }), "{fault}");
}

#[test]
fn more_bytes_than_were_said_are_never_looked_at() {
    let contents = [Content::new(1000), Content::new(900)];
    let world = World::of(&[("a", &contents[0]), ("b", &contents[1])]).connections(1);
    let server = Server::new({
        let contents = contents.clone();
        move |asked| {
            let content = &contents[usize::from(asked.path == "/b")];
            let mut reply = Reply::good(asked, content);
            // As the next answer on this connection.
            reply.surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n".to_vec();
            reply.surplus.resize(2000, b'x');
            reply
        }
    });
    world.fetch(&[&server]).expect("fetched");
    world.check("a", &contents[0]);
    world.check("b", &contents[1]);
}

#[test]
fn a_connection_carries_one_file_after_the_other() {
    let contents: Vec<Content> = (1..9).map(|n| Content::new(n * 100)).collect();
    let names: Vec<String> = (1..9).map(|n| format!("f{n}")).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(&contents).collect();
    let world = World::of(&files).connections(1);
    let connections = Arc::new(AtomicUsize::new(0));
    let server = Server::with(
        |asked| {
            let n: u64 = asked.path[2..].parse().expect("a number");
            Reply::good(asked, &Content::new(n * 100))
        },
        {
            let connections = Arc::clone(&connections);
            move |stream| {
                connections.fetch_add(1, Ordering::SeqCst);
                Some(Box::new(stream))
            }
        },
    );
    world.fetch(&[&server]).expect("fetched");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn encodings_are_refused() {
    let fault = fault_of(|content| Reply::whole(content).header("Content-Encoding", "gzip"));
    assert_eq!(fault, Fault::NoLength, "the client takes the header away");
    for encoding in ["br", "zstd", "x-gzip", "gzip, gzip"] {
        let fault =
            fault_of(move |content| Reply::whole(content).header("Content-Encoding", encoding));
        assert!(matches!(fault, Fault::Encoded { .. }), "{fault}");
    }
    let content = content();
    let world = World::one(&content);
    let server = Server::new({
        let content = content.clone();
        move |asked| Reply::good(asked, &content).header("Content-Encoding", "identity")
    });
    world.fetch(&[&server]).expect("fetched");
}

#[test]
fn a_mirror_that_stands_still_is_left() {
    let content = content();
    let world = World::one(&content);
    let slow = Server::new({
        let content = content.clone();
        move |asked| {
            let mut reply = Reply::good(asked, &content);
            reply.stall = Some(CHUNK + 5);
            reply
        }
    });
    let good = Server::good(&content);
    let begin = Instant::now();
    world.fetch(&[&slow, &good]).expect("fetched");
    assert!(begin.elapsed() < Duration::from_secs(10));
    world.check(NAME, &content);
    assert_eq!(good.asked()[0].from, Some(CHUNK));
    // And one that says nothing at all.
    let fault = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let world = World::one(&content);
        let stopped = world.fetch_from(&[&url]).expect_err("nothing");
        println!("{}\n    {}", stopped.error, stopped.error.hint());
        faults(&stopped.error).remove(0)
    };
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault}");
}

#[test]
fn a_mirror_that_drips_slowly_has_all_the_time_it_takes() {
    let content = Content::new(4 * 64 * 1024);
    let world = World::one(&content);
    let server = Server::new({
        let content = content.clone();
        move |asked| {
            let mut reply = Reply::good(asked, &content);
            reply.delay = Duration::from_millis(400);
            reply
        }
    });
    // Over twice the time that it may say nothing.
    world.fetch(&[&server]).expect("fetched");
    world.check(NAME, &content);
}

#[test]
fn nobody_there_and_nonsense_are_no_answer() {
    let content = Content::new(5);
    let gone = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("one");
    let nonsense = Server::with(
        |_| Reply::status(200),
        |mut stream| {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n");
            None
        },
    );
    let world = World::one(&content);
    for url in [format!("http://{gone}/"), nonsense.url.clone()] {
        let stopped = world.fetch_from(&[&url]).expect_err("no answer");
        println!("{}\n    {}", stopped.error, stopped.error.hint());
        assert!(matches!(
            faults(&stopped.error)[0],
            Fault::Unreachable { .. }
        ));
        world
            .fetch_from(&[&url, &Server::good(&content).url])
            .expect("fetched");
        std::fs::remove_file(world.path(NAME)).expect("removed");
    }
}

#[test]
fn a_busy_server_is_asked_again_and_a_refusing_one_is_not() {
    let content = content();
    let server = Server::new({
        let content = content.clone();
        move |asked| match asked.nth {
            0 => Reply::status(503),
            1 => Reply::status(429).header("Retry-After", "1"),
            _ => Reply::good(asked, &content),
        }
    });
    let world = World::one(&content);
    let begin = Instant::now();
    world.fetch(&[&server]).expect("fetched");
    assert!(
        begin.elapsed() >= Duration::from_secs(1),
        "it asked for a second"
    );
    let refusing = Server::new(|_| Reply::status(403));
    let world = World::one(&content);
    let error = world.error(&[&refusing]);
    assert!(matches!(
        faults(&error)[0],
        Fault::Status { status: 403, .. }
    ));
    assert_eq!(refusing.asked().len(), 1);
    let busy = Server::new(|_| Reply::status(500));
    let error = world.error(&[&busy]);
    assert!(matches!(
        faults(&error)[0],
        Fault::Status { status: 500, .. }
    ));
    assert_eq!(busy.asked().len(), 3, "two retries");
}

#[test]
fn redirects_are_followed_and_loops_are_not() {
    let content = content();
    let files = Server::good(&content);
    let world = World::one(&content);
    let hub = Server::new({
        let url = files.url.clone();
        move |asked| match asked.path.as_str() {
            "/a/model.safetensors" => Reply::redirect("/b/x"),
            "/b/x" => Reply::redirect("y"),
            "/b/y" => Reply::redirect(&format!("{url}signed?sig=secret")),
            _ => Reply::status(404),
        }
    });
    world
        .fetch_from(&[&format!("{}a", hub.url)])
        .expect("fetched");
    assert_eq!(files.asked()[0].path, "/signed?sig=secret");
    let ring = fault_of(|_| Reply::redirect("/again?sig=secret"));
    assert!(matches!(ring, Fault::Redirects { count: 10, .. }), "{ring}");
    assert!(!ring.to_string().contains("secret"), "{ring}");
    for location in ["", "file:///etc/passwd", "ftp://a.example/"] {
        let fault = fault_of(move |_| Reply::redirect(location));
        assert!(
            matches!(fault, Fault::Location { .. } | Fault::Redirects { .. }),
            "{fault}"
        );
    }
}

/// A redirect with a body that has no end.
#[test]
fn a_redirects_body_is_not_waited_for() {
    let content = content();
    let good = Server::good(&content);
    let world = World::one(&content);
    let endless = Server::new({
        let url = good.url.clone();
        move |_| {
            let reply = Reply::new(302, &Content::zeros(1 << 50)).length(1 << 50);
            reply.header("Location", &url)
        }
    });
    world.fetch(&[&endless]).expect("fetched");
}

#[test]
fn a_redirect_from_https_to_http_is_refused() {
    let content = content();
    let issued =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = issued.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![certificate.clone()], key.expect("a key"))
    .expect("a certificate with its key");
    let config = Arc::new(config);
    let plain = Server::good(&content);
    let secure = Server::with(
        {
            let (url, content) = (plain.url.clone(), content.clone());
            move |asked| {
                if asked.path.starts_with("/down/") {
                    Reply::redirect(&url)
                } else {
                    Reply::good(asked, &content)
                }
            }
        },
        move |stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(rustls::StreamOwned::new(connection, stream)))
        },
    );
    let roots = [ureq::tls::Certificate::from_der(&certificate).to_owned()];
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::from(roots))
        .build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .build()
        .new_agent();
    let world = World::one(&content);
    let url = format!("https://localhost:{}/", secure.port());
    let fetch =
        |url: &str| candor_fetch::fetch(&world.plan(&[url]), &agent, &world.options, &mut |_| {});
    let stopped = fetch(&format!("{url}down/")).expect_err("http");
    println!("{}\n    {}", stopped.error, stopped.error.hint());
    assert!(matches!(faults(&stopped.error)[0], Fault::Downgrade { .. }));
    assert!(plain.asked().is_empty());
    fetch(&url).expect("fetched");
    world.check(NAME, &content);
    // Whoever is not believed is not asked.
    let world = World::one(&content);
    let stopped = world
        .fetch_from(&[&url])
        .expect_err("an unknown certificate");
    println!("{}\n    {}", stopped.error, stopped.error.hint());
    assert!(matches!(
        faults(&stopped.error)[0],
        Fault::Unreachable { .. }
    ));
}

#[test]
fn what_a_server_says_is_never_repeated_at_length_or_with_control_characters() {
    let fault = fault_of(|content| {
        Reply::whole(content).header(
            "Content-Encoding",
            &format!("\u{9b}31m{}", "x".repeat(5000)),
        )
    });
    let text = fault.to_string();
    assert!(
        text.len() < 500 && !text.contains(char::is_control),
        "{text:?}"
    );
}
