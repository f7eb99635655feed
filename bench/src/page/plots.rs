//! The plots of `docs/performance.md`, from what was measured.

use super::chart::{Bar, Lines, Series, bars, lines};
use super::results::{Results, Row, grouped};

/// Records a second by connections, and how long a publisher waits.
pub(crate) fn write(results: &Results) -> Option<String> {
    let rows = on_one_storage(results.of("write"));
    let steps = || rows.iter().map(|row| form(row)).collect();
    let series = |name: &str, field: &str| series(&rows, name, field);
    (!rows.is_empty()).then(|| {
        lines(&[
            Lines {
                title: "Records a second, by connections × records".to_owned(),
                steps: steps(),
                series: vec![
                    series("Candor", "records_per_second"),
                    series("its bare part", "ceiling"),
                ],
            },
            Lines {
                title: "Milliseconds from POST to inclusion".to_owned(),
                steps: steps(),
                series: vec![
                    series("p50", "p50_ms"),
                    series("p99", "p99_ms"),
                    series("p99.9", "p999_ms"),
                    series("most", "max_ms"),
                ],
            },
        ])
    })
}

/// What an entry, memory and starting cost, by the size of the log.
pub(crate) fn grow(results: &Results) -> Option<String> {
    let rows = on_one_storage(results.of("grow"));
    let steps: Vec<String> = rows
        .iter()
        .map(|row| {
            row.number("size")
                .map_or_else(String::new, |size| grouped(size, 0))
        })
        .collect();
    let panel = |title: &str, name: &str, field: &str| Lines {
        title: title.to_owned(),
        steps: steps.clone(),
        series: vec![series(&rows, name, field)],
    };
    (!rows.is_empty()).then(|| {
        lines(&[
            panel(
                "Cost of appending, by entries",
                "microseconds of a core for each record",
                "server_cpu_us_per_record",
            ),
            panel("Memory, by entries", "MiB at the most", "rss_mib"),
            panel("Starting, by entries", "milliseconds", "start_ms"),
        ])
    })
}

/// Entries a second and core, beside Tessera.
pub(crate) fn compare(results: &Results) -> Option<String> {
    let rows = results.of("compare");
    let all: Vec<Bar> = rows
        .iter()
        .filter_map(|row| {
            Some(Bar {
                name: format!(
                    "{}: {}, {}",
                    form(row),
                    row.text("log"),
                    row.text("settings")
                ),
                value: row.number("entries_per_core_second")?,
                own: row.text("log") == "Candor",
            })
        })
        .collect();
    let title = "Durable and included entries a second, for each core of the server";
    (!all.is_empty()).then(|| bars(title, &all))
}

/// One line for each storage would be hard to read: that of the first row, and the table has all.
fn on_one_storage(rows: Vec<&Row>) -> Vec<&Row> {
    let storage = rows.first().map_or("", |row| row.text("storage"));
    rows.into_iter()
        .filter(|row| row.text("storage") == storage && row.text("catalogue") != "none")
        .collect()
}

fn series(rows: &[&Row], name: &str, field: &str) -> Series {
    Series {
        name: name.to_owned(),
        values: rows.iter().map(|row| row.number(field)).collect(),
    }
}

fn form(row: &Row) -> String {
    format!(
        "{}×{}",
        row.shown("connections", 0),
        row.shown("records_per_request", 0)
    )
}
