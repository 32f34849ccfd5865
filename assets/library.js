// The library: rows of runs that are searched, sorted, labelled, selected, deleted with Undo, compared and exported.
// Knows the JSON of ui/library_view.py and asks the server through events; does not know where runs are kept.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const { EVERYTHING, PAGE, FIGURES, Tools, Toast, sameList, changed, keptColumns, keepColumns, heads, empty, foot } = Forklore.libraryTools;

  const MOST = 500;
  const ANSWER_MS = 15_000;
  const SOON_MS = 400;
  const WRITING = "Writing the file …";

  class RunList {
    constructor(root, trigger, own) {
      this.root = root;
      this.trigger = trigger;
      this.owns = own;
      this.query = { ...EVERYTHING };
      Object.assign(this, { rows: [], total: 0, tags: [], models: [], titles: {}, bounds: {}, scores: [] });
      this.chosen = new Map();
      this.nodes = new Map();
      this.columns = keptColumns();
      this.cursor = this.expecting = "";
      this.shown = this.again = false;
      this.labels = new Forklore.LibraryLabels(this);
      this.acts = {
        edit: (uid, field) => this.labels.edit(uid, field), remove: (uids) => this.remove(uids), tag: (tag) => this.ask({ addTag: tag }),
        select: (uid, on, range) => this.select(uid, on, range), share: own ? (uids) => this.share(uids) : undefined,
      };
      this.build();
    }

    build() {
      this.own = new Forklore.ownWork.OwnLine({
        own: () => [...this.chosen.values()].filter((run) => !run.example).map((run) => run.uid), gone: (said) => { this.clear(); this.ask({}); this.toast.show(said); },
      });
      this.tools = new Tools({
        query: (patch) => this.ask(patch), columns: (name) => this.toggleColumn(name), selectAll: () => this.selectAll(), clear: () => this.clear(),
        remove: () => this.remove([...this.chosen.keys()]), compare: () => this.compare(), exports: (all) => this.exports(all), share: this.owns && (() => this.share([...this.chosen.keys()])), enter: () => this.move(0), menu: this.owns && this.own.menu.root,
      });
      this.toast = new Toast();
      this.heads = el("div", { class: "fl-lib-heads", role: "row" });
      this.body = el("div", { role: "rowgroup" });
      this.table = el("div", { class: "fl-lib-table", role: "table", "aria-label": "Runs" }, el("div", { role: "rowgroup" }, this.heads), this.body);
      this.empty = el("div", { class: "fl-lib-empty" }, el("p", { text: "Loading the runs …" }));
      this.foot = foot(MOST, () => this.ask({ more: true }));
      this.root.replaceChildren(this.tools.root, this.tools.chosen, ...(this.owns ? [this.own.root] : []), this.table, this.empty, this.foot.root, this.toast.root);
      this.table.hidden = true;
      this.body.addEventListener("click", (event) => this.clicked(event));
      this.body.addEventListener("keydown", (event) => this.pressed(event));
      this.body.addEventListener("focusin", (event) => this.point(event.target.closest(".fl-lib-row")));
      document.addEventListener("keydown", (event) => this.slash(event));
      this.clock = setInterval(() => this.tick(), 60e3);
    }

    // ---------------------------------------------------------------- what arrives

    receive(text) {
      const page = JSON.parse(text);
      const { expecting } = this;
      const same = sameList(page.query, this.query);
      if ((expecting === "query" || expecting === "more") && !same) {
        // an answer to an earlier wish, after which the one that is waited for comes; or the page's own (a file was
        // imported), of which the one that is waited for may not know yet
        if (page.message) this.toast.show(page.message);
        this.again = this.again || Boolean(page.message);
        return;
      }
      this.settle("");
      if (expecting === "label") this.labels.saved();
      const kept = this.rows.filter((run) => !page.deleted.includes(run.uid));
      const { offset, limit } = page.query;
      if (this.shown && (offset > kept.length || (!expecting && !same))) {
        // the page's own answer (a tab opened, a file imported) to no question of the reader's: ask again as the reader would
        if (page.message) this.toast.show(page.message);
        this.ask({});
        return;
      }
      // brought back runs push others down, everything else stays in its place
      const tail = this.shown && expecting !== "query" ? kept.slice(expecting === "restore" ? offset : offset + limit) : [];
      const uids = new Set();
      this.rows = [...kept.slice(0, offset), ...page.rows, ...tail].filter((run) => !uids.has(run.uid) && uids.add(run.uid));
      this.shown = true;
      this.query = { ...page.query, limit: PAGE, offset: 0 };
      this.now = { at: Date.parse(page.at), since: performance.now() };
      Object.assign(this, { total: page.total, tags: page.tags, models: page.models, scores: page.scores, titles: page.model_titles, bounds: page.bounds });
      for (const uid of page.deleted) this.chosen.delete(uid);
      for (const run of this.rows) if (this.chosen.has(run.uid)) this.chosen.set(run.uid, run);
      this.columns = this.columns.filter((name) => this.scores.some((entry) => entry.name === name));
      if (!this.columns.length) this.columns = this.scores.filter((entry) => ["mean_entropy", "perplexity"].includes(entry.name)).map((entry) => entry.name).reverse();
      const onward = expecting === "more" && this.foot.root.contains(document.activeElement);
      this.draw();
      if (this.owns) this.own.update();
      // to the first of the new runs: after the last page there is no button to stay at
      if (onward) this.body.children[offset]?.querySelector("a")?.focus({ preventScroll: true });
      this.say(page, expecting);
      if (this.again) this.ask({});
    }

    say(page, expecting) {
      const gone = page.deleted;
      if (gone.length) {
        const what = gone.length === 1 ? `Deleted ${this.lastDeleted || "one run"}.` : `Deleted ${format.count(gone.length)} runs.`;
        this.toast.show(what, { label: "Undo", run: () => { this.settle("restore"); this.trigger("runs_restore", { uids: gone, query: page.query }); } }, true);
      } else if (page.message) this.toast.show(page.message);
      else if (expecting === "restore") this.toast.show("Back in the library.");
    }

    /** Remembers what the next answer will be about; says so when none comes. */
    settle(expecting) {
      this.expecting = expecting;
      clearTimeout(this.waiting);
      this.table.setAttribute("aria-busy", String(Boolean(expecting)));
      if (expecting) this.waiting = setTimeout(() => { this.settle(""); this.toast.show("No answer from the server.", { label: "Try again", run: () => this.ask({}) }); }, ANSWER_MS);
    }

    ask(patch) {
      const query = changed(this.query, patch, this.rows.length);
      this.query = { ...query, offset: 0 };
      this.settle(patch.more ? "more" : "query");
      this.again = false;
      this.tools.update(this.state());
      // what was pressed to clear the search is gone with the answer; a finger is spared the keyboard that would open
      if (patch.reset && matchMedia("(hover: hover)").matches) this.tools.input.focus();
      this.trigger("library_query", { ...query });
    }

    /** The query whose answer is the page that holds a run. */
    pageOf(uid) {
      const at = Math.max(0, this.rows.findIndex((run) => run.uid === uid));
      return { ...this.query, offset: at - (at % PAGE) };
    }

    // ---------------------------------------------------------------- drawing

    state() {
      return { query: this.query, total: this.total, tags: this.tags, models: this.models, titles: this.titles, scores: this.scores, columns: this.columns };
    }

    /** The run scores on show: the chosen ones, and always the one that the list is sorted by. */
    figures() {
      const { sort } = this.query;
      const sorted = this.scores.some((entry) => entry.name === sort) && !this.columns.includes(sort);
      const names = sorted ? [...this.columns.slice(0, FIGURES - 1), sort] : this.columns;
      return names.map((name) => this.scores.find((entry) => entry.name === name)).filter(Boolean);
    }

    moment() {
      return this.now.at + performance.now() - this.now.since;
    }

    draw() {
      const held = Forklore.libraryRows.heldFocus(this.body);
      const columns = this.figures().map((entry) => Forklore.libraryRows.spread(entry, this.rows));
      this.table.style.setProperty("--fl-lib-figures", columns.length);
      heads(this.heads, this.query, columns, (patch) => this.ask(patch));
      this.nodes.clear();
      for (const run of this.rows) this.nodes.set(run.uid, Forklore.libraryRows.row(run, { columns, now: this.moment(), chosen: this.chosen.has(run.uid), titles: this.titles, bounds: this.bounds, acts: this.acts }));
      this.body.replaceChildren(...this.nodes.values());
      this.labels.place();
      this.table.hidden = !this.rows.length;
      this.empty.hidden = this.rows.length > 0;
      if (!this.rows.length) this.empty.replaceChildren(...empty(this.query, this.tools.filtered(this.query), () => this.ask({ reset: true })));
      this.foot.draw(this.rows.length, this.total);
      this.tools.update(this.state());
      this.showChosen();
      this.point(this.nodes.get(this.cursor) || this.body.firstElementChild);
      if (held) Forklore.libraryRows.returnFocus(held, this.body, this.nodes, this.tools.input);
      Object.assign(this.root.dataset, { total: this.total, loaded: this.rows.length });
    }

    tick() {
      if (!this.root.isConnected) return clearInterval(this.clock);
      if (this.now) for (const node of this.body.querySelectorAll("time")) node.textContent = Forklore.libraryRows.ago(node.dateTime, this.moment());
    }

    toggleColumn(name) {
      const on = this.columns.includes(name);
      if (on && this.columns.length === 1) return;
      this.columns = on ? this.columns.filter((other) => other !== name) : [...this.columns, name].slice(-FIGURES);
      keepColumns(this.columns);
      this.draw();
    }

    // ---------------------------------------------------------------- keyboard and pointer

    run = (uid) => this.rows.find((run) => run.uid === uid);
    /** One tab stop for the whole list: only the row the reader is at takes part in tabbing. */
    point(row) {
      if (!row) return;
      this.cursor = row.dataset.uid;
      for (const node of this.body.querySelectorAll("a, button, input[type=checkbox]")) node.tabIndex = row.contains(node) ? 0 : -1;
    }

    move(to) {
      const rows = [...this.body.children].filter((row) => row.querySelector("a"));
      if (!rows.length) return;
      if (to < 0) return this.tools.input.focus();
      const row = rows[Math.min(to, rows.length - 1)];
      row.querySelector("a").focus({ preventScroll: true });
      row.scrollIntoView({ block: "nearest" });
    }

    slash(event) {
      if (event.key !== "/" || !this.root.isConnected || !this.root.getClientRects().length || dom.keyTaken(event)) return;
      event.preventDefault();
      this.tools.input.focus();
      this.tools.input.select();
    }

    pressed(event) {
      const checkbox = event.target.matches("input[type=checkbox]");
      if (!checkbox && dom.keyTaken(event)) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const row = event.target.closest(".fl-lib-row");
      const at = [...this.body.children].filter((node) => node.querySelector("a")).indexOf(row);
      const uid = row.dataset.uid;
      const run = this.run(uid);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: Infinity }[event.key];
      if (to !== undefined) this.move(to);
      else if (event.key === "x") this.select(uid, !this.chosen.has(uid));
      else if (event.key === "c" && this.chosen.size === 2) this.compare();
      else if (event.key === "e" && !run.example) this.labels.edit(uid, "title");
      else if (event.key === "t" && !run.example) this.labels.edit(uid, "tags");
      else if (event.key === "n" && !run.example) this.labels.edit(uid, "note");
      else if (event.key === "Enter" && checkbox) this.open(uid);
      else if (event.key === "Escape" && this.chosen.size) this.clear();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    clicked(event) {
      const words = event.target.closest(".fl-lib-words");
      const link = event.target.closest("a");
      if (!words || event.target.closest("button, form") || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      const row = words.closest(".fl-lib-row");
      if (row.classList.contains("fl-lib-damaged")) return;
      if (link) event.preventDefault();
      else if (!getSelection().isCollapsed) return;
      this.open(link?.dataset.uid || row.dataset.uid);
    }

    open(uid) {
      this.trigger("run_open", { uid });
    }

    // ---------------------------------------------------------------- selection and what is done with it

    select(uid, on, range = false) {
      const order = this.rows.map((run) => run.uid);
      const [from, to] = [order.indexOf(range && this.anchor ? this.anchor : uid), order.indexOf(uid)].sort((a, b) => a - b);
      for (const run of this.rows.slice(Math.max(0, from), to + 1)) if (!run.damaged) { if (on) this.chosen.set(run.uid, run); else this.chosen.delete(run.uid); }
      this.anchor = uid;
      this.showChosen();
    }

    selectAll() {
      for (const run of this.rows) if (!run.damaged) this.chosen.set(run.uid, run);
      this.showChosen();
    }

    clear() {
      this.chosen.clear();
      this.showChosen();
    }

    showChosen() {
      for (const [uid, node] of this.nodes) {
        const on = this.chosen.has(uid);
        node.classList.toggle("fl-lib-chosen", on);
        const box = node.querySelector(".fl-lib-check");
        if (box) box.checked = on;
      }
      this.tools.select([...this.chosen.values()], [...this.chosen.keys()].filter((uid) => !this.nodes.has(uid)).length);
    }

    remove(uids) {
      const known = uids.map((uid) => this.run(uid) || this.chosen.get(uid)).filter((run) => run && !run.example);
      if (!known.length) return;
      this.lastDeleted = `“${Forklore.libraryRows.nameOf(known[0])}”`;
      this.settle("delete");
      this.trigger("runs_delete", { uids: known.map((run) => run.uid), query: this.pageOf(known[0].uid) });
    }

    /** Asks who may see runs of the reader's own; their rows say so from then on. */
    share(uids) {
      const known = uids.map((uid) => this.run(uid) || this.chosen.get(uid)).filter((run) => run && !run.example && !run.damaged);
      if (!known.length) return;
      const ask = Forklore.ownWork.share(known, this.root, (uid, shared) => {
        for (const run of [this.run(uid), this.chosen.get(uid)]) if (run) run.shared = shared;
        this.draw();
      });
      // the row that was at hand has been drawn anew since
      ask.addEventListener("close", () => { if (document.activeElement === document.body) this.nodes.get(known[0].uid)?.querySelector("[data-act=share]")?.focus({ preventScroll: true }); });
    }

    compare() {
      if (this.chosen.size !== 2) return;
      // the older run stands on the left
      const [a, b] = [...this.chosen.values()].sort((one, other) => one.created_at.localeCompare(other.created_at));
      this.trigger("runs_compare", { a: a.uid, b: b.uid });
    }

    exports(all) {
      clearTimeout(this.writing);
      this.writing = setTimeout(() => this.toast.show(WRITING, null, true), SOON_MS);
      this.trigger("runs_export", { uids: all ? [] : [...this.chosen.keys()], all, query: this.query });
    }

    /** The server has written the file, or said why not: then there is no file, or still the one before. */
    exported(file, said) {
      clearTimeout(this.writing);
      if (file && said && file.path !== this.saved) {
        const link = el("a", { href: file.url, download: file.orig_name, hidden: true });
        this.saved = file.path;
        this.root.append(link);
        link.click();
        link.remove();
        this.toast.show(said);
      } else if (this.toast.words.textContent === WRITING) this.toast.hide();
    }
  }

  Forklore.mountLibrary = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-library");
    const list = new RunList(root, trigger, props.own);
    Forklore.saveExport = (file, said) => { list.exported(file, said); return []; };
    let said = "";
    const draw = () => {
      if (!props.value || props.value === said) return;
      said = props.value;
      list.receive(said);
    };
    watch("value", draw);
    draw();
  };
})();
