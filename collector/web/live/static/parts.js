// Pieces that several pages are made of.

import { el, mark, show, write, writeFigure } from "./dom.js";
import { grams, gramsRange, percent } from "./numbers.js";

/** A card with a label, one figure and a line under it. */
export function tile(id, label, extra = null) {
  const figure = el("data", { class: "figure", id, value: "" });
  const more = el("p", { class: "more" });
  const element = el("div", { class: "card tile" }, el("h2", { class: "label" }, label), el("p", {}, figure), extra, more);
  return {
    element,
    figure,
    set(value, text, sub) {
      writeFigure(figure, value, text);
      write(more, sub);
    },
  };
}

/** A bar of parts that sum to a whole: parts [{id, label, colour}]; set() takes values in the same order. */
export function splitBar(parts) {
  const pieces = parts.map((part) => el("span", { class: `piece ${part.colour}` }));
  const texts = parts.map((part) => ({
    item: el("li", {}, el("span", { class: `swatch ${part.colour}`, "aria-hidden": "true" }), `${part.label} `),
    value: el("b", {}),
  }));
  texts.forEach(({ item, value }) => item.append(value));
  const bar = el("div", { class: "split", "aria-hidden": "true" }, ...pieces);
  return {
    element: el("div", {}, bar, el("ul", { class: "legend" }, ...texts.map((text) => text.item))),
    set(values, words) {
      const whole = values.reduce((sum, value) => sum + Math.max(0, value ?? 0), 0);
      show(bar, whole > 0);
      values.forEach((value, index) => {
        // Parts of 100: pieces whose growth sums to less than 1 would leave room that is nobody's.
        show(pieces[index], (value ?? 0) > 0);
        pieces[index].style.flexGrow = String(whole > 0 ? (100 * Math.max(0, value ?? 0)) / whole : 0);
        write(texts[index].value, words[index]);
      });
    },
  };
}

const PARTS = [
  { label: "operational", colour: "operational" },
  { label: "embodied", colour: "embodied" },
];

/** Operational against embodied grams of an account. */
export function carbonSplit() {
  const bar = splitBar(PARTS);
  return {
    element: bar.element,
    set({ operational_gco2e, embodied_gco2e }) {
      bar.set(
        [operational_gco2e?.value ?? null, embodied_gco2e?.value ?? null],
        [grams(operational_gco2e), grams(embodied_gco2e)],
      );
    },
  };
}

/** "1.2 to 1.5 g (5th to 95th percentile)", or why there is no figure. */
export const rangeText = (estimate, unknown = "unknown: a factor is missing, see the notes") =>
  estimate ? `${gramsRange(estimate)} (5th to 95th percentile)` : unknown;

const QUALITIES = ["actual", "estimated", "forecast", "yearly"];

/** Of which quality the grid intensities of an account's energy are. */
export function qualityBar() {
  const names = [...QUALITIES, "unknown"];
  const bar = splitBar(names.map((name) => ({ label: name, colour: `quality-${name}` })));
  return {
    element: bar.element,
    set({ intensity_ratio, windows }) {
      const known = QUALITIES.map((name) => intensity_ratio?.[name] ?? 0);
      const rest = windows > 0 ? Math.max(0, 1 - known.reduce((a, b) => a + b, 0)) : 0;
      const values = [...known, rest < 1e-9 ? 0 : rest];
      bar.set(values, values.map((value) => percent(value)));
    },
  };
}

/** A list of names and texts; unknown ones are shown as such. */
export function facts(pairs) {
  const rows = pairs.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text === "" ? "–" : text)]);
  return el("dl", { class: "facts" }, ...rows);
}

/** A small word in a frame. */
export const chip = (text, kind = "") => el("span", { class: `chip ${kind}` }, text);

/** Good or bad: colour and word. */
export function verdict(element, good, text) {
  mark(element, "good", good === true);
  mark(element, "bad", good === false);
  write(element, text);
}
