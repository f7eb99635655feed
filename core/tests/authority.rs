//! Who may sign what: each rule with a record that keeps it, and its twin that breaks it.

mod common;

use candor_core::Sha256;
use candor_core::merkle::LeafIndex;
use candor_core::record::{Admission, AuthorityError, PublisherState, RetiredKey, SignedRecord};
use common::cards::{
    card_signature, card_signed_by, card_with, listed, refused, registered, succeeded,
};
use common::{
    CARD, RELEASE, evaluation, key, keyid, public, publisher, signed, state_after, withdrawal,
};

#[test]
fn a_registration_is_signed_by_every_key_that_it_lists() {
    let (one, two) = (key(1), key(2));
    let payload = || publisher("meta-ai", &[&one, &two], None);
    let record = signed(payload(), &[&two, &one])
        .verify(None)
        .expect("signed by both, in any order");
    assert_eq!(record.signed_by(), [public(&one), public(&two)]);
    assert_eq!(record.checked_against(), None);
    let state = state_after(None, &record, 9);
    assert_eq!(state.name.as_str(), "meta-ai");
    assert_eq!(state.record, record.statement().digest);
    assert_eq!(state.at, LeafIndex::new(9));
    assert_eq!(state.keys, [public(&one), public(&two)]);
    assert_eq!(state.retired, []);

    let error = refused(signed(payload(), &[&one]), None);
    assert_eq!(error, AuthorityError::KeyNotProven { keyid: keyid(&two) });
    assert_eq!(
        error.to_string(),
        format!(
            "the key {} is new, and has not signed this record itself",
            keyid(&two)
        )
    );
    // Somebody else's signature does not stand in.
    assert_eq!(
        refused(signed(payload(), &[&one, &key(3)]), None),
        AuthorityError::KeyNotProven { keyid: keyid(&two) }
    );
}

#[test]
fn a_key_is_listed_once() {
    let one = key(1);
    signed(publisher("meta-ai", &[&one], None), &[&one])
        .verify(None)
        .expect("the good twin");
    let error = refused(
        signed(publisher("meta-ai", &[&one, &one], None), &[&one]),
        None,
    );
    assert_eq!(error, AuthorityError::DuplicateKey { keyid: keyid(&one) });
    let state = registered("meta-ai", &[&one]);
    let again = publisher("meta-ai", &[&one, &one], Some(state.record));
    assert_eq!(
        refused(signed(again, &[&one]), Some(&state)),
        AuthorityError::DuplicateKey { keyid: keyid(&one) }
    );
}

#[test]
fn a_name_that_is_taken_stays_with_its_owner() {
    let (owner, thief) = (key(1), key(2));
    let state = registered("meta-ai", &[&owner]);
    let claim = signed(publisher("meta-ai", &[&thief], None), &[&thief]);
    claim.clone().verify(None).expect("where the name is free");
    let error = refused(claim, Some(&state));
    assert_eq!(
        error.to_string(),
        format!(
            "meta-ai is registered already: its newest record is {} (entry 4), and this one follows none",
            state.record
        )
    );
    // Not even its owner registers it twice.
    let twice = signed(
        publisher("meta-ai", &[&owner, &thief], None),
        &[&owner, &thief],
    );
    assert_eq!(
        refused(twice, Some(&state)),
        AuthorityError::NotTheSuccessor {
            publisher: state.name.clone(),
            newest: state.record,
            at: LeafIndex::new(4),
            found: None,
        }
    );
    // Nor does who names the right predecessor, without a key of the owner's.
    let usurper = signed(
        publisher("meta-ai", &[&thief], Some(state.record)),
        &[&thief],
    );
    assert_eq!(
        refused(usurper, Some(&state)),
        AuthorityError::UnknownKey {
            publisher: state.name.clone(),
            keyids: keyid(&thief).to_string(),
        }
    );
}

#[test]
fn a_registration_follows_nothing() {
    let one = key(1);
    let previous = Sha256::of("some record");
    let error = refused(
        signed(publisher("meta-ai", &[&one], Some(previous)), &[&one]),
        None,
    );
    assert_eq!(
        error.to_string(),
        format!("the record follows {previous}, and meta-ai has no record yet")
    );
}

