// Two runs side by side: what differs, where, and by how much.
// Knows the JSON of ui/compare_view.py; does not know the library or the server.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, scale } = Forklore;
  const { el } = dom;
  const NOT_SET = "not set";
  const UNITS = {
    tokens: "", characters: "The tokenizers differ, so the texts were aligned by their characters.",
    words: "The tokenizers differ, so the texts were aligned by their words.",
    ends: "The texts are too long to search: only what they share at the start and at the end counts as the same.",
  };

  /** "≥ " or "≤ " before the value of the first (0) or second (1) run where only a bound of it is known. */
  const bounded = (entry, side) => Forklore.readout.bound({ bound: (entry.bounds || [])[side] });

  class Comparison {
    constructor(root, page, trigger) {
      Object.assign(this, { root, page, trigger, folded: false });
      Object.assign(this, Forklore.recall({ bits: false, ramp: "heat" }));
      this.entry = page.scores.find((entry) => entry.group === "main") || page.scores[0] || null;
      this.partners = { a: this.ranges(1), b: this.ranges(3) };
      this.difference = new Map(page.pairs.map(([i, j], k) => [`${i} ${j}`, k]));
      root.classList.toggle("fl-ramp-cividis", this.ramp === "cividis");
      root.classList.toggle("fl-ramp-heat", this.ramp !== "cividis");
      const hover = (side, i, firm) => this.mark(side, i, firm);
      this.texts = ["a", "b"].map((side, k) => new Forklore.ComparedText({
        side, tokens: page[side].tokens, differs: this.partners[side].map((block) => block[0] !== "equal"), hover,
        first: page.divergence ? page.divergence[k] : -1, label: `Tokens of run ${side.toUpperCase()}; up and down go to the next difference`,
      }));
      this.curve = new Forklore.ComparedCurve((side, i) => this.mark(side, i, true));
      this.readout = el("div", { class: "fl-cmp-readout", role: "status" });
      // the bar stays in view over the texts and the curve that it speaks of, and no further
      root.replaceChildren(this.heading(), this.sentence(), el("div", {}, el("div", { class: "fl-cmp-bar" }, this.tools(), this.readout),
        el("div", { class: "fl-cmp-columns" }, this.column("a", 0), this.column("b", 1)), this.curve.root),
        el("div", { class: "fl-cmp-tables" }, this.summary(), this.settings()));
      this.update();
    }

    /** The block that each token of one run lies in. at: where the run's range stands in a block. */
    ranges(at) {
      return this.page.blocks.flatMap((block) => Array(block[at + 1] - block[at]).fill(block));
    }

    heading() {
      const { a, b } = this.page;
      return el("div", { class: "fl-cmp-head" }, el("h2", { text: "Two runs compared", tabindex: "-1" }),
        dom.button("Swap A and B", () => this.trigger("compare_swap", { a: b.uid, b: a.uid })),
        dom.button("Close", () => this.trigger("compare_close", {}), { "aria-label": "Close the comparison" }));
    }

    sentence() {
      const { a, b, blocks, divergence, unit } = this.page;
      const same = blocks.filter((block) => block[0] === "equal").reduce((sum, block) => sum + block[2] - block[1], 0);
      const apart = blocks.filter((block) => block[0] !== "equal").length;
      const quote = (run, i) => (run.tokens[i] ? `“${Forklore.comparedLabel(run.tokens[i])}”` : "the end");
      const words = divergence
        ? `The runs part at token ${format.count(divergence[0] + 1)}: ${quote(a, divergence[0])} in A, ${quote(b, divergence[1])} in B. `
          + `${format.count(same)} of A’s ${format.count(a.tokens.length)} tokens ${same === 1 ? "is" : "are"} also in B; ${apart === 1 ? "one place differs" : `${format.count(apart)} places differ`}.`
        : a.tokens.length ? `Both answers are the same${a.tokens.length === b.tokens.length ? `, all ${format.count(a.tokens.length)} tokens of them` : ` text, in ${format.count(a.tokens.length)} tokens of A and ${format.count(b.tokens.length)} of B`}.` : "Neither run has a token.";
      return el("div", { class: "fl-cmp-said" }, el("p", { text: words }), UNITS[unit] ? el("p", { class: "fl-cmp-note", text: UNITS[unit] }) : null);
    }

    tools() {
      const [score, fold] = [dom.uid("fl-cmp-score"), dom.uid("fl-cmp-fold")];
      const options = (group) => this.page.scores.filter((entry) => (entry.group === "main") === (group === "main")).map((entry) => el("option", { value: entry.name, text: entry.label }));
      this.select = el("select", { id: score, class: "fl-cmp-select" }, el("optgroup", { label: "Main scores" }, options("main")), el("optgroup", { label: "More" }, options("more")));
      if (this.entry) this.select.value = this.entry.name;
      this.select.addEventListener("change", () => { this.entry = this.page.scores.find((entry) => entry.name === this.select.value); this.update(); });
      this.legend = el("div", { class: "fl-cmp-legend" });
      const box = el("input", { type: "checkbox", id: fold });
      box.addEventListener("change", () => { this.folded = box.checked; this.update(); });
      const said = (button, word) => { const was = button.textContent; button.textContent = word; setTimeout(() => { button.textContent = was; }, 1500); };
      const copy = dom.button("Copy", async () => said(copy, (await dom.copyText(format.tsv(this.rows()))) ? "Copied" : "Not copied"), { title: "Copy the aligned tokens as a table" });
      const save = dom.button("CSV", () => dom.download(`compare-${dom.fileName(this.page.a.title, "a")}-${dom.fileName(this.page.b.title, "b")}.csv`, format.csv(this.rows()), "text/csv;charset=utf-8"), { title: "Save the aligned tokens as a table" });
      return el("div", { class: "fl-cmp-tools" }, el("label", { for: score, text: "Score" }), this.select, this.legend,
        el("span", { class: "fl-cmp-check" }, box, el("label", { for: fold, text: "Only differences" })), el("span", { class: "fl-cmp-actions" }, copy, save));
    }

    column(side, k) {
      const run = this.page[side];
      const link = el("a", { href: `?run=${encodeURIComponent(run.uid)}`, class: "fl-cmp-open", title: "Show this run alone" });
      Forklore.fillText(link, run.title || format.cut(run.prompt, 80) || format.cut(run.tokens.map((token) => token.t).join("").trim(), 80) || "Untitled run");
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.trigger("run_open", { uid: run.uid });
      });
      const prompt = el("p", { class: "fl-cmp-prompt" });
      Forklore.fillText(prompt, run.prompt);
      const facts = [run.model, run.quantization, run.seed !== null && `seed ${run.seed}`, `${format.count(run.tokens.length)} tokens`].filter(Boolean);
      return el("section", { class: "fl-cmp-column", "aria-label": `Run ${side.toUpperCase()}` },
        el("header", {}, el("span", { class: `fl-cmp-badge fl-cmp-badge-${side}`, text: side.toUpperCase() }), link, el("span", { class: "fl-cmp-facts", text: facts.join(" · ") })),
        run.title && run.prompt ? prompt : null, this.texts[k].box);
    }

    update() {
      const { entry } = this;
      this.texts.forEach((text, k) => {
        if (text.folded !== this.folded) text.draw((text.folded = this.folded));
        text.paint(entry, entry && entry[k ? "b" : "a"]);
      });
      this.drawLegend();
      this.curve.show({ entry, bits: this.bits, a: entry ? entry.a : [], b: entry ? entry.b : [], first: this.page.divergence, names: ["run A", "run B"] });
      if (this.at) this.mark(...this.at);
      else this.say(null);
    }

    drawLegend() {
      const { entry, bits } = this;
      if (!entry) { this.legend.replaceChildren("The runs have no score in common."); return; }
      if (scale.isClass(entry)) {
        this.legend.replaceChildren(...entry.classes.map((name, i) => el("span", { class: "fl-cmp-swatch" }, el("i", { class: `fl-k${i}` }), name)));
        return;
      }
      const ends = scale.range(entry).map((value) => format.number(format.convert(value, entry.unit, bits), 3));
      if (scale.inverted(entry.direction)) ends.reverse();
      this.legend.replaceChildren(el("span", { text: ends[0] }), el("i", { class: "fl-cmp-ramp", style: { background: scale.gradient(this.ramp === "cividis" ? "cividis" : "heat") } }),
        el("span", { text: `${ends[1]}${entry.unit ? ` ${format.unitName(entry.unit, bits)}` : ""}, ${scale.phrase(entry.direction)}` }));
    }

    /** Where a token's counterpart lies in the other run: [from, to), empty when it has none. */
    partner(side, i) {
      const block = this.partners[side][i];
      const [own, other] = side === "a" ? [1, 3] : [3, 1];
      if (block[own + 1] - block[own] !== block[other + 1] - block[other]) return [block[other], block[other + 1]];
      return [block[other] + i - block[own], block[other] + i - block[own] + 1];
    }

    mark(side, i, firm) {
      if (!this.partners[side][i]) return;
      this.at = [side, i, false];
      const [from, to] = this.partner(side, i);
      const [own, other] = side === "a" ? this.texts : [this.texts[1], this.texts[0]];
      own.mark(i, i + 1, true);
      other.mark(from, to, false);
      if (firm) own.reveal(i);
      if (to > from) other.reveal(from);
      const one = to === from + 1 ? from : -1;
      this.curve.mark(side === "a" ? i : one, side === "a" ? one : i);
      this.say(side === "a" ? { a: [i, i + 1], b: [from, to] } : { a: [from, to], b: [i, i + 1] });
    }

    value(side, i) {
      const { entry, bits } = this;
      if (!entry) return format.NA;
      const value = entry[side][i];
      return scale.isClass(entry) ? (entry.classes[value] ?? format.NA) : bounded(entry, side === "a" ? 0 : 1) + format.quantity(value, entry.unit, bits, 3);
    }

    say(at) {
      if (!at) {
        this.readout.replaceChildren(el("span", { class: "fl-cmp-hint", text: "Point at a token to see its counterpart, or walk with the arrow keys." }));
        return;
      }
      const part = (side) => {
        const [from, to] = at[side];
        const badge = el("span", { class: `fl-cmp-badge fl-cmp-badge-${side}`, text: side.toUpperCase() });
        if (to === from) return el("span", { class: "fl-cmp-part" }, badge, el("span", { class: "fl-cmp-hint", text: "no counterpart" }));
        const tokens = this.page[side].tokens.slice(from, to);
        const words = tokens.length > 6 ? `${format.count(tokens.length)} tokens` : tokens.map((token) => Forklore.comparedLabel(token)).join(" · ");
        return el("span", { class: "fl-cmp-part" }, badge, el("b", { text: words }), el("span", { class: "fl-cmp-hint", text: tokens.length === 1 ? `token ${format.count(from + 1)}` : `tokens ${format.count(from + 1)}–${format.count(to)}` }),
          tokens.length === 1 ? el("span", { text: this.value(side, from) }) : null);
      };
      const pair = this.difference.get(`${at.a[0]} ${at.b[0]}`);
      const exists = pair !== undefined && this.entry && !scale.isClass(this.entry);
      this.readout.replaceChildren(part("a"), part("b"), ...(exists ? [el("span", { class: "fl-cmp-part" }, el("span", { class: "fl-cmp-hint", text: "B − A" }), el("b", { text: this.signed(this.entry.difference[pair], this.entry.unit) }))] : []));
    }

    signed(value, unit, digits = 3) {
      return `${format.exists(value) && value > 0 ? "+" : ""}${format.quantity(value, unit, this.bits, digits)}`;
    }

    /** The aligned tokens with the score on show, differences last. */
    rows() {
      const { entry, bits, page } = this;
      const name = entry ? `${entry.label}${entry.unit ? ` (${format.unitName(entry.unit, bits)})` : ""}` : "";
      const rows = [["alignment", "A position", "A token", "A id", `A ${name}`, "B position", "B token", "B id", `B ${name}`, "B - A"]];
      const value = (v) => (!entry || v === undefined ? null : scale.isClass(entry) ? entry.classes[v] : format.convert(v, entry.unit, bits));
      const cells = (side, i, end) => {
        const token = i < end ? page[side].tokens[i] : null;
        return token ? [i + 1, token.x ? `⟨${token.x}⟩` : token.t, token.id, value(entry && entry[side][i])] : [null, null, null, null];
      };
      for (const [kind, a0, a1, b0, b1] of page.blocks) {
        for (let k = 0; k < Math.max(a1 - a0, b1 - b0); k += 1) {
          const pair = a1 - a0 === b1 - b0 ? this.difference.get(`${a0 + k} ${b0 + k}`) : undefined;
          rows.push([kind, ...cells("a", a0 + k, a1), ...cells("b", b0 + k, b1), pair === undefined || !entry || scale.isClass(entry) ? null : value(entry.difference[pair])]);
        }
      }
      return rows;
    }

    table(title, heads, rows, empty) {
      const id = dom.uid("fl-cmp-table");
      // one landmark a table, or a reader who jumps from one to the next hears each name twice
      return el("div", {}, el("h3", { id, text: title }), rows.length ? el("div", { class: "fl-cmp-scroll", tabindex: "0", role: "region", "aria-labelledby": id }, el("table", {},
        el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col", text })))), el("tbody", {}, rows))) : el("p", { class: "fl-cmp-hint", text: empty }));
    }

    summary() {
      const number = (text) => el("td", { class: "fl-cmp-number", text });
      return this.table("Scores of the whole runs", ["Score", "A", "B", "B − A"], this.page.summary.map((row) => el("tr", {},
        el("th", { scope: "row", text: row.label, title: `${row.short} ${scale.phrase(row.direction)}` }), number(bounded(row, 0) + format.quantity(row.a, row.unit, this.bits)), number(bounded(row, 1) + format.quantity(row.b, row.unit, this.bits)), number(this.signed(row.difference, row.unit, 4)))));
    }

    settings() {
      const cell = (value) => {
        const node = el("td", {});
        Forklore.fillText(node, value === null || value === "" ? NOT_SET : Array.isArray(value) ? value.map((part) => format.label(part, true)).join(", ") : String(value));
        return node;
      };
      return this.table("Settings that differ", ["Setting", "A", "B"], this.page.settings.filter((row) => row.differs).map((row) => el("tr", {}, el("th", { scope: "row", text: row.label }), cell(row.a), cell(row.b))), "None: both runs were made alike.");
    }
  }

  Forklore.mountCompare = ({ element, props, watch, trigger }) => {
    const root = element.querySelector(".fl-piece");
    root.classList.add("fl-compare");
    root.setAttribute("role", "region");
    root.setAttribute("aria-label", "Two runs compared");
    let said = null;
    let shown = null;
    let before = null; // where the reader was when the comparison opened
    /** To the comparison, which opens far above the rows it was asked for at; and back to them when it is closed. */
    const follow = (held, opened) => {
      if (opened && !before) {
        before = { at: document.activeElement, y: window.scrollY };
        root.querySelector("h2").focus({ preventScroll: true });
        const show = () => root.scrollIntoView({ block: "start" });
        show();
        if (!root.offsetParent) setTimeout(show, 300); // the view it is part of is only being opened
      } else if (opened && held) [...root.querySelectorAll("button")].find((button) => button.textContent === held)?.focus();
      else if (!opened && before) {
        window.scrollTo(0, before.y);
        before.at?.focus?.({ preventScroll: true });
        before = null;
      }
    };
    const draw = () => {
      const text = props.value || "";
      if (text === said) return;
      const held = root.contains(document.activeElement) ? document.activeElement.textContent : "";
      said = text;
      if (shown) shown.curve.observer.disconnect();
      shown = null;
      root.hidden = !text;
      root.replaceChildren();
      if (text) shown = new Comparison(root, JSON.parse(text), trigger);
      follow(held, Boolean(text));
    };
    watch("value", draw);
    draw();
  };
})();
