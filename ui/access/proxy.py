"""Proxy: what is believed of a request that another program hands on, and only if that program is one we trust.

From any other address the headers are as if they were not there: whoever reaches the port could write them.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Proxies:
    """Addresses that we trust, and the header in which they say who somebody is; empty: they do not say."""

    networks: tuple[Network, ...] = ()
    header: str = ""

    def trusts(self, address: str) -> bool:
        try:
            place = ip_address(address.split("%")[0])
        except ValueError:  # no address: a socket file, a test's client
            return False
        if isinstance(place, IPv6Address) and place.ipv4_mapped:
            place = place.ipv4_mapped
        return any(place in network for network in self.networks)

    def name(self, request: HTTPConnection) -> str | None:
        """Whom a trusted proxy vouches for; None where it says nobody, or more than one."""
        if not self.header or not self.trusts(_peer(request)):
            return None
        said = request.headers.getlist(self.header)
        return said[0].strip().casefold() or None if len(said) == 1 else None

    def secure(self, request: HTTPConnection) -> bool:
        """Whether the browser speaks TLS, with us or with the proxy."""
        if request.scope["scheme"] in ("https", "wss"):
            return True
        said = request.headers.get("x-forwarded-proto", "")
        return self.trusts(_peer(request)) and said.split(",")[-1].strip() == "https"

    def address(self, request: HTTPConnection) -> str:
        """Where the browser is; of IPv6 the network of 64 bits, in which one person has all addresses."""
        hops = [_peer(request)]
        hops += [hop.strip() for hop in reversed(",".join(request.headers.getlist("x-forwarded-for")).split(","))]
        for here, before in zip(hops, hops[1:], strict=False):
            if not self.trusts(here) or not before:
                return _wide(here)
        return _wide(hops[-1])


def proxies(addresses: tuple[str, ...], header: str = "") -> Proxies:
    """From settings; raises `ValueError` for what is no address and no network."""
    return Proxies(tuple(ip_network(address) for address in addresses), header)


def _peer(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def _wide(address: str) -> str:
    try:
        place = ip_address(address.split("%")[0])
    except ValueError:
        return address[:64]
    return str(ip_network((place, 64), strict=False)) if isinstance(place, IPv6Address) else str(place)
