"""What may a `.pt2` file hold? It is checked as plain data, made anew from that, and only then loaded.

torch.export.load runs code that a file brings along: it unpickles sample inputs, weights and constants,
evaluates size expressions and guards, loads libraries, resolves names to Python objects, and writes names
into Python that it executes. So nothing reaches it but numbers, identifiers, and operators of torch's own.
"""

import io
import json
import keyword
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from torch.export import ExportedProgram

from ...errors import UserError, first_line
from ...ir import Array
from ...limits import MAX_ELEMENTS, MAX_FILE_BYTES, MAX_JSON_BYTES

MODEL, WEIGHTS, CONSTANTS = "models/model.json", "data/weights/", "data/constants/"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
CONFIGS = {WEIGHTS: "model_weights_config.json", CONSTANTS: "model_constants_config.json"}
NEEDED = (MODEL, *(folder + name for folder, name in CONFIGS.items()))
TAKEN = re.compile(r"data/weights/weight_\d{1,6}|data/constants/tensor_\d{1,6}")
LEFT_OUT = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/(version|serialization_id)|\.format_version"
    r"|\.storage_alignment|data/sample_inputs/model\.pt|extra/.*"
)
"""Parts that torch.export.save writes, and that are not needed: none of them is read."""
MAX_PARTS = 20_000
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
"""torch's number of a dtype → bytes: integers, float16 to float64, bool, bfloat16."""
BOOL, STRIDED = 12, 7

OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
ODD_OPERATORS = re.compile(
    r"from_file|sparse|csr|csc|bsr|bsc|coo|fbgemm|quantized|mkldnn|mkl_|cudnn|miopen|cuda|nested|unsafe|backward"
    r"|storage|stream|set_data|set$|set_$|resize|pin_memory|_indices$|_values$|crow_|ccol_|to_padded|raise|debug"
)
"""Operators of aten that no network is made of, some of which write files or trust pointers and indices."""
PRIVATE_OPERATORS = {
    *("_to_copy", "_unsafe_view", "_softmax", "_log_softmax", "_adaptive_avg_pool2d", "_reshape_copy"),
    *("_native_batch_norm_legit_no_training", "_assert_tensor_metadata", "_convolution", "_weight_norm"),
    *("_scaled_dot_product_flash_attention_for_cpu", "_native_batch_norm_legit", "_shape_as_tensor"),
}
ODD_TYPES = re.compile(r"Storage|Stream|__torch__|Any|Dict|Future|RRef|QScheme")

PLAIN_PICKLE = re.compile(
    r"torch\._utils\._rebuild_(tensor_v2|parameter)|torch\.\w+Storage|collections\.OrderedDict|torch\.\w+\d+"
)
"""What the pickle of ordinary sample inputs names: tensors, and nothing that acts."""
FIX = (
    "firmnet takes a .pt2 as plain data, as torch.export.save(torch.export.export(model.eval(), (example,)), "
    "path) of torch 2.13 writes it"
)
UNREADABLE_ZIP = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error),
)
"""What reading an archive that was cut off or written over may end in."""
STATIC = "export it without dynamic_shapes"


class Refused(Exception):
    """What is wrong with the file, as the predicate of a sentence, and what to do."""

    def __init__(self, why: str, fix: str = FIX) -> None:
        super().__init__(f"{why}: {fix}")


def load(path: Path) -> ExportedProgram:
    """The program in a `.pt2` file; UserError for every file that is not a network as plain data."""
    try:
        data = rebuilt(path)
    except Refused as reason:
        raise UserError(f"{path} {reason}") from None
    except ValidationError as error:
        raise UserError(f"{path} {_complaint(error)}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply: {FIX}") from None
    except UNREADABLE_ZIP as error:
        raise UserError(f"{path} is not a torch.export archive ({first_line(error)}): {FIX}") from None
    try:
        program = torch.export.load(io.BytesIO(data))
        program.example_inputs = None  # with any, torch writes and executes guards for its inputs
        return program
    except Exception as error:
        raise UserError(f"{path} cannot be loaded by torch ({first_line(error)}): {FIX}") from None


