"""Where the drawn copies of videos go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.common import complain
from saccade.errors import ImageError

if TYPE_CHECKING:
    from saccade.imaging.video import VideoWriter

__all__ = ["DrawnVideo", "VideoDrawings"]


class DrawnVideo:
    """A copy of one video, frame by frame; a fault of it is complained about once.

    Args:
        writer: None draws nothing.
    """

    def __init__(self, writer: VideoWriter | None) -> None:
        self._writer = writer
        self.complete = True

    def add(self, frame: Any) -> None:
        """Draw a frame with its answer, a :class:`saccade.tasks.detect.Frame`."""
        if self._writer is None:
            return
        try:
            self._writer.write(frame.found.draw(frame.image))
        except ImageError as error:
            self._fail(error)

    def close(self) -> None:
        """Finish the file; what was drawn until then is kept."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except ImageError as error:
            self._fail(error)

    def _fail(self, error: ImageError) -> None:
        complain(error)
        self.complete = False
        if self._writer is not None:
            self._writer.close(keep=False)
            self._writer = None


class VideoDrawings:
    """Where the drawn copies of videos go.

    Args:
        out: A file for a single source; a folder for several; None for nowhere.
        count: How many sources there are, pictures and videos.
    """

    def __init__(self, out: Path | None, count: int) -> None:
        self._out = out
        self._is_folder = out is not None and (count > 1 or out.is_dir() or not out.suffix)
        self._taken: set[str] = set()

    def open(self, source: str, fps: float) -> DrawnVideo:
        """Begin the copy of a video.

        Args:
            source: The video.
            fps: Frames a second of the copy.

        Raises:
            ImageError: The copy cannot be written there, or would overwrite the video.
        """
        from saccade.imaging.video import VideoWriter

        if self._out is None:
            return DrawnVideo(None)
        target = self._out
        if self._is_folder:
            target = self._out / self._name(source)
            try:
                self._out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ImageError(
                    f"{self._out}: cannot be made a folder ({error.strerror}); "
                    "choose another --draw"
                ) from error
        if target.exists() and Path(source).exists() and target.samefile(source):
            raise ImageError(f"{target}: --draw would overwrite the video; choose another place")
        return DrawnVideo(VideoWriter(target, fps))

    def _name(self, source: str) -> str:
        stem = Path(source).stem.replace(":", "-")
        name, number = f"{stem}.mp4", 1
        while name in self._taken:
            number += 1
            name = f"{stem}-{number}.mp4"
        self._taken.add(name)
        return name
