//! Paths of tiles and entry bundles, and the bundles themselves (C2SP `tlog-tiles`).
//!
//! Every accepted form has refused twins: a log must have one path per tile, or caches and mirrors disagree.

use candor_core::merkle::{
    ENTRY_BYTES_MAX, Entry, EntryBundle, EntryBundleError, EntryBundlePath, EntryTooLong, Hash,
    LeafHash, LeafIndex, TILE_WIDTH, Tile, TileError, TileIndex, TileLevel, TilePath,
    TilePathError, TileWidth, TreeSize,
};
use proptest::prelude::*;

/// The last index that a tile of a tree of 64-bit indexes can have: `2^56 - 1`.
const INDEX_MAX: u64 = (1 << 56) - 1;

fn level(level: u8) -> TileLevel {
    TileLevel::new(level).expect("the test asks for levels up to 63")
}

fn width(width: u16) -> TileWidth {
    TileWidth::new(width).expect("the test asks for widths from 1 to 256")
}

fn tile(at: u8, index: u64, wide: u16) -> TilePath {
    TilePath {
        level: level(at),
        index: TileIndex::new(index),
        width: width(wide),
    }
}

fn bundle(index: u64, wide: u16) -> EntryBundlePath {
    EntryBundlePath {
        index: TileIndex::new(index),
        width: width(wide),
    }
}

/// Reads what `Display` writes.
fn parse_tile(path: &str) -> Result<TilePath, TilePathError> {
    let path = path.strip_prefix("tile/").expect("tiles are below tile/");
    let (level, rest) = path
        .split_once('/')
        .expect("the level is followed by a slash");
    TilePath::parse(level, rest)
}

#[test]
fn the_example_in_the_specification_is_read_and_written() {
    assert_eq!(TileIndex::new(1_234_067).to_string(), "x001/x234/067");
    assert_eq!("x001/x234/067".parse(), Ok(TileIndex::new(1_234_067)));
    assert_eq!(tile(3, 1_234_067, 256).to_string(), "tile/3/x001/x234/067");
    assert_eq!(
        tile(0, 1_234_067, 1).to_string(),
        "tile/0/x001/x234/067.p/1"
    );
    assert_eq!(
        bundle(1_234_067, 255).to_string(),
        "tile/entries/x001/x234/067.p/255"
    );
    assert_eq!(
        bundle(1_234_067, 256).to_string(),
        "tile/entries/x001/x234/067"
    );
}

#[test]
fn paths_at_the_borders_of_their_groups_are_read_and_written() {
    for (index, path) in [
        (0, "000"),
        (7, "007"),
        (999, "999"),
        (1_000, "x001/000"),
        (1_001, "x001/001"),
        (999_999, "x999/999"),
        (1_000_000, "x001/x000/000"),
        (INDEX_MAX, "x072/x057/x594/x037/x927/935"),
    ] {
        assert_eq!(TileIndex::new(index).to_string(), path);
        assert_eq!(path.parse(), Ok(TileIndex::new(index)));
        assert_eq!(TilePath::parse("63", path), Ok(tile(63, index, 256)));
        assert_eq!(
            TilePath::parse("0", &format!("{path}.p/1")),
            Ok(tile(0, index, 1))
        );
        assert_eq!(EntryBundlePath::parse(path), Ok(bundle(index, 256)));
        assert_eq!(
            EntryBundlePath::parse(&format!("{path}.p/255")),
            Ok(bundle(index, 255))
        );
    }
}

#[test]
fn a_tree_of_70000_entries_has_the_tiles_that_the_specification_lists() {
    let size = TreeSize::new(70_000);
    let mut expected: Vec<TilePath> = (0..273).map(|index| tile(0, index, 256)).collect();
    expected.extend([
        tile(0, 273, 112),
        tile(1, 0, 256),
        tile(1, 1, 17),
        tile(2, 0, 1),
    ]);
    assert_eq!(TilePath::all_in_tree(size).collect::<Vec<_>>(), expected);
    assert_eq!(
        EntryBundlePath::in_tree(TileIndex::new(272), size),
        Some(bundle(272, 256))
    );
    assert_eq!(
        EntryBundlePath::in_tree(TileIndex::new(273), size),
        Some(bundle(273, 112))
    );
    assert_eq!(EntryBundlePath::in_tree(TileIndex::new(274), size), None);
}

