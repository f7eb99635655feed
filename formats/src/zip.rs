//! Zip archives, as `PyTorch` and `NumPy` write them: which entries, and where their data is.
//!
//! ```text
//! (local header │ data │ sizes?)… │ central header… │ (zip64 end │ its place)? │ end: 22 bytes
//! ```
//!
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>
//!
//! Always: every byte of the archive belongs to one of these, and to one only. What stands there twice is the same both
//! times, so that no two readers see different entries. Names are paths that stay where they are put, or lead nowhere.

use std::ops::Range;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use crate::FormatError;
use crate::format::{at_most, check_name};
use crate::source::{Part, Reader, Source, read};
use crate::tensor::TENSORS_MAX;

/// The longest list of entries that is read: a million with long names.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

/// The most bytes that are inflated of one entry, and of all entries of an archive, one after the other.
pub(crate) const INFLATED_BYTES_MAX: u64 = 64 << 20;
const INFLATED_ALL_MAX: u64 = 1 << 30;

/// How an archive begins: with an entry, or with its end.
pub(crate) const ENTRY_MAGIC: [u8; 4] = *b"PK\x03\x04";
pub(crate) const END_MAGIC: [u8; 4] = *b"PK\x05\x06";
const CENTRAL_MAGIC: [u8; 4] = *b"PK\x01\x02";
const WIDE_END_MAGIC: [u8; 4] = *b"PK\x06\x06";
const WIDE_PLACE_MAGIC: [u8; 4] = *b"PK\x06\x07";
const SIZES_MAGIC: [u8; 4] = *b"PK\x07\x08";

const END_BYTES: u64 = 22;
const WIDE_END_BYTES: u64 = 56;
const WIDE_PLACE_BYTES: u64 = 20;
const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: u64 = 46;

/// What a field says whose number is in the zip64 field instead.
const WIDE: u32 = u32::MAX;

/// Flags: how hard DEFLATE tried (2 bits), sizes stand behind the data, the name is UTF-8. All others change what the
/// data is.
const FLAGS_KNOWN: u16 = 0b1000_0000_1110;
const FLAG_SIZES_BEHIND: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;

/// Kinds of extra fields: the wide numbers, and another name, which some readers take and some don't.
const EXTRA_WIDE: u16 = 0x0001;
const EXTRA_NAME: u16 = 0x7075;

/// More than what DEFLATE may say of its codes before the first byte.
const TABLES_BYTES: u64 = 1 << 10;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// One file in an archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// If its data is DEFLATE's, and not the file's bytes as they are.
    pub(crate) is_deflated: bool,
    /// How many bytes it has; as it says, where it is deflated.
    pub(crate) bytes: u64,
    /// Where in the archive its data is.
    pub(crate) range: Range<u64>,
}

/// An entry of the directory at the end.
struct Central {
    name: String,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    bytes: u64,
    /// Where its local header is.
    at: u64,
}

/// What the names of entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Paths down from the folder of the archive, which read the same everywhere, also without regard to case.
    Paths,
    /// Names of arrays, which may look like any path but one that leads out of a folder.
    Arrays,
}

/// How much of an archive was inflated.
#[derive(Default)]
pub(crate) struct Inflated(u64);

/// A part of an entry that is deflated.
pub(crate) struct Start {
    pub(crate) bytes: Vec<u8>,
    /// If this is all.
    pub(crate) is_all: bool,
}

impl Inflated {
    /// If the whole of an entry may be inflated, too, which is then counted.
    pub(crate) fn has_room_for(&mut self, entry: &Entry) -> bool {
        if !entry.is_deflated {
            return true;
        }
        let all = self.0.saturating_add(entry.bytes);
        let has_room = entry.bytes <= INFLATED_BYTES_MAX && all <= INFLATED_ALL_MAX;
        if has_room {
            self.0 = all;
        }
        has_room
    }
}

