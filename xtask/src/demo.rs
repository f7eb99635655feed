//! `cargo xtask demo`: what Candor is good for, shown with the real programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, bail, ensure};

use crate::run::{build, root, show, target};

const RELEASE: &str = "example-lab/tiny-lm@1.0.0";
const API_VERSION: &str = "example-lab/tiny-lm-api@2026-11-01";
const BUNDLE: &str = "tiny-lm-1.0.0.candor";

/// What happens when all is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Keeps serving until it is interrupted.
    KeepServing,
    /// Stops.
    Stop,
}

/// Builds both programs, and plays the people who use them.
pub(crate) fn demo(after: After) -> anyhow::Result<()> {
    build()?;
    let folder = target().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder)?;

    println!("\nA log");
    let mut log = Log::init(&folder.join("log"))?;
    log.serve(port(after))?;
    done(&format!("a log runs at {}", log.url));

    let lab = Person::new(&folder, "lab", &log)?;
    let auditor = Person::new(&folder, "auditor", &log)?;
    let rewritten = register(&lab, &mut log, &folder)?;
    let model = publish(&lab, &folder)?;
    evaluate(&Person::new(&folder, "evaluator", &log)?)?;
    audit(&auditor, &model, &lab.home.join(BUNDLE))?;
    let evidence = rewrite(rewritten, &lab, &auditor, &folder)?;
    judge(&auditor, &Person::new(&folder, "witness", &log)?, &evidence)?;

    println!("\nThe page");
    ensure!(page_answers(&log.url)?, "the page does not answer");
    done(&format!("{}/ answers", log.url));

    println!("\nAll of the demo's checks passed.");
    if after == After::KeepServing {
        println!(
            "\nThe log keeps serving at {}/ until you press Ctrl-C. Look around:",
            log.url
        );
        println!("  export CANDOR_LOG={} CANDOR_LOG_KEY={}", log.url, log.key);
        println!(
            "  {} show {RELEASE}",
            target().join("debug/candor").display()
        );
        log.wait()?;
    }
    Ok(())
}

/// The lab takes a name. Returns a copy of the log as it was then, which somebody will give another history.
fn register(lab: &Person, log: &mut Log, folder: &Path) -> anyhow::Result<Log> {
    println!("\nA lab publishes a release");
    lab.candor(&["keygen", "--no-passphrase"])?;
    lab.candor(&[
        "publisher",
        "register",
        "example-lab",
        "--display-name",
        "Example Lab",
    ])?;
    done("the lab has registered its name and key");
    log.copy_while_stopped(&folder.join("rewritten"))
}

/// The lab publishes a folder, and what answers behind its API. Returns the folder.
fn publish(lab: &Person, folder: &Path) -> anyhow::Result<PathBuf> {
    let model = folder.join("tiny-lm");
    make_release(&model)?;
    lab.candor(&["release", text(&model), "--as", RELEASE])?;
    ensure!(
        lab.home.join(BUNDLE).exists(),
        "the release wrote no {BUNDLE}"
    );
    done(
        "card, weights and training config are in the log; their proofs are in tiny-lm-1.0.0.candor",
    );
    lab.candor(&[
        "publish",
        text(&api_version()),
        "--kind",
        "api-version",
        "--as",
        API_VERSION,
    ])?;
    done("what answers behind its API is in the log");
    Ok(model)
}

fn evaluate(evaluator: &Person) -> anyhow::Result<()> {
    println!("\nSomebody else evaluates it");
    evaluator.candor(&["keygen", "--no-passphrase"])?;
    evaluator.candor(&[
        "publisher",
        "register",
        "example-evals",
        "--display-name",
        "Example Evals",
    ])?;
    let results = root().join("xtask/demo/results.json");
    evaluator.candor(&[
        "publish",
        text(&results),
        "--as",
        RELEASE,
        "--author",
        "example-evals",
    ])?;
    done("an evaluation of the release, signed by its author, is in the log");
    Ok(())
}

