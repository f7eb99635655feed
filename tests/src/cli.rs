//! People at a terminal: each has a home folder of their own, and types commands.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{TestLog, TestPublisher};

/// What stands before the 32 bytes of an Ed25519 key in its PKCS#8 form (RFC 8410, section 10.3).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Where `candor` looks for the signing key, in a home folder.
const KEY_PATH: &str = ".config/candor/key.pem";

/// Somebody with a home folder, which is also where their commands run.
pub struct Person {
    /// Their home folder.
    pub home: PathBuf,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// The command, as it was typed.
    pub line: String,
    /// Its exit code.
    pub code: i32,
    /// What it wrote to stdout, with `[home]` and `[log]` for the paths and addresses of this run.
    pub stdout: String,
    /// What it wrote to stderr, with the same in their place.
    pub stderr: String,
}

impl Person {
    /// Somebody without a key.
    pub fn new(log: &TestLog, name: &str) -> Self {
        let home = log.scratch().join(name);
        fs::create_dir_all(&home).expect("a home folder");
        Self { home }
    }

    /// Somebody whose key is that of the test publisher `name`, the same in every run.
    pub fn with_key(log: &TestLog, name: &str) -> Self {
        let person = Self::new(log, name);
        person.write_key(KEY_PATH, &TestPublisher::new(name));
        person
    }

    /// Somebody with a key, and with their own name registered.
    pub fn registered(log: &TestLog, name: &str) -> Self {
        let person = Self::with_key(log, name);
        person
            .candor(log, &format!("publisher register {name}"))
            .expect_code(0);
        person
    }

    /// Writes the key of `publisher` where `candor` looks for keys, or anywhere else in the home folder.
    pub fn write_key(&self, path: &str, publisher: &TestPublisher) {
        let der = [&PKCS8_HEAD, publisher.key.as_bytes().as_slice()].concat();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(der)
        );
        let path = self.write(path, pem);
        set_mode(&path, 0o600);
    }

    /// Writes a file in the home folder, and returns its whole path.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.join(path);
        let dir = path.parent().expect("a path in the home folder");
        fs::create_dir_all(dir).expect("folders in the home folder");
        fs::write(&path, contents).expect("files in the home folder can be written");
        path
    }

    /// Writes JSON to a file in the home folder.
    pub fn write_json(&self, path: &str, json: &Value) {
        self.write(path, json.to_string());
    }

    /// Reads a file in the home folder.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.home.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The evidence files in their memory of logs, by their whole paths.
    pub fn evidence(&self) -> Vec<PathBuf> {
        let entries = |dir: &Path| {
            let entries = fs::read_dir(dir).expect("a memory of logs");
            entries.map(|entry| entry.expect("an entry").path())
        };
        let mut found: Vec<_> = entries(&self.home.join(".local/state/candor"))
            .flat_map(|log| entries(&log).collect::<Vec<_>>())
            .filter(|path| path.extension().is_some_and(|it| it == "candor-evidence"))
            .collect();
        found.sort();
        found
    }

    /// Runs `candor` with the words of `line`.
    pub fn candor(&self, log: &TestLog, line: &str) -> Ran {
        self.candor_with(log, &line.split_whitespace().collect::<Vec<_>>(), &[])
    }

    /// Runs `candor` with arguments that may have spaces in them.
    pub fn candor_args(&self, log: &TestLog, arguments: &[&str]) -> Ran {
        self.candor_with(log, arguments, &[])
    }

    /// Runs `candor` with further variables in its environment.
    pub fn candor_with(
        &self,
        log: &TestLog,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Ran {
        let mut command = log.candor();
        command
            .args(arguments)
            .env("HOME", &self.home)
            .envs(variables.iter().copied())
            .current_dir(&self.home);
        let line = format!("candor {}", arguments.join(" "));
        let ran = self.run(&mut command, log, line);
        ran.assert_plain();
        ran
    }

    /// Runs `candor` at a terminal, where `typed` is typed. What the terminal shows is all in `stdout`.
    pub fn candor_at_terminal(
        &self,
        log: &TestLog,
        arguments: &[&str],
        variables: &[(&str, &str)],
        typed: &str,
    ) -> Ran {
        let quoted = |word: &str| format!("'{word}'");
        let words: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
        let program = crate::program("candor");
        let line = format!("{} {}", quoted(&program.to_string_lossy()), words.join(" "));
        let mut script = Command::new("script");
        // What is set where the tests run says nothing of this terminal: on CI, colours are shown at any.
        script.env_clear();
        for (name, value) in log.candor().get_envs() {
            if let Some(value) = value {
                script.env(name, value);
            }
        }
        let mut script = script
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("HOME", &self.home)
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs: it is part of util-linux");
        let mut keyboard = script.stdin.take().expect("piped");
        keyboard.write_all(typed.as_bytes()).expect("typed");
        // The keyboard stays until all is said: without it, the terminal hangs up.
        let output = script.wait_with_output().expect("script ends");
        drop(keyboard);
        Ran {
            line,
            code: output.status.code().expect("script ends by itself"),
            stdout: String::from_utf8(output.stdout).expect("candor writes UTF-8"),
            stderr: String::new(),
        }
    }

    fn run(&self, command: &mut Command, log: &TestLog, line: String) -> Ran {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("candor runs");
        let home = self.home.to_str().expect("test folders are UTF-8");
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("candor writes UTF-8")
                .replace(home, "[home]")
                .replace(log.url(), "[log]")
                .replace(&log.key().to_string(), "[log key]")
        };
        Ran {
            line,
            code: status.code().expect("candor ends by itself"),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }
}

