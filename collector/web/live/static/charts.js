// Charts over time: uPlot with the page's colours, units on every tick, and a sentence for those who see no canvas.

import { el, write } from "./dom.js";
import { NBSP, UNKNOWN, placesOf, prefixOf, si } from "./numbers.js";

const HEIGHT_PX = 220;
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const POINTS_UP_TO = 60;

/** A colour of the style sheet as the browser shows it now: light or dark. */
function colour(name, alpha = 1) {
  const probe = el("span", { hidden: true });
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g);
  probe.remove();
  return `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${alpha})`;
}

function ticks(unit) {
  return (_plot, splits) => {
    const [scale, letter] = prefixOf(Math.max(...splits.map(Math.abs)));
    const step = splits.length > 1 ? Math.abs(splits[1] - splits[0]) / scale : 1;
    const places = placesOf(step);
    return splits.map((value) => `${(value / scale).toFixed(places)}${NBSP}${letter}${unit}`);
  };
}

/** Room for the longest tick. */
function axisSize(_plot, values) {
  return values === null ? 50 : 16 + 6.6 * Math.max(...values.map((value) => value.length));
}

/** An empty range, or one value, still gives a scale; power and grams begin at zero where they may. */
function yRange(fromZero) {
  return (_plot, low, high) => {
    if (low === null || high === null) return [0, 1];
    if (fromZero && low >= 0) return [0, high > 0 ? high * 1.08 : 1];
    const margin = (high - low) * 0.1 || Math.abs(high) * 0.1 || 1;
    return [low - margin, high + margin];
  };
}

const utcDate = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

/**
 * One chart: title, sub, unit, fromZero, series: [{label, colour, area, unit, step, say: false for no line in the legend}],
 * bands: [[upper, lower]] as indices into series.
 */
export class Chart {
  #options;
  #plot = null;
  #data = null;
  #legend = [];
  #observer;

  constructor(options) {
    this.#options = options;
    this.host = el("div", { class: "plot", role: "img" });
    this.none = el("p", { class: "empty", hidden: true }, options.empty ?? "Nothing measured in this time.");
    this.summary = el("p", { class: "visually-hidden" });
    const legend = el("ul", { class: "legend" }, ...this.#legendItems());
    this.element = el(
      "section", { class: "card chart" },
      el("h2", {}, options.title), el("p", { class: "soft" }, options.sub), legend, this.host, this.none, this.summary,
    );
    this.#observer = new ResizeObserver(() => this.#resize());
    this.#observer.observe(this.host);
  }

  /** Columns: seconds since 1970, then one array for each series, null where nothing is known. */
  set(data) {
    this.#data = data;
    const any = data.slice(1).some((column) => column.some((value) => value !== null));
    this.host.hidden = !any;
    this.none.hidden = any;
    if (any && this.#plot === null) this.#make();
    else if (any) this.#plot.setData(data);
    this.#describe();
  }

  /** Draw again in the colours of now. */
  recolour() {
    if (this.#plot === null) return;
    this.#plot.destroy();
    this.#plot = null;
    this.#make();
  }

  close() {
    this.#observer.disconnect();
    this.#plot?.destroy();
  }

  #legendItems() {
    return this.#options.series.flatMap((series, index) => {
      if (series.say === false) return [];
      const value = el("b", {});
      this.#legend.push({ value, index });
      return [el("li", {}, el("span", { class: `swatch ${series.colour.slice(2)}`, "aria-hidden": "true" }), `${series.label} `, value)];
    });
  }

  #make() {
    const ink = colour("--soft");
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { font: FONT, stroke: ink, grid, ticks: { ...grid, size: 4 } };
    const few = this.#data[0].length <= POINTS_UP_TO;
    const y = { ...axis, values: ticks(this.#options.unit), size: axisSize };
    this.#plot = new uPlot(
      {
        width: this.host.clientWidth || 320, height: HEIGHT_PX, tzDate: utcDate,
        legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 7 } },
        scales: { y: { range: yRange(this.#options.fromZero) } },
        axes: [{ ...axis, space: 70, size: 34, values: timeTicks }, y],
        series: [{}, ...this.#options.series.map((series) => this.#series(series, few))],
        bands: (this.#options.bands ?? []).map(([upper, lower]) => ({ series: [upper + 1, lower + 1], fill: colour("--series-1", 0.2) })),
        hooks: { setCursor: [() => this.#say()] },
      },
      this.#data, this.host,
    );
  }

  #series(series, few) {
    return {
      label: series.label, stroke: series.faint ? "transparent" : colour(series.colour), width: series.step ? 1 : 1.8,
      fill: series.area ? colour(series.colour, series.area) : undefined, spanGaps: false,
      paths: series.step ? uPlot.paths.stepped({ align: 0 }) : undefined,
      points: { show: few && !series.step && !series.faint, size: 4, fill: colour(series.colour) },
    };
  }

  #resize() {
    const width = this.host.clientWidth;
    if (this.#plot !== null && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  /** Beside each name: the value under the pointer, else the latest. */
  #say() {
    if (this.#data === null) return;
    const at = this.#plot?.cursor.idx ?? this.#data[0].length - 1;
    for (const { value, index } of this.#legend) write(value, this.#text(index, at));
  }

  #text(index, at) {
    const value = this.#value(index, at);
    return value === null ? UNKNOWN : si(value, this.#options.series[index].unit ?? this.#options.unit);
  }

  /** A series' own value, without the one that it is stacked on; null where it is not known. */
  #value(index, at) {
    const series = this.#options.series[index];
    const value = this.#data[(series.from ?? index) + 1][at];
    const under = series.minus === undefined ? 0 : this.#data[series.minus + 1][at];
    return value === null || value === undefined || under === null ? null : value - under;
  }

  #describe() {
    this.#say();
    const said = this.#legend.map(({ index }) => {
      const column = this.#data[0].map((_, at) => this.#value(index, at)).filter((value) => value !== null);
      const unit = this.#options.unit;
      if (column.length === 0) return `${this.#options.series[index].label}: unknown`;
      const low = column.reduce((a, b) => Math.min(a, b));
      const high = column.reduce((a, b) => Math.max(a, b));
      return `${this.#options.series[index].label}: from ${si(low, unit)} to ${si(high, unit)}`;
    });
    write(this.summary, said.join("; "));
    this.host.setAttribute("aria-label", `${this.#options.title}. ${said.join("; ")}`);
  }
}

const two = (number) => String(number).padStart(2, "0");

/** UTC times of day, with the date where a day begins. */
function timeTicks(_plot, splits) {
  const fine = splits.length > 1 && splits[1] - splits[0] < 60;
  return splits.map((seconds) => {
    const t = new Date(seconds * 1e3);
    const time = `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}`;
    if (fine) return `${time}:${two(t.getUTCSeconds())}`;
    return time === "00:00" ? `${t.toISOString().slice(5, 10)}` : time;
  });
}

/** Points of one device: no line may cross a time without windows, so a null goes into every hole. */
export function withBreaks(columns, widestGapS) {
  const [times, ...values] = columns;
  const out = columns.map(() => []);
  times.forEach((t, i) => {
    if (i > 0 && t - times[i - 1] > widestGapS) {
      out[0].push((t + times[i - 1]) / 2);
      values.forEach((_, c) => out[c + 1].push(null));
    }
    out[0].push(t);
    values.forEach((column, c) => out[c + 1].push(column[i] ?? null));
  });
  return out;
}