#[test]
fn an_update_follows_the_newest_record() {
    let one = key(1);
    let first = registered("meta-ai", &[&one]);
    let payload = publisher("meta-ai", &[&one], Some(first.record));
    let update = signed(payload, &[&one]);
    let record = update.clone().verify(Some(&first)).expect("it follows");
    assert_eq!(record.checked_against(), Some(first.record));
    let second = state_after(Some(&first), &record, 7);

    // The same update again, and one that skips a record, follow an older one.
    let error = refused(update, Some(&second));
    assert_eq!(
        error.to_string(),
        format!(
            "meta-ai is registered already: its newest record is {} (entry 7), and this one follows {}",
            second.record, first.record
        )
    );
    let third = publisher("meta-ai", &[&one], Some(second.record));
    signed(third.clone(), &[&one])
        .verify(Some(&second))
        .expect("it follows the second");
    assert!(matches!(
        refused(signed(third, &[&one]), Some(&first)),
        AuthorityError::NotTheSuccessor { found: Some(found), .. } if found == second.record
    ));
}

#[test]
fn an_update_is_signed_by_an_old_key_and_by_every_new_one() {
    let (old, kept, new, other) = (key(1), key(2), key(3), key(4));
    let state = registered("meta-ai", &[&old, &kept]);
    let payload = || publisher("meta-ai", &[&kept, &new], Some(state.record));

    // One old key is enough, even one that the update leaves out.
    for signers in [[&old, &new], [&kept, &new]] {
        let record = signed(payload(), &signers)
            .verify(Some(&state))
            .expect("an old key and the new one");
        let after = state_after(Some(&state), &record, 8);
        assert_eq!(after.keys, [public(&kept), public(&new)]);
        assert_eq!(
            after.retired,
            [RetiredKey {
                key: public(&old),
                at: LeafIndex::new(8)
            }]
        );
    }
    assert_eq!(
        refused(signed(payload(), &[&old, &kept]), Some(&state)),
        AuthorityError::KeyNotProven { keyid: keyid(&new) }
    );
    for signers in [&[&new][..], &[&new, &other]] {
        assert!(matches!(
            refused(signed(payload(), signers), Some(&state)),
            AuthorityError::UnknownKey { .. }
        ));
    }
}

#[test]
fn a_key_that_was_taken_off_the_list_never_comes_back() {
    let (one, two) = (key(1), key(2));
    let first = registered("meta-ai", &[&one]);
    let second = succeeded(&first, &[&two], &[&one, &two], 7);
    let third = succeeded(&second, &[&two], &[&two], 12);
    assert_eq!(
        third.retired.len(),
        1,
        "it is remembered past later records"
    );

    // Who signs makes no difference.
    for signers in [&[&two, &one][..], &[&one], &[&two]] {
        let back = publisher("meta-ai", &[&two, &one], Some(third.record));
        let error = refused(signed(back, signers), Some(&third));
        assert_eq!(
            error.to_string(),
            format!(
                "the key {} was taken off the list by entry 7, and can't come back",
                keyid(&one)
            )
        );
    }
}

#[test]
fn a_retired_key_signs_no_longer() {
    let (old, new) = (key(1), key(2));
    let first = registered("meta-ai", &[&old]);
    card_signed_by(&[&old])
        .verify(Some(&first))
        .expect("while it was listed");
    let second = succeeded(&first, &[&new], &[&old, &new], 7);
    let third = succeeded(&second, &[&new], &[&new], 11);
    for state in [&second, &third] {
        let error = refused(card_signed_by(&[&old]), Some(state));
        assert_eq!(
            error.to_string(),
            format!(
                "the key {} is no longer a key of meta-ai: entry 7 took it off the list",
                keyid(&old)
            )
        );
        let record = card_signed_by(&[&old, &new])
            .verify(Some(state))
            .expect("the new key is enough");
        assert_eq!(record.signed_by(), [public(&new)]);
    }
    // Nor does it sign the next list of keys.
    let update = publisher("meta-ai", &[&old], Some(second.record));
    assert!(matches!(
        refused(signed(update, &[&old]), Some(&second)),
        AuthorityError::RetiredKeyReturns { .. }
    ));
    let third_key = key(3);
    let update = publisher("meta-ai", &[&third_key], Some(second.record));
    assert_eq!(
        refused(signed(update, &[&old, &third_key]), Some(&second)),
        AuthorityError::RevokedKey {
            publisher: second.name.clone(),
            keyid: keyid(&old),
            at: LeafIndex::new(7),
        }
    );
}

