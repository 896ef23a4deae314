"""What the class and the parameters of every scaler promise; the suites of `scaler_contract` include it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from scaler.ports.scaler import Scaler, ScalerConfig
from scaler.testing.driving import shown_secrets


class DeclarationContract(ABC):
    """What every scaler's class and its parameters promise.

    Attributes:
        schema: File with the JSON Schema of the parameters, that which users were promised; None to leave it open.
    """

    schema: ClassVar[Path | None] = None

    @property
    @abstractmethod
    def scaler(self) -> type[Scaler[Any]]:
        """The scaler under test; a class attribute will do."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return what a manifest says to reach the source: it exists, and is empty."""

    def config(self, parameters: Mapping[str, Any] | None = None) -> ScalerConfig:
        """Return the validated parameters."""
        return self.scaler.Config.model_validate(self.parameters() if parameters is None else parameters)

    def test_parameters_have_defaults_that_make_a_target(self) -> None:
        config = self.config()
        assert config.target() > 0
        assert config.activation() >= 0

    def test_an_unknown_parameter_is_refused_by_name(self) -> None:
        with pytest.raises(ValidationError) as caught:
            self.config({**self.parameters(), "surelyNotAParameter": "1"})
        assert [error["loc"] for error in caught.value.errors(include_input=False)] == [("surelyNotAParameter",)]

    def test_secrets_show_in_no_text(self) -> None:
        config = self.config()
        assert not shown_secrets(config, f"{config!r} {config}")
        with pytest.raises(ValidationError) as caught:
            self.config({**self.parameters(), "surelyNotAParameter": "1"})
        assert not shown_secrets(config, str(caught.value))

    def test_the_schema_is_the_one_that_was_promised(self) -> None:
        if self.schema is None:
            pytest.skip("no file with a promised schema")
        assert self.scaler.Config.model_json_schema() == json.loads(self.schema.read_text())

    def test_the_class_says_what_it_reads(self) -> None:
        assert (self.scaler.__doc__ or "").strip()
