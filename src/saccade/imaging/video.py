"""Frames of videos and cameras, one at a time, and videos written whole or not at all.

Memory stays flat over any length: a frame is decoded when it is asked for, and those that nobody
asks for are passed over without being decoded.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from saccade.errors import ImageError, OptionError

__all__ = [
    "CAMERA",
    "VIDEO_SUFFIXES",
    "Video",
    "VideoFrame",
    "VideoWriter",
    "is_video",
]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts"}
)
"""The endings, in lower case, that make a file a video."""

CAMERA = "camera"
"""``"camera:0"`` is the first camera of the machine, ``"camera:1"`` the second."""

_WRITABLE = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
_USUAL_FPS = 25.0
_MOST_FPS = 1000.0
_SHORT = 0.9  # a video that ends before this part of what it announces is damaged


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        name: The video's.
        number: Of the frame in the video, from 0.
        seconds: From the start of the video, by its frame rate.
        pixels: uint8 RGB ``(H, W, 3)``.
    """

    name: str
    number: int
    seconds: float
    pixels: NDArray[np.uint8]


class Video:
    """The frames of a video file or a camera, as an iterable that can be passed once.

    ::

        with Video("clip.mp4", every=5) as video:
            for found in detector.stream(video):
                found.frame, found.labels

    Args:
        source: A file, or ``"camera:0"``.
        every: Take every n-th frame, beginning with the first.

    Raises:
        ImageError: No such file, not a video, or no such camera.
        OptionError: ``every`` is below 1.
    """

    def __init__(self, source: str | os.PathLike[str], *, every: int = 1) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise OptionError(f"every is {every!r}, expected a whole number, at least 1")
        self.name = os.fspath(source)
        self.every = every
        self._is_camera = self.name.startswith(f"{CAMERA}:")
        self._capture = _open_camera(self.name) if self._is_camera else _open_file(self.name)
        self._started = False

    @property
    def fps(self) -> float:
        """Frames a second; 25 where the video does not say."""
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        return fps if math.isfinite(fps) and 0 < fps <= _MOST_FPS else _USUAL_FPS

    @property
    def length(self) -> int | None:
        """How many frames the video announces, which may be an estimate; None if it does not."""
        count = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if self._is_camera or not math.isfinite(count) or count < 1:
            return None
        return int(count)

    @property
    def count(self) -> int | None:
        """How many frames are taken, by what the video announces; None if it does not."""
        return None if self.length is None else math.ceil(self.length / self.every)

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames, decoded as they are asked for.

        Raises:
            ImageError: No frame can be decoded, or the video ends long before its end.
            OptionError: The frames were passed before.
        """
        if self._started:
            raise OptionError(f"{self.name}: its frames were passed before; open the video again")
        self._started = True
        return self._frames()

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Video({self.name!r}, every={self.every})"

    def _frames(self) -> Iterator[VideoFrame]:
        announced, fps = self.length, self.fps
        number = 0
        try:
            while self._capture.grab():
                if number % self.every == 0:
                    done, frame = self._capture.retrieve()
                    if not done or frame is None:
                        break
                    pixels = np.asarray(cv2.cvtColor(_three_channels(frame), cv2.COLOR_BGR2RGB))
                    yield VideoFrame(
                        self.name, number, number / fps, pixels.astype(np.uint8, copy=False)
                    )
                number += 1
        finally:
            self.close()
        if number == 0:
            raise ImageError(
                f"{self.name}: no frame of it can be decoded; convert it, for example to H.264 "
                "in an .mp4 file"
            )
        if announced is not None and number < _SHORT * announced - 1:
            raise ImageError(
                f"{self.name} ends after {number} of {announced} frames: truncated or damaged; "
                "copy or download it again"
            )


class VideoWriter:
    """Writes frames into a video; the file appears complete or not at all.

    Args:
        path: Ending in .mp4, .m4v, .mov, .mkv (MPEG-4) or .avi (Motion JPEG); its folder must
            exist.
        fps: Frames a second.

    Raises:
        ImageError: An unknown ending or a folder that is missing.
        OptionError: ``fps`` is out of range.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in _WRITABLE:
            raise ImageError(
                f"cannot write {self.path}: the ending {suffix or '(none)'} is not one of "
                f"{' '.join(_WRITABLE)}; choose one of these"
            )
        if not self.path.absolute().parent.is_dir():
            raise ImageError(
                f"cannot write {self.path}: its folder does not exist; make it or choose another"
            )
        if not 0 < fps <= _MOST_FPS:
            raise OptionError(f"fps is {fps!r}, expected a number above 0, at most {_MOST_FPS:g}")
        self._fps = fps
        self._code = cv2.VideoWriter.fourcc(*_WRITABLE[suffix])
        # The ending stays: the encoder chooses the container by it.
        self._temporary = self.path.with_name(
            f".{self.path.stem}.{secrets.token_hex(4)}{self.path.suffix}"
        )
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, uint8 RGB ``(H, W, 3)``; all must be of the first one's size.

        A side of odd length grows by one pixel, a copy of its last: encoders halve the colours.

        Raises:
            ImageError: Another size, or nothing can be written there.
        """
        height, width = frame.shape[:2]
        even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._writer is None:
            self._size = (height, width)
            self._writer = self._open(even.shape[1], even.shape[0])
        if (height, width) != self._size:
            raise ImageError(
                f"cannot write {self.path}: a frame of {width} x {height} in a video of "
                f"{self._size[1]} x {self._size[0]}; write it to a video of its own"
            )
        self._writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))

    def close(self, *, keep: bool = True) -> None:
        """Finish the file; without a single frame, or with ``keep=False``, there is none.

        Raises:
            ImageError: It cannot be put in its place.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.release()
        try:
            if keep:
                self._temporary.replace(self.path)
        except OSError as error:
            raise ImageError(
                f"cannot write {self.path}: {error.strerror or error}; check that its folder may "
                "be written"
            ) from error
        finally:
            self._temporary.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        with _silence():
            writer = cv2.VideoWriter(
                str(self._temporary), cv2.CAP_FFMPEG, self._code, self._fps, (width, height)
            )
        if not writer.isOpened():
            self._temporary.unlink(missing_ok=True)
            raise ImageError(
                f"cannot write {self.path}: no encoder takes {width} x {height} pixels, or the "
                "folder may not be written; choose another place or .avi"
            )
        return writer


