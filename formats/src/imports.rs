//! What pickles import, and how much is to be thought of it.
//!
//! ```text
//! "torch._utils._rebuild_tensor_v2" ──► weights need it ──► not said
//! "numpy.dtype"                     ──► harmless        ──► not said
//! "os.system"                       ──► Risk::Dangerous ──► said first
//! "mylib.Net"                       ──► Risk::Unknown   ──► said
//! ```
//!
//! The harmless ones are those that checkpoints of training have beside the weights: states of optimizers and of random
//! numbers, arrays of `NumPy`'s. They make values of what they are given, or give it back; what they are given to call is
//! imported, too, and said. Beside the arrays of joblib's files, what could move an array to where it isn't seen is none of
//! them. That a value is made without harm is not checked: `NumPy` may take numbers that contradict each other for addresses
//! of memory, and its own code for what then happens. They are in the lists of
//! torch (`torch/_weights_only_unpickler.py`, <https://github.com/pytorch/pytorch>), picklescan
//! (`src/picklescan/scanner.py`, <https://github.com/mmaitre314/picklescan>) or fickling (`fickling/ml.py`,
//! <https://github.com/trailofbits/fickling>), or plain types of Python and `NumPy`. The dangerous ones are in those of
//! picklescan and modelscan (`modelscan/settings.py`, <https://github.com/protectai/modelscan>). No list of those can have
//! all: what is in neither is unknown, and said.

use std::collections::BTreeSet;

use crate::globals;

/// Something that a pickle imports, and that weights have no need of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// How much is to be thought of it; the worst comes first.
    pub risk: Risk,
    /// As `module.name`. `(computed)` stands for what isn't there as a text, and `(extension).1` for the first of the
    /// extensions that the reading program has.
    pub name: String,
}

/// How much is to be thought of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It is known to run programs, or to get at what does.
    Dangerous,
    /// It is not known. To import is to run code, if only that of the module.
    Unknown,
}

/// What is harmless, by its module, also in joblib's files, which have arrays between their operations.
const HARMLESS: &[(&str, &[&str])] = &[
    ("collections", &["OrderedDict", "defaultdict", "deque"]),
    ("builtins", BUILTINS),
    // As Python 2 calls it.
    ("__builtin__", BUILTINS),
    ("copyreg", &["_reconstructor"]),
    ("copy_reg", &["_reconstructor"]),
    ("_codecs", &["encode"]),
    ("numpy", NUMPY),
    ("numpy.core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy._core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy.core.numeric", &["_frombuffer"]),
    ("numpy._core.numeric", &["_frombuffer"]),
    // It says that an array follows, which is then looked into.
    ("joblib.numpy_pickle", &["NumpyArrayWrapper"]),
];

/// What is harmless, too, where no arrays stand between the operations. Beside these, what could give back what it is given,
/// or set attributes, could have one follow where none is seen.
const HARMLESS_WITHOUT_ARRAYS: &[(&str, &[&str])] = &[
    ("collections", &["Counter"]),
    ("numpy.ma.core", &["_mareconstruct", "MaskedArray"]),
    (
        "torch.jit._pickle",
        &[
            "build_boollist",
            "build_doublelist",
            "build_intlist",
            "build_tensor_from_id",
            "build_tensorlist",
            "restore_type_tag",
        ],
    ),
    ("torch.nn.parameter", &["Parameter", "Buffer"]),
];

const BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
    "xrange",
];

const NUMPY: &[&str] = &[
    "bool_",
    "complex128",
    "complex64",
    "dtype",
    "float16",
    "float32",
    "float64",
    "int16",
    "int32",
    "int64",
    "int8",
    "ndarray",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
];

/// Modules of which everything, and everything below, is dangerous.
const DANGEROUS_MODULES: &[&str] = &[
    "_aix_support",
    "_osx_support",
    "_pickle",
    "_posixsubprocess",
    "_pyrepl",
    "_socket",
    "aiohttp",
    "asyncio",
    "bdb",
    "cProfile",
    "cffi",
    "cloudpickle",
    "code",
    "codeop",
    "commands",
    "ctypes",
    "dill",
    "distutils",
    "doctest",
    "ensurepip",
    "fileinput",
    "ftplib",
    "http",
    "httplib",
    "idlelib",
    "imaplib",
    "imp",
    "importlib",
    "inspect",
    "lib2to3",
    "linecache",
    "marshal",
    "multiprocessing",
    "nt",
    "numpy.f2py",
    "numpy.testing",
    "os",
    "pdb",
    "pickle",
    "pip",
    "pkgutil",
    "posix",
    "profile",
    "pty",
    "pydoc",
    "requests",
    "runpy",
    "shelve",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "test",
    "timeit",
    "trace",
    "urllib",
    "venv",
    "webbrowser",
    "zipimport",
];