#[test]
fn a_record_needs_a_publisher() {
    let one = key(1);
    let error = refused(card_signed_by(&[&one]), None);
    assert_eq!(
        error.to_string(),
        "no publisher meta-ai is registered with this log"
    );
    card_signed_by(&[&one])
        .verify(Some(&registered("meta-ai", &[&one])))
        .expect("registered");
}

#[test]
fn a_key_that_nobody_registered_signs_nothing() {
    let (one, unknown) = (key(1), key(9));
    let state = registered("meta-ai", &[&one]);
    let error = refused(card_signed_by(&[&unknown]), Some(&state));
    assert_eq!(
        error.to_string(),
        format!(
            "none of the signatures is by a key of meta-ai (key ids on the record: {})",
            keyid(&unknown)
        )
    );
    let error = refused(
        card_with(&[listed("", &card_signature(&unknown)), listed("mine", b"")]),
        Some(&state),
    );
    assert_eq!(
        error.to_string(),
        "none of the signatures is by a key of meta-ai (key ids on the record: none, mine)"
    );
}

#[test]
fn a_key_signs_for_its_own_namespace_only() {
    let (meta, eleuther) = (key(1), key(2));
    let state = registered("meta-ai", &[&meta]);
    registered("eleutherai", &[&eleuther]);
    assert!(matches!(
        refused(card_signed_by(&[&eleuther]), Some(&state)),
        AuthorityError::UnknownKey { .. }
    ));
    card_signed_by(&[&eleuther, &meta])
        .verify(Some(&state))
        .expect("further signatures do no harm");
}

#[test]
fn the_operator_admits_publishers_where_the_log_says_so() {
    let (one, operator) = (key(1), key(100));
    let admission = public(&operator);
    let by_operator = Admission::ByOperator(&admission);
    let payload = || publisher("meta-ai", &[&one], None);

    let admitted = signed(payload(), &[&one, &operator])
        .accept(None, by_operator)
        .expect("signed by the operator too");
    assert_eq!(
        admitted.signed_by(),
        [public(&one)],
        "the operator is no publisher's key"
    );
    assert_eq!(admitted.envelope().signatures().len(), 2);
    // What was admitted verifies by everybody's rules.
    let entry = admitted.to_entry().expect("short");
    SignedRecord::from_entry(&entry)
        .expect("canonical")
        .verify(None)
        .expect("verifiers know no operator");

    let not_admitted = signed(payload(), &[&one]);
    let error = not_admitted
        .clone()
        .accept(None, by_operator)
        .expect_err("the operator has not signed");
    assert_eq!(
        error.to_string(),
        format!(
            "this log registers publishers that its operator admits, and the operator (key {}) has not signed this \
             record",
            keyid(&operator)
        )
    );
    not_admitted
        .clone()
        .accept(None, Admission::Open)
        .expect("an open log");
    not_admitted
        .verify(None)
        .expect("verifiers know no operator");

    // The operator's word alone registers nobody.
    assert_eq!(
        signed(payload(), &[&operator])
            .accept(None, by_operator)
            .expect_err("the publisher has not signed"),
        AuthorityError::KeyNotProven { keyid: keyid(&one) }
    );
}

#[test]
fn the_operator_has_no_say_after_the_registration() {
    let (one, two, operator) = (key(1), key(2), key(100));
    let admission = public(&operator);
    let by_operator = Admission::ByOperator(&admission);
    let state = registered("meta-ai", &[&one]);
    signed(
        publisher("meta-ai", &[&two], Some(state.record)),
        &[&one, &two],
    )
    .accept(Some(&state), by_operator)
    .expect("an update needs no admission");
    card_signed_by(&[&one])
        .accept(Some(&state), by_operator)
        .expect("a card needs no admission");
    // Nor does the operator sign for a publisher.
    assert!(matches!(
        card_signed_by(&[&operator])
            .accept(Some(&state), by_operator)
            .expect_err("no key of meta-ai"),
        AuthorityError::UnknownKey { .. }
    ));
}

#[test]
fn an_operator_who_is_a_publisher_signs_once() {
    let operator = key(100);
    let admission = public(&operator);
    let record = signed(publisher("the-log", &[&operator], None), &[&operator])
        .accept(None, Admission::ByOperator(&admission))
        .expect("the operator's own name");
    assert_eq!(record.envelope().signatures().len(), 1);
}

