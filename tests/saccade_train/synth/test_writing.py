from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saccade.errors import DatasetError
from saccade.imaging.read import read_image
from saccade_train.synth import FontSet, LineSource, PageSource, preset, read_alphabet
from saccade_train.synth.writing import Work, write_samples


@pytest.fixture
def work(tmp_path: Path, aileron: FontSet, letters: str) -> Work:
    source = LineSource(preset("receipt", alphabet=letters), seed=4, fonts=aileron)
    return Work(source, tmp_path / "out", 12, ".png")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_lines_and_labels(work: Work) -> None:
    assert sorted(write_samples(work)) == list(range(12))
    rows = (work.out / "rec.txt").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 12
    for index, row in enumerate(rows):
        path, text = row.split("\t")
        line = work.source[index]
        assert isinstance(line.image, np.ndarray)
        assert text == line.text  # type: ignore[union-attr]
        np.testing.assert_array_equal(read_image(work.out / path), line.image)
    assert read_alphabet(work.out / "alphabet.txt") == work.source.options[0].alphabet
    assert not (work.out / "det.txt").exists()
    assert not list(work.out.rglob("*.tmp"))


def test_a_stopped_work_goes_on_to_the_same_end(work: Work) -> None:
    list(write_samples(work))
    whole = contents(work.out)
    # As if stopped while sample 9 was being written: the label is cut off, a picture truncated.
    journal = work.out / "labels.jsonl"
    text = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(text[:9]) + text[9][:8], encoding="utf-8")
    (work.out / "rec.txt").unlink()
    cut, gone = work.out / "images/00000003.png", work.out / "images/00000005.png"
    cut.write_bytes(cut.read_bytes()[:-9])
    gone.unlink()
    kept = work.out / "images/00000001.png"
    before = kept.stat().st_mtime_ns
    done = list(write_samples(work))
    assert sorted(done) == list(range(12))
    assert done[:7] == [0, 1, 2, 4, 6, 7, 8]
    again = contents(work.out)
    del whole["labels.jsonl"], again["labels.jsonl"]  # in the order of making
    assert again == whole
    assert kept.stat().st_mtime_ns == before


def test_more_and_fewer_samples(work: Work) -> None:
    list(write_samples(replace(work, count=5)))
    assert list(write_samples(work))[:5] == [0, 1, 2, 3, 4]
    list(write_samples(replace(work, count=3)))
    assert len((work.out / "rec.txt").read_text().splitlines()) == 3
    list(write_samples(work))
    assert len((work.out / "rec.txt").read_text().splitlines()) == 12


def test_pages_with_crops(tmp_path: Path, aileron: FontSet, letters: str) -> None:
    options = preset("scene", alphabet=letters, page=(300, 340))
    source = PageSource(options, fonts=aileron)
    work = Work(source, tmp_path / "out", 3, ".jpg", "word", crops=True)
    list(write_samples(work))
    assert len((work.out / "det.txt").read_text(encoding="utf-8").splitlines()) == 3
    rows = (work.out / "rec.txt").read_text(encoding="utf-8").splitlines()
    assert len(rows) == sum(line.is_readable for index in range(3) for line in source[index].lines)
    for row in rows:
        assert read_image(work.out / row.split("\t")[0]).size


def test_another_work_is_not_mixed_in(work: Work, letters: str, aileron: FontSet) -> None:
    list(write_samples(replace(work, count=2)))
    other = LineSource(preset("receipt", alphabet=letters), seed=5, fonts=aileron)
    with pytest.raises(DatasetError, match="other seed; repeat"):
        list(write_samples(replace(work, source=other)))
    (work.out / "synth.json").write_text("{")
    with pytest.raises(DatasetError, match="other format, kind"):
        list(write_samples(work))


def test_bad_folders(work: Work, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is a file"):
        list(write_samples(replace(work, out=tmp_path / "file")))
    with pytest.raises(DatasetError, match="cannot be written"):
        list(write_samples(replace(work, out=tmp_path / "file" / "below")))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    with pytest.raises(DatasetError, match="is not empty"):
        list(write_samples(replace(work, out=tmp_path / "photos")))
