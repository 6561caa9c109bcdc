"""A command line that cannot be understood is one line, in the words of the package, with the nearest name."""

import pytest

from flow3d.commands.parser import Parser, UsageError, one_of, positive, seed, whole


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="flow3d try")
    made.add_argument("source", metavar="SOURCE")
    made.add_argument("--held-out")
    made.add_argument("--minutes", type=positive)
    made.add_argument("--steps", type=whole(1))
    made.add_argument("--long", type=whole(0))
    made.add_argument("--clips", type=whole(1, 3))
    made.add_argument("--seeds", type=seed, nargs="+")
    made.add_argument("--preset", **one_of(("micro", "tiny")))
    made.add_argument("--phase", **one_of((1, 2)))
    made.add_argument("--fast", action="store_true")
    return made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "SOURCE: expected a value, got none; see flow3d try --help"),
        ("a b", "b: expected no further argument of flow3d try"),
        ("a --heldout x", "--heldout: expected an option of flow3d try; the nearest is --held-out"),
        ("--heldout x", "--heldout: expected an option of flow3d try; the nearest is --held-out"),
        ("a --held=x", "--held: expected an option of flow3d try; the nearest is --held-out"),
        ("a --zzz", "--zzz: expected an option of flow3d try"),
        ("a -x", "-x: expected an option of flow3d try"),
        ("a --held-out", "--held-out: expected one value, got none"),
        ("a --seeds", "--seeds: expected at least one value, got none"),
        ("a --fast=yes", "--fast: expected no value, got 'yes'"),
        ("a --minutes nan", "--minutes: expected a positive number, got 'nan'"),
        ("a --minutes inf", "--minutes: expected a positive number, got 'inf'"),
        ("a --minutes 1e999", "--minutes: expected a positive number, got '1e999'"),
        ("a --minutes 0", "--minutes: expected a positive number, got '0'"),
        ("a --minutes -1", "--minutes: expected a positive number, got '-1'"),
        ("a --minutes soon", "--minutes: expected a positive number, got 'soon'"),
        ("a --steps 1e1", "--steps: expected a whole number of 1 or more, got '1e1'"),
        ("a --steps 2.0", "--steps: expected a whole number of 1 or more, got '2.0'"),
        ("a --steps 0", "--steps: expected a whole number of 1 or more, got '0'"),
        ("a --long -3", "--long: expected a whole number of 0 or more, got '-3'"),
        ("a --clips 4", "--clips: expected a whole number from 1 to 3, got '4'"),
        (f"a --seeds 1 {2**63}", f"--seeds: expected a whole number from 0 to {2**63 - 1}, got '{2**63}'"),
        ("a --preset tyni", "--preset: expected micro or tiny, got 'tyni'; the nearest is tiny"),
        ("a --phase 3", "--phase: expected 1 or 2, got '3'"),
    ],
)
def test_bad_words_are_named_with_what_was_expected(parser, words, message):
    with pytest.raises(UsageError) as error:
        parser.parse_args(words.split())
    assert str(error.value) == message


def test_good_words_are_read_with_their_types(parser):
    words = "--minutes 1.5 --steps 1_000 --long 0 --clips 3 --seeds 0 7 --preset micro --phase 2 -- -odd-name"
    read = parser.parse_args(words.split())
    assert (read.minutes, read.steps, read.long, read.clips, read.seeds) == (1.5, 1000, 0, 3, [0, 7])
    assert (read.preset, read.phase, read.source, read.held_out) == ("micro", 2, "-odd-name", None)


def test_an_argument_is_known_as_it_is_typed(parser):
    assert parser.names["held_out"] == "--held-out"
    assert parser.names["source"] == "SOURCE"
    assert parser.names["help"] == "--help"


def test_a_command_leaves_the_words_behind_it_to_its_own_parser():
    top = Parser(prog="flow3d")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("train").add_argument("--steps", type=whole(1))
    assert top.parse_args(["train", "--steps", "3"]).steps == 3
    for words, message in (
        (["trian"], "COMMAND: expected train, got 'trian'; the nearest is train"),
        ([], "COMMAND: expected a value, got none; see flow3d --help"),
        (["--stpes", "3"], "--stpes: expected an option of flow3d"),
        (["train", "--stpes", "3"], "--stpes: expected an option of flow3d train; the nearest is --steps"),
    ):
        with pytest.raises(UsageError) as error:
            top.parse_args(words)
        assert str(error.value) == message
