"""Between YAML and messages: filling one from a mapping, comparing one with a mapping.

The messages are generated from proto/candor/v1 into a temporary directory: no client is needed."""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile

from google.protobuf.descriptor import FieldDescriptor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _generate():
    generated = tempfile.mkdtemp(prefix="candor-conformance-")
    protos = [os.path.join(ROOT, f"proto/candor/v1/{name}.proto") for name in ("rpc", "kv")]
    subprocess.run(["protoc", "-I", os.path.join(ROOT, "proto"), "--python_out", generated, *protos],
                   check=True)
    sys.path.insert(0, generated)
    modules = [importlib.import_module(f"candor.v1.{name}_pb2") for name in ("rpc", "kv")]
    sys.path.remove(generated)
    shutil.rmtree(generated)
    return modules


rpc_pb2, kv_pb2 = _generate()
PREFIXES = {"Code": "CODE_", "Reason": "REASON_", "Role": "ROLE_", "NodeState": "NODE_STATE_",
            "AckLevel": "ACK_LEVEL_", "ReadLevel": "READ_LEVEL_", "Relation": "RELATION_",
            "TxnState": "TXN_STATE_", "WatchEventType": "WATCH_EVENT_TYPE_"}


def types_of(method):
    """Request and response of "Put"."""
    described = kv_pb2.DESCRIPTOR.services_by_name["KV"].methods_by_name[method]
    return (getattr(kv_pb2, described.input_type.name), getattr(kv_pb2, described.output_type.name))


def long_text(value):
    """Of {repeat: x, times: 5000}; anything else as it is."""
    if isinstance(value, dict) and set(value) == {"repeat", "times"}:
        return value["repeat"] * value["times"]
    return value


def _scalar(field, value):
    value = long_text(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.encode() if isinstance(value, str) else value
    if field.type == FieldDescriptor.TYPE_ENUM and isinstance(value, str):
        return field.enum_type.values_by_name[PREFIXES[field.enum_type.name] + value].number
    return value


def _field(message, name):
    if name not in message.DESCRIPTOR.fields_by_name:
        raise KeyError(f"{message.DESCRIPTOR.name} has no field {name}")
    return message.DESCRIPTOR.fields_by_name[name]


def fill(message, values):
    """Sets the fields that `values` names; None clears one. Text stands for the UTF-8 of bytes, and
    enums are named without their prefix."""
    for name, value in values.items():
        field = _field(message, name)
        if value is None:
            message.ClearField(name)
        elif field.label == FieldDescriptor.LABEL_REPEATED:
            message.ClearField(name)
            target = getattr(message, name)
            for element in value:
                if field.type == FieldDescriptor.TYPE_MESSAGE:
                    fill(target.add(), element)
                else:
                    target.append(_scalar(field, element))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        else:
            setattr(message, name, _scalar(field, value))
    return message


def differences(message, wanted, path=""):
    """Where `message` is not what `wanted` says; what `wanted` does not name may be anything."""
    for name, value in wanted.items():
        field, where = _field(message, name), f"{path}{name}"
        present = getattr(message, name)
        if field.label == FieldDescriptor.LABEL_REPEATED:
            if len(present) != len(value):
                yield f"{where} has {len(present)} elements, not {len(value)}"
                continue
            for index, (element, one) in enumerate(zip(present, value)):
                if field.type == FieldDescriptor.TYPE_MESSAGE:
                    yield from differences(element, one, f"{where}[{index}].")
                elif element != _scalar(field, one):
                    yield f"{where}[{index}] is {element!r}, not {one!r}"
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            if value is None:
                if message.HasField(name):
                    yield f"{where} is set"
            elif not message.HasField(name):
                yield f"{where} is missing"
            else:
                yield from differences(present, value, f"{where}.")
        elif isinstance(value, dict):
            if not value.get("least", present) <= present <= value.get("most", present):
                yield f"{where} is {present}, not within {value}"
        elif present != _scalar(field, value):
            yield f"{where} is {present!r}, not {value!r}"
