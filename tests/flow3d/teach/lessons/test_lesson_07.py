"""Notebook 07's tools: watching changes nothing, each term pulls where it should, and a thinned curve stays true.

Tests: flow3d.teach.figures.training.
"""

import csv

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from flow3d import FlowRenderer, preset
from flow3d.datasets.batch import Batch
from flow3d.teach.figures.training import HUES, ZERO, loss_curves, read_curve, share_bars, signature, training_curves
from flow3d.teach.lessons import lesson_07
from flow3d.teach.lessons.lesson_07 import NETWORKS, WatchedTrainer, flow_error, joined, shuffled, term_gradients, thin
from flow3d.training import Trainer, training
from flow3d.training.log import COLUMNS
from flow3d.training.perceptual import perceptual
from flow3d.training.steps import TrainingStep
from tolerances import LESSONS, TRAINING

NEAR = TRAINING["by hand"][0]
DIGITS, SECONDS = TRAINING["four digits"][0], TRAINING["whole seconds"][0]


@pytest.fixture(scope="module")
def batch(data) -> Batch:
    return data.batch(*data.draw(np.random.default_rng(0), 2))


def short(recipe="extended", phase=1, **changes):
    return training("micro", recipe, phase).replace(**{"batch": 2, "steps": 4} | changes)


def curve(rows: int, measured=()) -> dict[str, list[str]]:
    """The columns of a metrics.csv: a row every 20 steps, two terms, a measurement in some rows."""
    columns = {name: [""] * rows for name in COLUMNS}
    columns["step"] = [str(20 * (k + 1)) for k in range(rows)]
    columns["seconds"] = [f"{2.5 * (k + 1):.1f}" for k in range(rows)]
    columns["raw/3df"] = [str(1 + k % 5) for k in range(rows)]
    columns["raw/cw"] = ["" if k % 2 else "3.5" for k in range(rows)]
    for k in measured:
        for name, value in (("psnr", 20 + k), ("copy_psnr", 18), ("flow_error", 1 / (k + 1))):
            columns[name][k] = str(value)
    return columns


@pytest.fixture
def metrics(tmp_path):
    columns = curve(400, measured=(7, 8, 399))
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return tmp_path / "metrics.csv"


def test_the_error_of_no_flow_is_the_flow_s_length(batch, monkeypatch):
    zero = flow_error(None, batch)
    assert zero == pytest.approx(float(batch.flow[:, :2].norm(dim=1)[batch.seen].mean()), rel=NEAR)
    strict = FlowRenderer(preset("micro", "strict"))  # its flow head is zero at first
    assert flow_error(strict, batch) == zero
    monkeypatch.setattr(lesson_07, "estimated_flow", lambda renderer, batch: batch.flow[:, :2])
    assert flow_error(strict, batch) == 0


def test_shuffled_pairs_keep_their_pictures_and_lose_their_motion(batch):
    mixed = shuffled(batch)
    for k in range(len(batch)):
        assert torch.equal(mixed.target_window[k], batch.target_window[k - 1])
        assert not torch.equal(mixed.target_window[k], batch.target_window[k])
    for name in ("source", "target", "source_window", "flow"):
        assert getattr(mixed, name) is getattr(batch, name)


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten().double() for value in trainer.renderer.state_dict().values()])


def test_watching_changes_nothing_and_shuffling_does(data, tmp_path):
    probe = data.batch(*data.draw(np.random.default_rng(1), 3), both=False)
    plain = Trainer(short(), data, tmp_path / "plain")
    watched = WatchedTrainer(short(), data, tmp_path / "watched", probe, snapshots=2)
    blind = WatchedTrainer(short(), data, tmp_path / "blind", probe, snapshots=1, shuffle=True)
    for trainer in (plain, watched, blind):
        assert trainer.run(until=3) == "paused"
    assert torch.equal(weights(plain), weights(watched))
    assert not torch.equal(weights(plain), weights(blind))
    assert list(watched.snapshots) == [0, 2]
    assert list(blind.snapshots) == [0]
    assert len(watched.numbers) == 3
    snapshot = watched.snapshots[2]
    assert snapshot["raw"] != snapshot["averaged"]
    assert snapshot["output"][0].shape == (3, 32, 32)
    assert len(snapshot["decoded"]) == lesson_07.PICTURES


def test_each_term_pulls_at_the_networks_it_runs_through(batch):
    torch.manual_seed(0)
    step = TrainingStep(FlowRenderer(preset("micro", "strict")), short("strict", 2), perceptual("pyramid"))
    pull = term_gradients(step, batch)
    reached = {term: {network for network in NETWORKS if pull[network][term]} for term in pull["refiner"]}
    warp, code = "flow network", "encoder, decoder"
    assert reached == {
        "pw": {warp, code}, "3dw": {warp, code}, "3df": {code}, "cw": {warp, code},
        "pr": {warp, code, "refiner"}, "sr": {warp, code, "refiner"}, "inp": set(NETWORKS),
    }  # fmt: skip
    step(batch, 0)["inp"].backward()
    whole = sum(float(p.grad.square().sum()) for p in step.renderer.parameters() if p.grad is not None)
    assert sum(lengths["inp"] ** 2 for lengths in pull.values()) == pytest.approx(whole, rel=NEAR)


