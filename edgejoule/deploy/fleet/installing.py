"""From a plan to a board that delivers: files there, the certificate, the installer, and reading along."""

import contextlib
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.enrolment import DIRECTORY, Enrolment, RefusedError
from edgejoule.deploy.fleet.outcome import Outcome, Status
from edgejoule.deploy.fleet.planning import Plan
from edgejoule.deploy.fleet.problems import LOST_KINDS, BoardError, Problem
from edgejoule.deploy.fleet.remote_board import ROOT, RemoteBoard, Tell, events_of
from edgejoule.output import printable

POLL_S: Final = 1.0
SILENT_S: Final = 60.0
"""So long an installer may say nothing before we ask whether it still runs."""
LOST_S: Final = 300.0
"""So long beyond the gate's time a board may be away before we no longer wait for it."""
UPLOAD_SHARE: Final = 0.4


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every board. ``installer``: the program that runs there, ours, not the bundle's.

    ``signer``: the public key that the bundle must bear. ``config_rule``: for a configuration that somebody changed.
    """

    installer: bytes
    signer: Path | None = None
    allow_clock: bool = False
    config_rule: str = ""
    no_compile: bool = False


class Installing:
    """One board's way. ``is_over``: tells whether the roll-out was broken off."""

    def __init__(
        self,
        plan: Plan,
        board: RemoteBoard,
        options: Options,
        enrolment: Enrolment | None,
        is_over: Callable[[], bool],
        tell: Tell,
    ) -> None:
        assert plan.bundle is not None
        self._plan, self._bundle, self._device = plan, plan.bundle, plan.device
        self._board, self._options, self._enrolment = board, options, enrolment
        self._is_over, self._tell = is_over, tell
        self._is_working = False
        self._bundle_file = f"{board.incoming}/{self._bundle.sha256[:16]}.bundle.zip"
        self._installer = f"{board.incoming}/installer.pyz"
        self._signer = f"{board.incoming}/signer.pub"

    def run(self) -> Outcome:
        """Bring the board where the plan says. Raises BoardError for what stood in the way on our side of it."""
        name = self._bundle_file.rsplit("/", 1)[1]
        kept = (name, f"{name}.part")
        self._board.prepare(kept)
        try:
            self._bring()
            result = self._job(self._install_words())
        except (BoardError, OSError, ConfigurationError):
            if not self._is_working:
                with contextlib.suppress(BoardError):
                    self._clean(kept)
            raise
        self._clean(kept)
        if self._plan.enrol and result.get("outcome") == "unchanged":
            self._board.checked("systemctl try-restart edgejoule-agent.service", "the agent does not start again")
        return self._outcome(result)

    def _bring(self) -> None:
        """Have all there that the installer takes; secrets last, so that they lie about for the shortest time."""
        self._board.put_large(self._bundle.path, self._bundle.sha256, self._bundle_file, self._told_upload)
        self._board.put_bytes(self._options.installer, self._installer)
        if self._options.signer is not None:
            self._board.put_bytes(self._options.signer.read_bytes(), self._signer)
        self._board.put_bytes(self._device.config, f"{self._board.incoming}/agent.toml")
        if self._plan.enrol:
            self._enrol()
        for secret, path in self._device.secrets.items():
            self._board.put_bytes(path.read_bytes(), f"{self._board.incoming}/secret.{secret}")

    def _install_words(self) -> list[str]:
        device, incoming = self._device, self._board.incoming
        words = ["install", "--bundle", self._bundle_file, "--config", f"{incoming}/agent.toml"]
        words += ["--gate-windows", str(device.gate_windows), "--gate-seconds", str(device.gate_seconds)]
        for name in device.secrets:
            words += ["--secret", f"{name}={incoming}/secret.{name}"]
        if device.wishes.meter_serial is not None:
            words += ["--meter-serial", device.wishes.meter_serial]
        for option, values in (("--ntp", device.wishes.ntp), ("--allow-device", device.wishes.allow_devices)):
            for value in values:
                words += [option, value]
        rule = [self._options.config_rule] if self._options.config_rule else []
        return [*words, *rule, *self._making_words()]

    def _making_words(self) -> list[str]:
        """Return the words on how a version is built."""
        options = self._options
        words = ["--require-signature", self._signer] if options.signer is not None else []
        flags = {"--allow-clock": options.allow_clock, "--no-compile": options.no_compile}
        return [*words, *(flag for flag, is_set in flags.items() if is_set)]

    def _enrol(self) -> None:
        """Build the version, whose program makes the key and the request; sign that here; put the answer there."""
        assert self._enrolment is not None
        built = self._job(["build", "--bundle", self._bundle_file, *self._making_words()])
        if built.get("exit") != 0:
            raise BoardError(_problem(built))
        program = f"{ROOT}/versions/{self._bundle.release}/venv/bin/edgejoule pki enrol --out {DIRECTORY}"
        name = shlex.quote(self._device.id)
        request = self._board.checked(f"{program} --csr-only --device {name}", "no certificate can be asked for")
        try:
            answer = self._enrolment.answer(self._device.id, request)
        except RefusedError as error:
            raise BoardError(Problem(kind="certificate", text=str(error), remedy="see edgejoule pki list")) from error
        file = f"{self._board.incoming}/answer.pem"
        self._board.put_bytes(answer.encode(), file)
        self._board.checked(f"{program} --accept {shlex.quote(file)}", "its certificate is not taken")

    def _job(self, words: list[str]) -> dict[str, Any]:
        """Start the installer apart from this connection, read along, and return its result. Raises BoardError."""
        asked = ["python3", self._installer, *words, "--clock-now", f"{time.time():.1f}", "--detach"]
        said = self._board.run(shlex.join(asked), timeout_s=120.0)
        events = events_of(said.stdout)
        job = next((event["id"] for event in events if event["event"] == "job"), None)
        if job is not None:
            self._is_working = True
            ended = self._followed(str(job))
            self._is_working = False
            return ended
        result = next((event for event in events if event["event"] == "result"), None)
        if result is None:
            words = (said.stderr or said.stdout).strip().splitlines() or ["nothing"]
            raise BoardError(
                Problem(kind="installer", text=f"the installer says {words[-1]!r}", remedy="log in there")
            )
        return result

    def _followed(self, job: str) -> dict[str, Any]:
        lines, heard_s = 0, time.monotonic()
        while not self._is_over():
            try:
                events = events_of(
                    self._board.run(f"tail -n +{lines + 1} {ROOT}/jobs/{shlex.quote(job)}.jsonl").stdout
                )
            except BoardError as error:
                patience_s = self._device.gate_seconds + LOST_S
                if error.problem.kind not in LOST_KINDS or time.monotonic() > heard_s + patience_s:
                    raise
                self._tell("away", 0.0, "the connection broke; its installer goes on")
                time.sleep(POLL_S)
                continue
            if events:
                lines, heard_s = lines + len(events), time.monotonic()
            elif time.monotonic() > heard_s + SILENT_S:
                events, heard_s = self._asked_after(job), time.monotonic()
            for event in events:
                if event["event"] == "result":
                    return event
                self._told(event)
            time.sleep(POLL_S)
        raise BoardError(
            Problem(
                kind="left", text="its installer was running when this ended", remedy="run this again: it finds out"
            )
        )

    def _asked_after(self, job: str) -> list[dict[str, Any]]:
        """Return the result of a job that says nothing, if it has ended: whoever follows it finds out."""
        said = self._board.run(f"timeout 30 python3 {self._installer} follow {shlex.quote(job)}", timeout_s=60.0)
        return [event for event in events_of(said.stdout) if event["event"] == "result"]

    def _told(self, event: dict[str, Any]) -> None:
        said = event.get("percent")
        done = float(said) if isinstance(said, int | float) and 0 <= said <= 100 else 0.0
        percent = done * (1.0 - UPLOAD_SHARE) + 100.0 * UPLOAD_SHARE
        self._tell(printable(str(event.get("step", event["event"]))), percent, printable(str(event.get("text", ""))))

    def _told_upload(self, step: str, percent: float, text: str) -> None:
        if self._is_over():
            raise BoardError(
                Problem(kind="left", text="the upload was broken off", remedy="run this again: it goes on there")
            )
        self._tell(step, percent * UPLOAD_SHARE, text)

    def _clean(self, kept: tuple[str, ...]) -> None:
        """Leave the bundle alone, which another configuration needs again; secrets go."""
        self._board.prepare(kept)

    def _outcome(self, result: dict[str, Any]) -> Outcome:
        outcome = str(result.get("outcome"))
        report = self._plan.report
        was = report.current if report is not None else None
        status: Status = "failed"
        if result.get("exit") == 0:
            status = self._plan.done if outcome != "unchanged" or self._plan.enrol else "unchanged"
        elif outcome == "rolled-back":
            status = "rolled-back"
        return Outcome(
            device=self._device.id,
            site=self._device.site,
            status=status,
            was=was,
            now=self._bundle.release if result.get("exit") == 0 else was,
            why=self._plan.why,
            problem=None if result.get("exit") == 0 else _problem(result),
        )


def _problem(result: dict[str, Any]) -> Problem:
    """Return what the installer said of its failure."""
    journal = result.get("journal")
    return Problem(
        kind=str(result.get("kind", "installer")),
        text=str(result.get("text", "the installer failed")),
        remedy=str(result.get("remedy") or "see what it says: edgejoule deploy status there"),
        journal=tuple(map(str, journal)) if isinstance(journal, list) else (),
    )
