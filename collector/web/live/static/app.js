// Puts the page together: which page is shown, the connection's state, light and dark, and what is said aloud.

import { CarbonPage } from "./carbon_page.js";
import { Connection } from "./connection.js";
import { DevicePage } from "./device_page.js";
import { el, fill, mark, setAttribute, show, write } from "./dom.js";
import { FactorsPage } from "./factors_page.js";
import { FleetPage } from "./fleet_page.js";
import { LedgerPage } from "./ledger_page.js";
import { age, clockTime, count } from "./numbers.js";
import { Store } from "./store.js";

const REFRESH_MS = 10000;
const SAY_MS = 8000;
const THEMES = ["auto", "light", "dark"];
const PAGES = { "": FleetPage, carbon: CarbonPage, ledger: LedgerPage, factors: FactorsPage, device: DevicePage };

const $ = (id) => document.getElementById(id);
const store = new Store();
const connection = new Connection(store);
const main = $("main");

let page = null;
let paused = false;
let scheduled = false;
let waiting = 0;
let refreshedMs = performance.now();

const context = {
  store,
  /** Ask again for what events do not carry (a ledger's lines, stores, intensities), at a slow pace. */
  refreshSometimes() {
    if (paused || connection.state !== "live" || performance.now() - refreshedMs < REFRESH_MS) return;
    refreshedMs = performance.now();
    connection.refresh();
  },
};

// --- which page ------------------------------------------------------------------------------------------------------

function route() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const Page = Object.hasOwn(PAGES, name) ? PAGES[name] : null;
  const first = page === null;
  page?.close();
  page = Page === null || (name === "device" && rest.length !== 2) ? new NoPage() : new Page(context, rest);
  fill(main, page.element);
  main.dataset.page = location.hash;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#/${name}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  nameTab();
  if (store.fleet !== null) page.update({ whole: true, changed: new Set() });
  if (!first) {
    window.scrollTo(0, 0);
    page.heading.focus({ preventScroll: true });
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a lone percent sign typed by hand
  }
}

class NoPage {
  title = "Not found";
  heading = el("h1", { tabindex: "-1" }, "There is no such page");
  element = el("div", {}, this.heading, el("p", {}, el("a", { href: "#/" }, "To the fleet")));
  update() {}
  tick() {}
  recolour() {}
  close() {}
}

function nameTab() {
  document.title = `${page.title} · ${store.fleet?.title || "edgejoule"}`;
}

// --- drawing ---------------------------------------------------------------------------------------------------------

function schedule() {
  if (paused) {
    waiting += 1;
    sayConnection();
  } else if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(draw);
  }
}

function draw() {
  scheduled = false;
  if (store.fleet === null || paused) return;
  const taken = store.take();
  sayConnection();
  frame();
  page.update(taken);
  setAttribute(document.documentElement, "data-shown", String(store.fleet.t_unix_ns));
}

function frame() {
  const { title, simulated, total, report } = store.fleet;
  write($("title"), title || "edgejoule");
  nameTab();
  show($("simulated"), simulated);
  if (simulated) {
    write($("simulated-text"), `${count(total.simulated_windows)} of ${count(total.windows)} windows come from emulated meters. Their joules show that the chain works; they say nothing about real hardware.`);
  }
  if (report && $("links").childElementCount === 0) fill($("links"), el("a", { href: report }, "The report of this run"));
  watchForNews();
}

// --- connection, pause, theme ----------------------------------------------------------------------------------------

const TROUBLE = {
  refused: "The collector refuses this browser. Open the page again with the address that holds ?token=…; the collector's web.token_file has the token.",
  lost: "No connection to the collector. What stands here is the last that came; the page goes on by itself when the collector answers.",
};

function sayConnection() {
  const box = $("connection");
  const { state } = connection;
  for (const name of ["connecting", "live", "lost", "refused", "paused"]) mark(box, name, name === (paused ? "paused" : state));
  write($("connection-text"), words(state));
  show($("trouble"), state in TROUBLE);
  write($("trouble"), TROUBLE[state] ?? "");
}

function words(state) {
  if (paused) return `Paused, ${count(waiting)} newer`;
  if (state === "connecting") return "Connecting…";
  if (store.fleet === null) return state === "live" ? "Waiting for figures…" : "No connection";
  const seconds = store.ageS(store.fleet.t_unix_ns);
  const changed = `${clockTime(store.fleet.t_unix_ns)} UTC`;
  if (state !== "live") return `No connection since ${changed}`;
  return seconds < 60 ? `Live · ${changed}` : `Live · no change for ${age(seconds)}`;
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  waiting = 0;
  setAttribute($("pause"), "aria-pressed", String(paused));
  write($("pause"), paused ? "Resume" : "Pause");
  sayConnection();
  if (!paused) schedule();
});

// The part after # names a page here, so the link to the content moves the focus itself.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

function showTheme() {
  const name = document.documentElement.dataset.theme ?? "auto";
  write($("theme-name"), name);
  setAttribute($("theme"), "aria-label", `Theme: ${name}`);
}

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
  if (next === "auto") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem("edgejoule-theme", next);
  } catch {
    // storage may be forbidden: the choice then lasts as long as the page
  }
  showTheme();
  page.recolour();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.recolour());

// --- what is said aloud: only news, and never more than one sentence at a time -------------------------------------------

const told = { state: "connecting", addsUp: true, online: null };
let saidMs = -Infinity;

function watchForNews() {
  const news = [];
  if (store.fleet.ledger.adds_up !== told.addsUp) {
    told.addsUp = store.fleet.ledger.adds_up;
    news.push(told.addsUp ? "The ledger adds up again." : "The ledger does not add up.");
  }
  if (performance.now() - saidMs >= SAY_MS) {
    let online = 0;
    for (const device of store.devices.values()) online += device.online === true ? 1 : 0;
    if (told.online !== null && online !== told.online) news.push(`${count(online)} of ${count(store.devices.size)} devices online.`);
    told.online = online;
  }
  say(news);
}

function say(news) {
  if (news.length === 0) return;
  saidMs = performance.now();
  write($("announce"), news.join(" "));
}

connection.addEventListener("change", () => {
  sayConnection();
  if (connection.state === "lost" || connection.state === "refused") say(["The connection to the collector is lost."]);
  else if (connection.state === "live" && told.state === "lost") say(["The page is live again."]);
  told.state = connection.state;
});

// --- start -----------------------------------------------------------------------------------------------------------

store.addEventListener("change", schedule);
window.addEventListener("hashchange", route);
setInterval(() => {
  connection.watch();
  if (document.hidden || paused) return;
  sayConnection();
  if (store.fleet !== null) page.tick();
}, 1000);
showTheme();
route();
connection.open();
