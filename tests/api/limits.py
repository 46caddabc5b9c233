"""Tests with memory limits, run by pytest with the plugin; each is named for how it must end."""
import unittest

import pytest

kept = []


@pytest.mark.limit_leaks("10 kB", per=100)
def test_passes():
    assert sum([i * 1000 for i in range(100)]) == 4950000


@pytest.mark.limit_leaks("10 kB", per=100)
def test_fails_leak():
    kept.append(bytes(1000))


@pytest.mark.limit_leaks("1 kB", per=1)
def test_passes_leak_below_limit():
    kept.append(bytes(500))


@pytest.mark.limit_leaks("10 kB", per=100, operations=200)
def test_fails_inconclusive():
    kept.append(bytes(80 if len(kept) % 7 else 300))


@pytest.mark.limit_memory("1 GiB")
def test_passes_memory():
    assert len(bytes(1000000)) == 1000000


@pytest.mark.limit_memory("60MB")
def test_fails_memory():
    assert len(bytes(61000000)) == 61000000


@pytest.mark.limit_leaks("1 MB", operations=3001)
@pytest.mark.limit_memory("1 GiB")
@pytest.mark.parametrize("word", ["a::b"])
def test_passes_parameters(word, tmp_path):
    kept.append(word)
    (tmp_path / "count").write_text(str(len(kept)))
    assert len(kept) <= 3001


class TestMethods:
    @pytest.mark.limit_memory("1 GiB")
    def test_passes_method(self):
        pass


@pytest.mark.limit_leaks("10 kB")
def test_fails_assertion():
    assert kept == ["not this"]


@pytest.mark.limit_leaks("10 kB")
def test_skipped_inside():
    pytest.skip("not today")


@pytest.mark.skip(reason="not here")
@pytest.mark.limit_leaks("10 kB")
def test_skipped_outside():
    pass


@pytest.mark.xfail
@pytest.mark.limit_leaks("10 kB")
def test_xfailed_leak():
    kept.append(bytes(1000))


@pytest.mark.limit_leaks("much")
def test_fails_size():
    pass


@pytest.mark.limit_leaks("10 kB", per=0)
def test_fails_per():
    pass


@pytest.mark.limit_leaks("10 kB", operations="many")
def test_fails_operations():
    pass


class Cases(unittest.TestCase):
    @pytest.mark.limit_leaks("10 kB")
    def test_fails_unittest(self):
        pass


@pytest.fixture
def broken():
    raise OSError("no fixture today")


@pytest.mark.limit_leaks("10 kB")
def test_fails_fixture(broken):
    pass


@pytest.mark.limit_leaks("10 kB")
def test_passes_noisily():
    import logging
    import warnings
    logging.getLogger("x").warning("a line that nobody reads")
    warnings.warn("a warning that nobody reads")
    print("a line")


@pytest.mark.limit_leaks("10 kB")
def test_fails_crash():
    import os
    os.abort()


def test_passes_without_mark():
    assert not kept
