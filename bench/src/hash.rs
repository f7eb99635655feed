//! Checking a folder: what `candor verify` takes, beside bare hashing of the same files and beside the programs that a
//! user would take instead.
//!
//! ```text
//! files ─┬► bare: a thread for each core, files in memory maps (or read whole, if they are small), sha2
//!        ├► bare, of small files: the same in memory maps; and with the folder listed before, as everybody else has to
//!        ├► candor verify --reread      a process of its own, with the bundle of the release that the files are
//!        ├► candor verify               again, when the digests are known
//!        ├► sha256sum                   by xargs, as many at once as there are cores
//!        └► model_signing sign          where a path to it is given; by SHA-256 too, with a key
//! ```
//!
//! All take turns, and each file is in the page cache before. The ratio of two is the median of the ratios of each turn.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use candor_mapped::Window;
use clap::Args;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::report::Report;
use crate::server::{Server, Target, peak_bytes};
use crate::workload::cores;

/// Files up to this size, in bytes, are read in one call: a map of one costs more.
const READ_BYTES_MAX: u64 = 256 * 1024;

/// How old files must be for `candor` to remember their digests, and a little more.
const SETTLED: Duration = Duration::from_secs(75);

/// The release that the files are.
const RELEASE: &str = "bench-lab/model@1.0.0";

/// Which files.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// How many files
    #[arg(long, default_value_t = 4)]
    files: usize,
    /// How many bytes each has
    #[arg(long, default_value_t = 1 << 30)]
    bytes: u64,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the files are made, and removed afterwards [default: the system's folder for such]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Measure this `model_signing` too, the program of the Python package
    #[arg(long, value_name = "PROGRAM")]
    model_signing: Option<PathBuf>,
}

#[derive(Serialize)]
struct Figures {
    bench: &'static str,
    what: String,
    files: usize,
    bytes_each: u64,
    seconds: f64,
    gigabytes_per_second: f64,
    /// The rate, as a part of the bare rate in the same turn.
    of_bare: f64,
    rss_peak_mib: Option<f64>,
}

/// What is measured in each turn.
struct Contestant<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> anyhow::Result<Measured> + 'a>,
}

struct Measured {
    time: Duration,
    rss_peak_bytes: Option<u64>,
}

pub(crate) fn run(options: &Options, target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let scratch = match &options.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let model = scratch.path().join("model");
    let paths = make(&model, options)?;
    let person = Person::release(scratch.path(), &model, target)?;
    println!("{}", person.released);
    // Nothing is remembered of files that were written to in the last minute.
    println!(
        "waiting for {} seconds, until the files are old enough",
        SETTLED.as_secs()
    );
    thread::sleep(SETTLED);
    person.verify(&[])?;

    let mut contestants = vec![
        Contestant {
            name: "bare sha2",
            run: Box::new(|| bare(|| hash(&paths, READ_BYTES_MAX))),
        },
        Contestant {
            name: "candor verify --reread",
            run: Box::new(|| person.verify(&["--reread"])),
        },
        Contestant {
            name: "candor verify",
            run: Box::new(|| person.verify(&[])),
        },
        Contestant {
            name: "sha256sum, xargs",
            run: Box::new(|| measure(&mut xargs(&model))),
        },
    ];
    if options.bytes <= READ_BYTES_MAX {
        contestants.push(Contestant {
            name: "bare sha2, mapped",
            run: Box::new(|| bare(|| hash(&paths, 0))),
        });
        contestants.push(Contestant {
            name: "bare sha2, listed",
            run: Box::new(|| bare(|| hash(&list(&model)?, READ_BYTES_MAX))),
        });
    }
    if let Some(program) = &options.model_signing {
        let key = scratch.path().join("ec.pem");
        make_ec_key(&key)?;
        let (model, scratch) = (&model, scratch.path());
        contestants.push(Contestant {
            name: "model_signing sign",
            run: Box::new(move || measure(&mut model_signing(program, &key, model, scratch))),
        });
    }
    let mut turns: Vec<Vec<Measured>> = Vec::new();
    for _ in 0..options.rounds {
        turns.push(
            contestants
                .iter()
                .map(|it| (it.run)())
                .collect::<Result<_, _>>()?,
        );
    }
    for (n, contestant) in contestants.iter().enumerate() {
        let seconds = median(turns.iter().map(|turn| turn[n].time.as_secs_f64()));
        let of_bare =
            |turn: &Vec<Measured>| turn[0].time.as_secs_f64() / turn[n].time.as_secs_f64();
        let figures = Figures {
            bench: "hash",
            what: contestant.name.to_owned(),
            files: options.files,
            bytes_each: options.bytes,
            seconds,
            gigabytes_per_second: options.files as f64 * options.bytes as f64 / seconds / 1e9,
            of_bare: median(turns.iter().map(of_bare)),
            rss_peak_mib: turns
                .iter()
                .filter_map(|turn| turn[n].rss_peak_bytes)
                .max()
                .map(|bytes| bytes as f64 / f64::from(1 << 20)),
        };
        let memory = figures
            .rss_peak_mib
            .map_or(String::new(), |mib| format!("  {mib:>4.0} MiB"));
        let line = format!(
            "{:<24} {:>8.3} s  {:>6.2} GB/s  {:>5.2} of bare{memory}",
            figures.what, figures.seconds, figures.gigabytes_per_second, figures.of_bare,
        );
        report.add(&line, &figures)?;
    }
    Ok(())
}

