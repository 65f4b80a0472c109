"""Galleries as plain files: for other programs, other machines, and as a copy to keep.

A folder, or a ``.zip`` of the same three files:

- ``gallery.json``: model, fingerprint, dim, storage, index, calibration.
- ``items.jsonl``: one item a line (id, label, source, content, metadata, added_at).
- ``vectors.npy``: their vectors in the same order, float32 (N, D), or uint8 (N, D/8) for bits.

JSON lines and NumPy's format need nothing that is not there already. Parquet would need a
dependency of some 40 MB; whoever wants it reads these files with pandas and writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from saccade.errors import GalleryError
from saccade.gallery.codec import Codec
from saccade.gallery.gallery import Gallery
from saccade.gallery.items import Added, Item
from saccade.gallery.kinds import AUTO, check_kind
from saccade.gallery.places import new_place
from saccade.gallery.rows import checked
from saccade.gallery.schema import create_file
from saccade.gallery.store import Row, Store

__all__ = ["export_gallery", "import_gallery"]

_FACTS, _ITEMS, _VECTORS = "gallery.json", "items.jsonl", "vectors.npy"
_FORMAT = 1
_BATCH = 1024
_REMEDY = "give a new place, or remove it first"


def export_gallery(gallery: Gallery, place: str | os.PathLike[str]) -> int:
    """Write a gallery as plain files, as of one moment; others may write to it meanwhile.

    Args:
        gallery: The gallery.
        place: A new folder, or a new file that ends in ``.zip``.

    Returns:
        The number of items.

    Raises:
        GalleryError: The place exists, or cannot be written; nothing is left there then.
    """
    target = Path(place).absolute()
    store = Store(gallery.store.file)  # a connection of its own: nobody waits for ours
    try:
        if target.suffix.lower() != ".zip":
            with new_place(place, _REMEDY) as folder, store.snapshot():
                return _write(store, lambda name: (folder / name).open("xb"))
        if os.path.lexists(target):
            raise GalleryError(f"{place} exists already; {_REMEDY}")
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            packed = Path(folder) / target.name
            with store.snapshot(), zipfile.ZipFile(packed, "x", zipfile.ZIP_STORED) as archive:
                count = _write(store, lambda name: archive.open(name, "w", force_zip64=True))
            packed.rename(target)
        return count
    except OSError as error:
        raise GalleryError(f"{place} cannot be written: {error.strerror or error}") from error
    finally:
        store.close()


def import_gallery(source: str | os.PathLike[str], place: str | os.PathLike[str]) -> Added:
    """Make a gallery of exported files, or add them to one of the same model.

    A new gallery gets the items with their ids and dates, and appears whole or not at all. In one
    that exists they get new ids, batch by batch, and those that are there already are left out, so
    that an interrupted call is resumed by making it again.

    Args:
        source: What :func:`export_gallery` wrote.
        place: A new place, or a gallery.

    Raises:
        GalleryError: The files are not an export, are damaged, or of another model.
    """
    with contextlib.ExitStack() as stack:
        files = stack.enter_context(_opened(Path(source)))
        facts = _facts(source, files)
        codec = Codec(facts["dim"], facts["storage"])
        if Path(place).exists():
            shelf = stack.enter_context(Gallery.open(place))
            shelf.check_model(facts["fingerprint"], f"{facts['model']} of {source}")
            if shelf.storage != codec.storage or shelf.dim != codec.dim:
                raise GalleryError(
                    f"{source} keeps {codec.storage} ({codec.dim}) and {place} keeps"
                    f" {shelf.storage} ({shelf.dim}); import it into a new place"
                )
            return _read(source, files, codec, shelf.store, facts, keep_ids=False)
        temporary = stack.enter_context(new_place(place))
        meta = {key: str(facts[key]) for key in ("model", "fingerprint", "dim", "storage", "index")}
        if facts["calibration"] is not None:
            meta["calibration"] = json.dumps(facts["calibration"])
        file = temporary / "gallery.sqlite"
        create_file(file, vector_bytes=codec.size, meta=meta)
        store = Store(file)
        try:
            return _read(source, files, codec, store, facts, keep_ids=True)
        finally:
            store.close()


def _write(store: Store, create: Any) -> int:
    meta, codec, count = store.meta, store.codec, store.count()
    facts = {key: meta[key] for key in ("model", "fingerprint", "storage", "index")}
    calibration = json.loads(meta["calibration"]) if "calibration" in meta else None
    plain = {"format": _FORMAT, **facts, "dim": codec.dim, "items": count}
    with create(_FACTS) as stream:
        text = json.dumps({**plain, "calibration": calibration}, ensure_ascii=False, indent=1)
        stream.write(text.encode())
    with create(_ITEMS) as stream:
        for item in store.items():
            stream.write(json.dumps(item.to_dict(), ensure_ascii=False).encode() + b"\n")
    bits = codec.storage == "bits"
    header = {
        "descr": "|u1" if bits else "<f4",
        "fortran_order": False,
        "shape": (count, codec.size if bits else codec.dim),
    }
    with create(_VECTORS) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for _, rows in store.vectors_after(0):
            stream.write(rows.tobytes())
    return count


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[dict[str, IO[bytes]]]:
    """The three files, open for reading.

    Raises:
        GalleryError: It is not an export.
    """
    names = (_FACTS, _ITEMS, _VECTORS)
    with contextlib.ExitStack() as stack:
        files: dict[str, IO[bytes]] = {}
        try:
            if source.is_dir():
                for name in names:
                    files[name] = stack.enter_context((source / name).open("rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(source))
                for name in names:
                    files[name] = stack.enter_context(archive.open(name))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or str(error).strip("'\"")
            raise GalleryError(
                f"{source} is not an exported gallery ({reason}); expected a folder or .zip with"
                f" {', '.join(names)}"
            ) from error
        yield files


def _facts(source: object, files: dict[str, IO[bytes]]) -> dict[str, Any]:
    try:
        facts = json.loads(files[_FACTS].read())
        if facts["format"] > _FORMAT:
            raise GalleryError(
                f"{source} was exported in format {facts['format']}, and this Saccade knows format"
                f" {_FORMAT}; upgrade with: pip install -U saccade"
            )
        wanted = {"model": str, "fingerprint": str, "storage": str, "dim": int, "items": int}
        for key, kind in wanted.items():
            if not isinstance(facts[key], kind):
                raise ValueError(f"{key} is {facts[key]!r}")
        if facts["storage"] not in ("float", "bits"):
            raise ValueError(f"storage is {facts['storage']!r}")
        facts.setdefault("calibration", None)
        facts["index"] = check_kind(facts.get("index", AUTO), facts["storage"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalleryError(f"{source}: {_FACTS} is damaged ({error!r}); export again") from error
    return dict(facts)


def _read(
    source: object,
    files: dict[str, IO[bytes]],
    codec: Codec,
    store: Store,
    facts: dict[str, Any],
    *,
    keep_ids: bool,
) -> Added:
    """Read items and vectors side by side and insert them."""
    lines = enumerate(iter(files[_ITEMS].readline, b""), start=1)
    vectors = _vectors(source, files[_VECTORS], codec, facts["items"])
    ids: list[int] = []
    seen = 0
    while some := list(islice(lines, _BATCH)):
        items = [_item(source, number, line) for number, line in some]
        values = next(vectors, None)
        if values is None or len(values) != len(items):
            raise GalleryError(
                f"{source}: {_ITEMS} has not as many lines as {_VECTORS} has vectors"
                f" ({facts['items']}); export again"
            )
        checked(codec.vectors(values), codec, Path(str(source)))
        rows = [
            Row(
                *(item.label, item.source, item.content),
                json.dumps(item.metadata, ensure_ascii=False),
                blob.tobytes(),
                id=item.id if keep_ids else None,
                added_at=item.added_at if keep_ids else None,
            )
            for item, blob in zip(items, values, strict=True)
        ]
        ids += store.insert(rows, fingerprint=facts["fingerprint"])
        seen += len(rows)
    if seen != facts["items"]:
        raise GalleryError(f"{source}: {_ITEMS} has {seen} lines instead of {facts['items']}")
    return Added(tuple(ids), seen - len(ids))


def _vectors(
    source: object, stream: IO[bytes], codec: Codec, count: int
) -> Iterator[npt.NDArray[Any]]:
    """The rows, as many at a time as lines are read."""
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise GalleryError(f"{source}: {_VECTORS} is not a NumPy file ({error})") from error
    bits = codec.storage == "bits"
    wanted = (count, codec.size if bits else codec.dim)
    if shape != wanted or fortran or dtype != (np.uint8 if bits else np.dtype("<f4")):
        raise GalleryError(
            f"{source}: {_VECTORS} is {dtype} of shape {shape}; expected"
            f" {'uint8' if bits else 'float32'} {wanted} in C order"
        )
    left = count
    while left:
        rows = min(_BATCH, left)
        data = stream.read(rows * codec.size)
        if len(data) != rows * codec.size:
            raise GalleryError(f"{source}: {_VECTORS} is cut short; export again")
        yield codec.join([data[i : i + codec.size] for i in range(0, len(data), codec.size)])
        left -= rows


def _item(source: object, number: int, line: bytes) -> Item:
    try:
        plain = json.loads(line)
        item = Item(**plain)
        texts = (item.label, item.source, item.content, item.added_at)
        if not all(isinstance(text, str) for text in texts) or not item.label.strip():
            raise ValueError("label, source, content and added_at are texts, and no label is blank")
        if not isinstance(item.metadata, dict) or not isinstance(item.id, int) or item.id < 1:
            raise ValueError("metadata is an object, and id a number above 0")
        "".join(texts).encode()
    except (ValueError, TypeError) as error:
        raise GalleryError(f"{source}: {_ITEMS}:{number} is no item ({error})") from error
    return item
