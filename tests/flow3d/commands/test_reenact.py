"""The command's frames are FlowRenderer.reenact's, and what it cannot do is one line that leaves nothing behind.

Tests: reenact_inputs.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from flow3d import FlowRenderer, assets
from flow3d.__main__ import main
from flow3d.commands import reenact as command
from flow3d.commands import reenact_inputs
from flow3d.datasets import make_clip, make_pair
from flow3d.datasets.clip_files import example_clip, save_clip
from flow3d.morphable import Coefficients, talking_head
from flow3d.perception.regressor import shipped_regressor
from flow3d.preprocessing.images import from_uint8, is_generated, read_image, to_uint8, write_image
from tolerances import EXPORT

SEED = 1_000_011
SIZE = 32  # of micro


@pytest.fixture(autouse=True)
def face(monkeypatch):
    """Finding faces takes a second; whether one is found is tested by name below."""
    monkeypatch.setattr(reenact_inputs, "has_face", lambda _: True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A source, its matte and window, and coefficients of five frames."""
    root, pair = tmp_path_factory.mktemp("inputs"), make_pair(SEED, SIZE)
    write_image(root / "me.png", pair.source)
    write_image(root / "matte.png", (2 * pair.source_alpha - 1).expand(3, -1, -1))
    Coefficients(pair.source_window.T.contiguous()).to_npz(root / "window.npz")
    motion = talking_head(5, 7)
    motion.to_json(root / "motion.json")
    motion.to_npz(root / "motion.npz")
    return root


@pytest.fixture
def reenact(folder, micro, tmp_path, capsys) -> Callable[..., Path]:
    """Call the command; return OUT."""

    def call(out: str, *options: object, driving: object = folder / "motion.json") -> Path:
        words = ("reenact", folder / "me.png", driving, tmp_path / out, "--renderer", micro, *options)
        assert main([str(word) for word in words]) == 0
        assert capsys.readouterr().out == f"{len(frames_of(tmp_path / out))} frames, generated: {tmp_path / out}\n"
        return tmp_path / out

    return call


def frames_of(out: Path) -> list[np.ndarray]:
    if out.is_dir():
        return [to_uint8(read_image(file)) for file in sorted(out.iterdir())]
    with Image.open(out) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


def expected(micro: Path, folder: Path, driving: Coefficients, **named) -> list[np.ndarray]:
    renderer, source = FlowRenderer.from_pretrained(micro), read_image(folder / "me.png")
    torch.set_num_threads(1)
    return [to_uint8(frame) for frame in renderer.reenact(source, driving, **named)]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize("out", ["frames", "film.png"])
def test_frames_equal_the_renderer_s_to_the_bit(reenact, micro, folder, out):
    assert same(frames_of(reenact(out)), expected(micro, folder, talking_head(5, 7)))


def test_a_gif_holds_the_renderer_s_frames_in_256_colours_each(reenact, micro, folder):
    frames = [Image.fromarray(frame).quantize(256) for frame in expected(micro, folder, talking_head(5, 7))]
    assert same(frames_of(reenact("film.gif")), [np.asarray(frame.convert("RGB")) for frame in frames])


def test_matte_window_and_motion_reach_the_renderer(reenact, micro, folder):
    matte, window = folder / "matte.png", folder / "window.npz"
    options = ("--motion", "relative", "--crop-correction", "--causal", "--batch", 2)
    out = reenact("frames", "--matte", matte, "--source-coefficients", window, *options, driving=folder / "motion.npz")
    alpha = torch.from_numpy(to_uint8(read_image(matte))[..., 0] / np.float32(255))[None]
    named = {"motion": "relative", "crop_correction": True, "causal": True, "batch": 2}
    whole = expected(
        micro, folder, talking_head(5, 7), alpha=alpha, source_window=make_pair(SEED, SIZE).source_window, **named
    )
    assert same(frames_of(out), whole)
    assert not same(whole, expected(micro, folder, talking_head(5, 7)))


def test_one_frame_of_coefficients_is_a_head_that_rests(reenact, micro, folder, tmp_path):
    rest = Coefficients.neutral().replace(yaw=0.3)
    rest.to_json(tmp_path / "rest.json")
    out = reenact("frames", "--source-coefficients", tmp_path / "rest.json")
    assert same(frames_of(out), expected(micro, folder, talking_head(5, 7), source_window=rest.windows()[0]))


def test_a_shipped_clip_and_a_clip_s_own_file_drive(reenact, micro, folder, tmp_path):
    clip = make_clip(SEED, 3, SIZE)
    save_clip(tmp_path / "clip.npz", clip)
    assert same(frames_of(reenact("own", driving=tmp_path / "clip.npz")), expected(micro, folder, clip.coefficients))
    assert same(
        frames_of(reenact("shipped", driving="talking_head")), expected(micro, folder, example_clip().coefficients)
    )


