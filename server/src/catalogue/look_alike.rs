//! Names that could be taken for others.
//!
//! A publisher's name is lower-case ASCII, so most of what Unicode Technical Standard 39 is about can't happen in one;
//! what people call it may be any text. Both are reduced to a skeleton, by the standard and by what looks alike within
//! ASCII, and two publishers with one skeleton look alike. <https://www.unicode.org/reports/tr39/#Confusable_Detection>
//!
//! Nothing is refused for it: which of two labs has the right to a name is nothing that a program can know. Pages and
//! answers say whom a later one could be taken for.

use unicode_security::confusable_detection::skeleton;

/// What in lower-case ASCII looks like something else there. UTS 39 knows these only for some fonts, or not at all.
const LOOKS_LIKE: [(&str, &str); 10] = [
    ("vv", "w"),
    ("rn", "m"),
    ("cl", "d"),
    ("0", "o"),
    ("1", "l"),
    ("i", "l"),
    ("5", "s"),
    ("2", "z"),
    ("8", "b"),
    ("9", "g"),
];

/// What a name looks like, with punctuation left out. Names with one skeleton look alike.
pub(super) fn skeleton_of(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    // The standard's skeletons have capitals: 0 becomes O.
    let mut found: String = skeleton(&kept).collect::<String>().to_lowercase();
    found.retain(char::is_alphanumeric);
    for (looks, like) in LOOKS_LIKE {
        found = found.replace(looks, like);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (name, like) in [
            ("metaai", "meta-ai"),
            ("meta-a1", "meta-ai"),
            ("rneta-ai", "meta-ai"),
            ("ope n-ai", "openai"),
            ("0penai", "openai"),
            ("m\u{435}ta-ai", "meta-ai"),
            ("Ｍｅｔａ ＡＩ", "meta-ai"),
            ("deeprnind", "deepmind"),
            ("exarnple-1ab", "example-lab"),
        ] {
            assert_eq!(skeleton_of(name), skeleton_of(like), "{name} and {like}");
        }
    }

    #[test]
    fn other_names_have_others() {
        let names = [
            "meta-ai",
            "eleutherai",
            "example-lab",
            "examples-lab",
            "mistralai",
            "ai-meta",
        ];
        for (n, name) in names.iter().enumerate() {
            for other in &names[n + 1..] {
                assert_ne!(skeleton_of(name), skeleton_of(other));
            }
        }
    }
}
