//! Every message of every error that core returns, for a reviewer to read as those who get it.
//!
//! Always: a variant without a row does not compile, and a row with an example of another variant fails.
//!
//! Not here: what becomes of them on the command line, with hints and exit codes (the client's
//! `cli/printer/messages.rs`).

use candor_core::Sha256;
use candor_core::bundle::{BundleError, PartKind, PartProofError, ReceiptError};
use candor_core::merkle::{
    EntryBundleError, EntryTooLong, Hash, LeafIndex, PlanError, ProofError, TileError, TilePath,
    TilePathError, TreeSize,
};
use candor_core::note::{
    CheckpointError, CosignatureFault, KeyId, KeyName, KeyType, NoteError, Origin, QuorumError,
    RefusedCosignature, RetirementError, VerifierKeyError, WebhookError,
};
use candor_core::record::kinds::Relation;
use candor_core::record::lineage::{ParentError, ParentListError};
use candor_core::record::{
    Algorithm, AuthorityError, DigestSetError, EnvelopeError, JsonError, Kind, NameError,
    PayloadError, PublicKeyError, PublisherName, RecordError, ReleaseName, SchemaViolation,
    SignatureFault, StatementError, UnsafeText, check_schema,
};
use candor_core::weights::{
    ChunkListError, ChunksRoot, FilePath, FilePathError, ManifestError, TensorListError,
};

/// An example of every variant, as text.
macro_rules! messages {
    ($error:ident: $($pattern:pat => $example:expr,)*) => {{
        let _ = |error: &$error| match error { $($pattern => (),)* };
        [$({
            let (variant, example): (_, $error) = (stringify!($pattern), $example);
            assert!(matches!(&example, $pattern), "the row of {variant} shows {example:?}");
            format!("{variant}\n    {example}\n")
        },)*]
        .concat()
    }};
}

fn index(index: u64) -> LeafIndex {
    LeafIndex::new(index)
}

fn size(size: u64) -> TreeSize {
    TreeSize::new(size)
}

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

fn digest(text: &str) -> Sha256 {
    Sha256::of(text)
}

fn publisher() -> PublisherName {
    "meta-ai".parse().expect("a name")
}

fn release() -> ReleaseName {
    "meta-ai/opt-125m@1.0.0".parse().expect("a name")
}

fn chunks_root() -> ChunksRoot {
    serde_json::from_value(serde_json::json!(digest("chunks"))).expect("a digest")
}

fn path() -> FilePath {
    "model/weights.bin".parse().expect("a path")
}

fn origin() -> Origin {
    "log.example.org/candor".parse().expect("an origin")
}

