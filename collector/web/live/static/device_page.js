// One device: what it draws and does now, how that was a while ago, and what it says of itself.

import { fetchJson } from "./connection.js";
import { Chart, withBreaks } from "./charts.js";
import { latestU, stateOf } from "./device_columns.js";
import { el, fill, show, write } from "./dom.js";
import { UNKNOWN, age, count, grams, gramsRange, minute, percent, perSecond, si, siU, significant, span, withUnit } from "./numbers.js";
import { carbonSplit, chip, facts, qualityBar, tile } from "./parts.js";
import { isFresh } from "./store.js";

const POINTS = 360;
const RELOAD_MS = 5000;

export class DevicePage {
  #context;
  #key;
  #columns = null;
  #loadedMs = -Infinity;
  #shape = "";

  constructor(context, [fleet, deviceId]) {
    this.#context = context;
    this.#key = `${fleet}/${deviceId}`;
    this.title = deviceId;
    this.heading = el("h1", { tabindex: "-1" }, deviceId);
    this.where = el("p", { class: "soft" });
    this.chips = el("p", { class: "chips" });
    this.stale = el("p", { class: "notice quiet", hidden: true });
    this.unknown = el("p", { class: "card empty", hidden: true }, `No device ${fleet}/${deviceId} has been heard. It may have another name: `, el("a", { href: "#/" }, "all devices"), ".");
    this.tiles = Object.fromEntries(
      [
        ["power", "Power"], ["jpi", "Energy per inference"], ["rate", "Inferences"], ["latency", "Latency"], ["temp", "System on chip"],
        ["meter", "Meter"], ["outbox", "Outbox"], ["clock", "Clock"],
      ].map(([id, label]) => [id, tile(`device-${id}`, label)]),
    );
    this.charts = {
      power: new Chart({ title: "Power", sub: "Mean of each window over its covered time.", unit: "W", fromZero: true, series: [{ label: "power", colour: "--series-1", area: 0.12 }] }),
      jpi: new Chart({
        title: "Energy per inference", sub: "Each window, with two standard uncertainties (about 95 %).", unit: "J",
        series: [
          { label: "joules per inference", colour: "--series-1" },
          { label: "high", colour: "--series-1", faint: true, say: false },
          { label: "low", colour: "--series-1", faint: true, say: false },
        ],
        bands: [[1, 2]],
      }),
      latency: new Chart({
        title: "Latency", sub: "Of the inferences of each window.", unit: "s", fromZero: true,
        series: [{ label: "median", colour: "--series-1" }, { label: "95th percentile", colour: "--series-2" }],
      }),
      temp: new Chart({
        title: "Temperature", sub: "Of the system on chip; orange where it throttled.", unit: "°C", empty: "This device reports no temperature.",
        series: [{ label: "temperature", colour: "--series-1" }, { label: "throttled", colour: "--series-2", say: false }],
      }),
    };
    this.split = carbonSplit();
    this.quality = qualityBar();
    this.account = el("div", {});
    this.carbon = el("div", {});
    this.birth = el("div", {});
    this.content = el(
      "div", {},
      this.stale,
      el("div", { class: "grid tiles" }, ...Object.values(this.tiles).map((one) => one.element)),
      el("div", { class: "two" }, ...Object.values(this.charts).map((chart) => chart.element)),
      el(
        "div", { class: "three" },
        el("section", { class: "card" }, el("h2", {}, "So far"), this.account),
        el("section", { class: "card" }, el("h2", {}, "Carbon"), this.split.element, this.carbon, el("h3", {}, "Grid intensity of its energy"), this.quality.element),
        el("section", { class: "card" }, el("h2", {}, "What it says of itself"), this.birth),
      ),
    );
    const back = el("p", { class: "back" }, el("a", { href: "#/" }, "← All devices"));
    this.element = el("div", {}, back, el("div", { class: "page-head" }, this.heading, this.chips), this.where, this.unknown, this.content);
    this.#load();
  }

