// Source of a served page: `backburn serve` sends suspects by page and stores the decisions.
const openSource = (data) => {
  const decisions = new Map();
  let counts = { accept: 0, reject: 0, relabel: 0 };
  let shown = [];
  const request = async (path, options) => {
    let response;
    try { response = await fetch(path, options); } catch {
      throw new Error("Nothing was done: backburn serve does not answer. Start it again.");
    }
    if (response.ok) return response.json();
    throw new Error(response.status === 409 ? (await response.json()).problem
      : `Nothing was done: backburn serve answers ${response.status}. Open the address that it printed.`);
  };
  const rows = async (indices) => {
    const answer = await request(`suspects?of=${indices.join(",")}`);
    shown = indices;
    counts = answer.counts;
    decisions.clear();
    return answer.suspects.map(({ index, cells, pictured, decided }) => {
      if (decided) decisions.set(index, decided);
      return { ...toSuspect(cells, index), pictured };
    });
  };
  const decide = async (suspect, decided, before) => {
    const change = { index: suspect.index, decided: decided ?? null, before: before ?? null };
    const headers = { "Content-Type": "application/json" };
    counts = await request("decisions", { method: "POST", headers, body: JSON.stringify(change) });
    if (decided) decisions.set(suspect.index, decided); else decisions.delete(suspect.index);
  };
  const picture = (kind, index) => (
    { uri: `pictures/${kind}?of=${shown.join(",")}`, place: shown.indexOf(index) });
  return {
    rows, decide, picture,
    live: true,
    sheets: data.sheets,
    find: async (query) => (await request(`find?${new URLSearchParams(query)}`)).view,
    decided: (index) => decisions.get(index),
    counts: () => counts,
    save: () => download("review.csv"),
    note: () => "",
  };
};
