//! Cutting the power: what a disk may hold then, of what a program wrote.
//!
//! ```text
//! program ── candor-faults ──► trace of its changes, in their order
//!                                │
//! files before it began ─────────┴──► Disk ──► cut ──► one of the many states that the disk may be in
//! ```
//!
//! Always: what was synced is there. Of what was not, each sector of 512 bytes is there or not, each new name, each removal
//! and each length, as the cut's dice fall. A file that was synced and whose name was not may be gone. That is what POSIX
//! promises, and less than most file systems keep.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::load::Random;

const SECTOR: u64 = 512;

/// Files as a program left them, some of it synced.
pub struct Disk {
    files: Vec<File>,
    /// By the numbers that the trace has.
    by_number: HashMap<u64, usize>,
    /// What the program sees.
    names: BTreeMap<String, usize>,
    /// What is certain.
    synced_names: BTreeMap<String, usize>,
    /// What came of names since, in its order.
    name_changes: Vec<NameChange>,
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
    Extend(u64),
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, usize),
    Rename(String, String),
    Remove(String),
    Folder(String),
}

/// How much of what was not synced is there after a cut.
#[derive(Clone, Copy, Debug)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// All of it.
    Everything,
    /// What the dice say, sector by sector.
    Some,
}

impl Disk {
    /// The files below `folder`, all of them synced.
    pub fn load(folder: &Path) -> Self {
        let mut disk = Self {
            files: Vec::new(),
            by_number: HashMap::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            name_changes: Vec::new(),
        };
        disk.load_below(folder, "");
        disk.synced_names = disk.names.clone();
        disk
    }

    fn load_below(&mut self, folder: &Path, below: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("a file");
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                self.load_below(&entry.path(), &format!("{name}/"));
            } else if kind.is_file() {
                let synced = fs::read(entry.path()).expect("it can be read");
                self.names.insert(name, self.files.len());
                self.files.push(File {
                    synced,
                    changes: Vec::new(),
                });
            }
        }
    }

    /// Takes in what a trace says. Returns how many changes that were.
    pub fn apply(&mut self, trace: &Path) -> usize {
        let trace = fs::read(trace).unwrap_or_default();
        let mut rest = trace.as_slice();
        let mut count = 0;
        // The last one may be cut off, by the same kill that ended the program.
        while rest.len() >= 25 {
            let kind = rest[0];
            let number_at = |n: usize| {
                let bytes = rest[1 + 8 * n..].first_chunk::<8>().expect("25 bytes");
                u64::from_le_bytes(*bytes)
            };
            let (file, number, length) = (number_at(0), number_at(1), number_at(2));
            let Some(bytes) = rest[25..].get(..usize::try_from(length).expect("it fits")) else {
                break;
            };
            self.change(kind, file, number, bytes);
            rest = &rest[25 + bytes.len()..];
            count += 1;
        }
        count
    }

    fn change(&mut self, kind: u8, file: u64, number: u64, bytes: &[u8]) {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let two = || {
            let text = text();
            let (from, to) = text.split_once('\0').expect("two paths");
            (from.to_owned(), to.to_owned())
        };
        match kind {
            b'O' => self.open(text(), file, number),
            b'W' => self
                .file(file)
                .changes
                .push(Change::Write(number, bytes.to_vec())),
            b'T' => self.file(file).changes.push(Change::Cut(number)),
            b'E' => self.file(file).changes.push(Change::Extend(number)),
            b'S' => {
                let file = self.file(file);
                for change in std::mem::take(&mut file.changes) {
                    change.apply_to(&mut file.synced);
                }
            }
            b'D' => self.sync_folder(&text()),
            b'R' => {
                let (from, to) = two();
                // A folder goes with all that is in it, at once: nothing here depends on when.
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to.clone(), file);
                    self.name_changes.push(NameChange::Rename(from, to));
                } else {
                    self.rename_folder(&from, &to);
                }
            }
            b'L' => {
                let (from, to) = two();
                let file = self.names[&from];
                self.names.insert(to.clone(), file);
                self.name_changes.push(NameChange::Set(to, file));
            }
            b'U' => {
                let name = text();
                self.names.remove(&name);
                self.name_changes.push(NameChange::Remove(name));
            }
            b'M' => self.name_changes.push(NameChange::Folder(text())),
            b'X' => {}
            other => panic!("the trace has a change {other}"),
        }
    }

    fn open(&mut self, path: String, number: u64, state: u64) {
        let place = match self.names.get(&path) {
            Some(place) if state & 1 == 0 => *place,
            _ => {
                let place = self.files.len();
                self.files.push(File::default());
                self.names.insert(path.clone(), place);
                self.name_changes.push(NameChange::Set(path, place));
                place
            }
        };
        // A number can be used again, when its file is gone.
        self.by_number.insert(number, place);
        if state & 2 != 0 {
            self.files[place].changes.push(Change::Cut(0));
        }
    }

    fn file(&mut self, number: u64) -> &mut File {
        let place = self.by_number.get(&number).expect("it was opened");
        &mut self.files[*place]
    }

    fn sync_folder(&mut self, folder: &str) {
        let changes = std::mem::take(&mut self.name_changes);
        for change in changes {
            if change.is_in(folder) {
                change.apply_to(&mut self.synced_names);
            } else {
                self.name_changes.push(change);
            }
        }
    }

    fn rename_folder(&mut self, from: &str, to: &str) {
        for names in [&mut self.names, &mut self.synced_names] {
            let below: Vec<String> = names
                .keys()
                .filter(|name| name.starts_with(&format!("{from}/")))
                .cloned()
                .collect();
            for name in below {
                let file = names.remove(&name).expect("it is there");
                names.insert(format!("{to}{}", &name[from.len()..]), file);
            }
        }
    }

    /// Cuts the power, and writes what is there afterwards to `folder`, in the place of all that is there.
    pub fn cut(&self, survives: Survives, random: &mut Random, folder: &Path) {
        let mut coin = || match survives {
            Survives::Nothing => false,
            Survives::Everything => true,
            Survives::Some => random.number() & 1 == 1,
        };
        let mut names = self.synced_names.clone();
        let mut lost_folders: Vec<String> = Vec::new();
        for change in &self.name_changes {
            match change {
                // What is in it may have been synced all the same, and is gone with it.
                NameChange::Folder(name) if !coin() => lost_folders.push(format!("{name}/")),
                NameChange::Folder(_) => {}
                change if coin() => change.apply_to(&mut names),
                _ => {}
            }
        }
        names.retain(|name, _| !lost_folders.iter().any(|lost| name.starts_with(lost)));
        let mut contents: HashMap<usize, Vec<u8>> = HashMap::new();
        for place in names.values() {
            contents
                .entry(*place)
                .or_insert_with(|| self.files[*place].after_cut(&mut coin));
        }
        clear(folder);
        for (name, place) in &names {
            // Memory that programs share, and no file.
            if name.ends_with("-shm") {
                continue;
            }
            let path: PathBuf = folder.join(name);
            fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
            fs::write(&path, &contents[place]).expect("it is written");
            // Keys are read by their owner alone.
            crate::cli::set_mode(&path, 0o600);
        }
    }
}

