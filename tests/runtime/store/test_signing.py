"""Signatures of S3 requests, beside those of minio-py."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4, sign_v4_s3

from pictor.runtime.store.signing import UNSIGNED, Signer

DATE = datetime(2026, 3, 7, 5, 9, 1, tzinfo=UTC)
REGION = "eu-central-1"
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
KEYS = st.from_regex(r"[A-Za-z0-9+/=]{3,40}", fullmatch=True)


@given(
    access=KEYS,
    secret=KEYS,
    key=WORDS,
    query=st.dictionaries(WORDS.filter(bool), WORDS, max_size=4),
    told=st.dictionaries(st.from_regex(r"x-amz-meta-[a-z]{1,8}", fullmatch=True), KEYS, max_size=3),
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
)
def test_requests_and_addresses_are_signed_as_minio_signs_them(
    *, access: str, secret: str, key: str, query: dict[str, str], told: dict[str, str], method: str
) -> None:
    text = f"http://127.0.0.1:9000/frames/{quote(key)}?{urlencode(query, quote_via=quote)}"
    url, signer, credentials = urlsplit(text), Signer(access, secret, REGION), Credentials(access, secret)
    headers = {**told, "Host": url.netloc, "x-amz-content-sha256": UNSIGNED, "x-amz-date": "20260307T050901Z"}
    theirs = sign_v4_s3(
        method=method, url=url, region=REGION, headers=dict(headers), credentials=credentials,
        content_sha256=UNSIGNED, date=DATE,
    )  # fmt: skip
    assert signer.headers(method, url, told, DATE) == theirs
    address = presign_v4(method=method, url=url, region=REGION, credentials=credentials, date=DATE, expires=300)
    assert signer.address(method, url, DATE, 300) == address


def test_a_signer_does_not_tell_its_secret() -> None:
    assert "hush" not in repr(Signer("user", "hush", REGION))


@pytest.mark.parametrize("query", ["uploads=", "partNumber=2&uploadId=a%2Fb%3D%3D", ""])
def test_queries_of_multipart_uploads_are_signed_as_minio_signs_them(query: str) -> None:
    url = urlsplit(f"http://store/frames/key?{query}")
    theirs = sign_v4_s3(
        method="POST", url=url, region=REGION, credentials=Credentials("user", "hush"), content_sha256=UNSIGNED,
        date=DATE,
        headers={"Host": "store", "x-amz-content-sha256": UNSIGNED, "x-amz-date": "20260307T050901Z"},
    )  # fmt: skip
    assert Signer("user", "hush", REGION).headers("POST", url, {}, DATE) == theirs
