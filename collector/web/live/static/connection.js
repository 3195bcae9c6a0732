// The stream of events from the collector, and how it stands: "connecting", "live", "lost", "refused".

const SNAPSHOT_WAIT_MS = 1500;
const RETRY_MS = 3000;
const HIDDEN_MS = 60000;
const SILENT_MS = 45000;
const ANSWER_MS = 15000;

/** Fetch JSON; throws an Error with a `status` (0: no answer) that says what is wrong. */
export async function fetchJson(path) {
  let answer;
  try {
    answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
  } catch {
    throw Object.assign(new Error("the collector does not answer"), { status: 0 });
  }
  if (!answer.ok) throw Object.assign(new Error(`the collector answered ${answer.status}`), { status: answer.status });
  return answer.json();
}

export class Connection extends EventTarget {
  state = "connecting";
  #store;
  #source = null;
  #retry = 0;
  #hidden = 0;
  #fallback = 0;
  #heardMs = 0;
  #asked = false;

  constructor(store) {
    super();
    this.#store = store;
    // A tab that nobody looks at gives its connection back: browsers hold six for one server.
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  open() {
    this.#shut();
    const source = new EventSource("events");
    this.#source = source;
    this.#heardMs = performance.now();
    source.addEventListener("open", () => {
      this.#heard();
      this.#become("live");
      this.#fallback = setTimeout(() => this.refresh(), SNAPSHOT_WAIT_MS);
    });
    source.addEventListener("snapshot", (event) => {
      clearTimeout(this.#fallback);
      this.#heard();
      this.#store.snapshot(JSON.parse(event.data));
      this.#become("live");
    });
    source.addEventListener("fleet", (event) => {
      this.#heard();
      this.#store.update(JSON.parse(event.data));
      this.#become("live");
    });
    source.addEventListener("error", () => {
      clearTimeout(this.#fallback);
      if (source.readyState === EventSource.CLOSED) this.#diagnose();
      else this.#become("lost");
    });
  }

  /**
   * Call it now and then. After a laptop's sleep, or behind a router that forgot it, a connection may be dead without
   * a word: one that is silent for long is opened again, and lost if nobody answers that.
   */
  watch() {
    if (this.#source === null || this.state !== "live") return;
    const silentMs = performance.now() - this.#heardMs;
    if (this.#asked && silentMs > ANSWER_MS) this.#become("lost");
    else if (!this.#asked && silentMs > SILENT_MS) {
      this.open();
      this.#asked = true;
    }
  }

  #heard() {
    this.#heardMs = performance.now();
    this.#asked = false;
  }

  /** Fetch the whole picture, and say whether that went well. */
  async refresh() {
    try {
      this.#store.snapshot(await fetchJson("api/fleet"));
      return true;
    } catch (error) {
      if (error.status === 401 || error.status === 403) this.#become("refused");
      return false;
    }
  }

  async #diagnose() {
    this.#shut();
    this.#become("lost");
    await this.refresh();
    if (this.state === "refused") return;
    this.#retry = setTimeout(() => this.open(), RETRY_MS);
  }

  #visibility() {
    clearTimeout(this.#hidden);
    if (document.hidden) this.#hidden = setTimeout(() => this.#shut(), HIDDEN_MS);
    else if (this.#source === null && this.state !== "refused") this.open();
  }

  #shut() {
    clearTimeout(this.#retry);
    clearTimeout(this.#fallback);
    this.#source?.close();
    this.#source = null;
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
