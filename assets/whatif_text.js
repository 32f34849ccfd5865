// Two runs between the lines: where they differ the original stands above what stands now, where they agree there is one line.
// Wraps like prose and grows at its end only; pointer and keys are told to the instrument, which decides.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format } = Forklore;
  const { el } = dom;
  const BEFORE = 20; // tokens of the equal beginning that stay on show
  const KIND_WORDS = {
    edit: "changed by hand", held: "left standing, not drawn again", borrowed: "drawn where a given token stood",
  };

  const unfinished = (token) => token.x && (!token.t || /^\ufffd+$/.test(token.t));
  function labelOf(token) {
    if (!token) return "";
    return unfinished(token) ? `⟨${token.x}⟩` : format.label(token.t);
  }

  function fill(host, token, breaks) {
    if (token.c || unfinished(token)) host.append(el("i", { class: "fl-mark fl-wi-mark", text: token.c ? format.label(token.t) : `⟨${token.x}⟩` }));
    else if (!token.t) host.append(el("i", { class: "fl-mark fl-wi-mark", text: "⟨empty⟩" }));
    else if (breaks) Forklore.fillText(host, token.t);
    else Forklore.fillText(host, token.t.replace(/[\n\r\t]+/g, (s) => "↵⇥"[s.includes("\n") ? 0 : 1]));
  }

  /** A token as [space in front, word]; without a token an empty word. */
  function worded(name, token, breaks) {
    const lead = token && !token.c && token.t ? /^ +(?=[^ ])/.exec(token.t) : null;
    const word = el("span", { class: token ? name : `${name} fl-wi-none` });
    if (token) fill(word, lead ? { ...token, t: token.t.slice(lead[0].length) } : token, breaks);
    return lead ? [lead[0], word] : [word];
  }

  class WhatIfText {
    constructor(context) {
      this.context = context;
      this.prefix = dom.uid("fl-wi");
      this.whole = false;
      this.before = dom.button("", () => { this.whole = true; this.reset(); this.draw(); this.box.focus(); }, { class: "fl-link-button", hidden: true });
      this.box = el("div", { class: "fl-wi-text", role: "listbox", tabindex: "0", "aria-label": "The original above what stands now", translate: "no" });
      this.readout = el("p", { class: "fl-wi-readout" });
      this.root = el("div", {}, this.before, this.box, this.readout);
      this.listen();
      this.reset();
    }

    listen() {
      const at = (event) => event.target instanceof Element ? event.target.closest("[data-column]") : null;
      this.box.addEventListener("pointerover", (event) => { if (event.pointerType !== "touch" && at(event)) this.point(Number(at(event).dataset.column)); });
      this.box.addEventListener("pointerleave", () => this.context.hover(-1, "table"));
      this.box.addEventListener("click", (event) => { if (at(event)) this.go(Number(at(event).dataset.column), true); });
      this.box.addEventListener("keydown", (event) => this.key(event));
      this.box.addEventListener("focus", () => { if (this.at < 0 && this.box.matches(":focus-visible")) this.go(Math.max(0, this.edit, this.hidden)); });
    }

    reset() {
      this.columns = [];
      this.signs = [];
      this.nodes = [];
      this.hidden = 0;
      this.at = -1;
      this.first = -1;
      this.edit = -1;
      this.close = new Set();
      this.box.replaceChildren();
      this.box.removeAttribute("aria-activedescendant");
      this.readout.textContent = "";
    }

    /** Adds what is new of the alignment; marks what has become known of what is there. */
    draw(aligned = Forklore.whatIfRows.alignment(this.context.trace)) {
      const { trace } = this.context;
      const { columns, first, start } = aligned;
      const signs = columns.map((column) => `${column.from} ${column.own} ${column.kind} ${column.equal} ${trace.tokens[column.own]?.t} ${trace.from[column.from]?.t}`);
      // another run, or another reading of this one; a run that was only stored is still the same
      if (this.signs.some((sign, k) => sign !== signs[k])) this.reset();
      this.signs = signs;
      if (!this.nodes.length) this.hidden = !this.whole && start > BEFORE + 4 ? start - BEFORE : 0;
      this.columns = columns;
      this.first = first;
      this.edit = columns.findIndex((column) => column.kind === "edit");
      this.before.hidden = !this.hidden;
      this.before.textContent = `Show the ${format.count(this.hidden)} tokens before it, which are the same`;
      const fragment = document.createDocumentFragment();
      for (let k = Math.max(this.hidden, this.nodes.length); k < columns.length; k += 1) {
        this.nodes[k] = this.build(k);
        fragment.append(this.nodes[k]);
        const own = trace.tokens[columns[k].own];
        if (own && !columns[k].equal && own.t.includes("\n")) fragment.append("\n");
      }
      if (this.nodes.length) this.box.append(fragment);
      this.box.setAttribute("aria-busy", String(trace.streaming));
      this.markClose();
      if (!this.readout.textContent) this.hint();
    }

    hint() {
      this.readout.textContent = this.columns.length ? "Point at a token, or press the arrows, to see both; ↑ and ↓ go from difference to difference." : "";
    }

    build(k) {
      const { trace } = this.context;
      const { from, own, kind, equal } = this.columns[k];
      const [old, now] = [trace.from[from], trace.tokens[own]];
      const node = el("span", {
        class: `fl-wi-col fl-wi-${kind}${equal ? " fl-wi-equal" : ""}${k === this.first ? " fl-wi-first" : ""}`,
        role: "option", id: `${this.prefix}-${k}`, "aria-label": this.spoken(k), data: { column: k }, "aria-selected": "false",
      });
      if (equal) node.append(...worded("fl-wi-now", now, true));
      else {
        node.classList.add("fl-wi-pair");
        node.append(el("span", { class: "fl-wi-above" }, worded("fl-wi-was", old, false)), el("span", { class: "fl-wi-below" }, worded("fl-wi-now", now, false)));
      }
      return node;
    }

    /** What a screen reader, and the line below the text, say of a column. */
    spoken(k) {
      const { trace } = this.context;
      const { from, own, kind, equal } = this.columns[k];
      const [old, now] = [labelOf(trace.from[from]), labelOf(trace.tokens[own])];
      const words = equal ? `${now}, the same` : from < 0 ? `${now}, added` : own < 0 ? `${old}, no longer there` : `${now} instead of ${old}`;
      const { luck } = trace.header;
      const rowWords = luck === "fresh" ? "same place, other luck" : "same noise row";
      const how = from >= 0 && (kind === "drawn" || (kind === "borrowed" && luck === "inferred")) ? rowWords : KIND_WORDS[kind];
      return [words, k === this.first ? "first difference behind the edit" : "", how, this.close.has(k) ? "a close race: another machine may decide otherwise" : ""].filter(Boolean).join(", ");
    }

    /** Marks steps that were decided by less than a machine's rounding. */
    markClose() {
      const { trace } = this.context;
      const { fragile = [], fragile_from: above = [] } = trace.later.versus || {};
      const [own, from] = [new Set(fragile), new Set(above)];
      this.columns.forEach((column, k) => {
        if (this.close.has(k) || column.kind === "kept" || !(own.has(column.own) || from.has(column.from))) return;
        this.close.add(k);
        const node = this.nodes[k];
        if (!node) return;
        node.classList.add("fl-wi-close");
        node.title = `Decided by a margin below ${trace.header.model.dtype === "bfloat16" ? 0.25 : 0.001}: another machine may decide otherwise`;
        node.setAttribute("aria-label", Forklore.dom.shown(this.spoken(k)));
      });
    }

    point(k) {
      if (this.columns[k].own >= 0) this.context.hover(this.columns[k].own, "table");
      this.say(k);
    }

    say(k) {
      const { trace } = this.context;
      const { from, own } = this.columns[k];
      const draw = own >= 0 ? trace.draw(own) : null;
      const row = draw && draw.row >= 0 ? draw.row : null;
      const places = [from >= 0 ? `token ${format.count(from + 1)} before` : "", own >= 0 ? `token ${format.count(own + 1)} now` : "", row === null ? "" : `row ${format.count(row)}`];
      this.readout.replaceChildren(el("bdi", { text: this.spoken(k) }), el("span", { text: places.filter(Boolean).join(" · ") }));
    }

    /** Moves the list's cursor; `pin` also takes the token into the inspector. */
    go(k, pin) {
      const node = this.nodes[k];
      if (!node) return;
      for (const old of this.box.querySelectorAll('[aria-selected="true"]')) old.setAttribute("aria-selected", "false");
      this.at = k;
      node.setAttribute("aria-selected", "true");
      this.box.setAttribute("aria-activedescendant", node.id);
      const [outer, inner] = [this.box.getBoundingClientRect(), node.getBoundingClientRect()];
      if (inner.top < outer.top) this.box.scrollTop -= outer.top + 16 - inner.top;
      else if (inner.bottom > outer.bottom) this.box.scrollTop += inner.bottom - outer.bottom + 16;
      this.say(k);
      if (pin && this.columns[k].own >= 0) this.context.pin(this.columns[k].own, "table");
    }

    key(event) {
      if (dom.keyTaken(event) || !this.columns.length) return;
      const last = this.columns.length - 1;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
      let k = { Home: this.hidden, End: last }[event.key];
      if (step) {
        k = (this.at < 0 ? this.hidden - 1 : this.at) + step;
        if (event.key === "ArrowUp" || event.key === "ArrowDown") while (this.nodes[k] && this.columns[k].equal) k += step;
      }
      if (k !== undefined) this.go(k);
      else if (event.key === "Enter" || event.key === " ") this.go(this.at, true);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }
  }

  Forklore.WhatIfText = WhatIfText;
  Forklore.whatIfLabel = labelOf;
})();
