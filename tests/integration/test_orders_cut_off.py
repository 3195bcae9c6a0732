"""Orders and an agent that is killed at the worst moments: each order has one end, and what ran before runs again."""

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from collector import replies
from edge_agent.model_catalog import find_model
from edge_agent.wire.orders import FINAL_STAGES, Action, ChangeModel, Deferral, RunBatch, SetWindow
from edgejoule.orders.dispatch import Dispatch
from edgejoule.orders.sending import send
from tests.fakes.delivery import wait_until
from tests.fakes.ordered_site import PATIENCE_S, WINDOW_S, OrderedSite, ordered_site

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.xdist_group("orders_cut_off")]
OTHER = find_model("digits_mlp_float32")


def begin(site: OrderedSite, action: Action, defer: Deferral | None = None) -> str:
    """Send an order and return its id once the device has taken it up."""
    dispatch = Dispatch(site.dispatch(action, defer=defer).sendings, wait=False)
    send(site.settings, dispatch, ends_s=time.monotonic() + PATIENCE_S)
    (outcome,) = dispatch.outcomes(time.monotonic())
    assert outcome.outcome == "under_way", outcome
    return outcome.command_id


def stage_of(site: OrderedSite, command_id: str) -> str:
    return next((entry.stage for entry in site.entries() if entry.command_id == command_id), "")


def wait_for_stage(site: OrderedSite, command_id: str, stage: str) -> None:
    wait_until(lambda: stage_of(site, command_id) == stage, f"{command_id} is {stage}: {site.entries()}", PATIENCE_S)


def kill_and_start(site: OrderedSite) -> None:
    """Kill the agent, start it again, and wait for a window of the new one."""
    site.agent.end()
    start(site)


def start(site: OrderedSite) -> None:
    site.agent.start()
    wait_for_windows(site)


def wait_for_windows(site: OrderedSite, count: int = 2) -> None:
    seen = len(site.windows())
    wait_until(lambda: len(site.windows()) >= seen + count, "windows go on", PATIENCE_S)


def window_s(site: OrderedSite) -> float:
    return site.windows()[-1].window.duration_s


def assert_one_end_each(site: OrderedSite) -> None:
    with contextlib.closing(site.collector.open_journal()) as journal, journal.snapshot() as db:
        ends = Counter(one.reply.command_id for one in replies.stored(db) if one.reply.stage in FINAL_STAGES)
    assert ends
    assert set(ends.values()) == {1}
    assert {entry.command_id for entry in site.entries()} == set(ends)


def test_whatever_is_cut_off_has_one_end_and_what_ran_before_runs_again(tmp_path: Path) -> None:
    with ordered_site(tmp_path, device_bytes_per_s=262_144.0) as site:
        a_confirmed_change_outlives_a_kill_and_one_on_trial_is_taken_back(site)
        an_ordinary_stop_goes_on_with_the_trial_and_a_kill_after_it_ends_it(site)
        fetched = a_fetch_that_a_kill_has_cut_off_goes_on_and_the_model_runs(site)
        a_batch_that_a_kill_has_ended_is_reported_and_not_begun_again(site)
        assert site.windows()[-1].window.model_sha256 == fetched, "it outlives a kill"
        what_may_wait_says_so_and_what_it_took(site)
        assert_one_end_each(site)
        an_operator_who_is_no_more_is_heard_no_more(site)
        line = site.ledger()
        assert line.adds_up, line


def a_confirmed_change_outlives_a_kill_and_one_on_trial_is_taken_back(site: OrderedSite) -> None:
    assert site.order(SetWindow(window_s=1.0)).outcome == "done"
    order = begin(site, SetWindow(window_s=600.0))
    wait_until(lambda: site.state("settings.json")["trial"] is not None, "it is on trial", PATIENCE_S)
    kill_and_start(site)
    wait_for_stage(site, order, "rolled_back")
    wait_until(lambda: window_s(site) == pytest.approx(1.0), "windows of 1 s again", PATIENCE_S)