fn audit(auditor: &Person, model: &Path, bundle: &Path) -> anyhow::Result<()> {
    println!("\nAn auditor checks");
    let verify = ["verify", text(model), "--bundle", text(bundle), "--offline"];
    auditor.candor(&verify)?;
    done("the folder is the release, proven offline with the bundle and the log's key alone");
    let weights = model.join("model.safetensors");
    flip_last_byte(&weights)?;
    auditor.candor_refuses(&verify, 1, "model.safetensors")?;
    done("one byte of the weights changed: refused, and the file is named");
    flip_last_byte(&weights)?;
    auditor.candor(&verify)?;
    auditor.candor(&["checkpoint"])?;
    done(
        "the byte put back: good again; and the auditor remembers the newest checkpoint of the log",
    );
    Ok(())
}

/// The log's operator, with the lab's help, tells the auditor another history. Returns the evidence of it.
fn rewrite(
    mut rewritten: Log,
    lab: &Person,
    auditor: &Person,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    println!("\nThe log is rewritten");
    rewritten.serve("127.0.0.1:0")?;
    let forger = Person::new(folder, "forger", &rewritten)?;
    for version in 0..9 {
        let name = format!("example-lab/other-history-api@{version}");
        let key = lab.home.join(".config/candor/key.pem");
        let (file, key) = (api_version(), text(&key).to_owned());
        forger.candor(&[
            "publish",
            text(&file),
            "--kind",
            "api-version",
            "--as",
            &name,
            "--key",
            &key,
        ])?;
    }
    auditor.candor_refuses(&["checkpoint", "--log", &rewritten.url], 1, "evidence")?;
    done("another history under the same key: refused, and both checkpoints are kept as evidence");
    let state = auditor.home.join(".local/state/candor");
    let log = fs::read_dir(state)?
        .next()
        .context("a memory of the log")??;
    Ok(log.path().join("fork-1.candor-evidence"))
}

/// The evidence convinces somebody who was not there; and for the auditor the log is no longer one.
fn judge(auditor: &Person, witness: &Person, evidence: &Path) -> anyhow::Result<()> {
    witness.candor_refuses(&["verify", text(evidence)], 1, "signed two histories")?;
    done("the evidence by itself convinces a witness, who has the log's key and nothing else");
    auditor.candor_refuses(&["checkpoint"], 1, "as was found earlier")?;
    done("and shown its first history again, the auditor still refuses the log");
    Ok(())
}

fn api_version() -> PathBuf {
    root().join("xtask/demo/api-version.json")
}

fn done(what: &str) {
    println!("  passed  {what}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the demo's paths are UTF-8")
}

/// The usual port for people who want to look at the page, if nobody has it; any free one otherwise.
fn port(after: After) -> &'static str {
    const USUAL: &str = "127.0.0.1:3270";
    let is_free = TcpListener::bind(USUAL).is_ok();
    if after == After::KeepServing && is_free {
        USUAL
    } else {
        "127.0.0.1:0"
    }
}

/// A log and its server.
struct Log {
    data: PathBuf,
    key: String,
    server: Option<Child>,
    url: String,
}

