// The trajectory viewer. First part: elements, numbers, and the data that the page holds.
// Texts of runs enter the page as text nodes and nothing else, through `make`.
"use strict";

const MARKS = new Set(["hidden", "open", "disabled"]);

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, MARKS.has(key) ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) { return document.getElementById(id); }

function plural(count, word) {
  return count.toLocaleString("en") + " " + word + (count === 1 ? "" : "s");
}

// A number in about four digits; a dash for what is none.
function written(value, signed = false) {
  if (typeof value !== "number") return "–";
  const size = Math.abs(value);
  const text = size >= 1000 || (size > 0 && size < 0.0005)
    ? size.toPrecision(3) : String(Number(size.toFixed(3)));
  return (value < 0 ? "−" : signed && value > 0 ? "+" : "") + text;
}

// The same with three decimals, for numbers that stand below one another.
function aligned(value, signed = false) {
  const text = written(value, signed);
  if (typeof value !== "number" || Math.abs(value) >= 1000 || text.includes("e")) return text;
  return text.replace(/[\d.]+$/, Math.abs(value).toFixed(3));
}

function duration(seconds) {
  const [size, unit] = seconds < 1e-3 ? [1e-6, " µs"] : seconds < 1 ? [1e-3, " ms"]
    : seconds < 120 ? [1, " s"] : [60, " min"];
  return written(Number((seconds / size).toPrecision(3))) + unit;
}

// A kind of task as people write it.
function spaced(name) { return name.replaceAll("_", " "); }

async function unpack(number) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser is too old for this page: it has no DecompressionStream.");
  }
  const letters = atob(byId("data-" + number).textContent);
  const packed = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) packed[at] = letters.charCodeAt(at);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// Episodes that were looked at last stay unpacked.
const KEPT = 24;
const kept = new Map();

function contentOf(row) {
  const found = kept.get(row.number) || unpack(row.number + 1);
  kept.delete(row.number);
  kept.set(row.number, found);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return found;
}