def an_ordinary_stop_goes_on_with_the_trial_and_a_kill_after_it_ends_it(site: OrderedSite) -> None:
    order = begin(site, SetWindow(window_s=590.0))
    wait_until(lambda: site.state("settings.json")["trial"] is not None, "it is on trial", PATIENCE_S)
    assert site.agent.stop_undelivered() == 0
    assert site.state("settings.json")["trial"]["tried"] is False
    site.agent.start()
    wait_until(lambda: site.state("settings.json")["trial"]["tried"], "it is tried again", PATIENCE_S)
    assert site.state("settings.json")["settings"]["window_s"] == 590.0
    assert stage_of(site, order) == "running"
    kill_and_start(site)
    wait_for_stage(site, order, "rolled_back")


def a_batch_that_a_kill_has_ended_is_reported_and_not_begun_again(site: OrderedSite) -> None:
    first = site.directory / "inputs" / "000.npy"
    np.save(first, np.zeros((100_000, 64), np.float32))
    for number in range(1, 400):
        os.link(first, first.with_name(f"{number:03}.npy"))
    order = begin(site, RunBatch(folder="night"))
    out = site.directory / "state" / "batches" / order
    wait_until(lambda: out.is_dir() and any(out.iterdir()), "the first outputs", PATIENCE_S)
    kill_and_start(site)
    wait_for_stage(site, order, "failed")
    held = len(list(out.iterdir()))
    (entry,) = [one for one in site.entries() if one.command_id == order]
    assert entry.reason == "the agent was restarted while it was at work"
    assert len(list(out.iterdir())) == held < 400
    assert_one_end_each(site)
    for path in first.parent.iterdir():
        path.unlink()


def a_fetch_that_a_kill_has_cut_off_goes_on_and_the_model_runs(site: OrderedSite) -> str:
    content = OTHER.path.read_bytes() + bytes(3 << 19)  # a .tflite file may have something behind it
    _, blob = site.publish("padded.tflite", content)
    order = begin(site, ChangeModel(model_id="padded", sha256=blob.sha256, size_bytes=blob.size_bytes))
    part = site.directory / "state" / "models" / f"{blob.sha256}.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 0.7 * len(content), "a part of it", PATIENCE_S)
    held_bytes = part.stat().st_size
    served_bytes = site.metric("edgejoule_blob_bytes_total")
    site.agent.end()
    assert part.stat().st_size >= held_bytes
    site.agent.start()
    wait_for_stage(site, order, "done")
    assert site.metric("edgejoule_blob_bytes_total") - served_bytes < held_bytes, "it began again from nothing"
    wait_until(lambda: site.windows()[-1].window.model_sha256 == blob.sha256, "windows of it", PATIENCE_S)
    return blob.sha256


def what_may_wait_says_so_and_what_it_took(site: OrderedSite) -> None:
    np.save(site.directory / "inputs" / "a.npy", np.zeros((1000, 64), np.float32))
    defer = Deferral(deadline_unix_ns=time.time_ns() + 3600 * 10**9, duration_s=5.0)
    outcome = site.order(RunBatch(folder="night"), defer=defer)
    assert outcome.outcome == "done", outcome
    wait_for_stage(site, outcome.command_id, "done")
    (entry,) = [one for one in site.entries() if one.command_id == outcome.command_id]
    assert entry.carbon is not None
    assert entry.carbon.why_now == "no_zone"
    assert entry.carbon.energy_kind == "measured"
    assert entry.carbon.simulated


def an_operator_who_is_no_more_is_heard_no_more(site: OrderedSite) -> None:
    site.agent.signal(signal.SIGKILL)
    site.agent.wait()
    config = site.config.read_text(encoding="utf-8")
    site.config.write_text(config.replace('operators = "operators.toml"', "").replace("allow = ", "# "), "utf-8")
    start(site)
    assert window_s(site) == pytest.approx(WINDOW_S), "and the configuration file holds alone"
    before = site.entries()
    site.order(SetWindow(window_s=2.0), patience_s=1.0)
    assert site.entries() == before
