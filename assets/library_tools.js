// What stands around the library's rows: search, filters, sorting, columns, what can be done with selected runs, the foot.
// Holds no runs; tells the list what the reader wants.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const TYPING_MS = 250;
  const PAGE = 50;
  const FIGURES = 3;
  const KEPT = "forklore-library";
  const EVERYTHING = { text: "", tags: [], kinds: [], models: [], statuses: [], examples: null, sort: "created", descending: true, limit: PAGE, offset: 0 };
  const FILTERS = Object.keys(EVERYTHING).filter((name) => name !== "limit" && name !== "offset");
  const HINT = "↑ ↓ move · Enter opens · x selects · e renames · t tags · n notes · c compares two · / searches";
  const TOAST_MS = 12_000;
  const SHARED_AT_ONCE = 50;

  const ORDERS = {
    created: ["Newest first", "Oldest first"], title: ["Z to A", "A to Z"], tokens: ["Longest first", "Shortest first"],
  };
  const orderWord = (sort, descending) => (ORDERS[sort] || ["Highest first", "Lowest first"])[descending ? 0 : 1];

  /** Whether two queries ask for the same runs in the same order. */
  const sameList = (a, b) => FILTERS.every((name) => JSON.stringify(a[name]) === JSON.stringify(b[name]));

  /** A query after a wish: fields of a query, {addTag}, {dropTag}, {flip}, {reset} or {more} after the `loaded` rows on show. */
  function changed(before, patch, loaded) {
    const { addTag, dropTag, flip, reset, more, ...rest } = patch;
    const query = { ...before, ...rest, offset: more ? loaded : 0, limit: PAGE };
    if (addTag && !query.tags.includes(addTag)) query.tags = [...query.tags, addTag];
    if (dropTag) query.tags = query.tags.filter((tag) => tag !== dropTag);
    if (flip) query.descending = !query.descending;
    return reset ? { ...EVERYTHING, sort: query.sort, descending: query.descending } : query;
  }

  function keptColumns() {
    try {
      const names = JSON.parse(localStorage.getItem(KEPT) || "[]");
      if (Array.isArray(names)) return names.filter((name) => typeof name === "string").slice(0, FIGURES);
    } catch { /* a private window, or somebody else's text under this key */ }
    return [];
  }
  function keepColumns(names) {
    try { localStorage.setItem(KEPT, JSON.stringify(names)); } catch { /* a private window forgets */ }
  }

  /** A select with a label that only screen readers hear. choices: [value, word] or {group, choices}. */
  function picker(label, pick) {
    const node = el("select", { class: "fl-lib-select", "aria-label": label });
    node.addEventListener("change", () => pick(node.value));
    const option = ([value, word]) => el("option", { value, text: word });
    let drawn = "";
    return {
      node,
      set(choices, value) {
        const key = JSON.stringify(choices);
        if (key !== drawn) node.replaceChildren(...choices.map((choice) => (choice.group ? el("optgroup", { label: choice.group }, choice.choices.map(option)) : option(choice))));
        drawn = key;
        node.value = value;
        node.classList.toggle("fl-lib-set", value !== "" && value !== choices[0][0]);
      },
    };
  }

  class Tools {
    /** wishes: {query(patch), columns(names), selectAll(), clear(), remove(), compare(), exports(all), share() where there is sharing, enter(), menu: of what is one's own, or nothing}. */
    constructor(wishes) {
      this.wishes = wishes;
      this.timer = 0;
      this.buildSearch();
      const only = (field) => (value) => wishes.query({ [field]: value ? [value] : [] });
      this.kind = picker("Kind", only("kinds"));
      this.status = picker("Status", only("statuses"));
      this.model = picker("Model", only("models"));
      this.tag = picker("Tag", (value) => wishes.query({ addTag: value }));
      this.examples = picker("Examples", (value) => wishes.query({ examples: value === "" ? null : value === "only" }));
      this.sort = picker("Sort by", (value) => wishes.query({ sort: value, descending: value !== "title" }));
      this.order = el("button", { type: "button", class: "fl-lib-quiet", onclick: () => wishes.query({ flip: true }) });
      this.columns = Forklore.controls.menu({ label: "Figures", title: "Which figures stand beside each run", className: "fl-lib-quiet", items: () => this.columnChoices() });
      this.count = el("span", { class: "fl-lib-count", role: "status" });
      this.active = el("span", { class: "fl-lib-active" });
      this.buildSelection();
      this.menu = wishes.menu;
      this.plain = el("div", { class: "fl-lib-line" }, this.count, this.active, el("span", { class: "fl-lib-grow" }), this.exportAll,
        el("span", { class: "fl-lib-sorting" }, el("span", { class: "fl-lib-word", text: "Sort" }), this.sort.node, this.order), this.columns.root, this.menu || null);
      this.root = el("div", { class: "fl-lib-tools" },
        el("div", { class: "fl-lib-line fl-lib-find", role: "search", "aria-label": "Runs" }, this.field, this.kind.node, this.status.node, this.model.node, this.tag.node, this.examples.node),
        this.plain);
    }

    buildSearch() {
      this.input = el("input", { type: "search", class: "fl-lib-search", placeholder: "Search prompts, answers, titles, notes, tags", "aria-label": "Search runs", maxlength: 200, autocomplete: "off", spellcheck: "false" });
      this.field = el("div", { class: "fl-lib-field-frame" }, this.input, el("kbd", { text: "/", title: "The key / jumps here", "aria-hidden": "true" }));
      const send = () => { clearTimeout(this.timer); this.wishes.query({ text: this.input.value.trim() }); };
      this.input.addEventListener("input", (event) => {
        clearTimeout(this.timer);
        if (!event.isComposing) this.timer = setTimeout(send, TYPING_MS);
      });
      this.input.addEventListener("compositionend", () => { clearTimeout(this.timer); this.timer = setTimeout(send, TYPING_MS); });
      this.input.addEventListener("keydown", (event) => {
        if (event.isComposing || event.keyCode === 229) return;
        if (event.key === "Enter") send();
        else if (event.key === "Escape" && this.input.value) { this.input.value = ""; send(); }
        else if (event.key === "ArrowDown") this.wishes.enter();
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
    }

    buildSelection() {
      const act = (text, onclick, className = "") => el("button", { type: "button", class: `fl-lib-button ${className}`, text, onclick });
      this.number = el("span", { class: "fl-lib-count", role: "status" });
      this.compare = act("Compare", () => this.wishes.compare(), "fl-lib-primary");
      this.share = act("Share", () => this.wishes.share());
      this.share.hidden = !this.wishes.share;
      this.remove = act("Delete", () => this.wishes.remove(), "fl-lib-danger");
      this.exportAll = el("button", { type: "button", class: "fl-lib-quiet", onclick: () => this.wishes.exports(true) });
      this.chosen = el("div", { class: "fl-lib-line fl-lib-selection", hidden: true }, this.number, this.compare, act("Export", () => this.wishes.exports(false)), this.share, this.remove,
        el("span", { class: "fl-lib-grow" }), el("button", { type: "button", class: "fl-lib-quiet", text: "Select all on show", onclick: () => this.wishes.selectAll() }),
        el("button", { type: "button", class: "fl-lib-quiet", text: "Clear", "aria-label": "Clear selection", title: "Clear selection", onclick: () => this.wishes.clear() }));
    }

    columnChoices() {
      return [{ heading: "Up to three" }, ...this.scores.map((entry) => ({
        label: entry.label, hint: entry.short, checked: this.shown.includes(entry.name), run: () => this.wishes.columns(entry.name),
      }))];
    }

    /** Draws what the query says. state: {query, total, tags, models, scores, columns, loaded}. */
    update(state) {
      const { query, total, tags, models, titles, scores, columns } = state;
      const { KINDS, STATUSES } = Forklore.libraryRows;
      this.scores = scores;
      this.shown = columns;
      if (document.activeElement !== this.input) this.input.value = query.text;
      const any = (word, map) => [["", word], ...Object.entries(map)];
      const label = (name) => [name, format.label(name)];
      this.kind.set(any("Any kind", KINDS), query.kinds[0] || "");
      this.status.set(any("Any status", STATUSES), query.statuses[0] || "");
      this.model.set([["", "Any model"], ...models.map((name) => [name, format.label(titles[name] || name)])], query.models[0] || "");
      this.tag.set([["", "Any tag"], ...tags.filter((tag) => !query.tags.includes(tag)).map(label)], "");
      this.tag.node.disabled = !tags.length;
      this.examples.set([["", "With examples"], ["only", "Examples only"], ["none", "Without examples"]], query.examples === null ? "" : query.examples ? "only" : "none");
      this.sort.set([["created", "Date"], ["title", "Title"], ["tokens", "Tokens"], { group: "Run scores", choices: scores.map((entry) => [entry.name, entry.label]) }], query.sort);
      this.sort.node.classList.remove("fl-lib-set");
      this.order.textContent = orderWord(query.sort, query.descending);
      this.order.title = "Turn the order around";
      this.count.textContent = total === 1 ? "1 run" : `${format.count(total)} runs`;
      this.exportAll.textContent = total === 1 ? "Export it" : `Export all ${format.count(total)}`;
      this.exportAll.hidden = total === 0;
      this.showActive(query);
    }

    showActive(query) {
      const drop = (text, patch) => el("button", { type: "button", class: "fl-lib-chip fl-lib-filter", title: "Remove this filter", onclick: () => this.wishes.query(patch) },
        Forklore.libraryRows.exact("bdi", "", text), el("span", { class: "fl-lib-cross", "aria-label": "remove", role: "img", text: "×" }));
      const out = query.tags.map((tag) => drop(tag, { dropTag: tag }));
      if (this.filtered(query)) out.push(el("button", { type: "button", class: "fl-lib-quiet", text: "Clear filters", onclick: () => this.wishes.query({ reset: true }) }));
      this.active.replaceChildren(...out);
    }

    filtered(query) {
      return Boolean(query.text || query.tags.length || query.kinds.length || query.models.length || query.statuses.length || query.examples !== null);
    }

    /** Shows what can be done with the selected runs instead of the count. chosen: runs; hidden: how many are not on show. */
    select(chosen, hidden) {
      const own = chosen.filter((run) => !run.example).length;
      const held = this.chosen.contains(document.activeElement);
      this.plain.hidden = chosen.length > 0;
      this.chosen.hidden = chosen.length === 0;
      const line = chosen.length ? this.chosen : this.plain;
      if (this.menu && this.menu.parentElement !== line) (chosen.length ? this.remove : line.lastElementChild).after(this.menu);
      if (held && !chosen.length) this.input.focus();
      this.number.textContent = `${format.count(chosen.length)} selected${hidden ? `, ${format.count(hidden)} not on show` : ""}`;
      this.compare.disabled = chosen.length !== 2;
      this.compare.title = chosen.length === 2 ? "Put the two side by side (c)" : "Select exactly two runs to compare them";
      this.share.disabled = own === 0 || own > SHARED_AT_ONCE;
      this.share.title = own > SHARED_AT_ONCE ? `Share at most ${SHARED_AT_ONCE} runs at once` : "Who can see these runs";
      this.remove.disabled = own === 0;
      this.remove.title = own < chosen.length ? "Examples stay: they cannot be deleted" : "Can be undone";
    }
  }

  /** One line at the foot of the window that goes away by itself, not while it is read or pointed at or holds an Undo. */
  class Toast {
    constructor() {
      this.words = el("span", { class: "fl-lib-toast-words" });
      this.act = el("button", { type: "button", class: "fl-lib-button", hidden: true });
      const close = el("button", { type: "button", class: "fl-lib-toast-close", text: "×", "aria-label": "Close this message", onclick: () => this.hide() });
      this.root = el("div", { class: "fl-lib-toast", role: "status", hidden: true }, this.words, this.act, close);
      for (const name of ["pointerenter", "focusin"]) this.root.addEventListener(name, () => clearTimeout(this.timer));
      for (const name of ["pointerleave", "focusout"]) this.root.addEventListener(name, () => this.wait());
      this.root.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); this.hide(); } });
    }

    /** action: {label, run} or nothing. stays: until it is used, closed or followed by another line. */
    show(text, action, stays = false) {
      // on show first: a status that is filled while hidden is not read aloud
      this.root.hidden = false;
      this.stays = stays;
      this.words.textContent = Forklore.dom.shown(text);
      this.act.hidden = !action;
      this.act.textContent = action ? action.label : "";
      this.act.onclick = action ? () => { this.hide(); action.run(); } : null;
      this.wait();
    }

    wait() {
      clearTimeout(this.timer);
      if (!this.stays) this.timer = setTimeout(() => this.hide(), TOAST_MS);
    }

    hide() {
      clearTimeout(this.timer);
      this.root.hidden = true;
    }
  }

  /** Draws the cells above the columns into `host`; a press sorts, a second one turns the order round. */
  function heads(host, query, columns, ask) {
    const held = [...host.children].findIndex((cell) => cell.contains(document.activeElement));
    const head = (name, label, unit, title) => {
      const on = query.sort === name;
      const way = query.descending ? "descending" : "ascending";
      const button = el("button", { type: "button", class: "fl-lib-sort", title, onclick: () => ask(on ? { flip: true } : { sort: name, descending: name !== "title" }) },
        label, unit ? el("span", { class: "fl-lib-unit", text: ` ${unit}` }) : null, el("span", { class: "fl-lib-arrow", "aria-hidden": "true", text: on ? (query.descending ? "↓" : "↑") : "" }));
      return el("div", { role: "columnheader", class: name === "title" ? "" : "fl-lib-right", "aria-sort": on ? way : "none" }, button);
    };
    host.replaceChildren(el("div", { role: "columnheader" }, el("span", { class: "fl-lib-unseen", text: "Selected" })), head("title", "Run", "", "Sort by title"),
      ...columns.map((entry) => head(entry.name, entry.label, entry.unit, entry.short)), head("tokens", "Tokens", "", "Sort by length"), head("created", "When", "", "Sort by date"));
    if (held >= 0) host.children[Math.min(held, host.children.length - 1)].querySelector("button")?.focus();
  }

  /** What stands where no rows are, with the one thing to do about it. */
  function empty(query, filtered, reset) {
    const searched = filtered && sameList({ ...EVERYTHING, text: query.text, sort: query.sort, descending: query.descending }, query);
    const action = filtered ? el("button", { type: "button", class: "fl-lib-button fl-lib-primary", text: searched ? "Clear the search" : query.text ? "Clear search and filters" : "Clear filters", onclick: reset })
      : el("a", { class: "fl-lib-button fl-lib-primary", href: "./", text: "Ask the model something" });
    const head = searched ? el("p", { class: "fl-lib-empty-head" }, "No run holds ", Forklore.libraryRows.exact("bdi", "", `“${query.text}”`), ".")
      : el("p", { class: "fl-lib-empty-head", text: filtered ? "No run matches." : "No runs yet." });
    return [head,
      el("p", { text: filtered ? `Search looks into prompts, answers, titles, notes and tags. ${searched ? "Clear it" : "Clear the filters"} to see all runs again.` : "Every answer you generate, text you score and file you import will be listed here, with its figures." }), action];
  }

  /** Below the rows: how many there are, more of them, and the keys. most: how many may stand on the page at once. */
  function foot(most, ask) {
    const more = el("button", { type: "button", class: "fl-lib-button", onclick: ask });
    const rest = el("span", { class: "fl-lib-hint" });
    const root = el("div", { class: "fl-lib-foot", hidden: true }, more, rest, el("span", { class: "fl-lib-grow" }), el("span", { class: "fl-lib-hint fl-lib-keys", text: HINT }));
    const draw = (loaded, total) => {
      const left = total - loaded;
      root.hidden = !loaded;
      more.hidden = left <= 0 || loaded >= most;
      more.textContent = `Show ${format.count(Math.min(PAGE, left))} more`;
      rest.textContent = left <= 0 ? "" : `${format.count(loaded)} of ${format.count(total)}${loaded >= most ? " on show; search or filter to see others." : ""}`;
    };
    return { root, draw };
  }

  Forklore.libraryTools = { EVERYTHING, PAGE, FIGURES, Tools, Toast, sameList, changed, keptColumns, keepColumns, heads, empty, foot };
})();
