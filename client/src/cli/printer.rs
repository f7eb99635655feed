//! The only place that writes to the terminal: data to stdout, talk to stderr.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::error::ErrorKind;
use serde_json::{Value, json};

use super::args::Color;
use super::error::CliError;
use super::exit::Exit;
use super::text::{Text, Tone, harmless, harmless_json, one_line, without_private_keys};

/// Writes what a command has to say.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about where the output goes"
)]
pub struct Printer {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    json: bool,
    quiet: bool,
    err_is_terminal: bool,
    /// Whether nobody reads stdout any more, as behind `| head`.
    closed: bool,
    /// Why stdout takes no more, unless nobody wants to read on.
    lost: Option<io::Error>,
}

impl Printer {
    /// Writes to the process's own streams.
    pub fn of_process(color: Color, json: bool, quiet: bool) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        };
        Self {
            err_is_terminal: io::stderr().is_terminal(),
            out: Box::new(AutoStream::new(io::stdout(), choice)),
            err: Box::new(AutoStream::new(io::stderr(), choice)),
            json,
            quiet,
            closed: false,
            lost: None,
        }
    }

    /// Whether the answer is to be JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether progress can be drawn: somebody watches, and wants to.
    pub fn shows_progress(&self) -> bool {
        self.err_is_terminal && !self.quiet && !self.json
    }

    /// Whether stdout was closed, so that a command that goes on and on can stop.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Why output was lost, if it was; not because nobody wanted to read on.
    pub fn lost_output(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// A line of what was asked for. Nothing with `--json`, where [`Printer::json`] has the answer.
    pub fn line(&mut self, text: impl Into<Text>) {
        if !self.json {
            let line = render(&text.into());
            self.write_out(line.as_bytes());
        }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.line("");
    }

    /// The answer as JSON; nothing without `--json`.
    pub fn json(&mut self, value: &Value) {
        if self.json {
            let text = serde_json::to_string_pretty(value).expect("a value is JSON");
            self.write_out(harmless_json(&text).as_bytes());
        }
    }

    /// One of many answers, as JSON in one line; nothing without `--json`.
    pub fn json_line(&mut self, value: &Value) {
        if self.json {
            self.write_out(harmless_json(&value.to_string()).as_bytes());
        }
    }

    /// Text that is data as it is, such as a proof, with or without `--json`.
    pub fn verbatim(&mut self, text: &[u8]) {
        self.write_bytes(text);
    }

    /// The same, but not with `--json`, where [`Printer::json`] has it.
    pub fn verbatim_unless_json(&mut self, text: &[u8]) {
        if !self.json {
            self.verbatim(text);
        }
    }

    /// Something worth knowing that was not asked for.
    pub fn note(&mut self, text: impl Into<Text>) {
        if !self.quiet {
            self.write_err(&render(&text.into()));
        }
    }

    /// Something that needs attention, also with `--quiet`.
    pub fn warning(&mut self, text: impl AsRef<str>) {
        self.talk(Tone::Warning, "warning", text.as_ref());
    }

    /// A question, whose answer is typed behind it.
    pub fn question(&mut self, text: &str) {
        let written = write!(self.err, "{}", harmless(text));
        // Nobody is left to answer if stderr is closed.
        let _ = written.and_then(|()| self.err.flush());
    }

    /// Why the command did not do what it should.
    pub fn error(&mut self, error: &CliError) {
        let exit = Exit::of_error(error);
        let hint = error.hint();
        // Where the answer could not be written, an error can't be either.
        let is_lost = matches!(error, CliError::Output(_));
        if self.json && !is_lost {
            let public = |text: &str| without_private_keys(text).into_owned();
            let mut object = json!({ "message": public(&error.to_string()), "exit": exit.code() });
            let context = error.context();
            if !context.is_empty() {
                object["context"] = context.iter().map(|line| public(line)).collect();
            }
            if !hint.is_empty() {
                object["hint"] = public(&hint).into();
            }
            if let Some(Value::Object(details)) = error.details() {
                object.as_object_mut().expect("made above").extend(details);
            }
            self.json(&json!({ "verdict": exit.verdict(), "exit": exit.code(), "error": object }));
            return;
        }
        self.talk(Tone::Bad, "error", &error.to_string());
        for line in error.context() {
            self.indented(&line);
        }
        if !hint.is_empty() {
            self.talk(Tone::Strong, "hint", &hint);
        }
    }

    /// `word: text`. Further lines are indented: what begins a line is the program's own word, and texts repeat
    /// what others wrote.
    fn talk(&mut self, tone: Tone, word: &str, text: &str) {
        let text = without_private_keys(text);
        let (first, more) = text.trim_end().split_once('\n').unwrap_or((&text, ""));
        self.write_err(&render(&Text::of(tone, word).plain(": ").plain(first)));
        self.indented(more);
    }

    fn indented(&mut self, text: &str) {
        for line in without_private_keys(text).lines() {
            self.write_err(&format!("  {}", harmless(line)));
        }
    }

    /// Wrong usage, as the parser of the command line says it; or its help, which was asked for.
    pub fn usage(&mut self, error: &clap::Error) {
        let text = error.render();
        let plain = text.to_string();
        let public = without_private_keys(&plain);
        if !error.use_stderr() {
            self.verbatim(text.ansi().to_string().as_bytes());
        } else if self.json {
            let (message, hint) = usage_words(error.kind(), &public);
            let exit = Exit::BadInput;
            let object = json!({ "message": message, "exit": exit.code(), "hint": hint });
            self.json(&json!({ "verdict": exit.verdict(), "exit": exit.code(), "error": object }));
        } else if harmless(&public) == plain {
            self.write_err(text.ansi().to_string().trim_end());
        } else {
            // It repeats what was typed, and that may have been pasted.
            self.write_err(harmless(&public).trim_end());
        }
    }

    fn write_out(&mut self, line: &[u8]) {
        self.write_bytes(&[line, b"\n"].concat());
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        // A closed pipe is the reader's way to say that it has enough.
        let written = self.out.write_all(bytes);
        if let Err(error) = written.and_then(|()| self.out.flush()) {
            self.closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.lost = Some(error);
            }
        }
    }

    fn write_err(&mut self, line: &str) {
        // Nobody is left to tell that stderr is closed.
        let _ = writeln!(self.err, "{line}");
    }
}

/// What a usage error says, without how it is laid out for a terminal: the error, and what to try.
fn usage_words(kind: ErrorKind, text: &str) -> (String, String) {
    let mut paragraphs = text.split("\n\n").map(|text| one_line(text, usize::MAX));
    // Without a command, the text is all of the help.
    let message = if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        "a command is missing".to_owned()
    } else {
        let first = paragraphs.next().unwrap_or_default();
        first.trim_start_matches("error: ").to_owned()
    };
    let tip = paragraphs.find_map(|text| Some(text.strip_prefix("tip: ")?.to_owned()));
    let hint =
        tip.unwrap_or_else(|| "`candor --help` and `candor COMMAND --help` say how".to_owned());
    (message, hint)
}

fn render(text: &Text) -> String {
    let piece = |(tone, text): &(Tone, String)| {
        let style = style(*tone);
        format!("{style}{text}{style:#}")
    };
    text.pieces.iter().map(piece).collect()
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().bold(),
        Tone::Dim => Style::new().dimmed(),
        Tone::Good => AnsiColor::Green.on_default().bold(),
        Tone::Warning => AnsiColor::Yellow.on_default().bold(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod messages;
