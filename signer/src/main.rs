//! `candor-signer`: keeps a log's key, and signs the log's checkpoints and its messages.

mod pkcs11;

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use candor_core::note::{LogKey, Origin, VerifierKey};
use candor_signer::{Guard, Key, key_file, serve};
use clap::{Args, Parser, Subcommand};
use cryptoki::types::AuthPin;
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs11::TokenKey;

/// Where the PIN of a token is found, if not in a file.
const PIN_VARIABLE: &str = "CANDOR_PIN";

/// Keeps a log's key, and signs the log's checkpoints for its server.
///
/// Never two trees of one size, and never one that is smaller than what it signed. Beside them it signs the messages by
/// which the server's webhooks tell of records, which can't be taken for checkpoints, and nothing else.
#[derive(Parser)]
#[command(name = "candor-signer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key in a file
    Keygen {
        /// The file, which is not there yet
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Print the log's verifier key
    Show(KeyOptions),
    /// Sign for whoever can open the socket
    Serve {
        #[command(flatten)]
        key: KeyOptions,
        /// The socket to listen on; its group may open it as well as its owner
        #[arg(long, env = "CANDOR_SIGNER_SOCKET", value_name = "FILE")]
        socket: PathBuf,
        /// Where the newest checkpoint that was signed is kept
        #[arg(long, env = "CANDOR_SIGNER_STATE", value_name = "FILE")]
        state: PathBuf,
        /// The key never signed anything: there is no newest checkpoint yet
        #[arg(long)]
        new_log: bool,
    },
}

/// Which key.
#[derive(Args)]
struct KeyOptions {
    /// What the log is called
    #[arg(long, env = "CANDOR_ORIGIN")]
    origin: Origin,
    /// The file with the key: log-key.pem of a log's data folder, or what `keygen` made
    #[arg(
        long,
        env = "CANDOR_SIGNER_KEY",
        value_name = "FILE",
        conflicts_with = "pkcs11_module",
        required_unless_present = "pkcs11_module"
    )]
    key: Option<PathBuf>,
    /// The library of the token that has the key
    #[arg(
        long,
        env = "CANDOR_PKCS11_MODULE",
        value_name = "FILE",
        requires = "token",
        requires = "key_label"
    )]
    pkcs11_module: Option<PathBuf>,
    /// The token's label
    #[arg(long, env = "CANDOR_PKCS11_TOKEN", value_name = "LABEL")]
    token: Option<String>,
    /// The key's label in the token
    #[arg(long, env = "CANDOR_PKCS11_KEY", value_name = "LABEL")]
    key_label: Option<String>,
    /// A file with the token's PIN, which only its owner can read; or else the PIN is in `CANDOR_PIN`
    #[arg(long, env = "CANDOR_PIN_FILE", value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

struct FileKey(SigningKey);

impl Key for FileKey {
    fn sign(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.0.sign(bytes).to_vec())
    }
}

impl KeyOptions {
    fn open(&self) -> anyhow::Result<(Box<dyn Key>, LogKey)> {
        let (key, verifying_key): (Box<dyn Key>, _) = match (&self.key, &self.pkcs11_module) {
            (Some(file), _) => {
                let key = key_file::read(file)?;
                let verifying_key = key.verifying_key();
                (Box::new(FileKey(key)), verifying_key)
            }
            (None, Some(module)) => {
                let token = self.token.as_deref().context("which --token?")?;
                let label = self.key_label.as_deref().context("which --key-label?")?;
                let (key, verifying_key) = TokenKey::open(module, token, label, self.pin()?)?;
                (Box::new(key), verifying_key)
            }
            (None, None) => bail!("which key? Say --key FILE, or --pkcs11-module FILE"),
        };
        let key_name = self.origin.to_key_name();
        Ok((key, VerifierKey::new(key_name, verifying_key).into()))
    }

    fn pin(&self) -> anyhow::Result<AuthPin> {
        let pin = match &self.pin_file {
            Some(file) => key_file::read_secret(file)?.trim_end().to_owned(),
            None => std::env::var(PIN_VARIABLE).with_context(|| {
                format!("the token's PIN is not known: name a file with it, --pin-file, or set {PIN_VARIABLE}")
            })?,
        };
        Ok(AuthPin::new(pin.into()))
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Keygen { key } => key_file::create(&key).map(drop).map_err(Into::into),
        Command::Show(key) => key.open().map(|(_, key)| print(&key.to_string())),
        Command::Serve {
            key,
            socket,
            state,
            new_log,
        } => run(&key, &socket, &state, new_log),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, reason = "what the command was asked for")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn run(key: &KeyOptions, socket: &Path, state: &Path, new_log: bool) -> anyhow::Result<()> {
    let (key, log_key) = key.open()?;
    let guard = Guard::open(state, log_key.clone(), new_log)?;
    let listener = bind(socket).with_context(|| socket.display().to_string())?;
    print(&format!("signing for {log_key} at {}", socket.display()));
    serve(&listener, key, guard)?;
    Ok(())
}

/// Makes the socket, in the place of one that nobody listens on any more.
fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(metadata) = fs::symlink_metadata(socket) {
        if !metadata.file_type().is_socket() {
            bail!("there is a file that is no socket");
        }
        if UnixStream::connect(socket).is_ok() {
            bail!("another signer listens there");
        }
        fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o660))?;
    Ok(listener)
}
