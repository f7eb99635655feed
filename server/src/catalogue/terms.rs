//! What is searched: a document is a set of terms, and a question asks which of them it has.
//!
//! ```text
//! names, facts, text ──► words ──► terms ──► what the database keeps of a document
//! what somebody types ──► words ──► Question ──► FTS5's or Postgres' own syntax
//! ```
//!
//! Words are taken apart here, and not by the databases, which would each do it in a way of its own: what a database
//! is given is plain ASCII that no tokenizer changes. So every engine finds the same, in the same order.
//!
//! Always: a term is made of `a-z`, `0-9` and `_`, so no question can be more than a question.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use candor_core::Sha256;
use candor_core::record::Kind;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::calendar::Day;

/// The longest term, in bytes: Postgres keeps at most 2,046 of one.
const TERM_BYTES_MAX: usize = 400;

/// The longest word, in characters. What goes on for longer is no word.
const WORD_CHARS_MAX: usize = 64;

/// How many different words of one document's text are kept: what is behind them is found by its name only.
const TEXT_WORDS_MAX: usize = 20_000;

/// How many bytes of terms one document has, and how many of them may be words, so that there is room for what filters
/// ask for. Postgres keeps a mebibyte of them, and what is beyond it damages the rest without an error.
const DOCUMENT_BYTES_MAX: usize = 768 << 10;
const WORDS_BYTES_MAX: usize = 512 << 10;

/// How many words of a question count.
const QUESTION_WORDS_MAX: usize = 16;

/// How much a place says about what a document is. What is found in a stronger place comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Its name, and its publisher's.
    Name,
    /// What it says of itself in a word: licence, tags, task, data sets.
    Fact,
    /// What is written about it.
    Text,
}

impl Place {
    /// From the strongest to the weakest.
    pub const ALL: [Self; 3] = [Self::Name, Self::Fact, Self::Text];

    /// What a word's term begins with, so that questions can be about this place and all stronger ones.
    fn mark(self) -> char {
        match self {
            Self::Name => '1',
            Self::Fact => '2',
            Self::Text => '3',
        }
    }
}

/// What a document can be asked for beside its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// It has a record of this kind.
    Kind(Kind),
    /// It is this publisher's.
    Publisher(String),
    /// It comes under this licence.
    Licence(String),
    /// It has this tag.
    Tag(String),
    /// It is made from this model or release, by whatever name.
    Base(String),
    /// It is made for this task, or was evaluated on it.
    Task(String),
    /// It is the newest release of its model.
    Newest,
    /// It was logged in this year.
    Year(i32),
    /// It was logged in this month.
    Month(i32, u8),
    /// It was logged on this day.
    Day(i32, u8, u8),
}

/// The years that questions without a beginning or an end are about.
const YEARS: (i32, i32) = (1970, 2199);

impl Filter {
    /// Those of which a document has one that was logged between two days, both included. None, if there is no such
    /// day.
    pub fn days(since: Option<Day>, until: Option<Day>) -> Vec<Self> {
        let day = |year, month, day| Day { year, month, day };
        let until = until
            .unwrap_or(day(YEARS.1, 12, 31))
            .min(day(YEARS.1, 12, 31));
        let mut at = since.unwrap_or(day(YEARS.0, 1, 1));
        let mut filters = Vec::new();
        while at <= until {
            let year_ends = day(at.year, 12, 31);
            let (filter, last) = if (at.month, at.day) == (1, 1) && year_ends <= until {
                (Self::Year(at.year), year_ends)
            } else if at.day == 1 && at.month_ends() <= until {
                (Self::Month(at.year, at.month), at.month_ends())
            } else {
                (Self::Day(at.year, at.month, at.day), at)
            };
            filters.push(filter);
            match last.next() {
                Some(next) => at = next,
                None => break,
            }
        }
        filters
    }

    /// The term of documents that pass.
    pub fn term(&self) -> String {
        match self {
            Self::Kind(kind) => term("fk", kind.name()),
            Self::Publisher(name) => term("fp", name),
            Self::Licence(licence) => term("fl", &folded(licence)),
            Self::Tag(tag) => term("ft", &folded(tag)),
            Self::Base(base) => term("fb", &folded(base)),
            Self::Task(task) => term("fa", &folded(task)),
            Self::Newest => "fn".to_owned(),
            Self::Year(year) => format!("fy{year:04}"),
            Self::Month(year, month) => format!("fm{year:04}{month:02}"),
            Self::Day(year, month, day) => format!("fd{year:04}{month:02}{day:02}"),
        }
    }
}

