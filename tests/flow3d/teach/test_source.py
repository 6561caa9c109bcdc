"""What show_source shows is what the package runs."""

import pytest

from flow3d import assets
from flow3d.teach import show_source, source


@pytest.fixture
def shown(monkeypatch):
    texts = []
    monkeypatch.setattr(source, "display", lambda output: texts.append(output.data))
    return texts


def test_source_comes_with_its_place_and_without_its_docstring(shown):
    show_source(assets.path)
    (text,) = shown
    assert text.startswith("```python\n# flow3d/assets.py, line ")
    assert "def path(name: str) -> Path:\n    relative = Path(name)" in text
    assert "Raises:" not in text


def test_the_docstring_can_be_kept_and_several_objects_shown(shown):
    show_source(assets.path, assets.roots, docstring=True)
    assert len(shown) == 2
    assert "Raises:" in shown[0]


def test_classes_methods_and_modules_have_sources():
    class Sample:
        """About it."""

        def method(self):
            """About this."""
            return 1

    assert source.source_text(Sample, docstring=False).startswith("class Sample:\n\n    def method(self):")
    assert source.source_text(Sample.method, docstring=False) == "def method(self):\n    return 1"
    assert source.source_text(assets, docstring=False).startswith("import os\nimport sys\nfrom pathlib import Path")
    assert source.location(assets) == "flow3d/assets.py, line 1"


@pytest.mark.parametrize("obj", [len, 3, "path"])
def test_what_has_no_source_is_refused(obj):
    with pytest.raises(TypeError, match="obj: expected a function, class or module written in Python"):
        source.source_text(obj)
