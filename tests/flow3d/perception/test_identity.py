"""The embedding of identities: its cosine, its verification by hand, and what the shipped weights tell apart."""

import pytest
import torch

from flow3d.evaluation.scores.metrics import csim
from flow3d.morphable import Coefficients, Person
from flow3d.perception import identity
from flow3d.perception.identity import IdentityConfig, IdentityEmbedding, verification
from flow3d.training.identity_trainer import measure, render_persons
from tolerances import EVALUATION, IDENTITY


@pytest.fixture(scope="module")
def shipped() -> IdentityEmbedding:
    return IdentityEmbedding.from_pretrained()


def test_csim_is_a_cosine():
    a, b = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 2.0], [4.0, 3.0]])
    assert csim(a, b) == pytest.approx([0.0, 24 / 25])
    assert csim(a, a) == pytest.approx([1.0, 1.0])


def test_verification_by_hand():
    angles = torch.deg2rad(torch.tensor([0.0, 20.0, 100.0, 30.0]))  # two persons, two sessions of each
    embeddings = torch.stack([angles.cos(), angles.sin()], 1)
    found = verification(embeddings, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]))
    # same: 20 and 70 degrees apart; other, of different sessions: 30 and 80
    assert found["auc"] == pytest.approx(3 / 4)
    assert found["top-1"] == pytest.approx(3 / 4)  # the last one's nearest is the first
    cosines = torch.deg2rad(torch.tensor([20.0, 70.0, 30.0, 80.0])).cos().tolist()
    assert (found["same"], found["other"]) == pytest.approx((sum(cosines[:2]) / 2, sum(cosines[2:]) / 2))


def test_one_person_alone_cannot_be_told_apart():
    with pytest.raises(ValueError, match="who: expected two persons or more"):
        verification(torch.eye(2), torch.tensor([0, 0]), torch.tensor([0, 1]))


def test_the_shipped_embedding_tells_unseen_persons_apart(shipped):
    assert shipped.config.seeds is not None
    assert shipped.config.seeds[1] < 1_000_000
    found = measure(shipped, render_persons(1_000_200, 8, 3))
    least, margin = IDENTITY["auc"][0], IDENTITY["over an untrained network"][0]
    assert found["embedding"]["auc"] > least
    assert found["embedding"]["auc"] > found["untrained"]["auc"] + margin


def test_embeddings_have_length_one_at_any_size_and_in_any_batch(shipped):
    torch.manual_seed(0)
    frames = torch.rand(3, 3, 32, 32) * 2 - 1
    found = shipped.embed(frames, look=False)
    limit = EVALUATION["cosine"][0]
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3), rtol=0, atol=limit)
    torch.testing.assert_close(shipped.embed(frames, batch=1, look=False), found, rtol=0, atol=limit)
    with pytest.raises(ValueError, match="frames: expected finite numbers in"):
        shipped.embed(torch.full((1, 3, 64, 64), torch.nan))


def test_pictures_of_nobody_get_a_warning_and_faces_none(shipped, monkeypatch):
    torch.manual_seed(0)
    noise, grey = torch.rand(3, 64, 64) * 2 - 1, torch.full((3, 64, 64), 0.1)
    head = Person.random(1_000_000).render(Coefficients.neutral(), 64).image
    shipped.embed(head[None])  # a warning would fail the test
    with pytest.warns(UserWarning, match=r"^frames: no face was found in 2 of 3 \(number 0, 2\)"):
        shipped.embed(torch.stack([noise, head, grey]))
    monkeypatch.setattr(identity, "find_faces", lambda _: (_ for _ in ()).throw(FileNotFoundError("no such network")))
    with pytest.warns(UserWarning, match="^frames: not searched for faces: no such network"):
        shipped.embed(head[None])


def test_weights_come_back_and_what_does_not_fit_is_refused(tmp_path):
    small = IdentityConfig(name="small", channels=(4, 4, 4, 4), features=8)
    torch.manual_seed(0)
    saved = IdentityEmbedding(small).eval()
    saved.save_pretrained(tmp_path, "Measured: nothing.")
    assert "Measured: nothing." in (tmp_path / "README.md").read_text()
    loaded = IdentityEmbedding.from_pretrained(tmp_path)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(loaded(images), saved(images))
    (tmp_path / "config.json").write_text('{"features": 9, "channels": [4, 4, 4, 4]}')
    with pytest.raises(ValueError, match=r"embedding\.safetensors: expected last\.weight"):
        IdentityEmbedding.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"depth": 9}')
    with pytest.raises(ValueError, match="depth"):
        IdentityEmbedding.from_pretrained(tmp_path)
