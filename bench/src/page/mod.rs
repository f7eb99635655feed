//! `docs/performance.md`: its tables and plots are made from the file that the programs wrote, and typed by nobody.
//!
//! ```text
//! <!-- figures: write -->
//! …                        replaced, if the file has such figures
//! <!-- end of figures -->
//! ```
//!
//! The plots stand in a folder beside the page, with the page's name.

mod chart;
mod plots;
mod results;
mod tables;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use self::results::Results;

/// Which page, from what.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// What the programs added with --json
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
    /// The page whose figures are replaced
    #[arg(long, default_value = "docs/performance.md", value_name = "FILE")]
    page: PathBuf,
}

const END: &str = "<!-- end of figures -->";

/// A part of the page: its name, its table, and its plot with what it shows.
struct Part {
    name: &'static str,
    table: fn(&Results) -> Option<String>,
    plot: Option<Plot>,
}

/// A plot, and what it shows, for those who don't see it.
struct Plot {
    draw: fn(&Results) -> Option<String>,
    shows: &'static str,
}

const PARTS: [Part; 8] = [
    Part {
        name: "machine",
        table: tables::machine,
        plot: None,
    },
    Part {
        name: "write",
        table: tables::write,
        plot: Some(Plot {
            draw: plots::write,
            shows: "Records a second beside the bare part, and percentiles of the time to inclusion",
        }),
    },
    Part {
        name: "postgres",
        table: tables::postgres,
        plot: None,
    },
    Part {
        name: "read",
        table: tables::read,
        plot: None,
    },
    Part {
        name: "pages",
        table: tables::pages,
        plot: None,
    },
    Part {
        name: "grow",
        table: tables::grow,
        plot: Some(Plot {
            draw: plots::grow,
            shows: "Cost of appending, memory and time to start, by the size of the log",
        }),
    },
    Part {
        name: "hash",
        table: tables::hash,
        plot: None,
    },
    Part {
        name: "compare",
        table: tables::compare,
        plot: Some(Plot {
            draw: plots::compare,
            shows: "Entries a second and core, beside Tessera",
        }),
    },
];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    write(&options.results, &options.page)
}

/// Replaces the figures of `page` by those in `results`.
pub(crate) fn write(results: &Path, page: &Path) -> anyhow::Result<()> {
    let results = Results::read(results)?;
    let mut text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let folder = page.with_extension("");
    for part in &PARTS {
        let Some(table) = (part.table)(&results) else {
            eprintln!("no figures of {}: what the page has stays", part.name);
            continue;
        };
        let mut block = table;
        if let Some(plot) = &part.plot
            && let Some(drawn) = (plot.draw)(&results)
        {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            let file = folder.join(part.name).with_extension("svg");
            fs::write(&file, drawn).with_context(|| file.display().to_string())?;
            let folder = folder.file_name().unwrap_or_default().display();
            let _ = writeln!(block, "\n![{}]({folder}/{}.svg)", plot.shows, part.name);
        }
        println!("{block}");
        text = replace(&text, part.name, &block)
            .with_context(|| format!("{}: figures of {}", page.display(), part.name))?;
    }
    fs::write(page, text).with_context(|| page.display().to_string())
}

/// `text` with `block` between the marks of `name`.
fn replace(text: &str, name: &str, block: &str) -> anyhow::Result<String> {
    let begin = format!("<!-- figures: {name} -->\n");
    let missing = |mark: &str| format!("the page has no line {:?}", mark.trim());
    let (before, rest) = text.split_once(&begin).with_context(|| missing(&begin))?;
    let (_, after) = rest.split_once(END).with_context(|| missing(END))?;
    Ok(format!("{before}{begin}\n{block}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_replaced_between_their_marks_and_nowhere_else() {
        let page = "a\n<!-- figures: write -->\nold\n<!-- end of figures -->\nb\n";
        let new = replace(page, "write", "new\n").expect("the marks are there");
        let expected = "a\n<!-- figures: write -->\n\nnew\n\n<!-- end of figures -->\nb\n";
        assert_eq!(new, expected);
        assert_eq!(replace(&new, "write", "new\n").expect("again"), expected);
        let error = replace(page, "read", "new").expect_err("no such marks");
        assert!(
            error.to_string().contains("<!-- figures: read -->"),
            "{error}"
        );
    }
}
