// Where the grams come from: operational against embodied, and which grid intensities they stand on.

import { linkTo } from "./device_columns.js";
import { el, fill, plainTable, setAttribute, show, write } from "./dom.js";
import { UNKNOWN, age, grams, gramsRange, percent, si, siU, significant } from "./numbers.js";
import { carbonSplit, qualityBar, rangeText, tile } from "./parts.js";
import { keyOf } from "./store.js";
import { VirtualTable } from "./table.js";

export class CarbonPage {
  title = "Carbon";
  #context;

  constructor(context) {
    this.#context = context;
    this.heading = el("h1", { tabindex: "-1" }, "Carbon");
    this.split = carbonSplit();
    this.quality = qualityBar();
    this.tiles = Object.fromEntries(
      [["total", "Total CO2e"], ["operational", "Operational, at the intensity of its time"], ["yearly", "Operational, at the yearly average"], ["embodied", "Embodied"]]
        .map(([id, label]) => [id, tile(`carbon-${id}`, label)]),
    );
    this.grid = el("div", {});
    this.table = new VirtualTable({ label: "Carbon of each device", columns: columns(), keyOf, empty: "No device has been heard yet." });
    this.notes = el("ul", { class: "notes" });
    this.element = el(
      "div", {},
      el("div", { class: "page-head" }, this.heading, el("p", { class: "soft" }, "Operational: metered joules × grid intensity. Embodied: the hardware's making, charged for the time in use.")),
      el("div", { class: "grid heroes" }, ...Object.values(this.tiles).map((one) => one.element)),
      el(
        "div", { class: "two" },
        el("section", { class: "card" }, el("h2", {}, "Operational against embodied"), this.split.element),
        el("section", { class: "card" }, el("h2", {}, "Quality of the grid intensities"), el("p", { class: "soft" }, "By energy: which part was assessed with which kind of figure."), this.quality.element),
      ),
      el("section", { class: "card" }, el("h2", {}, "Grid intensity in use"), el("p", { class: "soft" }, "Average and marginal intensity answer different questions and are never added."), this.grid),
      el("section", { class: "card" }, el("h2", {}, "Devices"), this.table.element),
      this.notes,
    );
  }

  update({ whole, changed }) {
    const { store } = this.#context;
    const { total, intensities, notes } = store.fleet;
    const { tiles } = this;
    tiles.total.set(total.total_gco2e?.value, grams(total.total_gco2e), rangeText(total.total_gco2e));
    tiles.operational.set(total.operational_gco2e?.value, grams(total.operational_gco2e), rangeText(total.operational_gco2e, "unknown: a device has no zone or intensity"));
    tiles.yearly.set(total.operational_yearly_gco2e?.value, grams(total.operational_yearly_gco2e), against(total));
    tiles.embodied.set(total.embodied_gco2e?.value, grams(total.embodied_gco2e), total.embodied_gco2e ? `${percent(total.embodied_share_ratio)} of the total · ${gramsRange(total.embodied_gco2e)}` : "unknown: a device has no hardware in the inventory");
    this.split.set(total);
    this.quality.set(total);
    if (whole) {
      this.table.setRows([...store.devices.values()]);
      fill(this.grid, gridTable(intensities));
      fill(this.notes, ...notes.map((note) => el("li", {}, note)));
      show(this.notes, notes.length > 0);
    } else this.table.update([...changed].map((key) => store.devices.get(key)));
  }

  tick() {
    this.#context.refreshSometimes();
  }

  recolour() {}

  close() {
    this.table.close();
  }
}

function against({ operational_gco2e, operational_yearly_gco2e }) {
  if (!operational_gco2e || !operational_yearly_gco2e || operational_yearly_gco2e.value === 0) return "to compare with";
  const ratio = operational_gco2e.value / operational_yearly_gco2e.value - 1;
  if (Math.abs(ratio) < 5e-4) return "the same as time-resolved";
  return `time-resolved is ${percent(Math.abs(ratio), 1)} ${ratio < 0 ? "below" : "above"}`;
}

function gridTable(intensities) {
  if (intensities.length === 0) return el("p", { class: "empty" }, "No intensity is in use: name zones in the inventory and a source under [intensity] in collector.toml.");
  const headings = [{ text: "Zone" }, { text: "Kind" }, { text: "gCO2e/kWh", numeric: true }, { text: "Quality" }, { text: "Known for", numeric: true }, { text: "Source" }];
  const rows = intensities.map((one) => [
    one.zone, one.kind, one.gco2e_per_kwh === null ? UNKNOWN : significant(one.gco2e_per_kwh), one.quality ?? UNKNOWN,
    one.age_s === null ? (one.quality === "yearly" ? "a year's figure" : UNKNOWN) : age(one.age_s), one.source ?? UNKNOWN,
  ]);
  return plainTable("Grid intensity in use", headings, rows);
}

function columns() {
  const estimate = (id, label, name) => ({
    id, label, width: "grams", numeric: true, sort: ({ account }) => account[name]?.value,
    write: (cell, { account }) => write(cell, account[name] ? `${grams(account[name])} (${gramsRange(account[name])})` : UNKNOWN),
  });
  return [
    {
      id: "device", label: "Device", width: "name", sort: (device) => device.device_id,
      make: (cell) => cell.append(el("a", {})),
      write(cell, device) {
        setAttribute(cell.firstChild, "href", linkTo(device));
        write(cell.firstChild, device.device_id);
      },
    },
    { id: "hardware", label: "Hardware", width: "text", sort: (device) => device.hardware, write: (cell, device) => write(cell, device.hardware || UNKNOWN) },
    { id: "zone", label: "Zone", width: "narrow", sort: (device) => device.zone, write: (cell, device) => write(cell, device.zone || UNKNOWN) },
    {
      id: "energy", label: "Energy", width: "wide", numeric: true, sort: ({ account }) => account.energy_j,
      write: (cell, { account }) => write(cell, account.windows ? siU(account.energy_j, account.energy_u_j, "J") : UNKNOWN),
    },
    estimate("operational", "Operational", "operational_gco2e"),
    estimate("yearly", "At yearly average", "operational_yearly_gco2e"),
    estimate("embodied", "Embodied", "embodied_gco2e"),
    estimate("total", "Total", "total_gco2e"),
    {
      id: "share", label: "Embodied share", width: "figure", numeric: true, sort: ({ account }) => account.embodied_share_ratio,
      write: (cell, { account }) => write(cell, percent(account.embodied_share_ratio)),
    },
    {
      id: "per1000", label: "Per 1000 inferences", title: "Total grams over inferences so far", width: "wide", numeric: true,
      sort: ({ account }) => per1000(account), write: (cell, { account }) => write(cell, si(per1000(account), "g")),
    },
  ];
}

const per1000 = ({ total_gco2e, inference_count }) =>
  total_gco2e && inference_count > 0 ? (1000 * total_gco2e.value) / inference_count : null;
