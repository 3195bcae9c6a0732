"""A change of the model up to where it can be tried: its file fetched, its hash compared, the model run apart.

Nothing of what runs now is touched by it. Steps come from ``tend``, one thread.
"""

import time
from collections.abc import Callable
from typing import Final

from edge_agent.chosen_model import chosen_model
from edge_agent.config import AgentConfig
from edge_agent.remote.fetching import Fetch, Wanted
from edge_agent.remote.model_files import CHECK_SET_SUFFIX, ModelFiles
from edge_agent.remote.self_test import SelfTest
from edge_agent.remote.settings import ModelChoice, Settings, SettingsFile
from edge_agent.remote.trial_run import TrialResult
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.orders import BlobChunk, ChangeModel

POLL_S: Final = 0.1


class ModelUnfitError(Exception):
    """The model came whole, and cannot be run here; the text is one line for the operator."""


class ModelChange:
    """See the module's text. ``ready`` then holds the settings to try, and ``tested`` what the self-test found."""

    def __init__(
        self,
        action: ChangeModel,
        config: AgentConfig,
        settings: SettingsFile,
        files: ModelFiles,
        ask: Callable[[str, int], bool],
        before_test: Callable[[], None],
    ) -> None:
        """Begin. ``config``: of the file. ``before_test``: called once, before the model is run for the first time.

        Raises FetchError, OSError.
        """
        self._action, self._config, self._files = action, config, files
        self._settings, self._before_test = settings, before_test
        self._test: SelfTest | None = None
        self.ready: Settings | None = None
        self.tested = TrialResult()
        self._fetch = Fetch(
            files,
            _wanted(action),
            ask,
            now_s=time.monotonic(),
            limit_s=config.remote.max_fetch_s,
            keep=[sha256 for one in settings.models for sha256 in (one.sha256, one.check_set_sha256) if sha256],
        )

    @property
    def is_fetching(self) -> bool:
        """Return whether files are still to come."""
        return not self._fetch.done

    @property
    def progress_ratio(self) -> float:
        """Return how much has come."""
        return self._fetch.progress_ratio

    def wait_s(self) -> float:
        """Return for how long ``tend`` has nothing to do unless a chunk comes."""
        return self._fetch.wait_s(time.monotonic()) if self.is_fetching else POLL_S

    def take(self, chunk: BlobChunk) -> None:
        """Take a chunk. Raises FetchError, OSError."""
        self._fetch.take(chunk, time.monotonic())

    def tend(self) -> None:
        """Go on. Raises FetchError, ModelUnfitError, ConfigurationError, OSError: then it is over."""
        self._fetch.tend(time.monotonic())
        if self.is_fetching or self.ready is not None:
            return
        if self._test is None:
            self._test = self._begin_test()
        result = self._test.poll()
        if result is None:
            return
        if result.failure:
            raise ModelUnfitError(f"model {self._action.model_id!r} failed its self-test: {result.failure}")
        self.tested, self.ready = result, self._changed()

    def close(self) -> None:
        """End what runs."""
        if self._test is not None:
            self._test.close()

    def _changed(self) -> Settings:
        action, now = self._action, self._settings.settings
        choice = ModelChoice(
            model_id=action.model_id,
            sha256=action.sha256,
            suffix=action.suffix if action.size_bytes else "",
            check_set_sha256=action.check_set_sha256 if action.size_bytes else None,
        )
        return Settings(window_s=now.window_s, duty_ratio=now.duty_ratio, model=choice)

    def _begin_test(self) -> SelfTest:
        config = self._changed().over(self._config, self._files)
        try:
            model = chosen_model(config)
        except ConfigurationError as error:
            raise ConfigurationError(f"model {self._action.model_id!r} is refused: {error}") from error
        self._before_test()
        return SelfTest(config, model)


def _wanted(action: ChangeModel) -> list[Wanted]:
    if not action.size_bytes:
        return []
    found = [Wanted(action.sha256, action.size_bytes, action.suffix, f"model {action.model_id!r}")]
    if action.check_set_sha256 is not None:
        what = f"the check set of model {action.model_id!r}"
        found.append(Wanted(action.check_set_sha256, action.check_set_bytes, CHECK_SET_SUFFIX, what))
    return found
