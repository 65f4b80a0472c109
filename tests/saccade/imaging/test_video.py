from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from saccade.errors import ImageError, OptionError
from saccade.imaging.video import Video, VideoWriter, is_video


def clip(path: Path, frames: int = 12, size: tuple[int, int] = (48, 64), fps: float = 10) -> Path:
    """A video whose frames are red, brighter from frame to frame."""
    writer = VideoWriter(path, fps)
    for number in range(frames):
        frame = np.zeros((*size, 3), np.uint8)
        frame[..., 0] = 20 * number % 256
        writer.write(frame)
    writer.close()
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("film") / "clip001.mp4")


def test_frames_come_in_order_as_rgb(film: Path) -> None:
    with Video(film) as video:
        assert (video.fps, video.length, video.count) == (10, 12, 12)
        frames = list(video)
    assert [frame.number for frame in frames] == list(range(12))
    assert [round(frame.seconds, 3) for frame in frames[:3]] == [0, 0.1, 0.2]
    for frame in frames:
        assert frame.name == str(film)
        assert (frame.pixels.dtype, frame.pixels.shape) == (np.uint8, (48, 64, 3))
        red, green, blue = frame.pixels.reshape(-1, 3).mean(axis=0)
        assert red == pytest.approx(20 * frame.number, abs=8)
        assert max(green, blue) < 12


@pytest.mark.parametrize(("every", "numbers"), [(5, [0, 5, 10]), (11, [0, 11]), (100, [0])])
def test_every_nth_frame(film: Path, every: int, numbers: list[int]) -> None:
    with Video(film, every=every) as video:
        assert video.count == len(numbers)
        frames = list(video)
    assert [frame.number for frame in frames] == numbers
    for frame in frames:
        assert frame.pixels[..., 0].mean() == pytest.approx(20 * frame.number, abs=8)


def test_a_video_is_passed_once(film: Path) -> None:
    video = Video(film)
    list(video)
    with pytest.raises(OptionError, match="passed before"):
        list(video)


def test_frames_are_decoded_as_they_are_asked_for(tmp_path: Path) -> None:
    path = clip(tmp_path / "long.avi", frames=120, size=(200, 300))
    one = 200 * 300 * 3
    tracemalloc.start()
    for frame in Video(path):
        del frame
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * one


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov", ".mkv", ".MP4"])
def test_odd_sides_grow_by_a_pixel(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"odd{suffix}", frames=3, size=(49, 65))
    with Video(path) as video:
        frames = list(video)
    assert len(frames) == 3
    assert frames[0].pixels.shape == (50, 66, 3)


def bad_files(folder: Path, film: Path) -> dict[str, str]:
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video")
    (folder / "cut.mp4").write_bytes(film.read_bytes()[:600])
    (folder / "folder.mp4").mkdir()
    return {
        "none.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "no video that can be decoded",
        "cut.mp4": "no video that can be decoded",
        "folder.mp4": "is no file",
    }


def test_bad_files_are_named_and_nothing_else_is_said(
    tmp_path: Path, film: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, message in bad_files(tmp_path, film).items():
        with pytest.raises(ImageError, match=message) as caught:
            Video(tmp_path / name)
        assert name in str(caught.value)
    for camera in ("camera:x", "camera:63"):
        with pytest.raises(ImageError, match=camera):
            Video(camera)
    assert capfd.readouterr().err == ""


def test_a_video_that_breaks_off_says_so(tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.avi", frames=100).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) // 3])
    seen = 0
    with pytest.raises(ImageError, match=r"cut\.avi ends after \d+ of 100 frames"):
        for _ in Video(path):
            seen += 1
    assert 0 < seen < 90


def test_every_is_at_least_one(film: Path) -> None:
    for every in (0, -1, 1.5, True):
        with pytest.raises(OptionError, match="every is"):
            Video(film, every=every)  # type: ignore[arg-type]


def test_the_writer_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    path = tmp_path / "out.mp4"
    writer = VideoWriter(path, 10)
    writer.close()
    assert list(tmp_path.iterdir()) == []
    writer = VideoWriter(path, 10)
    writer.write(frame)
    assert not path.exists()
    writer.close(keep=False)
    assert list(tmp_path.iterdir()) == []
    writer = VideoWriter(path, 10)
    writer.write(frame)
    writer.close()
    writer.close()
    assert [item.name for item in tmp_path.iterdir()] == ["out.mp4"]


def test_the_writer_refuses(tmp_path: Path) -> None:
    for name, message in (("a.gif", "ending .gif"), ("a", "none"), ("no/a.mp4", "folder does not")):
        with pytest.raises(ImageError, match=message):
            VideoWriter(tmp_path / name, 10)
    for fps in (0, -1, float("nan"), 1e6):
        with pytest.raises(OptionError, match="fps"):
            VideoWriter(tmp_path / "a.mp4", fps)
    writer = VideoWriter(tmp_path / "a.mp4", 10)
    writer.write(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ImageError, match="a frame of 32 x 64 in a video of 32 x 32"):
        writer.write(np.zeros((64, 32, 3), np.uint8))
    writer.close(keep=False)


def test_the_log_level_of_opencv_is_left_alone(film: Path) -> None:
    before = cv2.utils.logging.getLogLevel()
    Video(film).close()
    assert cv2.utils.logging.getLogLevel() == before


def test_what_looks_like_a_video() -> None:
    for name in ("a.mp4", "A.MOV", "camera:0", "b/c.webm"):
        assert is_video(name)
    for name in ("a.jpg", "mp4", "camera.png", ""):
        assert not is_video(name)