fn json_error() -> JsonError {
    JsonError::Syntax("expected value at line 3 column 7".to_owned())
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn what_is_said_of_trees() {
    let tile = TilePath::parse("0", "x001/067").expect("a path");
    let too_long = EntryTooLong { bytes: 70_000 };
    let tile_error = TileError {
        found: 33,
        expected: 64,
    };
    let no_hash = "AAAA".parse::<Hash>().expect_err("too short");
    let no_digest = "abc".parse::<Sha256>().expect_err("too short");
    let of_enums = messages! { ProofError:
        ProofError::OtherTree { .. } => ProofError::OtherTree { proof: size(4), head: size(9) },
        ProofError::Shrinks { .. } => ProofError::Shrinks { old: size(9), new: size(4) },
        ProofError::OutOfBounds { .. } => ProofError::OutOfBounds { index: index(9), start: 0, end: 4 },
        ProofError::NoSubtree { .. } => ProofError::NoSubtree { start: 3, end: 7 },
        ProofError::TooShort => ProofError::TooShort,
        ProofError::TooLong { .. } => ProofError::TooLong { extra: 2 },
        ProofError::RootMismatch { .. } => ProofError::RootMismatch { computed: hash(1), expected: hash(2) },
        ProofError::OldRootMismatch { .. } => ProofError::OldRootMismatch { computed: hash(1), expected: hash(2) },
    } + &messages! { PlanError:
        PlanError::MissingTile(_) => PlanError::MissingTile(tile),
    } + &messages! { TilePathError:
        TilePathError::Level(_) => TilePathError::Level(text("064")),
        TilePathError::Index(_) => TilePathError::Index(text("12")),
        TilePathError::IndexOverflow(_) => TilePathError::IndexOverflow(text("x999/x999/x999/x999/x999/x999/999")),
        TilePathError::Width(_) => TilePathError::Width(text("0")),
    } + &messages! { EntryBundleError:
        EntryBundleError::Truncated { .. } => EntryBundleError::Truncated { entry: 3, missing: 17 },
        EntryBundleError::WrongCount { .. } => EntryBundleError::WrongCount { expected: 256, found: 255 },
    };
    insta::assert_snapshot!(format!(
        "{of_enums}EntryTooLong\n    {too_long}\nTileError\n    {tile_error}\nNotAHash\n    {no_hash}\nNotSha256\n    {no_digest}\n"
    ));
}

#[test]
fn what_is_said_of_notes() {
    let a_space = || "a b".parse::<KeyName>().expect_err("it has a space");
    let a_slash = "log.example.org/"
        .parse::<Origin>()
        .expect_err("it ends with a slash");
    let witness = |name: &str| name.parse::<KeyName>().expect("a name");
    let name: KeyName = witness("log.example.org/candor");
    let of_enums = messages! { NoteError:
        NoteError::TooLong { .. } => NoteError::TooLong { bytes: 1 << 20 },
        NoteError::NotUtf8 { .. } => NoteError::NotUtf8 { valid_up_to: 17 },
        NoteError::ControlCharacter { .. } => NoteError::ControlCharacter { code: 0x1b, at: 17 },
        NoteError::NoSignatures => NoteError::NoSignatures,
        NoteError::BadSignatureLine { .. } => NoteError::BadSignatureLine { line: 1, found: text("- candor") },
        NoteError::TooManySignatures => NoteError::TooManySignatures,
        NoteError::BadSignature { .. } => NoteError::BadSignature { name, key_id: KeyId::from_bytes([1; 4]) },
        NoteError::NoTrustedSignature { .. } => NoteError::NoTrustedSignature {
            signed_by: vec![text("log.example.com/other (key id 02020202)")],
            wanted: vec![text("log.example.org/candor (key id 01010101)")],
        },
    } + &messages! { CheckpointError:
        CheckpointError::Note(_) => CheckpointError::Note(NoteError::NoSignatures),
        CheckpointError::OtherOrigin { .. } => CheckpointError::OtherOrigin {
            expected: origin(),
            found: text("log.example.com/other"),
        },
        CheckpointError::TooFewLines { .. } => CheckpointError::TooFewLines { found: 1 },
        CheckpointError::Size(_) => CheckpointError::Size(text("007")),
        CheckpointError::Root(_) => CheckpointError::Root(text("AAAA")),
        CheckpointError::Extensions => CheckpointError::Extensions,
        CheckpointError::Retirement(_) => CheckpointError::Retirement(RetirementError::Form(text("retired soon"))),
        CheckpointError::OtherForm => CheckpointError::OtherForm,
        CheckpointError::TwoRetirements => CheckpointError::TwoRetirements,
        CheckpointError::EmptyTreeRoot => CheckpointError::EmptyTreeRoot,
    } + &messages! { RetirementError:
        RetirementError::Form(_) => RetirementError::Form(text("retired soon")),
        RetirementError::Key(_) => RetirementError::Key(VerifierKeyError::Form),
        RetirementError::Url(_) => RetirementError::Url(text("ftp://log.example.org/2")),
    } + &messages! { VerifierKeyError:
        VerifierKeyError::PrivateKey => VerifierKeyError::PrivateKey,
        VerifierKeyError::Form => VerifierKeyError::Form,
        VerifierKeyError::Name(_) => VerifierKeyError::Name(a_space()),
        VerifierKeyError::Encoding { .. } => VerifierKeyError::Encoding { name: text("log.example.org") },
        VerifierKeyError::Unsupported { .. } => VerifierKeyError::Unsupported { kind: 4, wanted: KeyType::Ed25519, name: text("log.example.org") },
        VerifierKeyError::WeakKey { .. } => VerifierKeyError::WeakKey { name: text("log.example.org") },
        VerifierKeyError::KeyIdMismatch { .. } => VerifierKeyError::KeyIdMismatch {
            name: text("log.example.org"),
            stated: KeyId::from_bytes([1; 4]),
            computed: KeyId::from_bytes([2; 4]),
        },
    } + &messages! { CosignatureFault:
        CosignatureFault::Length { .. } => CosignatureFault::Length { bytes: 64 },
        CosignatureFault::Time(_) => CosignatureFault::Time(0),
        CosignatureFault::Signature => CosignatureFault::Signature,
        CosignatureFault::OfTheLog => CosignatureFault::OfTheLog,
    } + &messages! { RefusedCosignature:
        RefusedCosignature { .. } => RefusedCosignature {
            witness: witness("witness.example.com/w1"),
            key_id: KeyId::from_bytes([1; 4]),
            fault: CosignatureFault::Signature,
        },
    } + &messages! { QuorumError:
        QuorumError::Zero => QuorumError::Zero,
        QuorumError::TooFewWitnesses { .. } => QuorumError::TooFewWitnesses { required: 2, witnesses: 1 },
        QuorumError::SameKey { .. } => QuorumError::SameKey {
            first: witness("witness.example.com/w1"),
            second: witness("witness.example.net/w2"),
        },
    } + &messages! { WebhookError:
        WebhookError::TooLong { .. } => WebhookError::TooLong { bytes: 9_000 },
        WebhookError::Byte { .. } => WebhookError::Byte { byte: b'\n', at: 117 },
        WebhookError::Prefix => WebhookError::Prefix,
        WebhookError::Id { .. } => WebhookError::Id { expected: text("candor+record+3dcfcf5fc543df8c+") },
        WebhookError::Timestamp => WebhookError::Timestamp,
        WebhookError::Body => WebhookError::Body,
    };
    insta::assert_snapshot!(format!("{of_enums}OriginError\n    {a_slash}\n"));
}

#[test]
fn what_is_said_of_weights() {
    let told = messages! { FilePathError:
        FilePathError::Length(..) => FilePathError::Length(text(""), 0),
        FilePathError::Absolute(_) => FilePathError::Absolute(text("/etc/passwd")),
        FilePathError::Part { .. } => FilePathError::Part { path: text("a/../b"), part: text("..") },
        FilePathError::Backslash(_) => FilePathError::Backslash(text("a\\b")),
        FilePathError::Unsafe { .. } => FilePathError::Unsafe {
            path: text("a\nb"),
            error: UnsafeText::Control(10),
        },
    } + &messages! { ChunkListError:
        ChunkListError::Length { .. } => ChunkListError::Length { found: 64, expected: 96 },
        ChunkListError::TooLong(_) => ChunkListError::TooLong(1 << 30),
        ChunkListError::Root { .. } => ChunkListError::Root { stated: chunks_root(), actual: chunks_root() },
    } + &messages! { TensorListError:
        TensorListError::Json(_) => TensorListError::Json(json_error()),
        TensorListError::Form(_) => TensorListError::Form(text("missing field `tensors`")),
        TensorListError::NotCanonical => TensorListError::NotCanonical,
        TensorListError::Count(_) => TensorListError::Count(0),
        TensorListError::Places(_) => TensorListError::Places(1 << 30),
        TensorListError::TooLong(_) => TensorListError::TooLong(1 << 30),
        TensorListError::Tensor { .. } => TensorListError::Tensor {
            name: text("model.decoder.embed_tokens.weight"),
            rule: text("77266944 bytes from byte 8 on are not in model.safetensors"),
        },
        TensorListError::Disagrees { .. } => TensorListError::Disagrees {
            field: "count",
            stated: text("103"),
            actual: text("104"),
        },
    } + &messages! { ManifestError:
        ManifestError::Json(_) => ManifestError::Json(json_error()),
        ManifestError::Form(_) => ManifestError::Form(text("missing field `files`")),
        ManifestError::NotCanonical => ManifestError::NotCanonical,
        ManifestError::Count(_) => ManifestError::Count(0),
        ManifestError::Duplicate(_) => ManifestError::Duplicate(path()),
        ManifestError::FileAndFolder(_) => ManifestError::FileAndFolder(path()),
        ManifestError::FileTooLarge(_) => ManifestError::FileTooLarge(path()),
        ManifestError::NoCommonAlgorithm => ManifestError::NoCommonAlgorithm,
        ManifestError::Chunks(_) => ManifestError::Chunks(ChunkListError::TooLong(1 << 30)),
        ManifestError::Tensors(_) => ManifestError::Tensors(TensorListError::NotCanonical),
        ManifestError::Disagrees { .. } => ManifestError::Disagrees {
            field: "fileCount",
            stated: text("3"),
            actual: text("4"),
        },
    } + &messages! { DigestSetError:
        DigestSetError::Empty => DigestSetError::Empty,
        DigestSetError::UnknownAlgorithm(_) => DigestSetError::UnknownAlgorithm(text("crc32")),
        DigestSetError::Value { .. } => DigestSetError::Value {
            algorithm: Algorithm::Md5,
            found: text("ABC"),
            expected: "32",
        },
    };
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_said_of_records() {
    let no_kind = "card".parse::<Kind>().expect_err("no kind");
    let violation = SchemaViolation {
        pointer: String::new(),
        rule: text("required"),
        message: text("\"subject\" is a required property"),
    };
    let name_error = || {
        "Meta"
            .parse::<PublisherName>()
            .expect_err("a capital letter")
    };
    let of_enums = messages! { JsonError:
        JsonError::NotUtf8 { .. } => JsonError::NotUtf8 { valid_up_to: 17 },
        JsonError::Syntax(_) => json_error(),
        JsonError::Number { .. } => JsonError::Number {
            number: text("9007199254740993"),
            becomes: text("9007199254740992"),
            line: 3,
            column: 7,
        },
    } + &messages! { EnvelopeError:
        EnvelopeError::TooLong { .. } => EnvelopeError::TooLong { bytes: 1 << 20 },
        EnvelopeError::PayloadTooLong { .. } => EnvelopeError::PayloadTooLong { bytes: 1 << 20 },
        EnvelopeError::Json(_) => EnvelopeError::Json(json_error()),
        EnvelopeError::Field { .. } => EnvelopeError::Field {
            pointer: text("/signatures/0/sig"),
            rule: "it is not base64",
        },
        EnvelopeError::PayloadType { .. } => EnvelopeError::PayloadType { found: text("text/plain") },
    } + &messages! { StatementError:
        StatementError::Json(_) => StatementError::Json(json_error()),
        StatementError::Type { .. } => StatementError::Type { found: text("https://in-toto.io/Statement/v0.1") },
        StatementError::UnknownKind { .. } => StatementError::UnknownKind { found: text("urn:candor:card:v1") },
        StatementError::Name { .. } => StatementError::Name { pointer: "/subject/0/name", error: name_error() },
        StatementError::Subject => StatementError::Subject,
        StatementError::Predicate(_) => StatementError::Predicate(text("missing field `document`")),
        StatementError::Rule { .. } => StatementError::Rule {
            pointer: text("/predicate/behind/release"),
            rule: text("a release is not behind itself"),
        },
    } + &messages! { PayloadError:
        PayloadError::Statement(_) => PayloadError::Statement(StatementError::Subject),
        PayloadError::Schema { .. } => PayloadError::Schema {
            kind: Kind::Weights,
            violations: check_schema(Kind::Weights, &serde_json::json!({})).expect_err("nothing is there"),
        },
    } + &messages! { RecordError:
        RecordError::Envelope(_) => RecordError::Envelope(EnvelopeError::Json(json_error())),
        RecordError::Statement(_) => RecordError::Statement(StatementError::Subject),
        RecordError::NotCanonical => RecordError::NotCanonical,
    } + &messages! { NameError:
        NameError::Character { .. } => name_error(),
        NameError::Length { .. } => "".parse::<PublisherName>().expect_err("empty"),
        NameError::Edge { .. } => "-a".parse::<PublisherName>().expect_err("a hyphen first"),
        NameError::Form { .. } => "meta-ai".parse::<ReleaseName>().expect_err("no version"),
    } + &messages! { UnsafeText:
        UnsafeText::Control(_) => UnsafeText::Control(10),
        UnsafeText::Invisible(_) => UnsafeText::Invisible(0x202e),
        UnsafeText::NotNormalized => UnsafeText::NotNormalized,
    };
    insta::assert_snapshot!(format!(
        "{of_enums}UnknownKind\n    {no_kind}\nSchemaViolation\n    {violation}\n"
    ));
}

#[test]
fn what_is_said_of_who_signed() {
    let keyid = digest("a key");
    // Besides the message, an authority error has a hint, which becomes the server's.
    let with_hints = |messages: [(&str, AuthorityError); 10]| {
        messages
            .map(|(variant, error)| format!("{variant}\n    {error}\n    hint: {}\n", error.hint()))
            .concat()
    };
    macro_rules! authority {
        ($($pattern:pat => $example:expr,)*) => {{
            let _ = |error: &AuthorityError| match error { $($pattern => (),)* };
            with_hints([$({
                let example = $example;
                assert!(matches!(&example, $pattern), "the row of {} shows {example:?}", stringify!($pattern));
                (stringify!($pattern), example)
            },)*])
        }};
    }
    let told = authority! {
        AuthorityError::UnknownPublisher { .. } => AuthorityError::UnknownPublisher { publisher: publisher() },
        AuthorityError::UnknownKey { .. } => AuthorityError::UnknownKey {
            publisher: publisher(),
            keyids: keyid.to_string(),
        },
        AuthorityError::RevokedKey { .. } => AuthorityError::RevokedKey { publisher: publisher(), keyid, at: index(9) },
        AuthorityError::BadSignature { .. } => AuthorityError::BadSignature { keyid, fault: SignatureFault::Mismatch },
        AuthorityError::KeyNotProven { .. } => AuthorityError::KeyNotProven { keyid },
        AuthorityError::RetiredKeyReturns { .. } => AuthorityError::RetiredKeyReturns { keyid, at: index(9) },
        AuthorityError::DuplicateKey { .. } => AuthorityError::DuplicateKey { keyid },
        AuthorityError::NotTheSuccessor { .. } => AuthorityError::NotTheSuccessor {
            publisher: publisher(),
            newest: digest("the newest record"),
            at: index(9),
            found: None,
        },
        AuthorityError::NothingToFollow { .. } => AuthorityError::NothingToFollow {
            publisher: publisher(),
            previous: digest("a record"),
        },
        AuthorityError::NotAdmitted { .. } => AuthorityError::NotAdmitted { operator: keyid },
    } + &messages! { PublicKeyError:
        PublicKeyError::Encoding => PublicKeyError::Encoding,
        PublicKeyError::SmallOrder => PublicKeyError::SmallOrder,
        PublicKeyError::KeyId { .. } => PublicKeyError::KeyId { stated: keyid, computed: digest("another key") },
        PublicKeyError::Algorithm(_) => PublicKeyError::Algorithm(text("rsa")),
    } + &messages! { SignatureFault:
        SignatureFault::Length(_) => SignatureFault::Length(63),
        SignatureFault::NonCanonicalS => SignatureFault::NonCanonicalS,
        SignatureFault::Mismatch => SignatureFault::Mismatch,
    };
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_said_of_bundles() {
    let not_included = || ReceiptError::NotIncluded {
        index: index(9),
        error: ProofError::TooShort,
    };
    let card = || digest("a card");
    let told = messages! { BundleError:
        BundleError::TooLong { .. } => BundleError::TooLong { bytes: 1 << 30 },
        BundleError::Json(_) => BundleError::Json(json_error()),
        BundleError::Form(_) => BundleError::Form(text("missing field `release`")),
        BundleError::Checkpoint(_) => BundleError::Checkpoint(CheckpointError::TooFewLines { found: 1 }),
        BundleError::Order(_) => BundleError::Order(index(9)),
        BundleError::Twice { .. } => BundleError::Twice {
            release: release(),
            kind: Kind::Weights,
            first: index(4),
            second: index(9),
        },
        BundleError::Record { .. } => BundleError::Record { index: index(9), error: RecordError::NotCanonical },
        BundleError::Inclusion(_) => BundleError::Inclusion(not_included()),
        BundleError::Authority { .. } => BundleError::Authority {
            index: index(9),
            error: AuthorityError::UnknownPublisher { publisher: publisher() },
        },
        BundleError::NothingAbout(_) => BundleError::NothingAbout(release()),
        BundleError::Attachment { .. } => BundleError::Attachment { stated: card(), actual: digest("another") },
        BundleError::AttachmentNotNamed(_) => BundleError::AttachmentNotNamed(card()),
        BundleError::Manifest { .. } => BundleError::Manifest {
            index: index(9),
            error: ManifestError::NotCanonical,
        },
        BundleError::AttachmentEncoding(_) => BundleError::AttachmentEncoding(card()),
    } + &messages! { PartProofError:
        PartProofError::TooLong { .. } => PartProofError::TooLong { bytes: 1 << 30 },
        PartProofError::Json(_) => PartProofError::Json(json_error()),
        PartProofError::Form(_) => PartProofError::Form(text("missing field `hashes`")),
        PartProofError::Bundle(_) => PartProofError::Bundle(BundleError::NothingAbout(release())),
        PartProofError::NotStated { .. } => PartProofError::NotStated {
            release: release(),
            parts: PartKind::Tensors,
        },
        PartProofError::Root { .. } => PartProofError::Root { index: index(4), parts: PartKind::Chunks },
        PartProofError::Manifest { .. } => PartProofError::Manifest {
            index: index(4),
            error: ManifestError::NoCommonAlgorithm,
        },
    } + &messages! { ReceiptError:
        ReceiptError::Form { .. } => ReceiptError::Form { line: 1, rule: "it is not c2sp.org/tlog-proof@v1" },
        ReceiptError::TooLong { .. } => ReceiptError::TooLong { bytes: 1 << 20 },
        ReceiptError::Checkpoint(_) => ReceiptError::Checkpoint(CheckpointError::TooFewLines { found: 1 }),
        ReceiptError::NotInTree { .. } => ReceiptError::NotInTree { index: index(9), size: 4 },
        ReceiptError::NotIncluded { .. } => not_included(),
    };
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_said_of_parents() {
    let told = messages! { ParentError:
        ParentError::OtherStatement { .. } => ParentError::OtherStatement {
            index: index(4),
            named: digest("a parent"),
            found: digest("another"),
        },
        ParentError::OtherIndex { .. } => ParentError::OtherIndex { named: index(4), found: index(5) },
        ParentError::OtherRelease { .. } => ParentError::OtherRelease {
            index: index(4),
            named: release(),
            found: text("meta-ai/opt-350m@1.0.0"),
        },
        ParentError::OtherKind { .. } => ParentError::OtherKind { index: index(4), kind: Kind::Evaluation },
        ParentError::NotBefore { .. } => ParentError::NotBefore { parent: index(9), child: index(4) },
    } + &messages! { ParentListError:
        ParentListError::Itself { .. } => ParentListError::Itself { parent: 0, release: release() },
        ParentListError::Twice { .. } => ParentListError::Twice {
            parent: 1,
            relation: Relation::MergedFrom,
            release: release(),
        },
    };
    insta::assert_snapshot!(told);
}