def rebuilt(path: Path) -> bytes:
    """An archive with the same network, made from what was checked; Refused, ValidationError and the like."""
    if not path.is_file():
        raise Refused("is not a plain file")
    with zipfile.ZipFile(path) as archive:
        parts = _parts(archive)
        program = FileProgram.model_validate(_json(archive, parts, MODEL))
        payloads = {
            folder: Payloads.model_validate(_json(archive, parts, folder + name))
            for folder, name in CONFIGS.items()
        }
        _check_samples(archive, parts)
        _check_operators(program)
        _check_call(program.graph_module)
        _check_values(program, {**payloads[CONSTANTS].config, **payloads[WEIGHTS].config})
        files: dict[str, bytes] = {
            "archive_format": b"pt2",
            "archive_version": b"0",
            "byteorder": b"little",
            ".data/version": b"6\n",
            MODEL: json.dumps(program.model_dump(mode="json")).encode(),
            SAMPLE_INPUTS: _no_samples(),
        }
        for folder, prefix in ((WEIGHTS, "weight_"), (CONSTANTS, "tensor_")):
            files |= _payload_files(archive, parts, payloads[folder], folder, prefix)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for name, content in files.items():
            out.writestr(f"model/{name}", content)
    return buffer.getvalue()


def _parts(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The parts that are needed, by name without the archive's own folder; sizes are those declared."""
    infos = archive.infolist()
    if len(infos) > MAX_PARTS:
        raise Refused(f"has {len(infos):,} parts")
    if sum(info.file_size for info in infos) > MAX_FILE_BYTES:
        raise Refused(f"unpacks to more than {MAX_FILE_BYTES >> 20} MiB, which no microcontroller holds")
    folders = [i.filename.removesuffix(f"/{MODEL}") for i in infos if i.filename.endswith(f"/{MODEL}")]
    if not folders:
        raise Refused(f"is not a torch.export archive (it has no {MODEL})")
    parts: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        root, _, name = info.filename.partition("/")
        if (
            root != folders[0]
            or not name
            or ".." in name.split("/")
            or not name.isprintable()
            or "\\" in name
        ):
            raise Refused(f"has a part of the odd name {info.filename[:80]!r}")
        if name in parts:
            raise Refused(f"has the part {name[:80]!r} twice")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f"has the part {name[:80]!r} encrypted or compressed in another way than zip's own")
        if not (name in NEEDED or TAKEN.fullmatch(name) or LEFT_OUT.fullmatch(name)):
            raise Refused(f"has a part that no exported network needs ({name[:80]!r})")
        parts[name] = info
    for name in NEEDED:
        if name not in parts:
            raise Refused(f"has no part {name!r}")
    if "byteorder" in parts and _read(archive, parts["byteorder"], 16).strip() != b"little":
        raise Refused("was saved on a big-endian machine")
    return parts


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.file_size > limit:
        raise Refused(f"has a part of {info.file_size:,} bytes ({info.filename[:80]!r})")
    content = archive.read(info)
    if len(content) != info.file_size:
        raise Refused(f"is cut off in {info.filename[:80]!r}")
    return content


def _json(archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo], name: str) -> Any:
    return json.loads(_read(archive, parts[name], MAX_JSON_BYTES))


def _no_samples() -> bytes:
    """The empty sample inputs that torch wants to unpickle."""
    buffer = io.BytesIO()
    torch.save(((), {}), buffer)
    return buffer.getvalue()


