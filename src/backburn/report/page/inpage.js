// All suspects and their pictures lie in the page, and the browser keeps the decisions.
const openSource = (told) => {
  const { classes } = told;
  const suspects = told.suspects.map(asSuspect);
  for (const suspect of suspects) suspect.lower = suspect.image.toLowerCase();
  const KEY = `backburn-review-${told.key}`;
  const KNOWN = ["accept", "reject", "relabel"];

  // ---- decisions: index of the suspect -> { decision, label }
  const decisions = new Map();
  let kept = true;
  try {
    const rows = new Map(suspects.map((suspect) => [String(suspect.row), suspect.index]));
    const found = JSON.parse(localStorage.getItem(KEY) || "{}");
    for (const [row, [decision, label]] of Object.entries(found)) {
      const known = rows.has(row) && KNOWN.includes(decision);
      if (known && classes[label] !== undefined) decisions.set(rows.get(row), { decision, label });
    }
  } catch { kept = false; }
  const decide = (suspect, decided) => {
    if (decided) decisions.set(suspect.index, decided); else decisions.delete(suspect.index);
    const out = {};
    for (const [index, { decision, label }] of decisions) out[suspects[index].row] = [decision, label];
    try { localStorage.setItem(KEY, JSON.stringify(out)); } catch { kept = false; }
  };
  const counts = () => {
    const found = { accept: 0, reject: 0, relabel: 0 };
    for (const { decision } of decisions.values()) found[decision] += 1;
    return found;
  };

  // ---- review.csv, byte for byte what backburn.data.csv_cells writes
  const COLUMNS = ["image", "given_label", "restored_label", "decision", "label"];
  const NUMBER = /^(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf)$/;
  const neutral = (cell) => (!NUMBER.test(cell) && /^'*[=+\-@\t\r\n]/.test(cell) ? `'${cell}` : cell);
  const csv = () => {
    const rows = [...decisions].sort(([one], [other]) => one - other).map(([index, { decision, label }]) => {
      const { image, given, restored } = suspects[index];
      return [image, classes[given], classes[restored], decision, classes[label]];
    });
    const table = [COLUMNS, ...rows].map((row) => row.map(neutral));
    const bare = table.some((row) => row.some((cell) => cell.includes("\r")));
    const quoted = (cell) => (bare || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    return table.map((row) => `${row.map(quoted).join(",")}\n`).join("");
  };
  // names that are no UTF-8 are told with a lone surrogate for each such byte
  const bytes = (text) => text.split(/([\udc80-\udcff])/u).map((part, place) => (
    place % 2 ? Uint8Array.of(part.charCodeAt(0) - 0xdc00) : new TextEncoder().encode(part)));
  const save = () => {
    const url = URL.createObjectURL(new Blob(bytes(csv()), { type: "text/csv" }));
    offer(url);
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // ---- choosing what is shown
  const ORDER = {
    rank: (one, other) => one.rank - other.rank,
    confidence: (one, other) => one.confidence - other.confidence || one.rank - other.rank,
    distance: (one, other) => (other.distance ?? -1) - (one.distance ?? -1) || one.rank - other.rank,
    name: (one, other) => (one.image < other.image ? -1 : Number(one.image > other.image)),
    restored: (one, other) => one.restored - other.restored || one.rank - other.rank,
  };
  const find = ({ given, restored, decision, sort, search }) => {
    const typed = search.toLowerCase();
    return suspects.filter((suspect) => (given === "" || suspect.given === Number(given))
      && (restored === "" || suspect.restored === Number(restored))
      && (decision === "" || (decisions.get(suspect.index)?.decision ?? "open") === decision)
      && suspect.lower.includes(typed)).sort(ORDER[sort]).map((suspect) => suspect.index);
  };
  const { sheets } = told;
  const picture = (kind, index) => {
    const number = Math.floor(index / sheets.each);
    return { uri: sheets.uris[kind][number], place: index % sheets.each };
  };
  return {
    find, decide, counts, save, picture, sheets,
    rows: (indexes) => indexes.map((index) => suspects[index]),
    decided: (index) => decisions.get(index),
    note: () => (kept ? "" : " (not kept: this browser stores nothing for this page)"),
  };
};
