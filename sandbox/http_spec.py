"""Checks HTTP requests and answers against a vendor's published OpenAPI 3.0 document.

Route, parameters and security are judged by openapi-core, bodies by jsonschema-rs: openapi-core
needs seconds for a body of 10,000 profiles, jsonschema-rs some milliseconds. The documents lie
beside the repository (`../shared/specs`, or the folder that ENCORE_SHARED names) and may be
absent; then `vendor_spec` returns None and a stand-in falls back to its own table of rules.

Schemas don't know the limits that vendors state only in prose; each stand-in adds those itself.
"""

import gzip
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import orjson
from jsonschema_path import SchemaPath
from openapi_core.datatypes import RequestParameters
from openapi_core.validation.request.validators import (
    V30RequestParametersValidator,
    V30RequestSecurityValidator,
)
from werkzeug.datastructures import Headers, ImmutableMultiDict, MultiDict

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = {
    "klaviyo": "klaviyo/stable-2026-07-15.json.gz",
    "mailchimp": "mailchimp/marketing-3.0.55.openapi3.json.gz",
}
REPORTED_PROBLEMS = 5  # a body with 10,000 faulty rows need not list all of them

# Keywords that hold schemas, by shape: everything else is copied as it is, so that a property
# which happens to be called "nullable" or "discriminator" is not taken for the keyword.
_SCHEMA_MAPS = ("properties", "patternProperties", "definitions")
_SCHEMA_LISTS = ("oneOf", "anyOf", "allOf")
_SCHEMAS = ("items", "not", "additionalProperties")
_NOT_JSON_SCHEMA = ("nullable", "discriminator", "example", "xml", "externalDocs")


@dataclass(frozen=True)
class Problem:
    """One way in which a request or an answer departs from the document."""

    where: str  # route | parameter | security | body | status
    detail: str
    pointer: str = ""  # JSON pointer into the body, or the parameter's name
    missing: bool = False  # a required property is not there


@dataclass(frozen=True)
class Operation:
    """One method of one path template."""

    method: str
    template: str
    raw: dict[str, Any]
    parameters: frozenset[str]  # names of query parameters

    @property
    def id(self) -> str:
        """The document's operationId."""
        return str(self.raw["operationId"])


