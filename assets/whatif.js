// The What if panel: what was changed in a run, what became of the text behind it, and which runs leave this one.
// Puts facts of the document into words; asks the page for other runs, never the server itself.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, whatIfRows } = Forklore;
  const { el } = dom;
  const LUCK = { same: "same luck", fresh: "fresh luck", inferred: "inferred luck" };
  const SETTINGS = { temperature: "temperature", top_p: "top-p", top_k: "top-k", prompt: "prompt", system: "system text" };
  const LEGEND = [
    ["fl-wi-kept fl-wi-equal", "before the edit"], ["fl-wi-edit", "the edit"], ["fl-wi-drawn", "was above, is below"],
    ["fl-wi-held fl-wi-equal", "left standing, not drawn"], ["fl-wi-gone", "no longer there"], ["fl-wi-close fl-wi-equal", "close race"],
  ];

  const quoted = (tokens) => {
    const text = tokens.map((token) => Forklore.whatIfLabel(token.t ? { ...token, t: token.t.replace(/^ /, "\u00a0") } : token).replaceAll("⟨NBSP⟩", " ")).join("");
    return `‘${format.cut(text, 48)}’`;
  };
  const share = (value) => (format.exists(value) ? value.toFixed(3) : format.NA);
  const several = (count, one) => `${format.count(count)} ${one}${count === 1 ? "" : "s"}`;

  /** What was done to the original, as a clause: "Token 12 ‘ 17’ became ‘ 19’". */
  function whatChanged(trace, { columns, edits }) {
    const { header, from, tokens } = trace;
    const edit = header.edit;
    const names = (header.changed || []).map((name) => SETTINGS[name] || name);
    const settings = names.length ? `the ${names.join(", the ").replace(/, (?=[^,]*$)/, " and ")} changed` : "";
    if (!edit || (edit.start === edit.stop && edit.held <= edit.start)) return settings ? settings[0].toUpperCase() + settings.slice(1) : "Nothing was changed";
    const place = (a, b) => (b - a === 1 ? `Token ${format.count(a + 1)}` : `Tokens ${format.count(a + 1)} to ${format.count(b)}`);
    const [old, now] = [from.slice(edit.start, edit.stop), tokens.slice(edit.start, edit.held)];
    let words;
    if (edits > 1) words = `${edits} edits between tokens ${format.count(edit.start + 1)} and ${format.count(Math.max(edit.stop, edit.start + 1))}`;
    else if (!old.length) words = `${quoted(now)} was put in before token ${format.count(edit.start + 1)}`;
    else if (edit.held <= edit.start) words = `${place(edit.start, edit.stop)} ${quoted(old)} ${old.length === 1 ? "was" : "were"} left out`;
    else words = now.length ? `${place(edit.start, edit.stop)} ${quoted(old)} became ${quoted(now)}` : `${place(edit.start, edit.stop)} ${quoted(old)} gave way`;
    return settings ? `${words} and ${settings}` : words;
  }

  /** What became of the rest: "34 of 61 tokens that kept their noise row are the same." */
  function whatFollowed(trace, { columns }) {
    const [equal, shared] = whatIfRows.agreement(columns, trace.header.luck === "inferred");
    const which = trace.header.luck === "fresh" ? "in the same place" : "that kept their noise row";
    if (!shared) return trace.done ? "nothing behind it was drawn in the same row." : "nothing is drawn behind it yet.";
    return `${trace.done ? "" : "so far "}${format.count(equal)} of ${several(shared, "token")} ${which} ${shared === 1 ? "is" : "are"} the same.`;
  }

  class WhatIf {
    constructor(host, context) {
      this.context = context;
      this.text = new Forklore.WhatIfText(context);
      this.strip = new Forklore.WhatIfStrip(context);
      this.lead = el("p", { class: "fl-wi-lead" });
      this.parent = dom.button("", () => context.emit("run_open", { uid: context.trace.parent.uid }), { class: "fl-link-button" });
      this.undo = dom.button("Undo", () => { [this.undone, this.left] = [context.trace.run, context.trace.parent.uid]; context.emit("branch_undo", {}); }, { class: "fl-link-button", title: "Delete this run and go back to the original; it can be brought back there" });
      this.again = dom.button("Bring back the branch just undone", () => { const uid = this.undone; this.undone = ""; context.emit("branch_redo", { uid }); }, { class: "fl-button fl-wi-again" });
      this.compare = dom.button("Compare side by side", () => context.emit("run_compare", { a: context.trace.parent.uid, b: context.trace.run }), { class: "fl-link-button" });
      this.copy = dom.button("Copy figures", () => this.copyFigures(), { class: "fl-link-button" });
      this.links = el("p", { class: "fl-wi-links" }, el("span", {}, "Changed from ", this.parent), this.compare, this.undo);
      this.legend = el("ul", { class: "fl-wi-legend", "aria-label": "Legend" }, LEGEND.map(([name, words]) => el("li", { data: { kind: name.split(" ")[0].slice(6) } }, el("span", { class: `fl-wi-key ${name}`, "aria-hidden": "true", text: "word" }), words)));
      this.figures = el("dl", { class: "fl-figures fl-wi-figures" });
      this.children = el("ul", { class: "fl-wi-children" });
      this.below = el("section", { class: "fl-wi-part" }, el("h3", { text: "Runs that leave this one" }), this.children);
      this.empty = el("div", { class: "fl-wi-empty" });
      this.own = el("div", {}, this.lead, this.links, this.text.root, this.legend, this.figures, this.copy, this.strip.root);
      host.replaceChildren(this.own, this.below, this.empty);
      this.update({ reset: true });
    }

    update(change) {
      if (change.place || change.view) return;
      if (change.reset) this.text.whole = false;
      this.later();
    }

    /** Shows what is known now; nothing that stands already moves. */
    later() {
      const { trace } = this.context;
      const changed = Boolean(trace.parent);
      if (!this.undone || trace.run !== this.left) this.again.remove();
      else if (!this.again.isConnected) this.own.before(this.again);
      this.own.hidden = !changed;
      if (changed) this.showChanged();
      const children = trace.later.children || [];
      this.below.hidden = !children.length;
      this.showChildren(children);
      this.empty.hidden = changed || children.length > 0;
      if (!this.empty.hidden) this.showEmpty();
    }

    showChanged() {
      const { context } = this;
      const { trace } = context;
      const aligned = whatIfRows.alignment(trace);
      const gone = !trace.from;
      for (const part of [this.text.root, this.legend, this.parent.parentElement]) part.hidden = gone;
      if (gone) {
        this.lead.textContent = "This run was changed from another one, which is not here any more: there is nothing left to hold it against.";
        this.text.reset();
        for (const part of [this.compare, this.undo, this.copy, this.figures, this.strip.root]) part.hidden = true;
        return;
      }
      this.figures.hidden = false;
      this.lead.textContent = `${whatChanged(trace, aligned)}, ${LUCK[trace.header.luck] || "drawn anew"}: ${whatFollowed(trace, aligned)}`;
      this.parent.textContent = Forklore.dom.shown(format.label(trace.parent.title || (["branch", "counterfactual"].includes(trace.parent.kind) ? "an earlier branch" : "the original")));
      const listens = Boolean(context.props.branches);
      this.parent.disabled = !listens;
      this.compare.hidden = !listens || !trace.stored;
      this.undo.hidden = !listens || !trace.stored || trace.header.example;
      this.text.draw(aligned);
      const kinds = new Set(aligned.columns.map((column) => column.kind));
      const close = this.text.close.size > 0;
      if (kinds.has("borrowed")) kinds.add("drawn");
      for (const item of this.legend.children) item.hidden = item.dataset.kind === "close" ? !close : !kinds.has(item.dataset.kind);
      this.showFigures(aligned);
      this.strip.update();
    }

    /** [[name, value, unit, what it means]] of the distance between both texts. */
    measures({ columns, first }) {
      const { trace } = this.context;
      const { versus, replicates } = trace.later;
      if (!versus) return [];
      const expected = replicates && format.exists(replicates.stickiness) ? ` (${format.percent(replicates.stickiness)} were to be expected: their stickiness)` : "";
      // behind the edit alone: what stands before it was not drawn again and would only flatter
      const [equal, shared] = trace.header.luck === "fresh" ? [0, 0] : whatIfRows.agreement(columns, trace.header.luck === "inferred");
      const parted = first < 0 ? versus.first : null;
      const at = first >= 0 ? columns[first] : parted ? { from: parted[0], own: parted[1] } : null;
      const place = !at ? "nowhere" : at.own >= 0 ? `token ${format.count(at.own + 1)}` : `its end`;
      return [
        ["Distance in characters", share(versus.characters), "of 1", "changes that turn one text into the other from the edit on, by the longer one’s length"],
        ["Distance in tokens", share(versus.tokens), "of 1", "the same, counted in tokens"],
        ["First difference", place, "", "where the texts part behind the edit"],
        ["Same-row agreement", shared ? format.percent(equal / shared) : format.NA, shared ? `${format.count(equal)} of ${format.count(shared)}` : "", `tokens drawn again with their row that came out equal${expected}`],
        ["Common prefix", format.percent(versus.prefix), "", "share of the text from the edit on before the two part"],
      ];
    }

    showFigures(aligned) {
      const rows = this.measures(aligned);
      this.copy.hidden = !rows.length;
      this.rows = rows;
      this.figures.replaceChildren(...rows.map(([name, value, unit, means]) => el("div", { class: "fl-figure" },
        el("dt", { text: name }), el("dd", { class: "fl-figure-value" }, `${value} `, unit ? el("span", { class: "fl-figure-unit", text: unit }) : null), el("dd", { class: "fl-figure-means", text: means }))));
    }

    async copyFigures() {
      const { trace } = this.context;
      const { versus } = trace.later;
      const { columns, first } = whatIfRows.alignment(trace);
      const [equal, shared] = whatIfRows.agreement(columns, trace.header.luck === "inferred");
      const text = format.tsv([["figure", "value", "unit"], ["parent", trace.parent.uid, ""], ["run", trace.run, ""], ["distance_characters", versus.characters, "0 to 1"], ["distance_tokens", versus.tokens, "0 to 1"],
        ["first_difference_behind_edit", first >= 0 && columns[first].own >= 0 ? columns[first].own + 1 : null, "token"], ["same_row_equal", equal, "tokens"], ["same_row_shared", shared, "tokens"], ["common_prefix", versus.prefix, "share"], ["stickiness", trace.later.replicates?.stickiness ?? null, "share"]]);
      this.context.say((await dom.copyText(text)) ? "Figures copied." : "The browser did not allow copying.");
    }

    showChildren(children) {
      const key = JSON.stringify(children);
      if (key === this.listed) return;
      this.listed = key;
      const { trace, props } = this.context;
      this.children.replaceChildren(...[...children].sort((a, b) => a.fork - b.fork).map((child) => {
        const facts = [LUCK[child.luck], several(child.tokens, "token"), child.status === "finished" ? "" : child.status].filter(Boolean).join(" · ");
        const words = el("bdi", { class: "fl-wi-words" });
        Forklore.fillText(words, (child.words || child.title || "").replace(/\s+/g, " "));
        return el("li", {}, el("button", { type: "button", disabled: !props.branches, title: child.title, onclick: () => this.context.emit("run_open", { uid: child.uid }) },
          el("span", { class: "fl-wi-where", text: child.fork < trace.length ? `token ${format.count(child.fork + 1)}` : "its end" }), words, el("span", { class: "fl-wi-facts", text: facts })));
      }));
    }

    showEmpty() {
      const { context } = this;
      const { trace } = context;
      const able = context.inspector.branching.able;
      const key = `${able}|${trace.run}|${Boolean(trace.header)}`;
      if (key === this.said) return;
      this.said = key;
      const go = dom.button("Change something here", () => {
        const at = context.subject();
        const hottest = Math.max(0, context.hot.indexOf(1));
        if (at < 0) context.select(hottest);
        context.inspector.branching.start(at < 0 ? hottest : at);
      });
      this.empty.replaceChildren(
        el("p", { class: "fl-panel-empty", text: able ? "Choose a token and one of its alternatives: what would have followed, had the luck been the same, appears here beside what did follow." : "What would have followed, had something else stood in this text, appears here beside what did follow." }),
        ...(able ? [go] : []));
    }
  }

  Forklore.registerPanel({
    id: "whatif", label: "What if", order: 70,
    build(host, context) {
      const panel = new WhatIf(host, context);
      return { update: (change) => panel.update(change), later: () => panel.later(), shown: () => panel.update({}) };
    },
  });
})();