/// The terms of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    terms: BTreeSet<String>,
    /// How long all of them are.
    bytes: usize,
}

impl Terms {
    /// Adds the words of `text`, found at `place` and as part of all that is weaker.
    pub fn add_text(&mut self, place: Place, text: &str) {
        for word in words(text).take(TEXT_WORDS_MAX) {
            for weaker in Place::ALL.into_iter().filter(|it| *it >= place) {
                self.insert(word_term(weaker, &word), WORDS_BYTES_MAX);
            }
        }
    }

    /// Adds a name, which is found with and without what stands between its words.
    pub fn add_name(&mut self, name: &str) {
        self.add_text(Place::Name, name);
        let joined: String = words(name).collect();
        self.add_text(Place::Name, &joined);
    }

    /// Adds what a filter asks for.
    pub fn add(&mut self, filter: &Filter) {
        self.insert(filter.term(), DOCUMENT_BYTES_MAX);
    }

    /// Takes it away.
    pub fn remove(&mut self, filter: &Filter) {
        let term = filter.term();
        if self.terms.remove(&term) {
            self.bytes -= term.len();
        }
    }

    /// Adds a term, if all of them are at most so many bytes with it.
    fn insert(&mut self, term: String, bytes_max: usize) {
        let bytes = self.bytes + term.len();
        if bytes <= bytes_max && self.terms.insert(term) {
            self.bytes = bytes;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether this one is there.
    pub fn has(&self, term: &str) -> bool {
        self.terms.contains(term)
    }

    /// How many begin like this.
    pub fn count_of(&self, prefix: &str) -> usize {
        let behind = self.terms.range(prefix.to_owned()..);
        behind.take_while(|term| term.starts_with(prefix)).count()
    }

    /// Whether one begins like this.
    pub fn has_prefix(&self, prefix: &str) -> bool {
        let mut behind = self.terms.range(prefix.to_owned()..);
        behind.next().is_some_and(|term| term.starts_with(prefix))
    }

    /// As a database keeps them: with spaces between.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.terms.iter().map(|term| term.len() + 1).sum());
        for term in &self.terms {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(term);
        }
        text
    }

    /// From what a database keeps.
    pub fn from_text(text: &str) -> Self {
        let terms: BTreeSet<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
        let bytes = terms.iter().map(String::len).sum();
        Self { terms, bytes }
    }
}

/// Which documents are asked for: those with all of the words, and all that is asked for besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    words: Vec<String>,
    /// Each is a list of terms of which a document has at least one.
    filters: Vec<Vec<String>>,
}

impl Question {
    /// Asks for documents with the words of `text`. The last one may be the beginning of a word, as somebody types.
    pub fn of(text: &str) -> Self {
        Self {
            words: words(text).take(QUESTION_WORDS_MAX).collect(),
            filters: Vec::new(),
        }
    }

    /// Asks for this as well.
    #[must_use]
    pub fn and(self, filter: &Filter) -> Self {
        self.and_any(std::slice::from_ref(filter))
    }

    /// Asks for one of these as well. Of none, every document is one.
    #[must_use]
    pub fn and_any(mut self, filters: &[Filter]) -> Self {
        if !filters.is_empty() {
            self.filters
                .push(filters.iter().map(Filter::term).collect());
        }
        self
    }

