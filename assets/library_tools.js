// What stands above the library's rows: search, filters, sorting, columns, and what can be done with selected runs.
// Holds no runs; tells the list what the reader wants.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const TYPING_MS = 250;
  const TOAST_MS = 12_000;

  const ORDERS = {
    created: ["Newest first", "Oldest first"], title: ["Z to A", "A to Z"], tokens: ["Longest first", "Shortest first"],
  };
  const orderWord = (sort, descending) => (ORDERS[sort] || ["Highest first", "Lowest first"])[descending ? 0 : 1];

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
    /** wishes: {query(patch), columns(names), selectAll(), clear(), remove(), compare(), exports(all), enter()}. */
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
      this.plain = el("div", { class: "fl-lib-line" }, this.count, this.active, el("span", { class: "fl-lib-grow" }), this.exportAll,
        el("span", { class: "fl-lib-sorting" }, el("span", { class: "fl-lib-word", text: "Sort" }), this.sort.node, this.order), this.columns.root);
      this.root = el("div", { class: "fl-lib-tools" },
        el("div", { class: "fl-lib-line fl-lib-find", role: "search", "aria-label": "Runs" }, this.field, this.kind.node, this.status.node, this.model.node, this.tag.node, this.examples.node),
        this.plain, this.chosen);
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
      this.remove = act("Delete", () => this.wishes.remove(), "fl-lib-danger");
      this.exportAll = el("button", { type: "button", class: "fl-lib-quiet", onclick: () => this.wishes.exports(true) });
      this.chosen = el("div", { class: "fl-lib-line fl-lib-selection", hidden: true }, this.number, this.compare, act("Export", () => this.wishes.exports(false)), this.remove,
        el("span", { class: "fl-lib-grow" }), el("button", { type: "button", class: "fl-lib-quiet", text: "Select all on show", onclick: () => this.wishes.selectAll() }),
        el("button", { type: "button", class: "fl-lib-quiet", text: "Clear selection", onclick: () => this.wishes.clear() }));
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
      const held = this.root.contains(document.activeElement) && this.chosen.contains(document.activeElement);
      this.plain.hidden = chosen.length > 0;
      this.chosen.hidden = chosen.length === 0;
      if (held && !chosen.length) this.input.focus();
      this.number.textContent = `${format.count(chosen.length)} selected${hidden ? `, ${format.count(hidden)} not on show` : ""}`;
      this.compare.disabled = chosen.length !== 2;
      this.compare.title = chosen.length === 2 ? "Put the two side by side (c)" : "Select exactly two runs to compare them";
      this.remove.disabled = own === 0;
      this.remove.title = own < chosen.length ? "Examples stay: they cannot be deleted" : "Can be undone";
    }
  }

  /** One line at the foot of the window that goes away by itself, not while it is read or pointed at. */
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

    /** action: {label, run} or nothing. */
    show(text, action) {
      this.words.textContent = text;
      this.act.hidden = !action;
      this.act.textContent = action ? action.label : "";
      this.act.onclick = action ? () => { this.hide(); action.run(); } : null;
      this.root.hidden = false;
      this.wait();
    }

    wait() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.hide(), TOAST_MS);
    }

    hide() {
      clearTimeout(this.timer);
      this.root.hidden = true;
    }
  }

  Forklore.libraryTools = { Tools, Toast };
})();
