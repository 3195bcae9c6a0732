// Every window that a device ever numbered has one place: this page says which.

import { linkTo } from "./device_columns.js";
import { el, fill, mark, plainTable, setAttribute, write } from "./dom.js";
import { UNKNOWN, age, count } from "./numbers.js";
import { verdict } from "./parts.js";
import { keyOf } from "./store.js";
import { VirtualTable } from "./table.js";

const TERMS = [
  ["sent", "numbered by the devices"], ["stored", "in the journal"], ["dropped", "declared lost by a device"],
  ["refused", "no valid windows"], ["pending", "still on a device"], ["missing", "none of these"],
];
const COLUMNS = [
  ["sent", "Sent"], ["stored", "Stored"], ["dropped", "Dropped"], ["refused", "Refused"], ["pending", "Pending"], ["missing", "Missing"],
  ["duplicates", "Came twice"], ["late", "Late"], ["dead_letters", "Dead letters"],
];

export class LedgerPage {
  title = "Ledger";
  #context;

  constructor(context) {
    this.#context = context;
    this.heading = el("h1", { tabindex: "-1" }, "Ledger");
    this.verdict = el("p", { class: "verdict", id: "ledger-verdict" });
    this.terms = TERMS.map(([name, meaning]) => {
      const number = el("data", { class: "figure", id: `ledger-${name}` });
      return { name, number, element: el("div", { class: `term ${name}` }, number, el("span", { class: "label" }, name), el("span", { class: "more" }, meaning)) };
    });
    this.table = new VirtualTable({ label: "Ledger of each device", columns: columns(), keyOf, empty: "No device has been heard yet." });
    this.sinks = el("div", {});
    this.letters = el("div", {});
    this.element = el(
      "div", {},
      el("div", { class: "page-head" }, this.heading, el("p", { class: "soft" }, "sent = stored + dropped + refused + pending. What is missing has no place in that sum, and should be nothing.")),
      el("section", { class: "card" }, this.verdict, el("div", { class: "equation" }, ...this.terms.map((term) => term.element))),
      el("section", { class: "card" }, el("h2", {}, "Devices"), this.table.element),
      el(
        "div", { class: "two" },
        el("section", { class: "card" }, el("h2", {}, "Stores"), el("p", { class: "soft" }, "Rows of the journal that a store has not taken yet."), this.sinks),
        el("section", { class: "card" }, el("h2", {}, "Dead letters"), el("p", { class: "soft" }, "Messages that could not be read, kept to look at: ", el("code", {}, "edgejoule collector dead-letters"), "."), this.letters),
      ),
    );
  }

  update({ whole }) {
    const { ledger, sinks, dead_letters } = this.#context.store.fleet;
    const sent = ledger.sent > 0;
    verdict(this.verdict, sent ? ledger.adds_up : null, sent ? (ledger.adds_up ? "It adds up." : `It does not add up: ${count(ledger.missing)} missing.`) : "No window has been sent yet.");
    for (const { name, number, element } of this.terms) {
      setAttribute(number, "value", String(ledger[name]));
      write(number, count(ledger[name]));
      mark(element, "bad", name === "missing" && ledger[name] > 0);
    }
    if (!whole) return;
    this.table.setRows(ledger.devices ?? []);
    fill(this.sinks, sinks.length === 0
      ? el("p", { class: "empty" }, "The journal feeds no store: configure InfluxDB or a lake in collector.toml.")
      : plainTable("Stores", [{ text: "Store" }, { text: "Rows waiting", numeric: true }, { text: "Behind by", numeric: true }],
        sinks.map((sink) => [sink.sink, count(sink.rows), sink.lag_s === null ? UNKNOWN : age(sink.lag_s)])));
    const kinds = Object.entries(dead_letters).filter(([, number]) => number > 0);
    fill(this.letters, kinds.length === 0
      ? el("p", { class: "empty" }, "None: every message could be read.")
      : plainTable("Dead letters", [{ text: "Kind" }, { text: "Messages", numeric: true }], kinds.map(([kind, number]) => [kind.replaceAll("_", " "), count(number)])));
  }

  tick() {
    this.#context.refreshSometimes();
  }

  recolour() {}

  close() {
    this.table.close();
  }
}

/** Whether every window of a device has a place. */
function addsUp(line) {
  return line.missing === 0 && line.sent === line.stored + line.dropped + line.refused + line.pending;
}

function columns() {
  const name = {
    id: "device", label: "Device", width: "name", sort: (line) => line.device_id,
    make: (cell) => cell.append(el("a", {})),
    write(cell, line) {
      setAttribute(cell.firstChild, "href", linkTo(line));
      write(cell.firstChild, `${line.fleet}/${line.device_id}`);
    },
  };
  const numbers = COLUMNS.map(([id, label]) => ({
    id, label, width: id === "dead_letters" ? "wide" : "count", numeric: true, sort: (line) => line[id] ?? null,
    write(cell, line) {
      write(cell, count(line[id]));
      mark(cell, "bad", id === "missing" && line[id] > 0);
    },
  }));
  const sum = {
    id: "adds_up", label: "Adds up", width: "figure", sort: (line) => (addsUp(line) ? "yes" : "no"),
    write: (cell, line) => verdict(cell, addsUp(line), addsUp(line) ? "yes" : "NO"),
  };
  return [name, ...numbers, sum];
}
