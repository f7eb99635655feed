//! What a pickle of weights imports: the names that `torch.load(weights_only=True)` takes, and what they are.
//!
//! ```text
//! torch.FloatStorage ──► float32 ──► F32, 4 bytes
//! torch.float32      ──►
//! ```
//!
//! <https://github.com/pytorch/pytorch/blob/main/torch/_weights_only_unpickler.py>, `_get_allowed_globals`, with the
//! types of `torch/storage.py`. The classes of tensors, which are made in C++, are as `torch/csrc/tensor/python_tensor.cpp`
//! has them.

/// A type of elements: its name in torch, that of safetensors where it has one, and the bytes of one.
pub(crate) type Elements = (&'static str, &'static str, u64);

/// All types that have a whole number of bytes each; the packed ones, a byte for several.
const ELEMENTS: [Elements; 33] = [
    ("float64", "F64", 8),
    ("float32", "F32", 4),
    ("float16", "F16", 2),
    ("int64", "I64", 8),
    ("int32", "I32", 4),
    ("int16", "I16", 2),
    ("int8", "I8", 1),
    ("uint8", "U8", 1),
    ("bool", "BOOL", 1),
    ("bfloat16", "BF16", 2),
    ("complex128", "C128", 16),
    ("complex64", "C64", 8),
    ("qint8", "qint8", 1),
    ("quint8", "quint8", 1),
    ("qint32", "qint32", 4),
    ("quint4x2", "quint4x2", 1),
    ("quint2x4", "quint2x4", 1),
    ("float8_e5m2", "F8_E5M2", 1),
    ("float8_e4m3fn", "F8_E4M3", 1),
    ("float8_e5m2fnuz", "F8_E5M2FNUZ", 1),
    ("float8_e4m3fnuz", "F8_E4M3FNUZ", 1),
    ("float8_e8m0fnu", "F8_E8M0", 1),
    ("float4_e2m1fn_x2", "float4_e2m1fn_x2", 1),
    ("bits8", "bits8", 1),
    ("bits1x8", "bits1x8", 1),
    ("bits2x4", "bits2x4", 1),
    ("bits4x2", "bits4x2", 1),
    ("bits16", "bits16", 2),
    ("complex32", "complex32", 4),
    ("bcomplex32", "bcomplex32", 4),
    ("uint16", "U16", 2),
    ("uint32", "U32", 4),
    ("uint64", "U64", 8),
];

/// The classes of storages, without "Storage", and their elements.
const STORAGES: [(&str, &str); 18] = [
    ("Double", "float64"),
    ("Float", "float32"),
    ("Half", "float16"),
    ("Long", "int64"),
    ("Int", "int32"),
    ("Short", "int16"),
    ("Char", "int8"),
    ("Byte", "uint8"),
    ("Bool", "bool"),
    ("BFloat16", "bfloat16"),
    ("ComplexDouble", "complex128"),
    ("ComplexFloat", "complex64"),
    ("QInt8", "qint8"),
    ("QUInt8", "quint8"),
    ("QInt32", "qint32"),
    ("QUInt4x2", "quint4x2"),
    ("QUInt2x4", "quint2x4"),
    // Bytes, of which it says nothing more.
    ("Untyped", "uint8"),
];

/// The classes of tensors, without "Tensor": dense and sparse, on the processor and on cards.
const TENSORS: [&str; 10] = [
    "Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool", "BFloat16",
];

/// What is in `torch._utils`, where tensors are made.
const REBUILD: [&str; 11] = [
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_qtensor",
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_sparse_tensor",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_wrapper_subclass",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
];

/// All others. Python 2 has its own names for the module of what is always there.
const OTHERS: [&str; 22] = [
    "collections.OrderedDict",
    "collections.Counter",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.storage.TypedStorage",
    "torch.storage.UntypedStorage",
    "torch._tensor._rebuild_from_type_v2",
    "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
    "torch.per_channel_affine",
    "torch.per_channel_symmetric",
    "torch.per_channel_affine_float_qparams",
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.set",
    "builtins.complex",
    "__builtin__.bytearray",
    "__builtin__.set",
    "__builtin__.complex",
];

/// The elements of storages of this class, given as `module.name`.
pub(crate) fn of_storage(class: &str) -> Option<Elements> {
    let (module, class) = class.rsplit_once('.')?;
    let kind = class.strip_suffix("Storage")?;
    if !matches!(module, "torch" | "torch.cuda" | "torch.storage") {
        return None;
    }
    let (_, elements) = STORAGES.iter().find(|(known, _)| *known == kind)?;
    of_name(elements)
}

/// The type of this name, given as `torch.name`.
pub(crate) fn of_dtype(global: &str) -> Option<Elements> {
    of_name(global.strip_prefix("torch.")?)
}

fn of_name(name: &str) -> Option<Elements> {
    ELEMENTS.iter().find(|(known, ..)| *known == name).copied()
}

/// If weights need it.
pub(crate) fn is_for_weights(global: &str) -> bool {
    if OTHERS.contains(&global) || of_storage(global).is_some() || of_dtype(global).is_some() {
        return true;
    }
    if let Some(name) = global.strip_prefix("torch._utils.") {
        return REBUILD.contains(&name);
    }
    let Some((module, name)) = global.rsplit_once('.') else {
        return false;
    };
    // uint1 to 7, and int1 to 7.
    if module == "torch"
        && let Some(bits) = name.strip_prefix("u").unwrap_or(name).strip_prefix("int")
    {
        return matches!(bits.as_bytes(), [b'1'..=b'7']);
    }
    let is_module = matches!(
        module,
        "torch" | "torch.cuda" | "torch.sparse" | "torch.cuda.sparse"
    );
    let kind = name.strip_suffix("Tensor");
    is_module && kind.is_some_and(|kind| TENSORS.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_need_only_what_torch_itself_takes_for_them() {
        for allowed in [
            "collections.OrderedDict",
            "torch._utils._rebuild_tensor_v2",
            "torch.FloatStorage",
            "torch.cuda.HalfStorage",
            "torch.storage.UntypedStorage",
            "torch.float8_e4m3fn",
            "torch.uint7",
            "torch.int4",
            "torch.cuda.FloatTensor",
            "torch.sparse.FloatTensor",
            "__builtin__.set",
        ] {
            assert!(is_for_weights(allowed), "{allowed}");
        }
        for beyond in [
            "os.system",
            "posix.system",
            "builtins.eval",
            "builtins.getattr",
            "__builtin__.eval",
            "torch._utils._rebuild_nested_tensor",
            "torch._utils.os",
            "torch.load",
            "torch.uint9",
            "torch.int12",
            "torch.uu",
            "torch.serialization.load",
            "evil.FloatStorage",
            "torch.EvilStorage",
            "torch.FloatStorage.os",
            "collections.OrderedDict\r",
            "collections",
            "",
            "(computed).system",
            "(extension).1",
        ] {
            assert!(!is_for_weights(beyond), "{beyond}");
        }
    }

    #[test]
    fn every_storage_has_elements() {
        for (kind, name) in STORAGES {
            let found = of_storage(&format!("torch.{kind}Storage")).map(|(name, ..)| name);
            assert_eq!(found, Some(name));
        }
    }
}