/// Removes all that is in a folder, and leaves the folders in it.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            clear(&path);
        } else {
            fs::remove_file(&path).expect("it is removed");
        }
    }
}

impl File {
    fn after_cut(&self, coin: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for change in &self.changes {
            let Change::Write(offset, written) = change else {
                if coin() {
                    change.apply_to(&mut bytes);
                }
                continue;
            };
            // Sector by sector, as they are on the disk.
            let mut start = 0;
            while start < written.len() {
                let at = offset + start as u64;
                let room = usize::try_from(SECTOR - at % SECTOR).expect("it fits");
                let end = written.len().min(start + room);
                if coin() {
                    let part = Change::Write(at, written[start..end].to_vec());
                    part.apply_to(&mut bytes);
                }
                start = end;
            }
        }
        bytes
    }
}

impl Change {
    fn apply_to(&self, bytes: &mut Vec<u8>) {
        let fit = |length: u64| usize::try_from(length).expect("it fits");
        match self {
            Self::Write(offset, written) => {
                let (start, end) = (fit(*offset), fit(*offset) + written.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[start..end].copy_from_slice(written);
            }
            Self::Cut(length) => bytes.resize(fit(*length), 0),
            Self::Extend(length) => {
                let length = fit(*length).max(bytes.len());
                bytes.resize(length, 0);
            }
        }
    }
}

impl NameChange {
    fn is_in(&self, folder: &str) -> bool {
        let parent = |name: &str| name.rsplit_once('/').map_or("", |(parent, _)| parent) == folder;
        match self {
            Self::Set(name, _) | Self::Remove(name) | Self::Folder(name) => parent(name),
            // From one folder to another: synced with either.
            Self::Rename(from, to) => parent(from) || parent(to),
        }
    }

    fn apply_to(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Folder(_) => {}
        }
    }
}
