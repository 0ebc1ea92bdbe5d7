"use strict";
// The scripts of a page are one script: this, then where suspects and decisions are (inpage.js or
// served.js), then the page itself.
const FIELDS = ["image", "row", "given", "restored", "confidence", "score", "distance", "crossed"];
const asSuspect = (cells, index) => {
  const suspect = { index, rank: index + 1, pictured: true };
  FIELDS.forEach((field, place) => { suspect[field] = cells[place]; });
  return suspect;
};
const make = (tag, look, text) => {
  const made = document.createElement(tag);
  if (look) made.className = look;
  if (text !== undefined) made.textContent = text;
  return made;
};
const offer = (url) => {
  const link = make("a");
  link.href = url;
  link.download = "review.csv";
  link.click();
};
