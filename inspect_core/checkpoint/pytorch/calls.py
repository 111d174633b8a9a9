"""What the globals that honest files call would have made, described instead of made.

The list is closed: a name that is not in it becomes a `Thing`. Names are those of PyTorch 0.4 to
2.13 (torch/_utils.py, torch/storage.py, torch/serialization.py).
"""

from collections.abc import Callable

from inspect_core.checkpoint.header import MAX_RANK
from inspect_core.checkpoint.pytorch.values import Global, Mapping, Thing, Unread, View
from inspect_core.checkpoint.pytorch.wrong import PyTorchError

Charge = Callable[[int], None]

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

_REBUILD_MODULES = ("torch._utils", "torch._tensor")
_CLASS_MODULES = ("torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse")
_REPLACING = ("data", "__dict__", "__class__", "__setstate__")
_UNKNOWN_STATE = "given other values or an unknown state after it was made"

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


def call(maker: object, args: object, charge: Charge) -> object:
    """Describe what calling `maker` with `args` would have made.

    Args:
        maker: what the pickle calls; anything at all.
        args: what with; a tuple in honest files, a list would do.
        charge: told the number of entries before any container is looked through.

    Raises:
        PyTorchError: the call would write into a tensor, or the limit of `charge` is met.
    """
    if not isinstance(maker, Global):
        return Thing(maker, args)
    given: object = args
    if type(given) is list:
        charge(len(given))
        given = tuple(given)
    known = _CALLS.get(maker)
    made = known(given, charge) if known and type(given) is tuple else None
    if made is not None:
        return made
    # Anything else that makes a tensor is told, not lost.
    if maker.module in _REBUILD_MODULES and maker.name.startswith("_rebuild"):
        return Unread(_UNREAD.get(maker.name, "made in a way that is not known"))
    if maker in _TENSOR_CLASSES or (
        maker.module in _CLASS_MODULES and maker.name.endswith("Tensor")
    ):
        return Unread("made from plain values, without a storage")
    return Thing(maker, given)


def fills_itself(cls: object) -> bool:
    """Whether only `__init__` puts arguments into an object of this class, not `__new__`."""
    return isinstance(cls, Global) and cls in _FILLED


def is_known(name: Global) -> bool:
    """Whether a global is one of those that honest files of weights alone name."""
    return (
        name in _CALLS
        or name in _TENSOR_CLASSES
        or (name.module in _REBUILD_MODULES and name.name in _UNREAD)
        or storage_dtype(name) is not None
        or (name.module == "torch" and name.name in TORCH_DTYPES)
        or name in _HARMLESS
    )


def _view(args: tuple[object, ...], charge: Charge) -> object:
    if len(args) < 4:
        return None
    if len(args) > 6 and args[6]:
        return _marked(args[6])
    return View(args[0], "", args[1], _frozen(args[2]), _frozen(args[3]))


def _view_of_bytes(args: tuple[object, ...], charge: Charge) -> object:
    if len(args) < 7 or not isinstance(args[6], Global) or args[6].module != "torch":
        return None
    dtype = TORCH_DTYPES.get(args[6].name)
    if dtype is None:
        return Unread(f"of dtype {args[6].name}")
    if len(args) > 7 and args[7]:
        return _marked(args[7])
    return View(args[0], dtype, args[1], _frozen(args[2]), _frozen(args[3]))


def _frozen(sizes: object) -> object:
    """Sizes as they are now: a list could get others later, which torch would not see."""
    return tuple(sizes[: MAX_RANK + 1]) if type(sizes) is list else sizes


def _marked(marks: object) -> Unread:
    """A view whose bytes are not its values: torch would negate or conjugate them on reading.

    Torch does so for a mark that is there, even one that says False.
    """
    for mark in ("conj", "neg"):
        if type(marks) is Mapping and marks.has(mark):
            return Unread(f"a view with its {mark} bit set")
    return Unread("a view with marks that are not known")


def _wrapped(args: tuple[object, ...], charge: Charge) -> object:
    """What `_rebuild_parameter` and its like wrap."""
    return args[0] if args and isinstance(args[0], View | Unread) else None


def _wrapped_with_state(args: tuple[object, ...], charge: Charge) -> object:
    if len(args) < 4:
        return None
    return _with_state(_wrapped(args, charge), args[3])


def _with_state(made: object, state: object) -> object:
    """A tensor that is given attributes; some of them are its values.

    Raises:
        PyTorchError: its storage would be written to, which others may share.
    """
    if not isinstance(made, View | Unread):
        return None
    parts = state if type(state) is tuple else (state,)
    if len(parts) > 2 or (type(state) is tuple and len(parts) < 2):
        return Unread(_UNKNOWN_STATE)
    for part in parts:
        if not part:
            continue
        if type(part) is not Mapping:
            return Unread(_UNKNOWN_STATE)
        if part.has("real") or part.has("imag"):
            raise PyTorchError("the pickle writes into its own tensors while it is read")
        if any(map(part.has, _REPLACING)):
            return Unread(_UNKNOWN_STATE)
    return made


