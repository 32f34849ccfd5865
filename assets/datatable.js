// The Data panel: every token and score as a table, sortable, in pages, copyable: the twin of all that is drawn.
// Knows the run; does not know how it is tinted or plotted.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, readout } = Forklore;
  const { el } = dom;
  const PAGE_ROWS = 50;

  /** Head and rows of the whole run in plain numbers (nats): what copying and saving give. */
  function rowsOf(trace) {
    const head = ["token", "piece", ...(trace.hasIds ? ["id"] : []), ...trace.scores.map((entry) => (entry.unit ? `${entry.name} (${entry.unit})` : entry.name)), "mass of all others"];
    const rows = trace.tokens.map((token, i) => [i + 1, token.t, ...(trace.hasIds ? [token.id] : []), ...trace.scores.map((entry) => trace.value(i, entry.name)), token.r ?? null]);
    return [head, ...rows];
  }

  class DataTable {
    constructor(host, context) {
      this.context = context;
      this.sort = { name: "#", down: false };
      this.page = 0;
      this.head = el("tr");
      this.body = el("tbody");
      this.count = el("span", { class: "fl-panel-count", role: "status" });
      this.back = dom.button("Previous", () => this.turn(-1));
      this.next = dom.button("Next", () => this.turn(1));
      const note = el("p", { class: "fl-panel-note", text: "Copied and saved numbers are in nats with all their digits." });
      host.append(
        el("div", { class: "fl-panel-head" }, this.count, this.back, this.next, el("span", { class: "fl-grow" }),
          dom.button("Copy as TSV", () => this.copy()), dom.button("Save CSV", () => context.files.csv())),
        el("div", { class: "fl-table-frame", tabindex: "0", role: "region", "aria-label": "All tokens and scores" },
          el("table", { class: "fl-table" }, el("thead", {}, this.head), this.body)), note);
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest("tr");
        if (row) context.pin(row.flIndex, "table");
      });
      this.body.addEventListener("pointerover", (event) => {
        const row = event.target.closest("tr");
        context.hover(row ? row.flIndex : -1, "table");
      });
      this.body.addEventListener("pointerleave", () => context.hover(-1));
      this.update({});
    }

    columns() {
      const { trace } = this.context;
      return [{ name: "#", label: "#" }, { name: "piece", label: "Token" }, ...(trace.hasIds ? [{ name: "id", label: "id" }] : []), ...trace.scores.map((entry) => ({ name: entry.name, label: entry.label, entry }))];
    }

    update(change) {
      if (change.reset) this.page = 0;
      if (change.reset && !this.context.trace.score(this.sort.name)) this.sort = { name: "#", down: false };
      if (change.place) return this.follow(change.pinned);
      this.order = this.ordered();
      this.draw();
    }

    ordered() {
      const { trace } = this.context;
      const { name, down } = this.sort;
      const order = trace.tokens.map((_, i) => i);
      const key = { "#": (i) => i, id: (i) => trace.tokens[i].id, piece: (i) => trace.label(i) }[name] || ((i) => trace.value(i, name));
      const keys = order.map(key);
      const compare = name === "piece" ? (a, b) => keys[a].localeCompare(keys[b]) : (a, b) => keys[a] - keys[b];
      // tokens without a value come last, whichever way the others are sorted
      return order.sort((a, b) => (keys[a] === null) - (keys[b] === null) || (keys[a] === null ? a - b : (down ? compare(b, a) : compare(a, b)) || a - b));
    }

    draw() {
      const { trace, view } = this.context;
      const pages = Math.max(1, Math.ceil(trace.length / PAGE_ROWS));
      this.page = Math.min(Math.max(0, this.page), pages - 1);
      const from = this.page * PAGE_ROWS;
      const shown = this.order.slice(from, from + PAGE_ROWS);
      const columns = this.columns();
      const focused = this.head.contains(document.activeElement) ? document.activeElement.dataset.column : null;
      this.head.replaceChildren(...columns.map((column) => this.header(column)));
      this.body.replaceChildren(...shown.map((i) => this.row(i, columns)));
      this.count.textContent = trace.length ? `${format.count(from + 1)} to ${format.count(from + shown.length)} of ${format.count(trace.length)} tokens` : "No tokens yet";
      this.back.disabled = this.page === 0;
      this.next.disabled = this.page >= pages - 1;
      this.bits = view.state.bits;
      this.follow(false);
      if (focused) [...this.head.querySelectorAll("button")].find((node) => node.dataset.column === focused)?.focus();
    }

    header({ name, label, entry }) {
      const on = this.sort.name === name;
      const unit = entry && entry.unit ? format.unitName(entry.unit, this.context.view.state.bits) : "";
      return el("th", { scope: "col", class: entry ? "fl-number" : "", "aria-sort": on ? (this.sort.down ? "descending" : "ascending") : undefined, title: entry ? entry.short : undefined },
        el("button", { type: "button", class: "fl-sort", data: { column: name }, onclick: () => this.sortBy(name) },
          label, el("span", { class: "fl-sort-unit", text: unit }), el("span", { class: "fl-sort-mark", "aria-hidden": "true", text: on ? (this.sort.down ? "↓" : "↑") : "" })));
    }

    row(i, columns) {
      const { trace, view } = this.context;
      const row = el("tr", {}, columns.map(({ name, entry }) => {
        if (name === "#") return el("td", { class: "fl-number", text: format.count(i + 1) });
        if (name === "piece") return el("td", { class: "fl-table-piece" }, el("bdi", { text: trace.label(i, true) }));
        if (name === "id") return el("td", { class: "fl-number fl-dim", text: String(trace.tokens[i].id) });
        const value = trace.value(i, name);
        return el("td", { class: `fl-number${value === null ? " fl-dim" : ""}`, text: readout.valueText(trace, entry, value, view.state.bits, false) });
      }));
      row.flIndex = i;
      return row;
    }

    sortBy(name) {
      const first = name !== "#" && name !== "piece" && name !== "id";
      this.sort = { name, down: this.sort.name === name ? !this.sort.down : first };
      this.page = 0;
      this.order = this.ordered();
      this.draw();
    }

    turn(step) {
      this.page += step;
      this.draw();
    }

    /** Marks the rows of pin and pointer; a new pin turns to its page. */
    follow(turnTo) {
      const { place } = this.context;
      const at = place.state.pinned;
      if (turnTo && at >= 0 && this.order) {
        const page = Math.floor(this.order.indexOf(at) / PAGE_ROWS);
        if (page !== this.page) { this.page = page; return this.draw(); }
      }
      const near = this.context.near();
      for (const row of this.body.children) {
        row.classList.toggle("fl-row-pinned", row.flIndex === at);
        row.classList.toggle("fl-row-near", row.flIndex === near && near !== at);
      }
    }

    shown() {
      this.follow(true);
    }

    async copy() {
      const { trace } = this.context;
      const done = await dom.copyText(format.tsv(rowsOf(trace)));
      this.context.say(done ? `${format.count(trace.length)} rows copied.` : "The browser did not allow copying.");
    }
  }

  Forklore.dataRows = rowsOf;
  Forklore.registerPanel({
    id: "data", label: "Data", order: 80,
    build(host, context) {
      const table = new DataTable(host, context);
      return { update: (change) => table.update(change), shown: () => table.shown() };
    },
  });
})();
