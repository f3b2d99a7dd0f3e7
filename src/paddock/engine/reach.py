"""Reaching an address: TCP, then TLS where the address has it, each within its own limit."""

from __future__ import annotations

import asyncio
import socket
import ssl

from paddock.config.model_entry import Timeouts
from paddock.engine.address import Address
from paddock.engine.trust import system_trust
from paddock.errors import UpstreamLost

NO_LIMIT_SECONDS = 86400.0
"""For a handshake without a limit: asyncio knows no such thing."""

IS_IT_HTTPS = "is it https that it speaks?"


async def reach(protocol: asyncio.Protocol, address: Address, timeouts: Timeouts) -> None:
    """Connect `protocol`; over TLS `connection_made` is called a second time, and counts then.

    Raises UpstreamLost with the reason and the limit that was passed.
    """
    trust = await system_trust() if address.tls else None
    transport = await _connected(protocol, address, timeouts)
    if not address.is_local:
        _keep_alive(transport, round(timeouts.keepalive))
    if trust is not None:
        protocol.connection_made(await _encrypted(protocol, transport, trust, address, timeouts))


async def _connected(
    protocol: asyncio.Protocol, address: Address, timeouts: Timeouts
) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect or None):
            transport, _ = await loop.create_connection(
                lambda: protocol, address.host, address.port
            )
    except TimeoutError:
        limit = f"{timeouts.connect:g} s (timeouts.connect)"
        raise _unreachable(address, f"no answer within {limit}") from None
    except OSError as error:
        raise _unreachable(address, str(error)) from error
    return transport


async def _encrypted(
    protocol: asyncio.Protocol,
    transport: asyncio.Transport,
    trust: ssl.SSLContext,
    address: Address,
    timeouts: Timeouts,
) -> asyncio.Transport:
    limit = timeouts.tls_handshake or NO_LIMIT_SECONDS
    loop = asyncio.get_running_loop()
    if transport.is_closing():  # it spoke first, and not TLS
        raise _unreachable(address, "it does not speak TLS", IS_IT_HTTPS)
    try:
        secure = await loop.start_tls(
            transport,
            protocol,
            trust,
            server_hostname=address.host,
            ssl_handshake_timeout=limit,
        )
    except ssl.SSLCertVerificationError as error:
        problem = f"its certificate is not trusted: {error.verify_message}"
        raise _unreachable(address, problem, "give its authority in SSL_CERT_FILE") from error
    except ssl.SSLError as error:
        problem = f"TLS failed: {error.reason or error}"
        raise _unreachable(address, problem, IS_IT_HTTPS) from error
    except OSError as error:
        problem = f"no TLS within {limit:g} s (timeouts.tlsHandshake), or it left: {error}"
        raise _unreachable(address, problem, IS_IT_HTTPS) from error
    if secure is None:
        raise _unreachable(address, "it closed the connection", IS_IT_HTTPS)
    return secure


def _unreachable(address: Address, problem: str, hint: str = "") -> UpstreamLost:
    return UpstreamLost(f"{address} does not take connections: {problem}", hint=hint)


def _keep_alive(transport: asyncio.Transport, seconds: int) -> None:
    """Let the kernel notice a silent peer that is gone. `seconds` between probes; 0: do not."""
    if not seconds:
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # macOS has the second
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