def _check_samples(archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo]) -> None:
    """Refuse sample inputs that bring code along. They are left out in any case, and never unpickled."""
    if SAMPLE_INPUTS not in parts:
        return
    with zipfile.ZipFile(io.BytesIO(_read(archive, parts[SAMPLE_INPUTS], MAX_FILE_BYTES))) as inner:
        (pickled,) = (info for info in inner.infolist() if info.filename.endswith("/data.pkl"))
        operations = [*pickletools.genops(_read(inner, pickled, MAX_JSON_BYTES))]
    for operation, argument, _ in operations:
        name = str(argument).replace(" ", ".")
        if operation.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4") or (
            operation.name == "GLOBAL" and not PLAIN_PICKLE.fullmatch(name)
        ):
            raise Refused(f"brings code in its sample inputs ({name[:80]})")


# What model.json may hold. Unknown keys are dropped; what torch reads of them is named here.


def _identifier(name: str) -> str:
    reserved = keyword.iskeyword(name) or name in ("torch", "self", "pytree")
    if reserved or len(name) > 500 or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise Refused(f"has a value of the odd name {name[:80]!r}")
    return name


def _path(name: str) -> str:
    parts = name.split(".")
    if len(name) > 500 or any(not re.fullmatch(r"[\w\-+:/@ ]+", part) for part in parts):
        raise Refused(f"has a weight of the odd name {name[:80]!r}")
    if any(part.startswith("__") for part in parts):
        raise Refused(f"has a weight of a name that Python reserves ({name[:80]!r})")
    return name


def _plain_size(value: Any) -> Any:
    if isinstance(value, dict) and "as_expr" in value:
        raise Refused("has a dynamic shape (a size that is an expression)", STATIC)
    return value


def _cpu(device: Any) -> dict[str, Any]:
    """Wherever the model was trained: here it is loaded to be read."""
    return {"type": "cpu", "index": None}


def _words(text: str) -> str:
    if not re.fullmatch(r"[\w ,.>-]{0,200}", text):
        raise Refused(f"has an operator with the odd text {text[:80]!r}")
    return text


def _not_pickled(pickled: bool) -> bool:
    if pickled:
        raise Refused("has a pickled weight, and a pickle is a program")
    return pickled


class Part(BaseModel):
    """A piece of the file's JSON: what is not named is dropped, and nothing is converted."""

    model_config = ConfigDict(extra="ignore", strict=True)


Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
FileCount = Annotated[int, Field(ge=0, le=2**40)]
Float = float | Annotated[str, Field(pattern=r"^(-?Infinity|NaN)$")]
Identifier = Annotated[str, AfterValidator(_identifier)]
ParameterPath = Annotated[str, AfterValidator(_path)]


class FileSize(Part):
    as_int: FileCount


FileSizes = list[Annotated[FileSize, BeforeValidator(_plain_size)]]
FileDevice = Annotated[Any, AfterValidator(_cpu)]


class TensorMeta(Part):
    dtype: Annotated[int, Field(ge=1, le=40)]
    sizes: Annotated[FileSizes, Field(max_length=16)]
    requires_grad: bool
    device: FileDevice
    strides: Annotated[FileSizes, Field(max_length=16)]
    storage_offset: Annotated[FileSize, BeforeValidator(_plain_size)]
    layout: Annotated[int, Field(ge=STRIDED, le=STRIDED)]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(size.as_int for size in self.sizes)


class Named(Part):
    name: Identifier


def _symbolic(values: Any) -> Any:
    if isinstance(values, list) and all(isinstance(v, dict) and [*v] == ["as_int"] for v in values):
        return [{"as_int": int(v["as_int"])} for v in values]
    raise Refused("has a dynamic shape (it computes with sizes)", STATIC)


