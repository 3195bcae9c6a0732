// A sortable table of many rows, of which only those in view are elements.

import { el, fill, setAttribute, show, write } from "./dom.js";

const OVERSCAN_ROWS = 6;
const FIRST_GUESS_PX = 41;
const RESORT_MS = 2000;
/** Widths of columns by what they hold, in rem: they follow the reader's font size. */
const WIDTHS_REM = { name: 13, text: 10, place: 7, figure: 6, wide: 9.9, narrow: 5, count: 7, grams: 13 };

const isUnknown = (value) => value === null || value === undefined || value === "" || Number.isNaN(value);

/** Order of two values: numbers by size, else text; the unknown come last in either direction. */
export function compare(a, b, direction) {
  if (isUnknown(a) || isUnknown(b)) return isUnknown(a) - isUnknown(b);
  if (typeof a === "number" && typeof b === "number") return direction * (a - b);
  return direction * String(a).localeCompare(String(b), "en", { numeric: true });
}

/**
 * columns: [{id, label, title, numeric, width, sort(row), make(cell), write(cell, row)}]. The first one names the row.
 * `keyOf(row)` names a row for ever; a row object may be replaced by a newer one with the same key.
 */
export class VirtualTable {
  #columns;
  #keyOf;
  #rows = new Map();
  #order = [];
  #shown = new Map();
  #accepts = () => true;
  #sortBy;
  #direction = 1;
  #rowPx = FIRST_GUESS_PX;
  #sortedMs = 0;
  #later = 0;

