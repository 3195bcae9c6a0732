// Every figure from somebody else that went into the grams.

import { el, fill, plainTable } from "./dom.js";
import { plain } from "./numbers.js";

const HEADINGS = [{ text: "Factor" }, { text: "Value (5th to 95th percentile)", numeric: true }, { text: "Unit" }, { text: "Vintage" }, { text: "Source, scope and licence" }];

export class FactorsPage {
  title = "Factors";
  #context;
  #shown = null;

  constructor(context) {
    this.#context = context;
    this.heading = el("h1", { tabindex: "-1" }, "Factors");
    this.table = el("section", { class: "card wrap" });
    this.element = el("div", {}, el("div", { class: "page-head" }, this.heading, el("p", { class: "soft" }, "Every figure from somebody else that went into the grams, with its source.")), this.table);
  }

  update() {
    const { factors } = this.#context.store.fleet;
    const shape = JSON.stringify(factors);
    if (shape === this.#shown) return;
    this.#shown = shape;
    fill(this.table, factors.length === 0
      ? el("p", { class: "empty" }, "No factor has been used yet: they come with the first device that the inventory knows and its first window.")
      : plainTable("Factors used", HEADINGS, factors.map(row)));
  }

  tick() {
    this.#context.refreshSometimes();
  }

  recolour() {}

  close() {}
}

function row(factor) {
  return [
    el("span", {}, factor.name, el("span", { class: "soft small line" }, factor.id), factor.label ? el("span", { class: "bad small line" }, factor.label) : null),
    plain(factor.estimate), factor.estimate.unit, factor.vintage,
    el("span", {}, factor.source, el("span", { class: "soft small line" }, `${factor.scope} · ${factor.licence}`)),
  ];
}