#[test]
fn a_tree_of_256_entries_has_a_full_tile_and_one_hash_above_it() {
    let tiles = |size| TilePath::all_in_tree(TreeSize::new(size)).collect::<Vec<_>>();
    assert_eq!(tiles(256), [tile(0, 0, 256), tile(1, 0, 1)]);
    assert_eq!(tiles(255), [tile(0, 0, 255)]);
    assert_eq!(tiles(257), [tile(0, 0, 256), tile(0, 1, 1), tile(1, 0, 1)]);
    assert_eq!(tiles(0), []);
}

#[test]
fn the_largest_trees_have_partial_tiles_up_to_level_7() {
    let size = TreeSize::new(u64::MAX);
    for at in 0..8 {
        let last = TileIndex::new(INDEX_MAX >> (8 * at));
        assert_eq!(
            TilePath::in_tree(level(at), last, size),
            Some(tile(at, last.get(), 255))
        );
        let past_it = TileIndex::new(last.get() + 1);
        assert_eq!(TilePath::in_tree(level(at), past_it, size), None);
        assert_eq!(
            TilePath::in_tree(level(at), TileIndex::new(u64::MAX), size),
            None
        );
    }
    for at in 8..64 {
        assert_eq!(TilePath::in_tree(level(at), TileIndex::new(0), size), None);
    }
    assert_eq!(TileLevel::new(64), None);
    assert_eq!(TileWidth::new(0), None);
    assert_eq!(TileWidth::new(257), None);
}

#[test]
fn an_index_in_any_other_form_is_refused() {
    let refused = [
        "",
        "0",
        "00",
        "67",
        "0067",
        "1234",
        "0000",
        "x067",
        "x001",
        "x001/x234/x067",
        "001/x234/067",
        "x001/234/067",
        "X001/067",
        "xx001/067",
        "x01/067",
        "x0001/067",
        "x001/67",
        "x001/0067",
        "x001/",
        "x001//067",
        "/067",
        "067/",
        "x001/x234/067/",
        "-01",
        "-067",
        "+67",
        "+067",
        "x-01/067",
        "x+01/067",
        "x001/-67",
        "x001/+67",
        " 67",
        "67 ",
        "0 7",
        "x001/ 67",
        "0x1",
        "06a",
        "6.7",
        "1e3",
        "..",
        "...",
        "x001/../067",
        "x001\\067",
        "%300",
        "٠٦٧",
        "०६७",
        "０６７",
        "x001/٠٦٧",
        "06７",
        "067\n",
        "\0\0\0",
        "x/067",
        "x000/001",
        "x000/000",
        "x000/x001/000",
        "x000/x000/000",
    ];
    for path in refused {
        let error = TilePathError::Index(path.to_owned());
        assert_eq!(path.parse::<TileIndex>(), Err(error.clone()), "{path:?}");
        assert_eq!(TilePath::parse("0", path), Err(error.clone()), "{path:?}");
        assert_eq!(
            TilePath::parse("0", &format!("{path}.p/1")),
            Err(error.clone()),
            "{path:?}"
        );
        assert_eq!(EntryBundlePath::parse(path), Err(error), "{path:?}");
    }
}

#[test]
fn an_index_past_the_last_of_any_tree_is_refused() {
    for path in [
        "x072/x057/x594/x037/x927/936",
        "x999/x999/x999/x999/x999/999",
        "x001/x000/x000/x000/x000/x000/000",
        "x018/x446/x744/x073/x709/x551/615",
        "x018/x446/x744/x073/x709/x551/616",
        "x018/x446/x744/x073/x710/x000/000",
        "x999/x999/x999/x999/x999/x999/999",
        "x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(
            path.parse::<TileIndex>(),
            Err(TilePathError::IndexOverflow(path.to_owned()))
        );
        assert!(TilePath::parse("0", path).is_err());
        assert!(EntryBundlePath::parse(path).is_err());
    }
    assert!(
        "x999/x999/x999/x999/x999/x999/x999"
            .parse::<TileIndex>()
            .is_err(),
        "too large, and ends in an x group"
    );
}

