"""The four programs of ``impl_raw`` refactored with ``with``: whatever is opened closes itself, however its block is left."""
