"use strict";
// The page runs its files as one script: this one, then the source of suspects and decisions
// (standalone.js or served.js, which both define openSource), then page.js.

// order of the cells in page_data.suspect_cells
const FIELDS = ["image", "row", "given", "restored", "confidence", "score", "distance", "crossed"];
const toSuspect = (cells, index) => {
  const suspect = { index, rank: index + 1, pictured: true };
  FIELDS.forEach((field, k) => { suspect[field] = cells[k]; });
  return suspect;
};
const createElement = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const download = (url) => {
  const link = createElement("a");
  link.href = url;
  link.download = "review.csv";
  link.click();
};