  constructor({ label, columns, keyOf, empty }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    this.#sortBy = columns[0];
    this.above = el("tr", { "aria-hidden": "true", class: "pad" }, el("td", { colspan: columns.length }));
    this.below = this.above.cloneNode(true);
    this.body = el("tbody", {}, this.above, this.below);
    this.heads = new Map(columns.map((column) => [column.id, this.#heading(column)]));
    this.table = el(
      "table", { class: "virtual" },
      el("caption", { class: "visually-hidden" }, label),
      el("colgroup", {}, ...columns.map(sized)),
      el("thead", {}, el("tr", {}, ...this.heads.values())),
      this.body,
    );
    this.table.style.setProperty("--sum", `${columns.reduce((sum, column) => sum + WIDTHS_REM[column.width], 0)}rem`);
    this.scroller = el("div", { class: "table-scroll tall", tabindex: "0", role: "region", "aria-label": label }, this.table);
    this.empty = el("p", { class: "empty", hidden: true }, empty);
    this.element = el("div", {}, this.scroller, this.empty);
    this.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.observer = new ResizeObserver(() => this.#draw());
    this.observer.observe(this.scroller);
    this.#say();
  }

  get size() {
    return this.#rows.size;
  }

  get accepted() {
    return this.#order.length;
  }

  /** Replace every row. */
  setRows(rows) {
    this.#rows = new Map(rows.map((row) => [this.#keyOf(row), row]));
    this.#arrange();
  }

  /** Take newer rows; only those in view are written, and the order follows at its own slower pace. */
  update(rows) {
    for (const row of rows) {
      const key = this.#keyOf(row);
      this.#rows.set(key, row);
      const shown = this.#shown.get(key);
      if (shown) this.#write(shown, row);
    }
    const wait_ms = this.#sortedMs + RESORT_MS - performance.now();
    if (wait_ms <= 0) this.#arrange();
    else if (this.#later === 0) this.#later = setTimeout(() => this.#arrange(), wait_ms);
  }

  /** Write one column again in the rows in view: for ages, which change by themselves. */
  rewrite(columnId) {
    const index = this.#columns.findIndex((column) => column.id === columnId);
    for (const [key, shown] of this.#shown) this.#columns[index].write(shown.cells[index], this.#rows.get(key));
  }

  /** Show only rows that a predicate accepts. */
  filter(accepts) {
    this.#accepts = accepts;
    this.scroller.scrollTop = 0;
    this.#arrange();
  }

  close() {
    clearTimeout(this.#later);
    this.observer.disconnect();
  }

  #heading(column) {
    const arrow = el("span", { class: "arrow", "aria-hidden": "true" });
    const button = el("button", { type: "button", title: column.title }, column.label, arrow);
    button.addEventListener("click", () => this.#sort(column));
    return el("th", { scope: "col", class: column.numeric ? "n" : null }, button);
  }

  #sort(column) {
    this.#direction = column === this.#sortBy ? -this.#direction : column.numeric ? -1 : 1;
    this.#sortBy = column;
    this.#say();
    this.#arrange();
  }

  #say() {
    for (const column of this.#columns) {
      const head = this.heads.get(column.id);
      const mine = column === this.#sortBy;
      setAttribute(head, "aria-sort", mine ? (this.#direction > 0 ? "ascending" : "descending") : "none");
      write(head.querySelector(".arrow"), mine ? (this.#direction > 0 ? "▲" : "▼") : "");
    }
  }

  #arrange() {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#sortedMs = performance.now();
    const { sort } = this.#sortBy;
    const entries = [];
    for (const [key, row] of this.#rows) if (this.#accepts(row)) entries.push([sort(row), key]);
    entries.sort((a, b) => compare(a[0], b[0], this.#direction) || compare(a[1], b[1], 1));
    this.#order = entries.map((entry) => entry[1]);
    setAttribute(this.table, "aria-rowcount", String(this.#order.length + 1));
    show(this.scroller, this.#order.length > 0);
    show(this.empty, this.#order.length === 0);
    this.#draw();
  }

  #draw() {
    const height = this.scroller.clientHeight || window.innerHeight;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.#rowPx) - OVERSCAN_ROWS);
    const end = Math.min(this.#order.length, first + Math.ceil(height / this.#rowPx) + 2 * OVERSCAN_ROWS);
    const wanted = this.#order.slice(first, end);
    this.#forget(new Set(wanted));
    let place = this.above.nextSibling;
    wanted.forEach((key, offset) => {
      const shown = this.#shown.get(key) ?? this.#make(key);
      setAttribute(shown.element, "aria-rowindex", String(first + offset + 2));
      if (shown.element === place) place = place.nextSibling;
      else this.body.insertBefore(shown.element, place);
    });
    this.above.style.height = `${first * this.#rowPx}px`;
    this.below.style.height = `${(this.#order.length - end) * this.#rowPx}px`;
    this.#measure(wanted[0]);
  }

  /** Rows that are no longer in view go; one that has the focus stays, so that the focus is not lost. */
  #forget(wanted) {
    for (const [key, shown] of this.#shown) {
      if (wanted.has(key)) continue;
      if (this.#rows.has(key) && shown.element.contains(document.activeElement)) continue;
      shown.element.remove();
      this.#shown.delete(key);
    }
  }

  #make(key) {
    const cells = this.#columns.map((column, index) => {
      const cell = el(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: column.numeric ? "n" : null });
      column.make?.(cell);
      return cell;
    });
    const shown = { element: el("tr", {}, ...cells), cells };
    this.#shown.set(key, shown);
    this.#write(shown, this.#rows.get(key));
    return shown;
  }

  #write(shown, row) {
    this.#columns.forEach((column, index) => column.write(shown.cells[index], row));
  }

  /** The height of a row follows the reader's font size. */
  #measure(key) {
    const px = key === undefined ? 0 : this.#shown.get(key).element.getBoundingClientRect().height;
    if (px < 1 || Math.abs(px - this.#rowPx) < 0.5) return;
    this.#rowPx = px;
    this.#draw();
  }
}

function sized(column) {
  const col = el("col");
  col.style.width = `${WIDTHS_REM[column.width]}rem`;
  return col;
}

/** A text box and a choice above a table: {element, onchange, text, choice}. */
export function filterBar(label, choices) {
  const search = el("input", { type: "search", placeholder: "Filter", title: label, "aria-label": label, autocomplete: "off", spellcheck: "false" });
  const choice = el("select", { "aria-label": "Show" });
  fill(choice, ...choices.map(([value, text]) => el("option", { value }, text)));
  const found = el("output", { class: "soft small" });
  const bar = {
    element: el("div", { class: "filters" }, search, choice, found),
    onchange: () => {},
    get text() { return search.value.trim().toLowerCase(); },
    get choice() { return choice.value; },
    say(text) { write(found, text); },
  };
  search.addEventListener("input", () => bar.onchange());
  choice.addEventListener("change", () => bar.onchange());
  return bar;
}
