"""What every test shares: a quiet exit.

DuckDB 2.0 under SQLAlchemy prints 60 lines about leaked instances after Python has ended, which would stand below
pytest's last line and hide it; the exit code is what it was.
"""

import atexit

from registry_pipeline.cli import _hush_duckdb_at_exit

atexit.register(_hush_duckdb_at_exit)