impl Ran {
    /// Asserts the exit code, and shows everything if it is another.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often the assertion is all that is wanted"
    )]
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.transcript());
        self
    }

    /// Asserts that the command says `words`, on stdout or stderr.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often the assertion is all that is wanted"
    )]
    #[track_caller]
    pub fn expect_words(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "{words:?} is not in\n{}",
            self.transcript()
        );
        self
    }

    /// Asserts that the command failed with `code`, saying why and what to do next.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often the assertion is all that is wanted"
    )]
    #[track_caller]
    pub fn expect_error(self, code: i32, words: &str) -> Self {
        let ran = self.expect_code(code).expect_words(words);
        for line in ["error: ", "hint: "] {
            assert!(
                ran.stderr.lines().any(|found| found.starts_with(line)),
                "no {line:?} in\n{}",
                ran.transcript()
            );
        }
        ran
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not JSON ({e}):\n{}", self.transcript()))
    }

    /// The whole of it, as a terminal would show it.
    pub fn transcript(&self) -> String {
        let Self {
            line,
            code,
            stdout,
            stderr,
        } = self;
        format!("$ {line}\n{stdout}--- stderr, exit {code}\n{stderr}")
    }

    /// The same with `[time]` in place of each time that a log says.
    pub fn transcript_without_times(&self) -> String {
        let transcript = self.transcript();
        let mut times: Vec<&str> = transcript
            .split_whitespace()
            .map(|word| word.trim_matches([',', ';', '"']))
            .filter(|word| is_time(word))
            .collect();
        times.sort_unstable();
        times.dedup();
        let replaced = |text: String, time: &&str| text.replace(time, "[time]");
        times.iter().fold(transcript.clone(), replaced)
    }

    /// Nothing that a terminal obeys, hides or reorders is ever written where nobody watches.
    fn assert_plain(&self) {
        let is_unsafe = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        for text in [&self.stdout, &self.stderr] {
            if let Some(c) = text.chars().find(|c| is_unsafe(*c)) {
                panic!("{c:?} reached the terminal:\n{:?}", self.transcript());
            }
        }
    }
}

/// Whether it is a time with milliseconds, as logs say them: `2026-11-01T12:34:56.789Z`.
fn is_time(word: &str) -> bool {
    let as_zeros = |c: char| if c.is_ascii_digit() { '0' } else { c };
    word.chars()
        .map(as_zeros)
        .eq("0000-00-00T00:00:00.000Z".chars())
}

/// A small release as a lab has it: card, weights, training config, a folder inside.
pub fn write_release(folder: &Path) {
    let write = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("folders can be made");
        fs::write(path, contents).expect("files can be written");
    };
    write("README.md", CARD.as_bytes());
    write("training_config.yml", CONFIG.as_bytes());
    write("config.json", b"{\"model_type\":\"tiny\"}\n");
    write("tokenizer/vocab.txt", b"a\nb\nc\n");
    write("model.safetensors", &safetensors());
}

const CARD: &str = "\
---
license: apache-2.0
language: [en, de]
tags: [test]
datasets: [example/letters]
base_model: example-lab/tinier
---
# Tiny

## Intended use

Showing that a release can be published and verified.

## Limitations

It knows three letters.
";

const CONFIG: &str = "\
learning_rate: 0.0003
optimizer: adamw
train_batch_size: 8
seed: 42
";

/// A safetensors file with one tensor: the length of its header, the header, the numbers.
fn safetensors() -> Vec<u8> {
    let numbers: Vec<u8> = (0..64_u16)
        .flat_map(|n| f32::from(n).to_le_bytes())
        .collect();
    let header = format!(
        r#"{{"letters":{{"dtype":"F32","shape":[8,8],"data_offsets":[0,{}]}}}}"#,
        numbers.len()
    );
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &numbers,
    ]
    .concat()
}

/// Sets a file's permissions.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions can be set");
}

/// Changes the last byte of a file.
pub fn flip_last_byte(path: &Path) {
    let mut bytes = fs::read(path).expect("the file is there");
    *bytes.last_mut().expect("the file has bytes") ^= 1;
    fs::write(path, bytes).expect("the file can be written");
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("files can be copied");
        }
    }
}
