"""PDFs for tests, good ones and bad ones."""

from __future__ import annotations

import zlib
from io import BytesIO

from pypdf import PdfReader, PdfWriter


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page; an empty one has none."""
    streams = [
        f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else "0 0 9 9 re f" for text in pages
    ]
    return _with_streams([(stream.encode(), "") for stream in streams])


def locked(data: bytes, password: str = "secret") -> bytes:
    """The same PDF, to be opened with a password."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(data)))
    writer.encrypt(password, "owner", algorithm="RC4-128")
    return _written(writer)


def bomb() -> bytes:
    """A page whose few bytes become two hundred million."""
    packer = zlib.compressobj(9)
    piece = b"BT (x) Tj ET\n" * 80_000
    packed = b"".join(packer.compress(piece) for _ in range(200)) + packer.flush()
    return _with_streams([(packed, "/Filter /FlateDecode")])


def circle() -> bytes:
    """A tree of pages whose root is its own child."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R] /Count 1000000 >>",
    ]
    return _joined(objects)


def _with_streams(streams: list[tuple[bytes, str]]) -> bytes:
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(streams)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, (stream, words) in enumerate(streams):
        page = f"/Contents {5 + 2 * number} 0 R /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {page} >>".encode())
        head = f"<< /Length {len(stream)} {words} >>\nstream\n".encode()
        objects.append(head + stream + b"\nendstream")
    return _joined(objects)


def _joined(objects: list[bytes]) -> bytes:
    made, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (count, len(made))
    return made + b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table) + end


def _written(writer: PdfWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
