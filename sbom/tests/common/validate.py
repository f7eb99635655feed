# Prints a line for each document in a folder: `NAME: valid`, or what is wrong with it.
#
#   validate.py FOLDER [SPDX]   SPDX is a folder with the schema, the shapes and the context of SPDX 3.0.1; without it,
#                               SPDX documents are read by the project's own classes alone, which are made of the shapes
import io
import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_python_model import v3_0_1 as model

folder, *spdx = map(pathlib.Path, sys.argv[1:])
versions = {"1.6": SchemaVersion.V1_6, "1.7": SchemaVersion.V1_7}


def cyclonedx(path):
    text = path.read_text()
    version = versions.get(json.loads(text)["specVersion"])
    error = JsonStrictValidator(version).validate_str(text)
    return "" if error is None else f"schema: {error.data.message}"


def spdx3(path):
    objects = model.SHACLObjectSet()
    try:
        with path.open("rb") as file:
            model.JSONLDDeserializer().read(file, objects)
        # What an element must have is asked for when it is written.
        model.JSONLDSerializer().write(objects, io.BytesIO())
    except Exception as error:
        return f"classes: {error}"
    # What SPDX names itself is not in a document.
    missing = [it for it in objects.missing_ids if not it.startswith("https://spdx.org/")]
    return f"classes: nothing is named {missing}" if missing else ""


def by_shapes(folder):
    import jsonschema
    import pyshacl
    import rdflib

    checker = jsonschema.Draft202012Validator(json.loads((folder / "schema.json").read_text()))
    context = json.loads((folder / "spdx-context.jsonld").read_text())
    shapes = rdflib.Graph().parse(folder / "spdx-model.ttl")

    def check(path):
        document = json.loads(path.read_text())
        for error in checker.iter_errors(document):
            return f"schema: {error.json_path}: {error.message[:300]}"
        # The context is the published one, from the file: nothing is fetched.
        document["@context"] = context["@context"]
        graph = rdflib.Graph().parse(data=json.dumps(document), format="json-ld")
        conforms, _, words = pyshacl.validate(graph, shacl_graph=shapes, ont_graph=shapes)
        return "" if conforms else "shapes: " + " ".join(words.split())[:600]

    return check


spdx_checks = [spdx3] + [by_shapes(it) for it in spdx]
for path in sorted(folder.iterdir()):
    checks = [cyclonedx] if "bomFormat" in json.loads(path.read_text()) else spdx_checks
    wrong = next(filter(None, (check(path) for check in checks)), "valid")
    print(f"{path.name}: {wrong}", flush=True)
