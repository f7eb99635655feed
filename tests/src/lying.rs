//! A log's address where somebody else answers: as the log does, but for one question.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::{TestLog, http};

/// What is said in place of the log.
#[derive(Clone)]
pub struct Lie {
    /// A part of the path of each question that is not answered by the log.
    pub asked: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// Answers as `log` does, for as long as the test runs, except where `lie` says otherwise. Returns where.
pub fn answers_for(log: &TestLog, lie: Lie) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let log = log.url().to_owned();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that goes away is no failure of the test.
            let _ = answer(&connection, &log, &lie);
        }
    });
    url
}

fn answer(mut connection: &TcpStream, log: &str, lie: &Lie) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut next_line = || -> std::io::Result<String> {
        let mut text = String::new();
        reader.read_line(&mut text)?;
        Ok(text.trim_end().to_owned())
    };
    let first = next_line()?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut content_type, mut bytes) = (String::new(), 0);
    loop {
        let header = next_line()?;
        match header.to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => bytes = value.parse().unwrap_or_default(),
            // A multipart boundary may have capitals.
            Some(("content-type", _)) => {
                header["content-type: ".len()..].clone_into(&mut content_type);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; bytes];
    reader.read_exact(&mut body)?;
    let (status, content_type, body) = if path.contains(lie.asked) {
        let body = lie.body.clone().into_bytes();
        (lie.status, lie.content_type.to_owned(), body)
    } else {
        let url = format!("{log}{path}");
        let answer = if first.starts_with("POST ") {
            http::post(&url, &content_type, &body)
        } else {
            http::get(&url)
        };
        let content_type = answer.header("content-type").to_owned();
        (answer.status, content_type, answer.body)
    };
    write!(
        connection,
        "HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    connection.write_all(&body)
}
