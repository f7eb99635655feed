//! The tables of `docs/performance.md`, from what was measured.

use std::fmt::Write as _;

use super::results::{Results, Row};

/// The machine, in a sentence.
pub(crate) fn machine(results: &Results) -> Option<String> {
    let row = *results.of("machine").last()?;
    Some(format!(
        "Measured with candor {} on {} cores of {}, {} GiB of memory, {}.\n",
        row.text("version"),
        row.shown("cores", 0),
        row.text("processor"),
        row.shown("memory_gib", 0),
        row.text("system"),
    ))
}

/// Publishing.
pub(crate) fn write(results: &Results) -> Option<String> {
    let head = "connections × records in a request | on | records/s | of the bare part | of a handler that only verifies | included after p50 | p99 | p99.9 | server";
    table(head, &results.of("write"), |row| {
        let without = match row.text("catalogue") {
            "none" => ", no catalogue",
            _ => "",
        };
        vec![
            form(row),
            format!("{}{without}", row.text("storage")),
            row.shown("records_per_second", 0),
            format!(
                "{} of {}/s",
                row.shown("of_ceiling", 2),
                row.shown("ceiling", 0)
            ),
            row.shown("of_bare", 2),
            format!("{} ms", row.shown("p50_ms", 1)),
            format!("{} ms", row.shown("p99_ms", 1)),
            format!("{} ms", row.shown("p999_ms", 1)),
            server(row),
        ]
    })
}

/// Reading.
pub(crate) fn read(results: &Results) -> Option<String> {
    let head = "of a log of | on | requests/s | of the bare handler | p50 | p99 | bytes | server";
    table(head, &results.of("read"), |row| {
        vec![
            format!("{}, {} entries", row.text("what"), row.shown("entries", 0)),
            row.text("storage").to_owned(),
            row.shown("requests_per_second", 0),
            row.shown("of_bare", 2),
            format!("{} ms", row.shown("p50_ms", 2)),
            format!("{} ms", row.shown("p99_ms", 2)),
            row.shown("bytes_per_answer", 0),
            format!("{} MiB", row.shown("server_rss_mib", 0)),
        ]
    })
}

/// Pages.
pub(crate) fn pages(results: &Results) -> Option<String> {
    let head =
        "pages | connections | requests/s | of the bare handler | p50 | p99 | bytes | server";
    table(head, &results.of("pages"), |row| {
        vec![
            row.text("what").to_owned(),
            row.shown("connections", 0),
            row.shown("requests_per_second", 0),
            row.shown("of_bare", 2),
            format!("{} ms", row.shown("p50_ms", 2)),
            format!("{} ms", row.shown("p99_ms", 2)),
            row.shown("bytes_per_answer", 0),
            server(row),
        ]
    })
}

/// Growth.
pub(crate) fn grow(results: &Results) -> Option<String> {
    let head =
        "entries | on | records/s | of a core, each | p99 | starts in | memory | bytes an entry";
    table(head, &results.of("grow"), |row| {
        vec![
            row.shown("size", 0),
            row.text("storage").to_owned(),
            row.shown("records_per_second", 0),
            format!("{} µs", row.shown("server_cpu_us_per_record", 0)),
            format!("{} ms", row.shown("p99_ms", 1)),
            format!("{} ms", row.shown("start_ms", 0)),
            format!("{} MiB", row.shown("rss_mib", 0)),
            row.shown("database_bytes_per_entry", 0),
        ]
    })
}

/// Postgres alone.
pub(crate) fn postgres(results: &Results) -> Option<String> {
    let head = "Postgres alone | records in a commit | records/s";
    table(head, &results.of("postgres"), |row| {
        vec![
            row.text("version").to_owned(),
            row.shown("batch", 0),
            row.shown("records_per_second", 0),
        ]
    })
}

/// Checking a folder.
pub(crate) fn hash(results: &Results) -> Option<String> {
    let head = "files | read by | seconds | GB/s | of the bare loop | memory";
    table(head, &results.of("hash"), |row| {
        vec![
            format!(
                "{} of {} bytes",
                row.shown("files", 0),
                row.shown("bytes_each", 0)
            ),
            row.text("what").to_owned(),
            row.shown("seconds", 3),
            row.shown("gigabytes_per_second", 2),
            row.shown("of_bare", 2),
            format!("{} MiB", row.shown("rss_peak_mib", 0)),
        ]
    })
}

/// Beside Tessera.
pub(crate) fn compare(results: &Results) -> Option<String> {
    let head = "connections × records in a request | log | entries/s | per core | answered after p50 | included after p50 | p99 | server | checks before it answers";
    table(head, &results.of("compare"), |row| {
        vec![
            form(row),
            format!("{}, {}", row.text("log"), row.text("settings")),
            row.shown("entries_per_second", 0),
            row.shown("entries_per_core_second", 0),
            format!("{} ms", row.shown("answered_p50_ms", 1)),
            format!("{} ms", row.shown("included_p50_ms", 1)),
            format!("{} ms", row.shown("included_p99_ms", 1)),
            server(row),
            row.text("checks").to_owned(),
        ]
    })
}

fn form(row: &Row) -> String {
    format!(
        "{} × {}",
        row.shown("connections", 0),
        row.shown("records_per_request", 0)
    )
}

fn server(row: &Row) -> String {
    format!(
        "{} cores, {} MiB",
        row.shown("server_cores", 2),
        row.shown("server_rss_mib", 0)
    )
}

/// Nothing if nothing was measured: what the page has stays.
fn table(head: &str, rows: &[&Row], cells: impl Fn(&Row) -> Vec<String>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let columns = head.split(" | ").count();
    let mut text = format!("| {head} |\n|{}\n", " --- |".repeat(columns));
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row).join(" | "));
    }
    Some(text)
}
