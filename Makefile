# make lab    the notebooks in JupyterLab          make test    every test and every notebook
# make bench  time the kernels                     make figures draw the pictures of README and notebooks
# make check  lint, types, stripped notebooks      make html    the notebooks with their results, in runs/html
# make clean  remove the virtual environment
#
# PYTHON=python3.12   the Python to build the environment with
# PIP_ARGS="..."      options for pip, such as another package index
# LAB_ARGS="..."      options for JupyterLab, such as --ip=0.0.0.0 or --port=9000
# TEST_ARGS="..."     options for pytest, such as -x, -k warp, or -n 0 for one process

VENV := .venv
PY := $(VENV)/bin/python
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
export PYTHON

# Packages and kernels of this environment only, whatever the caller's shell points Python and Jupyter to.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1
export JUPYTER_PREFER_ENV_PATH := 1

# One thread a process: tests and notebooks run side by side, and the tensors of a 64 px picture are too small to share.
# The kernels of a JupyterLab that is started here inherit it.
test html lab: export OMP_NUM_THREADS := 1
test html lab: export OPENBLAS_NUM_THREADS := 1
test html lab: export MKL_NUM_THREADS := 1
# A cell may take ten minutes, so that no notebook fails because a machine is slow or busy.
CELL_SECONDS := 600

.PHONY: lab test bench figures check html clean

lab: $(VENV)/.installed
	@.ci/lab $(PY) $(LAB_ARGS)

# As many processes as cores, a file's tests in one of them, what takes longest first: see tests/conftest.py.
test: $(VENV)/.installed-test
	FLOW3D_CI=1 $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder \
	    --nbmake --nbmake-timeout=$(CELL_SECONDS) --nbmake-kernel=python3 tests $(NOTEBOOKS) $(TEST_ARGS)

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
	FLOW3D_CI=1 $(PY) -m nbconvert --to html --execute --ExecutePreprocessor.timeout=$(CELL_SECONDS) --output-dir runs/html \
	    --NbConvertBase.display_data_priority='["image/png", "text/html", "text/markdown", "text/plain"]' $(NOTEBOOKS)

clean:
	rm -rf $(VENV)

# The stamps make an installation happen once, and again when pyproject.toml changes.
INSTALL = $(PY) -m pip install --disable-pip-version-check $(PIP_ARGS) -e

$(VENV)/.installed: pyproject.toml
	@.ci/venv $(VENV)
	@echo "Installing flow3d, the notebooks and what they need into $(VENV): a few minutes the first time."
	@$(INSTALL) ".[lab]"
	@touch $@

$(VENV)/.installed-test: pyproject.toml
	@.ci/venv $(VENV)
	@echo "Installing flow3d, what it needs and its test tools into $(VENV): a few minutes the first time."
	@$(INSTALL) ".[test]"
	@touch $(VENV)/.installed $@