ARGUMENTS: dict[str, TypeAdapter[Any]] = {
    kind: TypeAdapter(annotation)
    for kind, annotation in {
        "as_none": Any,
        "as_tensor": Named,
        "as_tensors": list[Named],
        "as_int": Int64,
        "as_ints": list[Int64],
        "as_float": Float,
        "as_floats": list[Float],
        "as_bool": bool,
        "as_bools": list[bool],
        "as_string": Annotated[str, AfterValidator(_words)],
        "as_scalar_type": Annotated[int, Field(ge=0, le=40)],
        "as_memory_format": Annotated[int, Field(ge=0, le=4)],
        "as_layout": Annotated[int, Field(ge=STRIDED, le=STRIDED)],
        "as_device": FileDevice,
        "as_sym_ints": Annotated[Any, AfterValidator(_symbolic)],
        "as_optional_tensors": list[dict[str, Any]],
    }.items()
}
"""Kinds of arguments: a key of the JSON, and what stands behind it."""
WHY_NOT = {
    "as_graph": (
        "has a network inside the network",
        "export the model without control flow and without torch.no_grad() in its forward",
    ),
    "as_custom_obj": ("holds an object of a class of its own",),
    "as_operator": ("hands an operator to an operator",),
}


def _argument(value: dict[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items() if len(value) == 1 else (("", None),)
    if kind == "as_optional_tensors" and isinstance(content, list):
        return {kind: [_optional_tensor(item) for item in content]}
    if kind.startswith("as_sym") and kind != "as_sym_ints":
        raise Refused("has a dynamic shape (it computes with sizes)", STATIC)
    if kind not in ARGUMENTS:
        raise Refused(*WHY_NOT.get(kind, (f"has an argument of the kind {kind[:40]!r}",)))
    checked = True if kind == "as_none" else ARGUMENTS[kind].validate_python(content, strict=True)
    return {kind: ARGUMENTS[kind].dump_python(checked, mode="json")}


def _optional_tensor(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and [*value] == ["as_tensor"]:
        return {"as_tensor": Named.model_validate(value["as_tensor"]).model_dump()}
    return {"as_none": True}


Argument = Annotated[dict[str, Any], AfterValidator(_argument)]


def _metadata(value: Any) -> dict[str, str]:
    """Where in the model and in the user's code a node comes from; everything else is left out."""
    kept: dict[str, str] = {}
    if isinstance(value, dict):
        stack, trace = value.get("nn_module_stack"), value.get("stack_trace")
        if isinstance(stack, str) and _is_module_stack(stack):
            kept["nn_module_stack"] = stack
        if isinstance(trace, str):
            lines = re.findall(r'File "([^"\\\x00-\x1f]+)", line (\d{1,7}), in ([\w<>]+)', trace[:100_000])
            kept["stack_trace"] = "\n".join(
                f'  File "{file}", line {n}, in {name}' for file, n, name in lines
            )
    return kept


def _is_module_stack(text: str) -> bool:
    plain = re.fullmatch(r"[\w.,;:\-+@<>\[\] ]{1,20000}", text) is not None
    return plain and all(item.count(",") == 2 for item in text.split(";"))


class NamedArgument(Part):
    name: Annotated[str, AfterValidator(lambda name: name and _name_of_argument(name))]
    arg: Argument
    kind: Annotated[int, Field(ge=0, le=2)] | None = None


def _name_of_argument(name: str) -> str:
    """Of torch's own schema: `self` and `from` among them, which are no values."""
    if not re.fullmatch(r"[A-Za-z_]\w{0,100}", name, re.ASCII):
        raise Refused(f"has an argument of the odd name {name[:80]!r}")
    return name


class FileNode(Part):
    target: str
    inputs: list[NamedArgument]
    outputs: list[Argument]
    metadata: Annotated[Any, AfterValidator(_metadata)] = Field(default_factory=dict)
    name: Identifier | None = None


class InnerGraph(Part):
    inputs: list[Argument]
    outputs: list[Argument]
    nodes: list[FileNode]
    tensor_values: dict[Identifier, TensorMeta]
    sym_int_values: Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)
    sym_bool_values: Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)
    sym_float_values: Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)
    custom_obj_values: Annotated[dict[str, Any], Field(max_length=0)] = Field(default_factory=dict)
    is_single_tensor_return: bool = False


class UserSpec(Part):
    arg: Argument


