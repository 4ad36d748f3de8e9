"""What may the JSON of a `.pt2` file hold? Every field that torch reads; all else is dropped or refused."""

import json
import keyword
import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

STRIDED = 7
"""torch's number of the only layout that is taken."""
FIX = (
    "firmnet takes a .pt2 as plain data, as torch.export.save(torch.export.export(model.eval(), (example,)), "
    "path) of torch 2.13 writes it"
)
STATIC = "export it without dynamic_shapes"
COUNTS = "has a dynamic shape (it computes with sizes)"
SETTLED = f"{STATIC}; where forward chooses by a constant mask, let it choose by numbers (mask.nonzero())"


class Refused(Exception):
    """What is wrong with the file, as the predicate of a sentence, and what to do."""

    def __init__(self, why: str, fix: str = FIX) -> None:
        super().__init__(f"{why}: {fix}")


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

    @property
    def count(self) -> int:
        """How many values it has."""
        return prod(self.shape)


class Named(Part):
    name: Identifier


def _symbolic(values: Any) -> Any:
    if isinstance(values, list) and all(isinstance(v, dict) and [*v] == ["as_int"] for v in values):
        return [{"as_int": int(v["as_int"])} for v in values]
    raise Refused(COUNTS, SETTLED)


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
        raise Refused(COUNTS, SETTLED)
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