/// Reads which entries an archive has, by their place.
pub(crate) fn entries(source: &dyn Source, names: Names) -> Result<Vec<Entry>, FormatError> {
    let (count, directory) = directory(source)?;
    at_most("entries of a zip archive", count, TENSORS_MAX)?;
    let part = Part::new(source, directory.clone());
    let mut reader = Reader::new(&part);
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(central(&mut reader, directory.start, names)?);
    }
    if reader.left() > 0 {
        return Err(wrong(format!(
            "behind its {count} entries there are {} bytes, before byte {}",
            reader.left(),
            directory.end
        )));
    }
    check_no_name_twice(&all, names)?;
    all.sort_by_key(|entry| entry.at);
    let mut before: Option<(Central, u64)> = None;
    let mut entries = Vec::new();
    for central in all {
        check_gap(source, before.as_ref(), central.at)?;
        let range = data(source, &central, directory.start)?;
        // A folder is a name that ends so, and nothing more.
        if !central.name.ends_with('/') {
            entries.push(Entry {
                name: central.name.clone(),
                is_deflated: central.method == DEFLATED,
                bytes: central.bytes,
                range: range.clone(),
            });
        }
        before = Some((central, range.end));
    }
    check_gap(source, before.as_ref(), directory.start)?;
    Ok(entries)
}

fn check_no_name_twice(all: &[Central], rules: Names) -> Result<(), FormatError> {
    let mut names: Vec<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    if let Some([name, ..]) = twice {
        return Err(wrong(format!("there are two entries {name:?}")));
    }
    // To PyTorch, which looks for its files by names without case, these are one.
    let mut folded: Vec<_> = names
        .iter()
        .map(|name| (name.to_ascii_lowercase(), *name))
        .collect();
    folded.sort_unstable();
    let twice = folded.windows(2).find(|pair| pair[0].0 == pair[1].0);
    match twice.filter(|_| rules == Names::Paths) {
        Some(pair) => Err(wrong(format!(
            "its entries {:?} and {:?} differ only in capital letters",
            pair[0].1, pair[1].1
        ))),
        None => Ok(()),
    }
}

/// The bytes of a small entry, at most `max` of them.
pub(crate) fn content(
    source: &dyn Source,
    entry: &Entry,
    max: u64,
) -> Result<Vec<u8>, FormatError> {
    let packed = entry.range.end - entry.range.start;
    if entry.bytes > max || packed > max {
        return Err(entry_wrong(
            entry,
            &format!("{} bytes, where at most {max} are read", entry.bytes),
        ));
    }
    let data = read(source, entry.range.start, packed, "the data of an entry")?;
    if !entry.is_deflated {
        return Ok(data);
    }
    // As much as it says, which is not more than the maximum.
    let limit = usize::try_from(entry.bytes).map_err(|_| entry_wrong(entry, "too many bytes"))?;
    match decompress_to_vec_with_limit(&data, limit) {
        Ok(inflated) if inflated.len() == limit => Ok(inflated),
        Ok(inflated) => Err(entry_wrong(
            entry,
            &format!("says {limit} bytes, and inflates to {}", inflated.len()),
        )),
        Err(error) => Err(entry_wrong(
            entry,
            &format!("does not inflate to the {limit} bytes that it says: {error}"),
        )),
    }
}

/// Reads an entry as a file of its own, which is inflated if it is small. Errors say which it was.
pub(crate) fn within<T>(
    source: &dyn Source,
    entry: &Entry,
    read: impl FnOnce(&dyn Source) -> Result<T, FormatError>,
) -> Result<T, FormatError> {
    let found = if entry.is_deflated {
        read(&content(source, entry, INFLATED_BYTES_MAX)?.as_slice())
    } else {
        read(&Part::new(source, entry.range.clone()))
    };
    found.map_err(|error| in_entry(entry, error))
}

/// An error in an entry.
pub(crate) fn in_entry(entry: &Entry, error: FormatError) -> FormatError {
    FormatError::Entry {
        name: entry.name.clone(),
        error: error.into(),
    }
}

/// The first bytes of an entry that is deflated, at most `max`, as far as they inflate.
pub(crate) fn start(source: &dyn Source, entry: &Entry, max: u64) -> Result<Start, FormatError> {
    // DEFLATE makes nothing longer than by a few bytes, and has tables of some hundred before them.
    let packed = (entry.range.end - entry.range.start).min(max + (max >> 3) + TABLES_BYTES);
    let data = read(source, entry.range.start, packed, "the data of an entry")?;
    let limit = usize::try_from(max).map_err(|_| entry_wrong(entry, "too many bytes"))?;
    Ok(match decompress_to_vec_with_limit(&data, limit) {
        Ok(bytes) => Start {
            bytes,
            is_all: true,
        },
        Err(stopped) => Start {
            bytes: stopped.output,
            is_all: false,
        },
    })
}