/// Names that are dangerous in modules that are not.
const DANGEROUS: &[&str] = &[
    "_io.FileIO",
    "_io.open",
    "_io.open_code",
    "functools.partial",
    "functools.reduce",
    "io.FileIO",
    "io.open",
    "io.open_code",
    "joblib.load",
    "joblib.numpy_pickle.load",
    "logging.FileHandler",
    "logging.config",
    "nturl2path.url2pathname",
    "numpy.fromfile",
    "numpy.load",
    "numpy.loadtxt",
    "numpy.memmap",
    "numpy.save",
    "operator.attrgetter",
    "operator.itemgetter",
    "operator.methodcaller",
    "_operator.attrgetter",
    "_operator.itemgetter",
    "_operator.methodcaller",
    "pandas.eval",
    "pandas.read_pickle",
    "torch._dynamo.guards.GuardBuilder",
    "torch._inductor",
    "torch.compile",
    "torch.distributed.rpc",
    "torch.fx",
    "torch.hub",
    "torch.jit",
    "torch.load",
    "torch.multiprocessing",
    "torch.ops",
    "torch.package",
    "torch.save",
    "torch.serialization.load",
    "torch.serialization.save",
    "torch.storage._load_from_bytes",
    "torch.utils._config_module",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.cpp_extension",
    "torch.utils.data.datapipes.utils.decoder",
    "types.CodeType",
    "types.FunctionType",
    "types.MethodType",
    "transformers.dynamic_module_utils",
    "uuid._get_command_stdout",
    "yaml",
];

/// Modules that no name leads through on its way to anything good: `torch._utils.sys.modules`.
const DANGEROUS_PARTS: [&str; 14] = [
    "builtins",
    "ctypes",
    "eval",
    "exec",
    "importlib",
    "nt",
    "os",
    "posix",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "system",
];

/// What stands for a part of a name that isn't there as a text.
pub(crate) const COMPUTED: &str = "(computed)";

/// What stands for the module of an extension.
pub(crate) const EXTENSION: &str = "(extension).";

/// What is in a file beside what it imports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Weights,
    /// Between the operations of the pickle, as joblib puts them there.
    Arrays,
}

/// Those of the imports that weights don't need, the worst first.
pub(crate) fn beyond_weights(imports: &BTreeSet<String>) -> Vec<Import> {
    beyond(imports, Beside::Weights)
}

/// Those of the imports that a file doesn't need, the worst first.
pub(crate) fn beyond(imports: &BTreeSet<String>, beside: Beside) -> Vec<Import> {
    let beyond = imports.iter().filter_map(|name| {
        Some(Import {
            risk: risk(name, beside)?,
            name: name.clone(),
        })
    });
    let mut beyond: Vec<_> = beyond.collect();
    beyond.sort();
    beyond
}

/// How much is to be thought of an import, if anything.
fn risk(import: &str, beside: Beside) -> Option<Risk> {
    let is_expected = match beside {
        Beside::Weights => {
            globals::is_for_weights(import)
                || is_in(HARMLESS, import)
                || is_in(HARMLESS_WITHOUT_ARRAYS, import)
                || is_type_of_numpy(import)
        }
        Beside::Arrays => is_in(HARMLESS, import),
    };
    if is_expected {
        return None;
    }
    Some(if is_dangerous(import) {
        Risk::Dangerous
    } else {
        Risk::Unknown
    })
}

fn is_in(list: &[(&str, &[&str])], import: &str) -> bool {
    // A name with points in it leads through what its module has imported; none of these do.
    let Some((module, name)) = import.rsplit_once('.') else {
        return false;
    };
    let known = list.iter().find(|(known, _)| *known == module);
    known.is_some_and(|(_, names)| names.contains(&name))
}

