"""Network addresses: where a call came from, and which names mean this very machine.

Knows headers that proxies write and the kinds of addresses; does not know what is decided by them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

# who has an IPv6 address has a whole network of this size
IPV6_PREFIX = 64
# and whoever rents a line or a machine may have this one: 65,536 of them
NETWORK_PREFIX = 48


def address_of(scope: Mapping[str, Any], proxies: int) -> str:
    """The caller's address as text, IPv6 as its /64; "" where it cannot be told.

    proxies: how many servers stand in front, each of which adds whom it was asked by to X-Forwarded-For. What stands
    further left came from the caller, who may write anything there.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    lines = (value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for")
    named = [part.strip() for line in lines for part in line.split(",") if part.strip()]
    if proxies and named:
        return normal(named[-min(proxies, len(named))]) or normal(peer)
    return normal(peer)


def normal(text: str) -> str:
    """One way of writing for every address of one caller; "" for what is no address."""
    bare = text[1 : text.find("]")] if text.startswith("[") else text
    # some proxies add the port
    bare = bare.split(":")[0] if bare.count(":") == 1 else bare
    try:
        address = ipaddress.ip_address(bare.split("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def network_of(address: str) -> str:
    """The wider network that one caller may have to themselves, of an address as written here; "" where it is none."""
    try:
        network = ipaddress.ip_network(address)
    except ValueError:
        return ""
    return "" if network.version == 4 else str(network.supernet(new_prefix=NETWORK_PREFIX))


def is_loopback_host(host: str) -> bool:
    """Whether a Host header, or a host to listen at, means this machine for itself: localhost, 127.x or [::1]."""
    text = host.strip().lower()
    if text.startswith("["):
        name, closed, port = text[1:].partition("]")
        if not closed or (port and not (port[0] == ":" and port[1:].isdigit())):
            return False
    else:
        name, colon, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
        if colon and not port.isdigit():
            return False
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
