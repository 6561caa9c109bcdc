"""The measurement of the face detector: points that mean the same lie together, and the report holds every size."""

import json

import torch

from flow3d.evaluation import detected_faces
from flow3d.evaluation.detected_faces import SAME, draw_heads, offsets
from flow3d.evaluation.scores.face_scores import detect_faces
from tolerances import EVALUATION


def test_points_of_one_name_lie_together_and_exchanged_ones_would_not(monkeypatch):
    heads = draw_heads([1_000_000, 1_000_001])
    faces = detect_faces(heads.targets)
    away = offsets(faces, heads.points).norm(dim=2)
    assert away.mean() < EVALUATION["points of one name"][0]
    left_for_right = {name: SAME[_mirrored(name)] for name in SAME}
    monkeypatch.setattr(detected_faces, "SAME", left_for_right)
    exchanged = offsets(faces, heads.points).norm(dim=2)
    sided = [number for number, name in enumerate(SAME) if name != _mirrored(name)]
    assert len(sided) == 10
    assert exchanged[:, sided].mean() > 5 * away[:, sided].mean()


def _mirrored(name: str) -> str:
    sides = {"left": "right", "right": "left"}
    return "_".join(sides.get(word, word) for word in name.split("_"))


def test_a_head_that_is_not_found_is_counted_and_leaves_the_means_alone():
    heads = draw_heads([1_000_000, 1_000_001])
    heads.targets[1] = 0.1
    table = {line.what: line.estimate for line in detected_faces.face_table(heads, 256)}
    assert table["frames without a face"].value == 0.5
    assert table["AKD, moved by a pixel"].count == table["landmarks, from the head's own points"].count == 1
    assert 0 < table["AKD, moved by a pixel"].value < table["AKD of the copy"].value
    assert 0 < table["AED, moved by a pixel"].value < table["AED of the copy"].value


def test_the_command_writes_every_size(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(detected_faces, "SIDES", (64, 128))
    monkeypatch.setattr("sys.argv", ["detected_faces", "--out", str(tmp_path), "--pairs", "1"])
    torch.manual_seed(0)
    detected_faces.main()
    text = (tmp_path / "detected_faces.md").read_text()
    assert text in capsys.readouterr().out
    content = json.loads((tmp_path / "detected_faces.json").read_text())
    assert set(content["tables"]) == {"Enlarged to 64 px", "Enlarged to 128 px"}
    assert content["settings"]["pairs"] == 1