fn is_type_of_numpy(import: &str) -> bool {
    let name = import.strip_prefix("numpy.dtypes.");
    name.is_some_and(|name| !name.contains('.') && name.ends_with("DType"))
}

fn is_dangerous(import: &str) -> bool {
    let is_below = |above: &str| {
        let rest = import.strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if DANGEROUS_MODULES
        .iter()
        .chain(DANGEROUS)
        .any(|it| is_below(it))
        || import.contains(COMPUTED)
    {
        return true;
    }
    let mut parts = import.split('.');
    let first = parts.next().unwrap_or_default();
    // Of what is always there, the harmless is listed.
    let is_builtin = matches!(first, "builtins" | "__builtin__" | "__builtins__");
    // As `__globals__`, and modules that others have imported under a name of their own (`_sys`).
    let leads_on = |part: &str| {
        part.starts_with("__") && part.ends_with("__")
            || DANGEROUS_PARTS.contains(&part.trim_start_matches('_'))
    };
    is_builtin || parts.any(leads_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_programs_comes_first_and_what_checkpoints_have_is_not_said() {
        let said = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let said = beyond_weights(&names);
            said.into_iter()
                .map(|it| (it.name, it.risk))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            said(&[
                "aardvark.Net",
                "numpy.dtype",
                "os.system",
                "__torch__.Net",
                "builtins.eval"
            ]),
            [
                ("builtins.eval".to_owned(), Risk::Dangerous),
                ("os.system".to_owned(), Risk::Dangerous),
                ("__torch__.Net".to_owned(), Risk::Unknown),
                ("aardvark.Net".to_owned(), Risk::Unknown),
            ]
        );
        // Arrays of objects, states of random numbers and of optimizers.
        let checkpoint = [
            "numpy.core.multiarray._reconstruct",
            "numpy._core.multiarray._reconstruct",
            "numpy._core.multiarray.scalar",
            "numpy._core.numeric._frombuffer",
            "numpy.ndarray",
            "numpy.float64",
            "numpy.dtypes.Float32DType",
            "collections.OrderedDict",
            "collections.defaultdict",
            "torch._utils._rebuild_tensor_v2",
            "torch.ByteStorage",
            "torch.Size",
            "torch.device",
            "_codecs.encode",
            "copyreg._reconstructor",
            "builtins.set",
            "builtins.frozenset",
            "builtins.slice",
            "builtins.bytearray",
            "builtins.complex",
            "__builtin__.long",
        ];
        assert_eq!(said(&checkpoint), []);
    }

    #[test]
    fn what_is_known_to_be_dangerous_is_said_to_be() {
        for name in [
            "os.system",
            "os.path.exists",
            "posix.system",
            "nt.system",
            "subprocess.Popen",
            "builtins.eval",
            "builtins.exec",
            "builtins.__import__",
            "builtins.getattr",
            "builtins.open",
            "builtins.breakpoint",
            "__builtin__.apply",
            "__builtins__.eval",
            "runpy._run_code",
            "sys.modules",
            "socket.create_connection",
            "importlib.import_module",
            "importlib.util.find_spec",
            "pty.spawn",
            "shutil.rmtree",
            "ctypes.CDLL",
            "webbrowser.open",
            "torch.hub.load",
            "torch.load",
            "torch.serialization.load",
            "torch.storage._load_from_bytes",
            "numpy.load",
            "joblib.load",
            "joblib.numpy_pickle.load",
            "operator.attrgetter",
            // By way of what a harmless module has imported.
            "torch._utils.os.system",
            "collections._sys.modules",
            "collections.OrderedDict.__init__.__globals__",
            "torch._utils._rebuild_tensor_v2.__globals__",
            "(computed).x",
            "x.(computed)",
        ] {
            assert_eq!(risk(name, Beside::Weights), Some(Risk::Dangerous), "{name}");
        }
        for name in [
            "operating.system_of_units",
            "osmium.x",
            "mylib.ossify",
            "collections.abc",
            "collections.OrderedDict.x",
            "numpy.dtypes.x",
            "(extension).1",
            "torch.nn.modules.linear.Linear",
            "argparse.Namespace",
        ] {
            assert_eq!(risk(name, Beside::Weights), Some(Risk::Unknown), "{name}");
        }
    }
}