def test_a_thinned_curve_is_small_and_keeps_what_was_measured(data, metrics):
    full, limit = read_curve(metrics), 3000
    content = thin([metrics], data, limit)
    assert len(content) <= limit
    (metrics.parent / "thin.csv").write_bytes(content)
    small = read_curve(metrics.parent / "thin.csv")
    assert len(small["step"]) < 200
    assert small["step"][-1] == full["step"][-1]
    assert (np.diff(small["step"]) > 0).all()
    rows = np.isfinite(small["flow_error"])
    assert small["step"][rows].tolist() == [160, 180, 8000]
    assert small["psnr"][rows] == pytest.approx([27, 28, 419])
    steps = np.diff(small["step"], prepend=0)  # a mean weighs as many steps as it stands for
    assert (steps * small["raw/3df"]).sum() / 8000 == pytest.approx(full["raw/3df"].mean(), rel=DIGITS)
    assert set(small["raw/cw"][np.isfinite(small["raw/cw"])]) == {3.5}
    assert np.isnan(small["raw/pw"]).all()


def test_the_command_writes_the_copy_and_keeps_every_row_of_a_small_one(data, metrics, tmp_path):
    lesson_07.main(["--thin", str(metrics), "--out", str(tmp_path / "copy.csv"), "--held-out", str(data.folder)])
    full, copy = read_curve(metrics), read_curve(tmp_path / "copy.csv")
    assert list(copy) == [*full, ZERO]
    for name in full:
        assert copy[name] == pytest.approx(full[name], rel=DIGITS, abs=SECONDS if name == "seconds" else 0, nan_ok=True)


def test_parts_are_joined_into_one_curve(data, metrics, tmp_path):
    one = read_curve(metrics)
    both = joined([one, one])
    assert both["step"].tolist() == [*one["step"], *(one["step"] + 8000)]
    assert both["seconds"][-1] == 2 * one["seconds"][-1]
    assert both["psnr"][-1] == one["psnr"][-1]
    (tmp_path / "both.csv").write_bytes(thin([metrics, metrics], data))
    small = read_curve(tmp_path / "both.csv")
    assert small["step"][np.isfinite(small["psnr"])].tolist() == [160, 180, 8000, 8160, 8180, 16000]


def test_the_zero_flow_s_error_is_measured_on_the_contact_sheets_pairs(data, metrics, tmp_path):
    (tmp_path / "thin.csv").write_bytes(thin([metrics], data))
    small = read_curve(tmp_path / "thin.csv")
    fresh = Trainer(short("strict"), data, tmp_path / "fresh")  # its flow is still zero
    assert np.nanmax(small[ZERO]) == pytest.approx(fresh.draw()["flow_error"], rel=DIGITS)
    assert np.isfinite(small[ZERO]).tolist() == np.isfinite(small["flow_error"]).tolist()


def test_what_is_no_curve_is_refused(data, metrics, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"path: .*metrics\.csv"):
        read_curve(other)
    with pytest.raises(ValueError, match=r"limit: .* got 500 bytes"):
        thin([metrics], data, 500)


def test_bars_are_split_by_share_and_an_empty_row_stays_white():
    picture = share_bars({"loss": {"3df": 3.0, "cw": 1.0}, "nothing": {"3df": 0.0, "cw": 0.0}}, width=550)
    row, empty = picture[34 + 6], picture[2 * 34 + 6]
    count = {term: int((row == [round(255 * c) for c in to_rgb(HUES[term])]).all(1).sum()) for term in ("3df", "cw")}
    assert count["3df"] == pytest.approx(300, abs=LESSONS["bar"][0])
    assert count["cw"] == pytest.approx(100, abs=LESSONS["bar"][0])
    assert (empty[160:] == 255).all()


def numbers() -> dict[str, np.ndarray]:
    columns = curve(10, measured=(3, 6, 9)) | {ZERO: ["2"] * 10}
    return {name: np.array([float(value or "nan") for value in values]) for name, values in columns.items()}


def drawn(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """Where a curve's points stand."""
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def test_the_second_phase_goes_on_where_the_first_ended():
    figure = training_curves({"extended": [numbers(), numbers()], "strict": [numbers()]})
    line = next(line for line in figure.axes[0].lines if line.get_label() == "extended")
    minutes, shares = drawn(line)
    assert minutes == pytest.approx(np.array([10, 17.5, 25, 35, 42.5, 50]) / 60)
    assert shares[:2] == pytest.approx(np.array([100 / 4 / 2, 100 / 7 / 2]))


def test_every_term_is_drawn_raw_and_weighted():
    rows = [{"raw/cw": 1.0, "weighted/cw": 2.5, "raw/flow": 0.1, "weighted/flow": 0.5}, {"raw/cw": 0.5, "total": 1.0}]
    figure = loss_curves({"a": rows})
    raw, weighted = (cell.lines for cell in figure.axes)
    assert [drawn(line)[1].tolist() for line in raw] == [[1.0, 0.5], [0.1]]
    assert [drawn(line)[1].tolist() for line in weighted] == [[2.5], [0.5]]


def test_the_signature_holds_the_sheet_and_both_curves():
    picture = torch.zeros(3, 8, 8)
    figure = signature(
        [{"source": picture, "output": picture}] * 2, {"raw": {0: 2.0, 10: 1.0}}, 2.0, {"extended": [numbers()]}
    )
    assert len(figure.axes) == 2 * 2 + 2
    assert drawn(figure.axes[4].lines[0])[1].tolist() == [100, 50]
