"""Which addresses do not belong to a site on the internet."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from watcher.checking.http.dial import is_private

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.7",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]
PUBLIC = [
    "1.1.1.1",
    "9.9.9.9",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.1.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::200e",
    "64:ff9b::1.1.1.1",
]


def test_private_and_public_addresses_are_distinguished() -> None:
    assert [ip for ip in (*PRIVATE, *PUBLIC) if is_private(ip)] == PRIVATE


@given(address=st.ip_addresses(v=4))
def test_a_disguise_hides_no_private_address(address: ipaddress.IPv4Address) -> None:
    if is_private(str(address)):
        for prefix in ("::ffff:0:0", "64:ff9b::", "::"):
            assert is_private(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))))
        assert is_private(str(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80))))
