"""A user's networks: used as they are, absent with a reason where they are not what they should be.

Tests: backbones.
"""

import warnings

import pytest
import torch
from torch import nn

from flow3d.evaluation.scores import backbones
from flow3d.evaluation.scores.backbones import load_backbones
from flow3d.evaluation.scores.face_scores import detect_faces
from flow3d.evaluation.scores.motion_scores import LANDMARKS, landmarks
from flow3d.evaluation.scores.supplied_networks import TEMPLATE, ArcFace, Inception, align, digest, five_points
from flow3d.morphable import Coefficients, Person
from tolerances import EVALUATION

DETECTOR = ("face_detector", "face_landmarks_detector", "face_blendshapes")


def tagged(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer; all of these are shorter than 128 bytes or split in two."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([number << 3 | 2]) + size + content


def mean_colour_onnx() -> bytes:
    """An ONNX file whose embedding of a face is its mean colour: global average pooling, then flattening."""

    def value(name: bytes, shape: tuple[int, ...]) -> bytes:
        sizes = b"".join(tagged(1, tagged(1, size)) for size in shape)
        return tagged(1, name) + tagged(2, tagged(1, tagged(1, 1) + tagged(2, sizes)))

    def node(kind: bytes, a: bytes, b: bytes) -> bytes:
        return tagged(1, tagged(1, a) + tagged(2, b) + tagged(4, kind))

    graph = node(b"GlobalAveragePool", b"x", b"pooled") + node(b"Flatten", b"pooled", b"y") + tagged(2, b"mean")
    graph += tagged(11, value(b"x", (1, 3, 112, 112))) + tagged(12, value(b"y", (1, 3)))
    return tagged(1, 7) + tagged(7, graph) + tagged(8, tagged(2, 13))


class Features(nn.Module):
    """The mean colour, repeated; as Inception's file it takes bytes."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        mean = x.float().mean((2, 3))
        if not return_features:
            return mean
        return mean.repeat(1, self.count // 3 + 1)[:, : self.count]


def scripted(path, count: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that TorchScript will go
        torch.jit.script(Features(count)).save(str(path))
    return path


def test_a_face_is_moved_to_the_template():
    points = torch.tensor(TEMPLATE) @ torch.tensor([[1.4, 0.3], [-0.3, 1.4]]) + torch.tensor([50.0, 20.0])
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    image = torch.stack([x, y, 0 * x]) / 127.5 - 1  # a picture that shows where each pixel was
    moved = (align(image, points) + 1) * 127.5
    for (column, row), point in zip(TEMPLATE, points, strict=True):
        there = moved[:2, round(row), round(column)]
        offset = torch.tensor([round(column) - column, round(row) - row])
        expected = point + offset @ torch.tensor([[1.4, 0.3], [-0.3, 1.4]])
        torch.testing.assert_close(there, expected, rtol=0, atol=EVALUATION["aligned pixels"][0])


def test_five_points_of_a_drawn_face_lie_where_its_own_are():
    person, motion = Person.random(1_000_003), Coefficients.neutral()
    faces = detect_faces(person.render(motion, 256).image[None])
    exact = landmarks(torch.cat([motion.values[0], person.alpha])[None])[0]
    at = {name: exact[number] for number, name in enumerate(LANDMARKS)}
    eyes = [(at[f"eye_inner_{side}"] + at[f"eye_outer_{side}"]) / 2 for side in ("left", "right")]
    expected = torch.stack([*eyes, at["nose_tip"], at["mouth_corner_left"], at["mouth_corner_right"]])
    away = (five_points(faces.points)[0] - expected).norm(dim=1)
    assert away.max() < EVALUATION["detected point"][0]
    apart = (expected[:, None] - expected).norm(dim=2) + 1000 * torch.eye(5)
    assert apart.min() > 2 * EVALUATION["detected point"][0]  # an exchanged point would be found out


def test_an_arcface_file_embeds_faces(tmp_path):
    (tmp_path / "mean.onnx").write_bytes(mean_colour_onnx())
    network = ArcFace(tmp_path / "mean.onnx")
    frames = torch.stack([torch.full((3, 64, 64), value) for value in (-0.5, 0.25)])
    points = torch.rand(2, 478, 2) * 100 + 80
    found = network.embed(frames, points)
    points[1] = torch.nan  # no face
    assert network.embed(frames, points)[1].isnan().all()
    torch.testing.assert_close(found, torch.tensor([[-0.5] * 3, [0.25] * 3]), rtol=0, atol=EVALUATION["by hand"][0])
    assert network.sha256 == digest(tmp_path / "mean.onnx")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_inception_file_gives_2048_features_of_bytes(tmp_path):
    network = Inception(scripted(tmp_path / "inception.pt", 2048))
    found = network.embed(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 64, 64))
    assert found.shape == (2, 2048)
    assert found[:, 0].tolist() == [0.0, 255.0]
    with pytest.raises(ValueError, match="inception: expected 2048 features a picture, got"):
        Inception(scripted(tmp_path / "small.pt", 512))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_was_not_given_or_cannot_be_read_is_absent_with_its_reason(tmp_path):
    found = load_backbones()
    assert set(found.used) == {"scorer", "heads", *DETECTOR}
    assert found.absent == {
        "CSIM (ArcFace)": "no file was given by --arcface",
        "FID": "no file was given by --inception",
    }
    assert found.scorer.config.purpose == "scoring"
    (tmp_path / "broken").write_bytes(b"neither")
    found = load_backbones(tmp_path / "broken", tmp_path / "broken")
    assert found.arcface is None is found.inception
    assert "arcface: cv2.dnn cannot use" in found.absent["CSIM (ArcFace)"]
    assert "inception: cannot use" in found.absent["FID"]
    found = load_backbones(tmp_path / "nowhere", tmp_path / "nowhere")
    assert all("nowhere" in reason for reason in found.absent.values())
    (tmp_path / "mean.onnx").write_bytes(mean_colour_onnx())
    found = load_backbones(tmp_path / "mean.onnx", scripted(tmp_path / "inception.pt", 2048))
    assert found.absent == {}
    assert set(found.used) == {"scorer", "heads", *DETECTOR, "arcface", "inception"}


def test_without_the_face_detector_its_scores_are_absent_with_the_reason(monkeypatch, tmp_path):
    def missing(file):
        raise FileNotFoundError(f"{file.name}: expected this file")

    monkeypatch.setattr(backbones, "read", missing)
    (tmp_path / "mean.onnx").write_bytes(mean_colour_onnx())
    found = load_backbones(tmp_path / "mean.onnx")
    assert not found.detects
    assert found.arcface is None
    reason = "face_detector.tflite: expected this file"
    assert (found.absent["AKD, AED (detected)"], found.absent["CSIM (ArcFace)"]) == (reason, reason)
    assert set(found.used) == {"scorer", "heads"}