class ParameterSpec(Part):
    arg: Named
    parameter_name: ParameterPath


class BufferSpec(Part):
    arg: Named
    buffer_name: ParameterPath
    persistent: bool = True


class ConstantSpec(Part):
    arg: Named
    tensor_constant_name: ParameterPath


class ConstantInput(Part):
    name: Identifier
    value: Argument


class MutationSpec(Part):
    arg: Named
    buffer_name: ParameterPath


class InputMutationSpec(Part):
    arg: Named
    user_input_name: Identifier


INPUT_KINDS: dict[str, type[Part]] = {
    "user_input": UserSpec,
    "parameter": ParameterSpec,
    "buffer": BufferSpec,
    "tensor_constant": ConstantSpec,
    "constant_input": ConstantInput,
}
OUTPUTS: dict[str, type[Part]] = {
    "user_output": UserSpec,
    "buffer_mutation": MutationSpec,
    "user_input_mutation": InputMutationSpec,
}


def _one_of(kinds: Mapping[str, type[Part]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        ((kind, content),) = value.items() if len(value) == 1 else (("", None),)
        if kind not in kinds:
            raise Refused(f"has an input or output of the kind {kind[:40]!r}")
        return {kind: kinds[kind].model_validate(content).model_dump(mode="json")}

    return check


class Signature(Part):
    input_specs: list[Annotated[dict[str, Any], AfterValidator(_one_of(INPUT_KINDS))]]
    output_specs: list[Annotated[dict[str, Any], AfterValidator(_one_of(OUTPUTS))]]


TREES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")


def _tree(text: str) -> str:
    """A structure of inputs or outputs: tuples, lists and dicts of tensors, and nothing to import."""
    version, tree = json.loads(text)
    _check_tree(tree)
    return json.dumps([int(version), tree])


def _check_tree(tree: Any, depth: int = 0) -> None:
    kind, context, children = tree["type"], tree["context"], tree["children_spec"]
    if depth > 20 or not isinstance(children, list):
        raise Refused("has inputs or outputs nested too deeply")
    if kind is None:
        plain = context is None and not children
    elif kind in TREES[:2]:
        plain = context in (None, "null")
    else:
        keys = json.loads(context) if kind in TREES else None
        plain = (
            isinstance(keys, list)
            and all(isinstance(key, str) and re.fullmatch(r"[\w.\- ]{1,200}", key) for key in keys)
            and len(set(keys)) == len(keys) == len(children)
        )
    if not plain:
        raise Refused(f"has inputs or outputs in a {str(kind)[:80]!r}")
    for child in children:
        _check_tree(child, depth + 1)


class CallSignature(Part):
    inputs: list[Argument]
    outputs: list[Argument]
    in_spec: Annotated[str, AfterValidator(_tree)]
    out_spec: Annotated[str, AfterValidator(_tree)]
    forward_arg_names: list[Identifier] | None = None


class FileCall(Part):
    fqn: Annotated[str, Field(max_length=0)]
    signature: CallSignature


def _whole_model(calls: Any) -> Any:
    """Only how the whole model is called matters; how its parts are is left out."""
    return [call for call in calls if isinstance(call, dict) and call.get("fqn") == ""]


class Module(Part):
    graph: InnerGraph
    signature: Signature
    module_call_graph: Annotated[
        list[FileCall], BeforeValidator(_whole_model), Field(min_length=1, max_length=1)
    ]


class Version(Part):
    major: FileCount
    minor: FileCount


def _guard(text: str) -> str:
    """A comparison of sizes, as torch writes them: not needed, never executed, and nothing else is right."""
    sizes = re.sub(r"\.(size|stride|storage_offset|dim)\(\)", "", text)
    if not re.fullmatch(r"[\w\[\]'. =<>!+\-*/%]{0,2000}", sizes) or "__" in text:
        raise Refused(f"has a guard that is no comparison of sizes ({text[:80]!r})")
    return text


class FileProgram(Part):
    """model.json: the network. Guards, ranges of sizes and everything unknown are left out."""

    graph_module: Module
    opset_version: dict[Identifier, FileCount]
    range_constraints: Annotated[
        dict[str, Any], BeforeValidator(lambda given: given or {}), Field(max_length=0)
    ]
    schema_version: Version
    guards_code: Annotated[list[Annotated[str, AfterValidator(_guard)]], Field(exclude=True)] = Field(
        default_factory=list
    )
    verifiers: list[Annotated[str, Field(pattern="^(ATEN|TRAINING)$")]] = Field(default_factory=list)


class Payload(Part):
    """Where the bytes of a weight or constant are. Objects of any class would be pickles."""

    path_name: Annotated[str, Field(pattern=r"^(weight|tensor)_[0-9]{1,6}$")]
    is_param: bool
    use_pickle: Annotated[bool, AfterValidator(_not_pickled)]
    tensor_meta: TensorMeta


class Payloads(Part):
    """Weights or constants by name: where their bytes are, and how these are read."""

    config: dict[ParameterPath, Payload]


def _complaint(error: ValidationError) -> str:
    """The first thing that pydantic has found, as the predicate of a sentence."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])[:120]
    if "sym_" in where or "range_constraints" in where:
        return f"has a dynamic shape (sizes that are expressions): {STATIC}"
    return f"is damaged ({where}: {problem['msg']}): {FIX}"


# What the parts must say together.


def _check_operators(program: FileProgram) -> None:
    nodes = program.graph_module.graph.nodes
    odd = sorted({node.target[:80] for node in nodes if not _is_plain_operator(node.target)})
    if odd:
        raise Refused(f"calls what is no plain operator of torch's own: {', '.join(map(repr, odd[:8]))}")


def _is_plain_operator(target: str) -> bool:
    """Whether it is an operator of aten from numbers and tensors to tensors, by torch's own list of these."""
    found = OPERATOR.fullmatch(target)
    if not found:
        return False
    base, overload = found[1], found[2]
    if ODD_OPERATORS.search(base) or (base.startswith("_") and base not in PRIVATE_OPERATORS | DUNDER):
        return False
    if f"aten::{base}" + ("" if overload == "default" else f".{overload}") not in _operators():
        return False
    operator = getattr(getattr(torch.ops.aten, base), overload, None)
    if not isinstance(operator, torch._ops.OpOverload):
        return False
    arguments = operator._schema.arguments
    types = [str(argument.type) for argument in (*arguments, *operator._schema.returns)]
    return not any(map(ODD_TYPES.search, types)) and not any(argument.is_out for argument in arguments)


@cache
def _operators() -> frozenset[str]:
    return frozenset(torch._C._dispatch_get_all_op_names())


DUNDER = {f"__{name}__" for name in ("and", "or", "xor", "lshift", "rshift", "iand", "ior", "ixor")}


def _check_call(module: Module) -> None:
    """As many places for inputs and outputs in how the model is called as it has of them."""
    call, ports = module.module_call_graph[0].signature, module.signature
    for what, tree, specs, kinds in (
        ("inputs", call.in_spec, ports.input_specs, ("user_input", "constant_input")),
        ("outputs", call.out_spec, ports.output_specs, ("user_output",)),
    ):
        places, count = _leaves(json.loads(tree)[1]), sum(kind in kinds for spec in specs for kind in spec)
        if places != count:
            raise Refused(f"is called with places for {places} {what} and has {count}")


def _leaves(tree: Any) -> int:
    """Of a structure that was checked."""
    return 1 if tree["type"] is None else sum(map(_leaves, tree["children_spec"]))


def _check_values(program: FileProgram, payloads: Mapping[str, Payload]) -> None:
    """Sizes that a microcontroller could hold, and weights of the shapes that the network says."""
    values = program.graph_module.graph.tensor_values
    for name, meta in values.items():
        _check_size(name, meta)
    for spec in program.graph_module.signature.input_specs:
        ((kind, content),) = spec.items()
        target = content.get(f"{kind}_name")
        if target is None:
            continue
        told, payload = values.get(content["arg"]["name"]), payloads.get(target)
        if told is None or payload is None:
            raise Refused(f"has no values for {target[:80]!r}")
        stored = payload.tensor_meta
        if (told.shape, told.dtype) != (stored.shape, stored.dtype):
            raise Refused(f"gives {target[:80]!r} two shapes or types")


def _check_size(name: str, meta: TensorMeta) -> None:
    if len(meta.strides) != len(meta.sizes):
        raise Refused(f"has a tensor {name[:80]!r} whose sizes and strides do not match")
    if _elements(meta) > MAX_ELEMENTS:
        raise Refused(f"has a tensor {name[:80]!r} of shape {meta.shape}, which no microcontroller holds")


def _elements(meta: TensorMeta) -> int:
    count = 1
    for size in meta.shape:
        count *= size
    return count


def _payload_files(
    archive: zipfile.ZipFile,
    parts: Mapping[str, zipfile.ZipInfo],
    payloads: Payloads,
    folder: str,
    prefix: str,
) -> dict[str, bytes]:
    """Every weight in a file of its own, contiguous, whatever storage and strides it shared with others."""
    files: dict[str, bytes] = {}
    config: dict[str, Any] = {}
    total = 0
    for index, (name, payload) in enumerate(payloads.config.items()):
        _check_size(name, payload.tensor_meta)
        values = _values(archive, parts, folder + payload.path_name, name, payload.tensor_meta)
        total += values.nbytes
        if total > MAX_FILE_BYTES:
            raise Refused(
                f"has weights of more than {MAX_FILE_BYTES >> 20} MiB, which no microcontroller holds"
            )
        files[f"{folder}{prefix}{index}"] = values.tobytes()
        config[name] = _contiguous(payload, f"{prefix}{index}")
    files[folder + CONFIGS[folder]] = json.dumps({"config": config}).encode()
    return files


def _values(
    archive: zipfile.ZipFile, parts: Mapping[str, zipfile.ZipInfo], file: str, name: str, meta: TensorMeta
) -> Array:
    """One tensor's elements as raw items of its size."""
    item = ITEM_BYTES.get(meta.dtype)
    if item is None:
        raise Refused(f"has a weight {name[:80]!r} of a type that is no plain number")
    if file not in parts:
        raise Refused(f"has no part {file!r}")
    raw = _read(archive, parts[file], MAX_FILE_BYTES)
    if not _elements(meta):
        return np.zeros(meta.shape, f"V{item}")
    strides = [stride.as_int for stride in meta.strides]
    last = meta.storage_offset.as_int + sum(
        (size - 1) * stride for size, stride in zip(meta.shape, strides, strict=True)
    )
    if (last + 1) * item > len(raw):
        raise Refused(f"has too few bytes for its weight {name[:80]!r}")
    flat = np.frombuffer(raw, f"V{item}", count=len(raw) // item)[meta.storage_offset.as_int :]
    view = np.lib.stride_tricks.as_strided(flat, meta.shape, [stride * item for stride in strides])
    values: Array = np.ascontiguousarray(view)
    if meta.dtype == BOOL and np.any(values.view(np.uint8) > 1):
        raise Refused(f"has a weight {name[:80]!r} that is neither true nor false")
    return values


def _contiguous(payload: Payload, file: str) -> dict[str, Any]:
    strides, step = [], 1
    for size in reversed(payload.tensor_meta.shape):
        strides.append({"as_int": step})
        step *= max(size, 1)
    meta = payload.tensor_meta.model_dump(mode="json")
    meta |= {"strides": strides[::-1], "storage_offset": {"as_int": 0}}
    return {"path_name": file, "is_param": payload.is_param, "use_pickle": False, "tensor_meta": meta}