def is_video(source: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a video file or a camera, by its look."""
    text = os.fspath(source)
    return text.startswith(f"{CAMERA}:") or Path(text).suffix.lower() in VIDEO_SUFFIXES


def _open_file(name: str) -> cv2.VideoCapture:
    path = Path(name)
    if not path.exists():
        raise ImageError(f"no such file: {name}; check the path")
    if not path.is_file():
        raise ImageError(f"{name} is no file; pass the path of a video")
    if path.stat().st_size == 0:
        raise ImageError(f"{name} is empty; copy or download it again")
    with _silence():
        # FFmpeg by name: OpenCV would else take a name with digits for a series of pictures.
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise ImageError(
            f"{name} is no video that can be decoded, or it is truncated; copy it again, or "
            "convert it, for example to H.264 in an .mp4 file"
        )
    return capture


def _open_camera(name: str) -> cv2.VideoCapture:
    number = name.partition(":")[2]
    if not number.isdecimal():
        raise ImageError(f"{name!r} is no camera; name one by its number, such as {CAMERA}:0")
    with _silence():
        capture = cv2.VideoCapture(int(number))
    if not capture.isOpened():
        raise ImageError(
            f"{name} cannot be opened; check that the camera is there and no other program uses it"
        )
    return capture


def _three_channels(frame: np.ndarray) -> np.ndarray:
    if frame.ndim == 2 or frame.shape[2] == 1:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    return frame[:, :, :3]


@contextmanager
def _silence() -> Iterator[None]:
    """OpenCV and FFmpeg print what they dislike; our own errors say it in a line."""
    # FFmpeg's level is read from the environment when its first video is opened.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
