//! Catalogues that are made anew.

use super::*;

#[tokio::test]
async fn a_damaged_catalogue_and_one_of_another_log_are_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place::File(folder.path().join("catalogue.db"));
    let Place::File(file) = &place else {
        unreachable!()
    };
    let mut records = Records::default();
    records.publisher("lab", "Lab");
    let catalogue = Catalogue::open(&place, &identity())
        .await
        .expect("it opens");
    records.add_to(&catalogue, 10).await;
    catalogue.close().await;
    let again = Catalogue::open(&place, &identity())
        .await
        .expect("it opens");
    assert!(again.publisher("lab").await.expect("an answer").is_some());
    again.close().await;
    let mut other = identity();
    let key = NoteSigner::new(
        "example.org/candor".parse().expect("a name"),
        SigningKey::from_bytes(&[8; 32]),
    );
    other.key = key.verifier_key().clone();
    let anew = Catalogue::open(&place, &other).await.expect("it opens");
    assert!(anew.publisher("lab").await.expect("an answer").is_none());
    anew.close().await;
    std::fs::write(
        file,
        b"this is no database at all, and long enough to be looked at as one",
    )
    .expect("it is written");
    let anew = Catalogue::open(&place, &identity())
        .await
        .expect("it opens");
    assert_eq!(anew.size(), 0);
}
