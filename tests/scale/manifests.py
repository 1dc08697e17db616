# SPDX-License-Identifier: MIT
"""Manifests for Kubernetes, checked against the API without a cluster.

The API is that of Debian's python3-kubernetes, whose models are generated from Kubernetes' own description (its
version is kubernetes.client.__version__). Every field must be in the model and have its type, and required fields
must be there. Not checked is what only the API server knows, such as the allowed words of a text. Debian's API may
be older than a field that we need: NEWER has those fields.
"""
import re

import yaml


class NoTwice(yaml.SafeLoader):
    """YAML in which a duplicate key is an error, as for kubectl."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise ValueError(f"a key is there twice: {keys}{node.start_mark}")
        return super().construct_mapping(node, deep)


def read(text):
    """The documents of a manifest."""
    return [document for document in yaml.load_all(text, NoTwice) if document is not None]


# Model, field: its type.
NEWER = {("V1JobSpec", "backoffLimitPerIndex"): "int"}  # Kubernetes 1.29

SCALARS = {"str": str, "bool": bool, "int": int, "float": (int, float), "datetime": str}


def validate(document, client):
    """Validates a document against the API; client: the module kubernetes.client. Raises ValueError."""
    model = getattr(client, model_of(document["apiVersion"], document["kind"]), None)
    if model is None:
        raise ValueError(f"there is no {document['kind']} in {document['apiVersion']}")
    return check(document, model.__name__, client, document["kind"])


def model_of(version, kind):
    """'apps/v1', 'Deployment': V1Deployment. Only event models use the first part of the group name, and no
    manifest has events."""
    if version not in ("v1", "apps/v1", "batch/v1", "policy/v1"):
        raise ValueError(f"apiVersion {version} is not one that we write")
    return version.rpartition("/")[2].capitalize() + kind


def check(value, kind, client, where):
    """Checks one value against a type of the models, and what it contains."""
    if kind == "object":
        return value
    if match := re.fullmatch(r"list\[(.*)\]", kind):
        expect(isinstance(value, list), where, kind, value)
        return [check(item, match[1], client, f"{where}[{i}]") for i, item in enumerate(value)]
    if match := re.fullmatch(r"dict\(str, (.*)\)", kind):
        expect(isinstance(value, dict) and all(isinstance(key, str) for key in value), where, kind, value)
        return {key: check(item, match[1], client, f"{where}.{key}") for key, item in value.items()}
    if kind in SCALARS:
        expect(isinstance(value, SCALARS[kind]) and (kind == "bool" or not isinstance(value, bool)), where, kind, value)
        return value
    return check_object(value, getattr(client, kind), client, where)


def check_object(value, model, client, where):
    expect(isinstance(value, dict), where, model.__name__, value)
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    newer = {name: kind for (owner, name), kind in NEWER.items() if owner == model.__name__ and name not in names}
    unknown = set(value) - set(names) - set(newer)
    if unknown:
        raise ValueError(f"{where}: {model.__name__} has no {', '.join(sorted(unknown))}")
    found = {}
    for name, item in value.items():
        if name in newer:
            check(item, newer[name], client, f"{where}.{name}")
            continue
        attribute = names[name]
        found[attribute] = check(item, model.openapi_types[attribute], client, f"{where}.{name}")
    try:
        return model(**found)  # the model raises an error if a required field is missing
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def expect(is_so, where, kind, value):
    if not is_so:
        raise ValueError(f"{where}: {value!r} is no {kind}")
