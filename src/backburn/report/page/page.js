"use strict";
(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const FIELDS = ["image", "row", "given", "restored", "confidence", "score", "distance", "crossed"];
  const suspects = told.suspects.map((cells, index) => {
    const suspect = { index, rank: index + 1 };
    FIELDS.forEach((field, place) => { suspect[field] = cells[place]; });
    suspect.lower = suspect.image.toLowerCase();
    return suspect;
  });
  const classes = told.classes;
  const PAGE = 60;
  const KEY = `backburn-review-${told.key}`;
  const DONE = { accept: "✓ accepted", reject: "✕ rejected", relabel: "✎ relabeled" };
  const at = (id) => document.getElementById(id);
  const make = (tag, look, text) => {
    const made = document.createElement(tag);
    if (look) made.className = look;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // ---- decisions: index of the suspect -> { decision, label }
  const decisions = new Map();
  const past = [];
  let kept = true;

  const load = () => {
    try {
      const rows = new Map(suspects.map((suspect) => [String(suspect.row), suspect.index]));
      const found = JSON.parse(localStorage.getItem(KEY) || "{}");
      for (const [row, [decision, label]] of Object.entries(found)) {
        const known = rows.has(row) && Object.hasOwn(DONE, decision);
        if (known && classes[label] !== undefined) decisions.set(rows.get(row), { decision, label });
      }
    } catch { kept = false; }
  };

  const save = () => {
    const out = {};
    for (const [index, { decision, label }] of decisions) out[suspects[index].row] = [decision, label];
    try { localStorage.setItem(KEY, JSON.stringify(out)); } catch { kept = false; }
  };

  // ---- review.csv, byte for byte what backburn.data.cells writes
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
  const download = () => {
    const url = URL.createObjectURL(new Blob(bytes(csv()), { type: "text/csv" }));
    const link = make("a");
    link.href = url;
    link.download = "review.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    say(`review.csv holds ${decisions.size} decisions.`);
  };

  // ---- pictures: a sheet is decoded when the first of its thumbnails is shown
  const sheets = told.sheets;
  const waiting = new Map();
  const decoded = new Map();
  const sheet = (name, uri) => {
    if (!waiting.has(name)) {
      const image = new Image();
      image.src = uri;
      waiting.set(name, image.decode().then(() => { decoded.set(name, image); }));
    }
    return waiting.get(name);
  };
  const draw = (canvas, kind, index) => {
    const number = Math.floor(index / sheets.each);
    const name = `${kind} ${number}`;
    const wanted = `${kind} ${index}`;
    const { width, height, columns } = sheets;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    canvas.dataset.wanted = wanted;
    const paste = () => {
      // by now another suspect may be shown there
      if (canvas.dataset.wanted !== wanted) return;
      const place = index % sheets.each;
      const left = (place % columns) * width;
      const top = Math.floor(place / columns) * height;
      pen.drawImage(decoded.get(name), left, top, width, height, 0, 0, width, height);
    };
    if (decoded.has(name)) paste(); else sheet(name, sheets.uris[kind][number]).then(paste);
  };
  const clear = (canvas) => {
    canvas.dataset.wanted = "";
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  };
  const picture = () => {
    const box = make("div", "picture");
    const canvas = make("canvas", sheets.width <= 48 ? "small" : "");
    canvas.width = sheets.width;
    canvas.height = sheets.height;
    const caption = make("span");
    box.append(canvas, caption);
    return { box, canvas, caption };
  };

  // ---- tiles: made once, and filled with whichever suspects are shown
  let view = suspects;
  let page = 0;
  let cursor = 0;
  let tiles = [];
  const pool = [];

  const status = (suspect) => {
    const decided = decisions.get(suspect.index);
    if (!decided) return "undecided";
    return decided.decision === "relabel" ? `${DONE.relabel}: ${classes[decided.label]}` : DONE[decided.decision];
  };
  const number = (value, digits) => (value === null ? "-" : value.toFixed(digits));
  const named = (suspect) => `Rank ${suspect.rank}, ${suspect.image}: given ${classes[suspect.given]}, `
    + `restored ${classes[suspect.restored]}, score ${number(suspect.score, 3)}, `
    + `${suspect.crossed < 0 ? "no boundary found" : `behind the boundary ${classes[suspect.crossed]}`}, ${status(suspect)}`;

  const write = (element, text) => { element.textContent = text; element.title = text; };
  const button = (text, act) => {
    const made = make("button", "", text);
    made.type = "button";
    made.tabIndex = -1;
    made.addEventListener("click", act);
    return made;
  };

  const build = (slot) => {
    const place = () => page * PAGE + slot;
    const item = make("li");
    const card = make("div", "tile");
    card.setAttribute("role", "group");
    const pictures = make("div", "pictures");
    pictures.setAttribute("aria-hidden", "true");
    const [image, change, beyond] = [picture(), picture(), picture()];
    pictures.append(image.box, change.box, beyond.box);
    image.caption.textContent = "image";
    const name = make("bdi", "one name");
    const labels = make("div", "change");
    const [given, restored] = [make("bdi", "one"), make("bdi", "one")];
    labels.append(given, make("span", "", "→"), restored);
    const numbers = make("div", "one quiet");
    const state = make("bdi", "one state");
    const actions = make("div", "buttons");
    const buttons = [
      button("Accept", () => decide(place(), "accept", view[place()].restored)),
      button("Reject", () => decide(place(), "reject", view[place()].given)),
      button("Relabel…", () => ask(place())),
    ];
    actions.append(...buttons);
    card.append(pictures, name, labels, numbers, state, actions);
    card.addEventListener("focusin", () => { if (cursor !== place()) point(place()); });
    item.append(card);
    return { item, card, image, change, beyond, name, given, restored, numbers, state, buttons };
  };
  const fill = (tile, suspect) => {
    const crossed = suspect.crossed >= 0;
    draw(tile.image.canvas, "image", suspect.index);
    if (crossed) draw(tile.change.canvas, "perturbation", suspect.index); else clear(tile.change.canvas);
    if (crossed) draw(tile.beyond.canvas, "perturbed", suspect.index); else clear(tile.beyond.canvas);
    tile.change.caption.textContent = crossed ? "change" : "none found";
    tile.beyond.caption.textContent = crossed ? "beyond" : "-";
    write(tile.name, suspect.image);
    write(tile.given, classes[suspect.given]);
    write(tile.restored, classes[suspect.restored]);
    tile.numbers.textContent = `rank ${suspect.rank} · score ${number(suspect.score, 2)} · L2 ${number(suspect.distance, 3)}`;
    paint(tile, suspect);
  };
  const paint = (tile, suspect) => {
    const decided = decisions.get(suspect.index);
    tile.card.classList.remove(...Object.keys(DONE));
    if (decided) tile.card.classList.add(decided.decision);
    write(tile.state, status(suspect));
    tile.card.setAttribute("aria-label", named(suspect));
  };
  const repaint = (index) => {
    const place = view.findIndex((suspect) => suspect.index === index) - page * PAGE;
    if (tiles[place]) paint(tiles[place], suspects[index]);
  };

  const render = () => {
    const first = page * PAGE;
    const part = view.slice(first, first + PAGE);
    while (pool.length < part.length) {
      pool.push(build(pool.length));
      at("tiles").append(pool.at(-1).item);
    }
    pool.forEach(({ item }, slot) => { item.hidden = slot >= part.length; });
    tiles = pool.slice(0, part.length);
    part.forEach((suspect, slot) => fill(tiles[slot], suspect));
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    at("shown").textContent = view.length
      ? `${first + 1} to ${first + part.length} of ${view.length} shown, page ${page + 1} of ${pages}`
      : "No suspect is like that.";
    at("back").disabled = page === 0;
    at("next").disabled = page >= pages - 1;
    point(cursor);
  };
  const point = (place) => {
    cursor = place;
    tiles.forEach(({ card, buttons }, slot) => {
      const here = slot + page * PAGE === cursor;
      card.classList.toggle("current", here);
      for (const each of [card, ...buttons]) each.tabIndex = here ? 0 : -1;
    });
  };
  const go = (place) => {
    if (!view.length) return;
    const wanted = Math.min(Math.max(place, 0), view.length - 1);
    const other = Math.floor(wanted / PAGE);
    cursor = wanted;
    if (other !== page) { page = other; render(); } else point(wanted);
    const { card } = tiles[wanted - page * PAGE];
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  };
  const turn = (to) => { page = to; cursor = page * PAGE; render(); at("tiles").scrollIntoView({ block: "nearest" }); };

  // ---- deciding
  const say = (text) => { at("said").textContent = text; };
  const tally = () => {
    const counts = { accept: 0, reject: 0, relabel: 0 };
    for (const { decision } of decisions.values()) counts[decision] += 1;
    at("progress").value = decisions.size;
    at("tally").textContent = `${decisions.size} of ${suspects.length} decided: ${counts.accept} accepted, `
      + `${counts.reject} rejected, ${counts.relabel} relabeled${kept ? "" : " (not kept: this browser stores nothing for this page)"}`;
    at("undo").disabled = !past.length;
  };
  const decide = (place, decision, label) => {
    const suspect = view[place];
    past.push([suspect.index, decisions.get(suspect.index)]);
    decisions.set(suspect.index, { decision, label });
    save();
    repaint(suspect.index);
    tally();
    say(`${suspect.image}: ${status(suspect)}. ${decisions.size} of ${suspects.length} decided.`);
    go(place + 1);
  };
  const choose = (place, label) => decide(place, label === view[place].restored ? "accept" : label === view[place].given ? "reject" : "relabel", label);
  const undo = () => {
    if (!past.length) { say("Nothing to undo."); return; }
    const [index, before] = past.pop();
    if (before) decisions.set(index, before); else decisions.delete(index);
    save();
    repaint(index);
    tally();
    say(`Undone: ${suspects[index].image} is ${status(suspects[index])}.`);
    const place = view.findIndex((suspect) => suspect.index === index);
    if (place >= 0) go(place);
  };

  // ---- another label, typed
  let asked = 0;
  const ask = (place) => {
    asked = place;
    at("relabel-of").textContent = named(view[place]);
    at("relabel-class").value = "";
    at("relabel-error").textContent = "";
    at("relabel").showModal();
  };
  const meant = (text) => {
    const typed = text.trim().toLowerCase();
    const exact = classes.findIndex((name) => name === text);
    if (exact >= 0) return exact;
    const like = (test) => classes.flatMap((name, label) => (test(name.trim().toLowerCase()) ? [label] : []));
    const same = like((name) => name === typed);
    const begun = same.length || !typed ? same : like((name) => name.startsWith(typed));
    return begun.length === 1 ? begun[0] : -1;
  };
  const answer = (event) => {
    event.preventDefault();
    const label = meant(at("relabel-class").value);
    if (label < 0) { at("relabel-error").textContent = "No class, or more than one, is called so."; return; }
    at("relabel").close();
    choose(asked, label);
  };

  // ---- choosing what is shown
  const ORDER = {
    rank: (one, other) => one.rank - other.rank,
    confidence: (one, other) => one.confidence - other.confidence || one.rank - other.rank,
    distance: (one, other) => (other.distance ?? -1) - (one.distance ?? -1) || one.rank - other.rank,
    name: (one, other) => (one.image < other.image ? -1 : Number(one.image > other.image)),
    restored: (one, other) => one.restored - other.restored || one.rank - other.rank,
  };
  const refresh = () => {
    const [given, restored, decision, sort, search] = ["given", "restored", "decision", "sort", "search"].map((id) => at(id).value);
    const typed = search.toLowerCase();
    view = suspects.filter((suspect) => (given === "" || suspect.given === Number(given))
      && (restored === "" || suspect.restored === Number(restored))
      && (decision === "" || (decisions.get(suspect.index)?.decision ?? "open") === decision)
      && suspect.lower.includes(typed)).sort(ORDER[sort]);
    page = 0;
    cursor = 0;
    render();
    say(`${view.length} shown.`);
  };
  const options = (id, field) => {
    const counts = new Map();
    for (const suspect of suspects) counts.set(suspect[field], (counts.get(suspect[field]) || 0) + 1);
    for (const [label, count] of [...counts].sort(([one], [other]) => one - other)) {
      const option = make("option", "", `${classes[label]} (${count})`);
      option.value = label;
      at(id).append(option);
    }
  };

  // ---- keys; a digit is the class of that name, or the n-th where classes have other names
  const digits = classes.every((name) => /^[0-9]$/.test(name))
    ? new Map(classes.map((name, label) => [name, label]))
    : new Map(classes.slice(0, 9).map((_, label) => [String(label + 1), label]));
  const ACTS = {
    j: () => go(cursor + 1), ArrowRight: () => go(cursor + 1), k: () => go(cursor - 1), ArrowLeft: () => go(cursor - 1),
    Home: () => go(0), End: () => go(view.length - 1),
    a: () => decide(cursor, "accept", view[cursor].restored), r: () => decide(cursor, "reject", view[cursor].given),
    l: () => ask(cursor), u: undo,
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || at("relabel").open) return;
    const inside = at("tiles").contains(event.target);
    if (!inside && !(event.target === document.body && (event.key === "j" || event.key === "k"))) return;
    if (!view.length) return;
    if (!inside) go(cursor);
    else if (Object.hasOwn(ACTS, event.key)) ACTS[event.key]();
    else if (digits.has(event.key)) choose(cursor, digits.get(event.key));
    else return;
    event.preventDefault();
  };

  load();
  options("given", "given");
  options("restored", "restored");
  at("relabel-classes").append(...classes.map((name) => { const option = make("option"); option.value = name; return option; }));
  at("digits").append(...[...digits].map(([key, label]) => {
    const item = make("li");
    item.append(make("kbd", "", key), " ", make("bdi", "", classes[label]));
    return item;
  }));
  for (const id of ["given", "restored", "decision", "sort"]) at(id).addEventListener("change", refresh);
  at("search").addEventListener("input", refresh);
  at("back").addEventListener("click", () => turn(page - 1));
  at("next").addEventListener("click", () => turn(page + 1));
  at("undo").addEventListener("click", undo);
  at("export").addEventListener("click", download);
  at("relabel-form").addEventListener("submit", answer);
  at("relabel-cancel").addEventListener("click", () => at("relabel").close());
  at("relabel").addEventListener("close", () => tiles[asked - page * PAGE]?.card.focus());
  document.addEventListener("keydown", pressed);
  at("review").hidden = false;
  tally();
  render();
})();