/// The first bytes of an entry, at most `max`; of one that is deflated, as far as they inflate.
pub(crate) fn head(source: &dyn Source, entry: &Entry, max: u64) -> Result<Vec<u8>, FormatError> {
    if !entry.is_deflated {
        let length = entry.bytes.min(max);
        return Ok(read(
            source,
            entry.range.start,
            length,
            "the data of an entry",
        )?);
    }
    Ok(start(source, entry, max)?.bytes)
}

fn wrong(rule: String) -> FormatError {
    FormatError::Zip(rule)
}

fn entry_wrong(entry: &Entry, rule: &str) -> FormatError {
    wrong(format!("the entry {:?}: {rule}", entry.name))
}

/// How many entries there are, and where they are listed: right before the end, which is the file's last bytes.
fn directory(source: &dyn Source) -> Result<(u64, Range<u64>), FormatError> {
    let file_end = source.bytes();
    let Some(end_at) = file_end.checked_sub(END_BYTES) else {
        return Err(wrong(format!(
            "of the {END_BYTES} bytes that end it, the file has {file_end}"
        )));
    };
    let end = read(source, end_at, END_BYTES, "the end of the archive")?;
    if end[..4] != END_MAGIC || u16_at(&end, 20) != 0 {
        return Err(wrong(format!(
            "it does not end with the file at byte {file_end}: it was cut, or has a comment or bytes behind it"
        )));
    }
    let disks = [u16_at(&end, 4), u16_at(&end, 6)];
    let narrow = [
        (u64::from(u16_at(&end, 8)), u64::from(u16::MAX)),
        (u64::from(u16_at(&end, 10)), u64::from(u16::MAX)),
        (u64::from(u32_at(&end, 12)), u64::from(WIDE)),
        (u64::from(u32_at(&end, 16)), u64::from(WIDE)),
    ];
    let mut numbers = narrow.map(|(number, _)| number);
    let mut directory_end = end_at;
    if let Some(place_at) = end_at.checked_sub(WIDE_PLACE_BYTES) {
        let place = read(source, place_at, WIDE_PLACE_BYTES, "the place of the end")?;
        if place[..4] == WIDE_PLACE_MAGIC {
            (numbers, directory_end) = wide_end(source, place_at, &place)?;
            // A reader that does not know zip64 must find the same.
            let agree = narrow
                .iter()
                .zip(numbers)
                .all(|((number, all_ones), wide)| *number == wide || number == all_ones);
            if !agree {
                return Err(wrong(format!(
                    "its two ends, at the bytes {directory_end} and {end_at}, do not agree"
                )));
            }
        }
    }
    let [here, count, bytes, start] = numbers;
    if disks != [0, 0] || here != count {
        return Err(wrong("it goes over several disks".to_owned()));
    }
    if start.checked_add(bytes) != Some(directory_end) {
        return Err(wrong(format!(
            "its list of entries, {bytes} bytes from byte {start} on, should end at byte {directory_end}"
        )));
    }
    if bytes > DIRECTORY_BYTES_MAX {
        return Err(FormatError::HeaderTooLong {
            found: bytes,
            max: DIRECTORY_BYTES_MAX,
        });
    }
    if count > bytes / CENTRAL_BYTES {
        return Err(wrong(format!(
            "{count} entries can't be listed in {bytes} bytes"
        )));
    }
    Ok((count, start..directory_end))
}

/// The four numbers of the end for long archives, and where it is.
fn wide_end(
    source: &dyn Source,
    place_at: u64,
    place: &[u8],
) -> Result<([u64; 4], u64), FormatError> {
    let at = u64_at(place, 8);
    if at.checked_add(WIDE_END_BYTES) != Some(place_at) {
        return Err(wrong(format!(
            "its zip64 end is said to be at byte {at}, and should end at byte {place_at}"
        )));
    }
    let end = read(source, at, WIDE_END_BYTES, "the zip64 end")?;
    if end[..4] != WIDE_END_MAGIC || u64_at(&end, 4) != WIDE_END_BYTES - 12 {
        return Err(wrong(format!("at byte {at} there is no zip64 end")));
    }
    let disks = [
        u32_at(place, 4),
        u32_at(&end, 16),
        u32_at(&end, 20),
        // How many there are in all.
        u32_at(place, 16).saturating_sub(1),
    ];
    if disks != [0; 4] {
        return Err(wrong("it goes over several disks".to_owned()));
    }
    Ok(([24, 32, 40, 48].map(|field| u64_at(&end, field)), at))
}

