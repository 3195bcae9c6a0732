// Making and changing elements. Text only ever becomes text: nothing that a device sends is read as markup.

/** An element with attributes and children; a child may be a string, an element, or null for none. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Write text where it differs from what is there. */
export function write(element, text) {
  const node = element.firstChild;
  if (node === null) {
    if (text !== "") element.append(text);
  } else if (node.nodeType !== Node.TEXT_NODE || node.nextSibling !== null) {
    element.textContent = text;
  } else if (node.data !== text) node.data = text;
}

/** Write a figure: its text for people, its full value for machines and for the pointer. */
export function writeFigure(element, value, text) {
  const raw = value === null || value === undefined ? "" : String(value);
  if (element.getAttribute("value") !== raw) {
    element.setAttribute("value", raw);
    element.title = raw;
  }
  write(element, text);
}

/** Set or remove a class where that changes something. */
export function mark(element, name, on) {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

/** Show or hide. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Set an attribute where it differs. */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Replace the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

/** A table of a few rows, without virtualisation: [{text, numeric}] headings, then rows of text or elements. */
export function plainTable(caption, headings, rows) {
  const cell = (content, index) => {
    const tag = index === 0 ? "th" : "td";
    return el(tag, { scope: index === 0 ? "row" : null, class: headings[index].numeric ? "n" : null }, content);
  };
  const head = headings.map((h) => el("th", { scope: "col", class: h.numeric ? "n" : null }, h.text));
  return el(
    "div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": caption },
    el(
      "table", {},
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", {}, el("tr", {}, ...head)),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
    ),
  );
}