  update({ whole, changed }) {
    const device = this.#context.store.devices.get(this.#key);
    show(this.unknown, device === undefined);
    show(this.content, device !== undefined);
    if (device === undefined || (!whole && !changed.has(this.#key))) return;
    this.#head(device);
    this.#now(device);
    this.#details(device);
    this.#append(device.latest);
  }

  tick() {
    const device = this.#context.store.devices.get(this.#key);
    if (device !== undefined) this.#head(device);
  }

  recolour() {
    Object.values(this.charts).forEach((chart) => chart.recolour());
  }

  close() {
    Object.values(this.charts).forEach((chart) => chart.close());
  }

  #head(device) {
    const { store } = this.#context;
    const place = [device.device_class || "class unknown", device.site, device.zone, device.hardware, `fleet ${device.fleet}`];
    write(this.where, place.filter(Boolean).join(" · "));
    const state = stateOf(device);
    const seen = age(store.ageS(device.last_seen_unix_ns));
    const chips = [[state === "unknown" ? "state unknown" : state, state === "online" ? "fine" : "warn"], [`heard ${seen} ago`, ""]];
    if (device.latest?.simulated) chips.push(["simulated meter", "simulated"]);
    if (device.latest?.throttled) chips.push(["throttled", "warn"]);
    for (const flag of device.latest?.flags ?? []) if (flag !== "throttled") chips.push([flag.replaceAll("_", " "), "warn"]);
    const shape = JSON.stringify(chips);
    if (shape !== this.#shape) fill(this.chips, ...chips.flatMap(([text, kind]) => [chip(text, kind), " "]));
    this.#shape = shape;
    const old = device.latest !== null && !isFresh(store, device);
    show(this.stale, old || device.latest === null);
    write(this.stale, device.latest === null
      ? "No window of this device has been stored yet."
      : `The latest window ended at ${minute(device.latest.t_unix_ns)}: what stands here is how it was then.`);
  }

  #now(device) {
    const latest = device.latest;
    const { tiles } = this;
    tiles.power.set(latest?.power_w, si(latest?.power_w, "W"), latest ? `mean of ${span(latest.duration_s)}${latest.gap_s > 0 ? `, ${span(latest.gap_s)} without samples` : ""}` : "");
    tiles.jpi.set(latest?.j_per_inference, siU(latest?.j_per_inference, latestU(latest), "J"), latest ? latest.model_id : "");
    tiles.rate.set(latest?.inferences_per_s, perSecond(latest?.inferences_per_s), "in the latest window");
    tiles.latency.set(latest?.latency_p50_s, si(latest?.latency_p50_s, "s"), `median; 95th percentile ${si(latest?.latency_p95_s, "s")}`);
    const throttled = latest?.throttled === true ? "throttled" : latest?.throttled === false ? "not throttled" : "throttling unknown";
    tiles.temp.set(latest?.soc_temp_c, withUnit(latest?.soc_temp_c, "°C", 1), `${typeof latest?.freq_mhz === "number" ? withUnit(latest.freq_mhz, "MHz") : "frequency unknown"}, ${throttled}`);
    const connected = device.meter_connected;
    tiles.meter.set(connected, connected === true ? "connected" : connected === false ? "not connected" : UNKNOWN, `${device.meters.join(", ") || "no meter named"} at ${device.boundaries.join(", ") || UNKNOWN}`);
    tiles.outbox.set(device.outbox_windows, device.outbox_windows === null ? UNKNOWN : count(device.outbox_windows), "windows not yet delivered");
    tiles.clock.set(device.clock_state, device.clock_state ?? UNKNOWN, "when it last reported");
  }

  #details(device) {
    const one = device.account;
    this.split.set(one);
    this.quality.set(one);
    const any = one.windows > 0;
    fill(this.account, facts([
      ["windows", count(one.windows) + (one.simulated_windows ? ` (${count(one.simulated_windows)} simulated)` : "")],
      ["time", any ? span(one.duration_s) : UNKNOWN],
      ["energy", any ? siU(one.energy_j, one.energy_u_j, "J") : UNKNOWN],
      ["mean power", si(one.power_w, "W")],
      ["inferences", count(one.inference_count)],
      ["per inference", siU(one.j_per_inference, one.j_per_inference_u, "J")],
      ["coverage", any ? `${percent(one.coverage_ratio, 1)}, ${span(one.gap_s)} without samples` : UNKNOWN],
    ]));
    fill(this.carbon, facts([
      ["total", one.total_gco2e ? `${grams(one.total_gco2e)} (${gramsRange(one.total_gco2e)})` : "unknown: a factor is missing"],
      ["operational", one.operational_gco2e ? `${grams(one.operational_gco2e)} (${gramsRange(one.operational_gco2e)})` : "unknown: no zone or intensity"],
      ["at the yearly average", grams(one.operational_yearly_gco2e)],
      ["embodied", one.embodied_gco2e ? `${grams(one.embodied_gco2e)} (${gramsRange(one.embodied_gco2e)})` : "unknown: no hardware in the inventory"],
      ["embodied share", percent(one.embodied_share_ratio)],
    ]));
    fill(this.birth, device.birth ? facts(birthFacts(device.birth)) : el("p", { class: "empty" }, "It has not introduced itself to this collector yet."));
  }

  async #load() {
    this.#loadedMs = performance.now();
    const [fleet, deviceId] = this.#key.split("/");
    const path = `api/devices/${encodeURIComponent(fleet)}/${encodeURIComponent(deviceId)}/series?points=${POINTS}`;
    try {
      this.#columns = await fetchJson(path);
      this.#draw();
    } catch {
      this.#columns = null; // an unknown device, or no collector: both are said elsewhere
    }
  }

