//! The candor-server that is measured: a process of its own, with a folder of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use candor_server::data_folder::DataFolder;
use candor_server::storage::Storage;
use candor_server::storage::postgres::Postgres;
use candor_server::storage::sqlite::Sqlite;

use crate::http::Connection;
use crate::workload::Workload;

/// Which server is measured, and on what.
pub(crate) struct Target {
    /// The program.
    pub(crate) program: PathBuf,
    /// The database, if not `SQLite`.
    pub(crate) database: Option<String>,
}

/// The candor-server that was built with this program.
pub(crate) fn beside() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows its own path");
    own.with_file_name("candor-server")
}

/// How long a program may take until it listens.
const START_MAX: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    process: Child,
    /// Its base address, as `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// How long it took from the start of the process to its first line.
    pub(crate) start_time: Duration,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Seconds on a core.
    pub(crate) cpu_seconds: f64,
    /// Bytes in memory, at the most so far.
    pub(crate) rss_peak_bytes: u64,
    /// Bytes in memory now.
    pub(crate) rss_bytes: u64,
}

impl Target {
    /// What it writes to.
    pub(crate) fn storage(&self) -> &'static str {
        if self.database.is_some() {
            "postgres"
        } else {
            "sqlite"
        }
    }

    fn command(&self, verb: &str, data: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--data").arg(data);
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command
    }

    /// Makes a new log in `data`, and returns its verifier key.
    pub(crate) fn init(&self, data: &Path) -> anyhow::Result<String> {
        let output = self
            .command("init", data)
            .args(["--origin", "example.org/candor-bench"])
            .output()
            .with_context(|| self.program.display().to_string())?;
        ensure!(
            output.status.success(),
            "candor-server init: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts the log in `data`.
    pub(crate) fn serve(&self, data: &Path, flags: &[&str]) -> anyhow::Result<Server> {
        let lines = data.with_extension("server.log");
        let mut command = self.command("serve", data);
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            // A line for each batch is what an operator has too; it goes to a file.
            .stderr(File::create(&lines)?);
        Server::start(&mut command).with_context(|| fs::read_to_string(&lines).unwrap_or_default())
    }

    /// Registers the publishers of `workload` with the log in `data`, which does not run.
    pub(crate) fn register(
        &self,
        data: &Path,
        workload: &Workload,
        runtime: &tokio::runtime::Runtime,
    ) -> anyhow::Result<()> {
        let server = self.serve(data, &[])?;
        runtime.block_on(async {
            let mut connection = Connection::open(&server.address).await?;
            connection.publish(workload.registrations().into()).await
        })?;
        server.stop()?;
        Ok(())
    }

    /// The storage of the log in `data`, which no server may have open.
    pub(crate) async fn open_storage(&self, data: &Path) -> anyhow::Result<Arc<dyn Storage>> {
        Ok(match &self.database {
            Some(url) => Arc::new(Postgres::open(&url.parse()?).await?),
            None => Arc::new(Sqlite::open(&DataFolder::new(data).database()).await?),
        })
    }
}

impl Server {
    /// The bare part of what answers, with `bytes` bytes: see [`crate::bare`].
    pub(crate) fn bare(bytes: usize) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        Self::start(Command::new(own).args(["bare", &bytes.to_string()]))
    }

    /// The bare part of an answer that is in this file.
    pub(crate) fn bare_like(file: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        Self::start(Command::new(own).args(["bare", "0", "--like"]).arg(file))
    }

    /// Starts a program that prints where it listens.
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout is piped")).read_line(&mut line)?;
        let start_time = begun.elapsed();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let _ = process.wait();
            bail!("{} did not start", command.get_program().display());
        };
        Ok(Self {
            address: address.to_owned(),
            process,
            start_time,
        })
    }

    /// Starts a program that is told where to listen and does not say when it does: waits until it answers.
    pub(crate) fn start_at(address: String, command: &mut Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let process = command.stdout(Stdio::null()).spawn()?;
        let mut server = Self {
            address,
            process,
            start_time: Duration::ZERO,
        };
        while TcpStream::connect(&server.address).is_err() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{} ended: {status}", command.get_program().display());
            }
            ensure!(
                begun.elapsed() < START_MAX,
                "{} does not listen on {} after {START_MAX:?}",
                command.get_program().display(),
                server.address
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        server.start_time = begun.elapsed();
        Ok(server)
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.process.id()));
        let stat = fs::read_to_string(proc.join("stat"))?;
        // Behind the name in parentheses: state is field 3, utime 14, stime 15, in ticks of 10 ms.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .context("a name in parentheses")?
            .1
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Usage {
            cpu_seconds: ticks as f64 / 100.0,
            rss_peak_bytes: status_bytes(self.process.id(), "VmHWM:")?,
            rss_bytes: status_bytes(self.process.id(), "VmRSS:")?,
        })
    }

    /// Stops it in order, and returns how long that took.
    pub(crate) fn stop(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let killed = Command::new("kill")
            .arg(self.process.id().to_string())
            .status()?;
        ensure!(killed.success(), "kill did not reach the server");
        self.process.wait()?;
        Ok(begun.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many bytes a process had in memory, at the most so far.
pub(crate) fn peak_bytes(process: u32) -> anyhow::Result<u64> {
    status_bytes(process, "VmHWM:")
}

fn status_bytes(process: u32, name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.context("a line of /proc/PID/status")?;
    Ok(number.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
