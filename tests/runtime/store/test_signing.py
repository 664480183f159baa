"""Requests are signed as S3 stores expect it."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from pictor.runtime.store.signing import Signer

AT = datetime(2013, 5, 24, tzinfo=UTC)
OURS = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")


def test_a_presigned_address_is_that_of_the_published_example() -> None:
    made = OURS.presign("https://examplebucket.s3.amazonaws.com/test.txt", 86400, at=AT)
    assert made.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    assert "X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" in made


@pytest.mark.parametrize(
    ("method", "url", "headers", "signature"),
    [
        (
            "GET",
            "http://127.0.0.1:8333/frames/raw/M%2031.fits",
            {"Range": "bytes=0-9"},
            "e3929424d96d31b03c6797920c3814d6f297cb439796b0a5c9d372eeb9669b15",
        ),
        (
            "POST",
            "https://store:9000/frames/a?uploads=",
            {},
            "4f1b8733b48e4a622614e7e29517164fc9082d4b6a6b2e873ec03cd2b304909e",
        ),
        (
            "PUT",
            "http://store/frames/a?uploadId=x%2Fy&partNumber=10",
            {"x-amz-meta-a": "  two   words "},
            "b86fd9c6e4a3e353f5faada817d18bccf2607409763ddaa62e26bea230700b05",
        ),
        ("GET", "http://store", {}, "67f42fa349b136c78c1881ba185b58ccb97aa95c93972213d5bf0fc6b1b9231b"),
    ],
)
def test_a_request_is_signed_as_an_independent_client_signs_it(
    method: str, url: str, headers: dict[str, str], signature: str
) -> None:
    made = OURS.sign(method, url, headers, at=AT)
    assert made["Authorization"].rpartition("=")[2] == signature
    assert made["Host"] == urlsplit(url).netloc
    assert {**made, **headers} == made


def test_the_secret_is_not_shown() -> None:
    assert "wJalr" not in repr(OURS)
