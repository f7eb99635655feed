//! What goes over the socket.
//!
//! ```text
//! request    u32 length, big endian    that many bytes: a checkpoint's text, or the content of a message about a
//!                                      record; none asks for the key
//! answer     u8  0: done, 1: refused
//!            u32 length, big endian    that many bytes: the signature, or the key; or why not, as text
//! ```
//!
//! Any number of requests on one connection, one at a time.

use std::io::{self, Read, Write};

/// The longest message: a checkpoint of a retired log with long names has some 2,000 bytes.
pub(crate) const MESSAGE_BYTES_MAX: u32 = 16 << 10;

/// What is answered.
pub(crate) type Answer = Result<Vec<u8>, String>;

fn too_long(bytes: u32) -> io::Error {
    let error = format!("a message of {bytes} bytes, and at most {MESSAGE_BYTES_MAX} are read");
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn write_bytes(to: &mut impl Write, head: &[u8], bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(too_long(length));
    }
    // At once: half a message makes the other side wait.
    to.write_all(&[head, &length.to_be_bytes(), bytes].concat())?;
    to.flush()
}

fn read_bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MESSAGE_BYTES_MAX {
        return Err(too_long(length));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn write_request(to: &mut impl Write, text: &[u8]) -> io::Result<()> {
    write_bytes(to, &[], text)
}

/// The next request; `None` when the other side has closed between two.
pub(crate) fn read_request(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    match read_bytes(from) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn write_answer(to: &mut impl Write, answer: &Answer) -> io::Result<()> {
    match answer {
        Ok(bytes) => write_bytes(to, &[0], bytes),
        Err(reason) => write_bytes(to, &[1], reason.as_bytes()),
    }
}

pub(crate) fn read_answer(from: &mut impl Read) -> io::Result<Answer> {
    let mut status = [0];
    from.read_exact(&mut status)?;
    let bytes = read_bytes(from)?;
    match status {
        [0] => Ok(Ok(bytes)),
        [1] => Ok(Err(String::from_utf8_lossy(&bytes).into_owned())),
        [other] => {
            let error = format!("an answer that is neither done nor refused, but {other}");
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        }
    }
}
