"""Ids as people meet them: in addresses, and on the command line."""

from __future__ import annotations

import re

from paddock.storage.ids import new_id


def test_an_id_is_no_flag_and_nothing_that_an_address_would_change():
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(re.fullmatch(r"[A-Za-z0-9_]{16}", one) for one in ids)