def _from_type(args: tuple[object, ...], charge: Charge) -> object:
    if len(args) < 3:
        return None
    function, kind, inner = args[:3]
    # Not into itself again: tuples may be nested a million deep.
    again = isinstance(function, Global) and _CALLS.get(function) is _from_type
    if isinstance(kind, Global) and kind in _TENSOR_CLASSES and not again:
        made = call(function, inner, charge)
        return _with_state(made, args[3] if len(args) > 3 else None)
    return Unread(_UNREAD["_rebuild_wrapper_subclass"])


def _mapping(args: tuple[object, ...], charge: Charge) -> object:
    """`OrderedDict()`, with another's entries, or with one list of pairs, as Python 2 wrote it."""
    made = Mapping()
    if args and type(args[0]) is Mapping:
        charge(len(args[0]))
        made += args[0]
    elif args and type(args[0]) is list:
        charge(len(args[0]))
        for pair in args[0]:
            if type(pair) not in (list, tuple) or len(pair) != 2:
                return None
            made += pair
    return made


def _default_mapping(args: tuple[object, ...], charge: Charge) -> object:
    """`defaultdict(factory)`, perhaps with entries."""
    return _mapping(args[1:], charge)


def _counter(args: tuple[object, ...], charge: Charge) -> object:
    """`Counter()`; from a list it would count."""
    return None if args and type(args[0]) is not Mapping else _mapping(args, charge)


def _reconstructed(args: tuple[object, ...], charge: Charge) -> object:
    """An object as protocols 0 and 1 make it: its class, a base, and the base's value."""
    if len(args) != 3:
        return None
    made = Thing(args[0], ())
    if type(args[2]) is Mapping:
        made.items = Mapping()
    elif type(args[2]) is list:
        made.items = []
    if isinstance(args[2], list) and made.items is not None:
        charge(len(args[2]))
        made.items += args[2]
    return made


def _members(args: tuple[object, ...], charge: Charge) -> object:
    if not args or type(args[0]) is not list:
        return None
    charge(len(args[0]))
    return args[0].copy()


def _size(args: tuple[object, ...], charge: Charge) -> object:
    return args[0] if args and type(args[0]) is tuple else None


_CALLS: dict[Global, Callable[[tuple[object, ...], Charge], object]] = {
    Global("torch._utils", "_rebuild_tensor"): _view,
    Global("torch._utils", "_rebuild_tensor_v2"): _view,
    Global("torch._utils", "_rebuild_tensor_v3"): _view_of_bytes,
    Global("torch._utils", "_rebuild_parameter"): _wrapped,
    Global("torch._utils", "_rebuild_parameter_with_state"): _wrapped_with_state,
    Global("torch.nn.parameter", "Parameter"): _wrapped,
    Global("torch.nn.parameter", "Buffer"): _wrapped,
    Global("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    Global("torch._tensor", "_rebuild_from_type"): _from_type,
    Global("collections", "OrderedDict"): _mapping,
    Global("collections", "defaultdict"): _default_mapping,
    Global("collections", "Counter"): _counter,
    Global("torch", "Size"): _size,
    Global("copyreg", "_reconstructor"): _reconstructed,
    Global("copy_reg", "_reconstructor"): _reconstructed,
    Global("builtins", "set"): _members,
    Global("__builtin__", "set"): _members,
}
"""What makes a description of a result; one that returns None leaves the call a `Thing`."""

_FILLED = frozenset({
    *(Global("collections", name) for name in ("OrderedDict", "defaultdict", "Counter")),
    Global("builtins", "set"), Global("__builtin__", "set"),
})  # fmt: skip

_HARMLESS = frozenset({
    Global("torch", "device"), Global("_codecs", "encode"), Global("torch", "Generator"),
    Global("numpy.core.multiarray", "scalar"), Global("numpy._core.multiarray", "scalar"),
    Global("numpy.core.multiarray", "_reconstruct"), Global("numpy", "ndarray"),
    Global("numpy._core.multiarray", "_reconstruct"), Global("numpy", "dtype"),
    Global("numpy._core.numeric", "_frombuffer"), Global("numpy.core.numeric", "_frombuffer"),
    Global("torch.serialization", "_get_layout"),
    *(Global(home, name) for home in ("builtins", "__builtin__")
      for name in ("set", "frozenset", "list", "dict", "tuple", "bytearray", "complex", "slice",
                   "range", "object", "int", "float", "bool", "str", "bytes", "unicode", "long")),
})  # fmt: skip
"""Globals of plain values: not run either, but nobody needs to be told."""