#[test]
fn an_evaluation_is_signed_by_its_author() {
    let (meta, eleuther) = (key(1), key(2));
    let author = registered("eleutherai", &[&eleuther]);
    let payload = || evaluation("eleutherai", RELEASE, Sha256::of(CARD));
    let record = signed(payload(), &[&eleuther]);
    assert_eq!(record.statement().publisher().as_str(), "eleutherai");
    assert_eq!(
        record
            .statement()
            .release()
            .map(ToString::to_string)
            .as_deref(),
        Some(RELEASE),
        "it is about another's release"
    );
    record.verify(Some(&author)).expect("signed by its author");
    assert!(matches!(
        refused(signed(payload(), &[&meta]), Some(&author)),
        AuthorityError::UnknownKey { .. }
    ));
    // Who evaluates must be registered as well.
    assert_eq!(
        refused(signed(payload(), &[&eleuther]), None),
        AuthorityError::UnknownPublisher {
            publisher: author.name.clone()
        }
    );
}

#[test]
fn a_withdrawal_is_signed_by_who_withdraws() {
    let (meta, eleuther) = (key(1), key(2));
    let (owner, other) = (
        registered("meta-ai", &[&meta]),
        registered("eleutherai", &[&eleuther]),
    );
    let withdrawn = Sha256::of("a statement");
    let payload = |author: &str| withdrawal(author, RELEASE, withdrawn);
    signed(payload("meta-ai"), &[&meta])
        .verify(Some(&owner))
        .expect("signed by its author");
    assert!(matches!(
        refused(signed(payload("meta-ai"), &[&eleuther]), Some(&owner)),
        AuthorityError::UnknownKey { .. }
    ));
    // Somebody else's evaluation of the release is theirs to withdraw.
    let record = signed(payload("eleutherai"), &[&eleuther]);
    assert_eq!(record.statement().publisher().as_str(), "eleutherai");
    record.verify(Some(&other)).expect("signed by its author");
}

#[test]
fn only_publisher_records_change_the_state() {
    let one = key(1);
    let state = registered("meta-ai", &[&one]);
    let card = card_signed_by(&[&one])
        .verify(Some(&state))
        .expect("a good card");
    assert_eq!(
        PublisherState::after(Some(&state), &card, LeafIndex::new(5)),
        None
    );
}

/// A record that was checked once can be checked again, when its publisher has newer keys by now.
#[test]
fn a_record_says_which_keys_it_was_checked_against() {
    let (old, new) = (key(1), key(2));
    let first = registered("meta-ai", &[&old]);
    let second = succeeded(&first, &[&new], &[&old, &new], 7);
    let record = card_signed_by(&[&old])
        .verify(Some(&first))
        .expect("while it was listed");
    assert_eq!(record.checked_against(), Some(first.record));
    assert_ne!(record.checked_against(), Some(second.record));
}

/// A stranger's record can have many keys and many signatures, and each pair that is tried takes time.
#[test]
fn a_signature_that_names_its_key_is_checked_once() {
    let keys: Vec<_> = (1..=16).map(key).collect();
    let keys: Vec<_> = keys.iter().collect();
    let named = signed(publisher("meta-ai", &keys, None), &keys);
    assert_eq!(named.signature_checks_max(None, Admission::Open), 16);
    named.verify(None).expect("signed by all");

    // Without key IDs, each of the 16 may be any of 16 keys, or one that was.
    let mut unnamed = signed(publisher("meta-ai", &keys, None), &keys)
        .envelope()
        .to_json();
    for signature in unnamed["signatures"].as_array_mut().expect("a list") {
        signature["keyid"] = "".into();
    }
    let bytes = serde_json::to_vec(&unnamed).expect("JSON");
    let unnamed = SignedRecord::parse(&bytes).expect("a record");
    assert_eq!(unnamed.signature_checks_max(None, Admission::Open), 16 * 17);
    unnamed.verify(None).expect("key IDs are only hints");
}

#[test]
fn a_signature_under_the_id_of_another_key_of_the_publisher_does_not_hold() {
    let (one, two) = (key(1), key(2));
    let state = registered("meta-ai", &[&one, &two]);
    for (signer, named) in [(&one, &two), (&two, &one)] {
        let record = card_with(&[listed(&keyid(named), &card_signature(signer))]);
        assert!(matches!(
            refused(record, Some(&state)),
            AuthorityError::BadSignature { keyid: found, .. } if found == keyid(named)
        ));
    }
}
