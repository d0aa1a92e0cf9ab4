import pytest

from syneudp.web.csrf import is_forged

ORIGIN = "https://console.example.com"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass_from_anywhere(method: str) -> None:
    assert not is_forged(method, fetch_site="cross-site", origin=None, public_origin=ORIGIN)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "forged"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": ""}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, True),
        ({"Origin": ORIGIN}, False),
        ({"Origin": ORIGIN + ":443"}, True),
        ({"Origin": "http://console.example.com"}, True),
        ({"Origin": "https://console.example.com.evil.example"}, True),
        ({"Origin": "null"}, True),
        ({}, True),
    ],
    ids=str,
)
def test_unsafe_methods_need_this_sites_own_pages(method: str, headers: dict[str, str], forged: bool) -> None:
    told = is_forged(
        method, fetch_site=headers.get("Sec-Fetch-Site"), origin=headers.get("Origin"), public_origin=ORIGIN
    )
    assert told is forged
