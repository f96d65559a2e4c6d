"""Builds the OpenAPI 3.1 document from the operations and the shapes of their answers; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from watcher import __version__
from watcher.web.api.parameters import DURATION_IN_PATH, ID_IN_PATH, KEY_IN_PATH
from watcher.web.api.shapes import SHAPES
from watcher.web.serving.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.web.api.operations import Operation
    from watcher.web.api.parameters import Parameter

_REFERENCES = "#/components/schemas/{model}"
_ABOUT = (
    "Times are ISO 8601 in UTC, durations are milliseconds, except in Gatus' shapes. On a public page, callers without"
    " auth get null, or no value, for addresses, reasons, details, status codes and excerpts."
)
# Answers that any operation may give.
_OF_READING = {
    "304": "Not changed since the answer with the ETag in `If-None-Match`",
    "422": "Values of the query are wrong; `errors` says which",
}
_OF_WRITING = {
    "403": "No auth is configured, or a cross-site request",
    "413": "The body is too large",
    "415": "The body is not JSON by its `Content-Type`",
    "422": "Values of the body are wrong; `errors` says which",
}
_WRITERS = [{"basic": list[str]()}, {"token": list[str]()}]
_OF_ALL = {
    "400": "The request is malformed, or the duration is not one of those listed",
    "401": "Credentials are missing or wrong",
    "414": "The address is too long",
    "421": "`Host` is not an allowed name of this page",
    "429": "Too many wrong credentials",
    "431": "The head of the request is too large",
    "503": "Too many requests at once",
}
_AWAY = "The history cannot be read now, or there are too many requests at once"


def document_of(operations: Iterable[Operation], root: str) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: all operations.
        root: the prefix of all paths, without a trailing slash.
    """
    _, definitions = TypeAdapter.json_schemas(
        [(name, "serialization", TypeAdapter(shape)) for name, shape in SHAPES.items()], ref_template=_REFERENCES
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "watcher", "version": __version__, "description": _ABOUT},
        "servers": [{"url": root or "/"}],
        "security": [{}, {"basic": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    in_path = [one for one in (KEY_IN_PATH, DURATION_IN_PATH, ID_IN_PATH) if f"{{{one.name}}}" in operation.path]
    answers: dict[str, Any] = {
        str(operation.status): {"description": operation.summary, "content": _content(operation)}
    }
    if operation.may_be_empty:
        answers["204"] = {"description": "No data for that time"}
    told = {**(_OF_WRITING if operation.writes else _OF_READING), **_OF_ALL}
    told |= {**({"404": "There is no target with this key"} if in_path else {}), **operation.refusals}
    if operation.reads_history:
        told["503"] = _AWAY
    body = operation.body
    return {
        **({"security": _WRITERS} if operation.writes else {}),
        **({} if body is None else {"requestBody": {"required": body.is_needed, "content": _json(body.schema)}}),
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            *(_parameter(one, "path") for one in in_path),
            *(_parameter(one, "query") for one in operation.query),
        ],
        "responses": {
            **answers,
            **{status: {"description": about, **_problem(status)} for status, about in sorted(told.items())},
        },
    }


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": place == "path",
        "schema": parameter.schema,
    }


def _content(operation: Operation) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if operation.shape is not None:
        schema = {"$ref": _REFERENCES.format(model=operation.shape)}
    if operation.is_list:
        schema = {"type": "array", "items": schema}
    return {operation.media_type: {"schema": schema}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _problem(status: str) -> dict[str, Any]:
    if status == "304":
        return {}
    return {"content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCES.format(model="Problem")}}}}
