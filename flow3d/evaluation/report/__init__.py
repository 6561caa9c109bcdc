"""How results are shown: tables, contact sheets, and the record of a run."""
