//! Lineage, evaluations, API versions, withdrawals, lists and counts.

use super::*;

#[tokio::test]
async fn lineage_goes_up_and_down_as_far_as_it_is_asked_to() {
    let mut records = Records::default();
    records.publisher("lab", "Lab");
    records.card("lab/base@1", "A base.", |_| {});
    records.made_from("lab/child@1", &["lab/base@1"]);
    records.made_from("lab/merged@1", &["lab/child@1", "elsewhere/unknown@1"]);
    records.made_from("lab/sibling@1", &["lab/base@1"]);
    let wrong = records.made_from("lab/wrong@1", &["lab/merged@1"]);
    records.withdraw("lab", "lab/wrong@1", wrong, Scope::Record);
    let catalogues = Catalogues::of(&records).await;
    let all = LineageLimit {
        depth: 10,
        releases: 100,
    };
    let names = |lineage: &Lineage| -> Vec<(String, i32, bool)> {
        lineage
            .nodes
            .iter()
            .map(|it| (it.name.clone(), it.distance, it.release.is_some()))
            .collect()
    };
    let node = |name: &str, distance, known| (name.to_owned(), distance, known);
    let up = answer!(catalogues, catalogue => catalogue.lineage("lab/merged@1", Direction::Ancestors, all));
    assert_eq!(
        names(&up),
        [
            node("lab/base@1", -2, true),
            node("elsewhere/unknown@1", -1, false),
            node("lab/child@1", -1, true),
            node("lab/merged@1", 0, true),
        ]
    );
    assert_eq!((up.edges.len(), up.is_cut), (3, false));
    let down =
        answer!(catalogues, catalogue => catalogue.lineage("lab/base@1", Direction::Both, all));
    assert_eq!(
        names(&down),
        [
            node("lab/base@1", 0, true),
            node("lab/child@1", 1, true),
            node("lab/sibling@1", 1, true),
            node("lab/merged@1", 2, true),
            node("lab/wrong@1", 3, true),
        ]
    );
    let withdrawn = down.edges.iter().find(|edge| edge.child == "lab/wrong@1");
    assert!(withdrawn.is_some_and(|edge| edge.withdrawn_by.is_some()));
    for limit in [
        LineageLimit { depth: 1, ..all },
        LineageLimit { releases: 3, ..all },
    ] {
        let cut = answer!(catalogues, catalogue => catalogue.lineage("lab/base@1", Direction::Both, limit));
        assert!(cut.is_cut && cut.nodes.len() == 3, "{cut:?}");
    }
}

#[tokio::test]
async fn many_values_hide_nobody_who_did_not_find_what_was_claimed() {
    let mut records = Records::default();
    for author in ["lab", "first", "second", "third"] {
        records.publisher(author, author);
    }
    records.card("lab/m@1", "A model.", |_| {});
    let failed = Outcome::FailedToReproduce;
    let tasks = [("a", 0.1, None), ("b", 0.2, None)];
    let old = records.evaluation_with("second", "lab/m@1", &tasks, failed);
    let taken_back = records.evaluation_with("third", "lab/m@1", &tasks, failed);
    records.withdraw("third", "lab/m@1", taken_back, Scope::Record);
    let other = records.evaluation_with("first", "lab/m@1", &tasks, failed);
    let new = records.evaluation_with("second", "lab/m@1", &[("a", 0.3, None)], failed);
    // One more than is compared, by the release's own publisher.
    let names: Vec<String> = (0..=COMPARED_MAX).map(|n| format!("task {n}")).collect();
    let many: Vec<_> = names.iter().map(|it| (it.as_str(), 1.0, None)).collect();
    records.evaluation("lab", "lab/m@1", &many);
    let catalogues = Catalogues::of(&records).await;
    let found = answer!(catalogues, catalogue => catalogue.failures("lab/m@1"));
    let found: Vec<_> = found
        .of_authors
        .iter()
        .map(|it| (it.author.as_str(), it.first, it.record))
        .collect();
    let at = |statement| records.index_of(statement);
    assert_eq!(
        found,
        [
            ("second", at(old), at(new)),
            ("first", at(other), at(other))
        ]
    );
    let found = answer!(catalogues, catalogue => catalogue.measurement("lab/m@1"));
    assert!(found.is_cut);
    // Of both tasks by `first`, and by `second`, whose new value of one stands in the place of the old.
    let by_others = found.measured.iter().flat_map(|it| &it.values);
    assert_eq!(by_others.filter(|it| it.by_others).count(), 4);
    let filter = EvaluationFilter {
        release: Some("lab/m@1".to_owned()),
        outcome: Some(failed),
        ..EvaluationFilter::default()
    };
    let listed = answer!(catalogues, catalogue => catalogue.evaluations(&filter, None, 100));
    assert_eq!(listed.len(), 5, "{listed:?}");
    let none = answer!(catalogues, catalogue => catalogue.failures("lab/none@1"));
    assert_eq!(none, Failures::default());
}

