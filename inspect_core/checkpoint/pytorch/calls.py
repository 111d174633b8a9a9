"""What the globals that honest files call would have made, described instead of made.

The list is closed: a name that is not in it becomes a `Thing`. Names are those of PyTorch 0.4 to
2.13 (torch/_utils.py, torch/storage.py, torch/serialization.py).
"""

from collections.abc import Callable

from inspect_core.checkpoint.pytorch.values import Global, Mapping, Thing, Unread, View

ELEMENT_BYTES: dict[str, int] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1, "C64": 8, "U64": 8, "U32": 4, "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1, "F8_E8M0": 1, "bytes": 1,
    "complex32": 4, "complex128": 16, "float4_e2m1fn_x2": 1,
    "qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1,
}  # fmt: skip
"""Bytes of one element of a storage. Names of ours are in `DTYPES`, the others are PyTorch's."""

STORAGES: dict[str, str] = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16",
    "BFloat16Storage": "BF16", "LongStorage": "I64", "IntStorage": "I32",
    "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64", "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2", "QUInt2x4Storage": "quint2x4", "UntypedStorage": "bytes",
}  # fmt: skip
"""Element of each storage class of `torch`, `torch.cuda` and `torch.storage`."""

TORCH_DTYPES: dict[str, str] = {
    "float64": "F64", "double": "F64", "float32": "F32", "float": "F32", "float16": "F16",
    "half": "F16", "bfloat16": "BF16", "int64": "I64", "long": "I64", "int32": "I32",
    "int": "I32", "int16": "I16", "short": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL",
    "complex64": "C64", "cfloat": "C64", "uint64": "U64", "uint32": "U32", "uint16": "U16",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0", "complex32": "complex32",
    "chalf": "complex32", "complex128": "complex128", "cdouble": "complex128",
    "float4_e2m1fn_x2": "float4_e2m1fn_x2",
}  # fmt: skip
"""Our name of each dtype constant of `torch`; those that `DTYPES` lacks keep PyTorch's."""

_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")
_TENSOR_CLASSES = frozenset({
    Global("torch", "Tensor"), Global("torch._tensor", "Tensor"),
    Global("torch.nn.parameter", "Parameter"), Global("torch.nn.parameter", "Buffer"),
})  # fmt: skip

_UNREAD = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_qtensor": "quantised",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_meta_tensor_no_storage": "without values (meta device)",
    "_rebuild_device_tensor_from_numpy": "of another device",
    "_rebuild_device_tensor_from_cpu_tensor": "of another device",
    "_rebuild_wrapper_subclass": "of a tensor class of its own",
}


def storage_dtype(cls: object) -> str | None:
    """The element of a storage class, None for anything else."""
    if isinstance(cls, Global) and cls.module in _STORAGE_MODULES:
        return STORAGES.get(cls.name)
    return None


def call(maker: object, args: object) -> object:
    """Describe what calling `maker` with `args` would have made.

    Args:
        maker: what the pickle calls; anything at all.
        args: what with; a tuple in honest files.
    """
    if isinstance(maker, Global) and type(args) is tuple:
        known = _CALLS.get(maker)
        made = known(args) if known else None
        if made is not None:
            return made
        if maker.module in ("torch._utils", "torch._tensor") and maker.name in _UNREAD:
            return Unread(_UNREAD[maker.name])
    return Thing(maker, args)


def is_known(name: Global) -> bool:
    """Whether a global is one of those that honest files of weights alone name."""
    return (
        name in _CALLS
        or name in _TENSOR_CLASSES
        or (name.module in ("torch._utils", "torch._tensor") and name.name in _UNREAD)
        or storage_dtype(name) is not None
        or (name.module == "torch" and name.name in TORCH_DTYPES)
        or name in _HARMLESS
    )


def _view(args: tuple[object, ...]) -> object:
    if len(args) < 4:
        return None
    storage, offset, shape, strides = args[:4]
    if len(args) > 6 and args[6]:
        return _marked(args[6]) or View(storage, "", offset, shape, strides)
    return View(storage, "", offset, shape, strides)