/// Makes the files, each of other bytes, and returns their paths.
fn make(model: &Path, options: &Options) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(model)?;
    // Any bytes take as long; those of an xorshift generator (Marsaglia 2003) are quickly made.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = vec![0_u8; 1 << 20];
    let mut paths = Vec::new();
    for n in 0..options.files {
        let path = model.join(format!("{n:06}.dat"));
        let mut file = File::create(&path)?;
        let mut left = options.bytes;
        while left > 0 {
            let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            for word in buffer[..length.next_multiple_of(8).min(1 << 20)].chunks_exact_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                word.copy_from_slice(&state.to_le_bytes());
            }
            file.write_all(&buffer[..length])?;
            left -= length as u64;
        }
        paths.push(path);
    }
    // Else the system writes them to the disk while something else is measured.
    ensure!(
        Command::new("sync")
            .arg("-f")
            .arg(model)
            .status()?
            .success()
    );
    Ok(paths)
}

fn bare(run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    let begun = Instant::now();
    run()?;
    Ok(Measured {
        time: begun.elapsed(),
        rss_peak_bytes: None,
    })
}

/// The files of a folder, as they come.
fn list(model: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        // What they are and how large is asked by everybody who is to say what a folder holds.
        std::hint::black_box(entry.metadata()?);
        Ok(entry.path())
    };
    fs::read_dir(model)?.map(entry).collect()
}

/// The bare part: nothing but the system calls that are needed and the hash function. Files of up to `read_bytes_max` bytes
/// are read in one call.
fn hash(paths: &[PathBuf], read_bytes_max: u64) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let hash_some = || -> anyhow::Result<()> {
            while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                let file = File::open(path)?;
                let bytes = file.metadata()?.len();
                let digest = if bytes <= read_bytes_max {
                    Sha256::digest(fs::read(path)?)
                } else {
                    let window = Window::open(&file, 0, usize::try_from(bytes)?)?;
                    Sha256::digest(window.bytes())
                };
                std::hint::black_box(digest);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(hash_some)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("nothing here panics"))
    })
}

/// Somebody who has released the files, and verifies them.
struct Person {
    program: PathBuf,
    home: PathBuf,
    model: PathBuf,
    log_key: String,
    /// What the release took, for people.
    released: String,
}

impl Person {
    fn release(scratch: &Path, model: &Path, target: &Target) -> anyhow::Result<Self> {
        let data = scratch.join("log");
        let log_key = target.init(&data)?;
        let server = target.serve(&data, &[])?;
        let mut person = Self {
            program: target.program.with_file_name("candor"),
            home: scratch.join("home"),
            model: model.to_owned(),
            log_key,
            released: String::new(),
        };
        fs::create_dir_all(&person.home)?;
        let online = |arguments: &[&str]| {
            let mut command = person.candor(arguments);
            command.env("CANDOR_LOG", address(&server));
            measure(&mut command)
        };
        online(&["keygen", "--no-passphrase"])?;
        online(&["publisher", "register", "bench-lab"])?;
        let folder = model.to_str().context("a path in UTF-8")?;
        let measured = online(&["release", folder, "--as", RELEASE, "--out", "model.candor"])?;
        person.released = format!(
            "{:<24} {:>8.3} s, once",
            "candor release",
            measured.time.as_secs_f64()
        );
        server.stop()?;
        Ok(person)
    }

    fn verify(&self, flags: &[&str]) -> anyhow::Result<Measured> {
        let mut command = self.candor(&["verify"]);
        command
            .arg(&self.model)
            .args(["--bundle", "model.candor", "--as", RELEASE])
            .args(flags);
        measure(&mut command)
    }

    fn candor(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("CANDOR_LOG_KEY", &self.log_key)
            .current_dir(&self.home);
        command
    }
}

fn address(server: &Server) -> String {
    format!("http://{}", server.address)
}

fn xargs(model: &Path) -> Command {
    let mut command = Command::new("sh");
    let line = format!(
        "find . -type f -print0 | xargs -0 -n 64 -P {} sha256sum",
        cores()
    );
    // As many to a process as do not keep the other cores from theirs.
    let line = if fs::read_dir(model).map_or(0, Iterator::count) < 64 * cores() {
        line.replace("-n 64", "-n 1")
    } else {
        line
    };
    command.args(["-c", &line]).current_dir(model);
    command
}

fn make_ec_key(path: &Path) -> anyhow::Result<()> {
    let made = Command::new("openssl")
        .args([
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
        ])
        .arg(path)
        .status()?;
    ensure!(made.success(), "openssl makes no key");
    Ok(())
}

fn model_signing(program: &Path, key: &Path, model: &Path, scratch: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["sign", "key"])
        .arg(model)
        .arg("--private_key")
        .arg(key)
        .arg("--signature")
        .arg(scratch.join("model.sig"));
    command
}

/// How long a program runs, and how much memory it takes.
fn measure(command: &mut Command) -> anyhow::Result<Measured> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| command.get_program().display().to_string())?;
    let mut rss_peak_bytes = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It may have ended meanwhile.
        rss_peak_bytes = peak_bytes(child.id()).ok().or(rss_peak_bytes);
        thread::sleep(Duration::from_millis(1));
    };
    let time = begun.elapsed();
    if !status.success() {
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().context("piped")?, &mut said)?;
        bail!("{}: {status}: {said}", command.get_program().display());
    }
    Ok(Measured {
        time,
        rss_peak_bytes,
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
