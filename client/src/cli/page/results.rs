//! Tables of measured values.

use candor_core::record::kinds::{CardResult, EvaluationResult};
use serde_json::Value;

use crate::cli::text::{grouped, one_line, table};

/// How much of a task's name is shown.
const NAME_CHARS_MAX: usize = 48;

/// How many values are shown: more than a screen of them is for programs.
const ROWS_MAX: usize = 40;

/// What an evaluation measured: a table with only the columns that have something in them.
pub(super) fn evaluation(results: &[EvaluationResult]) -> Vec<String> {
    let has_error = results.iter().any(|result| result.standard_error.is_some());
    let has_samples = results.iter().any(|result| result.samples.is_some());
    let has_shots = results.iter().any(|result| result.few_shot.is_some());
    let count = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
    let row = |result: &EvaluationResult| {
        let (value, error) = rounded(result.value, result.standard_error);
        let error = error.map_or_else(|| "-".to_owned(), |error| format!("± {error}"));
        let cells = [
            (true, one_line(&result.task, NAME_CHARS_MAX)),
            (true, one_line(&result.metric, NAME_CHARS_MAX)),
            (true, value),
            (has_error, error),
            (has_samples, count(result.samples)),
            (has_shots, count(result.few_shot)),
        ];
        cells
            .into_iter()
            .filter_map(|(shown, cell)| shown.then_some(cell))
            .collect()
    };
    let head = [
        (true, "task"),
        (true, "metric"),
        (true, "value"),
        (has_error, "std. error"),
        (has_samples, "samples"),
        (has_shots, "shots"),
    ];
    let head = head
        .into_iter()
        .filter(|&(shown, _cell)| shown)
        .map(|(_shown, cell)| cell.to_owned())
        .collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(results.iter().take(ROWS_MAX).map(row))
        .collect();
    let mut lines = table(&rows);
    lines.extend(more(results.len()));
    lines
}

/// What a model card says was measured.
pub(super) fn card(results: &[CardResult]) -> Vec<String> {
    let mut rows = Vec::new();
    for result in results {
        let dataset = result
            .dataset
            .name
            .as_ref()
            .unwrap_or(&result.dataset.dataset_type);
        for metric in &result.metrics {
            let value = match &metric.value {
                Value::Number(number) => rounded(number.as_f64().unwrap_or(f64::NAN), None).0,
                Value::String(text) => one_line(text, NAME_CHARS_MAX),
                other => one_line(&other.to_string(), NAME_CHARS_MAX),
            };
            let name = metric.name.as_ref().unwrap_or(&metric.metric_type);
            rows.push(vec![
                one_line(dataset, NAME_CHARS_MAX),
                one_line(name, NAME_CHARS_MAX),
                value,
            ]);
        }
    }
    let count = rows.len();
    rows.truncate(ROWS_MAX);
    let mut lines = table(&rows);
    lines.extend(more(count));
    lines
}

fn more(count: usize) -> Option<String> {
    let more = count.checked_sub(ROWS_MAX).filter(|more| *more > 0)?;
    Some(format!("… and {more} more; `--json` shows all"))
}

/// A value with as many digits as its error leaves meaningful: two digits of the error, and the value to the
/// same place. Without an error, six digits.
fn rounded(value: f64, error: Option<f64>) -> (String, Option<String>) {
    let magnitude = |number: f64| number.abs().log10().floor();
    let places = match error {
        Some(error) if error > 0.0 => 1.0 - magnitude(error),
        _ if value == 0.0 => 0.0,
        _ => 5.0 - magnitude(value),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 12 after the clamp"
    )]
    let places = places.clamp(0.0, 12.0) as usize;
    let text = |number: f64| {
        let text = format!("{number:.places$}");
        match error {
            None if text.contains('.') => {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            _ => text,
        }
    };
    (text(value), error.map(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_digits_that_their_error_leaves_meaningful() {
        let text = |value, error| {
            let (value, error) = rounded(value, error);
            error.map_or(value.clone(), |error| format!("{value} ± {error}"))
        };
        assert_eq!(
            text(0.379_002_522_802_251_1, Some(0.006_758_9)),
            "0.3790 ± 0.0068"
        );
        assert_eq!(text(26.021_038_968_851_29, Some(0.941_877)), "26.02 ± 0.94");
        assert_eq!(text(1234.5, Some(250.0)), "1234 ± 250");
        assert_eq!(text(0.751, None), "0.751");
        assert_eq!(text(0.0, None), "0");
        assert_eq!(text(12_345_678.0, None), "12345678");
        assert_eq!(text(0.5, Some(0.0)), "0.500000 ± 0.000000");
    }
}
