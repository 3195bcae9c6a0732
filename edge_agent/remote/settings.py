"""What orders have changed, over the configuration file, on disk; the latest on trial until it has proved itself.

A change is written down as tried before it is tried. What is found so after a restart has failed: it may be what ended
the agent. After an ordinary end it is tried again.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from edge_agent.config import AgentConfig, WorkloadSection
from edge_agent.durable_file import DAMAGED, write_durably
from edge_agent.remote.model_files import CHECK_SET_SUFFIX, ModelFiles
from edge_agent.wire.records import Identifier, Sha256

FILE_NAME: Final = "settings.json"
_LOG = structlog.get_logger()


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalogue where ``suffix`` is "", else a file that was fetched."""

    model_id: Identifier
    sha256: Sha256
    suffix: Literal["", ".tflite", ".onnx"] = ""
    check_set_sha256: Sha256 | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What orders have changed; None: as the configuration file says."""

    window_s: float | None = None
    duty_ratio: float | None = None
    model: ModelChoice | None = None

    def over(self, config: AgentConfig, files: ModelFiles) -> AgentConfig:
        """Return the configuration with these settings in it."""
        replace = msgspec.structs.replace
        if self.window_s is not None:
            config = replace(config, window=replace(config.window, window_s=self.window_s))
        if self.duty_ratio is not None:
            config = replace(config, workload=WorkloadSection(kind="paced", duty_ratio=self.duty_ratio))
        return config if self.model is None else _with_model(config, self.model, files)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A change that has not proved itself. ``before``: what to go back to. ``tried``: an agent has run with it."""

    command_id: str
    before: Settings
    tried: bool = True


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How the latest trial ended."""

    command_id: str
    stage: Literal["done", "rolled_back"]


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: Literal[1] = 1
    settings: Settings = Settings()
    trial: Trial | None = None
    previous_model: ModelChoice | None = None
    decided: Decision | None = None


class SettingsFile:
    """See the module's text. For one thread at a time, and the process that holds the state directory's lock."""

    def __init__(self, state_dir: Path) -> None:
        """Read what orders have changed. A damaged file is told and counts as none: the configuration holds then."""
        self.path = state_dir / FILE_NAME
        self._page = self._read()

    @property
    def settings(self) -> Settings:
        """Return what holds now, on trial or not."""
        return self._page.settings

    @property
    def trial(self) -> Trial | None:
        """Return the change that is on trial."""
        return self._page.trial

    @property
    def decided(self) -> Decision | None:
        """Return how the latest trial ended, None before the first one."""
        return self._page.decided

    @property
    def models(self) -> list[ModelChoice]:
        """Return the models whose files must stay: the present one, and the one before."""
        before = None if self.trial is None else self.trial.before.model
        found = (self.settings.model, before, self._page.previous_model)
        return [one for one in found if one is not None]

    def begin(self, settings: Settings, command_id: str) -> None:
        """Put ``settings`` on trial; it is on the disk when this returns. Raises OSError: then nothing changed."""
        self._write(
            msgspec.structs.replace(
                self._page, settings=settings, trial=Trial(command_id=command_id, before=self._page.settings)
            )
        )

    def confirm(self) -> None:
        """Take the change that is on trial for good. Raises OSError."""
        page = self._page
        if page.trial is not None:
            before = page.trial.before.model
            previous = page.previous_model if before == page.settings.model else before
            decided = Decision(command_id=page.trial.command_id, stage="done")
            self._write(msgspec.structs.replace(page, trial=None, previous_model=previous, decided=decided))

    def roll_back(self) -> None:
        """Go back to what was before the trial. Where the disk refuses, it holds until the next restart."""
        page = self._page
        if page.trial is not None:
            decided = Decision(command_id=page.trial.command_id, stage="rolled_back")
            self._write_or_tell(msgspec.structs.replace(page, settings=page.trial.before, trial=None, decided=decided))

    def note_tried(self, *, tried: bool) -> None:
        """Write down that an agent begins to run with what is on trial, or has ended in an ordinary way."""
        page = self._page
        if page.trial is not None and page.trial.tried != tried:
            trial = msgspec.structs.replace(page.trial, tried=tried)
            self._write_or_tell(msgspec.structs.replace(page, trial=trial))

    def forget(self) -> None:
        """Let the configuration file hold alone. Where the disk refuses, that holds until the next restart."""
        page = self._page
        decided = page.decided
        if page.trial is not None:
            decided = Decision(command_id=page.trial.command_id, stage="rolled_back")
        self._write_or_tell(_Page(previous_model=page.previous_model, decided=decided))

    def _write(self, page: _Page) -> None:
        write_durably(self.path, msgspec.json.encode(page))
        self._page = page

    def _write_or_tell(self, page: _Page) -> None:
        try:
            self._write(page)
        except OSError as error:
            self._page = page
            _LOG.error("settings_not_written", path=str(self.path), reason=error.strerror)

    def _read(self) -> _Page:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Page)
        except FileNotFoundError:
            return _Page()
        except (OSError, *DAMAGED) as error:
            _LOG.error("settings_not_read", path=str(self.path), reason=str(error), note="the configuration holds")
            return _Page()


def _with_model(config: AgentConfig, choice: ModelChoice, files: ModelFiles) -> AgentConfig:
    replace = msgspec.structs.replace
    if not choice.suffix:
        model = replace(
            config.model, id=choice.model_id, sha256=choice.sha256, path="", check_set="", check_set_sha256=None
        )
        return replace(config, model=model)
    checks = choice.check_set_sha256
    model = replace(
        config.model,
        id=choice.model_id,
        path=str(files.path(choice.sha256, choice.suffix)),
        sha256=choice.sha256,
        check_set="" if checks is None else str(files.path(checks, CHECK_SET_SUFFIX)),
        check_set_sha256=checks,
        catalog="",
        catalog_sha256=None,
        engine=config.model.engine if choice.suffix == ".tflite" and config.model.engine != "onnxruntime" else "auto",
    )
    return replace(config, model=model)