def test_a_folder_of_frames_drives_as_the_regressor_sees_it(reenact, micro, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reenact_inputs, "CHUNK", 2)
    frames = make_clip(SEED, 5, 64).frames
    (tmp_path / "driver").mkdir()
    for number, frame in enumerate(frames):
        write_image(tmp_path / "driver" / f"{number}.png", frame)
    read = torch.stack([read_image(tmp_path / "driver" / f"{number}.png") for number in range(5)])
    seen = shipped_regressor().predict(read, batch=2)
    assert same(frames_of(reenact("film.png", driving=tmp_path / "driver")), expected(micro, folder, seen))


def test_a_large_source_is_cut_to_its_middle_square_and_averaged(micro, folder, tmp_path, capsys):
    rgb = to_uint8(read_image(folder / "me.png")).repeat(3, 0).repeat(3, 1)
    matte = to_uint8(read_image(folder / "matte.png")).repeat(3, 0).repeat(3, 1)
    for name, picture in (("wide.png", rgb), ("matte.png", matte)):
        write_image(tmp_path / name, from_uint8(np.pad(picture, ((0, 0), (10, 10), (0, 0)))))
    words = [tmp_path / "wide.png", folder / "motion.json", tmp_path / "out", "--renderer", micro]
    assert main(["reenact", *map(str, [*words, "--matte", tmp_path / "matte.png"])]) == 0
    assert capsys.readouterr().err == "note: SOURCE has 116 x 96 pixels; its middle square is used\n"
    alpha = torch.from_numpy(to_uint8(read_image(folder / "matte.png"))[..., 0] / np.float32(255))[None]
    assert same(frames_of(tmp_path / "out"), expected(micro, folder, talking_head(5, 7), alpha=alpha))


@pytest.mark.parametrize("batch", [1, 8])
def test_the_other_engine_s_frames_are_the_same_within_a_grey_step(reenact, micro, folder, batch):
    made = np.stack(frames_of(reenact("frames", "--engine", "onnx", "--batch", batch, "--threads", 2)))
    plain = np.stack(expected(micro, folder, talking_head(5, 7)))
    assert np.abs(made.astype(int) - plain).max() <= 1
    assert (made != plain).mean() < EXPORT["other grey step"][0]


def test_an_engine_that_is_not_installed_names_the_extra_and_leaves_nothing(
    refused, micro, folder, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "flow3d.export.onnx_engine", raising=False)
    words = (folder / "me.png", folder / "motion.json", tmp_path / "o.gif", "--renderer", micro)
    said = refused("reenact", *words, "--engine", "onnx")
    assert said.startswith('--engine: expected onnx and onnxruntime, which pip install "flow3d[export]" brings, got ')
    assert os.listdir(tmp_path) == []


def test_everything_that_is_made_says_so(reenact):
    for out in ("film.gif", "film.png"):
        assert is_generated(reenact(out))
    assert all(map(is_generated, reenact("frames").iterdir()))


def test_a_film_has_the_rate_that_is_asked_for(reenact):
    for out in ("film.png", "film.gif"):
        with Image.open(reenact(out, "--fps", 10)) as film:
            assert film.info["duration"] == 100


def test_where_no_face_is_seen_a_warning_says_so(micro, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reenact_inputs, "has_face", lambda frames: frames.shape != (1, 3, 128, 128))
    words = ("reenact", folder / "me.png", folder / "motion.json", tmp_path / "film.png", "--renderer", micro)
    assert main([str(word) for word in words]) == 0
    assert capsys.readouterr().err.startswith("warning: SOURCE: no face that looks ahead was found")


@pytest.fixture
def wrong(folder, tmp_path) -> Path:
    """Files that are not what they are taken for."""
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "film.mp4").write_text("no film")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    talking_head(3, 7).to_npz(tmp_path / "three.npz")
    Coefficients.neutral().to_json(tmp_path / "one.json")
    (tmp_path / "word.json").write_text('{"frames": [{"smil": 1}]}')
    write_image(tmp_path / "large.png", torch.zeros(3, 48, 48))
    write_image(tmp_path / "red.png", torch.tensor([1.0, -1, -1])[:, None, None].expand(3, SIZE, SIZE))
    write_image(tmp_path / "black.png", -torch.ones(3, SIZE, SIZE))
    write_image(tmp_path / "me.png", read_image(folder / "me.png"))
    return tmp_path


