"""What a folder holds: all that is read is found, the rest is told or passed over."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowcodec.errors import MediaError
from flowcodec.media.folders import picture_files, pictures_of, video_files
from flowcodec.media.picture import read_picture

PIXELS = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
FORMATS = {
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".JPEG": "JPEG",
    ".pbm": "PPM",
    ".pnm": "PPM",
    ".avifs": "AVIF",
    ".TIF": "TIFF",
    ".apng": "PNG",
    "": "WebP",
    ".txt": "PNG",
    ".gif": "TIFF",
    ".heic": "JPEG",
    ".bak": "PPM",
    ".fci": "AVIF",
}
OTHERS = {
    "a.gif": (b"GIF89a", "GIF is not read"),
    "b": (b"GIF87a" + bytes(20), "GIF is not read"),
    "c.HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC is not read"),
    "d.x": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC is not read"),
    "e.bmp": (b"BM\x00\x10\0\0\0\0\0\0" + bytes(20), "BMP is not read"),
    "f.jxl": (b"\xff\x0a\x01", "JPEG XL is not read"),
    "g.psd": (b"", "PSD is not read"),
    "h.dng": (b"II*\0" + bytes(20), "camera raw is not read"),
    "i.mp4": (b"", "videos are coded alone"),
    "j.dat": (b"\x1a\x45\xdf\xa3" + bytes(20), "videos are coded alone"),
    "k.svg": (b"<svg/>", "SVG is not read"),
}
SILENT = {"notes.txt": b"P5 is a good book", "README": b"", "l.json": b"{}", "m.icc": bytes(200)}


def test_all_that_is_read_when_named_is_found(tmp_path: Path):
    for number, (suffix, format) in enumerate(FORMATS.items()):
        path = tmp_path / "deep" / f"{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(PIXELS).save(path, format)
    (tmp_path / "empty.PNG").touch()
    found = pictures_of(tmp_path)
    assert len(found.files) == len(FORMATS) + 1
    assert found.files == sorted(found.files) == picture_files(tmp_path)
    for path in found.files:
        if path.name != "empty.PNG":
            assert read_picture(path).width == 9
    assert (found.left_out, found.unread) == ([], [])
    assert picture_files(tmp_path, deep=False) == [tmp_path / "empty.PNG"]


def test_what_somebody_may_miss_is_told(tmp_path: Path):
    for name, (data, _) in OTHERS.items():
        (tmp_path / name).write_bytes(data)
    for name, data in SILENT.items():
        (tmp_path / name).write_bytes(data)
    found = pictures_of(tmp_path)
    assert (found.files, found.unread) == ([], [])
    assert {path.name: why for path, why in found.left_out} == {
        name: why for name, (_, why) in OTHERS.items()
    }
    assert "GIF is not read (a.gif, b); HEIC is not read (c.HEIC, d.x)" in found.summary


def test_a_long_list_is_cut(tmp_path: Path):
    for number in range(5):
        (tmp_path / f"{number}.gif").touch()
    assert pictures_of(tmp_path).summary == "GIF is not read (0.gif, 1.gif, 2.gif and 2 more)"


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path):
    for name in (".a.png", "._b.jpg", ".git/c.png", "d/.e/f/g.png", "d/.h.gif", "i.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = pictures_of(tmp_path)
    assert found.files == [tmp_path / "i.png"]
    assert found.left_out == []
    hidden = tmp_path / "d" / ".e"  # named, it is read
    assert pictures_of(hidden).files == [hidden / "f" / "g.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_links_go_in_no_circles_and_are_told(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").touch()
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "c.png").symlink_to("a/b.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    found = pictures_of(tmp_path)
    assert found.files == [tmp_path / "a" / "b.png", tmp_path / "c.png"]
    assert dict(found.left_out) == {
        tmp_path / "a" / "up": "links to folders are not followed",
        tmp_path / "pipe.png": "pipes and devices are not read",
    }
    assert sorted(map(str, found.unread)) == [
        f"cannot read {tmp_path / name}.png: its link leads nowhere" for name in ("gone", "self")
    ]
    with pytest.raises(MediaError, match="its link leads nowhere"):
        picture_files(tmp_path)
    link = tmp_path / "link"
    link.symlink_to("a")  # named, it is followed
    assert picture_files(link) == [link / "b.png"]


def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch):
    for name in ("a.png", "locked/b.png", "c/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "secret").write_bytes(b"\x89PNG\r\n\x1a\n")
    look, open_ = os.scandir, Path.open

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    def opened(path, *words):
        if path.name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, *words)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "open", opened)
    found = pictures_of(tmp_path)
    assert found.files == [tmp_path / "a.png", tmp_path / "c" / "d.png"]
    assert sorted(map(str, found.unread)) == [
        f"cannot read {tmp_path / name}: Permission denied" for name in ("locked", "secret")
    ]
    with pytest.raises(MediaError, match="locked: Permission denied"):
        video_files(tmp_path)


def test_videos_are_found_by_suffix(tmp_path: Path):
    for name in ("a.mp4", "b/c.MKV", ".d.mp4", "e.png", "f"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert video_files(tmp_path) == [tmp_path / "a.mp4", tmp_path / "b" / "c.MKV"]
    shutil.rmtree(tmp_path / "b")
    with pytest.raises(MediaError, match="is not a folder"):
        video_files(tmp_path / "b")
