"""/openapi.json and /docs: the description of the public API, and a page that shows it without any other host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from payk.web.answers import Answer, Header
from payk.web.api.paths import Methods
from payk.web.exchange import Exchange

__all__ = ["documentation"]

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Payk API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# Swagger UI would otherwise send the document to a validator on another host.
_START = b"""window.onload = () => SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""

_POLICY: Header = (
    b"content-security-policy",
    (
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
)
_ANEW = b"no-cache"
_FOR_AN_HOUR = b"max-age=3600"

_BUNDLED = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}


def documentation(document: Mapping[str, Any]) -> dict[str, Methods]:
    """The paths that serve an OpenAPI document and its page."""
    paths = {
        "/openapi.json": _constant(Answer(200, msgspec.json.encode(document))),
        "/docs": _constant(Answer(200, _PAGE, b"text/html; charset=utf-8", (_POLICY,), _ANEW)),
        "/docs/start.js": _constant(Answer(200, _START, b"text/javascript; charset=utf-8", cache_control=_FOR_AN_HOUR)),
    }
    for name, content_type in _BUNDLED.items():
        content = (swagger_ui_path / name).read_bytes()
        paths[f"/docs/{name}"] = _constant(Answer(200, content, content_type, cache_control=_FOR_AN_HOUR))
    return paths


def _constant(answer: Answer) -> Methods:
    async def handler(exchange: Exchange) -> Answer:
        return answer

    return {"GET": handler, "HEAD": handler}