#[test]
fn a_width_in_any_other_form_is_refused() {
    let refused = [
        "",
        "0",
        "00",
        "01",
        "001",
        "256",
        "257",
        "0256",
        "1000",
        "65536",
        "65537",
        "18446744073709551617",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.",
        "0x1",
        "1e2",
        "a",
        "1/",
        "/1",
        "1.p/1",
        "１",
        "١",
        "1\n",
    ];
    for width in refused {
        let error = TilePathError::Width(width.to_owned());
        assert_eq!(
            TilePath::parse("0", &format!("067.p/{width}")),
            Err(error.clone()),
            "{width:?}"
        );
        assert_eq!(
            EntryBundlePath::parse(&format!("067.p/{width}")),
            Err(error),
            "{width:?}"
        );
    }
    for path in [
        "067.p",
        "067.P/1",
        "067p/1",
        "067./1",
        "067.p1",
        ".p/1",
        "067/.p/1",
        "067.p/1/000",
    ] {
        assert!(TilePath::parse("0", path).is_err(), "{path:?}");
        assert!(EntryBundlePath::parse(path).is_err(), "{path:?}");
    }
}

#[test]
fn a_level_in_any_other_form_is_refused() {
    for text in [
        "", "00", "01", "007", "64", "256", "-1", "+1", " 1", "1 ", "0x1", "a", "１", "entries",
        "data", "1.0",
    ] {
        assert_eq!(
            TilePath::parse(text, "067"),
            Err(TilePathError::Level(text.to_owned())),
            "{text:?}"
        );
    }
    for at in 0..64 {
        assert_eq!(
            TilePath::parse(&at.to_string(), "067"),
            Ok(tile(at, 67, 256))
        );
    }
}

/// What the `tlog_tiles` crate writes for a tile, without the height, which C2SP paths leave out.
fn path_by_tlog_tiles(path: TilePath) -> String {
    let wide = u32::from(path.width.get());
    let theirs = tlog_tiles::Tile::new(8, path.level.get(), path.index.get(), wide, false).path();
    theirs.replacen("tile/8/", "tile/", 1)
}

fn any_index() -> impl Strategy<Value = u64> {
    (0..=INDEX_MAX, 0..56_u32).prop_map(|(index, shift)| index >> shift)
}

