// Suspects come from `backburn serve`, a page of them at a time, and it keeps the decisions.
const openSource = (told) => {
  const decisions = new Map();
  let counts = { accept: 0, reject: 0, relabel: 0 };
  let shown = [];
  const ask = async (path, options) => {
    let answer;
    try { answer = await fetch(path, options); } catch {
      throw new Error("Nothing was done: backburn serve does not answer. Start it again.");
    }
    if (answer.ok) return answer.json();
    throw new Error(answer.status === 409 ? (await answer.json()).problem
      : `Nothing was done: backburn serve answers ${answer.status}. Open the address that it printed.`);
  };
  const rows = async (indexes) => {
    const found = await ask(`suspects?of=${indexes.join(",")}`);
    shown = indexes;
    counts = found.counts;
    decisions.clear();
    return found.suspects.map(({ index, cells, pictured, decided }) => {
      if (decided) decisions.set(index, decided);
      return { ...asSuspect(cells, index), pictured };
    });
  };
  const decide = async (suspect, decided, before) => {
    const wanted = { index: suspect.index, decided: decided ?? null, before: before ?? null };
    const headers = { "Content-Type": "application/json" };
    counts = await ask("decisions", { method: "POST", headers, body: JSON.stringify(wanted) });
    if (decided) decisions.set(suspect.index, decided); else decisions.delete(suspect.index);
  };
  const picture = (kind, index) => (
    { uri: `pictures/${kind}?of=${shown.join(",")}`, place: shown.indexOf(index) });
  return {
    rows, decide, picture,
    live: true,
    sheets: told.sheets,
    find: async (query) => (await ask(`find?${new URLSearchParams(query)}`)).view,
    decided: (index) => decisions.get(index),
    counts: () => counts,
    save: () => offer("review.csv"),
    note: () => "",
  };
};
