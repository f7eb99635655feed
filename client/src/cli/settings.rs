//! What is meant: flags, environment and configuration file, put together.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use candor_core::note::{LogKey, NextLog, Origin, Retirement};
use etcetera::base_strategy::Xdg;
use zeroize::Zeroizing;

use super::args::Common;
use super::error::CliError;
use super::progress;
use crate::config::Config;
use crate::hashing::Known;
use crate::keys::{KeyError, KeyPem, SecretKey};
use crate::log_client::{LogClient, LogUrl};
use crate::memory::Memory;
use crate::transport::{FolderTransport, HttpTransport, Transport};

/// The passphrase of encrypted keys, for machines.
const PASSPHRASE_VARIABLE: &str = "CANDOR_PASSPHRASE";

/// The key itself, for machines.
const KEY_VARIABLE: &str = "CANDOR_KEY";

/// The time of all that a reproducible build makes, in seconds since 1970.
/// <https://reproducible-builds.org/specs/source-date-epoch/>
const EPOCH_VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// The last second of the year 9999, the last that RFC 3339 can write.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads an environment variable.
pub type Variable = Box<dyn Fn(&str) -> Option<String>>;

/// Asks somebody for a passphrase.
pub type Ask = Box<dyn Fn(&str) -> Option<Zeroizing<String>>>;

/// Reads somebody's answer; `None` if there is no reading it.
pub type Answer = Box<dyn Fn() -> Option<String>>;

/// What a command finds around it. Tests put their own in its place.
pub struct Surroundings {
    /// Reads an environment variable.
    pub variable: Variable,
    /// Opens the way to a log.
    pub transport: Box<dyn Fn() -> Box<dyn Transport>>,
    /// Asks the person at the terminal for a passphrase; `None` if nobody is there.
    pub ask: Ask,
    /// Reads what the person at the terminal answers, if somebody is there.
    pub answer: Option<Answer>,
    /// Where configuration is kept: `$XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// Where state is kept: `$XDG_STATE_HOME`.
    pub state_home: Option<PathBuf>,
}

/// What is meant.
pub struct Settings {
    flags: Common,
    config: Config,
    around: Surroundings,
    shows_progress: bool,
    /// The log to go on with, where the one that is meant is retired.
    went_on_in: Option<NextLog>,
    known: OnceLock<Option<Known>>,
}

impl Surroundings {
    /// Those of the process.
    pub fn of_process() -> Self {
        let xdg = Xdg::new().ok();
        Self {
            // An empty variable is one that is not set, as shells and CI systems write it.
            variable: Box::new(|name| std::env::var(name).ok().filter(|value| !value.is_empty())),
            transport: Box::new(|| Box::new(HttpTransport::new())),
            ask: Box::new(|prompt| rpassword::prompt_password(prompt).ok().map(Zeroizing::new)),
            answer: std::io::stdin().is_terminal().then(|| {
                Box::new(|| {
                    let mut line = String::new();
                    std::io::stdin().read_line(&mut line).ok()?;
                    Some(line)
                }) as Answer
            }),
            config_home: xdg.as_ref().map(etcetera::BaseStrategy::config_dir),
            state_home: xdg.as_ref().and_then(etcetera::BaseStrategy::state_dir),
        }
    }
}

impl Settings {
    /// Reads the configuration file, and keeps the rest for when it is needed.
    pub fn new(flags: Common, around: Surroundings) -> Result<Self, CliError> {
        let config = match &around.config_home {
            Some(home) => Config::read(&home.join("candor/config.toml"))?,
            None => Config::default(),
        };
        Ok(Self {
            flags,
            config,
            around,
            shows_progress: false,
            went_on_in: None,
            known: OnceLock::new(),
        })
    }

