// What the parts of the Results view share: waiting and refusals, tables with copy, estimates with intervals, fields.
// Text only by textContent; knows nothing of sessions.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;

  /** Words of people or models, with marks for what cannot be seen. */
  const words = (text) => { const node = el("bdi"); Forklore.fillText(node, String(text ?? "")); return node; };
  const counted = (n, one, many = `${one}s`) => (n === 1 ? `1 ${one}` : `${format.count(n)} ${many}`);
  const exists = format.exists;
  const ROWS = 200;

  /** Why something was refused, as one sentence a person can act on. */
  const refusal = (error) => (error && error.offline ? "No connection to the server. Nothing was changed; try again." : (error && (error.sentence || error.message)) || "The server did not answer. Try again.");

  /** An estimate as {value, low, high, n, reason} or [value, low, high]. */
  const estimate = (given) => (Array.isArray(given) ? { value: given[0], low: given[1], high: given[2] } : given || { value: null });
  const figure = (value, digits = 3) => (exists(value) ? value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−") : format.NA);
  const between = (given, digits = 3) => { const { low, high } = estimate(given); return exists(low) && exists(high) ? `${figure(low, digits)} to ${figure(high, digits)}` : ""; };

  /** A value on a line from `from` to `to` with its interval; the figures stand beside it as text. */
  function range(given, from = 0, to = 1, mark = null) {
    const { value, low, high } = estimate(given);
    if (!exists(value)) return null;
    const at = (v) => `${(100 * (Math.min(to, Math.max(from, v)) - from)) / (to - from)}%`;
    const [l, h] = exists(low) && exists(high) ? [low, high] : [value, value];
    return el("span", { class: "fl-rs-range", "aria-hidden": "true" }, mark === null ? null : el("i", { class: "fl-rs-chance", style: { left: at(mark) } }),
      el("i", { class: "fl-rs-span", style: { left: at(l), right: `calc(100% - ${at(h)})` } }), el("i", { class: "fl-rs-dot", style: { left: at(value) } }));
  }

  /** A share of a whole as a bar; what it says stands beside it. */
  const bar = (share) => el("span", { class: "fl-rs-bar", "aria-hidden": "true" }, el("i", { style: { width: `${100 * Math.min(1, Math.max(0, share || 0))}%` } }));

  const alert = (text, again) => el("p", { class: "fl-rs-problem", role: "alert" }, words(text), again ? dom.button("Try again", again) : null);
  const hint = (text) => el("p", { class: "fl-rs-hint", text });

  /** Fills `host` with what `ask()` answers. An answer to an earlier question is dropped; what stood there stays until the new one comes. */
  async function load(host, ask, draw, busy = "Loading …") {
    const mine = (host.flAsked = {});
    host.setAttribute("aria-busy", "true");
    if (!host.firstChild) host.replaceChildren(hint(busy));
    try {
      const answer = await ask();
      if (host.flAsked !== mine) return;
      host.replaceChildren(...[draw(answer)].flat().filter(Boolean));
    } catch (error) {
      if (host.flAsked === mine) host.replaceChildren(alert(refusal(error), () => { host.replaceChildren(); load(host, ask, draw, busy); }));
    } finally {
      if (host.flAsked === mine) host.removeAttribute("aria-busy");
    }
  }

  /** One change at a time: the button rests while it is under way; a refusal is said by `say`. Gives the answer or undefined. */
  async function deed(button, ask, say) {
    if (button && button.getAttribute("aria-disabled") === "true") return undefined;
    button?.setAttribute("aria-disabled", "true");
    try {
      return await ask();
    } catch (error) {
      say(refusal(error), true);
      return undefined;
    } finally {
      button?.removeAttribute("aria-disabled");
    }
  }

  /**
   * A table: heads that sort, one button that copies it as TSV, rows that open something.
   * columns: [{label, value(row), title?, number?, cell?(row) -> node or text, raw?(row) -> cells of the copy, heads?}]
   * options: {caption, rows, pick?(row), picks?(row): whether it opens, named?(row), empty, sort?: index, descending?, chosen?(row), say}
   */
  class Table {
    constructor(columns, options) {
      Object.assign(this, { columns, options, shown: ROWS, sort: options.sort ?? -1, descending: Boolean(options.descending) });
      this.title = dom.uid("fl-rs-table");
      this.more = dom.button("", () => { this.shown += ROWS; this.draw(); });
      this.body = el("tbody");
      this.heads = el("tr");
      const copy = dom.button("Copy", async () => options.say((await dom.copyText(format.tsv(this.tsv()))) ? "Copied." : "The browser did not allow copying."), { class: "fl-button fl-rs-small", title: "Copy the table, tab-separated", "aria-label": `Copy the table ${options.caption}` });
      this.frame = el("div", { class: "fl-rs-scroll", tabindex: "0", role: "region", "aria-labelledby": this.title }, el("table", {}, el("thead", {}, this.heads), this.body));
      this.root = el("section", { class: "fl-rs-table" }, el("div", { class: "fl-rs-line" }, el("h3", { id: this.title, text: options.caption }), el("span", { class: "fl-rs-grow" }), options.rows.length ? copy : null),
        options.rows.length ? this.frame : hint(options.empty || "Nothing here yet."), this.more);
      this.draw();
    }

    sorted() {
      const { rows } = this.options;
      const column = this.columns[this.sort];
      if (!column) return rows;
      const way = this.descending ? -1 : 1;
      const kept = rows.filter((row) => { const v = column.value(row); return v !== null && v !== undefined && !Number.isNaN(v); });
      // what does not exist stands last, whichever way round
      return [...kept.sort((a, b) => { const [x, y] = [column.value(a), column.value(b)]; return way * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))); }), ...rows.filter((row) => !kept.includes(row))];
    }

    draw() {
      const held = this.heads.contains(document.activeElement) ? [...this.heads.querySelectorAll("button")].indexOf(document.activeElement) : -1;
      this.heads.replaceChildren(...this.columns.map((column, i) => {
        const on = this.sort === i;
        const press = () => { this.descending = on ? !this.descending : Boolean(column.number); this.sort = i; this.draw(); };
        const mark = el("span", { class: "fl-rs-arrow", "aria-hidden": "true", text: on ? (this.descending ? "↓" : "↑") : "" });
        return el("th", { scope: "col", class: column.number ? "fl-rs-number" : "", "aria-sort": on ? (this.descending ? "descending" : "ascending") : undefined },
          column.fixed ? column.label : el("button", { type: "button", class: "fl-rs-sort", title: column.title, onclick: press }, column.label, mark));
      }));
      this.body.replaceChildren(...this.sorted().slice(0, this.shown).map((row) => this.row(row)));
      const left = this.options.rows.length - this.shown;
      this.more.hidden = left <= 0;
      this.more.textContent = `Show ${format.count(Math.min(ROWS, left))} more rows`;
      if (held >= 0) this.heads.querySelectorAll("button")[held]?.focus();
    }

    row(row) {
      const { named, chosen, picks } = this.options;
      const pick = picks && !picks(row) ? null : this.options.pick;
      const cells = this.columns.map((column, i) => {
        const shown = column.cell ? column.cell(row) : column.number ? format.number(column.value(row), 3) : words(column.value(row));
        const opened = pick && i === 0 ? el("button", { type: "button", class: "fl-rs-open", "aria-label": named ? named(row) : undefined, onclick: (event) => { event.stopPropagation(); pick(row); } }, shown) : shown;
        return i === 0 ? el("th", { scope: "row", class: column.number ? "fl-rs-number" : "" }, opened) : el("td", { class: column.number ? "fl-rs-number" : "" }, opened);
      });
      const node = el("tr", { class: `${pick ? "fl-rs-picks" : ""}${chosen && chosen(row) ? " fl-rs-chosen" : ""}` }, cells);
      if (pick) node.addEventListener("click", (event) => { if (!event.target.closest("button, a, input, select, summary")) pick(row); });
      return node;
    }

    tsv() {
      return [this.columns.flatMap((column) => column.heads || [column.label]), ...this.sorted().map((row) => this.columns.flatMap((column) => (column.raw ? column.raw(row) : [column.value(row)])))];
    }
  }

  /** A labelled field with one line below that says what it does. control: the element that takes the value. */
  function field(label, control, help, more = {}) {
    const id = control.id || dom.uid("fl-rs-field");
    const about = help ? el("small", { id: `${id}-help`, text: help }) : null;
    control.id = id;
    if (about) control.setAttribute("aria-describedby", about.id);
    const box = control.type === "checkbox";
    const name = el("label", { for: id, text: label });
    return el("div", { class: `fl-rs-field${box ? " fl-rs-checked" : ""} ${more.class || ""}`, hidden: more.hidden }, box ? [control, el("span", {}, name, about)] : [name, control, about]);
  }
  const input = (attributes, onchange) => el("input", { class: "fl-rs-input", ...attributes, onchange: onchange ? (event) => onchange(event.target) : undefined });
  function select(choices, value, pick, attributes) {
    const node = el("select", { class: "fl-rs-input fl-rs-select", ...attributes }, choices.map(([key, text]) => el("option", { value: key, text: format.label(text) })));
    node.value = value ?? choices[0]?.[0] ?? "";
    node.addEventListener("change", () => pick(node.value));
    return node;
  }
  const primary = (text, run, attributes) => dom.button(text, run, { ...attributes, class: "fl-button fl-rs-primary" });

  /** Markdown as the annotators see it, or the plain text where there is no renderer. */
  function prose(text) {
    const host = el("div", { class: "fl-rs-prose fl-an-prose" });
    const made = Forklore.markdown ? Forklore.markdown(text) : null;
    if (made) host.append(made);
    else { host.classList.add("fl-rs-plain"); Forklore.fillText(host, text); }
    return host;
  }

  Forklore.resultsParts = { words, counted, refusal, estimate, figure, between, range, bar, alert, hint, load, deed, Table, field, input, select, primary, prose };
})();
