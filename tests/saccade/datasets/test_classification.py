from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saccade.datasets import stores
from saccade.datasets.classification import (
    ClassificationSet,
    Sample,
    join_classification,
    list_splits,
    open_classification,
    split_holdout,
)
from saccade.errors import DatasetError, ImageError, OptionError


def png(value):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


def write(root, files):
    """Lay out files; a number becomes a grey picture of that brightness."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(content) if isinstance(content, int) else content.encode())
    return root


def pack(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, png(content) if isinstance(content, int) else content)
    return path


FOLDERS = {
    "train/cat/1.png": 10,
    "train/cat/deep/2.png": 20,
    "train/dog/1.png": 30,
    "train/dog/notes.txt": "not a picture",
    "train/.cache/1.png": 99,
    "val/dog/9.png": 40,
}
LISTS = {
    "classes.txt": "cat\ndog\nfox\n",
    "train.txt": "p/1.png\t0\t5\np/2.png\t2\t5\n",
    "val.txt": "p/3.png 1\n",
    "p/1.png": 10,
    "p/2.png": 20,
    "p/3.png": 30,
}


def content(dataset):
    """(class name, brightness) of every picture: names and pixels belong together."""
    return [
        (dataset.classes[dataset.label(i)], int(dataset.read(i)[0, 0, 0]))
        for i in range(len(dataset))
    ]


@pytest.fixture(params=["folder", "zip", "wrapped zip", "deflated zip"])
def place(request, tmp_path):
    """Lays the same files out as a folder or as an archive."""

    def lay(files):
        if request.param == "folder":
            return write(tmp_path / "data", files)
        if request.param == "wrapped zip":
            files = {f"my data/{name}": value for name, value in files.items()}
            return pack(tmp_path / "data.zip", {**files, "__MACOSX/._x": "x"})
        kind = zipfile.ZIP_DEFLATED if "deflated" in request.param else zipfile.ZIP_STORED
        return pack(tmp_path / "data.zip", files, kind)

    return lay


def test_folders_of_classes_in_splits(place):
    root = place(FOLDERS)
    train = open_classification(root)
    assert train.classes == ("cat", "dog")
    assert content(train) == [("cat", 10), ("cat", 20), ("dog", 30)]
    assert train.labels.dtype == np.int64 and train.labels.tolist() == [0, 0, 1]
    assert train.counts().tolist() == [2, 1]
    assert train.problems == ()
    validation = open_classification(str(root), "val", train.classes)
    assert validation.classes == train.classes and content(validation) == [("dog", 40)]
    assert list_splits(root) == ("train", "val")


def test_folders_of_classes_without_splits(place):
    root = place({"cat/1.png": 1, "dog/1.png": 2})
    assert content(open_classification(root)) == [("cat", 1), ("dog", 2)]
    assert list_splits(root) == ("train",)
    with pytest.raises(DatasetError, match="only folders of classes; open it as 'train'"):
        open_classification(root, "val")


def test_lists_with_names(place):
    root = place(LISTS)
    train = open_classification(root)
    assert train.classes == ("cat", "dog", "fox")
    assert content(train) == [("cat", 10), ("fox", 20)]
    assert [p.reason for p in train.problems] == ["class 'dog' has no picture"]
    validation = open_classification(root, "val", ("fox", "dog", "cat"))
    assert content(validation) == [("dog", 30)] and validation.labels.tolist() == [1]
    assert validation.problems == ()
    assert list_splits(root) == ("train", "val")


def test_a_list_file_is_a_place(tmp_path):
    write(tmp_path, {**LISTS, "mine.list": "p/1.png dog\np/2.png cat\n"})
    assert content(open_classification(tmp_path / "mine.list")) == [("dog", 10), ("cat", 20)]
    absolute = f"{tmp_path / 'p/3.png'}\tcat\n"
    write(tmp_path, {"elsewhere/one.txt": absolute})
    assert content(open_classification(tmp_path / "elsewhere/one.txt")) == [("cat", 30)]
    assert list_splits(tmp_path / "mine.list") == ("train",)


def test_numbers_without_names_mean_the_classes_of_the_training_set(tmp_path):
    write(tmp_path, {"v.txt": "1.png\t1\n", "1.png": 5})
    assert content(open_classification(tmp_path / "v.txt", classes=("a", "b"))) == [("b", 5)]
    assert open_classification(tmp_path / "v.txt").classes == ("0", "1")


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_other_words_for_val(name, tmp_path):
    write(tmp_path, {"train/a/1.png": 1, f"{name}/a/1.png": 2})
    assert content(open_classification(tmp_path, "val")) == [("a", 2)]


def test_missing_pictures_are_listed(place):
    root = place({**LISTS, "train.txt": "p/1.png\t0\np/none.png\t1\np/2.png\t2\n"})
    train = open_classification(root)
    assert content(train) == [("cat", 10), ("fox", 20)]
    missing = train.problems[0]
    assert missing.where.endswith("train.txt line 2") and "p/none.png" in missing.reason
    root = place({**LISTS, "val.txt": "x.png\t0\ny.png\t1\n"})
    with pytest.raises(DatasetError, match=r"none of the 2 pictures of .*val\.txt exists.*x\.png"):
        open_classification(root, "val")


def test_an_empty_class_is_left_out_and_listed(tmp_path):
    write(tmp_path, {"train/cat/1.png": 1, "train/dog/1.png": 2, "train/eel/notes.txt": "none"})
    (tmp_path / "train/fox").mkdir()
    train = open_classification(tmp_path)
    assert train.classes == ("cat", "dog")
    assert [Path(p.where).name for p in train.problems] == ["eel", "fox"]


@pytest.mark.parametrize(
    "files",
    [
        {"val/wolf/1.png": 9},
        {"val.txt": "p/1.png\twolf\n", "p/1.png": 9},
        {"val.txt": "p/1.png\t3\n", "classes.txt": "cat\ndog\nfox\nwolf\n", "p/1.png": 9},
    ],
)
def test_a_class_that_the_training_set_lacks(files, tmp_path):
    write(tmp_path, files)
    with pytest.raises(
        DatasetError, match=r"class 'wolf'.*1\.png.*not a class of the training set"
    ):
        open_classification(tmp_path, "val", ("cat", "dog", "fox"))


def test_unused_classes_may_be_unknown_to_the_training_set(tmp_path):
    write(tmp_path, {**LISTS, "classes.txt": "cat\ndog\nfox\nwolf\n"})
    assert len(open_classification(tmp_path, "val", ("dog",))) == 1


def test_repeated_lines(tmp_path):
    write(tmp_path, {**LISTS, "train.txt": "p/1.png\t0\n./p/1.png\t0\np/2.png\t1\np/1.png\t0\n"})
    train = open_classification(tmp_path, classes=("cat", "dog", "fox"))
    assert content(train) == [("cat", 10), ("dog", 20)]
    assert [p.reason for p in train.problems] == ["is listed 3 times; used once"]
    write(tmp_path, {"train.txt": "p/1.png\t0\np/1.png\t1\n"})
    with pytest.raises(DatasetError, match=r"1\.png is labelled both 'cat' and 'dog'"):
        open_classification(tmp_path)


def test_bad_lines_come_with_file_and_number(place):
    with pytest.raises(
        DatasetError, match=r"train\.txt line 2: label 3 is out of range; there are 3"
    ):
        open_classification(place({**LISTS, "train.txt": "p/1.png\t0\np/2.png\t3\n"}))


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        ({"train/a/1.png": 1, "test/a/1.png": 1}, "val", "no split 'val'; it has: test, train"),
        ({"a/1.png": 1}, "train", "not a classification dataset; expected train.txt"),
        ({"a/1.png": 1, "b/x.json": "{}"}, "train", r"has 1 folder\(s\) with pictures"),
        ({"train/1.png": 1}, "train", r"has 0 folder\(s\) with pictures; expected one folder"),
        ({"notes.doc": "x"}, "train", "not a classification dataset"),
        ({"notes.doc": "x"}, "val", "expected val.txt|only folders of classes"),
    ],
)
def test_places_of_another_kind(place, files, split, message):
    with pytest.raises(DatasetError, match=message):
        open_classification(place(files), split)


def test_places_that_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=r"no such file or folder: .*nowhere"):
        open_classification(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"no such file or folder: .*nowhere\.zip"):
        open_classification(tmp_path / "nowhere.zip")
    whole = pack(tmp_path / "a.zip", FOLDERS).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match=r"cut\.zip is not a readable \.zip.*download or pack"):
        open_classification(tmp_path / "cut.zip")
    (tmp_path / "empty.zip").touch()
    with pytest.raises(DatasetError, match="not a readable"):
        open_classification(tmp_path / "empty.zip")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DatasetError, match=r"binary\.txt is not UTF-8 text"):
        open_classification(tmp_path / "binary.txt")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path / "folder", FOLDERS)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match=r"cannot read .*folder: Permission denied; check"):
        open_classification(tmp_path / "folder")


def test_every_message_is_one_line(tmp_path):
    for place in (tmp_path, tmp_path / "x", tmp_path / "x.zip"):
        with pytest.raises(DatasetError) as caught:
            open_classification(place)
        assert "\n" not in str(caught.value)


def test_a_bad_picture_is_named_when_it_is_read(place):
    dataset = open_classification(place({"a/1.png": 1, "b/2.png": "rubbish"}))
    assert dataset.read(0).shape == (3, 4, 3)
    with pytest.raises(ImageError, match=r"b/2\.png is not a picture"):
        dataset.read(1)


def test_a_damaged_member_is_named(tmp_path):
    path = pack(tmp_path / "a.zip", {"a/1.png": 1, "b/2.png": 2})
    data = bytearray(path.read_bytes())
    at = data.find(png(2)) + 40
    data[at] ^= 255
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.zip:b/2\.png: Bad CRC.*download"):
        open_classification(path).read(1)


# --- several places, and parts of one


def test_joined_places(tmp_path):
    first = write(
        tmp_path / "one", {"train/dog/1.png": 1, "train/cat/1.png": 2, "val/cat/1.png": 5}
    )
    second = pack(
        tmp_path / "two.zip", {"train/ant/1.png": 3, "train/cat/1.png": 4, "val/ant/1.png": 6}
    )
    train = open_classification([first, second])
    assert train.classes == ("cat", "dog", "ant")
    assert content(train) == [("cat", 2), ("dog", 1), ("ant", 3), ("cat", 4)]
    validation = open_classification([first, second], "val", train.classes)
    assert content(validation) == [("cat", 5), ("ant", 6)]
    twice = join_classification([train, train])
    assert len(twice) == 4 and len(twice.problems) == 4
    with pytest.raises(DatasetError, match="no dataset to join"):
        join_classification([])
    with pytest.raises(DatasetError, match="class 'ant'"):
        join_classification([train], classes=("cat", "dog"))


def samples(*counts):
    listed = [Sample(f"{c}/{i}", c) for c, n in enumerate(counts) for i in range(n)]
    return ClassificationSet(tuple("abcdefgh"[: len(counts)]), tuple(listed), place="x")


def test_holdout_takes_a_part_of_every_class():
    whole = samples(40, 10, 3, 1, 0)
    rest, held = split_holdout(whole, 0.1, seed=3)
    assert held.counts().tolist() == [4, 1, 1, 0, 0]
    assert rest.counts().tolist() == [36, 9, 2, 1, 0]
    assert set(rest.samples) | set(held.samples) == set(whole.samples)
    assert rest.classes == held.classes == whole.classes
    assert split_holdout(whole, 0.1, seed=3) == (rest, held)
    assert split_holdout(whole, 0.1, seed=4) != (rest, held)
    assert split_holdout(samples(2), 0.99)[0].counts().tolist() == [1]


def test_holdout_refuses_nonsense():
    for fraction in (0, 1, -0.1, 2):
        with pytest.raises(OptionError, match=f"fraction is {fraction}"):
            split_holdout(samples(9), fraction)
    with pytest.raises(DatasetError, match="no class of x has two pictures"):
        split_holdout(samples(1, 1))


# --- processes and threads


def test_a_set_travels_to_another_process(place):
    dataset = open_classification(place(FOLDERS))
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy == dataset and content(copy) == content(dataset)
    with pytest.raises(ValueError, match="read-only"):
        dataset.labels[0] = 5


def test_many_threads_read_one_archive(tmp_path):
    files = {f"{'ab'[i % 2]}/{i:03d}.png": i for i in range(64)}
    dataset = open_classification(pack(tmp_path / "a.zip", files, zipfile.ZIP_DEFLATED))
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda i: int(dataset.read(i)[0, 0, 0]), [*range(64)] * 4))
    assert values == [int(Path(s.path).stem) for s in dataset.samples] * 4


def _read_all(dataset, queue):
    queue.put([int(dataset.read(i)[0, 0, 0]) for i in range(len(dataset)) for _ in range(20)])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_parent_and_forked_children_read_one_archive_at_once(tmp_path):
    files = {f"{'ab'[i % 2]}/{i:03d}.png": i for i in range(40)}
    dataset = open_classification(pack(tmp_path / "a.zip", files))
    expected = [int(Path(s.path).stem) for s in dataset.samples for _ in range(20)]
    dataset.read(0)  # the parent's handle is open before the fork
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [
        context.Process(target=_read_all, args=(dataset, queue), daemon=True) for _ in range(3)
    ]
    with stores._lock:  # a lock held at the moment of the fork must not stop the children
        for child in children:
            child.start()
    try:
        mine = [int(dataset.read(i)[0, 0, 0]) for i in range(len(dataset)) for _ in range(20)]
        found = [queue.get(timeout=30) for _ in children]
    finally:
        for child in children:
            child.terminate()
            child.join(10)
    assert mine == expected and found == [expected] * 3


def test_an_archive_is_opened_once_and_again_when_replaced(tmp_path, monkeypatch):
    opened = []
    original = zipfile.ZipFile

    def counting(path, *args, **kwargs):
        opened.append(str(path))
        return original(path, *args, **kwargs)

    path = pack(tmp_path / "a.zip", {"a/1.png": 1, "b/1.png": 2})
    monkeypatch.setattr(stores.zipfile, "ZipFile", counting)
    dataset = open_classification(path)
    for _ in range(5):
        assert content(dataset) == [("a", 1), ("b", 2)]
    assert len(opened) == 1
    monkeypatch.undo()
    pack(tmp_path / "a.zip", {"a/1.png": 7, "b/1.png": 8, "c/longer.png": 9})
    assert content(dataset) == [("a", 7), ("b", 8)]
    path.unlink()
    with pytest.raises(ImageError, match="no such file or folder"):
        dataset.read(0)


# --- the real packs


@pytest.mark.parametrize(
    ("name", "classes", "train", "val"),
    [
        ("cls_caltech101", 99, 1485, 297),
        ("cls_clothing10", 10, 950, 120),
        ("cls_flowers102", 102, 1836, 408),
        ("ret_grocerystore81", 81, 2640, 296),
    ],
)
def test_real_packs(shared_data, name, classes, train, val):
    place = shared_data / f"{name}.zip"
    training = open_classification(place)
    validation = open_classification(place, "val", training.classes)
    assert (len(training.classes), len(training), len(validation)) == (classes, train, val)
    assert training.problems == validation.problems == ()
    picture = training.read(-1)
    assert picture.ndim == 3 and picture.dtype == np.uint8
    # The class folder inside the pack is the name of the class.
    for dataset in (training, validation):
        for sample in dataset.samples[::97]:
            assert sample.path.split("/")[1] == dataset.classes[sample.label]


def test_real_packs_of_other_tasks_are_refused(shared_data):
    for name in ("det_bccd", "ocr_sroie_receipts", "rec_sroie_lines", "ret_sacre_coeur_smoke"):
        with pytest.raises(DatasetError, match="expected"):
            open_classification(shared_data / f"{name}.zip")
