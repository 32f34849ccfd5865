// The labels that can be given: one set at a time, each label with its key, stroke and name; what is selected and what
// the keys would do to it. Reports wishes; does not change the item.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, controls } = Forklore;
  const { el } = dom;

  class Palette {
    /** acts: {label(row), remove(), undo(), redo(), say(text)}. */
    constructor(schema, palette, acts) {
      Object.assign(this, { schema, palette, acts, set: 0, last: new Map(), buttons: new Map() });
      this.sets = el("div", { class: "fl-an-sets" });
      this.labels = el("div", { class: "fl-an-labels", role: "group" });
      this.target = el("span", { class: "fl-an-target" });
      this.removing = dom.button("Remove", () => acts.remove(), { "aria-keyshortcuts": "x", title: "Take the labels of this set off what is selected (x)" });
      this.undoing = dom.button("Undo", () => acts.undo(), { "aria-keyshortcuts": "u", title: "Undo (u)" });
      this.redoing = dom.button("Redo", () => acts.redo(), { "aria-keyshortcuts": "Shift+U", title: "Redo (Shift + u)" });
      this.help = el("p", { class: "fl-an-sethelp" });
      const deeds = el("span", { class: "fl-an-deeds" }, schema.label_sets.length ? this.removing : null, this.undoing, this.redoing);
      this.root = el("div", { class: "fl-an-palette" }, schema.label_sets.length > 1 ? this.sets : null, this.help, schema.label_sets.length ? this.labels : null, el("div", { class: "fl-an-what" }, this.target, deeds));
      if (schema.label_sets.length > 1) {
        this.switch = controls.segmented({ label: "Label set", choices: schema.label_sets.map((one, i) => ({ value: i, label: one.title })), value: 0, pick: (i) => this.choose(i) });
        this.sets.append(this.switch.root, el("kbd", { text: "t", title: "t chooses the next set" }));
      }
      if (schema.label_sets.length) this.choose(0);
    }

    get current() { return this.schema.label_sets[this.set] || null; }

    choose(i) {
      this.set = i;
      this.switch?.set(i);
      const rows = this.palette.rows.filter((row) => row.set === this.current);
      this.labels.setAttribute("aria-label", Forklore.dom.shown(`Labels: ${this.current.title}`));
      this.buttons = new Map(rows.map((row) => [row, el("button", {
        type: "button", class: `fl-an-label fl-an-hue${row.hue} fl-an-stroke${row.stroke}`, title: row.label.description || null,
        "aria-keyshortcuts": row.label.key ? String(row.label.key) : null, onclick: () => this.acts.label(row),
      }, row.label.key ? el("kbd", { text: String(row.label.key), "aria-hidden": "true" }) : null, el("i", { class: "fl-an-sample", "aria-hidden": "true" }), el("bdi", { text: row.label.title }))]));
      this.labels.replaceChildren(...this.buttons.values());
      this.help.textContent = Forklore.dom.shown(this.current.help || "");
      this.help.hidden = !this.current.help;
      this.mark();
    }

    nextSet() {
      const { length } = this.schema.label_sets;
      if (length < 2) return;
      this.choose((this.set + 1) % length);
      this.acts.say(`Labels: ${this.current.title}`);
    }

    rowOfKey(digit) { return [...this.buttons.keys()].find((row) => row.label.key === digit) || null; }

    /** The label that Enter gives: the one given last, at first the set's first. */
    get ready() { return this.last.get(this.current?.name) || [...this.buttons.keys()][0] || null; }

    used(row) {
      this.last.set(row.set.name, row);
      this.mark();
    }

    mark() {
      for (const [row, button] of this.buttons) button.classList.toggle("fl-an-ready", row === this.ready && this.last.has(row.set.name));
    }

    /** said: what is selected, in words; able: {label, remove, undo, redo}. */
    update(said, able) {
      this.target.textContent = Forklore.dom.shown(said);
      for (const button of this.buttons.values()) button.classList.toggle("fl-an-idle", !able.label);
      this.removing.disabled = !able.remove;
      this.undoing.disabled = !able.undo;
      this.redoing.disabled = !able.redo;
    }
  }

  Forklore.AnnotationPalette = Palette;
})();
