"""What may a `.pt2` file hold? It is checked as plain data, made anew from that, and only then loaded.

torch.export.load runs code that a file brings along: it unpickles sample inputs, weights and constants,
evaluates size expressions and guards, loads libraries, resolves names to Python objects, and writes names
into Python that it executes. So nothing reaches it but numbers, identifiers, and operators of torch's own.
"""

import io
import json
import pickletools
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch.export import ExportedProgram

from ...errors import UserError, first_line
from ...ir import Array
from ...limits import MAX_ELEMENTS, MAX_FILE_BYTES, MAX_JSON_BYTES
from .pt2_fields import FIX, STATIC, FileProgram, Module, Payload, Payloads, Refused, TensorMeta

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
BOOL = 12

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
UNREADABLE_ZIP = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError),
    *(NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error),
)
"""What reading an archive that was cut off or written over may end in."""


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


def _complaint(error: ValidationError) -> str:
    """The first thing that pydantic has found, as the predicate of a sentence."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])[:120]
    if "sym_" in where or "range_constraints" in where:
        return f"has a dynamic shape (sizes that are expressions): {STATIC}"
    return f"is damaged ({where}: {problem['msg']}): {FIX}"


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
    if meta.count > MAX_ELEMENTS:
        raise Refused(f"has a tensor {name[:80]!r} of shape {meta.shape}, which no microcontroller holds")


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
    if not meta.count:
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
