# Prints a line for each document in a folder: `NAME: valid`, or what is wrong with it.
import json
import pathlib
import sys

import jsonschema
import pyshacl
import rdflib
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

folder, spdx = map(pathlib.Path, sys.argv[1:])
schema = json.loads((spdx / "schema.json").read_text())
context = json.loads((spdx / "spdx-context.jsonld").read_text())
shapes = rdflib.Graph().parse(spdx / "spdx-model.ttl")
versions = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}


def cyclonedx(path):
    version = versions[path.name.split(".cdx-")[1].removesuffix(".json")]
    error = JsonStrictValidator(version).validate_str(path.read_text())
    return "" if error is None else f"schema: {error.data.message}"


def spdx3(path):
    document = json.loads(path.read_text())
    checker = jsonschema.Draft202012Validator(schema)
    for error in checker.iter_errors(document):
        return f"schema: {error.json_path}: {error.message[:300]}"
    # The context is the published one, from the file: nothing is fetched.
    document["@context"] = context["@context"]
    graph = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
    conforms, _, words = pyshacl.validate(graph, shacl_graph=shapes, ont_graph=shapes)
    return "" if conforms else "shapes: " + " ".join(words.split())[:600]


for path in sorted(folder.iterdir()):
    wrong = cyclonedx(path) if ".cdx-" in path.name else spdx3(path)
    print(f"{path.name}: {wrong or 'valid'}", flush=True)
