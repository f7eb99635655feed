//! Search and files.

use super::*;

/// Words that documents and questions are made of: some are rare, some are the beginnings of others.
const WORDS: [&str; 12] = [
    "open", "opening", "o", "model", "modèle", "語", "pile", "66b", "zero", "shot", "AND", "x-y_z",
];

fn word(random: &mut Random) -> &'static str {
    // The first ones often, the last ones seldom.
    let place = random.within(&(0..=11)).min(random.within(&(0..=11)));
    WORDS[usize::try_from(place).expect("a small number")]
}

fn text(random: &mut Random, words: u64) -> String {
    let words: Vec<_> = (0..words).map(|_| word(random)).collect();
    words.join(" ")
}

/// Releases with random cards, and their terms as the definitions give them.
fn random_records(random: &mut Random) -> Records {
    let mut records = Records::default();
    for publisher in ["meta-ai", "open-lab", "example-lab"] {
        records.publisher(publisher, &publisher.to_uppercase());
    }
    for n in 0..120 {
        let publisher = ["meta-ai", "open-lab", "example-lab"][n % 3];
        let name = ["opt", "open-66b", "tiny.model", "zero_shot"][n / 3 % 4];
        let release = format!("{publisher}/{name}@{n}");
        let words = random.within(&(0..=6));
        let body = text(random, words);
        let (tag, licence) = (word(random), word(random));
        records.card(&release, &format!("# Card {n}\n\n{body}"), |card| {
            card.tags = vec![tag.to_owned()];
            card.license = Some(licence.to_owned());
        });
    }
    records
}

/// What a question is answered by whoever looks at every document.
fn by_definition(documents: &HashMap<i64, Terms>, question: &Question) -> Vec<HitPlace> {
    let mut hits = Vec::new();
    for place in FoundAt::ALL {
        let mut found: Vec<i64> = documents
            .iter()
            .filter(|(_, terms)| question.takes(place, terms))
            .map(|(id, _)| *id)
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        hits.extend(found.into_iter().map(|id| HitPlace { place, id }));
    }
    hits
}

async fn documents(catalogue: &Catalogue) -> HashMap<i64, Terms> {
    let rows = catalogue
        .pool
        .rows("SELECT rowid, terms FROM document", Vec::new())
        .await;
    let terms = |row: &sql::Row| {
        let text: String = row.at(1).expect("text");
        (row.at(0).expect("a number"), Terms::from_text(&text))
    };
    rows.expect("rows").iter().map(terms).collect()
}

fn random_question(random: &mut Random) -> Question {
    let words = random.within(&(0..=3));
    let mut question = Question::of(&text(random, words));
    let filters = [
        Filter::Tag(word(random).to_owned()),
        Filter::Licence(word(random).to_owned()),
        Filter::Publisher("open-lab".to_owned()),
        Filter::Kind(Kind::ModelCard),
        Filter::Newest,
        Filter::Month(2026, 5),
    ];
    for filter in &filters {
        if random.within(&(0..=4)) == 0 {
            question = question.and(filter);
        }
    }
    if random.within(&(0..=4)) == 0 {
        let days = [1, 3, 4].map(|day| Filter::Day(2026, 5, day));
        question = question.and_any(&days);
    }
    question
}

#[tokio::test]
async fn both_engines_find_what_the_definition_finds_in_the_same_order() {
    let mut random = Random::from_environment();
    let catalogues = Catalogues::of(&random_records(&mut random)).await;
    let documents = documents(&catalogues.all[0].1).await;
    assert_eq!(
        documents.len(),
        123,
        "three publishers, and a release for each card"
    );
    let mut found = 0;
    for _ in 0..150 {
        let question = random_question(&mut random);
        let expected = by_definition(&documents, &question);
        found += expected.len();
        for (name, catalogue) in &catalogues.all {
            // By pages, as somebody reads them.
            let (mut after, mut hits) = (None, Vec::new());
            loop {
                let search = Search {
                    question: question.clone(),
                    digest: None,
                    after,
                    limit: 17,
                };
                let page = catalogue.search(&search).await.expect(name);
                hits.extend(page.iter().map(|hit| hit.place));
                match page.last() {
                    Some(last) if page.len() == 17 => after = Some(last.place),
                    _ => break,
                }
            }
            assert_eq!(hits, expected, "{name}: {question:?}");
        }
    }
    assert!(
        found > 1_000,
        "the questions find too little to show anything: {found}"
    );
}

