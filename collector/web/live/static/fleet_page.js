// The fleet at a glance: figures, charts, and every device.

import { fetchJson } from "./connection.js";
import { Chart } from "./charts.js";
import { deviceColumns, stateOf } from "./device_columns.js";
import { el, fill, show, write } from "./dom.js";
import { UNKNOWN, count, grams, minute, percent, perSecond, si, siU, span } from "./numbers.js";
import { carbonSplit, rangeText, tile, verdict } from "./parts.js";
import { isFresh, keyOf, powerNow } from "./store.js";
import { VirtualTable, filterBar } from "./table.js";

const SERIES_POINTS = 240;
const SERIES_MS = 5000;

const CHOICES = [
  ["all", "All devices"], ["online", "Online"], ["offline", "Offline"], ["throttled", "Throttled"], ["gaps", "With gaps"],
  ["old", "Without a fresh window"],
];

export class FleetPage {
  title = "Fleet";
  #context;
  #seriesMs = -Infinity;
  #asking = false;

  constructor(context) {
    this.#context = context;
    const { store } = context;
    this.power = tile("power", "Power now");
    this.jpi = tile("j-per-inference", "Energy per inference");
    this.split = carbonSplit();
    this.carbon = tile("carbon", "CO2e so far", this.split.element);
    this.ledger = tile("ledger", "Every window accounted for");
    this.strip = Object.fromEntries(
      [
        ["energy", "Energy"], ["inferences", "Inferences"], ["rate", "Inferences per second"], ["share", "Embodied share"],
        ["coverage", "Coverage"], ["online", "Devices online"],
      ].map(([id, label]) => [id, tile(id, label)]),
    );
    this.charts = [
      new Chart({
        title: "Power of the fleet", sub: "Sum of the devices' mean power. No line: no samples, or no windows.",
        unit: "W", fromZero: true, series: [{ label: "power", colour: "--series-1", area: 0.12 }],
      }),
      new Chart({
        title: "Operational and embodied CO2e", sub: "Grams in each step of time, embodied below.",
        unit: "g", fromZero: true,
        series: [
          { label: "operational", colour: "--operational", area: 0.55, step: true, minus: 1 },
          { label: "embodied", colour: "--embodied", area: 0.9, step: true },
        ],
      }),
    ];
    this.bar = filterBar("Filter by name, class, site, zone or model", CHOICES);
    this.bar.onchange = () => this.#filter();
    this.table = new VirtualTable({ label: "Devices", columns: deviceColumns(store), keyOf, empty: "No device fits this filter." });
    this.welcome = el(
      "div", { class: "card empty", hidden: true },
      el("h2", {}, "No device has been heard yet"),
      el("p", {}, "The page fills by itself as soon as one speaks. If none does: check with ",
        el("code", {}, "edgejoule doctor"), " on the collector and on a device, or try a fleet without hardware: ",
        el("code", {}, "edgejoule demo --serve"), "."),
    );
    this.notes = el("section", { class: "card", hidden: true });
    this.content = el(
      "div", {},
      el("div", { class: "grid heroes" }, ...[this.power, this.jpi, this.carbon, this.ledger].map((one) => one.element)),
      el("div", { class: "grid strip" }, ...Object.values(this.strip).map((one) => one.element)),
      el("div", { class: "two" }, ...this.charts.map((chart) => chart.element)),
      el("section", { class: "card devices" }, el("div", { class: "section-head" }, el("h2", {}, "Devices"), this.bar.element), this.table.element),
      this.notes,
    );
    this.heading = el("h1", { tabindex: "-1" }, "Fleet");
    this.since = el("p", { class: "soft" });
    this.element = el("div", {}, el("div", { class: "page-head" }, this.heading, this.since), this.welcome, this.content);
  }

  /** Draw what changed. */
  update({ whole, changed }) {
    const { store } = this.#context;
    const devices = store.devices;
    show(this.welcome, devices.size === 0);
    show(this.content, devices.size > 0);
    this.#figures();
    if (whole) {
      this.table.setRows([...devices.values()]);
      this.#sayNotes();
    } else this.table.update([...changed].map((key) => devices.get(key)));
    this.#count();
    this.#series();
  }

  /** Once a second: ages. */
  tick() {
    this.#power();
    this.table.rewrite("seen");
  }

  recolour() {
    this.charts.forEach((chart) => chart.recolour());
  }

  close() {
    this.charts.forEach((chart) => chart.close());
    this.table.close();
  }

