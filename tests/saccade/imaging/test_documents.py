"""Pages of PDF and TIFF files, and what is wrong with bad ones."""

from __future__ import annotations

import builtins
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.errors import ImageError, MissingExtra, OptionError
from saccade.imaging.documents import open_document


def picture(value: int, size: tuple[int, int] = (60, 40)) -> Image.Image:
    return Image.new("RGB", size, (value, 10, 200))


def pdf(*pages: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=list(pages[1:]), **options)
    return file.getvalue()


@pytest.mark.parametrize("compression", [None, "tiff_deflate", "jpeg"])
def test_frames_of_a_tiff(tmp_path: Path, compression) -> None:
    path = tmp_path / "three.tif"
    frames = [picture(10), picture(90, (30, 50)), picture(170)]
    frames[0].save(path, save_all=True, append_images=frames[1:], compression=compression)
    for source in (path, str(path), path.read_bytes()):
        document = open_document(source)
        assert document.pages == 3
        for number, frame in ((3, frames[2]), (1, frames[0]), (2, frames[1])):
            pixels = document.read(number)
            assert pixels.shape[1::-1] == frame.size and pixels.flags.writeable
            assert np.abs(pixels.astype(int) - np.asarray(frame)).max() <= 4
        with pytest.raises(OptionError, match=r"page 4 of .*, which has 3"):
            document.read(4)
        document.close()


def test_a_broken_chain_of_frames_ends_there(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    picture(10).save(path, save_all=True, append_images=[picture(90)])
    data = path.read_bytes()
    assert open_document(data).pages == 2
    assert open_document(data[: len(data) // 2]).pages == 1
    order = "little" if data[:2] == b"II" else "big"
    first = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[first : first + 2], order)
    link = first + 2 + 12 * count
    circle = data[:link] + first.to_bytes(4, order) + data[link + 4 :]
    assert open_document(circle).pages == 1


def test_pictures_are_documents_of_one_page(tmp_path: Path) -> None:
    picture(10).save(tmp_path / "a.png")
    array = np.asarray(picture(20))
    for source in (tmp_path / "a.png", picture(30), array, (tmp_path / "a.png").read_bytes()):
        document = open_document(source)
        assert document.pages == 1 and document.read(1).shape == (40, 60, 3)
    for source, problem in (("nope.png", "no such file"), (b"", "is empty"), (b"hi", "not a pic")):
        with pytest.raises(ImageError, match=problem):
            open_document(source).read(1)


def test_pages_of_a_pdf(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    data = pdf(picture(10, (600, 400)), picture(200, (300, 500)), resolution=200)
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    for source in (data, path, str(path), b"\n\n" + data):
        document = open_document(source)
        assert document.pages == 2
        assert np.abs(np.subtract(document.read(2).shape, (500, 300, 3))).max() <= 1
        assert np.abs(document.read(1)[200, 300].astype(int) - (10, 10, 200)).max() < 6
        document.close()
    assert abs(open_document(data, dpi=100).read(1).shape[0] - 200) <= 1
    with pytest.raises(OptionError, match=r"dpi is 5"):
        open_document(data, dpi=5)


def test_a_huge_page_is_rendered_coarser() -> None:
    pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    pixels = open_document(pdf(picture(10, (4000, 4000)), resolution=40)).read(1)
    assert 30_000_000 < pixels.shape[0] * pixels.shape[1] <= 41_000_000


def test_bad_pdf(tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    del pdfium
    data = pdf(picture(10))
    for bad in (b"%PDF-1.7 garbage", data[:40]):
        with pytest.raises(ImageError, match=r"is a damaged PDF"):
            open_document(bad)
    (tmp_path / "zero.pdf").touch()
    with pytest.raises(ImageError, match=r"zero\.pdf is empty"):
        open_document(tmp_path / "zero.pdf").read(1)
    with pytest.raises(ImageError, match=r"no such file: none\.pdf"):
        open_document("none.pdf").read(1)


def test_a_pdf_with_a_password() -> None:
    pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    # The user password's check value is wrong for the empty password.
    encryption = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
        b"61" * 32,
        b"62" * 32,
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] >>",
        encryption,
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    data += b"trailer << /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<6161> <6161>] >>\n"
    data += b"startxref\n%d\n%%%%EOF\n" % start
    with pytest.raises(ImageError, match=r"is a PDF that needs a password"):
        open_document(data)


def test_without_pypdfium2(monkeypatch) -> None:
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pypdfium2":
            raise ModuleNotFoundError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'saccade\[pdf\]'"):
        open_document(b"%PDF-1.4 whatever")


def test_threads_share_a_document() -> None:
    pytest.importorskip("pypdfium2", reason="the 'pdf' extra reads PDF")
    document = open_document(pdf(*(picture(40 * i) for i in range(5)), resolution=72))
    wrong: list[int] = []

    def work() -> None:
        for number in (1, 2, 3, 4, 5) * 3:
            shade = int(document.read(number)[50, 80, 0])
            if abs(shade - 40 * (number - 1)) > 6:
                wrong.append(shade)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