#[tokio::test]
async fn whoever_measures_the_same_agrees_or_differs() {
    let mut records = Records::default();
    for lab in ["lab", "other", "third"] {
        records.publisher(lab, lab);
    }
    records.card("lab/m@1", "A model.", |_| {});
    records.evaluation(
        "lab",
        "lab/m@1",
        &[
            ("a", 0.50, Some(0.01)),
            ("b", 0.5, None),
            ("c", 0.9, Some(0.01)),
        ],
    );
    let old = records.evaluation("other", "lab/m@1", &[("a", 0.9, Some(0.01))]);
    records.evaluation(
        "other",
        "lab/m@1",
        &[("a", 0.52, Some(0.01)), ("b", 0.5, None)],
    );
    let taken_back = records.evaluation("third", "lab/m@1", &[("c", 0.1, Some(0.01))]);
    records.withdraw("third", "lab/m@1", taken_back, Scope::Record);
    records.evaluation(
        "third",
        "lab/m@1",
        &[("a", 0.7, Some(0.01)), ("d", 1.0, None)],
    );
    let catalogues = Catalogues::of(&records).await;
    let found = answer!(catalogues, catalogue => catalogue.measurement("lab/m@1"));
    let found: Vec<_> = found
        .measured
        .iter()
        .map(|it| {
            let values: Vec<f64> = it.values.iter().map(|value| value.value).collect();
            (it.task.as_str(), values, it.agreement)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a", vec![0.50, 0.52, 0.7], Agreement::Differ),
            ("b", vec![0.5, 0.5], Agreement::Agree),
            ("c", vec![0.9], Agreement::Alone),
            ("d", vec![1.0], Agreement::Alone),
        ]
    );
    let others = EvaluationFilter {
        release: Some("lab/m@1".to_owned()),
        by_others: Some(true),
        ..EvaluationFilter::default()
    };
    let first = answer!(catalogues, catalogue => catalogue.evaluations(&others, None, 2));
    assert_eq!(first[0].record, records.index_of(old));
    let after = first.last().map(|it| EvaluationPlace {
        record: it.record,
        n: it.n,
    });
    let rest = answer!(catalogues, catalogue => catalogue.evaluations(&others, after, 9));
    assert_eq!(rest.len(), 3);
    let all = EvaluationFilter {
        with_withdrawn: true,
        ..others
    };
    let all = answer!(catalogues, catalogue => catalogue.evaluations(&all, None, 9));
    let withdrawn: Vec<i64> = all
        .iter()
        .filter(|it| it.withdrawn_by.is_some())
        .map(|it| it.record)
        .collect();
    assert_eq!(withdrawn, [records.index_of(taken_back)]);
}

