"""Videos and pictures that were made to do harm: they end in `bad_video`, soon, and without the memory they ask for."""

import os
import resource
import struct
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from counted_video import write_numbered
from PIL import Image, PngImagePlugin

from stepaudit.clips import decoding
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import BadVideoError


def read(path: Path, **options) -> np.ndarray:
    with decoding.decoded(path, Geometry(*decoding.source_size(path), 16, 16, "crop"), **options) as frames:
        return np.asarray(frames[range(len(frames))])


def largest_mb(who: int) -> float:
    """The most memory that this process, or any of its children, ever took."""
    return resource.getrusage(who).ru_maxrss / 1024


def raw_avi(folder: Path, width: int, height: int) -> Path:
    """Uncompressed frames of 16 × 16 in an .avi whose headers claim another size."""
    path = folder / "raw.avi"
    options = ["-f", "lavfi", "-i", "testsrc=s=16x16:d=0.2", "-c:v", "rawvideo", "-pix_fmt", "bgr24"]
    made = subprocess.run([decoding.ffmpeg_binary(), "-loglevel", "error", *options, "-y", path], check=False)
    if made.returncode:
        pytest.skip("this ffmpeg cannot write it")
    content = path.read_bytes()
    place = content.index(b"strf") + 12
    assert content[place : place + 8] == struct.pack("<ii", 16, -16)
    path.write_bytes(content[:place] + struct.pack("<ii", width, -height) + content[place + 8 :])
    return path


