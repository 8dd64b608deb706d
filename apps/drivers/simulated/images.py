"""Images of simulated engines: what is seen of them, and their archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apps.drivers.base import EngineDown, EngineError, EngineImage

SIZE = 4_000_000
_PIECE_COUNT = 8
_HEADER, _TRAILER = b"simulated image ", b"\nend\n"
DownCheck = Callable[[], bool]


def to_engine_image(tag: str) -> EngineImage:
    """An image as engines list it."""
    return EngineImage(f"sha256:{tag}", (tag,), SIZE, 1_700_000_000)


class SimulatedArchive:
    """An archive of an image, in a few pieces, as long as its engine is there."""

    def __init__(self, tag: str, down: DownCheck) -> None:
        self._tag, self._down = tag, down
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield _HEADER + self._tag.encode() + b"\n"
        for _ in range(_PIECE_COUNT):
            if self._closed:
                return
            if self._down():
                raise EngineDown("The simulated engine is down.")
            yield bytes(SIZE // _PIECE_COUNT)
        yield _TRAILER

    def close(self) -> None:
        """End the iteration."""
        self._closed = True


def read_archive(pieces: Iterable[bytes], down: DownCheck) -> str:
    """The name of the image in an archive. Raises `EngineError` for one that is cut off, `EngineDown`."""
    head = last = b""
    for piece in pieces:
        if down():
            raise EngineDown("The simulated engine is down.")
        head, last = head or piece, piece
    if not head.startswith(_HEADER) or not last.endswith(_TRAILER):
        raise EngineError("The archive is cut off.")
    return head.removeprefix(_HEADER).decode().strip()