  #figures() {
    const { total, ledger, since_unix_ns } = this.#context.store.fleet;
    write(this.since, total.windows
      ? `${since_unix_ns === null ? "" : `Since ${minute(since_unix_ns)} · `}${count(total.windows)} windows · ${span(total.duration_s)} of device time`
      : "No window has been stored yet: figures appear with the first one.");
    this.#power();
    this.jpi.set(total.j_per_inference, siU(total.j_per_inference, total.j_per_inference_u, "J"),
      "whole fleet, idle power included, since the start");
    this.carbon.set(total.total_gco2e?.value, grams(total.total_gco2e),
      total.windows ? rangeText(total.total_gco2e) : "no windows yet");
    this.split.set(total);
    verdict(this.ledger.figure, ledger.sent ? ledger.adds_up : null, ledger.sent ? (ledger.adds_up ? "adds up" : "does not add up") : UNKNOWN);
    this.ledger.set(ledger.adds_up, this.ledger.figure.textContent, ledgerText(ledger));
    const { strip } = this;
    const any = total.windows > 0;
    strip.energy.set(any ? total.energy_j : null, any ? siU(total.energy_j, total.energy_u_j, "J") : UNKNOWN, "metered, ± k = 1");
    strip.inferences.set(total.inference_count, count(total.inference_count), "since the start");
    strip.rate.set(total.inferences_per_s, perSecond(total.inferences_per_s), "sum of the devices' means");
    strip.share.set(total.embodied_share_ratio, percent(total.embodied_share_ratio), "of all grams so far");
    strip.coverage.set(any ? total.coverage_ratio : null, any ? percent(total.coverage_ratio, 1) : UNKNOWN,
      any ? `${span(total.gap_s)} without samples` : "no windows yet");
  }

  #power() {
    const { store } = this.#context;
    if (store.fleet === null) return;
    const { power_w, measured, online } = powerNow(store);
    const all = store.devices.size;
    const mean = store.fleet.total.power_w;
    this.power.set(power_w, si(power_w, "W"), `${count(measured)} of ${count(all)} measured just now` +
      (mean === null ? "" : ` · mean so far ${si(mean, "W")}`));
    this.strip.online.set(online, `${count(online)} of ${count(all)}`, all === online ? "all of them" : `${count(all - online)} not`);
  }

  #sayNotes() {
    const { notes } = this.#context.store.fleet;
    show(this.notes, notes.length > 0);
    fill(this.notes, el("h2", {}, "What to know about these figures"), el("ul", { class: "notes" }, ...notes.map((note) => el("li", {}, note))));
  }

  #filter() {
    const { text, choice } = this.bar;
    const { store } = this.#context;
    this.table.filter((device) => fits(store, device, choice) && (text === "" || said(device).includes(text)));
    this.#count();
  }

  #count() {
    const { accepted, size } = this.table;
    this.bar.say(accepted === size ? `${count(size)} device${size === 1 ? "" : "s"}` : `${count(accepted)} of ${count(size)}`);
  }

  async #series() {
    if (this.#asking || performance.now() - this.#seriesMs < SERIES_MS) return;
    this.#asking = true;
    this.#seriesMs = performance.now();
    try {
      const series = await fetchJson(`api/series?points=${SERIES_POINTS}`);
      this.#drawSeries(series);
    } catch {
      this.#seriesMs = -Infinity; // the connection says what is wrong; the next change asks again
    } finally {
      this.#asking = false;
    }
  }

  #drawSeries(series) {
    const t = series.t_unix_ns.map((ns) => ns / 1e9);
    const embodied = series.embodied_gco2e;
    const both = series.operational_gco2e.map((value, i) => (value === null ? null : value + (embodied[i] ?? 0)));
    this.charts[0].set([t, series.power_w]);
    this.charts[1].set([t, both, embodied]);
    if (series.bin_s !== null) write(this.charts[1].element.querySelector("p"), `Grams in each ${span(series.bin_s)}, embodied below, operational above.`);
  }
}

function ledgerText(ledger) {
  if (!ledger.sent) return "no window has been sent yet";
  const parts = ["dropped", "refused", "pending", "missing"].filter((name) => ledger[name] > 0);
  return `${count(ledger.sent)} sent = ${count(ledger.stored)} stored` + parts.map((name) => ` + ${count(ledger[name])} ${name}`).join("");
}

const said = (device) =>
  [device.fleet, device.device_id, device.device_class, device.site, device.zone, device.hardware, ...device.models]
    .join(" ").toLowerCase();

function fits(store, device, choice) {
  if (choice === "throttled") return device.latest?.throttled === true;
  if (choice === "gaps") return device.account.gap_s > 0;
  if (choice === "old") return !isFresh(store, device);
  return choice === "all" || stateOf(device) === choice;
}
