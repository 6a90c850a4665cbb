"""Decoding: real files of several containers, rates and faults, whose frames carry their numbers."""

import itertools
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from counted_video import numbered_frames, read_numbers, write_numbered
from PIL import Image

from stepaudit.clips import cut_short, decoding
from stepaudit.clips.encoding import encode
from stepaudit.clips.geometry import Geometry
from stepaudit.errors import BadVideoError


def numbers(path: Path, fit: str = "stretch", **stretch) -> list[int]:
    with decoding.decoded(path, Geometry(*decoding.source_size(path), 64, 64, fit), **stretch) as frames:
        return read_numbers(frames[range(len(frames))])


def ffmpeg(*arguments: object) -> subprocess.CompletedProcess:
    command = [decoding.ffmpeg_binary(), "-loglevel", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("videos") / "numbered.mp4", 60)


@pytest.mark.parametrize("fit", ["stretch", "crop"])
@pytest.mark.parametrize("rate", ["12", "25", "30000/1001"])
def test_every_frame_comes_once_and_in_order(tmp_path, rate, fit):
    assert numbers(write_numbered(tmp_path / "a.mp4", 70, rate), fit) == list(range(70))


CONTAINERS = (
    ["-c:v", "mpeg4", "a.avi"],
    ["-c:v", "libvpx-vp9", "-deadline", "realtime", "a.webm"],
    ["-bf", "3", "a.mkv"],
    ["a.mov"],
)


@pytest.mark.parametrize("options", CONTAINERS, ids=lambda options: options[-1])
def test_every_container_gives_the_same_frames(numbered, tmp_path, options):
    made = ffmpeg("-i", numbered, *options[:-1], tmp_path / options[-1])
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot write it: {made.stderr.decode()}")
    assert numbers(tmp_path / options[-1]) == list(range(60))


def test_a_variable_frame_rate_neither_repeats_nor_drops_frames(numbered, tmp_path):
    assert ffmpeg("-i", numbered, "-vf", "setpts=(N+N*N/9)/25/TB", tmp_path / "vfr.mkv").returncode == 0
    assert numbers(tmp_path / "vfr.mkv") == list(range(60))


def test_a_stretch_is_counted_from_the_first_frame(numbered):
    assert numbers(numbered, start=7, stop=20) == list(range(7, 20))
    assert numbers(numbered, start=50) == list(range(50, 60))
    assert numbers(numbered, stop=99) == list(range(60))


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_pixels_lie_where_the_geometry_moves_their_box(tmp_path, fit):
    picture = np.full((1, 96, 160, 3), 20, np.uint8)
    picture[:, 24:64, 60:84] = 230
    encode(np.repeat(picture, 3, axis=0), tmp_path / "box.mp4", "25")
    to = Geometry(96, 160, 50, 70, fit)
    with decoding.decoded(tmp_path / "box.mp4", to) as frames:
        light = frames[[1]][0].mean(axis=2) > 125
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert found == pytest.approx(to.move((60, 24, 84, 64)), abs=1)  # half a pixel of rounding, half of blur


def test_the_size_is_the_sources_own(tmp_path):
    assert decoding.source_size(write_numbered(tmp_path / "a.mp4", 2, height=80, width=176)) == (80, 176)


def test_a_turned_video_is_decoded_upright(numbered, tmp_path):
    if ffmpeg("-display_rotation:v:0", 90, "-i", numbered, "-c", "copy", tmp_path / "turned.mp4").returncode:
        pytest.skip("this ffmpeg cannot write a rotation")
    assert decoding.source_size(tmp_path / "turned.mp4") == (128, 96)


