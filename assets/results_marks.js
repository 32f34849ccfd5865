// The text of a run with labels drawn over its tokens: of one person, of several sides in lanes, or to be marked anew.
// Labels differ by hue and by the kind of line; names stand where a label ends. Knows tokens and labels only.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsAnswers } = Forklore;
  const { el } = dom;
  const { labelHue, labelClass, titleOf } = resultsAnswers;
  const LANE = 5;

  function fill(node, token) {
    if (token.c || !token.t) node.append(el("i", { class: "fl-rs-control", text: format.label(token.t || (token.x ? `⟨${token.x}⟩` : "")) }));
    else Forklore.fillText(node, token.t);
  }

  /** Where labels of sides lie: for each token the [label, side] over it, in lanes. sides: [{by, labels}]. */
  function covering(sides, run, count) {
    const over = Array.from({ length: count }, () => []);
    sides.forEach((side, lane) => { for (const label of side.labels) if ((label.run || 0) === run) for (let i = label.start; i < Math.min(count, label.stop); i += 1) over[i].push({ label, side, lane }); });
    return over;
  }

  class MarkedText {
    /**
     * options: {schema, run: {tokens}, at: index of the run, sides: [{by, labels}], edit: {give(set, label, start, stop), drop(index)} or nothing, name}
     */
    constructor(options) {
      Object.assign(this, options, { cursor: -1, anchor: -1 });
      const { tokens } = this.run;
      this.prefix = dom.uid("fl-rs-token");
      this.nodes = tokens.map((token, i) => {
        const [word, lead] = [el("span", { class: "fl-rs-w" }), /^ +(?=[^ ])/.exec(token.t || "")?.[0] || ""];
        fill(word, lead ? { ...token, t: token.t.slice(lead.length) } : token);
        // the blank before a word belongs to a label only where the token before it does
        return el("span", { class: "fl-rs-t", data: { t: i }, ...(this.edit ? { role: "option", id: `${this.prefix}-${i}`, "aria-selected": "false" } : {}) }, el("span", { class: "fl-rs-lead", text: i ? lead : "" }), word);
      });
      this.words = el("div", { class: "fl-rs-words", dir: "auto", translate: "no", ...(this.edit ? { role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": `${this.name || "Tokens"}: arrows move, Shift extends, keys give labels, x removes` } : {}) }, this.nodes);
      this.root = el("div", { class: "fl-rs-marked" }, this.words);
      if (this.edit) this.listen();
      this.draw();
    }

    /** Draws the labels anew; tokens stay. */
    draw() {
      const lanes = Math.max(1, this.sides.length);
      this.words.style.setProperty("--fl-rs-lanes", lanes);
      const over = covering(this.sides, this.at, this.nodes.length);
      this.nodes.forEach((node, i) => {
        const here = over[i];
        this.paint(node.children[1], here, lanes);
        this.paint(node.children[0], here.filter(({ label }) => label.start < i), lanes);
        for (const tag of [...node.querySelectorAll(".fl-rs-tag")]) tag.remove();
        // one person's labels are named where they end; in lanes the side's letter says whose it is
        for (const { label, side } of here.filter(({ label: one }) => one.stop === i + 1)) node.append(el("span", { class: `fl-rs-tag ${labelClass(this.schema, label.set, label.label)}`, text: `${lanes > 1 || side.by ? `${side.by} ` : ""}${titleOf(this.schema, label.set, label.label)}` }));
        if (this.edit) node.setAttribute("aria-label", Forklore.dom.shown([format.label(this.run.tokens[i].t), `token ${i + 1}`, ...here.map(({ label }) => titleOf(this.schema, label.set, label.label))].join(", ")));
      });
      this.point();
    }

    /** Lines under a word, one a label: several sides have a lane each; a single one is tinted, too. */
    paint(word, here, lanes) {
      const hue = ({ label }) => labelHue(this.schema, label.set, label.label);
      const depth = (one, k) => (lanes > 1 ? one.lane : k);
      const deepest = Math.max(0, ...here.map((one, k) => depth(one, k) + 1));
      const { style } = word;
      style.backgroundImage = here.map((one) => `var(--fl-rule-${hue(one)})`).join(", ");
      style.backgroundPosition = here.map((one, k) => `0 calc(100% - ${(deepest - 1 - depth(one, k)) * LANE}px)`).join(", ");
      style.backgroundSize = here.map(() => "100% 4px").join(", ");
      style.paddingBottom = here.length ? `${deepest * LANE + 1}px` : "";
      style.setProperty("--fl-hue", here.length ? `var(--fl-hue-${hue(here[0])})` : "");
      word.classList.toggle("fl-rs-tint", here.length > 0 && lanes === 1);
    }

    // ---------------------------------------------------------------- marking

    /** [start, stop) of what is selected, null where nothing is. */
    get span() {
      if (this.cursor < 0) return null;
      const other = this.anchor < 0 ? this.cursor : this.anchor;
      return [Math.min(this.cursor, other), Math.max(this.cursor, other) + 1];
    }

    point() {
      const span = this.span;
      this.nodes.forEach((node, i) => {
        const on = Boolean(span) && i >= span[0] && i < span[1];
        node.classList.toggle("fl-rs-on", on);
        if (this.edit) node.setAttribute("aria-selected", String(on));
      });
      if (this.edit && this.cursor >= 0) this.words.setAttribute("aria-activedescendant", this.nodes[this.cursor].id);
    }

    select(start, stop) {
      [this.anchor, this.cursor] = [start, stop - 1];
      this.point();
      this.edit?.selected?.(this);
    }

    listen() {
      const of = (target) => { const node = (target instanceof Element ? target : target?.parentElement)?.closest("[data-t]"); return node && this.words.contains(node) ? Number(node.dataset.t) : -1; };
      this.words.addEventListener("click", (event) => {
        const t = of(event.target);
        if (t < 0 || !getSelection().isCollapsed) return;
        if (event.shiftKey && this.anchor >= 0) this.cursor = t;
        else this.anchor = this.cursor = t;
        this.select(this.anchor, this.cursor + 1);
      });
      this.words.addEventListener("pointerup", () => setTimeout(() => {
        const selection = getSelection();
        if (!selection || selection.isCollapsed) return;
        const ends = [of(selection.anchorNode), of(selection.focusNode)].sort((a, b) => a - b);
        if (ends[0] < 0) return;
        selection.removeAllRanges();
        this.select(ends[0], ends[1] + 1);
      }, 0));
      this.words.addEventListener("keydown", (event) => this.pressed(event));
    }

    pressed(event) {
      if (dom.keyTaken(event)) return;
      const last = this.nodes.length - 1;
      const to = { ArrowRight: this.cursor + 1, ArrowLeft: this.cursor - 1, Home: 0, End: last }[event.key];
      const [set, label] = this.keyed(event.key);
      if (to !== undefined) {
        this.cursor = Math.max(0, Math.min(last, to));
        if (!event.shiftKey || this.anchor < 0) this.anchor = this.cursor;
        this.point();
        this.edit.selected?.(this);
        this.nodes[this.cursor].scrollIntoView({ block: "nearest" });
      } else if (label) this.give(set, label);
      else if (event.key === "x") this.drop();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** The label of a key: in the set that was used last, else in the first that has one. */
    keyed(key) {
      for (const set of [...this.schema.label_sets].sort((a, b) => (b.name === this.last) - (a.name === this.last))) for (const label of set.labels) if (String(label.key) === key) return [set.name, label.name];
      return ["", ""];
    }

    give(set, label) {
      const span = this.span;
      this.last = set;
      if (!span) return false;
      this.edit.give(set, label, this.at, ...span);
      return true;
    }

    drop() {
      const span = this.span;
      if (span) this.edit.drop(this.at, ...span);
    }
  }

  /** One label more: where labels of a set may not overlap, it takes the place of what it covers. */
  function withLabel(schema, labels, added) {
    const set = schema.label_sets.find((one) => one.name === added.set);
    const meets = (one) => one.set === added.set && (one.run || 0) === added.run && one.start < added.stop && added.start < one.stop;
    const same = (one) => one.label === added.label && one.start === added.start && one.stop === added.stop;
    return [...labels.filter((one) => !meets(one) || (set.overlap && !same(one))), added];
  }

  Forklore.MarkedText = MarkedText;
  Forklore.withLabel = withLabel;
})();
