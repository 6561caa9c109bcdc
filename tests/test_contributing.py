"""The pages that a newcomer reads: paths lead somewhere, printed commands can be typed, printed Python runs."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import torch

from flow3d.__main__ import main
from flow3d.preprocessing.images import is_generated

REPOSITORY = Path(__file__).parents[1]
PAGES = ("README.md", "RESULTS.md", "CONTRIBUTING.md", "data/README.md")
LINKING = (*PAGES[:3], "CHANGELOG.md", "SECURITY.md")
PROGRAM = re.compile(
    r"(?:\.venv/bin/)?(?:python -m (?P<module>flow3d[\w.]*)|python (?P<file>kernels/\S+\.py)|flow3d)(?=\s|$)"
)
QUESTIONS = ("PSNR", "3D warp loss", "`flow3d train`", "rival", "hair")


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text_of(page))


def commands(page: str) -> list[str]:
    """Everything on a page that begins as one of our programs does, in blocks of shell and in code between ticks."""
    lines = [part for block in blocks(page, "sh") for line in block.splitlines() for part in line.split("&&")]
    prose = re.sub(r"(?ms)^```.*?^```", "", text_of(page))
    pieces = [piece.strip() for piece in (*lines, *re.findall(r"`([^`]+)`", prose))]
    return sorted({piece for piece in pieces if PROGRAM.match(piece)})


class ReadToTheEnd(Exception):
    """Raised in place of the work, once a program has read its command line."""


def read(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Let a program read its command line, and stop it there; of a part of one, look its options up in the help.

    Raises:
        AssertionError: there is no such program, command or option, or something is missing.
    """
    program = PROGRAM.match(command)
    assert program
    words = shlex.split(command[program.end() :], comments=True)
    own = program["file"] or program["module"] not in (None, "flow3d")
    partial = not words or "…" in words or "--help" in words or (len(words) == 1 and not own)
    typed = ([] if own else words[:1]) + ["--help"] if partial else words
    name = (Path(program["file"]).stem if program["file"] else program["module"]) if own else "flow3d.__main__"
    if own and not words:  # a program without options
        assert importlib.util.find_spec(name), f"{command}: no such program"
        return
    parse = argparse.ArgumentParser.parse_args

    def read_and_stop(self: argparse.ArgumentParser, *_: object) -> None:
        parse(self, typed)
        raise ReadToTheEnd

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", read_and_stop)
        try:
            code = importlib.import_module(name).main()
        except ReadToTheEnd:
            return
        except SystemExit as stopped:
            code = stopped.code
        except ImportError as error:
            raise AssertionError(f"{command}: no such program") from error
    listed, complaint = capsys.readouterr()
    assert code == 0, f"{command}: {complaint}"
    unknown = [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", listed)]
    assert not unknown, f"{command}: no option {unknown}"


def defines(file: str, name: str) -> bool:
    """Whether a file of the repository has a function, a class or a variable of that name, not inside another."""
    path = REPOSITORY / file
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return name in named | {target.id for target in targets if isinstance(target, ast.Name)}


def test_readme_has_at_most_160_lines():
    assert len(text_of("README.md").splitlines()) <= 160


@pytest.mark.parametrize("question", QUESTIONS)
def test_contributing_answers_where_something_is(question):
    rows = [line for line in text_of("CONTRIBUTING.md").splitlines() if re.match(r"\| (where|what|which) ", line)]
    row = [line for line in rows if question in line.split("|")[1]]
    assert len(row) == 1
    places = re.findall(r"`([\w/]+\.py)`: `(\w+)`", row[0])
    assert places
    assert len(places) == row[0].count(".py`")
    for file, name in places:
        assert defines(file, name), f"{file} has no {name}"


def test_a_name_that_moved_is_noticed():
    assert not defines("flow3d/evaluation/scores/metrics.py", "psnr_of_old")
    assert not defines("flow3d/evaluation/metrics.py", "psnr")


def test_every_room_of_contributing_exists():
    rooms = re.findall(r"(?m)^\| `((?:flow3d|kernels)/\S+)` \|", text_of("CONTRIBUTING.md"))
    assert len(rooms) >= 10
    for room in rooms:
        assert list(REPOSITORY.glob(room)), f"no {room}"


@pytest.mark.parametrize("page", PAGES)
def test_every_printed_command_can_be_typed(page, monkeypatch, capsys):
    printed = commands(page)
    assert printed
    for command in printed:
        read(command, monkeypatch, capsys)


@pytest.mark.parametrize(
    "command",
    [
        "flow3d reenakt",
        "python -m flow3d evaluate --weights tiny --out runs/x --pears 3",
        "python -m flow3d evaluate --out runs/x",
        "python -m flow3d train --preset tiny --no-such-option 3 …",
        "python -m flow3d.evaluation.pairs.pair_files --no-such-option",
        "python -m flow3d.evaluation.pair_files --out data/protocols",
    ],
)
def test_a_command_that_cannot_be_typed_is_noticed(command, monkeypatch, capsys):
    with pytest.raises(AssertionError, match="flow3d"):
        read(command, monkeypatch, capsys)


def test_every_make_target_on_the_pages_exists():
    makefile = text_of("Makefile")
    named = {
        target for page in LINKING for target in re.findall(r"(?:`|&& |^)make ([a-z]+)", text_of(page), re.MULTILINE)
    }
    assert {"lab", "test", "check"} <= named
    for target in named:
        assert re.search(rf"(?m)^{target}:", makefile), f"the Makefile makes no {target}"


@pytest.mark.parametrize("page", LINKING)
def test_every_link_into_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(page)):
        if not target.startswith("https://"):
            assert (REPOSITORY / page).parent.joinpath(target).exists(), f"{page}: no {target}"


def test_the_python_of_readme_runs_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    with torch.no_grad():  # run-time shape checks hide from reenact's own that it is a generator
        exec(compile(code, "README.md", "exec"), {})
    assert is_generated("generated.png")
    result, untouched = (float(number) for number in re.findall(r"([\d.]+) dB", capsys.readouterr().out))
    assert result > untouched


def test_the_shell_line_of_readme_runs_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("README.md", "sh") if "reenact" in block]
    python, option, code, *line = shlex.split(block)
    assert (python, option, line[0]) == (".venv/bin/python", "-c", ".venv/bin/flow3d")
    exec(compile(code, "README.md", "exec"), {})
    assert main(line[1:]) == 0
    assert capsys.readouterr().err == ""
    assert Path(line[-1]).stat().st_size > 0


def test_the_interval_of_results_is_what_it_prints(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    (code,) = [block for block in blocks("RESULTS.md", "python") if "ablations.json" in block]
    exec(compile(code, "RESULTS.md", "exec"), {})
    assert capsys.readouterr().out.strip() == code.rstrip().rpartition("# ")[2]
