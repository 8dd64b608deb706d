"""Images of simulated engines: what is seen of them, and their archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apps.drivers.base import EngineDown, EngineError, ImageSeen

SIZE = 4_000_000
_PIECES = 8
_HEAD, _END = b"simulated image ", b"\nend\n"
Down = Callable[[], bool]


def seen(tag: str) -> ImageSeen:
    """An image as engines list it."""
    return ImageSeen(f"sha256:{tag}", (tag,), SIZE, 1_700_000_000)


class Archive:
    """An archive of an image, in a few pieces, as long as its engine is there."""

    def __init__(self, tag: str, down: Down) -> None:
        self._tag, self._down = tag, down
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield _HEAD + self._tag.encode() + b"\n"
        for _ in range(_PIECES):
            if self._closed:
                return
            if self._down():
                raise EngineDown("The simulated engine is down.")
            yield bytes(SIZE // _PIECES)
        yield _END

    def close(self) -> None:
        """End the iteration."""
        self._closed = True


def read(pieces: Iterable[bytes], down: Down) -> str:
    """The name of the image in an archive. Raises `EngineError` for one that is cut off, `EngineDown`."""
    head = last = b""
    for piece in pieces:
        if down():
            raise EngineDown("The simulated engine is down.")
        head, last = head or piece, piece
    if not head.startswith(_HEAD) or not last.endswith(_END):
        raise EngineError("The archive is cut off.")
    return head.removeprefix(_HEAD).decode().strip()
