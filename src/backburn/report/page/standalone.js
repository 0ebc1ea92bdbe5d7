// Source of a standalone page: suspects and thumbnails are in the page, and the browser stores the
// decisions.
const openSource = (data) => {
  const { classes } = data;
  const suspects = data.suspects.map(toSuspect);
  for (const suspect of suspects) suspect.lower = suspect.image.toLowerCase();
  const KEY = `backburn-review-${data.key}`;
  const KINDS = ["accept", "reject", "relabel"];

  // ---- decisions: index of the suspect -> { decision, label }
  const decisions = new Map();
  let stored = true;
  try {
    const indices = new Map(suspects.map((suspect) => [String(suspect.row), suspect.index]));
    const entries = Object.entries(JSON.parse(localStorage.getItem(KEY) || "{}"));
    for (const [row, [decision, label]] of entries) {
      const valid = indices.has(row) && KINDS.includes(decision) && classes[label] !== undefined;
      if (valid) decisions.set(indices.get(row), { decision, label });
    }
  } catch { stored = false; }
  const decide = (suspect, decided) => {
    if (decided) decisions.set(suspect.index, decided); else decisions.delete(suspect.index);
    const entries = {};
    for (const [index, { decision, label }] of decisions) entries[suspects[index].row] = [decision, label];
    try { localStorage.setItem(KEY, JSON.stringify(entries)); } catch { stored = false; }
  };
  const counts = () => {
    const result = { accept: 0, reject: 0, relabel: 0 };
    for (const { decision } of decisions.values()) result[decision] += 1;
    return result;
  };

  // ---- review.csv, byte for byte what backburn.data.csv_cells writes
  const COLUMNS = ["image", "given_label", "restored_label", "decision", "label"];
  const NUMBER = /^(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf)$/;
  const escapeFormula = (cell) => (!NUMBER.test(cell) && /^'*[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell);
  const csv = () => {
    const rows = [...decisions].sort(([a], [b]) => a - b).map(([index, { decision, label }]) => {
      const { image, given, restored } = suspects[index];
      return [image, classes[given], classes[restored], decision, classes[label]];
    });
    const table = [COLUMNS, ...rows].map((row) => row.map(escapeFormula));
    const quoteAll = table.some((row) => row.some((cell) => cell.includes("\r")));
    const quote = (cell) => (quoteAll || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    return table.map((row) => `${row.map(quote).join(",")}\n`).join("");
  };
  // file names that aren't UTF-8 have a lone surrogate for each such byte
  const toBytes = (text) => text.split(/([\udc80-\udcff])/u).map((part, k) => (
    k % 2 ? Uint8Array.of(part.charCodeAt(0) - 0xdc00) : new TextEncoder().encode(part)));
  const save = () => {
    const url = URL.createObjectURL(new Blob(toBytes(csv()), { type: "text/csv" }));
    download(url);
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // ---- filter, sort and search
  const ORDERS = {
    rank: (a, b) => a.rank - b.rank,
    confidence: (a, b) => a.confidence - b.confidence || a.rank - b.rank,
    distance: (a, b) => (b.distance ?? -1) - (a.distance ?? -1) || a.rank - b.rank,
    name: (a, b) => (a.image < b.image ? -1 : Number(a.image > b.image)),
    restored: (a, b) => a.restored - b.restored || a.rank - b.rank,
  };
  const find = ({ given, restored, decision, sort, search }) => {
    const text = search.toLowerCase();
    return suspects.filter((suspect) => (given === "" || suspect.given === Number(given))
      && (restored === "" || suspect.restored === Number(restored))
      && (decision === "" || (decisions.get(suspect.index)?.decision ?? "open") === decision)
      && suspect.lower.includes(text)).sort(ORDERS[sort]).map((suspect) => suspect.index);
  };
  const { sheets } = data;
  const picture = (kind, index) => {
    const number = Math.floor(index / sheets.each);
    return { uri: sheets.uris[kind][number], place: index % sheets.each };
  };
  return {
    find, decide, counts, save, picture, sheets,
    rows: (indices) => indices.map((index) => suspects[index]),
    decided: (index) => decisions.get(index),
    note: () => (stored ? "" : " (not kept: this browser stores nothing for this page)"),
  };
};
