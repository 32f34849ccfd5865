// What stands below the text of an item: the labels given so far as a list, and what others said where that may be seen.
// Draws lists and reports wishes; does not change the item.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, annotationWords: words } = Forklore;
  const { el } = dom;

  const swatch = (look) => el("i", { class: `fl-an-sample fl-an-hue${look.hue} fl-an-stroke${look.stroke}`, "aria-hidden": "true" });
  const where = (label, runs) => `${runs.length > 1 ? `${"AB"[label.run]} ` : ""}${words.quote(runs[label.run].tokens, label.start, label.stop)}`;

  class Given {
    /** acts: {select(run, start, stop), unlabel(id)}. */
    constructor(palette, acts) {
      Object.assign(this, { palette, acts });
      this.list = el("ul", { class: "fl-an-given-list" });
      this.title = el("h3", { class: "fl-an-small-title" });
      this.root = el("section", { class: "fl-an-given", "aria-label": "Labels of this item" }, this.title, this.list);
    }

    draw({ labels }, runs, readonly) {
      this.title.textContent = labels.length ? words.counted(labels.length, "label") : "No label yet";
      const held = this.list.contains(document.activeElement) ? [...this.list.querySelectorAll("button")].indexOf(document.activeElement) : -1;
      this.list.replaceChildren(...labels.map((label) => {
        const look = this.palette.of(label);
        const said = `${look.label.title} on ${where(label, runs)}`;
        const go = el("button", { type: "button", class: "fl-an-given-label", title: words.range(label.start, label.stop), onclick: () => this.acts.select(label.run, label.start, label.stop) },
          swatch(look), el("bdi", { text: look.label.title }), " ", el("bdi", { class: "fl-an-quote", text: where(label, runs) }));
        const off = readonly ? null : el("button", { type: "button", class: "fl-an-off-button", text: "×", "aria-label": `Remove ${said}`, title: "Remove", onclick: () => this.acts.unlabel(label.id) });
        return el("li", {}, go, off);
      }));
      const buttons = this.list.querySelectorAll("button");
      if (held >= 0) (buttons[Math.min(held, buttons.length - 1)] || this.acts.text()).focus();
    }
  }

  class Others {
    /** acts: {others()}: those whose labels are to be drawn in the text have changed. */
    constructor(schema, palette, acts) {
      Object.assign(this, { schema, palette, acts, shown: new Set() });
      this.body = el("div", { class: "fl-an-others-body" });
      this.title = el("summary", {});
      this.root = el("details", { class: "fl-an-others" }, this.title, this.body);
    }

    draw(others, runs) {
      this.root.hidden = !others?.length;
      if (this.root.hidden) return;
      this.title.textContent = `What others said (${others.length})`;
      this.body.replaceChildren(...others.map(({ by, state }) => this.one(by, state, runs)));
    }

    one(by, state, runs) {
      const toggle = state.labels.length ? dom.button("Show in the text", () => {
        if (!this.shown.delete(by)) this.shown.add(by);
        toggle.setAttribute("aria-pressed", String(this.shown.has(by)));
        this.acts.others();
      }, { "aria-pressed": String(this.shown.has(by)) }) : null;
      const labels = state.labels.map((label) => { const look = this.palette.of(label); return el("li", {}, swatch(look), el("bdi", { text: look.label.title }), " ", el("bdi", { class: "fl-an-quote", text: where(label, runs) })); });
      const answers = this.schema.questions.filter(({ name }) => name in state.answers).map((question) => el("li", {}, el("bdi", { text: `${question.title}: ` }), el("bdi", { text: words.answer(question, state.answers[question.name], runs[0].tokens) })));
      const remark = state.comment ? el("li", {}, "Comment: ", el("bdi", { text: state.comment })) : null;
      return el("section", { class: "fl-an-one-other" }, el("h3", { class: "fl-an-small-title", text: by }), toggle,
        labels.length || answers.length || remark ? el("ul", {}, labels, answers, remark) : el("p", { class: "fl-an-soft", text: "No labels and no answers." }));
    }

    /** The labels of those who are shown, as rows for the text of one run. */
    rows(others, run) {
      return (others || []).filter(({ by }) => this.shown.has(by)).flatMap(({ by, state }) => state.labels.filter((label) => label.run === run)
        .map((label) => { const look = this.palette.of(label); return { start: label.start, stop: label.stop, name: `${by}: ${look.label.title}`, hue: look.hue, stroke: look.stroke, kind: "fl-an-theirs" }; }));
    }
  }

  Object.assign(Forklore, { AnnotationGiven: Given, AnnotationOthers: Others });
})();