    /// Whether it asks for words.
    pub fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// Whether it asks for nothing, so that every document is an answer.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.filters.is_empty()
    }

    /// Whether a document with these terms is an answer, with all words at `place` or a stronger one and not already
    /// with all of them at a stronger one: what the databases are asked, by the definition.
    pub fn takes(&self, place: Place, terms: &Terms) -> bool {
        let has_words = |place| {
            let mut found = self.word_terms(place);
            let last = found.pop();
            found.iter().all(|term| terms.has(term))
                && last.is_none_or(|prefix| terms.has_prefix(&prefix))
        };
        let has_filters = || {
            let mut filters = self.filters.iter();
            filters.all(|any| any.iter().any(|term| terms.has(term)))
        };
        has_words(place) && !stronger(place).is_some_and(has_words) && has_filters()
    }

    /// In the syntax of FTS5. <https://sqlite.org/fts5.html#full_text_query_syntax>
    pub fn to_fts5(&self, place: Place) -> String {
        let all = |place| {
            let mut words = self.word_terms(place);
            if let Some(last) = words.last_mut() {
                last.push('*');
            }
            words.join(" AND ")
        };
        let mut parts: Vec<String> = self
            .filters
            .iter()
            .map(|any| format!("({})", any.join(" OR ")))
            .collect();
        if self.has_words() {
            parts.push(all(place));
        }
        let found = parts.join(" AND ");
        match stronger(place).filter(|_| self.has_words()) {
            Some(stronger) => format!("({found}) NOT ({})", all(stronger)),
            None => found,
        }
    }

    /// In the syntax of Postgres' `tsquery`. <https://www.postgresql.org/docs/current/datatype-textsearch.html>
    pub fn to_tsquery(&self, place: Place) -> String {
        let all = |place| {
            let mut words = self.word_terms(place);
            if let Some(last) = words.last_mut() {
                last.push_str(":*");
            }
            words.join(" & ")
        };
        let mut parts: Vec<String> = self
            .filters
            .iter()
            .map(|any| format!("({})", any.join(" | ")))
            .collect();
        if self.has_words() {
            parts.push(all(place));
            parts.extend(stronger(place).map(|stronger| format!("!({})", all(stronger))));
        }
        parts.join(" & ")
    }

    fn word_terms(&self, place: Place) -> Vec<String> {
        let words = self.words.iter();
        words.map(|word| word_term(place, word)).collect()
    }
}

/// The place before `place`. What is found there is found at every weaker one too.
fn stronger(place: Place) -> Option<Place> {
    match place {
        Place::Name => None,
        Place::Fact => Some(Place::Name),
        Place::Text => Some(Place::Fact),
    }
}

fn word_term(place: Place, word: &str) -> String {
    term(&place.mark().to_string(), word)
}

/// `value` in the alphabet of terms. Each byte that is none of its letters becomes `_` and two digits, so that
/// different values never have one term, and the beginning of a word is the beginning of its term.
fn term(mark: &str, value: &str) -> String {
    let mut term = mark.to_owned();
    for byte in value.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            term.push(byte.into());
        } else {
            write!(term, "_{byte:02x}").expect("text takes what is written to it");
        }
    }
    if term.len() > TERM_BYTES_MAX {
        // `h` is no hexadecimal digit, so that this is no value's own term.
        term = format!("{mark}_h{}", Sha256::of(value));
    }
    term
}

