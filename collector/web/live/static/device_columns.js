// The columns of the table of devices.

import { el, mark, setAttribute, show, write } from "./dom.js";
import { UNKNOWN, age, grams, percent, perSecond, si, siU, withUnit } from "./numbers.js";
import { isFresh, keyOf } from "./store.js";

/** Where a device's own page is. */
export const linkTo = (device) =>
  `#/device/${encodeURIComponent(device.fleet)}/${encodeURIComponent(device.device_id)}`;

/** How a device stands, as a word. */
export const stateOf = (device) => (device.online === true ? "online" : device.online === false ? "offline" : "unknown");

/** Standard uncertainty of the latest window's energy per inference, in joules; null where unknown. */
export function latestU(latest) {
  const known = latest && latest.energy_u_ratio !== null && latest.j_per_inference !== null;
  return known ? Math.abs(latest.j_per_inference) * latest.energy_u_ratio : null;
}

const named = {
  make(cell) {
    const dot = el("span", { class: "dot", "aria-hidden": "true" });
    const link = el("a", {}, dot, el("span", { class: "name" }), el("span", { class: "visually-hidden" }));
    cell.append(el("div", {}, link, el("span", { class: "chip simulated", hidden: true }, "sim")));
  },
  write(cell, device) {
    const [link, simulated] = cell.firstChild.children;
    const [dot, name, said] = link.children;
    const state = stateOf(device);
    setAttribute(link, "href", linkTo(device));
    setAttribute(link, "title", `${keyOf(device)}: ${state}`);
    mark(dot, "on", state === "online");
    mark(dot, "off", state === "offline");
    write(name, device.device_id);
    write(said, `, ${state}`);
    show(simulated, device.latest?.simulated === true);
  },
};

const text = (read) => ({ sort: read, write: (cell, device) => write(cell, read(device) || UNKNOWN) });

/** A figure of the latest window, pale where that window is too old to say what is now. */
const latest = (store, name, format) => ({
  numeric: true,
  sort: (device) => device.latest?.[name],
  write(cell, device) {
    write(cell, format(device.latest?.[name], device.latest));
    mark(cell, "old", device.latest !== null && !isFresh(store, device));
  },
});

/** The columns, for a table that lives beside this store. */
export function deviceColumns(store) {
  return [
    { id: "device", label: "Device", width: "name", sort: (device) => device.device_id, ...named },
    {
      id: "power", label: "Power", title: "Mean over the latest window's covered time", width: "figure",
      ...latest(store, "power_w", (value) => si(value, "W")),
    },
    {
      id: "jpi", label: "Per inference", title: "Joules per inference in the latest window, ± one standard uncertainty", width: "wide",
      ...latest(store, "j_per_inference", (value, window) => siU(value, latestU(window), "J")),
    },
    {
      id: "rate", label: "Rate", title: "Inferences per second in the latest window", width: "figure",
      ...latest(store, "inferences_per_s", perSecond),
    },
    {
      id: "temp", label: "SoC", title: "Temperature of the system on chip", width: "narrow",
      ...latest(store, "soc_temp_c", (value, window) => withUnit(value, "°C") + (window?.throttled ? " ⚠" : "")),
    },
    {
      id: "energy", label: "Energy", title: "Metered so far, ± one standard uncertainty", width: "wide", numeric: true,
      sort: (device) => device.account.energy_j,
      write: (cell, { account }) => write(cell, account.windows ? siU(account.energy_j, account.energy_u_j, "J") : UNKNOWN),
    },
    {
      id: "carbon", label: "CO2e", title: "Operational and embodied grams so far", width: "figure", numeric: true,
      sort: (device) => device.account.total_gco2e?.value,
      write: (cell, { account }) => write(cell, grams(account.total_gco2e)),
    },
    {
      id: "coverage", label: "Coverage", title: "Part of the measured time that has samples", width: "figure", numeric: true,
      sort: (device) => (device.account.windows ? device.account.coverage_ratio : null),
      write: (cell, { account }) => write(cell, account.windows ? percent(account.coverage_ratio, 1) : UNKNOWN),
    },
    {
      id: "outbox", label: "Outbox", title: "Windows that the device still holds", width: "narrow", numeric: true,
      sort: (device) => device.outbox_windows,
      write: (cell, device) => write(cell, device.outbox_windows === null ? UNKNOWN : String(device.outbox_windows)),
    },
    {
      id: "seen", label: "Heard", title: "Since the collector last heard from it", width: "figure", numeric: true,
      sort: (device) => (device.last_seen_unix_ns === null ? null : -device.last_seen_unix_ns),
      write: (cell, device) => write(cell, age(store.ageS(device.last_seen_unix_ns))),
    },
    { id: "class", label: "Class", width: "text", ...text((device) => device.device_class) },
    { id: "place", label: "Site · zone", width: "place", ...text((device) => [device.site, device.zone].filter(Boolean).join(" · ")) },
    { id: "model", label: "Model", width: "text", ...text((device) => device.latest?.model_id ?? device.models.join(", ")) },
  ];
}