/// Reads the next entry of the directory, which begins at byte `start` of the file.
fn central(reader: &mut Reader<'_>, start: u64, names: Names) -> Result<Central, FormatError> {
    let at = start + reader.at();
    let wrong = |rule: &str| wrong(format!("its listed entry at byte {at}: {rule}"));
    // What is behind the directory is not read as part of it.
    if reader.left() < CENTRAL_BYTES {
        return Err(wrong("would reach behind the list"));
    }
    let head: [u8; 46] = reader.array("a listed entry")?;
    let lengths = [28, 30, 32].map(|field| u64::from(u16_at(&head, field)));
    if head[..4] != CENTRAL_MAGIC {
        return Err(wrong("does not begin as one"));
    }
    if lengths.iter().sum::<u64>() > reader.left() {
        return Err(wrong("would reach behind the list"));
    }
    let [name, extra, comment] = lengths;
    let name = name_of(
        reader.take(name, "a name")?,
        u16_at(&head, 8) & FLAG_UTF8 != 0,
        names,
    )
    .map_err(|rule| wrong(&rule))?;
    check_name(&name)?;
    let narrow = [24, 20, 42].map(|field| u32_at(&head, field));
    let wide = extras(reader.take(extra, "an extra field")?).map_err(&wrong)?;
    let [bytes, packed, local] = widened(narrow, wide).map_err(&wrong)?;
    let (flags, method) = (u16_at(&head, 8), u16_at(&head, 10));
    if comment > 0 {
        return Err(wrong("has a comment"));
    }
    if u16_at(&head, 34) != 0 {
        return Err(wrong("is on another disk"));
    }
    if flags & !FLAGS_KNOWN != 0 {
        return Err(wrong(&format!(
            "has the flags {flags:#06x}: it is encrypted, or else not as it seems"
        )));
    }
    if !matches!(method, STORED | DEFLATED) {
        return Err(wrong(&format!(
            "is compressed by method {method}, where only 8 (DEFLATE) is known"
        )));
    }
    if method == STORED && packed != bytes {
        return Err(wrong(&format!(
            "has {bytes} bytes, of which {packed} are stored"
        )));
    }
    if name.ends_with('/') && bytes > 0 {
        return Err(wrong("is a folder with data"));
    }
    Ok(Central {
        name,
        flags,
        method,
        crc: u32_at(&head, 16),
        packed,
        bytes,
        at: local,
    })
}

/// A name that stays where it is put.
fn name_of(bytes: &[u8], is_utf8: bool, names: Names) -> Result<String, String> {
    let name = str::from_utf8(bytes).map_err(|error| format!("its name: {error}"))?;
    let wrong = |rule: &str| Err(format!("its name {name:?} {rule}"));
    if !name.is_ascii() && !is_utf8 {
        return wrong("is not in ASCII, and not said to be UTF-8");
    }
    if name.contains(char::is_control) {
        return wrong("has a control character");
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return wrong("leads out of the folder that it is in");
    }
    if names == Names::Arrays {
        return Ok(name.to_owned());
    }
    if name.contains('\\') {
        return wrong("has a backslash");
    }
    if name.as_bytes().get(1) == Some(&b':') {
        return wrong("begins with a drive");
    }
    let folder = name.strip_suffix('/').unwrap_or(name);
    if folder.split('/').any(|part| matches!(part, "" | ".")) {
        return wrong("is no path of names");
    }
    Ok(name.to_owned())
}

/// Goes through extra fields; returns the wide numbers, if they are there.
fn extras(mut extra: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let mut wide = None;
    while !extra.is_empty() {
        let head = extra.split_at_checked(4);
        let (head, rest) = head.ok_or("has an extra field without end")?;
        let field = rest.split_at_checked(usize::from(u16_at(head, 2)));
        let (field, rest) = field.ok_or("has an extra field without end")?;
        match u16_at(head, 0) {
            EXTRA_NAME => return Err("has a second name"),
            EXTRA_WIDE if wide.replace(field).is_some() => return Err("has two zip64 fields"),
            _ => {}
        }
        extra = rest;
    }
    Ok(wide)
}