@pytest.mark.parametrize("size", [(65535, 65535), (2**31 - 1, 2**31 - 1), (20000, 20000), (2**20, 2**10), (0, 0)])
def test_a_header_that_claims_a_huge_picture_is_a_bad_video_at_once(tmp_path, size):
    began = time.monotonic()
    before = max(largest_mb(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # a child begins as we
    with pytest.raises(BadVideoError, match=r"raw\.avi: "):
        read(raw_avi(tmp_path, *size))
    assert largest_mb(resource.RUSAGE_CHILDREN) < before + 200
    assert time.monotonic() - began < 30


def test_a_video_of_more_frames_than_may_wait_on_disk_is_refused(tmp_path, monkeypatch):
    path = write_numbered(tmp_path / "long.mp4", 40)
    monkeypatch.setattr(decoding, "SPOOL", 30 * 16 * 16 * 3)
    with pytest.raises(BadVideoError, match=r"long\.mp4: more than 30 frames; name a shorter segment"):
        read(path)
    assert len(read(path, stop=30)) == len(read(path, start=10)) == 30


def test_a_decoder_that_asks_for_more_memory_than_it_may_is_stopped(tmp_path, monkeypatch):
    path = write_numbered(tmp_path / "a.mp4", 5)
    monkeypatch.setattr(decoding, "MEMORY", 2**25)
    with pytest.raises((BadVideoError, OSError), match=r"a\.mp4: (no frame decodes|its decoder asks for more than)"):
        read(path)


def test_a_decoder_that_never_stops_complaining_is_stopped(tmp_path, monkeypatch):
    path = write_numbered(tmp_path / "a.mp4", 2)
    monkeypatch.setattr(decoding, "ffmpeg_binary", lambda: str(script(tmp_path / "ffmpeg", "yes 'so damaged' >&2")))
    began = time.monotonic()
    with pytest.raises(BadVideoError, match=r"a\.mp4: not decoded within 0\.5 s"):
        decoding.source_size(path, seconds=0.5)
    assert time.monotonic() - began < 15


def test_of_what_a_decoder_says_the_end_is_kept(tmp_path, monkeypatch):
    path = write_numbered(tmp_path / "a.mp4", 2)
    line = "head -c 9000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo 'the last word' >&2; exit 1"
    monkeypatch.setattr(decoding, "ffmpeg_binary", lambda: str(script(tmp_path / "ffmpeg", line)))
    with pytest.raises(BadVideoError, match=r"a\.mp4: no frame decodes \(the last word\)"):
        decoding.source_size(path)


def script(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile 'secret.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "hls of a concatenation": "#EXTM3U\n#EXTINF:9,\nconcat:file:secret.mp4|file:secret.mp4\n#EXT-X-ENDLIST\n",
    "hls of data": "#EXTM3U\n#EXTINF:9,\ndata:video/mp4;base64,AAAA\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>secret.mp4</BaseURL></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="secret.png"/></svg>',
    "sdp": "v=0\nm=video 9 RTP/AVP 96\nc=IN IP4 127.0.0.1\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:09,000\n<font face='secret.mp4'>x</font>\n",
    "avisynth": 'FFVideoSource("secret.mp4")\n',
}  # fmt: skip


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("ending", ["mp4", "avi"])
def test_a_text_that_names_another_file_is_no_video(tmp_path, kind, ending):
    write_numbered(tmp_path / "secret.mp4", 20)
    (tmp_path / f"list.{ending}").write_text(PLAYLISTS[kind])
    with pytest.raises(BadVideoError, match="no frame decodes"):
        read(tmp_path / f"list.{ending}")


def test_an_mp4_cannot_have_its_frames_in_another_file(tmp_path):
    """A data reference with an alias, as QuickTime's reference movies have it."""
    write_numbered(tmp_path / "secret.mp4", 20)
    content = (tmp_path / "secret.mp4").read_bytes()
    own = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    assert own in content
    name = b"secret.mp4\x00"
    other = struct.pack(">I", 12 + len(name)) + b"url \x00\x00\x00\x00" + name
    grown = content.replace(own, other)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = grown.index(kind) - 4
        size = struct.unpack(">I", grown[place : place + 4])[0] + len(other) - len(own)
        grown = grown[:place] + struct.pack(">I", size) + grown[place + 4 :]
    (tmp_path / "reference.mp4").write_bytes(grown[: grown.index(b"mdat")] + b"mdat")
    with pytest.raises(BadVideoError, match="no frame decodes"):
        read(tmp_path / "reference.mp4")


@pytest.mark.parametrize("name", ["\u202egnp.mp4".encode(), b"x" * 240 + b".mp4", b"\x1b[31m.mp4"])
def test_any_name_that_a_file_can_have_is_only_a_name(tmp_path, name):
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118 (pathlib takes no bytes)
    write_numbered(tmp_path / "a.mp4", 3).rename(path)
    assert len(read(path)) == 3


def test_names_that_no_file_can_have_are_bad_videos(tmp_path):
    long = tmp_path / ("x" * 300)
    for path in (Path("a\0b.mp4"), Path("a\ud800.mp4"), Path(os.fsdecode(b"\xff.mp4")), long, long / "a.mp4"):
        with pytest.raises(BadVideoError, match=r"no UTF-8, or that no file can have|File name too long"):
            read(path)


def test_what_is_neither_a_file_nor_a_folder_is_a_bad_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(BadVideoError, match=f"{name}.mp4: neither a file nor a folder"):
            read(tmp_path / f"{name}.mp4")
    with pytest.raises(BadVideoError, match=r"loop\.mp4: Too many levels of symbolic links"):
        read(tmp_path / "loop.mp4")


# Pictures


def pictures(folder: Path, content: bytes, ending: str = "png") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"1.{ending}").write_bytes(content)
    return folder


def png(width: int, height: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A grey PNG; its header may claim any size."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    made = (struct.pack(">I", len(data)) + k + data + struct.pack(">I", zlib.crc32(k + data)) for k, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


BOMBS = {
    "a header that claims 65,535 × 65,535": png(65535, 65535, bytes(99)),
    "a header that claims 2³¹ × 1": png(2**31 - 1, 1, bytes(99)),
    "9,000 × 9,000 pixels in 80 kB": png(9000, 9000, bytes(9001 * 9000)),
    "a text of 100 MB": png(4, 4, bytes(20), (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9))),
    "no header": b"\x89PNG\r\n\x1a\n",
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_picture_that_unpacks_to_gigabytes_is_refused(tmp_path, what):
    assert len(BOMBS[what]) < 200_000
    began = time.process_time()
    with pytest.raises(BadVideoError, match=r"stills/1\.png: "):
        read(pictures(tmp_path / "stills", BOMBS[what]))
    assert time.process_time() - began < 3


def test_a_picture_that_a_clip_would_scale_to_gigabytes_is_refused(tmp_path):
    with pytest.raises(BadVideoError, match="stills: 1×10000000 are too narrow for a clip"):
        read(pictures(tmp_path / "stills", png(1, 10**7, bytes(2 * 10**7))))


def test_a_jpeg_of_thousands_of_scans_is_refused(tmp_path):
    """Each scan is a pass over all pixels; a file of 10 MB could ask for a million of them."""
    folder = tmp_path / "stills"
    folder.mkdir()
    Image.new("RGB", (64, 64), (200, 10, 10)).save(folder / "1.jpg", progressive=True)
    assert len(read(folder)) == 1
    content = (folder / "1.jpg").read_bytes()
    place = content.rindex(b"\xff\xda")
    (folder / "1.jpg").write_bytes(content[:place] + content[place:-2] * 200 + content[-2:])
    with pytest.raises(BadVideoError, match=r"stills/1\.jpg: more than 100 scans"):
        read(folder)


def test_what_calls_itself_a_picture_and_is_another_format_is_refused(tmp_path):
    """Pillow starts Ghostscript for PostScript, and reads forty formats more."""
    (tmp_path / "eps").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "eps" / "1.png", "EPS")
    for form in ("GIF", "TIFF", "BMP", "PPM"):
        (tmp_path / form).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / form / "1.png", form)
    for folder in tmp_path.iterdir():
        with pytest.raises(BadVideoError, match=r"1\.png: no readable picture"):
            read(folder)


def test_an_animated_picture_is_its_first_frame(tmp_path):
    (tmp_path / "stills").mkdir()
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (200, 0, 0)]
    frames[0].save(tmp_path / "stills" / "1.png", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "stills")[0, 0, 0].tolist() == [200, 0, 0]


def test_texts_in_a_picture_are_left_aside(tmp_path):
    (tmp_path / "stills").mkdir()
    told = PngImagePlugin.PngInfo()
    told.add_text("a", "<script>" * 100)
    Image.new("RGB", (8, 8)).save(tmp_path / "stills" / "1.png", pnginfo=told)
    assert len(read(tmp_path / "stills")) == 1


def test_a_pipe_among_pictures_is_refused(tmp_path):
    folder = pictures(tmp_path / "stills", png(8, 8, bytes(72)))
    os.mkfifo(folder / "2.png")
    with pytest.raises(BadVideoError, match=r"stills/2\.png: no file"):
        read(folder)
