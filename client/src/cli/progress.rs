//! A bar while files or entries are read, where somebody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::printer::Printer;
use crate::folder;
use crate::log_client::Progress;

/// A bar that is drawn only on a terminal, and is gone when the work is done.
pub struct HashingBar(ProgressBar);

impl HashingBar {
    /// A bar at nothing.
    pub fn new(printer: &Printer) -> Self {
        let target = if printer.shows_progress() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {wide_msg}",
        )
        .expect("the template is right");
        Self(ProgressBar::with_draw_target(Some(0), target).with_style(style))
    }

    /// Shows how far it has come.
    pub fn show(&self, progress: folder::Progress<'_>) {
        self.0.set_length(progress.bytes_total);
        self.0.set_position(progress.bytes);
        self.0.set_message(progress.file.to_string());
    }

    /// Lets something be printed above it.
    pub fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}

/// A bar for the entries of a log that is files alone, gone when all are read.
pub fn entries() -> Progress {
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} entries")
        .expect("the template is right");
    let bar =
        ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style);
    Box::new(move |read, total| {
        bar.set_length(total);
        bar.set_position(read);
        if read == total {
            bar.finish_and_clear();
        }
    })
}

impl Drop for HashingBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
