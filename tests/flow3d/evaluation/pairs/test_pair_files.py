"""The published lists: what the package ships is what the command writes, and each row is the pair that it names."""

import pytest

from flow3d.datasets import make_pair
from flow3d.evaluation.pairs.pair_files import COUNTS, ListedPair, as_text, list_pairs, published, read_list
from flow3d.evaluation.pairs.protocols import WIDE
from tolerances import EVALUATION

HEAD = "seed,driver,source_frame,driving_frame,yaw_difference,bin\n"


@pytest.mark.parametrize("protocol", COUNTS)
def test_the_shipped_list_is_what_the_command_writes(protocol):
    shipped = published(protocol)
    assert len(shipped) == COUNTS[protocol]
    assert shipped[:8] == list_pairs(protocol, 8)
    assert len({pair.seed for pair in shipped}) == len(shipped)
    assert all((pair.driver != pair.seed) == (protocol == "cross") for pair in shipped)
    assert protocol != "extreme-pose" or min(pair.yaw_difference for pair in shipped) > WIDE


def test_a_row_renders_the_pair_it_names():
    for row in (published("cross")[3], published("self")[3]):
        pair, again = row.render(16), make_pair(row.seed, 16, cross=row.driver != row.seed)
        assert pair.yaw_difference == pytest.approx(row.yaw_difference, abs=EVALUATION["published yaw"][0])
        assert (pair.target == again.target).all()
        assert (pair.driving is pair.target) == (row.driver == row.seed)


def test_a_row_that_was_tampered_with_is_refused():
    row = published("self")[0]
    wrong = ListedPair(row.seed, row.driver, row.source_frame + 1, row.driving_frame, row.yaw_difference, row.bin)
    with pytest.raises(ValueError, match="pair: expected"):
        wrong.render(16)


def test_a_list_survives_its_file(tmp_path):
    pairs = list_pairs("cross", 2)
    (tmp_path / "mine.csv").write_text(as_text(pairs))
    assert read_list(tmp_path / "mine.csv") == pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list: expected rows of seed"),
        ("a,b\n1,2\n", "list: expected rows of seed"),
        (HEAD + "1000000,x,1,2,3,0-10\n", "list: line 2 of"),
        (HEAD + "5,5,1,2,3,0-10\n", "expected a seed from 1,000,000"),
    ],
)
def test_bad_lists_are_named(tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_list(tmp_path / "bad.csv")


def test_an_unknown_protocol_is_named():
    for ask in (published, lambda name: list_pairs(name, 1)):
        with pytest.raises(ValueError, match="protocol: expected one of self, cross, extreme-pose, got 'wild'"):
            ask("wild")
