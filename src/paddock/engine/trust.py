"""Whom we trust over TLS: those that the system's certificates vouch for."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache


@cache
def system_roots() -> ssl.SSLContext:
    """A context that trusts the system's roots. Blocking: reads them the first time."""
    return ssl.create_default_context()


async def system_trust() -> ssl.SSLContext:
    """A context that trusts the system's roots, or those in SSL_CERT_FILE. Read once, in a thread.

    Not aiohttp's own context: that one trusts nobody (`cli/hasten.py`).
    """
    return await asyncio.to_thread(system_roots)