    /// Whether somebody watches, and wants to see how far it has come.
    pub fn show_progress(&mut self, shows_progress: bool) {
        self.shows_progress = shows_progress;
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.around.variable)(name)
    }

    /// Reads what the person at the terminal answers, if somebody is there.
    pub fn answer(&self) -> Option<&Answer> {
        self.around.answer.as_ref()
    }

    /// The key that the log is held to.
    pub fn log_key(&self) -> Result<LogKey, CliError> {
        if let Some(next) = &self.went_on_in {
            return Ok(next.key.clone());
        }
        let text = self
            .flags
            .log_key
            .clone()
            .or_else(|| self.variable("CANDOR_LOG_KEY"));
        match text {
            Some(text) => text.trim().parse().map_err(CliError::LogKey),
            None => self.config.log.key.clone().ok_or(CliError::NoLogKey),
        }
    }

    /// Where the log is, if that is named.
    pub fn log_url(&self) -> Result<Option<LogUrl>, CliError> {
        let configured = || self.config.log.url.clone();
        let next = self.went_on_in.as_ref().map(|next| next.url().to_owned());
        let url = next
            .or_else(|| self.flags.log.clone())
            .or_else(|| self.variable("CANDOR_LOG"))
            .or_else(configured);
        Ok(url.map(|url| url.parse()).transpose()?)
    }

    /// The time of a document that is made: the one that is set for reproducible builds, or else now.
    pub fn document_time(&self) -> Result<SystemTime, CliError> {
        let set = self.variable(EPOCH_VARIABLE);
        let seconds = match &set {
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Some(_) => None,
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .map(|it| it.as_secs()),
        };
        let seconds = seconds.filter(|seconds| *seconds <= LAST_SECOND);
        seconds
            .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
            .ok_or_else(|| CliError::Usage {
                what: match set {
                    Some(text) => format!("{EPOCH_VARIABLE} is {text:?}, which is no time"),
                    None => "the clock of this machine shows no time from 1970 to 9999".to_owned(),
                },
                hint: format!("set {EPOCH_VARIABLE} to seconds since 1970, in digits alone, or set the clock right"),
            })
    }

    /// A client of the log. There is none of a log that was caught with two histories: some answers are the
    /// log's word alone, and none of those counts either.
    pub fn client(&self) -> Result<LogClient, CliError> {
        let url = self.log_url()?.ok_or(CliError::NoLog)?;
        let key = self.log_key()?;
        // Without a place for what was seen, nothing was.
        if let Ok(memory) = self.memory() {
            memory.newest(&key)?;
        }
        let transport: Box<dyn Transport> = if url.is_folder() {
            Box::new(FolderTransport)
        } else {
            (self.around.transport)()
        };
        let mut client = LogClient::new(url, key, transport);
        if let Ok(memory) = self.memory() {
            let dir = memory.dir_of(client.key());
            client = client.with_cache(dir);
        }
        if self.shows_progress {
            client = client.with_progress(progress::entries());
        }
        Ok(client)
    }

    /// The log's last checkpoint, if that was seen.
    pub fn retirement(&self) -> Option<(Origin, Retirement)> {
        let (key, memory) = (self.log_key().ok()?, self.memory().ok()?);
        let newest = memory.newest(&key).ok()??;
        let retirement = newest.checkpoint.retirement.clone()?;
        Some((key.origin(), retirement))
    }

    /// Goes on with the log that follows the one that is meant.
    pub fn go_on_in(&mut self, next: NextLog) {
        self.went_on_in = Some(next);
    }

    /// What was seen of logs before.
    pub fn memory(&self) -> Result<Memory, CliError> {
        self.state_dir().map(Memory::new).ok_or(CliError::NoHome)
    }

    /// The digests of files that were read before.
    pub fn known_digests(&self) -> Option<&Known> {
        let load = || Some(Known::load(&self.state_dir()?.join("digests")));
        self.known.get_or_init(load).as_ref()
    }

    fn state_dir(&self) -> Option<PathBuf> {
        let flag = self.flags.state_dir.clone();
        flag.or_else(|| self.variable("CANDOR_STATE_DIR").map(PathBuf::from))
            .or_else(|| Some(self.around.state_home.as_ref()?.join("candor")))
    }

    /// The policy that releases are held against, unless a flag names another: by the variable, else by the configuration
    /// file, from whose folder it is.
    pub fn policy(&self) -> Option<PathBuf> {
        let configured = || {
            let home = self.around.config_home.as_ref()?;
            Some(
                home.join("candor")
                    .join(self.config.verify.policy.as_ref()?),
            )
        };
        let variable = self.variable("CANDOR_POLICY").map(PathBuf::from);
        variable.or_else(configured)
    }

    /// Where the signing key is, or a new one goes.
    pub fn key_path(&self) -> Result<PathBuf, CliError> {
        let flag = self.flags.key.clone();
        flag.or_else(|| self.variable("CANDOR_KEY_FILE").map(PathBuf::from))
            .or_else(|| Some(self.around.config_home.as_ref()?.join("candor/key.pem")))
            .ok_or(CliError::NoHome)
    }

    /// The signing key: the file of `--key`, else the key in the environment, else the usual file.
    pub fn secret_key(&self) -> Result<SecretKey, CliError> {
        let in_variable = self
            .variable(KEY_VARIABLE)
            .filter(|_| self.flags.key.is_none());
        let pem = match in_variable {
            Some(text) => KeyPem::from_variable(KEY_VARIABLE, text),
            None => KeyPem::read(&self.key_path()?)?,
        };
        Ok(self.open(&pem)?)
    }

    /// Another key, by its file.
    pub fn secret_key_in(&self, path: &Path) -> Result<SecretKey, CliError> {
        Ok(self.open(&KeyPem::read(path)?)?)
    }

    fn open(&self, pem: &KeyPem) -> Result<SecretKey, KeyError> {
        if !pem.is_encrypted() {
            return pem.open(None);
        }
        let passphrase = self.passphrase(pem.source());
        pem.open(passphrase.as_ref().map(|text| text.as_str()))
    }

    /// The passphrase of a key: from the environment, or typed; `None` if nobody is there.
    pub fn passphrase(&self, source: &str) -> Option<Zeroizing<String>> {
        let passphrase = self.variable(PASSPHRASE_VARIABLE).map(Zeroizing::new);
        passphrase.or_else(|| (self.around.ask)(&format!("Passphrase for {source}: ")))
    }

    /// A passphrase for a new key: from the environment, or typed twice.
    pub fn new_passphrase(&self) -> Result<Zeroizing<String>, KeyError> {
        if let Some(passphrase) = self.variable(PASSPHRASE_VARIABLE) {
            return Ok(Zeroizing::new(passphrase));
        }
        let ask = |prompt| (self.around.ask)(prompt).ok_or(KeyError::NoPassphraseForNewKey);
        let first = ask("Passphrase for the new key: ")?;
        if first.is_empty() {
            return Err(KeyError::EmptyPassphrase);
        }
        if *ask("The same again: ")? == *first {
            Ok(first)
        } else {
            Err(KeyError::PassphrasesDiffer)
        }
    }
}
