// What the page knows of the fleet: one snapshot, then changes. No element is touched here.

export const keyOf = (device) => `${device.fleet}/${device.device_id}`;

export class Store extends EventTarget {
  /** Everything of /api/fleet but the devices; null before the first answer. */
  fleet = null;
  /** Devices by "fleet/id". */
  devices = new Map();
  /** Keys of devices that changed since the last take(). */
  #changed = new Set();
  #whole = false;
  #receivedMs = 0;

  /** Take a whole picture. */
  snapshot(data) {
    const { devices, ...rest } = data;
    this.fleet = rest;
    this.devices = new Map(devices.map((device) => [keyOf(device), device]));
    this.#whole = true;
    this.#received();
  }

  /** Take what changed. */
  update(data) {
    if (this.fleet === null) return;
    const ledger = { ...this.fleet.ledger, ...data.ledger };
    this.fleet = { ...this.fleet, t_unix_ns: data.t_unix_ns, total: data.total, simulated: data.simulated, ledger };
    for (const device of data.devices) {
      const key = keyOf(device);
      if (!this.devices.has(key)) this.#whole = true;
      this.devices.set(key, device);
      this.#changed.add(key);
    }
    this.#received();
  }

  /** What changed since the last call: {whole, changed}. */
  take() {
    const taken = { whole: this.#whole, changed: this.#changed };
    this.#whole = false;
    this.#changed = new Set();
    return taken;
  }

  /** The collector's time now, as well as this page can tell. */
  nowUnixNs() {
    if (this.fleet === null) return Date.now() * 1e6;
    return this.fleet.t_unix_ns + (performance.now() - this.#receivedMs) * 1e6;
  }

  /** Seconds since a moment of the collector's time; null for an unknown moment. */
  ageS(unixNs) {
    return typeof unixNs === "number" ? Math.max(0, (this.nowUnixNs() - unixNs) / 1e9) : null;
  }

  #received() {
    this.#receivedMs = performance.now();
    this.dispatchEvent(new Event("change"));
  }
}

const FRESH_S = 30;
const FRESH_WINDOWS = 3;

/** Whether a device's latest window still says what it draws now. */
export function isFresh(store, device) {
  const latest = device.latest;
  if (!latest) return false;
  return store.ageS(latest.t_unix_ns) < Math.max(FRESH_S, FRESH_WINDOWS * latest.duration_s);
}

/** The power of all devices that measured just now: {power_w, measured, online}; power_w is null where none did. */
export function powerNow(store) {
  let power_w = null;
  let measured = 0;
  let online = 0;
  for (const device of store.devices.values()) {
    online += device.online === true ? 1 : 0;
    const latest_w = device.latest?.power_w;
    if (typeof latest_w !== "number" || !isFresh(store, device)) continue;
    power_w = (power_w ?? 0) + latest_w;
    measured += 1;
  }
  return { power_w, measured, online };
}