#[tokio::test]
async fn what_was_said_to_answer_on_a_day_is_what_had_begun_and_not_ended() {
    let mut records = Records::default();
    records.publisher("lab", "Lab");
    records.api_version("lab/api@1", |api| {
        api.valid_from = "2026-01-10T12:00:00Z".to_owned();
        api.behind = Behind::Release(Disclosed {
            release: named("lab/m@1"),
            statement: None,
        });
    });
    records.api_version("lab/api@2", |api| {
        api.valid_from = "2026-02-01T00:00:00Z".to_owned();
        api.valid_until = Some("2026-03-01T00:00:00Z".to_owned());
        api.replaces = Some(named("lab/api@1"));
    });
    let wrong = records.api_version("lab/api@3", |api| {
        api.valid_from = "2026-01-01T00:00:00Z".to_owned();
    });
    records.withdraw("lab", "lab/api@3", wrong, Scope::Record);
    let catalogues = Catalogues::of(&records).await;
    for (day, expected) in [
        ("2026-01-09", vec![]),
        ("2026-01-10", vec!["lab/api@1"]),
        ("2026-01-31", vec!["lab/api@1"]),
        ("2026-02-01", vec!["lab/api@2"]),
        ("2026-02-28", vec!["lab/api@2"]),
        ("2026-03-01", vec![]),
    ] {
        let filter = ApiVersionFilter {
            model: Some("lab/api".to_owned()),
            at: Some(day.parse().expect("a day")),
            ..ApiVersionFilter::default()
        };
        let found = answer!(catalogues, catalogue => catalogue.api_versions(&filter, None, 10));
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, expected, "{day}");
    }
    let behind = ApiVersionFilter {
        behind_model: Some("lab/m".to_owned()),
        ..ApiVersionFilter::default()
    };
    let found = answer!(catalogues, catalogue => catalogue.api_versions(&behind, None, 10));
    assert_eq!(found[0].until, Until::Replaced("lab/api@2".to_owned()));
    assert_eq!(
        found[0].valid_until.as_deref(),
        Some("2026-02-01T00:00:00Z")
    );
    let all = ApiVersionFilter {
        with_withdrawn: true,
        ..ApiVersionFilter::default()
    };
    let first = answer!(catalogues, catalogue => catalogue.api_versions(&all, None, 1));
    assert_eq!(first[0].name, "lab/api@3");
    let rest =
        answer!(catalogues, catalogue => catalogue.api_versions(&all, Some(first[0].record), 9));
    assert_eq!(rest.len(), 2);
}

#[tokio::test]
async fn withdrawals_fell_what_they_are_about() {
    let mut records = Records::default();
    for lab in ["lab", "other"] {
        records.publisher(lab, lab);
    }
    let mut weights = Vec::new();
    for release in ["lab/m@1", "lab/m@2", "lab/m@3"] {
        records.card(release, "A card.", |_| {});
        weights.push(records.weights(release, &[("a", release)]));
    }
    let config = records.made_from("lab/m@3", &["lab/m@1"]);
    records.evaluation("lab", "lab/m@2", &[("a", 1.0, None)]);
    records.evaluation("other", "lab/m@2", &[("a", 1.0, None)]);
    records.withdraw("lab", "lab/m@1", weights[0], Scope::Record);
    records.withdraw("lab", "lab/m@2", weights[1], Scope::Release);
    records.withdraw("lab", "lab/m@3", config, Scope::Record);
    let catalogues = Catalogues::of(&records).await;
    let at = i64::try_from(records.statements.len()).expect("a few") - 3;
    for (name, fallen, whole) in [
        ("lab/m@1", Some(at), None),
        ("lab/m@2", Some(at + 1), Some(at + 1)),
        ("lab/m@3", None, None),
    ] {
        let release = answer!(catalogues, catalogue => catalogue.release(name));
        let release = release.expect("it is there");
        assert_eq!(
            (release.fallen_by, release.withdrawn_by),
            (fallen, whole),
            "{name}"
        );
    }
    let all = EvaluationFilter {
        with_withdrawn: true,
        ..EvaluationFilter::default()
    };
    let found = answer!(catalogues, catalogue => catalogue.evaluations(&all, None, 9));
    let withdrawn: Vec<_> = found
        .iter()
        .map(|it| (it.author.as_str(), it.withdrawn_by))
        .collect();
    assert_eq!(withdrawn, [("lab", Some(at + 1)), ("other", None)]);
    let mine = WithdrawalFilter {
        author: Some("lab".to_owned()),
        ..WithdrawalFilter::default()
    };
    let found = answer!(catalogues, catalogue => catalogue.withdrawals(&mine, None, 2));
    assert_eq!(
        found.iter().map(|it| it.record).collect::<Vec<_>>(),
        [at + 2, at + 1]
    );
    assert_eq!(
        (found[1].target, found[1].scope.as_str()),
        (None, "release")
    );
}