class SentRequest:
    """A request in the form that openapi-core reads; `path` is the vendor's, without base path."""

    def __init__(
        self,
        spec: "Spec",
        method: str,
        path: str,
        query: MultiDict[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        self.method = method.lower()
        self.host_url = spec.host_url
        self.path = spec.base_path + path
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(query), header=Headers(dict(headers)), cookie=ImmutableMultiDict()
        )
        self.body = body
        self.content_type = dict(headers).get("Content-Type", "").lower()


class Spec:
    """One vendor's document, with its validators compiled when first used."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        server = urlsplit(document["servers"][0]["url"])
        self.host_url = f"{server.scheme}://{server.netloc}"
        self.base_path = server.path.rstrip("/")
        path = SchemaPath.from_dict(document)
        # Validating a document of this size against the OpenAPI meta-schema takes about a minute
        # and only finds faults on paths that nobody here uses.
        self._parameters = V30RequestParametersValidator(path, spec_validator_cls=None)
        self._security = V30RequestSecurityValidator(path, spec_validator_cls=None)
        self._routes = sorted(_routes(document), key=lambda route: route[0].count("{"))
        self._bodies: dict[str, jsonschema_rs.Validator] = {}

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation that a request addresses; None for an unknown route."""
        for _, pattern, operations in self._routes:
            if pattern.fullmatch(path) and method.lower() in operations:
                return operations[method.lower()]
        return None

    def request_problems(self, sent: SentRequest, path: str, *, security: bool = True) -> list[Problem]:
        """What is wrong with a request; empty if nothing. `security=False` skips the header check."""
        operation = self.operation(sent.method, path)
        if operation is None:
            return [Problem("route", f"{sent.method.upper()} {path} is not in the document")]
        problems = [
            Problem("parameter", f"{name} is not a parameter of {operation.id}", name)
            for name in sent.parameters.query
            if name not in operation.parameters
        ]
        problems += self._parameter_problems(sent, security=security)
        problems += self._body_problems(operation, sent)
        return problems

    def response_problems(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[Problem]:
        """What is wrong with an answer; empty if nothing or if the route is unknown."""
        operation = self.operation(method, path)
        if operation is None:
            return []
        responses = operation.raw["responses"]
        name = next((n for n in (str(status), f"{status // 100}XX", "default") if n in responses), None)
        if name is None:
            return [Problem("status", f"{operation.id} never answers {status}")]
        content = self._resolved(responses[name]).get("content", {})
        if not content:
            return [Problem("body", f"{operation.id} answers {status} without a body")] if body else []
        return self._content_problems(f"{operation.id} {name}", content, content_type, body)

    def _parameter_problems(self, sent: SentRequest, *, security: bool) -> list[Problem]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated parameters are legal
            problems = [
                Problem("parameter", _text(error), getattr(error, "name", ""))
                for error in self._parameters.iter_errors(sent)
            ]
            if security:
                errors = self._security.iter_errors(sent)
                problems += [Problem("security", _text(error)) for error in errors]
        return problems

    def _body_problems(self, operation: Operation, sent: SentRequest) -> list[Problem]:
        if "requestBody" not in operation.raw:
            return [Problem("body", f"{operation.id} takes no body")] if sent.body else []
        request_body = self._resolved(operation.raw["requestBody"])
        if not sent.body:
            required = request_body.get("required", False)
            return [Problem("body", f"{operation.id} needs a body")] if required else []
        return self._content_problems(operation.id, request_body["content"], sent.content_type, sent.body)

    def _content_problems(self, key: str, content: dict[str, Any], content_type: str, body: bytes) -> list[Problem]:
        media_type = content_type.split(";", maxsplit=1)[0].strip()
        if media_type not in content:
            return [Problem("body", f"{key}: {media_type or 'no content type'} is not {sorted(content)}")]
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            return [Problem("body", f"{key}: not JSON: {error}")]
        validator = self._validator(f"{key} {media_type}", content[media_type]["schema"])
        return list(_schema_problems(validator, value))

    def _validator(self, key: str, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        if key not in self._bodies:
            self._bodies[key] = jsonschema_rs.Draft4Validator(self._self_contained(schema), validate_formats=True)
        return self._bodies[key]

    def _self_contained(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema as JSON Schema, with just the components that it reaches."""
        components: dict[str, Any] = {}
        waiting = [plain := json_schema(schema)]
        while waiting:
            for name in _references(waiting.pop()):
                if name not in components:
                    components[name] = json_schema(self._document["components"]["schemas"][name])
                    waiting.append(components[name])
        return {"allOf": [plain], "components": {"schemas": components}}

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        section, name = node["$ref"].rsplit("/", 2)[1:]
        return dict(self._document["components"][section][name])


def shared_folder() -> Path | None:
    """The folder with the vendors' documents, or None on a clone that stands alone."""
    folder = Path(os.environ.get("ENCORE_SHARED") or REPOSITORY.parent / "shared")
    return folder if folder.is_dir() else None


@lru_cache(maxsize=8)
def vendor_spec(vendor: str) -> Spec | None:
    """The document of "klaviyo" or "mailchimp", loaded once per process; None if not at hand."""
    folder = shared_folder()
    if folder is None or not (file := folder / "specs" / DOCUMENTS[vendor]).is_file():
        return None
    document = orjson.loads(gzip.decompress(file.read_bytes()))
    # Mailchimp's document has `discriminator` beside inline `oneOf`, which openapi-core resolves
    # by component name and so refuses valid segment conditions.
    _drop_discriminators(document)
    return Spec(document)


def json_schema(schema: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema draft 4: `nullable` becomes a type, the rest stays."""
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS:
            plain[key] = {name: json_schema(inner) for name, inner in value.items()}
        elif key in _SCHEMA_LISTS:
            plain[key] = [json_schema(inner) for inner in value]
        elif key in _SCHEMAS:
            plain[key] = json_schema(value)
        elif key not in _NOT_JSON_SCHEMA:
            plain[key] = value
    if not schema.get("nullable"):
        return plain
    if "type" in plain and not any(key in plain for key in (*_SCHEMA_LISTS, "$ref")):
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


def _routes(
    document: dict[str, Any],
) -> Iterator[tuple[str, re.Pattern[str], dict[str, Operation]]]:
    for template, item in document["paths"].items():
        shared = item.get("parameters", [])
        operations = {
            method: Operation(method, template, raw, _query_names(document, shared, raw))
            for method, raw in item.items()
            if isinstance(raw, dict) and "responses" in raw
        }
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template))
        yield template, re.compile(pattern), operations


def _query_names(document: dict[str, Any], shared: list[dict[str, Any]], raw: dict[str, Any]) -> frozenset[str]:
    names = set()
    for parameter in [*shared, *raw.get("parameters", [])]:
        if "$ref" in parameter:
            name = parameter["$ref"].rsplit("/", 1)[-1]
            found = document["components"]["parameters"][name]
        else:
            found = parameter
        if found["in"] == "query":
            names.add(found["name"])
    return frozenset(names)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.rsplit("/", 1)[-1]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _schema_problems(validator: jsonschema_rs.Validator, value: Any) -> Iterator[Problem]:
    for count, error in enumerate(validator.iter_errors(value)):
        if count == REPORTED_PROBLEMS:
            return
        pointer = "".join(f"/{part}" for part in error.instance_path)
        missing = isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required)
        yield Problem("body", str(error.message)[:300], pointer, missing)


def _drop_discriminators(node: Any) -> None:
    if isinstance(node, dict):
        if "oneOf" in node:
            node.pop("discriminator", None)
        for value in node.values():
            _drop_discriminators(value)
    elif isinstance(node, list):
        for value in node:
            _drop_discriminators(value)


def _text(error: Exception) -> str:
    """The error and what caused it: openapi-core keeps the telling part in `__cause__`."""
    cause = error.__cause__
    return f"{error}: {cause}"[:300] if cause else str(error)[:300]
