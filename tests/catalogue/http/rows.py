"""Rows 94-132 of the bad-input catalogue: what a hostile network sends to the gateway."""

from tests.catalogue.rows import Row

UNCHANGED = "unchanged"
"""State of rows that bring no frame: nothing is different afterwards."""

LATER = "the feature does not exist yet: the address does not, either"


def _row(
    number: str, given: str, status: int, code: str | None, *, others: str = "", state: str = UNCHANGED, note: str = ""
) -> Row:
    return Row(number, given, others=others, status=(status,), code=code, state=state, note=note)


TRANSPORT: tuple[Row, ...] = (
    _row("94a", "disconnect in the middle of a body", 0, None, state="nothing", note="nobody is left to be answered"),
    _row("94b", "half-close in the middle of a body", 400, "incomplete-body", state="nothing"),
    _row("94c", "chunked body whose connection is cut before the last chunk", 0, None, state="nothing"),
    _row(
        "95a", "Content-Length shorter than the body", 422, "digest-mismatch", state="nothing",
        note="what lies beyond the length is no part of the frame",
    ),
    _row("95b", "Content-Length longer than the body", 408, "too-slow", state="nothing"),
    _row("96", "two Content-Length headers", 400, "bad-request", state="nothing"),
    _row(
        "97", "Content-Length and chunked", 400, "bad-request", state="nothing",
        others="uvicorn with h11 accepts it",
    ),
    _row("97b", "chunk of a length that is no number", 400, "bad-request", state="nothing"),
    _row("97c", "header folded over two lines", 400, "bad-request", others="h11 joins the lines"),
    _row("98", "negative Content-Length", 400, "bad-request", state="nothing"),
    _row("99a", "body over the limit, announced", 413, "too-large", state="nothing"),
    _row("99b", "body over the limit, in chunks", 413, "too-large", state="nothing"),
    _row("100", "empty body", 422, "empty-body", state="nothing", others="the bare application answers 200"),
    _row("101a", "NUL in the path", 400, "bad-request", others="the bare application answers 200"),
    _row("101b", "bytes in the path that are no UTF-8", 400, "bad-request", others="the bare application answers 200"),
    _row("102", "`%2f..` in the path", 404, "not-found"),
    _row("103a", "headers of 200 kB", 431, "headers-too-large"),
    _row("103b", "5,000 headers", 431, "headers-too-large"),
    _row("104", "address of 100 kB", 414, "uri-too-long"),
    _row("105a", "bytes with another digest than the address says", 422, "digest-mismatch", state="nothing"),
    _row("105b", "Content-Digest of other bytes", 422, "digest-mismatch", state="nothing"),
    _row("105c", "Content-Digest with MD5 alone", 400, "bad-request", state="nothing"),
    _row("105d", "Content-Digest that is not base64", 400, "bad-request", state="nothing"),
    _row("105e", "form with a Content-Digest of other bytes", 422, "digest-mismatch", state="nothing"),
    _row("106a", "the same Idempotency-Key with another body", 422, "idempotency-mismatch"),
    _row(
        "106b", "the same Idempotency-Key with the same body", 201, None, state="done once, answered twice",
    ),
    _row("106c", "Idempotency-Key of 300 characters", 400, "bad-request"),
    Row("107", "two uploads of one frame at once", status=(200, 201), state="registered", note="one of each"),
    _row("108a", "multipart garbage", 400, "bad-request", state="nothing"),
    _row("108b", "multipart without a boundary", 400, "bad-request", state="nothing"),
    _row("108c", "multipart of 20,000 parts", 400, "bad-request", state="nothing"),
    _row("109a", "body of some bytes a second", 408, "too-slow", state="nothing", others="uvicorn waits for ever"),
    _row("109b", "head of some bytes a second", 408, "too-slow", others="uvicorn waits for ever"),
)  # fmt: skip

