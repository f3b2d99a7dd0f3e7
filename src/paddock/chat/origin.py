"""By what address a browser reaches the chat; where it is HTTPS, a proxy in front may speak it.

A page says its own origin with every change, and the door has held its host against ours, so no
header of the proxy's has to be believed.
"""

from __future__ import annotations

from aiohttp import web


def is_secure(request: web.BaseRequest) -> bool:
    """Whether the browser that asks speaks HTTPS, with us or with what stands in front."""
    return request.secure or request.headers.get("Origin", "").lower().startswith("https://")


def origin_of(request: web.BaseRequest) -> str:
    """Where the page that asks is: `https://nas.example:3001`."""
    return f"{'https' if is_secure(request) else 'http'}://{request.host}"
