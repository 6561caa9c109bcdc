# make lab    the notebooks in JupyterLab          make test    every test and every notebook
# make bench  time the kernels                     make figures draw the pictures of README and notebooks
# make check  lint, types, stripped notebooks      make html    the notebooks with their results, in runs/html
# make clean  remove the virtual environment
#
# PYTHON=python3.12   the Python to build the environment with
# PIP_ARGS="..."      options for pip, such as another package index
# LAB_ARGS="..."      options for JupyterLab, such as --ip=0.0.0.0 or --port=9000
# TEST_ARGS="..."     options for pytest, such as -x or -k warp

VENV := .venv
PY := $(VENV)/bin/python
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
export PYTHON

# Packages and kernels of this environment only, whatever the caller's shell points Python and Jupyter to.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1
export JUPYTER_PREFER_ENV_PATH := 1

.PHONY: lab test bench figures check html clean

lab: $(VENV)/.installed
	@.ci/lab $(PY) $(LAB_ARGS)

test: $(VENV)/.installed-test
	FLOW3D_CI=1 $(PY) -m pytest --nbmake --nbmake-timeout=120 --nbmake-kernel=python3 tests $(NOTEBOOKS) $(TEST_ARGS)

bench: $(VENV)/.installed
	$(PY) kernels/bench/operations.py --out kernels/bench/results/ $(BENCH_ARGS)

figures: $(VENV)/.installed
	$(PY) -m flow3d.teach.gallery --out notebooks/figures

check: $(VENV)/.installed-test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m ty check --python $(VENV)
	$(if $(NOTEBOOKS),$(PY) -m nbstripout --verify $(NOTEBOOKS))

# The plain picture of a widget output is preferred: a page without a kernel shows nothing in the widget's place.
html: $(VENV)/.installed-test
	FLOW3D_CI=1 $(PY) -m nbconvert --to html --execute --ExecutePreprocessor.timeout=120 --output-dir runs/html \
	    --NbConvertBase.display_data_priority='["image/png", "text/html", "text/markdown", "text/plain"]' $(NOTEBOOKS)

clean:
	rm -rf $(VENV)

# The stamps make an installation happen once, and again when pyproject.toml changes.
INSTALL = $(PY) -m pip install --disable-pip-version-check $(PIP_ARGS) -e

$(VENV)/.installed: pyproject.toml
	@.ci/venv $(VENV)
	@echo "Installing flow3d and what it needs into $(VENV): a few minutes the first time."
	@$(INSTALL) .
	@touch $@

$(VENV)/.installed-test: pyproject.toml
	@.ci/venv $(VENV)
	@echo "Installing flow3d, what it needs and its test tools into $(VENV): a few minutes the first time."
	@$(INSTALL) ".[test]"
	@touch $(VENV)/.installed $@
