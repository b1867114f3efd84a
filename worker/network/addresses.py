"""What of an address is one client's."""

import ipaddress


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, which one machine has whole. What is no address stays as it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address) or found.ipv4_mapped:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))
