"""A page that describes the server, without a script: nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_HEAD: Final = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>inktex</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { background: #8882; padding: .8rem; overflow: auto }
td, th { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0 }
</style>
"""
_Schema = Mapping[str, Any]


def page(openapi: _Schema) -> str:
    """HTML of an OpenAPI description: each route with what it takes and answers."""
    schemas = openapi["components"]["schemas"]
    parts = [
        _HEAD,
        f"<h1>inktex {_text(openapi['info']['version'])}</h1>",
        f"<p>{_text(openapi['info']['description'])} ",
        'The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            parts += _route(f"{method.upper()} {path}", route)
    parts += ["<h2>Objects</h2>"]
    for name, schema in sorted(schemas.items()):
        parts += _object(name, schema)
    return "".join(parts)


def _route(name: str, route: _Schema) -> Iterator[str]:
    yield f"<h2><code>{_text(name)}</code></h2><p>{_text(route.get('summary', ''))} "
    yield f"{_text(route.get('description', ''))}</p>"
    for kind, body in route.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Takes <code>{_text(kind)}</code>: {_type(body['schema'])}</p>"
        for example in body.get("examples", {}).values():
            yield f"<pre>{_text(json.dumps(example['value']))}</pre>"
    for status, answer in route["responses"].items():
        for body in answer.get("content", {}).values():
            words = "" if status == "200" else f": {_text(answer['description'])}"
            yield f"<p>Answers {_text(status)} with {_type(body.get('schema', {}))}{words}</p>"


def _object(name: str, schema: _Schema) -> Iterator[str]:
    yield f'<h3 id="{_text(name)}">{_text(name)}</h3><p>{_text(schema.get("description", ""))}</p>'
    yield "<table>"
    required = schema.get("required", [])
    for field, one in schema.get("properties", {}).items():
        default = "" if field in required else _default(one)
        yield f"<tr><td><code>{_text(field)}</code></td><td>{_type(one)}{default}</td>"
        yield f"<td>{_text(one.get('description', ''))}</td></tr>"
    yield "</table>"


def _default(schema: _Schema) -> str:
    value = schema.get("default")
    return "" if value is None else f", else <code>{_text(json.dumps(value))}</code>"


def _type(schema: _Schema) -> str:
    """A type in words, with links to objects."""
    if "$ref" in schema:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{_text(one)}</code>" for one in schema["enum"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    limits = " to ".join(_text(schema[one]) for one in ("minimum", "maximum") if one in schema)
    return f"{_text(schema.get('type', 'text'))} {limits}".strip()


def _text(value: object) -> str:
    return html.escape(str(value))
