// A judgement on one item being written: labels marked in its text and answers to the schema's questions.
// Serves final labels and known answers; what becomes of it is decided elsewhere.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsAnswers, resultsParts } = Forklore;
  const { el } = dom;
  const { answerField, palette, labelClass, titleOf } = resultsAnswers;
  const { hint, words } = resultsParts;

  class Judgement {
    /** options: {schema, runs: [{prompt, tokens}], state: {labels, answers}, changed?()}. */
    constructor({ schema, runs, state, changed }) {
      const answers = { ...(state?.answers || {}) };
      Object.assign(this, { schema, runs, answers, labels: [...(state?.labels || [])], changed: changed || (() => {}), active: null });
      this.texts = runs.map((run, at) => new Forklore.MarkedText({
        schema, run, at, name: runs.length > 1 ? `Text ${at + 1}` : "Text", sides: [{ by: "", labels: this.labels }],
        edit: { give: (...label) => this.give(...label), drop: (...span) => this.drop(...span), selected: (text) => { this.active = text; } },
      }));
      this.given = el("ul", { class: "fl-rs-given", "aria-label": "Labels given" });
      this.questions = el("div", {});
      const chips = schema.label_sets.length ? palette(schema, (set, label) => this.press(set, label)) : [];
      this.root = el("div", { class: "fl-rs-judgement" }, this.texts.map((text, k) => el("div", {}, this.runs.length > 1 ? el("p", { class: "fl-rs-soft", text: `Text ${k + 1}` }) : null, text.root)),
        chips.length ? [el("div", { class: "fl-rs-palette" }, chips), hint("Select tokens in the text with the mouse or with Shift and arrows, then press a label or its key." + (schema.label_sets.length > 1 ? " Keys give labels of the set that was used last." : ""))] : null, this.given, this.questions);
      this.drawQuestions();
      this.draw();
    }

    press(set, label) {
      const text = this.active || this.texts[0];
      for (const one of this.texts) one.last = set;
      if (!text?.give(set, label)) text?.words.focus();
    }

    give(set, label, run, start, stop) {
      this.setLabels(Forklore.withLabel(this.schema, this.labels, { set, label, run, start, stop }));
    }

    drop(run, start, stop) {
      this.setLabels(this.labels.filter((one) => (one.run || 0) !== run || one.stop <= start || one.start >= stop));
    }

    setLabels(labels) {
      this.labels = labels;
      this.draw();
      this.changed();
    }

    draw() {
      for (const text of this.texts) { text.sides = [{ by: "", labels: this.labels }]; text.draw(); }
      this.given.replaceChildren(...this.labels.map((one, i) => {
        const quote = (this.runs[one.run || 0]?.tokens || []).slice(one.start, one.stop).map((token) => token.t).join("").trim();
        return el("li", {}, el("span", { class: `fl-rs-hue ${labelClass(this.schema, one.set, one.label)}` }, words(titleOf(this.schema, one.set, one.label))), el("span", {}, " “", words(quote.length > 60 ? `${quote.slice(0, 59)}…` : quote), "” "),
          el("span", { class: "fl-rs-soft", text: one.stop - one.start === 1 ? `token ${format.count(one.start + 1)}` : `tokens ${format.count(one.start + 1)} to ${format.count(one.stop)}` }),
          dom.button("Remove", () => this.setLabels(this.labels.filter((_, k) => k !== i)), { class: "fl-button fl-rs-small", "aria-label": `Remove the label ${titleOf(this.schema, one.set, one.label)} on “${quote}”` }));
      }));
    }

    drawQuestions() {
      this.questions.replaceChildren(...this.schema.questions.map((question) => answerField(question, this.answers[question.name], (value) => {
        if (value === undefined) delete this.answers[question.name];
        else this.answers[question.name] = value;
        this.changed();
      }, { tokens: this.runs[0]?.tokens.length, selected: () => (this.texts[0] ? this.texts[0].cursor : -1) })));
    }

    answer(name, value) {
      if (value === undefined) delete this.answers[name];
      else this.answers[name] = value;
      this.drawQuestions();
      this.changed();
    }

    /** Titles of required questions without an answer. */
    get missing() {
      return this.schema.questions.filter((one) => one.required && this.answers[one.name] === undefined).map((one) => one.title);
    }

    get value() {
      return { labels: this.labels.map(({ set, label, run, start, stop }) => ({ set, label, run: run || 0, start, stop })), answers: { ...this.answers } };
    }
  }

  Forklore.Judgement = Judgement;
})();
