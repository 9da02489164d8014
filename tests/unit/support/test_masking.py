"""Values of secret options are masked, and no others."""

from __future__ import annotations

import pytest

from qubo_dnn.support.masking import masked


@pytest.mark.parametrize(
    "name",
    [
        *("token", "api_token", "APIToken", "tokens", "client-secret", "password", "passwd", "credentials"),
        *("apikey", "api_key", "private key", "auth", "auth_header"),
    ],
)
def test_secrets(name: str) -> None:
    assert masked({name: "DEV-1", "outer": {name: "DEV-2"}}) == {name: "***", "outer": {name: "***"}}
    assert masked({name: None}) == {name: None}


@pytest.mark.parametrize("name", ["num_reads", "profile", "solver", "author", "keys", "key", "label", "target"])
def test_all_else_stays(name: str) -> None:
    assert masked({name: [1]}) == {name: [1]}
