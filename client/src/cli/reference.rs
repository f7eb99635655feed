//! What is around a command, variables and files: for the help and the manual page alike.

use clap_mangen::roff::{Roff, bold, roman};

use super::text::wrapped;

/// How wide the names of the help get before their words begin a line of their own.
const NAME_WIDTH: usize = 30;

/// How wide the words of the help get.
const WORDS_WIDTH: usize = 64;

/// A name and what it is about.
type Entry = (&'static str, &'static str);

/// The variables that [`super::settings`] reads, and the one of the output.
const ENVIRONMENT: [Entry; 9] = [
    ("CANDOR_LOG", "The log's address, as with --log."),
    (
        "CANDOR_LOG_KEY",
        "The log's verifier key, as with --log-key.",
    ),
    (
        "CANDOR_KEY_FILE",
        "Where your signing key is, as with --key.",
    ),
    (
        "CANDOR_KEY",
        "Your signing key itself, in PEM form; not looked at with --key.",
    ),
    (
        "CANDOR_PASSPHRASE",
        "The passphrase of your signing key, where nobody is at a terminal to type it.",
    ),
    (
        "CANDOR_STATE_DIR",
        "Where to remember the checkpoints that were seen, as with --state-dir.",
    ),
    (
        "SOURCE_DATE_EPOCH",
        "The time of documents that are made, in seconds since 1970, in place of now.",
    ),
    (
        "CANDOR_POLICY",
        "The policy that candor verify holds releases against, as with --policy.",
    ),
    ("NO_COLOR", "If set, no colours, as with --color never."),
];

/// The files of the home folder.
const FILES: [Entry; 3] = [
    (
        "~/.config/candor/config.toml",
        "The log that is meant when neither a flag nor a variable names one: a section [log] with url = \"…\" and key = \"…\". A section [verify] with policy = \"…\" names a policy, from the same folder.",
    ),
    (
        "~/.config/candor/key.pem",
        "Your signing key: Ed25519 in PKCS#8 PEM form, encrypted unless you said otherwise.",
    ),
    (
        "~/.local/state/candor",
        "The newest checkpoint that was seen of each log, and evidence against logs.",
    ),
];

/// What exit codes mean.
pub(super) const EXIT_CODES: &str =
    "Exit codes: 0 it holds, 1 it is refuted, 2 wrong usage or bad input, 3 could not tell.";

/// What comes first, if several say something.
const PRECEDENCE: &str = "Flags come before variables, variables before files. XDG_CONFIG_HOME and XDG_STATE_HOME take the place of ~/.config and ~/.local/state.";

/// Both, as they stand in the help.
pub(super) fn help() -> String {
    let mut lines = Vec::new();
    for (title, entries) in [("Environment:", &ENVIRONMENT[..]), ("Files:", &FILES[..])] {
        lines.push(title.to_owned());
        for (name, words) in entries {
            let mut name = *name;
            for line in wrapped(words, WORDS_WIDTH) {
                lines.push(format!("  {name:<NAME_WIDTH$}  {line}"));
                name = "";
            }
        }
        lines.push(String::new());
    }
    lines.extend(wrapped(PRECEDENCE, 2 + NAME_WIDTH + 2 + WORDS_WIDTH));
    lines.push(String::new());
    lines.join("\n")
}

/// Both, and the exit codes, as sections of the manual page.
pub(super) fn roff() -> Roff {
    let mut roff = Roff::new();
    for (title, entries) in [("ENVIRONMENT", &ENVIRONMENT[..]), ("FILES", &FILES[..])] {
        roff.control("SH", [title]);
        for (name, words) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*words)]);
        }
    }
    roff.control("PP", []);
    roff.text([roman(PRECEDENCE)]);
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(EXIT_CODES)]);
    roff
}