/// Lower case, without accents, and in one of the ways in which Unicode writes it.
fn folded(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The words of a text: what stands between characters that are neither letters nor digits. In scripts that put no
/// space between words, each character is one.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = 0;
    for c in folded(text).chars() {
        let alone = stands_alone(c);
        if !word.is_empty() && (alone || !c.is_alphanumeric()) {
            words.push(std::mem::take(&mut word));
            chars = 0;
        }
        if alone {
            words.push(c.to_string());
        } else if c.is_alphanumeric() && chars < WORD_CHARS_MAX {
            word.push(c);
            chars += 1;
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.into_iter()
}

/// Han, Hiragana, Katakana, and what else is written without spaces: Thai, Lao, Myanmar, Khmer.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF
        | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
        | 0x20000..=0x3FFFF)
        && c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, text: &str) -> Terms {
        let mut terms = Terms::default();
        for part in name.split(['/', '@']) {
            terms.add_name(part);
        }
        terms.add_text(Place::Text, text);
        terms
    }

    #[test]
    fn a_document_is_found_where_its_words_are_and_once() {
        let document = document("meta-ai/opt-66b", "An open model");
        let places = |question: &str| {
            let question = Question::of(question);
            let mut places = Place::ALL.to_vec();
            places.retain(|place| question.takes(*place, &document));
            places
        };
        assert_eq!(places("opt"), [Place::Name]);
        assert_eq!(places("OPT-66B"), [Place::Name]);
        assert_eq!(places("opt66b"), [Place::Name]);
        assert_eq!(places("op"), [Place::Name]);
        assert_eq!(places("op 66b"), []);
        assert_eq!(places("opt model"), [Place::Text]);
        assert_eq!(places("mod"), [Place::Text]);
        assert_eq!(places("closed"), []);
    }

    #[test]
    fn a_document_without_end_keeps_what_filters_ask_for() {
        let mut terms = Terms::default();
        for n in 0..20_000 {
            let word: String = format!("{n}-").repeat(12);
            terms.add_text(Place::Name, &word.replace('-', "x"));
        }
        assert!(terms.to_text().len() < 1 << 20);
        let before = terms.len();
        terms.add(&Filter::Newest);
        terms.add(&Filter::Tag("made-last".to_owned()));
        assert_eq!(terms.len(), before + 2);
        assert_eq!(Terms::from_text(&terms.to_text()), terms);
        terms.remove(&Filter::Newest);
        assert_eq!(Terms::from_text(&terms.to_text()), terms);
        for n in 0..40_000 {
            terms.add(&Filter::Tag(format!(
                "a tag that is longer than others {n}"
            )));
        }
        assert!(terms.to_text().len() < 1 << 20);
    }

    #[test]
    fn words_are_found_however_they_are_written() {
        let found = |text: &str, question: &str| {
            let document = document("a/b", text);
            Question::of(question).takes(Place::Text, &document)
        };
        assert!(found("un modèle ouvert", "modele"));
        assert!(found("un modele ouvert", "MODÈLE"));
        assert!(found("ｆｕｌｌ width", "full"));
        assert!(found("日本語のモデル", "モデル"));
        assert!(found("日本語のモデル", "本語"));
        assert!(!found("日本語", "中国"));
        assert!(found("Straße", "straße"));
    }

    #[test]
    fn nothing_that_somebody_types_is_more_than_words() {
        for text in [
            "a AND b",
            "NEAR(x y)",
            "\"",
            "*",
            "x'); DROP TABLE release; --",
            "a:* & !b",
            "col : x",
            "^",
            "\0",
        ] {
            let question = Question::of(text).and(&Filter::Tag(text.to_owned()));
            for place in Place::ALL {
                let (fts5, tsquery) = (question.to_fts5(place), question.to_tsquery(place));
                let plain = |c: char| {
                    c.is_ascii_lowercase() || c.is_ascii_digit() || " _*():&|!".contains(c)
                };
                let fts5 = fts5
                    .replace(" AND ", " ")
                    .replace(" OR ", " ")
                    .replace(" NOT ", " ");
                assert!(fts5.chars().all(plain), "{fts5}");
                assert!(tsquery.chars().all(plain), "{tsquery}");
            }
        }
    }

    #[test]
    fn a_span_of_days_is_its_years_months_and_days() {
        let day = |text: &str| text.parse::<Day>().expect("a day");
        let terms = |since, until| -> Vec<String> {
            Filter::days(since, until)
                .iter()
                .map(Filter::term)
                .collect()
        };
        assert_eq!(
            terms(Some(day("2023-11-29")), Some(day("2026-02-02"))),
            [
                "fd20231129",
                "fd20231130",
                "fm202312",
                "fy2024",
                "fy2025",
                "fm202601",
                "fd20260201",
                "fd20260202"
            ]
        );
        assert_eq!(
            terms(Some(day("2024-02-29")), Some(day("2024-02-29"))),
            ["fd20240229"]
        );
        assert!(terms(Some(day("2024-03-01")), Some(day("2024-02-29"))).is_empty());
        assert!(
            terms(Some(day("2024-12-31")), None)
                .starts_with(&["fd20241231".to_owned(), "fy2025".to_owned()])
        );
        assert!(terms(None, Some(day("9999-12-31"))).ends_with(&["fy2199".to_owned()]));
    }

    #[test]
    fn different_values_never_have_one_term() {
        let values = ["a-b", "a_b", "a b", "a2db", "a_2db", "ab", "é", "e"];
        let terms: BTreeSet<String> = values.iter().map(|value| term("t", value)).collect();
        assert_eq!(terms.len(), values.len());
        let long = |last: &str| term("t", &format!("{}{last}", "x".repeat(500)));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() < 100);
    }
}