def _view_of_bytes(args: tuple[object, ...]) -> object:
    if len(args) < 7 or not isinstance(args[6], Global) or args[6].module != "torch":
        return None
    dtype = TORCH_DTYPES.get(args[6].name)
    if dtype is None:
        return Unread(f"of dtype {args[6].name}")
    if len(args) > 7 and args[7] and (marked := _marked(args[7])):
        return marked
    return View(args[0], dtype, *args[1:4])


def _marked(marks: object) -> Unread | None:
    """A view whose bytes are not its values: torch would negate or conjugate them on reading."""
    if isinstance(marks, Mapping):
        for mark in ("conj", "neg"):
            if marks.get(mark):
                return Unread(f"a view with its {mark} bit set")
    return None


def _first(args: tuple[object, ...]) -> object:
    """What `_rebuild_parameter` and its like wrap."""
    return args[0] if args and isinstance(args[0], View | Unread) else None


def _from_type(args: tuple[object, ...]) -> object:
    if len(args) < 3:
        return None
    function, kind, inner = args[:3]
    # Not into itself again: tuples may be nested a million deep.
    again = isinstance(function, Global) and _CALLS.get(function) is _from_type
    if isinstance(kind, Global) and kind in _TENSOR_CLASSES and not again:
        made = call(function, inner)
        return made if isinstance(made, View | Unread) else None
    return Unread(_UNREAD["_rebuild_wrapper_subclass"])


def _mapping(args: tuple[object, ...]) -> object:
    """`OrderedDict()`, or with one list of pairs, as Python 2 wrote it."""
    made = Mapping()
    if args and isinstance(args[0], Mapping):
        return args[0]
    if args and type(args[0]) is list:
        for pair in args[0]:
            if type(pair) not in (list, tuple) or len(pair) != 2:
                return None
            made += pair
    return made


def _default_mapping(args: tuple[object, ...]) -> object:
    return Mapping()


def _reconstructed(args: tuple[object, ...]) -> object:
    """An object as protocols 0 and 1 make it: its class, a base, and the base's value."""
    if len(args) != 3:
        return None
    made = Thing(args[0], ())
    if isinstance(args[2], Mapping) or type(args[2]) is list:
        made.items = args[2]
    return made


def _members(args: tuple[object, ...]) -> object:
    return args[0] if args and type(args[0]) is list else None


def _size(args: tuple[object, ...]) -> object:
    return args[0] if args and type(args[0]) is tuple else None


_CALLS: dict[Global, Callable[[tuple[object, ...]], object]] = {
    Global("torch._utils", "_rebuild_tensor"): _view,
    Global("torch._utils", "_rebuild_tensor_v2"): _view,
    Global("torch._utils", "_rebuild_tensor_v3"): _view_of_bytes,
    Global("torch._utils", "_rebuild_parameter"): _first,
    Global("torch._utils", "_rebuild_parameter_with_state"): _first,
    Global("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    Global("torch._tensor", "_rebuild_from_type"): _from_type,
    Global("collections", "OrderedDict"): _mapping,
    Global("collections", "defaultdict"): _default_mapping,
    Global("torch", "Size"): _size,
    Global("copyreg", "_reconstructor"): _reconstructed,
    Global("copy_reg", "_reconstructor"): _reconstructed,
    Global("builtins", "set"): _members,
    Global("__builtin__", "set"): _members,
}
"""What makes a description of a result; one that returns None leaves the call a `Thing`."""

_HARMLESS = frozenset({
    Global("torch", "device"), Global("_codecs", "encode"), Global("torch", "Generator"),
    Global("numpy.core.multiarray", "scalar"), Global("numpy._core.multiarray", "scalar"),
    Global("numpy.core.multiarray", "_reconstruct"), Global("numpy", "ndarray"),
    Global("numpy._core.multiarray", "_reconstruct"), Global("numpy", "dtype"),
    Global("numpy._core.numeric", "_frombuffer"), Global("numpy.core.numeric", "_frombuffer"),
    Global("collections", "Counter"), Global("torch.serialization", "_get_layout"),
    *(Global(home, name) for home in ("builtins", "__builtin__")
      for name in ("set", "frozenset", "list", "dict", "tuple", "bytearray", "complex", "slice",
                   "range", "object", "int", "float", "bool", "str", "bytes", "unicode", "long")),
})  # fmt: skip
"""Globals of plain values: not run either, but nobody needs to be told."""
