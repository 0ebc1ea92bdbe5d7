(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { classes } = data;
  const source = openSource(data);
  const { sheets } = source;
  const PAGE = 60;
  const DECISION_TEXT = { accept: "✓ accepted", reject: "✕ rejected", relabel: "✎ relabeled" };
  const byId = (id) => document.getElementById(id);

  // actions run one after the other, so that a key never acts on a page that is still loading
  let queue = Promise.resolve();
  const enqueue = (action) => { queue = queue.then(action).catch((error) => announce(error.message)); };

  // ---- thumbnails: a sheet is decoded when the first of its thumbnails is shown
  const SHEETS = 60;
  const decoded = new Map();
  const decodeSheet = (uri) => {
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
    canvas.dataset.shows = "";
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  };
  const draw = async (canvas, kind, index) => {
    const name = `${kind} ${index}`;
    const { width, height, columns } = sheets;
    const { uri, place } = source.picture(kind, index);
    clear(canvas);
    canvas.dataset.shows = name;
    const image = await decodeSheet(uri);
    // meanwhile the tile may have got another suspect
    if (canvas.dataset.shows !== name) return;
    const [left, top] = [(place % columns) * width, Math.floor(place / columns) * height];
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
  };
  const createPicture = () => {
    const box = createElement("div", "picture");
    const canvas = createElement("canvas", sheets.width <= 48 ? "small" : "");
    canvas.width = sheets.width;
    canvas.height = sheets.height;
    const caption = createElement("span");
    const holder = createElement("div", "holder");
    const region = createElement("div", "region");
    region.hidden = true;
    holder.append(canvas, region);
    box.append(holder, caption);
    return { box, canvas, caption, region };
  };
  // box: left, top, width and height of the trigger as shares of the image
  const showRegion = ({ region }, box) => {
    region.hidden = !box;
    if (!box) return;
    const names = ["left", "top", "width", "height"];
    names.forEach((name, k) => { region.style[name] = `${100 * box[k]}%`; });
  };

  // ---- tiles: created once, and filled with the suspects that are shown
  let view = [];
  let rows = [];
  const undoStack = [];
  let page = 0;
  let cursor = 0;
  let tiles = [];
  const pool = [];

  const status = (suspect) => {
    const decided = source.decided(suspect.index);
    if (!decided) return "undecided";
    const text = DECISION_TEXT[decided.decision];
    return decided.decision === "relabel" ? `${text}: ${classes[decided.label]}` : text;
  };
  const formatNumber = (value, digits) => (value === null ? "-" : value.toFixed(digits));
  const describe = (suspect) => `Rank ${suspect.rank}, ${suspect.image}: given ${classes[suspect.given]}, `
    + `restored ${classes[suspect.restored]}, score ${formatNumber(suspect.score, 3)}, `
    + `${suspect.crossed < 0 ? `boundary not ${suspect.pictured ? "found" : "searched"}` : `behind the boundary ${classes[suspect.crossed]}`}, ${status(suspect)}`;

  const setText = (element, text) => { element.textContent = text; element.title = text; };
  const createButton = (text, action) => {
    const button = createElement("button", "", text);
    button.type = "button";
    button.tabIndex = -1;
    button.addEventListener("click", action);
    return button;
  };

  const createTile = (slot) => {
    const item = createElement("li");
    const card = createElement("div", "tile");
    card.setAttribute("role", "group");
    const pictures = createElement("div", "pictures");
    pictures.setAttribute("aria-hidden", "true");
    const [image, change, beyond] = [createPicture(), createPicture(), createPicture()];
    image.box.classList.add("large");
    pictures.append(image.box, change.box, beyond.box);
    const name = createElement("bdi", "one-line name");
    const labels = createElement("div", "change");
    const [given, restored] = [createElement("bdi", "one-line"), createElement("bdi", "one-line")];
    labels.append(given, createElement("span", "", "→"), restored);
    const numbers = createElement("div", "one-line quiet");
    const state = createElement("bdi", "one-line state");
    const actions = createElement("div", "buttons");
    // the suspect is that of the click, not that of the time when the action runs
    const onSuspect = (action) => () => { const suspect = rows[slot]; enqueue(() => action(suspect)); };
    const buttons = [
      createButton("Accept", onSuspect((suspect) => decide(suspect, "accept", suspect.restored))),
      createButton("Reject", onSuspect((suspect) => decide(suspect, "reject", suspect.given))),
      createButton("Relabel…", onSuspect((suspect) => openDialog(suspect))),
    ];
    actions.append(...buttons);
    card.append(pictures, name, labels, numbers, state, actions);
    card.addEventListener("focusin", () => { if (cursor !== page * PAGE + slot) setCursor(page * PAGE + slot); });
    item.append(card);
    return { item, card, image, change, beyond, name, given, restored, numbers, state, buttons };
  };
  const fillTile = (tile, suspect) => {
    const crossed = suspect.pictured && suspect.crossed >= 0;
    const available = { image: suspect.pictured, perturbation: crossed, perturbed: crossed };
    const canvases = { image: tile.image.canvas, perturbation: tile.change.canvas, perturbed: tile.beyond.canvas };
    for (const [kind, canvas] of Object.entries(canvases)) {
      if (available[kind]) draw(canvas, kind, suspect.index).catch(() => clear(canvas)); else clear(canvas);
    }
    showRegion(tile.image, suspect.pictured ? data.regions[suspect.given] : null);
    tile.image.caption.textContent = suspect.pictured ? "image" : "no picture";
    tile.change.caption.textContent = crossed ? "change" : suspect.pictured ? "none found" : "-";
    tile.beyond.caption.textContent = crossed ? "beyond" : "-";
    setText(tile.name, suspect.image);
    setText(tile.given, classes[suspect.given]);
    setText(tile.restored, classes[suspect.restored]);
    tile.numbers.textContent = `rank ${suspect.rank} · score ${formatNumber(suspect.score, 2)} · L2 ${formatNumber(suspect.distance, 3)}`;
    showDecision(tile, suspect);
  };
  const showDecision = (tile, suspect) => {
    const decided = source.decided(suspect.index);
    tile.card.classList.remove(...Object.keys(DECISION_TEXT));
    if (decided) tile.card.classList.add(decided.decision);
    setText(tile.state, status(suspect));
    tile.card.setAttribute("aria-label", describe(suspect));
  };
  const updateTile = (index) => {
    const slot = rows.findIndex((suspect) => suspect.index === index);
    if (slot >= 0) showDecision(tiles[slot], rows[slot]);
  };

  const render = async () => {
    const first = page * PAGE;
    rows = await source.rows(view.slice(first, first + PAGE));
    while (pool.length < rows.length) {
      pool.push(createTile(pool.length));
      byId("tiles").append(pool.at(-1).item);
    }
    pool.forEach(({ item }, slot) => { item.hidden = slot >= rows.length; });
    tiles = pool.slice(0, rows.length);
    rows.forEach((suspect, slot) => fillTile(tiles[slot], suspect));
    byId("tiles").classList.remove("waiting");
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    byId("shown").textContent = view.length
      ? `${first + 1} to ${first + rows.length} of ${view.length} shown, page ${page + 1} of ${pages}`
      : "No suspect is like that.";
    byId("back").disabled = page === 0;
    byId("next").disabled = page >= pages - 1;
    setCursor(cursor);
    updateTally();
  };
  const setCursor = (position) => {
    cursor = position;
    tiles.forEach(({ card, buttons }, slot) => {
      const current = slot + page * PAGE === cursor;
      card.classList.toggle("current", current);
      for (const element of [card, ...buttons]) element.tabIndex = current ? 0 : -1;
    });
  };
  const moveTo = async (position) => {
    if (!view.length) return;
    const target = Math.min(Math.max(position, 0), view.length - 1);
    const targetPage = Math.floor(target / PAGE);
    cursor = target;
    if (targetPage !== page) { page = targetPage; await render(); } else setCursor(target);
    const { card } = tiles[target - page * PAGE];
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  };
  const turnTo = async (number) => {
    page = number;
    cursor = page * PAGE;
    await render();
    byId("tiles").scrollIntoView({ block: "nearest" });
  };

  // ---- decisions
  const announce = (text) => { byId("message").textContent = text; };
  const updateTally = () => {
    const counts = source.counts();
    const done = counts.accept + counts.reject + counts.relabel;
    byId("progress").value = done;
    byId("tally").textContent = `${done} of ${data.count} decided: ${counts.accept} accepted, `
      + `${counts.reject} rejected, ${counts.relabel} relabeled${source.note()}`;
    byId("undo").disabled = !undoStack.length;
    return `${done} of ${data.count} decided.`;
  };
  const record = async (suspect, decided, before) => {
    try { await source.decide(suspect, decided, before); } catch (error) {
      await render().catch(() => {});  // show the current decisions, if they can be had
      throw error;
    }
    updateTile(suspect.index);
  };
  const decide = async (suspect, decision, label) => {
    const before = source.decided(suspect.index);
    await record(suspect, { decision, label }, before);
    undoStack.push({ suspect, before, after: { decision, label } });
    announce(`${suspect.image}: ${status(suspect)}. ${updateTally()}`);
    await moveTo(view.indexOf(suspect.index) + 1);
  };
  // accepts all undecided suspects of this page; one undo takes all of them back
  const acceptAll = async () => {
    const undecided = rows.filter((suspect) => !source.decided(suspect.index));
    if (!undecided.length) { announce("All that are shown are decided."); return; }
    const accepted = [];
    undoStack.push({ accepted });
    for (const suspect of undecided) {
      const after = { decision: "accept", label: suspect.restored };
      await record(suspect, after, undefined);
      accepted.push({ suspect, after });
    }
    announce(`${accepted.length} accepted. ${updateTally()}`);
  };
  const chooseLabel = (suspect, label) => decide(
    suspect, label === suspect.restored ? "accept" : label === suspect.given ? "reject" : "relabel", label);
  const undo = async () => {
    if (!undoStack.length) { announce("Nothing to undo."); return; }
    const { suspect, before, after, accepted } = undoStack.pop();
    if (accepted) {
      for (const entry of accepted) await record(entry.suspect, undefined, entry.after);
      announce(`Undone: ${accepted.length} are undecided. ${updateTally()}`);
      return;
    }
    await record(suspect, before, after);
    updateTally();
    announce(`Undone: ${suspect.image} is ${status(suspect)}.`);
    const position = view.indexOf(suspect.index);
    if (position >= 0) await moveTo(position);
  };

  // ---- dialog for another label
  let dialogSuspect = null;
  const openDialog = (suspect, text = "") => {
    dialogSuspect = suspect;
    byId("relabel-of").textContent = describe(suspect);
    byId("relabel-class").value = text;
    byId("relabel-error").textContent = "";
    byId("relabel").showModal();
  };
  // the class with this name, in any case, or the only one that begins so; -1 for none or several
  const findClass = (text) => {
    const typed = text.trim().toLowerCase();
    const exact = classes.findIndex((name) => name === text);
    if (exact >= 0) return exact;
    const matching = (test) => classes.flatMap((name, label) => (test(name.trim().toLowerCase()) ? [label] : []));
    const equal = matching((name) => name === typed);
    const labels = equal.length || !typed ? equal : matching((name) => name.startsWith(typed));
    return labels.length === 1 ? labels[0] : -1;
  };
  const submitDialog = (event) => {
    event.preventDefault();
    const label = findClass(byId("relabel-class").value);
    if (label < 0) { byId("relabel-error").textContent = "No class, or more than one, is called so."; return; }
    const suspect = dialogSuspect;
    dialogSuspect = null;
    byId("relabel").close();
    enqueue(() => chooseLabel(suspect, label));
  };

  // ---- filters
  const FILTERS = ["given", "restored", "decision", "sort", "search"];
  let latestRefresh = 0;
  const refresh = () => {
    latestRefresh += 1;
    const number = latestRefresh;
    enqueue(async () => {
      if (number !== latestRefresh) return;  // the filters have changed again since
      view = await source.find(Object.fromEntries(FILTERS.map((id) => [id, byId(id).value])));
      page = 0;
      cursor = 0;
      await render();
      announce(`${view.length} shown.`);
    });
  };
  const addOptions = (id) => {
    for (const [label, count] of data.options[id]) {
      const option = createElement("option", "", `${classes[label]} (${count})`);
      option.value = label;
      byId(id).append(option);
    }
  };

  // ---- keys; a digit is the class of that name, or the n-th class if names aren't digits
  const digits = classes.every((name) => /^[0-9]$/.test(name))
    ? new Map(classes.map((name, label) => [name, label]))
    : new Map(classes.slice(0, 9).map((_, label) => [String(label + 1), label]));
  const current = () => rows[cursor - page * PAGE];
  const KEY_ACTIONS = {
    j: () => moveTo(cursor + 1), ArrowRight: () => moveTo(cursor + 1),
    k: () => moveTo(cursor - 1), ArrowLeft: () => moveTo(cursor - 1),
    Home: () => moveTo(0), End: () => moveTo(view.length - 1),
    a: () => decide(current(), "accept", current().restored), r: () => decide(current(), "reject", current().given),
    l: () => openDialog(current()), u: undo,
  };
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("relabel").open) return;
    const inside = byId("tiles").contains(event.target);
    if (!inside && !(event.target === document.body && (event.key === "j" || event.key === "k"))) return;
    if (!view.length) return;
    const { key } = event;
    const action = !inside ? () => moveTo(cursor)
      : Object.hasOwn(KEY_ACTIONS, key) ? KEY_ACTIONS[key]
        : digits.has(key) ? () => chooseLabel(current(), digits.get(key))
          : /^\p{L}$/u.test(key) ? () => { if (byId("tiles").contains(document.activeElement)) openDialog(current(), key); } : null;
    if (!action) return;
    enqueue(async () => {
      // a letter typed before the dialog was open belongs into its field
      if (byId("relabel").open) byId("relabel-class").value += key; else await action();
    });
    event.preventDefault();
  };

  addOptions("given");
  addOptions("restored");
  byId("relabel-classes").append(...classes.map((name) => { const option = createElement("option"); option.value = name; return option; }));
  byId("digits").append(...[...digits].map(([key, label]) => {
    const item = createElement("li");
    item.append(createElement("kbd", "", key), " ", createElement("bdi", "", classes[label]));
    return item;
  }));
  for (const id of ["given", "restored", "decision", "sort"]) byId(id).addEventListener("change", refresh);
  byId("search").addEventListener("input", refresh);
  byId("back").addEventListener("click", () => enqueue(() => turnTo(page - 1)));
  byId("next").addEventListener("click", () => enqueue(() => turnTo(page + 1)));
  byId("accept-all").addEventListener("click", () => enqueue(acceptAll));
  byId("undo").addEventListener("click", () => enqueue(undo));
  byId("export").addEventListener("click", () => enqueue(() => {
    source.save();
    announce(`review.csv: ${updateTally()}`);
  }));
  byId("relabel-form").addEventListener("submit", submitDialog);
  byId("relabel-cancel").addEventListener("click", () => byId("relabel").close());
  byId("relabel").addEventListener("close", () => { if (dialogSuspect) tiles[rows.indexOf(dialogSuspect)]?.card.focus(); });
  document.addEventListener("keydown", onKeyDown);
  // another tab may have decided meanwhile
  if (source.live) document.addEventListener("visibilitychange", () => { if (!document.hidden) enqueue(render); });
  refresh();
})();
