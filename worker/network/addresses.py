"""Which addresses count as one client."""

import ipaddress


def network_of(address: str) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address, all of which one machine may use. Text that is not an
    address is returned unchanged."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