impl Log {
    fn init(data: &Path) -> anyhow::Result<Self> {
        let mut init = Command::new(target().join("debug/candor-server"));
        init.args([
            "init",
            "--origin",
            "example.org/candor-demo",
            "--data",
            text(data),
        ]);
        let output = succeed(&mut init)?;
        let key = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Self {
            data: data.to_owned(),
            key,
            server: None,
            url: String::new(),
        })
    }

    fn serve(&mut self, listen: &str) -> anyhow::Result<()> {
        let log_lines = fs::File::create(self.data.with_extension("server.log"))?;
        let mut server = Command::new(target().join("debug/candor-server"))
            .args(["serve", "--listen", listen, "--data", text(&self.data)])
            .stdout(Stdio::piped())
            .stderr(log_lines)
            .spawn()
            .context("candor-server starts")?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("stdout is piped")).read_line(&mut line)?;
        self.server = Some(server);
        let url = line.trim().strip_prefix("listening on ");
        self.url = url
            .with_context(|| format!("candor-server did not start; see {}", self.data.display()))?
            .to_owned();
        Ok(())
    }

    /// A copy of the log as it is, for somebody who wants to give it another future.
    fn copy_while_stopped(&mut self, to: &Path) -> anyhow::Result<Self> {
        self.stop();
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(&self.data)? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        // On the address that it had, so that whoever knows it finds it again.
        let address = self.url.trim_start_matches("http://").to_owned();
        self.serve(&address)?;
        Ok(Self {
            data: to.to_owned(),
            key: self.key.clone(),
            server: None,
            url: String::new(),
        })
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        if let Some(server) = &mut self.server {
            server.wait()?;
        }
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Somebody with a home folder of their own.
struct Person {
    home: PathBuf,
    url: String,
    log_key: String,
}

impl Person {
    fn new(folder: &Path, name: &str, log: &Log) -> anyhow::Result<Self> {
        let home = folder.join(name);
        fs::create_dir_all(&home)?;
        Ok(Self {
            home,
            url: log.url.clone(),
            log_key: log.key.clone(),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(target().join("debug/candor"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("CANDOR_LOG", &self.url)
            .env("CANDOR_LOG_KEY", &self.log_key)
            .current_dir(&self.home);
        command
    }

    fn candor(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        println!("  $ {}", show(&command));
        succeed(&mut command)?;
        Ok(())
    }

    /// Runs a command that has to exit with `code` and say `word`.
    fn candor_refuses(&self, arguments: &[&str], code: i32, word: &str) -> anyhow::Result<()> {
        let mut command = self.command(arguments);
        println!("  $ {}", show(&command));
        let output = command.output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        for line in said.lines() {
            println!("    {line}");
        }
        ensure!(
            output.status.code() == Some(code),
            "{} should exit with {code}: {}",
            show(&command),
            output.status
        );
        ensure!(said.contains(word), "{} should name {word}", show(&command));
        Ok(())
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| show(command))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!(
            "{}: {}\n{}",
            show(command),
            output.status,
            String::from_utf8_lossy(&said)
        );
    }
    Ok(output)
}

/// A folder as a lab has it: the files that the demo carries, and weights.
fn make_release(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for name in ["README.md", "config.json", "training_config.yml"] {
        fs::copy(
            root().join("xtask/demo/tiny-lm").join(name),
            folder.join(name),
        )?;
    }
    fs::write(folder.join("model.safetensors"), safetensors())?;
    Ok(())
}

/// A safetensors file: the length of its header, the header, the tensors.
fn safetensors() -> Vec<u8> {
    let tensors = [
        ("embedding.weight", [128, 16]),
        ("layers.0.weight", [16, 16]),
        ("layers.1.weight", [16, 16]),
    ];
    let tensors = tensors.into_iter().chain([("head.weight", [114, 16])]);
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, [rows, columns]) in tensors {
        let begin = data.len();
        for n in 0..rows * columns {
            // Numbers between -1 and 1 that look like weights, and are the same in every run.
            let value = f64::from(n * 40_503 % 65_537) / 32_768.5 - 1.0;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "weights are single precision"
            )]
            data.extend_from_slice(&(value as f32).to_le_bytes());
        }
        let end = data.len();
        entries.push(format!(
            r#""{name}":{{"dtype":"F32","shape":[{rows},{columns}],"data_offsets":[{begin},{end}]}}"#
        ));
    }
    let mut header = format!("{{{}}}", entries.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_slice(),
        &data,
    ]
    .concat()
}

fn flip_last_byte(file: &Path) -> anyhow::Result<()> {
    let mut bytes = fs::read(file)?;
    *bytes.last_mut().context("the file has bytes")? ^= 1;
    fs::write(file, bytes)?;
    Ok(())
}

fn page_answers(url: &str) -> anyhow::Result<bool> {
    let address = url
        .strip_prefix("http://")
        .context("the demo's log speaks HTTP")?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200") && answer.contains(RELEASE))
}