JSON: tuple[Row, ...] = (
    _row("110", "JSON nested 100,000 deep", 400, "bad-json", others="bare Litestar answers 500"),
    _row("111", "JSON that is no UTF-8", 400, "bad-json", others="bare Litestar answers 500"),
    _row("112a", "NaN in JSON", 400, "bad-json"),
    _row("112b", "number of 5,000 digits in JSON", 400, "bad-json"),
    _row("112c", "lone surrogate in JSON", 400, "bad-json"),
    _row("113", "NUL escape in JSON", 400, "bad-json", others="Postgres refuses the text: 500"),
    _row("114", "JSON that names a field twice", 400, "bad-json", others="the last one wins"),
    _row("115a", "field `is_admin` nobody asked for", 400, "invalid-request", others="accepted and ignored"),
    _row("115b", "field `observatory_id` in a change of a rig's name", 400, "invalid-request"),
    _row(
        "116", 'text `"true"` for a boolean', 400, "invalid-request", others="bare Litestar takes it",
        note="sent as a module's switch: masters cannot be created by request yet",
    ),
    _row("117a", "XML body", 415, "unsupported-media-type", others="parsed as JSON"),
    _row("117b", "YAML body", 415, "unsupported-media-type", others="parsed as JSON"),
    _row("117c", "MessagePack body", 415, "unsupported-media-type"),
    _row("117d", "JSON body under gzip", 415, "unsupported-media-type"),
    _row("118", "JSON of 12 MB", 413, "too-large"),
)  # fmt: skip

ADDRESSES: tuple[Row, ...] = (
    _row("119a", "`page=0`", 400, "invalid-request"),
    _row("119b", "`page=-1`", 400, "invalid-request"),
    _row("119c", "`page=1e3`", 400, "invalid-request"),
    _row("119d", "`page=` 10^23", 400, "invalid-request", others="the database's bigint overflows: 500"),
    _row("120a", "`limit=0`", 400, "invalid-request"),
    _row("120b", "`limit=-1`", 400, "invalid-request"),
    _row("120c", "`limit=1000000000`", 400, "invalid-request"),
    _row("121a", "boolean filter with the value `perhaps`", 400, "invalid-request"),
    _row("121b", "filter nobody knows", 400, "invalid-request", others="ignored: more is shown than was asked for"),
    _row("121c", "filter given twice", 400, "invalid-request", others="one of them is ignored"),
    _row("122a", "status `%00`", 400, "bad-request"),
    _row("122b", "status `' OR 1=1--`", 400, "invalid-request"),
    _row("122c", "target `%`", 200, None, note="a wildcard is a name like any other: the list is empty"),
    _row("123a", "id that is no UUID", 404, "not-found"),
    _row("123b", "id of another observatory's frame", 404, "not-found", note="to the letter the answer of 123d"),
    _row("123c", "id of a deleted frame", 404, "not-found", note="to the letter the answer of 123d"),
    _row("123d", "id nobody has", 404, "not-found"),
    _row("124", "X-Forwarded-For, -Host and -Proto of a stranger", 201, None, state="no effect on address or links"),
    _row("125", "`Host: evil`", 400, "bad-host"),
    _row("126", "token in the query", 401, "unauthenticated"),
    _row("127a", "token in capitals", 401, "unauthenticated"),
    _row("127b", "half a token", 401, "unauthenticated"),
    _row("127c", "token of 1 MB", 431, "headers-too-large"),
    _row("128", "webhook to 169.254.169.254", 404, "not-found", note=f"comes with webhooks: {LATER}"),
    _row("129a", "SVG as a master", 415, "not-a-frame", state="nothing"),
    _row("129b", "SVG as a frame", 415, "not-a-frame", state="nothing"),
    _row("130", "calibration policy out of its ranges", 422, "invalid-value", note="names every value and its range"),
    _row("131a", "GET with a body", 405, "method-not-allowed"),
    _row("131b", "TRACE", 405, "method-not-allowed"),
    _row("131c", "CONNECT", 405, "method-not-allowed"),
    _row("132a", "download of 1,000 ranges", 416, "range-not-satisfiable"),
    _row("132b", "range of 5,000 digits", 200, None, note="a range nobody can read is ignored (RFC 9110)"),
)  # fmt: skip

ROWS: tuple[Row, ...] = (*TRANSPORT, *JSON, *ADDRESSES)
