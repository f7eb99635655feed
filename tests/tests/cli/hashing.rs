//! What a folder's files are: chunk by chunk, and from memory.

use candor_core::Sha256;

use super::verifying::Scene;

#[test]
fn of_a_large_file_the_chunks_that_differ_are_named() {
    const MIB: usize = 1 << 20;
    let scene = Scene::new();
    let lab = &scene.lab;
    let mut bytes: Vec<u8> = (0..20 * MIB).map(|n| (n / MIB).to_le_bytes()[0]).collect();
    let file = lab.write("large/model.bin", &bytes);
    lab.write("large/README.md", "---\nlicense: mit\n---\n");
    lab.candor(
        &scene.log,
        "release large --as example-lab/large@1.0.0 --out large.candor",
    )
    .expect_code(0);
    let verify = "verify large --bundle large.candor";
    lab.candor(&scene.log, verify).expect_code(0);
    for (at, words) in [
        (vec![0], "in 1 of its 3 chunks: bytes 0-8388607)"),
        (
            vec![19 * MIB],
            "in 1 of its 3 chunks: bytes 16777216-20971519)",
        ),
        (
            vec![5, 8 * MIB, 20 * MIB - 1],
            "in 3 of its 3 chunks: bytes 0-8388607, 8388608-16777215, 16777216-20971519)",
        ),
    ] {
        let flip = |bytes: &mut Vec<u8>| at.iter().for_each(|at| bytes[*at] ^= 1);
        flip(&mut bytes);
        std::fs::write(&file, &bytes).expect("written");
        lab.candor(&scene.log, verify).expect_error(1, words);
        flip(&mut bytes);
    }
    std::fs::write(&file, &bytes).expect("written");
    lab.candor(&scene.log, verify).expect_code(0);
}

#[test]
fn what_is_remembered_confirms_and_never_refutes() {
    use std::os::unix::fs::MetadataExt as _;
    let scene = Scene::new();
    let auditor = &scene.auditor;
    let file = auditor.home.join("tiny/model.safetensors");
    let kind = std::process::Command::new("stat")
        .args(["-f", "-c", "%T"])
        .arg(&file)
        .output();
    if String::from_utf8_lossy(&kind.expect("stat runs").stdout).trim() == "tmpfs" {
        // Of what is in memory, nothing is remembered.
        return;
    }
    // As if it had been read when nobody had written to it for a minute.
    let remember = |digest: Sha256| {
        let it = std::fs::metadata(&file).expect("it is there");
        let modified = it.mtime() * 1_000_000_000 + it.mtime_nsec();
        let changed = it.ctime() * 1_000_000_000 + it.ctime_nsec();
        let line = format!(
            "1 {} {} {} {modified} {changed} sha256:{digest}\n",
            it.dev(),
            it.ino(),
            it.size()
        );
        auditor.write(".local/state/candor/digests", line);
    };
    let said = |flags: &str| {
        let verify = format!("verify tiny --bundle tiny.candor {flags}");
        let ran = auditor.candor(&scene.log, &verify).expect_code(0);
        let words: Vec<_> = ran.stdout.split_whitespace().collect();
        words.join(" ")
    };
    let of_before = "1 of them by digests that were taken before";
    let unread = "the bytes of 1 file that nobody wrote to";
    remember(Sha256::of(std::fs::read(&file).expect("read")));
    let known = said("");
    assert!(
        known.contains(of_before) && known.contains(unread),
        "{known}"
    );
    let reread = said("--reread");
    assert!(
        !reread.contains(of_before) && !reread.contains(unread),
        "{reread}"
    );
    // A memory that is wrong costs time, and nothing else.
    remember(Sha256::of("other bytes"));
    let doubted = said("");
    assert!(!doubted.contains(of_before), "{doubted}");
}
