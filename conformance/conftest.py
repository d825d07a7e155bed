"""What pytest takes from here: the options, the selection and the fixtures of the suite."""

from conformance.running.distribution import (
    pytest_collection,
    pytest_keyboard_interrupt,
    pytest_report_to_serializable,
    pytest_xdist_make_scheduler,
    pytest_xdist_setupnodes,
)
from conformance.running.fixtures import new_check, server, server_pool, start_client, start_server
from conformance.running.options import pytest_addhooks, pytest_addoption, pytest_configure, pytest_sessionfinish
from conformance.running.selection import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_pycollect_makeitem,
)

__all__ = [
    "new_check",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_collection",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_keyboard_interrupt",
    "pytest_pycollect_makeitem",
    "pytest_report_to_serializable",
    "pytest_sessionfinish",
    "pytest_xdist_make_scheduler",
    "pytest_xdist_setupnodes",
    "server",
    "server_pool",
    "start_client",
    "start_server",
]
