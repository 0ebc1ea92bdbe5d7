(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const { classes } = told;
  const source = openSource(told);
  const { sheets } = source;
  const PAGE = 60;
  const DONE = { accept: "✓ accepted", reject: "✕ rejected", relabel: "✎ relabeled" };
  const at = (id) => document.getElementById(id);

  // what is asked for is done one after the other: a key never meets a page that is still on its way
  let last = Promise.resolve();
  const then = (act) => { last = last.then(act).catch((error) => say(error.message)); };

  // ---- pictures: a sheet is decoded when the first of its thumbnails is shown
  const SHEETS = 60;
  const decoded = new Map();
  const sheet = (uri) => {
    if (!decoded.has(uri)) {
      const image = new Image();
      image.src = uri;
      decoded.set(uri, image.decode().then(() => image, (error) => {
        decoded.delete(uri);
        throw error;
      }));
      if (decoded.size > SHEETS) decoded.delete(decoded.keys().next().value);
    }
    return decoded.get(uri);
  };
  const clear = (canvas) => {
    canvas.dataset.wanted = "";
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  };
  const draw = async (canvas, kind, index) => {
    const wanted = `${kind} ${index}`;
    const { width, height, columns } = sheets;
    const { uri, place } = source.picture(kind, index);
    clear(canvas);
    canvas.dataset.wanted = wanted;
    const image = await sheet(uri);
    // by now another suspect may be shown there
    if (canvas.dataset.wanted !== wanted) return;
    const [left, top] = [(place % columns) * width, Math.floor(place / columns) * height];
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
  };
  const picture = () => {
    const box = make("div", "picture");
    const canvas = make("canvas", sheets.width <= 48 ? "small" : "");
    canvas.width = sheets.width;
    canvas.height = sheets.height;
    const caption = make("span");
    const holder = make("div", "holder");
    const region = make("div", "region");
    region.hidden = true;
    holder.append(canvas, region);
    box.append(holder, caption);
    return { box, canvas, caption, region };
  };
  // where the suspects of a class have something in common: left, top, width, height as shares
  const frame = ({ region }, place) => {
    region.hidden = !place;
    if (!place) return;
    const names = ["left", "top", "width", "height"];
    names.forEach((name, k) => { region.style[name] = `${100 * place[k]}%`; });
  };

  // ---- tiles: made once, and filled with whichever suspects are shown
  let view = [];
  let rows = [];
  const past = [];
  let page = 0;
  let cursor = 0;
  let tiles = [];
  const pool = [];

  const status = (suspect) => {
    const decided = source.decided(suspect.index);
    if (!decided) return "undecided";
    return decided.decision === "relabel" ? `${DONE.relabel}: ${classes[decided.label]}` : DONE[decided.decision];
  };
  const number = (value, digits) => (value === null ? "-" : value.toFixed(digits));
  const named = (suspect) => `Rank ${suspect.rank}, ${suspect.image}: given ${classes[suspect.given]}, `
    + `restored ${classes[suspect.restored]}, score ${number(suspect.score, 3)}, `
    + `${suspect.crossed < 0 ? `boundary not ${suspect.pictured ? "found" : "searched"}` : `behind the boundary ${classes[suspect.crossed]}`}, ${status(suspect)}`;

  const write = (element, text) => { element.textContent = text; element.title = text; };
  const button = (text, act) => {
    const made = make("button", "", text);
    made.type = "button";
    made.tabIndex = -1;
    made.addEventListener("click", act);
    return made;
  };

  const build = (slot) => {
    const item = make("li");
    const card = make("div", "tile");
    card.setAttribute("role", "group");
    const pictures = make("div", "pictures");
    pictures.setAttribute("aria-hidden", "true");
    const [image, change, beyond] = [picture(), picture(), picture()];
    image.box.classList.add("large");
    pictures.append(image.box, change.box, beyond.box);
    const name = make("bdi", "one name");
    const labels = make("div", "change");
    const [given, restored] = [make("bdi", "one"), make("bdi", "one")];
    labels.append(given, make("span", "", "→"), restored);
    const numbers = make("div", "one quiet");
    const state = make("bdi", "one state");
    const actions = make("div", "buttons");
    const buttons = [
      button("Accept", () => { const mine = rows[slot]; then(() => decide(mine, "accept", mine.restored)); }),
      button("Reject", () => { const mine = rows[slot]; then(() => decide(mine, "reject", mine.given)); }),
      button("Relabel…", () => { const mine = rows[slot]; then(() => ask(mine)); }),
    ];
    actions.append(...buttons);
    card.append(pictures, name, labels, numbers, state, actions);
    card.addEventListener("focusin", () => { if (cursor !== page * PAGE + slot) point(page * PAGE + slot); });
    item.append(card);
    return { item, card, image, change, beyond, name, given, restored, numbers, state, buttons };
  };
  const fill = (tile, suspect) => {
    const crossed = suspect.pictured && suspect.crossed >= 0;
    const shown = { image: suspect.pictured, perturbation: crossed, perturbed: crossed };
    const canvases = { image: tile.image.canvas, perturbation: tile.change.canvas, perturbed: tile.beyond.canvas };
    for (const [kind, canvas] of Object.entries(canvases)) {
      if (shown[kind]) draw(canvas, kind, suspect.index).catch(() => clear(canvas)); else clear(canvas);
    }
    frame(tile.image, suspect.pictured ? told.regions[suspect.given] : null);
    tile.image.caption.textContent = suspect.pictured ? "image" : "no picture";
    tile.change.caption.textContent = crossed ? "change" : suspect.pictured ? "none found" : "-";
    tile.beyond.caption.textContent = crossed ? "beyond" : "-";
    write(tile.name, suspect.image);
    write(tile.given, classes[suspect.given]);
    write(tile.restored, classes[suspect.restored]);
    tile.numbers.textContent = `rank ${suspect.rank} · score ${number(suspect.score, 2)} · L2 ${number(suspect.distance, 3)}`;
    paint(tile, suspect);
  };
  const paint = (tile, suspect) => {
    const decided = source.decided(suspect.index);
    tile.card.classList.remove(...Object.keys(DONE));
    if (decided) tile.card.classList.add(decided.decision);
    write(tile.state, status(suspect));
    tile.card.setAttribute("aria-label", named(suspect));
  };
  const repaint = (index) => {
    const slot = rows.findIndex((suspect) => suspect.index === index);
    if (slot >= 0) paint(tiles[slot], rows[slot]);
  };

  const render = async () => {
    const first = page * PAGE;
    rows = await source.rows(view.slice(first, first + PAGE));
    while (pool.length < rows.length) {
      pool.push(build(pool.length));
      at("tiles").append(pool.at(-1).item);
    }
    pool.forEach(({ item }, slot) => { item.hidden = slot >= rows.length; });
    tiles = pool.slice(0, rows.length);
    rows.forEach((suspect, slot) => fill(tiles[slot], suspect));
    at("tiles").classList.remove("waiting");
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    at("shown").textContent = view.length
      ? `${first + 1} to ${first + rows.length} of ${view.length} shown, page ${page + 1} of ${pages}`
      : "No suspect is like that.";
    at("back").disabled = page === 0;
    at("next").disabled = page >= pages - 1;
    point(cursor);
    tally();
  };
  const point = (place) => {
    cursor = place;
    tiles.forEach(({ card, buttons }, slot) => {
      const here = slot + page * PAGE === cursor;
      card.classList.toggle("current", here);
      for (const each of [card, ...buttons]) each.tabIndex = here ? 0 : -1;
    });
  };
  const go = async (place) => {
    if (!view.length) return;
    const wanted = Math.min(Math.max(place, 0), view.length - 1);
    const other = Math.floor(wanted / PAGE);
    cursor = wanted;
    if (other !== page) { page = other; await render(); } else point(wanted);
    const { card } = tiles[wanted - page * PAGE];
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  };
  const turn = async (to) => {
    page = to;
    cursor = page * PAGE;
    await render();
    at("tiles").scrollIntoView({ block: "nearest" });
  };

  // ---- deciding
  const say = (text) => { at("said").textContent = text; };
  const tally = () => {
    const counts = source.counts();
    const done = counts.accept + counts.reject + counts.relabel;
    at("progress").value = done;
    at("tally").textContent = `${done} of ${told.count} decided: ${counts.accept} accepted, `
      + `${counts.reject} rejected, ${counts.relabel} relabeled${source.note()}`;
    at("undo").disabled = !past.length;
    return `${done} of ${told.count} decided.`;
  };
  const keep = async (suspect, decided, before) => {
    try { await source.decide(suspect, decided, before); } catch (error) {
      await render().catch(() => {});  // what is there now is shown, where it can be had
      throw error;
    }
    repaint(suspect.index);
  };
  const decide = async (suspect, decision, label) => {
    const before = source.decided(suspect.index);
    await keep(suspect, { decision, label }, before);
    past.push({ suspect, before, after: { decision, label } });
    say(`${suspect.image}: ${status(suspect)}. ${tally()}`);
    await go(view.indexOf(suspect.index) + 1);
  };
  // all that are shown on this page and undecided; one undo takes them back
  const acceptAll = async () => {
    const open = rows.filter((suspect) => !source.decided(suspect.index));
    if (!open.length) { say("All that are shown are decided."); return; }
    const done = [];
    past.push({ done });
    for (const suspect of open) {
      const after = { decision: "accept", label: suspect.restored };
      await keep(suspect, after, undefined);
      done.push({ suspect, after });
    }
    say(`${done.length} accepted. ${tally()}`);
  };
  const choose = (suspect, label) => decide(
    suspect, label === suspect.restored ? "accept" : label === suspect.given ? "reject" : "relabel", label);
  const undo = async () => {
    if (!past.length) { say("Nothing to undo."); return; }
    const { suspect, before, after, done } = past.pop();
    if (done) {
      for (const each of done) await keep(each.suspect, undefined, each.after);
      say(`Undone: ${done.length} are undecided. ${tally()}`);
      return;
    }
    await keep(suspect, before, after);
    tally();
    say(`Undone: ${suspect.image} is ${status(suspect)}.`);
    const place = view.indexOf(suspect.index);
    if (place >= 0) await go(place);
  };

  // ---- another label, typed
  let asked = null;
  const ask = (suspect, typed = "") => {
    asked = suspect;
    at("relabel-of").textContent = named(suspect);
    at("relabel-class").value = typed;
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
    const mine = asked;
    asked = null;
    at("relabel").close();
    then(() => choose(mine, label));
  };

  // ---- choosing what is shown
  const CHOSEN = ["given", "restored", "decision", "sort", "search"];
  let wanted = 0;
  const refresh = () => {
    wanted += 1;
    const mine = wanted;
    then(async () => {
      if (mine !== wanted) return;  // more was typed since
      view = await source.find(Object.fromEntries(CHOSEN.map((id) => [id, at(id).value])));
      page = 0;
      cursor = 0;
      await render();
      say(`${view.length} shown.`);
    });
  };
  const options = (id) => {
    for (const [label, count] of told.options[id]) {
      const option = make("option", "", `${classes[label]} (${count})`);
      option.value = label;
      at(id).append(option);
    }
  };

  // ---- keys; a digit is the class of that name, or the n-th where classes have other names
  const digits = classes.every((name) => /^[0-9]$/.test(name))
    ? new Map(classes.map((name, label) => [name, label]))
    : new Map(classes.slice(0, 9).map((_, label) => [String(label + 1), label]));
  const current = () => rows[cursor - page * PAGE];
  const ACTS = {
    j: () => go(cursor + 1), ArrowRight: () => go(cursor + 1), k: () => go(cursor - 1), ArrowLeft: () => go(cursor - 1),
    Home: () => go(0), End: () => go(view.length - 1),
    a: () => decide(current(), "accept", current().restored), r: () => decide(current(), "reject", current().given),
    l: () => ask(current()), u: undo,
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || at("relabel").open) return;
    const inside = at("tiles").contains(event.target);
    if (!inside && !(event.target === document.body && (event.key === "j" || event.key === "k"))) return;
    if (!view.length) return;
    const { key } = event;
    const act = !inside ? () => go(cursor)
      : Object.hasOwn(ACTS, key) ? ACTS[key]
        : digits.has(key) ? () => choose(current(), digits.get(key))
          : /^\p{L}$/u.test(key) ? () => { if (at("tiles").contains(document.activeElement)) ask(current(), key); } : null;
    if (!act) return;
    then(async () => {
      // typed sooner than the field could open, it belongs there
      if (at("relabel").open) at("relabel-class").value += key; else await act();
    });
    event.preventDefault();
  };

  options("given");
  options("restored");
  at("relabel-classes").append(...classes.map((name) => { const option = make("option"); option.value = name; return option; }));
  at("digits").append(...[...digits].map(([key, label]) => {
    const item = make("li");
    item.append(make("kbd", "", key), " ", make("bdi", "", classes[label]));
    return item;
  }));
  for (const id of ["given", "restored", "decision", "sort"]) at(id).addEventListener("change", refresh);
  at("search").addEventListener("input", refresh);
  at("back").addEventListener("click", () => then(() => turn(page - 1)));
  at("next").addEventListener("click", () => then(() => turn(page + 1)));
  at("accept-all").addEventListener("click", () => then(acceptAll));
  at("undo").addEventListener("click", () => then(undo));
  at("export").addEventListener("click", () => then(() => {
    source.save();
    say(`review.csv: ${tally()}`);
  }));
  at("relabel-form").addEventListener("submit", answer);
  at("relabel-cancel").addEventListener("click", () => at("relabel").close());
  at("relabel").addEventListener("close", () => { if (asked) tiles[rows.indexOf(asked)]?.card.focus(); });
  document.addEventListener("keydown", pressed);
  // another tab may have decided meanwhile
  if (source.live) document.addEventListener("visibilitychange", () => { if (!document.hidden) then(render); });
  at("review").hidden = false;
  refresh();
})();
