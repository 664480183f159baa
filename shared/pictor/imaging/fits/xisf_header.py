"""Read the XML header of an XISF file: no entities, no document type, bounded depth and size."""

from dataclasses import dataclass, field
from xml.parsers import expat

from pictor.imaging.errors import UnreadableFrameError

_MAX_ELEMENTS = 50_000
_MAX_DEPTH = 32


@dataclass(slots=True)
class XisfImage:
    """The first Image element of a file.

    Parameters
    ----------
    attributes
        Of the Image element: geometry, sampleFormat, location, compression and so on.
    keywords
        Name, value and comment of each FITSKeyword, as written.
    encoding, text
        Of an inline or embedded data block.
    """

    attributes: dict[str, str]
    keywords: list[tuple[str, str, str]] = field(default_factory=list)
    encoding: str = ""
    text: str = ""


class _Builder:
    """Collects the first image while expat walks the document."""

    def __init__(self) -> None:
        self.image: XisfImage | None = None
        self.path: list[str] = []
        self.elements = 0
        self.pieces: list[str] = []
        self.done = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        self.path.append(name)
        if self.elements > _MAX_ELEMENTS or len(self.path) > _MAX_DEPTH:
            raise UnreadableFrameError("The XISF header is too large or too deep.", reason="xisf-header")
        if self.path == ["xisf", "Image"] and self.image is None:
            self.image = XisfImage(dict(attributes))
        elif self.image is not None and not self.done and len(self.path) == 3:
            self._child(name, attributes)

    def _child(self, name: str, attributes: dict[str, str]) -> None:
        if self.image is None:
            return
        if name == "FITSKeyword":
            values = [attributes.get(key, "") for key in ("name", "value", "comment")]
            self.image.keywords.append((values[0], values[1], values[2]))
        elif name == "Data":
            self.image.encoding = attributes.get("encoding", "")
            self.image.attributes.setdefault("compression", attributes.get("compression", ""))

    def end(self, _name: str) -> None:
        if self.path == ["xisf", "Image"] and self.image is not None and not self.done:
            self.image.text = "".join(self.pieces)
            self.done = True
        self.path.pop()

    def data(self, text: str) -> None:
        if self.image is not None and not self.done and self.path in (["xisf", "Image"], ["xisf", "Image", "Data"]):
            self.pieces.append(text)


def parse_header(text: bytes) -> XisfImage:
    """Find the first image of an XISF header.

    Parameters
    ----------
    text
        The XML header, possibly filled up with zeros.

    Raises
    ------
    UnreadableFrameError
        ``xisf-header`` for malformed XML, a document type declaration, or no image.
    """
    builder = _Builder()
    parser = expat.ParserCreate()

    def refuse(*_declaration: object) -> None:
        raise UnreadableFrameError(
            "The XISF header declares a document type, which is not allowed.", reason="xisf-header"
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.rstrip(b"\0 \r\n"), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise UnreadableFrameError("The XISF header is not well-formed XML.", reason="xisf-header") from error
    if builder.image is None:
        raise UnreadableFrameError("The XISF file holds no image.", reason="no-image")
    return builder.image