NAMES = [
    "-i.mp4",
    "a:b.mp4",
    "concat:a|b.mp4",
    'it\'s "so".mp4',
    "two\nlines.mp4",
    "$(touch made).mp4",
    "%03d.mp4",
    "ü ×.mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_file_name_is_only_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_numbered(Path(name), 20)
    assert numbers(Path(name)) == list(range(20))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_that_is_no_video_says_so(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video\n" * 50)
    for read in (decoding.source_size, lambda path: numbers(path)):
        with pytest.raises(BadVideoError, match=r"text\.mp4: no frame decodes \(.*Invalid data"):
            read(text)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(BadVideoError, match=r"missing\.mp4: no frame decodes \(.*No such file"):
        decoding.source_size(tmp_path / "missing.mp4")


@pytest.mark.parametrize("head", ["ffconcat version 1.0\nfile", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n"])
def test_a_playlist_cannot_open_other_files(numbered, head):
    playlist = numbered.with_name("playlist.mp4")
    playlist.write_text(f"{head} {numbered.name}\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadVideoError, match="no frame decodes"):
        decoding.source_size(playlist)


def test_a_video_of_the_net_is_not_fetched():
    with pytest.raises(BadVideoError, match="no frame decodes"):
        decoding.source_size(Path("http://127.0.0.1:9/a.mp4"))


def test_a_file_that_is_cut_short_is_a_bad_video_and_says_how_many_frames_decode(numbered, tmp_path):
    content = numbered.read_bytes()
    (tmp_path / "short.mp4").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(BadVideoError, match=r"short\.mp4: \d+ frames decoded, .* damaged.* ffmpeg -i short.mp4"):
        numbers(tmp_path / "short.mp4")


def test_what_lies_before_the_damage_is_read(numbered, tmp_path):
    content = numbered.read_bytes()
    (tmp_path / "short.mp4").write_bytes(content[:-40])  # cuts the last frame
    assert numbers(tmp_path / "short.mp4", start=3, stop=9) == list(range(3, 9))


def test_a_file_that_ends_between_two_frames_never_gives_a_frame_another_number(numbered, tmp_path):
    """ffmpeg is silent where a file ends just before a frame; with B-frames the missing one is not always the last."""
    whole, short = tmp_path / "whole.mp4", tmp_path / "short.mp4"
    assert ffmpeg("-i", numbered, "-c:v", "libx264", "-bf", "3", "-movflags", "+faststart", whole).returncode == 0
    command = [decoding.ffmpeg_binary(), "-v", "error", "-i", whole, "-c", "copy", "-f", "framecrc", "pipe:"]
    listed = subprocess.run(map(str, command), capture_output=True, text=True, check=True).stdout
    sizes = [int(line.split(",")[4]) for line in listed.splitlines() if not line.startswith("#")]
    assert len(sizes) == 60
    for lost in (1, 2, 3, 6):
        short.write_bytes(whole.read_bytes()[: -sum(sizes[-lost:])])
        assert not decoding._run_ffmpeg(decoding._source(short)["V:0"].output("pipe:", format="null"), short, len, 60)
        for stop in (None, 60 - lost):
            with pytest.raises(BadVideoError, match=r"\d+ frames decoded.*the file ends before the last frame"):
                numbers(short, stop=stop)
        assert numbers(short, start=3, stop=30) == list(range(3, 30))
    assert numbers(short, start=20, stop=38) == list(range(20, 38))
    assert numbers(whole) == list(range(60))


def box(kind, content):
    return (8 + len(content)).to_bytes(4) + kind + content


def whole_numbers(*values):
    return b"".join(value.to_bytes(4) for value in values)


def test_a_header_that_claims_billions_of_chunks_takes_no_memory(tmp_path):
    """One chunk at byte 16 of one picture of 8 bytes; the run of chunks is said to begin again at the two-billionth."""
    tables = {
        b"stco": whole_numbers(0, 1, 16),
        b"stsc": whole_numbers(0, 2, 1, 1, 1, 2**31, 1, 1),
        b"stsz": whole_numbers(0, 0, 1, 8),
    }
    listed = box(b"stbl", b"".join(box(kind, content) for kind, content in tables.items()))
    media = box(b"mdia", box(b"hdlr", b"\0" * 8 + b"vide") + box(b"minf", listed))
    assert cut_short._pictures_end(box(b"trak", media)) == 24


def test_a_file_of_countless_boxes_ends_the_look_at_its_layout(tmp_path, monkeypatch):
    monkeypatch.setattr(cut_short, "MAX_BOXES", 3)
    path = tmp_path / "boxes.mp4"
    path.write_bytes(box(b"free", b"") * 3 + (100).to_bytes(4) + b"mdat")
    assert not cut_short.is_cut_short(path)  # the piece of media that is missing stands behind the third


INDEXES = {  # two fragments of 68 and 84 bytes behind it
    "of 32 bits": whole_numbers(0, 1, 25, 0, 0, 2, 68, 0, 0, 84, 0, 0),
    "of 64 bits": whole_numbers(2**24, 1, 25, 0, 0, 0, 0, 2, 68, 0, 0, 84, 0, 0),
    "that begins with a key frame": whole_numbers(0, 1, 25, 0, 0, 2, 68, 0, 2**31, 84, 0, 2**31),
    "damaged": whole_numbers(0, 1, 25),
    "of more than it holds": whole_numbers(0, 1, 25, 0, 0, 60_000, 68, 0, 0),
}


@pytest.mark.parametrize("index", INDEXES)
def test_a_fragmented_file_is_held_against_its_index(tmp_path, index):
    path, sound = tmp_path / "a.mp4", not index.startswith(("damaged", "of more"))
    start = box(b"ftyp", b"isom") + box(b"moov", b"") + box(b"sidx", INDEXES[index])
    one, two = (box(b"moof", bytes(16)) + box(b"mdat", bytes(count)) for count in (36, 52))
    for content, missing in ((one + two, False), (one, sound), (one + two[:24], True), (one + two[:-1], True)):
        path.write_bytes(start + content)
        assert cut_short.is_cut_short(path) == missing


UNLISTED = {"avi": ["-c:v", "mpeg4", "-bf", "2"], "flv": ["-c:v", "libx264", "-bf", "3"], "ts": ["-c:v", "libx264"]}


@pytest.mark.parametrize("ending", UNLISTED)
def test_a_file_without_a_list_of_frames_that_is_cut_gives_none_another_number(numbered, tmp_path, ending):
    whole, short = tmp_path / f"whole.{ending}", tmp_path / f"short.{ending}"
    assert ffmpeg("-i", numbered, *UNLISTED[ending], whole).returncode == 0
    content = whole.read_bytes()
    assert numbers(whole) == list(range(60))
    for place in frame_ends(content, ending):
        short.write_bytes(content[:place])
        with pytest.raises(BadVideoError, match=r"frames decoded"):
            numbers(short)
        assert numbers(short, start=3, stop=30) == list(range(3, 30))


def frame_ends(content: bytes, ending: str) -> list[int]:
    """Where the last five frames begin; of a transport stream, four bytes into one of its last packets."""
    if ending == "ts":
        return [len(content) - 184, len(content) - 10 * 188 + 4]
    places = [len(content)]
    while len(places) < 6:
        back = content.rfind(b"00dc", content.find(b"movi"), content.rfind(b"idx1") if len(places) == 1 else places[-1])
        size = int.from_bytes(content[places[-1] - 4 : places[-1]])  # FLV: each tag is followed by its size
        places.append(back if ending == "avi" else places[-1] - 4 - size)
    return places[1:]


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_damage_in_the_middle_is_a_bad_video(numbered, tmp_path, ending):
    path = tmp_path / f"damaged.{ending}"
    ffmpeg("-i", numbered, "-c", "copy", path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    path.write_bytes(content)
    with pytest.raises(BadVideoError, match=r"damaged, so that their numbers are in doubt"):
        numbers(path)


def test_a_complaint_about_damage_is_not_lost_among_the_warnings_that_follow(tmp_path):
    damage = "[mjpeg @ 0x1f] [error] overread 8"
    warnings = "seq -f '[swscaler @ 0x1f] [warning] deprecated pixel format used in frame %g' 20000"
    _, end = decoding._run_to_end(["sh", "-c", f"(echo '{damage}'; {warnings}) >&2"], tmp_path, len, math.inf)
    assert len(end) < 3 * decoding.COMPLAINTS
    assert decoding._damage(end.decode().splitlines()) == [damage]
    assert end.decode().splitlines()[-1].endswith(" 20000")


def test_a_complaint_about_the_sound_is_none_about_the_frames():
    for line, serious in (
        ("[mp3float @ 0x1f] [error] Header missing", False),
        ("[h264 @ 0x1f] [error] error while decoding MB 1 1", True),
        ("[in#0/mpegts @ 0x1f] [warning] Packet corrupt (stream = 0)", True),
        ("[h264 @ 0x1f] [warning] Guessed something", False),
    ):
        assert bool(decoding._damage([line])) == serious


STREAMS = {  # of two encodings one behind the other
    "colours": (["-pix_fmt", "yuv420p"], ["-pix_fmt", "yuv444p"]),
    "size": ([], ["-vf", "scale=64:48:flags=neighbor"]),
    "depth": (["-pix_fmt", "yuv420p"], ["-pix_fmt", "yuv420p10le"]),
    "range": ([], ["-vf", "scale=out_range=full", "-color_range", "pc"]),
}


@pytest.mark.parametrize("change", STREAMS)
def test_frames_are_counted_from_the_first_across_a_change_of_the_format(tmp_path, change):
    path = tmp_path / "two.mp4"
    for part, options in enumerate(STREAMS[change]):
        frames = np.ascontiguousarray(numbered_frames(60)[30 * part : 30 * part + 30])
        size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "128x96", "-i", "pipe:"]
        command = [decoding.ffmpeg_binary(), "-v", "error", *size, "-c:v", "libx264", *options, "-f", "h264", "pipe:"]
        made = subprocess.run(command, input=frames.data, capture_output=True, check=True).stdout
        with path.open("ab") as both:
            both.write(made)
    assert numbers(path) == list(range(60))
    assert numbers(path, start=10, stop=50) == list(range(10, 50))
    assert numbers(path, start=35, stop=55) == list(range(35, 55))


@pytest.mark.parametrize("ratio", ["1/1", "2/1", "8/9"])
def test_pixels_that_are_not_square_keep_the_shape_that_a_player_shows(tmp_path, ratio):
    across, down = map(int, ratio.split("/"))
    rows, columns = np.mgrid[:96, : 160 * down // across]
    inside = (rows - 48) ** 2 + (columns * across / down - 80) ** 2 < 40**2
    frames = np.repeat(np.where(inside, 230, 20).astype(np.uint8)[None, :, :, None], 3, axis=0).repeat(3, axis=3)
    encode(frames, tmp_path / "square.mp4", "25")
    assert ffmpeg("-i", tmp_path / "square.mp4", "-vf", f"setsar={ratio}", tmp_path / "a.mp4").returncode == 0
    assert decoding.source_size(tmp_path / "a.mp4") == (96, 160)
    with decoding.decoded(tmp_path / "a.mp4", Geometry(96, 160, 64, 64, "crop")) as decoded:
        light = decoded[[1]][0].mean(axis=2) > 125
    assert light.any(axis=0).sum() == pytest.approx(80 * 64 / 96, abs=2)
    assert light.any(axis=1).sum() == pytest.approx(80 * 64 / 96, abs=2)


def test_pixels_that_a_rounded_header_calls_nearly_square_are_square(numbered, tmp_path):
    assert ffmpeg("-i", numbered, "-vf", "setsar=400/399", tmp_path / "a.mp4").returncode == 0
    assert decoding.source_size(tmp_path / "a.mp4") == (96, 128)


def test_a_gif_is_read(numbered, tmp_path):
    assert ffmpeg("-i", numbered, tmp_path / "a.gif").returncode == 0
    assert numbers(tmp_path / "a.gif") == list(range(60))


CODECS = {  # whether their frames can be counted without decoding
    "b-frames.mp4": (["-c:v", "libx264", "-bf", "3"], True),
    "edit-list.mp4": (["-ss", "0.12", "-c:v", "libx264", "-bf", "3"], True),
    "b-frames.mkv": (["-c:v", "libx264", "-bf", "3", "-vf", "setpts=(N+N*N/9)/25/TB"], True),
    "vp9.webm": (["-c:v", "libvpx-vp9", "-deadline", "realtime"], True),
    "open.mp4": (["-c:v", "libx264", "-bf", "3", "-x264-params", "open-gop=1"], False),
    "refresh.mp4": (["-c:v", "libx264", "-intra-refresh", "1", "-sc_threshold", "0"], False),
    "mpeg4.mp4": (["-c:v", "mpeg4", "-bf", "2"], False),
    "mpeg2.mkv": (["-c:v", "mpeg2video", "-bf", "2"], False),
    "transport.ts": (["-c:v", "libx264"], False),
}


@pytest.mark.parametrize("name", CODECS)
def test_a_late_stretch_is_the_same_as_when_the_whole_video_is_decoded(numbered, tmp_path, monkeypatch, name):
    options, seekable = CODECS[name]
    if (made := ffmpeg("-i", numbered, *options, "-g", 12, tmp_path / name)).returncode:
        pytest.skip(f"this ffmpeg cannot write it: {made.stderr.decode()}")
    to = Geometry(96, 128, 96, 128)
    with decoding.decoded(tmp_path / name, to) as frames:
        whole = np.array(frames)
    monkeypatch.setattr(decoding, "LATE", 1)
    for start, stop in ((11, 30), (13, 14), (36, 52), (40, None), (50, 99)):
        with decoding.decoded(tmp_path / name, to, start=start, stop=stop) as frames:
            assert np.array_equal(frames[range(len(frames))], whole[start:stop])
    with (tmp_path / "spool").open("w+b") as spool:
        count = decoding._write_sought(tmp_path / name, to, 40, 50, spool, 60)
    assert count == (10 if seekable else None)


def test_a_stretch_behind_the_last_frame_says_so(numbered, monkeypatch):
    monkeypatch.setattr(decoding, "LATE", 1)
    with pytest.raises(BadVideoError, match="no frame decodes from frame 60 on"):
        numbers(numbered, start=60)


def test_a_long_video_may_take_as_long_as_it_likes_while_frames_come(numbered, monkeypatch):
    times = itertools.count(step=decoding.STALLED / 4)  # two looks at the clock for each piece of the output
    monkeypatch.setattr(decoding, "monotonic", lambda: next(times))
    assert numbers(numbered) == list(range(60))
    assert next(times) > 2 * decoding.STALLED


def test_a_decoder_that_puts_out_nothing_is_stopped(numbered, tmp_path, monkeypatch, fresh_binary):
    write_script(tmp_path / "ffmpeg", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(decoding, "STALLED", 0.1)
    with pytest.raises(BadVideoError, match=r"numbered\.mp4: not decoded within 0\.1 s"):
        decoding.source_size(numbered)


def test_decoding_has_a_time_limit(numbered):
    with pytest.raises(BadVideoError, match=r"numbered\.mp4: not decoded within 0\.001 s"):
        decoding.source_size(numbered, seconds=0.001)


def test_the_systems_ffmpeg_comes_first_and_the_wheels_is_there_without_it(tmp_path, monkeypatch, fresh_binary):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "imageio_ffmpeg" in decoding.ffmpeg_binary()
    own = write_script(tmp_path / "ffmpeg", "exit 0")
    decoding.ffmpeg_binary.cache_clear()
    assert decoding.ffmpeg_binary() == str(own)


def test_a_decoder_that_is_killed_is_not_the_videos_fault(numbered, tmp_path, monkeypatch, fresh_binary):
    write_script(tmp_path / "ffmpeg", "kill -9 $$")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OSError, match="ffmpeg ended with -9"):
        decoding.source_size(numbered)


@pytest.fixture
def fresh_binary():
    decoding.ffmpeg_binary.cache_clear()
    yield
    decoding.ffmpeg_binary.cache_clear()


def write_script(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def write_stills(folder: Path, count: int, ending: str = "png", **size) -> Path:
    folder.mkdir()
    for number, frame in enumerate(numbered_frames(count, **size)):
        Image.fromarray(np.ascontiguousarray(frame)).save(folder / f"frame{number + 1}.{ending}")
    return folder


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG"])
def test_numbered_pictures_are_read_in_the_order_of_their_numbers(tmp_path, ending):
    folder = write_stills(tmp_path / "stills", 23, ending)
    assert decoding.source_size(folder) == (96, 128)
    assert numbers(folder) == list(range(23))  # frame10 behind frame9
    assert numbers(folder, start=4, stop=9) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_pictures_and_videos_of_the_same_frames_agree(tmp_path, numbered, fit):
    to = Geometry(96, 128, 60, 50, fit)
    folder = write_stills(tmp_path / "stills", 20)
    with decoding.decoded(folder, to) as stills, decoding.decoded(numbered, to) as frames:
        gap = stills[range(20)].astype(int) - frames[range(20)].astype(int)
    assert np.abs(gap).mean() < 3  # of 255; what H.264 loses


def test_a_picture_of_another_size_or_no_picture_says_so(tmp_path):
    folder = write_stills(tmp_path / "stills", 3)
    (folder / "frame2.png").write_bytes(b"no picture")
    with pytest.raises(BadVideoError, match=r"stills/frame2\.png: no readable picture"):
        numbers(folder)
    Image.new("RGB", (64, 64)).save(folder / "frame2.png")
    with pytest.raises(BadVideoError, match=r"stills/frame2\.png: 64×64, the first is 128×96"):
        numbers(folder)


def test_a_folder_without_pictures_says_so(tmp_path):
    with pytest.raises(BadVideoError, match=r"no \.jpeg, \.jpg, \.png files"):
        decoding.source_size(tmp_path)


@pytest.mark.parametrize(("name", "passes"), [("late.avi", 1), ("late.mp4", 5)])
def test_a_video_that_cannot_be_sought_is_decoded_once_for_all_spans(tmp_path, monkeypatch, name, passes):
    """The .mp4 has a key frame every twelve frames, the .avi may not be sought: three of its spans overlap or touch."""
    monkeypatch.setattr(decoding, "LATE", 1)
    path = tmp_path / name
    ffmpeg("-i", write_numbered(tmp_path / "all.mp4", 240), "-g", 12, "-bf", 0, path)
    spans, runs = [(180, 200), (3, 20), (10, 30), (30, 41), (220, None)], []
    geometry, scaled = Geometry(*decoding.source_size(path), 48, 48, "stretch"), decoding._scaled
    monkeypatch.setattr(decoding, "_scaled", lambda *given: runs.append(given) or scaled(*given))
    for start, stop in spans:
        with decoding.decoded(path, geometry, start=start, stop=stop, spans=spans) as frames:
            shared = np.array(frames)
        assert read_numbers(shared) == list(range(start, stop or 240))
        count = len(runs)
        with decoding.decoded(path, geometry, start=start, stop=stop) as frames:
            np.testing.assert_array_equal(shared, frames)
        del runs[count:]
    assert len(runs) == passes


def test_damage_says_of_spans_what_it_says_of_each_alone(numbered, tmp_path):
    content, spans = numbered.read_bytes(), [(3, 9), (20, 30), (40, None)]
    path = tmp_path / "short.mp4"
    path.write_bytes(content[:-40])  # cuts the last frame
    assert [numbers(path, start=start, stop=stop, spans=spans) for start, stop in spans[:2]] == [
        list(range(3, 9)),
        list(range(20, 30)),
    ]
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(BadVideoError, match=r"1 of 10 frames decoded, and it is damaged"):
        numbers(path, start=20, stop=30, spans=spans)
