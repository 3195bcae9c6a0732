// Runs before the first paint, so that the page never flashes in the wrong colours.
"use strict";
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("edgejoule-theme");
  } catch {
    chosen = null; // storage may be forbidden
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