#[tokio::test]
async fn whoever_takes_up_a_name_later_looks_like_who_had_it() {
    let mut records = Records::default();
    records.publisher("someone", "Some One");
    records.publisher("meta-ai", "Meta AI");
    // The first publisher of this log calls itself something that another one is called already.
    records.publisher("someone", "Meta  A1");
    records.publisher("meta-ai", "Meta AI Research");
    records.publisher("meta-ai", "Meta AI");
    records.publisher("metaai", "A fan");
    records.publisher("fan", "Somebody");
    records.publisher("sornebody", "A fan of others");
    records.publisher("fan", "Somebody");
    let catalogues = Catalogues::of(&records).await;
    for (name, looks_like) in [
        ("meta-ai", None),
        ("someone", Some("meta-ai")),
        ("metaai", Some("meta-ai")),
        ("fan", None),
        ("sornebody", Some("fan")),
    ] {
        let seen = answer!(catalogues, catalogue => catalogue.publisher(name));
        let seen = seen.expect("it is there");
        assert_eq!(seen.looks_like.as_deref(), looks_like, "{name}");
    }
}

#[tokio::test]
async fn models_are_listed_and_counted_and_look_alikes_are_named() {
    let mut records = Records::default();
    records.publisher("meta-ai", "Meta AI");
    records.publisher("metaai", "A fan");
    records.publisher("someone", "M\u{435}ta AI");
    for release in ["meta-ai/a@1", "meta-ai/b@1", "meta-ai/a@2", "metaai/a@1"] {
        records.card(release, release, |_| {});
    }
    let catalogues = Catalogues::of(&records).await;
    for (name, looks_like) in [
        ("meta-ai", None),
        ("metaai", Some("meta-ai")),
        ("someone", Some("meta-ai")),
    ] {
        let publisher = answer!(catalogues, catalogue => catalogue.publisher(name));
        assert_eq!(
            publisher.expect("it is there").looks_like.as_deref(),
            looks_like,
            "{name}"
        );
    }
    let meta = answer!(catalogues, catalogue => catalogue.publisher("meta-ai"));
    let meta = meta.expect("it is there").publisher;
    assert_eq!((meta.records, meta.releases), (4, 3));
    let others = answer!(catalogues, catalogue => catalogue.look_alikes(&meta));
    assert_eq!(others, ["metaai", "someone"]);
    let by_name = ModelOrder::Name(String::new());
    let models = answer!(catalogues, catalogue => catalogue.models(Some("meta-ai"), &by_name, 10));
    let found: Vec<_> = models
        .iter()
        .map(|(model, newest)| (model.name.as_str(), model.releases, newest.name.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("meta-ai/a", 2, "meta-ai/a@2"),
            ("meta-ai/b", 1, "meta-ai/b@1")
        ]
    );
    let newest = ModelOrder::Newest(None);
    let models = answer!(catalogues, catalogue => catalogue.models(None, &newest, 2));
    let names: Vec<_> = models
        .iter()
        .map(|(model, _)| model.name.as_str())
        .collect();
    assert_eq!(names, ["metaai/a", "meta-ai/a"]);
    let statistics = answer!(catalogues, catalogue => catalogue.statistics());
    assert_eq!(
        (
            statistics.publishers,
            statistics.models,
            statistics.cards,
            statistics.releases
        ),
        // Cards that name no task could be of anything.
        (3, 0, 3, 4)
    );
    assert_eq!(statistics.kinds["model-card"], 4);
    assert_eq!(statistics.growth.last().map(|it| it.total), Some(7));
}
