"""Generates the messages before the package is built."""

import pathlib
import runpy
import shutil
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class GenerateHook(BuildHookInterface):  # type: ignore[type-arg]
    def dependencies(self) -> list[str]:
        return [] if shutil.which("protoc") else ["grpcio-tools"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generator = runpy.run_path(str(pathlib.Path(self.root) / "generate"))
        generator["generate"](pathlib.Path(self.root) / "src")