/// The numbers of an entry: those that are all ones stand in the zip64 field, in this order, and no others.
fn widened(narrow: [u32; 3], wide: Option<&[u8]>) -> Result<[u64; 3], &'static str> {
    let mut wide = wide.unwrap_or_default();
    let mut numbers = narrow.map(u64::from);
    for number in &mut numbers {
        if *number == u64::from(WIDE) {
            let found = wide.split_at_checked(8);
            let (found, rest) = found.ok_or("has numbers that its zip64 field does not have")?;
            (*number, wide) = (u64_at(found, 0), rest);
        }
    }
    if !wide.is_empty() {
        return Err("has a zip64 field with other numbers than those that stand there");
    }
    Ok(numbers)
}

/// Checks that an entry's local header says the same as the directory; returns where its data is.
fn data(source: &dyn Source, central: &Central, directory: u64) -> Result<Range<u64>, FormatError> {
    let wrong = |rule: &str| {
        wrong(format!(
            "the entry {:?} at byte {}: {rule}",
            central.name, central.at
        ))
    };
    let head = read(source, central.at, LOCAL_BYTES, "an entry's header")?;
    if head[..4] != ENTRY_MAGIC {
        return Err(wrong("does not begin as one"));
    }
    let lengths = [26, 28].map(|field| u64::from(u16_at(&head, field)));
    let name_at = central.at + LOCAL_BYTES;
    let rest = read(source, name_at, lengths.iter().sum(), "an entry's name")?;
    let (name, extra) = rest.split_at(usize::from(u16_at(&head, 26)));
    if name != central.name.as_bytes() {
        return Err(wrong("has another name there than in the list"));
    }
    if u16_at(&head, 6) != central.flags || u16_at(&head, 8) != central.method {
        return Err(wrong("has other flags or another method than in the list"));
    }
    let wide = extras(extra).map_err(&wrong)?;
    let [bytes, packed] = [22, 18].map(|field| u32_at(&head, field));
    let crc = u32_at(&head, 14);
    // PyTorch's writer leaves a zip64 field with sizes there, and zeros where they should be.
    let are_behind = central.flags & FLAG_SIZES_BEHIND != 0;
    let is_empty = crc == 0 && (bytes, packed) == (0, 0);
    if !(are_behind && is_empty) {
        let wide = wide.filter(|_| bytes == WIDE || packed == WIDE);
        let [bytes, packed, _] = widened([bytes, packed, 0], wide).map_err(&wrong)?;
        let is_said = (crc, packed, bytes) == (central.crc, central.packed, central.bytes);
        if !(is_said || are_behind && (crc, packed, bytes) == (0, 0, 0)) {
            return Err(wrong("has other sizes than in the list"));
        }
    }
    let start = name_at + rest.len() as u64;
    match start.checked_add(central.packed) {
        Some(end) if end <= directory => Ok(start..end),
        _ => Err(wrong(&format!(
            "its {} bytes of data would reach behind byte {directory}, where the list begins",
            central.packed
        ))),
    }
}

/// Checks what is between the end of an entry's data and `next`, where the next thing begins: nothing, or its sizes
/// once more.
fn check_gap(
    source: &dyn Source,
    before: Option<&(Central, u64)>,
    next: u64,
) -> Result<(), FormatError> {
    let end = before.map_or(0, |(_, end)| *end);
    let Some(length) = next.checked_sub(end) else {
        return Err(wrong(format!(
            "the data of the entry {:?} ends at byte {end}, and something else begins at byte {next}",
            before.map_or("", |(central, _)| &central.name)
        )));
    };
    if length == 0 {
        return Ok(());
    }
    if let Some((central, _)) = before
        && central.flags & FLAG_SIZES_BEHIND != 0
        && matches!(length, 12 | 16 | 20 | 24)
    {
        let found = read(source, end, length, "the sizes behind an entry")?;
        if found == sizes(central, length) {
            return Ok(());
        }
    }
    Err(wrong(format!(
        "the {length} bytes from byte {end} on belong to no entry"
    )))
}

/// The sizes behind an entry, in one of their four forms.
fn sizes(central: &Central, length: u64) -> Vec<u8> {
    let mut sizes = Vec::new();
    if length.is_multiple_of(8) {
        sizes.extend(SIZES_MAGIC);
    }
    sizes.extend(central.crc.to_le_bytes());
    for number in [central.packed, central.bytes] {
        let number = number.to_le_bytes();
        sizes.extend(&number[..if length < 20 { 4 } else { 8 }]);
    }
    sizes
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
pub(crate) mod tests;
