"""What a folder holds: the files that are wanted, and what is left out or cannot be read.

Hidden files and folders (a leading dot) are passed over, links to folders are not followed.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowcodec.errors import MediaError
from flowcodec.media.formats import READ_SUFFIXES, VIDEO_SUFFIXES, other_format
from flowcodec.media.kinds import HEAD_BYTES, kind_of
from flowcodec.media.opening import is_picture

WANTED = "wanted"
Judge = Callable[[Path, bytes], str | None]
"""Says of a file and its first HEAD_BYTES that it is WANTED, or why it is left out. None: it is
passed over, since nobody would expect it to be read."""

VIDEO = "videos are coded alone"

# Their first bytes are those of a TIFF file, in which a small preview comes first.
_CAMERA_RAW = frozenset(
    (".3fr", ".arw", ".cr2", ".cr3", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos")
    + (".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf")
    + (".srw", ".x3f")
)
_OTHER_PICTURES = frozenset(
    (".ai", ".bmp", ".bpg", ".cur", ".dds", ".dib", ".emf", ".eps", ".exr", ".fits", ".flif")
    + (".gif", ".hdr", ".heic", ".heics", ".heif", ".heifs", ".hif", ".ico", ".icns", ".j2c")
    + (".j2k", ".jp2", ".jpf", ".jpx", ".jxl", ".jxr", ".pam", ".pcx", ".pct", ".pdf", ".pfm")
    + (".pict", ".ps", ".psb", ".psd", ".qoi", ".ras", ".sgi", ".svg", ".tga", ".wmf", ".xbm")
    + (".xcf", ".xpm")
)
_PNM_HEADER = re.compile(rb"P[1-6f]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s")


NAMES_SHOWN = 3  # of what is left out for one reason

LeftOut = tuple[Path, str]
"""A file, and why it is left out."""


@dataclass
class Contents:
    """What a folder holds. files: those that are wanted, sorted. left_out: others that somebody
    may miss, and why. unread: what cannot be read."""

    files: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unread: list[MediaError] = field(default_factory=list)

    def readable(self) -> list[Path]:
        """The files; MediaError where something could not be read."""
        if self.unread:
            raise self.unread[0]
        return self.files

    @property
    def summary(self) -> str:
        """What is left out, in words."""
        return in_words(self.left_out)


def in_words(left_out: Sequence[LeftOut]) -> str:
    """What was left out, by reason, with the first few names."""
    reasons: dict[str, list[str]] = {}
    for path, why in left_out:
        reasons.setdefault(why, []).append(path.name)
    parts = []
    for why, names in reasons.items():
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        parts.append(f"{why} ({', '.join(names[:NAMES_SHOWN])}{more})")
    return "; ".join(parts)


def pictures_of(folder: Path, *, deep: bool = True) -> Contents:
    """The pictures of a folder, at any depth or (not `deep`) directly in it.

    A file counts by its suffix (READ_SUFFIXES, upper or lower case) or by its first bytes.
    """
    return contents_of(folder, READ_SUFFIXES, judge_picture, deep=deep)


def picture_files(folder: Path, *, deep: bool = True) -> list[Path]:
    """The same where all is needed; MediaError where something could not be read."""
    return pictures_of(folder, deep=deep).readable()


def video_files(folder: Path) -> list[Path]:
    """All video files at any depth, by their suffix; MediaError as above."""
    return contents_of(folder, VIDEO_SUFFIXES, None).readable()


def contents_of(
    folder: Path, suffixes: Collection[str], judge: Judge | None, *, deep: bool = True
) -> Contents:
    """What a folder holds. Files with one of the suffixes are wanted, of the others `judge` says.

    MediaError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise MediaError(f"{folder} is not a folder")
    found = Contents()
    for entry in _entries(folder, deep, found):
        path = Path(entry.path)
        named = path.suffix.lower() in suffixes
        kind = _kind(entry)
        if kind == "link to a folder" and deep:
            found.left_out.append((path, "links to folders are not followed"))
        elif named and kind == "broken link":
            found.unread.append(MediaError(f"cannot read {path}: its link leads nowhere"))
        elif named and kind == "device":
            found.left_out.append((path, "pipes and devices are not read"))
        elif kind != "file":
            continue
        elif named:
            found.files.append(path)
        elif judge is not None:
            try:
                with path.open("rb") as stream:
                    why = judge(path, stream.read(HEAD_BYTES))
            except OSError as error:
                found.unread.append(_unreadable(path, error))
            else:
                if why == WANTED:
                    found.files.append(path)
                elif why:
                    found.left_out.append((path, why))
    found.files.sort()
    return found


def _kind(entry: os.DirEntry[str]) -> str:
    """What an entry of a folder is, its links followed."""
    try:
        if entry.is_dir():
            return "link to a folder" if entry.is_symlink() else "folder"
        if entry.is_file():
            return "file"
    except OSError:  # links in a circle
        return "broken link"
    return "broken link" if entry.is_symlink() and not os.path.exists(entry) else "device"


def _entries(folder: Path, deep: bool, found: Contents) -> Iterator[os.DirEntry[str]]:
    """All that is not hidden, folder by folder; those that cannot be read go into `found`."""
    folders = [folder]
    while folders:
        current = folders.pop()
        try:
            with os.scandir(current) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            found.unread.append(_unreadable(current, error))
            continue
        shown = [entry for entry in entries if not entry.name.startswith(".")]
        yield from shown
        if deep:
            inside = [entry.path for entry in shown if entry.is_dir(follow_symlinks=False)]
            folders += map(Path, reversed(inside))


def _unreadable(path: Path, error: OSError) -> MediaError:
    return MediaError(f"cannot read {path}: {error.strerror}")


def judge_picture(path: Path, head: bytes) -> str | None:
    """Whether a file without a picture's suffix is one, or another thing that may be missed."""
    suffix = path.suffix.lower()
    if suffix in _CAMERA_RAW:
        return "camera raw is not read"
    other = other_format(head)
    if other is None and is_picture(head) and (head[:1] != b"P" or _PNM_HEADER.match(head)):
        return WANTED
    if other is None and suffix in _OTHER_PICTURES:
        other = suffix[1:].upper()
    if other is not None:
        return f"{other} is not read"
    return VIDEO if kind_of(head, suffix) == "video" else None