fn any_tile() -> impl Strategy<Value = TilePath> {
    (0..64_u8, any_index(), 1..=256_u16).prop_map(|(at, index, wide)| tile(at, index, wide))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_tile_path_is_read_back(path in any_tile()) {
        prop_assert_eq!(parse_tile(&path.to_string()), Ok(path));
    }

    #[test]
    fn any_tile_path_is_the_one_that_another_implementation_writes_and_reads(path in any_tile()) {
        prop_assert_eq!(path.to_string(), path_by_tlog_tiles(path));
        let with_height = path.to_string().replacen("tile/", "tile/8/", 1);
        let theirs = tlog_tiles::Tile::from_path(&with_height).expect("tlog_tiles reads what we write");
        prop_assert_eq!(theirs.level(), path.level.get());
        prop_assert_eq!(theirs.level_index(), path.index.get());
        prop_assert_eq!(theirs.width(), u32::from(path.width.get()));
    }

    #[test]
    fn any_entry_bundle_path_is_read_back(index in any_index(), wide in 1..=256_u16) {
        let path = bundle(index, wide);
        let text = path.to_string();
        let rest = text.strip_prefix("tile/entries/").expect("bundles are below tile/entries/");
        prop_assert_eq!(EntryBundlePath::parse(rest), Ok(path));
    }

    #[test]
    fn a_path_that_is_read_is_written_the_same(at in "[0-9]{0,3}", path in "(x?[0-9]{2,4}/){0,3}x?[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = TilePath::parse(&at, &path) {
            prop_assert_eq!(tile.to_string(), format!("tile/{at}/{path}"));
        }
        if let Ok(bundle) = EntryBundlePath::parse(&path) {
            prop_assert_eq!(bundle.to_string(), format!("tile/entries/{path}"));
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(at in "\\PC{0,8}", path in "[x0-9./p\\PC]{0,40}") {
        let _ = TilePath::parse(&at, &path);
        let _ = EntryBundlePath::parse(&path);
    }

    #[test]
    fn the_tiles_of_a_tree_are_those_that_another_implementation_publishes(size in 0..200_000_u64) {
        // The other one shifts a 64-bit size by eight times the level, so it can't go past level 7.
        let mut theirs: Vec<String> = tlog_tiles::Tile::new_tiles(8, 0, size)
            .iter()
            .map(|tile| tile.path().replacen("tile/8/", "tile/", 1))
            .collect();
        let mut ours: Vec<String> = TilePath::all_in_tree(TreeSize::new(size)).map(|path| path.to_string()).collect();
        theirs.sort();
        ours.sort();
        prop_assert_eq!(ours, theirs);
    }
}

fn hashes(count: u16) -> Vec<Hash> {
    (0..count)
        .map(|n| LeafHash::of_bytes(&n.to_be_bytes()).to_hash())
        .collect()
}

#[test]
fn a_tile_of_every_width_is_read_back() {
    for count in 1..=TILE_WIDTH {
        let tile = Tile::new(hashes(count)).expect("1 to 256 hashes");
        let bytes = tile.to_bytes();
        assert_eq!(bytes.len(), usize::from(count) * 32);
        assert_eq!(bytes[..32], *tile.hashes()[0].as_bytes());
        assert_eq!(Tile::parse(&bytes, width(count)), Ok(tile));
    }
    assert_eq!(Tile::new(hashes(0)), None);
    assert_eq!(Tile::new(hashes(257)), None);
}

#[test]
fn a_tile_of_another_length_than_its_width_is_refused() {
    let bytes = Tile::new(hashes(3)).expect("1 to 256 hashes").to_bytes();
    for (found, wide) in [
        (0, 3),
        (1, 3),
        (64, 3),
        (95, 3),
        (96, 2),
        (96, 4),
        (96, 256),
        (95, 2),
        (33, 1),
    ] {
        let error = TileError {
            found,
            expected: usize::from(wide) * 32,
        };
        assert_eq!(Tile::parse(&bytes[..found], width(wide)), Err(error));
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(
        Tile::parse(&longer, width(3)),
        Err(TileError {
            found: 97,
            expected: 96
        })
    );
}

fn entry(bytes: impl Into<Vec<u8>>) -> Entry {
    Entry::new(bytes.into()).expect("short enough")
}

#[test]
fn an_entry_bundle_is_its_entries_behind_their_lengths() {
    let entries = vec![entry(*b"abc"), entry([]), entry(vec![7; 258])];
    let bundle = EntryBundle::new(entries.clone()).expect("1 to 256 entries");
    let mut expected = b"\x00\x03abc\x00\x00\x01\x02".to_vec();
    expected.extend([7; 258]);
    assert_eq!(bundle.to_bytes(), expected);
    let parsed = EntryBundle::parse(&expected, width(3)).expect("what was written is read");
    assert_eq!(parsed.entries(), entries);
    assert_eq!(parsed.into_entries(), entries);
}

#[test]
fn the_longest_entry_fits_and_one_byte_more_does_not() {
    let longest = entry(vec![1; ENTRY_BYTES_MAX]);
    assert_eq!(longest.as_bytes().len(), 65_535);
    let bundle = EntryBundle::new(vec![longest; 2]).expect("1 to 256 entries");
    let bytes = bundle.to_bytes();
    assert_eq!(bytes.len(), 2 * (2 + 65_535));
    assert_eq!(EntryBundle::parse(&bytes, width(2)), Ok(bundle));
    assert_eq!(
        Entry::new(vec![1; 65_536]),
        Err(EntryTooLong { bytes: 65_536 })
    );
}

#[test]
fn a_bundle_has_1_to_256_entries() {
    let of = |count: usize| EntryBundle::new(vec![entry(*b"x"); count]);
    assert_eq!(of(0), None);
    assert_eq!(of(257), None);
    for count in [1, 2, 255, 256] {
        let bundle = of(count).expect("1 to 256 entries");
        let width = width(u16::try_from(count).expect("at most 256"));
        assert_eq!(EntryBundle::parse(&bundle.to_bytes(), width), Ok(bundle));
    }
}

#[test]
fn a_bundle_cut_off_anywhere_is_refused() {
    let entries = vec![entry(*b"abc"), entry(*b"de"), entry(*b"f")];
    let bytes = EntryBundle::new(entries)
        .expect("1 to 256 entries")
        .to_bytes();
    assert_eq!(bytes, b"\x00\x03abc\x00\x02de\x00\x01f");
    let truncated = |entry, missing| EntryBundleError::Truncated { entry, missing };
    let wrong_count = |found| EntryBundleError::WrongCount { expected: 3, found };
    let errors = [
        wrong_count(0),
        truncated(0, 1),
        truncated(0, 3),
        truncated(0, 2),
        truncated(0, 1),
        wrong_count(1),
        truncated(1, 1),
        truncated(1, 2),
        truncated(1, 1),
        wrong_count(2),
        truncated(2, 1),
        truncated(2, 1),
    ];
    assert_eq!(errors.len(), bytes.len());
    for (length, error) in errors.into_iter().enumerate() {
        assert_eq!(
            EntryBundle::parse(&bytes[..length], width(3)),
            Err(error),
            "{length} bytes"
        );
    }
}

#[test]
fn a_bundle_with_more_or_fewer_entries_than_its_width_is_refused() {
    let bytes = EntryBundle::new(vec![entry(*b"x"); 5])
        .expect("1 to 256 entries")
        .to_bytes();
    for (wide, found) in [(1, 2), (2, 3), (4, 5), (6, 5), (256, 5)] {
        let error = EntryBundleError::WrongCount {
            expected: wide,
            found,
        };
        assert_eq!(EntryBundle::parse(&bytes, width(wide)), Err(error));
    }
    // Something behind the last entry is either one more entry, or cut off.
    let with_tail = |tail: &[u8]| [&bytes, tail].concat();
    assert!(EntryBundle::parse(&with_tail(&[0]), width(5)).is_err());
    assert!(EntryBundle::parse(&with_tail(&[0, 0]), width(5)).is_err());
    assert!(EntryBundle::parse(&with_tail(&[0, 1]), width(5)).is_err());
}

#[test]
fn entries_stand_in_their_bundle_by_the_last_byte_of_their_index() {
    for (index, offset) in [(0, 0), (255, 255), (256, 0), (1_000, 232), (u64::MAX, 255)] {
        assert_eq!(EntryBundle::offset(LeafIndex::new(index)), offset);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bundle_is_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..=256)) {
        let wide = width(u16::try_from(entries.len()).expect("at most 256"));
        let bundle = EntryBundle::new(entries.into_iter().map(entry).collect()).expect("1 to 256 entries");
        prop_assert_eq!(EntryBundle::parse(&bundle.to_bytes(), wide), Ok(bundle));
    }

    #[test]
    fn bytes_that_are_read_as_a_bundle_are_written_the_same(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), 0..6_u8], 0..40),
        wide in 1..12_u16,
    ) {
        if let Ok(bundle) = EntryBundle::parse(&bytes, width(wide)) {
            prop_assert_eq!(bundle.entries().len(), usize::from(wide));
            prop_assert_eq!(bundle.to_bytes(), bytes);
        }
    }
}