# each line: SOURCE, DRIVING, OUT, what is typed behind them; then how the message begins. {} is their folder.
BAD = """
none.png one.json o.gif -> SOURCE: expected an image file, found none at '{}/none.png'
empty one.json o.gif -> SOURCE: expected an image file, found none at '{}/empty'
text.png one.json o.gif -> SOURCE: expected an image that OpenCV can decode, got '{}/text.png'
me.png none.json o.gif -> DRIVING: expected a file of coefficients, found none at '{}/none.json'
me.png text.json o.gif -> DRIVING: expected a JSON file, got '{}/text.json'
me.png text.npz o.gif -> DRIVING: expected an npz of coefficients, got '{}/text.npz'
me.png word.json o.gif -> DRIVING: coefficient: expected one of the 73 names, got 'smil'
me.png film.mp4 o.gif -> DRIVING: expected frames of a film or a folder, got none in '{}/film.mp4'
me.png empty o.gif -> DRIVING: expected frames of a film or a folder, got none in '{}/empty'
me.png none o.gif -> DRIVING: expected a shipped clip (talking_head), coefficients, a film or a folder, got '{}/none'
me.png one.json none/o.gif -> OUT: expected a place in an existing folder, got '{}/none/o.gif'
me.png one.json none/frames -> OUT: expected a place in an existing folder, got '{}/none/frames'
me.png one.json text.png/o.gif -> OUT: expected a place in an existing folder, got '{}/text.png/o.gif'
me.png one.json o.mp4 -> OUT: expected a name ending in .gif or .png, or a folder, got '{}/o.mp4'
me.png one.json full -> OUT: expected an empty folder, or --overwrite beside it; got 'notes.txt' in '{}/full'
me.png one.json full --overwrite -> OUT: expected nothing but frames to overwrite, got 'notes.txt' in '{}/full'
me.png one.json me.png -> OUT: expected another place than SOURCE, got '{}/me.png'
me.png one.json one.json -> OUT: expected another place than DRIVING, got '{}/one.json'
me.png one.json o.gif --fps 60 -> --fps: expected a positive number of frames a second, from 0.01 to 50 in a .gif
me.png one.json o.gif --fps nan -> --fps: expected a positive number, got 'nan'
me.png one.json o.gif --renderer {}/none -> --renderer:
me.png one.json o.gif --renderer {}/empty -> --renderer: expected config.json in '{}/empty', found none
me.png one.json o.gif --matte {}/none.png -> --matte: expected an image file, found none at '{}/none.png'
me.png one.json o.gif --matte {}/large.png -> --matte: expected 32 x 32 pixels as SOURCE has, got 48 x 48
me.png one.json o.gif --matte {}/red.png -> --matte: expected a grey picture, got a coloured one in '{}/red.png'
me.png one.json o.gif --matte {}/black.png -> --matte: expected the person in white, got only black in '{}/black.png'
me.png one.json o.gif --source-coefficients {}/three.npz -> --source-coefficients: frames: expected 1, or 27 around
me.png one.json o.gif --source-coefficients {}/me.png -> --source-coefficients: expected a file that ends in .json
me.png one.json o.gif --engine onxx -> --engine: expected torch or onnx, got 'onxx'; the nearest is onnx
me.png one.json o.gif --motion relativ -> --motion: expected absolute or relative, got 'relativ'; the nearest is
"""


@pytest.mark.parametrize("line", BAD.strip().splitlines(), ids=lambda line: line.partition(" -> ")[0])
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(refused, micro, wrong, line):
    words, _, message = line.partition(" -> ")
    source, driving, out, *options = words.split()
    before = {file: file.is_file() and file.read_bytes() for file in wrong.rglob("*")}
    renderer = [] if "--renderer" in options else ["--renderer", micro]
    typed = [option.format(wrong) for option in options]
    said = refused("reenact", wrong / source, wrong / driving, wrong / out, *renderer, *typed)
    assert said.startswith(message.strip().format(wrong))
    assert {file: file.is_file() and file.read_bytes() for file in wrong.rglob("*")} == before


@pytest.mark.parametrize("out", ["film.gif", "film.png", "frames"])
@pytest.mark.parametrize(
    ("failure", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "stopped: nothing was written; run it again\n"),
        (OSError(28, "No space left on device"), 2, "error: OUT: cannot use a file (No space left on device)\n"),
    ],
    ids=["Ctrl-C", "full disk"],
)
def test_what_ends_half_way_leaves_nothing(micro, folder, tmp_path, monkeypatch, capsys, out, failure, status, line):
    def one_frame(*_: object, **__: object) -> Iterator[torch.Tensor]:
        yield torch.zeros(3, SIZE, SIZE)
        raise failure

    monkeypatch.setattr(command.FlowRenderer, "reenact", one_frame)
    words = ("reenact", folder / "me.png", folder / "motion.json", tmp_path / out, "--renderer", micro)
    assert main([str(word) for word in words]) == status
    assert capsys.readouterr().err == line
    assert os.listdir(tmp_path) == []


def test_frames_of_an_earlier_call_are_overwritten_when_that_is_asked_for(reenact, refused, micro, folder, tmp_path):
    out = reenact("frames", driving=folder / "motion.json")
    before = frames_of(out)
    one = tmp_path / "one.json"
    Coefficients.neutral().to_json(one)
    assert "--overwrite" in refused("reenact", folder / "me.png", one, out, "--renderer", micro)
    assert same(frames_of(out), before)
    assert len(frames_of(reenact("frames", "--overwrite", driving=one))) == 1


def test_shipped_clips_are_known_by_name():
    assert [assets.path(f"clips/{name}.npz").stem for name in reenact_inputs.shipped_clips()] == ["talking_head"]
