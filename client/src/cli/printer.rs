//! The only place that writes to the terminal: data to stdout, talk to stderr.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::args::Color;
use super::error::CliError;
use super::exit::Exit;
use super::text::{Text, Tone, harmless, harmless_json};

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

    /// Writes to `out` and `err`, without colours.
    pub fn to_streams(out: Box<dyn Write>, err: Box<dyn Write>, json: bool, quiet: bool) -> Self {
        Self {
            out: Box::new(anstream::StripStream::new(out)),
            err: Box::new(anstream::StripStream::new(err)),
            json,
            quiet,
            err_is_terminal: false,
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
        self.closed |= self
            .out
            .write_all(text)
            .and_then(|()| self.out.flush())
            .is_err();
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
        let text = Text::of(Tone::Warning, "warning").plain(format!(": {}", text.as_ref()));
        self.write_err(&render(&text));
    }

    /// Why the command did not do what it should.
    pub fn error(&mut self, error: &CliError) {
        let exit = Exit::of_error(error);
        let hint = error.hint();
        if self.json {
            let mut object = json!({ "message": error.to_string(), "exit": exit.code() });
            let context = error.context();
            if !context.is_empty() {
                object["context"] = context.into();
            }
            if !hint.is_empty() {
                object["hint"] = hint.into();
            }
            if let Some(problem) = error.problem() {
                object["problem"] = serde_json::to_value(problem).expect("a problem is JSON");
            }
            self.json(&json!({ "verdict": exit.verdict(), "exit": exit.code(), "error": object }));
            return;
        }
        self.write_err(&render(
            &Text::of(Tone::Bad, "error").plain(format!(": {error}")),
        ));
        for line in error.context() {
            self.write_err(&format!("  {}", harmless(&line)));
        }
        if !hint.is_empty() {
            self.write_err(&render(
                &Text::of(Tone::Strong, "hint").plain(format!(": {hint}")),
            ));
        }
    }

    /// Wrong usage, as the parser of the command line says it; or its help, which was asked for.
    pub fn usage(&mut self, error: &clap::Error) {
        let text = error.render();
        let plain = text.to_string();
        if !error.use_stderr() {
            self.verbatim(text.ansi().to_string().as_bytes());
        } else if self.json {
            let exit = Exit::BadInput;
            let object = json!({ "message": plain.trim_end(), "exit": exit.code() });
            self.json(&json!({ "verdict": exit.verdict(), "exit": exit.code(), "error": object }));
        } else if harmless(&plain) == plain {
            self.write_err(text.ansi().to_string().trim_end());
        } else {
            // It repeats what was typed, and that may have been pasted.
            self.write_err(harmless(&plain).trim_end());
        }
    }

    fn write_out(&mut self, line: &[u8]) {
        // A closed pipe is the reader's way to say that it has enough.
        let written = self
            .out
            .write_all(line)
            .and_then(|()| self.out.write_all(b"\n"));
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