  /** One more window, where it is newer than the last one; what the page slept through is fetched. */
  #append(latest) {
    const columns = this.#columns;
    const before = columns?.t_unix_ns.at(-1) ?? 0;
    if (!latest || latest.t_unix_ns <= before) return;
    const missed = columns === null || latest.t_unix_ns - before > 1.5e9 * latest.duration_s;
    if (missed && performance.now() - this.#loadedMs > RELOAD_MS) this.#load();
    if (columns === null) return;
    for (const [name, values] of Object.entries(columns)) {
      if (!Array.isArray(values)) continue;
      values.push(latest[name] ?? null);
      if (values.length > POINTS) values.shift();
    }
    this.#draw();
  }

  #draw() {
    const c = this.#columns;
    const t = c.t_unix_ns.map((ns) => ns / 1e9);
    const widest = 2.5 * Math.max(1, ...c.duration_s);
    const band = (sign) => c.j_per_inference.map((value, i) => (value === null || c.energy_u_ratio[i] === null ? null : value * (1 + sign * 2 * c.energy_u_ratio[i])));
    const throttled = c.soc_temp_c.map((value, i) => (c.throttled[i] === true ? value : null));
    this.charts.power.set(withBreaks([t, c.power_w], widest));
    this.charts.jpi.set(withBreaks([t, c.j_per_inference, band(1), band(-1)], widest));
    this.charts.latency.set(withBreaks([t, c.latency_p50_s, c.latency_p95_s], widest));
    this.charts.temp.set(withBreaks([t, c.soc_temp_c, throttled], widest));
  }
}

/** What an agent knows of its model; an older one does not say. */
function modelFacts({ model_macs, model_parameters, model_bytes, model_accuracy_ratio }) {
  return [
    ["multiply-accumulates", si(model_macs, ""), model_macs],
    ["parameters", si(model_parameters, ""), model_parameters],
    ["model size", si(model_bytes, "B"), model_bytes],
    ["accuracy of its catalogue", percent(model_accuracy_ratio, 1), model_accuracy_ratio],
  ].filter(([, , value]) => typeof value === "number").map(([name, text]) => [name, text]);
}

function birthFacts(birth) {
  const { runtime } = birth;
  return [
    ["agent", birth.agent_version],
    ["Python", birth.python_version],
    ["platform", birth.platform],
    ["model", birth.model_id],
    ...modelFacts(birth),
    ["model SHA-256", el("code", { title: birth.model_sha256 }, `${birth.model_sha256.slice(0, 16)}…`)],
    ["runtime", `${runtime.runtime} ${runtime.version} ${runtime.delegate}, ${runtime.threads} thread${runtime.threads === 1 ? "" : "s"}`],
    ["meter", `${birth.meter_driver}, ${birth.meter_id || "no id"}`],
    ["boundary", birth.boundary],
    ["window", `${significant(birth.window_s)} s`],
    ["boot", el("code", {}, birth.boot_id)],
    ["introduced", minute(birth.t_unix_ns)],
  ];
}
