//! A Postgres of the tests' own: a cluster in a temporary folder, as it comes, with a database for each test.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::Random;
use crate::power::{self, Survives};

/// Postgres does not run as root; this is nobody.
const NOBODY: u32 = 65_534;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running Postgres. It ends with the process that started it, however that ends.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    next_database: AtomicU32,
    /// The shell that stops it when this end of the pipe is closed.
    guard: std::process::Child,
    /// Where it says that Postgres has ended.
    answers: BufReader<ChildStdout>,
    /// What was on its disk before the trace of it began.
    before: Option<power::Disk>,
}

/// What a cluster is kept on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Real,
    Traced,
}

/// A database of its own.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Where it is, for `--database`.
    pub url: String,
}

/// The Postgres that all tests of one process share.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(&[]))
}

impl Database {
    /// The same database, for a server that is to be called `name` there.
    pub fn for_server(&self, name: &str) -> String {
        format!("{}&application_name={name}", self.url)
    }
}

impl Postgres {
    /// Makes a cluster and starts it, with further settings such as `fsync=off`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_on(Disk::Real, settings)
    }

    /// Makes a cluster on a disk whose power can be cut, and starts it.
    pub fn start_traced(settings: &[&str]) -> Self {
        Self::start_on(Disk::Traced, settings)
    }

    fn start_on(disk: Disk, settings: &[&str]) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("candor-pg-")
            .tempdir()
            .expect("a folder for the cluster");
        let owner = fs::metadata(folder.path()).expect("it is there").uid();
        if owner == 0 {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root can give it away");
        }
        let data = folder.path().join("data");
        let mut initdb = as_nobody(owner, &programs.join("initdb"));
        initdb.args([
            "--auth=trust",
            "--username=candor",
            "--encoding=UTF8",
            "--no-locale",
        ]);
        succeed(initdb.arg("--pgdata").arg(&data));
        // The pipe to the shell breaks when this process ends: that is what stops Postgres, if nothing did before.
        let script = r#"folder=$1; shift
            start() { "$@" >>"$folder/log" 2>&1 & pid=$!; }
            start "$@"
            while read -r word; do
                case $word in
                    stop) kill -INT $pid; wait $pid; echo ended ;;
                    crash) kill -QUIT $pid; wait $pid; echo ended ;;
                    start) start "$@" ;;
                esac
            done
            kill -QUIT $pid 2>/dev/null; wait $pid; rm -rf "$folder""#;
        let mut guard = as_nobody(owner, Path::new("/bin/sh"));
        guard.args(["-c", script, "sh"]).arg(folder.path());
        guard.arg(programs.join("postgres")).arg("-D").arg(&data);
        guard.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        guard.arg("-c").arg(format!(
            "unix_socket_directories={}",
            folder.path().display()
        ));
        for setting in settings {
            guard.args(["-c", setting]);
        }
        let mut before = None;
        if disk == Disk::Traced {
            // Where nobody may read it, wherever the sources are.
            let library = folder.path().join("libcandor_faults.so");
            fs::copy(crate::program("libcandor_faults.so"), &library).expect("it is copied");
            guard
                .env("LD_PRELOAD", &library)
                .env("CANDOR_FAULTS_DIR", &data)
                .env("CANDOR_FAULTS_TRACE", folder.path().join("trace"));
            before = Some(power::Disk::load(&data));
        }
        guard.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = guard.spawn().expect("a shell");
        let answers = BufReader::new(guard.stdout.take().expect("it is piped"));
        let postgres = Self {
            folder,
            programs,
            next_database: AtomicU32::new(0),
            guard,
            answers,
            before,
        };
        postgres.wait_until_it_answers();
        postgres
    }

    /// Stops it, as an administrator does for an upgrade.
    pub fn stop(&mut self) {
        self.tell_guard("stop\n");
        self.wait_for_end();
    }

    /// Ends all of its processes at once.
    pub fn crash(&mut self) {
        self.tell_guard("crash\n");
        self.wait_for_end();
    }

    /// The folder with its socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends all of its processes at once, and cuts the power of its disk. Returns how many changes of files there were.
    pub fn cut_power(&mut self, survives: Survives, random: &mut Random) -> usize {
        self.crash();
        let data = self.folder.path().join("data");
        let trace = self.folder.path().join("trace");
        let mut disk = self.before.take().expect("its disk is traced");
        let changes = disk.apply(&trace);
        disk.cut(survives, random, &data);
        if fs::metadata(self.folder.path()).expect("it is there").uid() == NOBODY {
            succeed(Command::new("chown").args(["-R", "65534:65534"]).arg(&data));
        }
        fs::remove_file(&trace).expect("it is removed");
        self.before = Some(power::Disk::load(&data));
        changes
    }

    /// Starts it again, after it was stopped.
    pub fn start_again(&mut self) {
        self.tell_guard("start\n");
        self.wait_until_it_answers();
    }

    fn tell_guard(&mut self, word: &str) {
        let pipe = self.guard.stdin.as_mut().expect("it is open");
        pipe.write_all(word.as_bytes()).expect("the shell reads");
    }

    /// That nobody is answered any more is too early: it still writes and removes files. Behind this it has no process.
    fn wait_for_end(&mut self) {
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the shell answers");
        assert_eq!(answer, "ended\n", "{}", self.log());
    }

    fn wait_until_it_answers(&self) {
        let begun = Instant::now();
        while !self.psql("postgres", "SELECT 1").status.success() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A new, empty database.
    pub fn database(&self) -> Database {
        let n = self.next_database.fetch_add(1, Ordering::Relaxed);
        let name = format!("log_{n}");
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        self.at(&name)
    }

    /// The database of this name.
    pub fn at(&self, name: &str) -> Database {
        Database {
            name: name.to_owned(),
            url: format!(
                "postgres://candor@localhost/{name}?host={}",
                self.folder.path().display()
            ),
        }
    }

    /// Runs SQL in a database, and returns what it answers: columns are separated by `|`.
    pub fn run(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{sql}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("it answers with text");
        text.trim_end().to_owned()
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
        ]);
        psql.arg("--host").arg(self.folder.path());
        psql.args(["--username=candor", "--dbname", database, "--command", sql]);
        psql.output().expect("psql runs")
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(pipe) = self.guard.stdin.take() {
            drop(pipe);
        }
        let _ = self.guard.wait();
    }
}

fn as_nobody(owner: u32, program: &Path) -> Command {
    let mut command = Command::new(program);
    if owner == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/");
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the program runs");
    if !output.status.success() {
        let _ = std::io::stderr().write_all(&output.stderr);
        panic!("{command:?}: {}", output.status);
    }
}

/// The folder with `postgres`, `initdb` and `psql`. Debian keeps them off the path, one folder for each version.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .expect("Postgres is installed: `cargo xtask test` sees to it")
}