#[tokio::test]
async fn a_release_is_found_by_what_is_said_of_it_and_by_its_files() {
    let mut records = Records::default();
    records.publisher("example-lab", "Example Lab");
    records.card(
        "example-lab/tiny-lm@1.0.0",
        "# Tiny\n\nAn open model for small machines everywhere.",
        |card| {
            card.license = Some("Apache-2.0".to_owned());
            card.tags = vec!["Text Generation".to_owned()];
            card.pipeline_tag = Some("text-generation".to_owned());
            card.base_models = vec![BaseModel {
                name: "meta-ai/opt-125m".to_owned(),
                relation: None,
            }];
        },
    );
    records.weights(
        "example-lab/tiny-lm@1.0.0",
        &[("a.bin", "one"), ("b.bin", "two"), ("c.bin", "two")],
    );
    records.weights("example-lab/tiny-lm@2.0.0", &[("b.bin", "two")]);
    let catalogues = Catalogues::of(&records).await;
    let first = "example-lab/tiny-lm@1.0.0";
    for (question, expected) in [
        (Question::of("tiny-lm 1.0"), vec![first]),
        (
            Question::of("example lab tinyl"),
            vec!["example-lab/tiny-lm@2.0.0", first],
        ),
        (Question::of("small machine"), vec![first]),
        (Question::of("apache"), vec![first]),
        (
            Question::default().and(&Filter::Licence("apache-2.0".to_owned())),
            vec![first],
        ),
        (
            Question::default().and(&Filter::Tag("text generation".to_owned())),
            vec![first],
        ),
        (
            Question::default().and(&Filter::Task("text-generation".to_owned())),
            vec![first],
        ),
        (
            Question::default().and(&Filter::Base("meta-ai/opt-125m".to_owned())),
            vec![first],
        ),
        (
            Question::default()
                .and(&Filter::Kind(Kind::Weights))
                .and(&Filter::Newest),
            vec!["example-lab/tiny-lm@2.0.0"],
        ),
        (
            Question::default().and(&Filter::Licence("apache".to_owned())),
            vec![],
        ),
    ] {
        let search = Search {
            question,
            digest: None,
            after: None,
            limit: 10,
        };
        let hits = answer!(catalogues, catalogue => catalogue.search(&search));
        assert_eq!(names_of(&hits), expected, "{:?}", search.question);
    }
    let two = Sha256::of("two").as_bytes().to_vec();
    for (question, expected) in [
        (
            Question::default(),
            vec!["example-lab/tiny-lm@2.0.0", first],
        ),
        (Question::of("apache"), vec![first]),
        (Question::of("nothing"), vec![]),
    ] {
        let search = Search {
            question,
            digest: Some(two.clone()),
            after: None,
            limit: 10,
        };
        let hits = answer!(catalogues, catalogue => catalogue.search(&search));
        assert_eq!(names_of(&hits), expected);
    }
    let holders = answer!(catalogues, catalogue => catalogue.holders(&two, None, 2));
    let paths = |holders: &[FileHolder]| -> Vec<(String, String)> {
        holders
            .iter()
            .map(|it| (it.release.clone(), it.path.clone()))
            .collect()
    };
    let pair = |release: &str, path: &str| (release.to_owned(), path.to_owned());
    assert_eq!(
        paths(&holders),
        [pair(first, "b.bin"), pair(first, "c.bin")]
    );
    let after = holders.last().map(|it| it.place);
    let rest = answer!(catalogues, catalogue => catalogue.holders(&two, after, 2));
    assert_eq!(paths(&rest), [pair("example-lab/tiny-lm@2.0.0", "b.bin")]);
}

#[tokio::test]
async fn who_listed_a_file_first_comes_first_whatever_its_path_is() {
    let mut records = Records::default();
    records.publisher("example-lab", "Example Lab");
    records.publisher("other-lab", "Other Lab");
    // Somebody has a release of that name already, and lists the file in it later than its maker.
    records.card("other-lab/copies@1.0.0", "# Copies\n", |_| {});
    records.weights("example-lab/tiny-lm@1.0.0", &[("model.bin", "bits")]);
    // Long, and of nothing that an index could compress.
    let digests: Vec<String> = (0..60)
        .map(|n| Sha256::of(format!("{n}")).to_string())
        .collect();
    let long = digests.join("/");
    records.weights(
        "other-lab/copies@1.0.0",
        &[("a.bin", "bits"), (long.as_str(), "bits")],
    );
    let catalogues = Catalogues::of(&records).await;
    let bits = Sha256::of("bits").as_bytes().to_vec();
    let holders = answer!(catalogues, catalogue => catalogue.holders(&bits, None, 10));
    let releases: Vec<&str> = holders.iter().map(|it| it.release.as_str()).collect();
    let other = "other-lab/copies@1.0.0";
    assert_eq!(releases, ["example-lab/tiny-lm@1.0.0", other, other]);
    assert!(holders.iter().any(|it| it.path == long));
}

fn names_of(hits: &[Hit]) -> Vec<&str> {
    let name = |hit: &'_ Hit| match &hit.of {
        HitOf::Publisher(seen) => seen.publisher.name.clone(),
        HitOf::Release(release) => release.name.clone(),
    };
    hits.iter()
        .map(|hit| -> &str { Box::leak(name(hit).into_boxed_str()) })
        .collect()
}
