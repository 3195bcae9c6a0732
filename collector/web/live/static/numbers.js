// Figures as people read them, by the rules of collector/numbers.py and to the same digits.

export const UNKNOWN = "–";
export const NBSP = "\u00a0";

const PREFIXES = new Map([
  [-12, [1e-12, "p"]], [-9, [1e-9, "n"]], [-6, [1e-6, "µ"]], [-3, [1e-3, "m"]],
  [0, [1, ""]], [3, [1e3, "k"]], [6, [1e6, "M"]], [9, [1e9, "G"]],
]);

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** The power of ten, and its letter, that show a value with one to three digits before the point. */
export function prefixOf(value) {
  if (value === 0 || !Number.isFinite(value)) return [1, ""];
  const exponent = 3 * Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-12);
  return PREFIXES.get(Math.min(9, Math.max(-12, exponent)));
}

/** Decimals without exponent. A tie goes to the even digit, as Python has it; toFixed takes the larger one. */
function fixed(value, places) {
  const digits = Math.min(100, places);
  if (Math.abs(value) >= 1e21) return BigInt(value).toString() + (digits ? "." + "0".repeat(digits) : "");
  const text = value.toFixed(digits);
  if (!Number.isInteger(value * 2 * 10 ** digits)) return text;
  const exact = Math.abs(value).toFixed(100);
  const cut = exact.indexOf(".") + 1 + digits;
  if (!/^50*$/.test(exact.slice(cut))) return text;
  const down = (value < 0 ? "-" : "") + exact.slice(0, digits ? cut : cut - 1);
  return Number(down.at(-1)) % 2 === 0 ? down : text;
}

/** As many places as tell ticks of this step apart: 0.25 needs two. */
export function placesOf(step) {
  let places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  while (places < 12 && Math.abs(Number(step.toFixed(places)) - step) > 1e-6 * step) places += 1;
  return places;
}

/** With so many significant digits, without exponent. */
export function significant(value, digits = 3) {
  if (value === 0) return "0";
  return fixed(value, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

/** With an exponent of two digits and more. A tie goes to the even digit, as Python has it; only whole numbers tie. */
function exponential(value, digits) {
  const text = value.toExponential(digits - 1);
  const exact = Number.isInteger(value) ? BigInt(Math.abs(value)).toString() : "";
  if (!/^50*$/.test(exact.slice(digits)) || Number(exact[digits - 1]) % 2 === 1) return text;
  return `${value < 0 ? "-" : ""}${exact[0]}.${exact.slice(1, digits)}e+${exact.length - 1}`;
}

/** For example "4.12 W"; with an exponent beyond the prefixes by a thousand and more. */
export function si(value, unit, digits = 3) {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (size && (size < 1e-15 || size >= 1e15)) return `${exponential(value, digits)}${NBSP}${unit}`;
  const [scale, letter] = prefixOf(value);
  return `${significant(value / scale, digits)}${NBSP}${letter}${unit}`;
}

/** For example "61.2 ± 0.4 µJ": the uncertainty has two digits, the value as many places as it. */
export function siU(value, u, unit) {
  if (!known(value) || !known(u) || u <= 0) return si(value, unit);
  const [scale, letter] = prefixOf(Math.max(Math.abs(value), u));
  const places = Math.max(0, 1 - Math.floor(Math.log10(u / scale)));
  return `${fixed(value / scale, places)} ± ${fixed(u / scale, places)}${NBSP}${letter}${unit}`;
}

/** The value of an estimate in grams. */
export const grams = (estimate) => (estimate ? si(estimate.value, "g") : UNKNOWN);

/** "low to high" in the prefix of the value, empty when unknown. */
export function gramsRange(estimate) {
  if (!estimate) return "";
  const [scale, letter] = prefixOf(estimate.value);
  return `${significant(estimate.low / scale, 2)} to ${significant(estimate.high / scale, 2)}${NBSP}${letter}g`;
}

/** Value and range of an estimate in its own unit. */
export const plain = (estimate) =>
  `${significant(estimate.value)} (${significant(estimate.low, 2)} to ${significant(estimate.high, 2)})`;

/** A ratio as per cent; what is not quite all never reads as 100 %. */
export function percent(ratio, places = 0) {
  if (!known(ratio)) return UNKNOWN;
  let text = fixed(100 * ratio, places);
  if (ratio < 1 && Number(text) === 100) text = fixed(Math.floor(100 * ratio * 100) / 100, 2);
  return `${text}${NBSP}%`;
}

/** No-break spaces between thousands before the point. */
const grouped = (text) => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, NBSP));

/** An integer with no-break spaces between thousands. */
export const count = (number) => (known(number) ? grouped(String(number)) : UNKNOWN);

const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

/** A length of time with the two units that matter. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Number(fixed(seconds, 0));
  if (whole < 120) return `${significant(seconds)}${NBSP}s`;
  for (const [size, name, smaller, smallerName] of UNITS) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / smaller);
    return `${Math.floor(whole / size)}${NBSP}${name}` + (rest ? ` ${rest}${NBSP}${smallerName}` : "");
  }
  return `${whole}${NBSP}s`;
}

/** How long ago, in whole units: an age that changes every second needs no decimals. */
export function age(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  return whole < 120 ? `${whole}${NBSP}s` : span(whole);
}

/** Per second, for example "81.3 /s". */
export const perSecond = (value) => (known(value) ? `${grouped(significant(value))}${NBSP}/s` : UNKNOWN);

/** A number with a fixed number of places and its unit. */
export const withUnit = (value, unit, places = 0) =>
  known(value) ? `${fixed(value, places)}${NBSP}${unit}` : UNKNOWN;

const pad = (number) => String(number).padStart(2, "0");

/** UTC time of day with seconds. */
export function clockTime(unixNs) {
  if (!known(unixNs)) return UNKNOWN;
  const t = new Date(unixNs / 1e6);
  return `${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())}`;
}

/** UTC date and time to the minute. */
export function minute(unixNs) {
  if (!known(unixNs)) return UNKNOWN;
  const iso = new Date(unixNs / 1e6).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}
