"""Export: what is stored, as files that other programs read. Units stand in the names, or beside them.

    write_table(table, path)                 any DataFrame as CSV or Parquet, by the path's ending
    write_build(store, name, path, ...)      a build: a table of it, all of it (HDF5), a field or its scan path (VTK)

h5py, pyarrow and PyVista are imported where they are used.
"""

from twin.export.build import write_build
from twin.export.table import ExportError, write_table

__all__ = ["ExportError", "write_build", "write_table"]
