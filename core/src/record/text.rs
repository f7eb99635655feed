//! Text that people compare by eye: no characters that hide, reorder or imitate.

/// Text that can't be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeText {
    /// A control character, such as a newline or an escape.
    #[error("it has the control character U+{0:04X}")]
    Control(u32),
    /// A character that is not seen, or that changes the order of others.
    #[error("it has U+{0:04X}, which is invisible or changes the order of the text around it")]
    Invisible(u32),
    /// Another spelling of the same characters is the standard one.
    #[error("it is not in Unicode normalization form C, so that two spellings would look the same")]
    NotNormalized,
}

/// Refuses control characters, invisible and bidirectional formatting characters, and text that is not in
/// normalization form C.
pub fn check_plain_text(text: &str) -> Result<(), UnsafeText> {
    for c in text.chars() {
        if c.is_control() {
            return Err(UnsafeText::Control(c.into()));
        }
        if is_invisible(c) {
            return Err(UnsafeText::Invisible(c.into()));
        }
    }
    if unicode_normalization::is_nfc(text) {
        Ok(())
    } else {
        Err(UnsafeText::NotNormalized)
    }
}

/// Format characters (Unicode category Cf and line separators) that leave no mark of their own.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
